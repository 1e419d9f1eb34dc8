#include "main/list.hpp"

#include <fmt/format.h>

#include "main/cluster.hpp"
#include "sys/fs.hpp"

namespace main_ {

int list_clusters() {
  auto names = cluster_names();
  if (names.empty()) {
    fmt::print("No clusters. Start one with: sampan up\n");
    return 0;
  }
  fmt::print("{:<20} {:<9} {:<24} {}\n", "NAME", "STATE", "API", "NODE NAMESPACE");
  for (auto& name : names) {
    ClusterPaths paths(name);
    auto settings = read_settings(paths);
    std::string api = settings && settings->api_port ? fmt::format("https://127.0.0.1:{}", settings->api_port) : "-";
    fmt::print("{:<20} {:<9} {:<24} {}\n", name, running_pid(paths) ? "running" : "stopped", api, paths.netns_name);
  }
  return 0;
}

int print_kubeconfig(const std::string& name) {
  auto text = sys::read_file(ClusterPaths(name).kubeconfig);
  if (!text) {
    fmt::print(stderr, "error: there is no cluster {:?}: start it with: sampan up --name {}\n", name, name);
    return 1;
  }
  fmt::print("{}", *text);
  return 0;
}

}  // namespace main_
