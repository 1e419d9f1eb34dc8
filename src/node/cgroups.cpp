#include "node/cgroups.hpp"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/strings.hpp"
#include "sys/fs.hpp"

namespace node {
namespace {

// rmdir from the leaves up: the files in a cgroup are the kernel's.
void remove_below(const std::string& path) {
  const auto names = sys::list_dir(path);
  if (!names) return;
  for (const auto& name : *names) {
    if (sys::is_dir(path + "/" + name)) remove_below(path + "/" + name);
  }
  ::rmdir(path.c_str());
}

int signal_below(const std::string& path) {
  int count = 0;
  for (const auto& line : base::split(sys::read_file(path + "/cgroup.procs", 1 << 20).value_or(""), '\n')) {
    const auto pid = base::parse_int(line);
    if (pid && *pid > 1 && ::kill(static_cast<pid_t>(*pid), SIGKILL) == 0) ++count;
  }
  for (const auto& name : sys::list_dir(path).value_or(std::vector<std::string>())) {
    if (sys::is_dir(path + "/" + name)) count += signal_below(path + "/" + name);
  }
  return count;
}

}  // namespace

void kill_in_cgroups(const std::string& cluster) {
  for (int round = 0; round < 50; ++round) {
    int count = 0;
    for (const char* hierarchy : {"", "/pids", "/memory"}) {
      const std::string path = std::string("/sys/fs/cgroup") + hierarchy + "/sampan-" + cluster;
      if (sys::is_dir(path)) count += signal_below(path);
    }
    if (count == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void remove_pod_cgroups(const std::string& cluster, const std::string& pod_uid) {
  const std::string below = "/sampan-" + cluster + (pod_uid.empty() ? "" : "/pod" + pod_uid);
  const std::string root = "/sys/fs/cgroup";
  if (sys::is_dir(root + below)) remove_below(root + below);
  const auto hierarchies = sys::list_dir(root);
  if (!hierarchies) return;
  for (const auto& hierarchy : *hierarchies) {
    const std::string path = root + "/" + hierarchy + below;
    if (sys::is_dir(path)) remove_below(path);
  }
}

}  // namespace node
