// `sampan down`: what is left of a cluster on this machine, removed from the folders alone.
#include <signal.h>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "node/agent.hpp"
#include "node/cgroups.hpp"
#include "node/records.hpp"
#include "node/runtime.hpp"
#include "node/sandbox.hpp"
#include "sys/fs.hpp"
#include "sys/mount.hpp"

namespace node {
namespace {

// Collects what went wrong and goes on.
class Problems {
 public:
  void note(const base::Result<void>& result) {
    if (!result) texts_.push_back(result.error().message);
  }
  base::Result<void> result() const {
    if (texts_.empty()) return {};
    return base::fail(base::Reason::internal_error,
                      "not everything could be removed: " + base::join(texts_, "; "));
  }

 private:
  std::vector<std::string> texts_;
};

void remove_container_folders(const Config& config, Problems& problems) {
  Records records(config.state_dir + "/pods");
  problems.note(records.load());
  for (const auto& key : records.keys()) {
    for (const auto& record : records.of_pod(key)) {
      problems.note(remove_sandbox_network(record.netns, record.veth));
      problems.note(
          sys::remove_tree(config.log_dir + "/" + record.namespace_ + "_" + record.name + "_" + record.uid));
    }
  }
  for (const auto& folder : {config.run_dir + "/netns", config.run_dir + "/volumes"}) {
    if (auto mounts = sys::mounts_below(folder)) {
      for (const auto& mount : *mounts) problems.note(sys::unmount_lazily(mount));
    }
    problems.note(sys::remove_tree(folder));
  }
  problems.note(sys::remove_tree(config.state_dir + "/pods"));
  problems.note(sys::remove_tree(config.state_dir + "/exits"));
  problems.note(sys::remove_file(config.state_dir + "/addresses.json"));
  problems.note(sys::remove_tree(config.run_dir + "/runtime"));
  problems.note(sys::remove_tree(config.run_dir + "/attach"));
}

}  // namespace

base::Result<void> remove_all_pods(const Config& config) {
  Problems problems;
  if (sys::is_dir(config.run_dir + "/runtime")) {
    auto runtime = Runtime::find_unproved(config);
    if (runtime) {
      for (const auto& id : (*runtime)->known_containers()) problems.note((*runtime)->remove(id));
    } else {
      problems.note(std::unexpected(runtime.error()));
    }
  }
  // Also what the runtime no longer knows.
  kill_in_cgroups(config.cluster);
  remove_container_folders(config, problems);
  remove_pod_cgroups(config.cluster, "");
  return problems.result();
}

}  // namespace node
