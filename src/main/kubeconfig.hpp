// Writes and merges kubeconfig files, as kubectl's loading rules find them. Blocking file I/O; one caller at a time.
//
// Source: client-go's clientcmd: a context, a cluster and a user of one name, the file replaced atomically, mode 0600.
#pragma once

#include <string>

#include "base/result.hpp"

namespace main_ {

struct KubeconfigEntry {
  std::string name;    // of the context, cluster and user: sampan-NAME
  std::string server;  // https://127.0.0.1:6443
  std::string ca_pem;
  std::string certificate_pem;
  std::string key_pem;
};

// A kubeconfig with only this entry.
std::string make_kubeconfig(const KubeconfigEntry& entry);
// The file that a change belongs to: the first of $KUBECONFIG, else ~/.kube/config.
std::string default_kubeconfig_path();
// Puts the entry into the file and makes it the current context. Everything else in the file stays.
base::Result<void> merge_kubeconfig(const std::string& path, const KubeconfigEntry& entry);
// Takes the entry out again; a missing file or entry is no error.
base::Result<void> remove_from_kubeconfig(const std::string& path, const std::string& name);

}  // namespace main_
