// `sampan up` and `sampan down`: a local one-node cluster in a network namespace of its own. They print what they did
// and return the exit code; one of them at a time per cluster (a lock file says so).
#pragma once

#include <string>
#include <vector>

namespace main_ {

struct UpOptions {
  std::string name = "default";
  bool isolated = false;
  std::string kubeconfig;  // write there instead of merging into the user's
  int api_port = 0;        // on the host's loopback; 0: 6443 when free, else any
  std::vector<std::string> server_flags;  // further ones of `sampan server`
};
int up(const UpOptions& options);

struct DownOptions {
  std::string name = "default";
  bool keep_data = false;
};
int down(const DownOptions& options);

}  // namespace main_
