// The network namespaces of a cluster, found as files below a folder while pods come and go, and told by their cookies:
// a socket of any other namespace is none of our business.
//
// Threading: made and destroyed by one owner; `changed` is called on a thread of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace proxy::bpf {

// The number by which the kernel's programs know a network namespace; never given twice. `path`: its file.
base::Result<uint64_t> namespace_cookie(const std::string& path);
// Of the namespace that is open as `fd`; -1: the calling thread's.
base::Result<uint64_t> namespace_cookie(int fd = -1);

struct NamespaceFolder {
  std::string path;         // made when it is not there
  std::string prefix = {};  // of the names that count
};

class NamespaceWatch {
 public:
  // Calls changed(path, cookie, true) for what is there and what comes, and with false for what has gone. The first
  // calls are made before this returns.
  using Changed = std::function<void(const std::string& path, uint64_t cookie, bool there)>;
  static base::Result<std::unique_ptr<NamespaceWatch>> start(std::vector<NamespaceFolder> folders, Changed changed);
  virtual ~NamespaceWatch() = default;
};

}  // namespace proxy::bpf
