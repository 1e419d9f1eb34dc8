// Reads kubeconfig files by kubectl's loading rules and says how to reach the server. Blocking file I/O; any thread.
//
// Source: client-go clientcmd: --kubeconfig alone; else $KUBECONFIG as a list, first file to set a value wins; else
// ~/.kube/config; else the in-cluster service account.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/flags.hpp"
#include "net/client.hpp"

namespace cli {

struct Connection {
  net::ClientConfig http;
  std::string server;      // as the kubeconfig writes it: https://127.0.0.1:6443
  std::string namespace_;  // of --namespace or the context, else "default"
  bool namespace_given = false;
};

base::Result<Connection> load_connection(const Args& args);
// All files merged, for `config view` and friends.
base::Result<base::Value> load_merged_kubeconfig(const Args& args, std::string* path_of_changes);

}  // namespace cli
