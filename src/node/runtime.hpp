// The OCI runtime (crun, else runc) and conmon as child processes. A container and its monitor live in
// sessions of their own and outlive this process; what they leave is read from files. Any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "node/agent.hpp"
#include "sys/process.hpp"

namespace node {

struct ContainerStart {
  std::string id;
  std::string name;    // for conmon's logs
  std::string bundle;  // folder with config.json; rootfs/ is mounted there
  std::string log_path;
  bool terminal = false;
  std::string layers_dir;
  std::vector<std::string> layers;  // lowest first, names in layers_dir
  std::string upper;
  std::string work;
  std::vector<sys::ChildMount> mounts;  // more, made beside the root's
};

struct StartedProcess {
  pid_t pid = 0;
  uint64_t start_time = 0;
};

class Runtime {
 public:
  // Finds a runtime and proves with a container that it works here. The error says what was tried.
  static base::Result<std::unique_ptr<Runtime>> find(const Config& config);
  // Without the proof: for cleaning up.
  static base::Result<std::unique_ptr<Runtime>> find_unproved(const Config& config);

  const std::string& name() const { return name_; }        // "crun"
  const std::string& version() const { return version_; }  // "1.8.1"
  const std::string& explanation() const { return why_; }  // one sentence for the Node's status
  const std::string& exit_dir() const { return exit_dir_; }
  uint64_t capability_bounds() const { return capability_bounds_; }
  bool cgroup_namespaces() const { return cgroup_namespaces_; }

  base::Result<StartedProcess> create(const ContainerStart& start) const;
  base::Result<void> start(const std::string& id) const;
  // Ends what runs of it and removes the runtime's traces and the cgroup. Nothing there: fine.
  base::Result<void> remove(const std::string& id) const;
  // The exit code that conmon wrote, if the container has ended.
  std::optional<int> exit_code(const std::string& id) const;
  void forget_exit(const std::string& id) const;
  bool was_killed_for_memory(const std::string& cgroup_path, const std::string& bundle) const;
  // How to run a command inside the container, as its own process runs (user, environment, folder). Makes the
  // files `scratch`.json and `scratch`.pid (the command's process id).
  base::Result<sys::Spawn> exec(const std::string& id, const std::string& bundle,
                                const std::vector<std::string>& command, bool terminal,
                                const std::string& scratch) const;
  std::vector<std::string> known_containers() const;

 private:
  Runtime() = default;
  static base::Result<std::unique_ptr<Runtime>> make(const Config& config);
  base::Result<void> prove(const Config& config) const;
  sys::Spawn command(std::vector<std::string> arguments) const;
  base::Result<void> run(std::vector<std::string> arguments, const char* what) const;

  std::string name_;
  std::string path_;
  std::string version_;
  std::string why_;
  std::string conmon_;
  std::string root_;
  std::string exit_dir_;
  std::string socket_dir_;
  bool leave_out_unified_ = false;  // the cgroup2 mount of hybrid cgroups, which crun refuses
  bool cgroup_namespaces_ = false;
  uint64_t capability_bounds_ = 0;
};

std::string make_container_id();
// Whether that very process is alive.
bool is_alive(pid_t pid, uint64_t start_time);

}  // namespace node
