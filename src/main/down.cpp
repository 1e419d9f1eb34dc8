#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

#include "main/cluster.hpp"
#include "main/kubeconfig.hpp"
#include "main/node_network.hpp"
#include "main/up.hpp"
#include "proxy/bpf/kernel.hpp"
#include "sys/fs.hpp"
#include "sys/mount.hpp"
#include "sys/process.hpp"

namespace main_ {
namespace {

using namespace std::chrono_literals;

constexpr auto kStopLimit = 10s;

// SIGTERM, and SIGKILL when it does not stop in time. By pidfd, so that no other process can be meant.
void stop_server(const ClusterPaths& paths) {
  auto pid = running_pid(paths);
  if (!pid) return;
  auto pidfd = sys::open_pidfd(*pid);
  if (!pidfd || running_pid(paths) != pid) return;
  sys::signal_pidfd(pidfd->get(), SIGTERM);
  auto end = std::chrono::steady_clock::now() + kStopLimit;
  while (running_pid(paths) && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
  if (running_pid(paths)) sys::signal_pidfd(pidfd->get(), SIGKILL);
  while (running_pid(paths) && std::chrono::steady_clock::now() < end + kStopLimit) std::this_thread::sleep_for(5ms);
}

// Every step is tried whatever became of the others: half of it may be gone already.
std::vector<std::string> remove_everything(const ClusterPaths& paths, bool keep_data) {
  std::vector<std::string> left;
  auto step = [&left](base::Result<void> done) {
    if (!done) left.push_back(done.error().message);
  };
  stop_server(paths);
  step(node::remove_all_pods(node_config(paths)));
  // The nftables table lives in the node's namespace and goes with it.
  step(remove_node_network(paths));
  step(proxy::bpf::remove_pins(paths.bpf_pins));
  for (const std::string& root : {paths.run_dir, paths.state_dir}) {
    auto mounts = sys::mounts_below(root);
    if (!mounts) continue;
    for (auto& mount : *mounts) step(sys::unmount_lazily(mount));
  }
  step(sys::remove_tree(paths.run_dir));
  if (!keep_data) step(sys::remove_tree(paths.state_dir));
  return left;
}

}  // namespace

int down(const DownOptions& options) {
  ClusterPaths paths(options.name);
  if (::geteuid() != 0) {
    fmt::print(stderr, "error: network namespaces and containers need root: run sampan down as root\n");
    return 1;
  }
  if (!sys::exists(paths.state_dir) && !sys::exists(paths.run_dir)) {
    fmt::print("There is no cluster \"{}\".\n", options.name);
    return 0;
  }
  auto lock = sys::lock_file(paths.lock_file);
  auto left = remove_everything(paths, options.keep_data);
  if (auto done = remove_from_kubeconfig(default_kubeconfig_path(), paths.netns_name); !done)
    left.push_back(done.error().message);
  if (!left.empty()) {
    for (auto& what : left) fmt::print(stderr, "error: not removed: {}\n", what);
    return 1;
  }
  (void)sys::remove_file(paths.lock_file);
  fmt::print("Cluster \"{}\" is gone{}.\n", options.name, options.keep_data ? "; its data is kept in " + paths.state_dir : "");
  return 0;
}

}  // namespace main_
