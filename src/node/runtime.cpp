#include "node/runtime.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "sys/fs.hpp"
#include "sys/mount.hpp"

namespace node {
namespace {

using namespace std::chrono_literals;

constexpr auto kRuntimeTimeout = 30s;

std::string find_program(const std::string& name) {
  for (const char* folder :
       {"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
    const std::string path = folder + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

std::string version_of(const std::string& program) {
  auto output = sys::run({.argv = {program, "--version"}}, 5s);
  if (!output || output->status.code != 0) return "unknown";
  // "crun version 1.8.1", "runc version 1.1.5+ds1"
  const auto line = output->out.substr(0, output->out.find('\n'));
  const auto blank = line.rfind(' ');
  return blank == std::string::npos ? "unknown" : line.substr(blank + 1);
}

uint64_t read_capability_bounds() {
  const std::string text = sys::read_file("/proc/self/status").value_or("");
  const auto at = text.find("CapBnd:");
  if (at == std::string::npos) return 0;
  const auto digits = base::trim(std::string_view(text).substr(at + 7, 18));
  uint64_t bits = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
  return bits;
}

// The last line that says something, for messages.
std::string last_line(std::string_view text) {
  text = base::trim(text);
  const auto newline = text.rfind('\n');
  return std::string(newline == std::string_view::npos ? text : text.substr(newline + 1)).substr(0, 1000);
}

base::Result<std::string> read_report(int fd, std::chrono::milliseconds timeout) {
  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    pollfd poll_fd{fd, POLLIN, 0};
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return base::fail(base::Reason::timeout, "conmon did not answer in time");
    const int n = ::poll(&poll_fd, 1, static_cast<int>(left));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) continue;
    char buffer[4096];
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(base::errno_error("read conmon's report", errno));
    if (got > 0) text.append(buffer, static_cast<size_t>(got));
    if (got == 0 || text.find('\n') != std::string::npos) return text;
  }
}

}  // namespace

std::string make_container_id() {
  std::string id;
  char digits[17];
  for (int i = 0; i < 4; ++i) {
    ::snprintf(digits, sizeof(digits), "%016lx", static_cast<unsigned long>(base::random_u64()));
    id += digits;
  }
  return id;
}

bool is_alive(pid_t pid, uint64_t start_time) {
  const auto now = sys::process_start_time(pid);
  return now && *now == start_time;
}

base::Result<std::unique_ptr<Runtime>> Runtime::make(const Config& config) {
  std::unique_ptr<Runtime> runtime(new Runtime());
  runtime->conmon_ = find_program("conmon");
  if (runtime->conmon_.empty()) {
    return base::fail(base::Reason::service_unavailable, "conmon is missing: apt-get install conmon");
  }
  runtime->root_ = config.run_dir + "/runtime";
  runtime->exit_dir_ = config.state_dir + "/exits";
  runtime->socket_dir_ = config.run_dir + "/attach";
  runtime->capability_bounds_ = read_capability_bounds();
  runtime->cgroup_namespaces_ = sys::cgroups_are_v2();
  for (const auto& dir : {runtime->root_, runtime->exit_dir_, runtime->socket_dir_})
    CHECK_OK(sys::make_dirs(dir, 0700));
  return runtime;
}

base::Result<std::unique_ptr<Runtime>> Runtime::find_unproved(const Config& config) {
  TRY(auto runtime, make(config));
  for (const char* name : {"crun", "runc"}) {
    runtime->name_ = name;
    runtime->path_ = find_program(name);
    runtime->leave_out_unified_ = runtime->name_ == "crun" && sys::cgroups_are_hybrid();
    if (!runtime->path_.empty()) return runtime;
  }
  return base::fail(base::Reason::service_unavailable,
                    "no container runtime is installed: apt-get install crun");
}

base::Result<std::unique_ptr<Runtime>> Runtime::find(const Config& config) {
  TRY(auto runtime, make(config));
  std::string tried;
  for (const char* name : {"crun", "runc"}) {
    runtime->name_ = name;
    runtime->path_ = find_program(name);
    if (runtime->path_.empty()) {
      tried += std::string(name) + " is not installed; ";
      continue;
    }
    runtime->leave_out_unified_ = runtime->name_ == "crun" && sys::cgroups_are_hybrid();
    auto proved = runtime->prove(config);
    if (!proved) {
      tried += std::string(name) + " does not work here (" + proved.error().message + "); ";
      base::log_warning("node", "{} does not work here: {}", name, proved.error().message);
      continue;
    }
    runtime->version_ = version_of(runtime->path_);
    runtime->why_ = runtime->name_ + " " + runtime->version_ + " runs the containers";
    if (runtime->leave_out_unified_) {
      runtime->why_ +=
          ", in a private mount namespace without the cgroup2 mount because the host's cgroups are hybrid";
    } else if (!tried.empty()) {
      runtime->why_ += ": " + tried.substr(0, tried.size() - 2);
    }
    return runtime;
  }
  return base::fail(base::Reason::service_unavailable,
                    "no container runtime works: " + tried + "install one: apt-get install crun");
}

// One container that does nothing but exist: enough to meet every obstacle (cgroups, namespaces, mounts).
base::Result<void> Runtime::prove(const Config& config) const {
  const std::string bundle = config.run_dir + "/probe-" + base::make_name_suffix(8);
  const std::string id = "probe-" + base::make_name_suffix(10);
  CHECK_OK(sys::make_dirs(bundle + "/rootfs/proc", 0700));
  CHECK_OK(sys::make_dirs(bundle + "/rootfs/dev", 0700));
  base::Array namespaces;
  for (const char* type : {"mount", "pid", "ipc", "uts", "network"}) {
    namespaces.emplace_back(base::Object{{"type", type}});
  }
  // The program does not exist: `create` succeeds or fails before it looks for it only in runc, so it gets a
  // file.
  const base::Object config_json{
      {"ociVersion", "1.0.2"},
      {"process", base::Object{{"terminal", false},
                               {"user", base::Object{{"uid", 0}, {"gid", 0}}},
                               {"args", base::Array{"/probe"}},
                               {"env", base::Array{"PATH=/"}},
                               {"cwd", "/"}}},
      {"root", base::Object{{"path", "rootfs"}, {"readonly", true}}},
      {"mounts", base::Array{base::Object{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}}}},
      {"linux", base::Object{{"cgroupsPath", "/sampan-" + config.cluster + "/" + id},
                             {"namespaces", std::move(namespaces)},
                             {"resources", base::Object{}}}}};
  CHECK_OK(sys::write_file(bundle + "/config.json", base::write_json(config_json)));
  CHECK_OK(sys::write_file(bundle + "/rootfs/probe", "#!/probe\n", 0755));
  auto created = run({"create", "--bundle", bundle, id}, "create a container");
  auto removed = remove(id);
  if (auto cleaned = sys::remove_tree(bundle); !cleaned)
    base::log_warning("node", "{}", cleaned.error().message);
  if (!created) return created;
  return removed;
}

sys::Spawn Runtime::command(std::vector<std::string> arguments) const {
  sys::Spawn spawn;
  spawn.argv = {path_, "--root=" + root_};
  if (name_ == "crun") spawn.argv.push_back("--cgroup-manager=cgroupfs");
  for (auto& argument : arguments) spawn.argv.push_back(std::move(argument));
  spawn.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR=" + root_};
  if (leave_out_unified_) {
    spawn.private_mounts = true;
    spawn.unmounts = {"/sys/fs/cgroup/unified"};
  }
  return spawn;
}

// `create` leaves the container's first process with our pipes as its streams, so the end of the runtime
// counts, not the end of the pipe: output goes to a file.
base::Result<void> Runtime::run(std::vector<std::string> arguments, const char* what) const {
  auto spawn = command(std::move(arguments));
  sys::Fd output(::open((root_).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!output) return std::unexpected(base::errno_error("make a temporary file in " + root_, errno));
  spawn.stdout_fd = spawn.stderr_fd = output.get();
  TRY(auto process, sys::spawn(spawn));
  TRY(auto status, process.wait(kRuntimeTimeout));
  if (!status) {
    process.kill(SIGKILL);
    TRY(status, process.wait());
    return base::fail(base::Reason::timeout, std::string(what) + ": " + name_ + " did not end within 30 s");
  }
  if (status->code == 0) return {};
  char buffer[4096];
  const ssize_t n = ::pread(output.get(), buffer, sizeof(buffer), 0);
  const std::string said = n > 0 ? last_line(std::string_view(buffer, static_cast<size_t>(n))) : "";
  return base::fail(base::Reason::internal_error,
                    std::string(what) + ": " + name_ +
                        " failed: " + (said.empty() ? "exit code " + std::to_string(status->code) : said));
}

base::Result<StartedProcess> Runtime::create(const ContainerStart& start) const {
  TRY(auto report, sys::make_pipe());
  sys::Spawn spawn;
  spawn.argv = {conmon_,
                "--cid",
                start.id,
                "--cuuid",
                start.id,
                "--name",
                start.name,
                "--bundle",
                start.bundle,
                "--runtime",
                path_,
                "--runtime-arg",
                "--root=" + root_,
                "--log-path",
                "k8s-file:" + start.log_path,
                "--exit-dir",
                exit_dir_,
                "--persist-dir",
                start.bundle,
                "--container-pidfile",
                start.bundle + "/pid",
                "--conmon-pidfile",
                start.bundle + "/conmon.pid",
                "--socket-dir-path",
                socket_dir_,
                "--full-attach",
                "--no-sync-log",
                "--log-level",
                "error"};
  if (name_ == "crun") {
    spawn.argv.insert(spawn.argv.end(), {"--runtime-arg", "--cgroup-manager=cgroupfs"});
  }
  if (start.terminal) spawn.argv.push_back("--terminal");
  spawn.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR=" + root_,
               "_OCI_SYNCPIPE=" + std::to_string(report.write.get())};
  spawn.keep_fds = {report.write.get()};
  spawn.new_session = true;
  spawn.cwd = start.bundle;
  spawn.private_mounts = true;
  if (leave_out_unified_) spawn.unmounts = {"/sys/fs/cgroup/unified"};
  std::vector<std::string> top_first(start.layers.rbegin(), start.layers.rend());
  spawn.mounts = {{.source = "overlay",
                   .target = start.bundle + "/rootfs",
                   .type = "overlay",
                   .flags = 0,
                   .options = "lowerdir=" + base::join(top_first, ":") + ",upperdir=" + start.upper +
                              ",workdir=" + start.work,
                   .working_dir = start.layers_dir}};
  spawn.mounts.insert(spawn.mounts.end(), start.mounts.begin(), start.mounts.end());
  TRY(auto conmon, sys::spawn(spawn));
  report.write.reset();
  TRY(auto status, conmon.wait(kRuntimeTimeout));
  if (!status || status->code != 0) {
    if (!status) conmon.kill(SIGKILL);
    return base::fail(
        base::Reason::internal_error,
        "conmon failed to start" + (status ? ": exit code " + std::to_string(status->code) : ""));
  }
  TRY(auto text, read_report(report.read.get(), kRuntimeTimeout));
  auto value = base::parse_json(base::trim(text));
  const int64_t pid = value ? (*value)["data"].int_or((*value)["pid"].int_or(-1)) : -1;
  if (pid <= 0) {
    const std::string said = value ? std::string((*value)["message"].as_string()) : text;
    return base::fail(base::Reason::internal_error,
                      name_ + " could not create the container: " + last_line(said));
  }
  const auto begun = sys::process_start_time(static_cast<pid_t>(pid));
  return StartedProcess{static_cast<pid_t>(pid), begun.value_or(0)};
}

base::Result<void> Runtime::start(const std::string& id) const {
  return run({"start", id}, "start the container");
}

base::Result<void> Runtime::remove(const std::string& id) const {
  if (!sys::exists(root_ + "/" + id)) return {};
  auto removed = run({"delete", "--force", id}, "remove a container");
  if (!removed && !sys::exists(root_ + "/" + id)) return {};
  return removed;
}

std::optional<int> Runtime::exit_code(const std::string& id) const {
  auto text = sys::read_file(exit_dir_ + "/" + id, 100);
  if (!text) return {};
  const auto code = base::parse_int(base::trim(*text));
  if (!code) return {};
  return static_cast<int>(*code);
}

void Runtime::forget_exit(const std::string& id) const {
  if (auto removed = sys::remove_file(exit_dir_ + "/" + id); !removed) {
    base::log_warning("node", "{}", removed.error().message);
  }
}

bool Runtime::was_killed_for_memory(const std::string& cgroup_path, const std::string& bundle) const {
  if (sys::exists(bundle + "/oom")) return true;
  for (const auto& file : {"/sys/fs/cgroup/memory" + cgroup_path + "/memory.oom_control",
                           "/sys/fs/cgroup" + cgroup_path + "/memory.events"}) {
    const std::string text = sys::read_file(file, 4096).value_or("");
    const auto at = text.find("oom_kill ");
    if (at != std::string::npos && text.compare(at + 9, 2, "0\n") != 0) return true;
  }
  return false;
}

base::Result<sys::Spawn> Runtime::exec(const std::string& id, const std::string& bundle,
                                       const std::vector<std::string>& what, bool terminal,
                                       const std::string& scratch) const {
  TRY(auto text, sys::read_file(bundle + "/config.json"));
  TRY(auto config, base::parse_json(text));
  base::Value process = config["process"];
  base::Array args;
  for (const auto& argument : what) args.emplace_back(argument);
  process.object().set("args", std::move(args));
  process.object().set("terminal", terminal);
  if (terminal) process.object()["env"].array().emplace_back("TERM=xterm");
  CHECK_OK(sys::write_file(scratch + ".json", base::write_json(process), 0600));
  std::vector<std::string> arguments = {"exec", "--process", scratch + ".json", "--pid-file",
                                        scratch + ".pid"};
  if (terminal) arguments.push_back("--tty");
  arguments.push_back(id);
  return command(std::move(arguments));
}

std::vector<std::string> Runtime::known_containers() const {
  return sys::list_dir(root_).value_or(std::vector<std::string>());
}

}  // namespace node
