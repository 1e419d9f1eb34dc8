#include "node/bundle.hpp"

#include <signal.h>

#include <string.h>

#include <algorithm>

#include "base/quantity.hpp"
#include "base/strings.hpp"
#include "node/environment.hpp"

namespace node {
namespace {

base::Value strings(const std::vector<std::string>& list) {
  base::Array array;
  for (const auto& item : list) array.emplace_back(item);
  return array;
}

base::Value mount(std::string_view target, std::string_view type, std::string_view source,
                  const std::vector<std::string>& options) {
  return base::Object{
      {"destination", target}, {"type", type}, {"source", source}, {"options", strings(options)}};
}

const api::SecurityContext& security_of(const api::Container& container) {
  static const api::SecurityContext kNone;
  return container.security_context ? *container.security_context : kNone;
}

bool is_privileged(const api::Container& container) {
  return security_of(container).privileged.value_or(false);
}

base::Result<base::Value> capabilities_of(const api::Container& container, uint64_t bounds) {
  static const std::vector<std::string> kDefault = {
      "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
      "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
      "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
      "CAP_KILL",    "CAP_AUDIT_WRITE"};
  const auto& names = capability_names();
  std::vector<std::string> given = is_privileged(container) ? names : kDefault;
  const auto full_name = [](const std::string& name) {
    std::string upper = name;
    for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    return upper.starts_with("CAP_") ? upper : "CAP_" + upper;
  };
  if (const auto& caps = security_of(container).capabilities) {
    const auto is_all = [](const std::string& name) { return base::equal_ignoring_case(name, "ALL"); };
    if (std::any_of(caps->add.begin(), caps->add.end(), is_all)) given = names;
    if (std::any_of(caps->drop.begin(), caps->drop.end(), is_all)) given.clear();
    for (const auto& name : caps->drop) std::erase(given, full_name(name));
    for (const auto& name : caps->add) {
      if (is_all(name)) continue;
      if (std::find(names.begin(), names.end(), full_name(name)) == names.end()) {
        return base::fail(base::Reason::invalid, "capability " + base::quote(name) + " is unknown");
      }
      if (std::find(given.begin(), given.end(), full_name(name)) == given.end())
        given.push_back(full_name(name));
    }
  }
  std::erase_if(given, [&](const std::string& name) {
    const auto bit = std::find(names.begin(), names.end(), name) - names.begin();
    return (bounds >> bit & 1) == 0;
  });
  return base::Object{
      {"bounding", strings(given)}, {"effective", strings(given)}, {"permitted", strings(given)}};
}

std::optional<base::Quantity> limit_of(const api::Container& container, bool request,
                                       const std::string& name) {
  if (!container.resources) return {};
  const auto& map = request ? container.resources->requests : container.resources->limits;
  const auto found = map.find(name);
  return found == map.end() ? std::nullopt : base::Quantity::parse(found->second);
}

base::Value resources_of(const api::Container& container) {
  base::Object resources;
  if (const auto memory = limit_of(container, false, "memory"); memory && memory->value() > 0) {
    resources.set("memory", base::Object{{"limit", memory->value()}});
  }
  base::Object cpu;
  auto request = limit_of(container, true, "cpu");
  const auto limit = limit_of(container, false, "cpu");
  if (!request) request = limit;
  const int64_t shares = request ? std::clamp<int64_t>(request->milli_value() * 1024 / 1000, 2, 262144) : 2;
  cpu.set("shares", shares);
  if (limit && limit->milli_value() > 0) {
    cpu.set("period", 100'000);
    cpu.set("quota", std::max<int64_t>(limit->milli_value() * 100, 1000));
  }
  resources.set("cpu", std::move(cpu));
  base::Array devices;
  if (is_privileged(container)) {
    devices.emplace_back(base::Object{{"allow", true}, {"access", "rwm"}});
  } else {
    devices.emplace_back(base::Object{{"allow", false}, {"access", "rwm"}});
  }
  resources.set("devices", std::move(devices));
  return resources;
}

base::Value mounts_of(const api::Pod& pod, const api::Container& container, const BundleInputs& inputs) {
  const bool privileged = is_privileged(container);
  const std::string access = privileged ? "rw" : "ro";
  base::Array mounts;
  mounts.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  mounts.push_back(mount("/dev/pts", "devpts", "devpts",
                         {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  mounts.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(
      mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  if (pod.spec.host_network.value_or(false)) {
    mounts.push_back(mount("/sys", "bind", "/sys", {"nosuid", "noexec", "nodev", "rbind", access}));
  } else {
    mounts.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}));
    mounts.push_back(
        mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", access}));
  }
  // Parents before what lies in them.
  std::vector<BindMount> binds = inputs.mounts;
  std::sort(binds.begin(), binds.end(), [](const BindMount& a, const BindMount& b) {
    return std::count(a.target.begin(), a.target.end(), '/') <
           std::count(b.target.begin(), b.target.end(), '/');
  });
  for (const auto& bind : binds) {
    const std::string propagation = bind.propagation == "Bidirectional"     ? "rshared"
                                    : bind.propagation == "HostToContainer" ? "rslave"
                                                                            : "rprivate";
    mounts.push_back(
        mount(bind.target, "bind", bind.source, {"rbind", propagation, bind.read_only ? "ro" : "rw"}));
  }
  return mounts;
}

base::Value namespaces_of(const api::Pod& pod, const BundleInputs& inputs) {
  base::Array list;
  const auto add = [&](std::string_view type, std::string_view path = "") {
    base::Object item{{"type", type}};
    if (!path.empty()) item.set("path", path);
    list.emplace_back(std::move(item));
  };
  add("mount");
  if (!pod.spec.host_pid.value_or(false)) add("pid");
  if (!pod.spec.host_ipc.value_or(false)) add("ipc");
  if (!pod.spec.host_network.value_or(false)) {
    add("uts");
    add("network", inputs.netns);
  }
  if (inputs.own_cgroup_namespace) add("cgroup");
  return list;
}

base::Value linux_part(const api::Pod& pod, const api::Container& container, const BundleInputs& inputs) {
  base::Object part{{"cgroupsPath", inputs.cgroup_path},
                    {"namespaces", namespaces_of(pod, inputs)},
                    {"resources", resources_of(container)}};
  if (!is_privileged(container) && security_of(container).proc_mount != "Unmasked") {
    part.set("maskedPaths",
             strings({"/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                      "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
                      "/sys/firmware", "/sys/devices/virtual/powercap"}));
    part.set("readonlyPaths",
             strings({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}));
  }
  const auto& pod_security = pod.spec.security_context;
  if (pod_security && !pod_security->sysctls.empty()) {
    base::Object sysctls;
    for (const auto& sysctl : pod_security->sysctls) sysctls.set(sysctl.name, sysctl.value);
    part.set("sysctl", std::move(sysctls));
  }
  return part;
}

}  // namespace

const std::vector<std::string>& capability_names() {
  static const std::vector<std::string> kNames = {"CAP_CHOWN",
                                                  "CAP_DAC_OVERRIDE",
                                                  "CAP_DAC_READ_SEARCH",
                                                  "CAP_FOWNER",
                                                  "CAP_FSETID",
                                                  "CAP_KILL",
                                                  "CAP_SETGID",
                                                  "CAP_SETUID",
                                                  "CAP_SETPCAP",
                                                  "CAP_LINUX_IMMUTABLE",
                                                  "CAP_NET_BIND_SERVICE",
                                                  "CAP_NET_BROADCAST",
                                                  "CAP_NET_ADMIN",
                                                  "CAP_NET_RAW",
                                                  "CAP_IPC_LOCK",
                                                  "CAP_IPC_OWNER",
                                                  "CAP_SYS_MODULE",
                                                  "CAP_SYS_RAWIO",
                                                  "CAP_SYS_CHROOT",
                                                  "CAP_SYS_PTRACE",
                                                  "CAP_SYS_PACCT",
                                                  "CAP_SYS_ADMIN",
                                                  "CAP_SYS_BOOT",
                                                  "CAP_SYS_NICE",
                                                  "CAP_SYS_RESOURCE",
                                                  "CAP_SYS_TIME",
                                                  "CAP_SYS_TTY_CONFIG",
                                                  "CAP_MKNOD",
                                                  "CAP_LEASE",
                                                  "CAP_AUDIT_WRITE",
                                                  "CAP_AUDIT_CONTROL",
                                                  "CAP_SETFCAP",
                                                  "CAP_MAC_OVERRIDE",
                                                  "CAP_MAC_ADMIN",
                                                  "CAP_SYSLOG",
                                                  "CAP_WAKE_ALARM",
                                                  "CAP_BLOCK_SUSPEND",
                                                  "CAP_AUDIT_READ",
                                                  "CAP_PERFMON",
                                                  "CAP_BPF",
                                                  "CAP_CHECKPOINT_RESTORE"};
  return kNames;
}

int signal_number(std::string_view name) {
  if (const auto number = base::parse_int(name); number && *number > 0 && *number < 65)
    return static_cast<int>(*number);
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (int signal = 1; signal < 32; ++signal) {
    const char* text = ::sigabbrev_np(signal);
    if (text != nullptr && name == text) return signal;
  }
  if (name.starts_with("RTMIN+")) {
    if (const auto n = base::parse_int(name.substr(6)); n && *n >= 0 && *n <= 30)
      return 34 + static_cast<int>(*n);
  }
  return SIGTERM;
}

int oom_score_adj_of(const api::Pod& pod, const api::Container& container, int64_t node_memory) {
  if (pod.status.qos_class == "Guaranteed") return -997;
  if (pod.status.qos_class == "BestEffort") return 1000;
  const auto request = limit_of(container, true, "memory");
  if (!request || node_memory <= 0) return 999;
  const int64_t score = 1000 - 1000 * request->value() / node_memory;
  return static_cast<int>(std::clamp<int64_t>(score, 3, 999));
}

base::Result<std::vector<std::string>> make_arguments(const api::Container& container,
                                                      const std::vector<std::string>& image_entrypoint,
                                                      const std::vector<std::string>& image_cmd,
                                                      const std::vector<std::string>& env) {
  std::vector<std::string> args;
  const auto add = [&](const std::vector<std::string>& more, bool expand) {
    for (const auto& text : more) args.push_back(expand ? expand_references(text, env) : text);
  };
  if (!container.command.empty()) {
    add(container.command, true);
    add(container.args, true);
  } else {
    add(image_entrypoint, false);
    if (!container.args.empty()) {
      add(container.args, true);
    } else {
      add(image_cmd, false);
    }
  }
  if (args.empty() || args[0].empty()) {
    return base::fail(base::Reason::invalid,
                      "no command specified: neither the container nor its image names one");
  }
  return args;
}

base::Result<base::Value> make_bundle_config(const api::Pod& pod, const api::Container& container,
                                             const BundleInputs& inputs) {
  const auto& security = security_of(container);
  base::Array groups;
  for (const int64_t group : inputs.user.groups) groups.emplace_back(group);
  TRY(auto capabilities, capabilities_of(container, inputs.capability_bounds));
  base::Object process{{"terminal", container.tty.value_or(false)},
                       {"user", base::Object{{"uid", inputs.user.uid},
                                             {"gid", inputs.user.gid},
                                             {"additionalGids", std::move(groups)}}},
                       {"args", strings(inputs.args)},
                       {"env", strings(inputs.env)},
                       {"cwd", inputs.working_dir.empty() ? std::string("/") : inputs.working_dir},
                       {"capabilities", std::move(capabilities)},
                       {"noNewPrivileges", !security.allow_privilege_escalation.value_or(true)}};
  const int oom = std::max(oom_score_adj_of(pod, container, 0), inputs.oom_score_adj_now);
  process.set("oomScoreAdj", oom);
  base::Object config{
      {"ociVersion", "1.0.2"},
      {"process", std::move(process)},
      {"root", base::Object{{"path", inputs.rootfs},
                            {"readonly", security.read_only_root_filesystem.value_or(false)}}},
      {"mounts", mounts_of(pod, container, inputs)},
      {"linux", linux_part(pod, container, inputs)}};
  if (!pod.spec.host_network.value_or(false)) config.set("hostname", inputs.hostname);
  return config;
}

}  // namespace node
