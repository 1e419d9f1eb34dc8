// Where a local cluster keeps its files, and what is known of it between commands. Values; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "node/agent.hpp"

namespace main_ {

inline constexpr std::string_view kStateRoot = "/var/lib/sampan";
inline constexpr std::string_view kRunRoot = "/run/sampan";

// Every path of one cluster; nothing is created by making this.
struct ClusterPaths {
  explicit ClusterPaths(const std::string& name);

  std::string name;
  std::string state_dir;      // /var/lib/sampan/NAME
  std::string run_dir;        // /run/sampan/NAME
  std::string netns_name;     // sampan-NAME, as `ip netns` shows it
  std::string netns_path;     // /run/netns/sampan-NAME
  std::string settings_file;  // state_dir/cluster.json
  std::string log_file;       // state_dir/sampan.log
  std::string pid_file;       // run_dir/sampan.pid, locked by the running server
  std::string lock_file;      // run_dir/../NAME.lock, held by up and down
  std::string bpf_pins;       // run_dir/bpf, mounted while the cluster is there
  std::string kubeconfig;     // state_dir/kubeconfig: the one that `sampan kubeconfig` prints
};

// What `up` decided once and later commands must know.
struct ClusterSettings {
  int api_port = 0;       // on the host's loopback
  int index = 0;          // which link network (10.243.INDEX.0/24) the cluster has, when it is not isolated
  bool isolated = false;
};

// "default", "t-1": a DNS label of at most 40 characters, since network names are made of it.
base::Result<void> check_cluster_name(const std::string& name);
base::Result<ClusterSettings> read_settings(const ClusterPaths& paths);
base::Result<void> write_settings(const ClusterPaths& paths, const ClusterSettings& settings);
// Clusters that have a state or run folder, by name.
std::vector<std::string> cluster_names();
// The pid of the server that runs this cluster now.
std::optional<int> running_pid(const ClusterPaths& paths);
// What the node agent, and `down` without one, must know.
node::Config node_config(const ClusterPaths& paths);

}  // namespace main_
