// The half of PodSync that brings one container to life: image, environment, user, bundle, runtime.
#include <fcntl.h>

#include <algorithm>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "node/bundle.hpp"
#include "node/image_name.hpp"
#include "node/pod_files.hpp"
#include "node/pod_sync.hpp"
#include "sys/fs.hpp"

namespace node {
namespace {

using State = ContainerRecord::State;

constexpr int kKeptLogs = 2;

std::unexpected<base::Error> bad(std::string message) {
  return base::fail(base::Reason::invalid, std::move(message));
}

// A file of the image, looked for from the top layer down, links kept inside.
std::string read_image_file(const std::string& layers_dir, const StoredImage& image,
                            const std::string& path) {
  for (auto layer = image.layers.rbegin(); layer != image.layers.rend(); ++layer) {
    auto root = sys::open_file(layers_dir + "/" + *layer, O_PATH | O_DIRECTORY);
    if (!root) continue;
    auto file = sys::open_in_root(root->get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file) continue;
    std::string text(1 << 20, '\0');
    const ssize_t n = ::read(file->get(), text.data(), text.size());
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }
  return "";
}

// passwd and group lines: the fields of the entry with that name, or that number in field 2.
std::optional<std::vector<std::string>> find_entry(const std::string& text, const std::string& who) {
  for (const auto& line : base::split(text, '\n')) {
    auto fields = base::split(line, ':');
    if (fields.size() >= 3 && (fields[0] == who || fields[2] == who)) return fields;
  }
  return {};
}

int own_oom_score_adj() {
  const auto text = sys::read_file("/proc/self/oom_score_adj", 32).value_or("0");
  return static_cast<int>(base::parse_int(base::trim(text)).value_or(0));
}

}  // namespace

VolumePlaces PodSync::places_of(const PodRecord& record) const {
  return {c_.records.pod_dir(record.uid) + "/volumes", c_.config.run_dir + "/volumes/" + record.uid};
}
std::string PodSync::cgroup_of(const PodRecord& record, const std::string& id) const {
  return "/sampan-" + c_.config.cluster + "/pod" + record.uid + "/" + id;
}
std::string PodSync::container_dir(const PodRecord& record, const std::string& id) const {
  return c_.records.container_dir(record.uid, id);
}
std::string PodSync::log_dir(const PodRecord& record) const {
  return c_.config.log_dir + "/" + record.namespace_ + "_" + record.name + "_" + record.uid;
}

base::Result<void> PodSync::write_pod_files(const api::Pod& pod, const PodRecord& record) {
  const std::string dir = c_.records.pod_dir(record.uid) + "/etc";
  CHECK_OK(sys::make_dirs(dir, 0755));
  if (!record.host_network) {
    CHECK_OK(sys::write_file(dir + "/hosts", hosts_file(pod, record.ips(), c_.config.cluster_domain)));
    CHECK_OK(sys::write_file(dir + "/hostname", pod_hostname(pod) + "\n"));
  }
  const std::string host = sys::read_file("/etc/resolv.conf", 64 << 10).value_or("");
  return sys::write_file(dir + "/resolv.conf",
                         resolv_file(pod, c_.config.cluster_dns, c_.config.cluster_domain, host));
}

EnvironmentSources PodSync::sources_of(const api::Pod& pod, const PodRecord& record) {
  EnvironmentSources sources;
  sources.hostname = pod_hostname(pod);
  sources.pod_ips = record.host_network ? c_.config.addresses() : record.ips();
  sources.host_ips = c_.config.addresses();
  sources.node_name = c_.config.name;
  sources.allocatable = c_.allocatable;
  c_.services.wait_synced();
  sources.services = c_.services.list(pod.metadata.namespace_);
  if (pod.metadata.namespace_ != "default") {
    if (auto cluster = c_.services.get("default/kubernetes")) sources.services.push_back(std::move(cluster));
  }
  const std::string namespace_ = pod.metadata.namespace_;
  sources.config_map =
      [this, namespace_](const std::string& name) -> base::Result<std::map<std::string, std::string>> {
    TRY(auto object, c_.client.get<api::ConfigMap>(namespace_, name));
    return std::move(object.data);
  };
  sources.config_map_files =
      [this, namespace_](const std::string& name) -> base::Result<std::map<std::string, std::string>> {
    TRY(auto object, c_.client.get<api::ConfigMap>(namespace_, name));
    for (const auto& [key, text] : object.binary_data) {
      if (auto bytes = base::base64_decode(text)) object.data[key] = std::move(*bytes);
    }
    return std::move(object.data);
  };
  sources.secret = [this,
                    namespace_](const std::string& name) -> base::Result<std::map<std::string, std::string>> {
    TRY(auto object, c_.client.get<api::Secret>(namespace_, name));
    std::map<std::string, std::string> data;
    for (const auto& [key, text] : object.data) {
      if (auto bytes = base::base64_decode(text)) data[key] = std::move(*bytes);
    }
    return data;
  };
  return sources;
}

// False: it is not there, and the pod waits for it.
base::Result<bool> PodSync::find_image(const api::Pod& pod, PodRecord& record,
                                       const api::Container& container, StoredImage& image) {
  const bool init = record.find(container.name)->init;
  auto found = c_.images.find(container.image);
  if (found) {
    image = std::move(*found);
    record.image_backoff.erase(container.name);
    record.image_not_before.erase(container.name);
    return true;
  }
  const std::string& error = found.error().message;
  const auto now = c_.clock.now();
  if (found.error().reason == base::Reason::invalid) {
    record.waiting[container.name] = {"InvalidImageName", "Failed to apply default image tag " +
                                                              base::quote(container.image) + ": " + error};
    event_once(pod, record, "image/" + container.name, "InspectFailed",
               record.waiting[container.name].message, &container, init);
    return false;
  }
  if (container.image_pull_policy == "Never") {
    record.waiting[container.name] = {"ErrImageNeverPull", "Container image \"" + container.image +
                                                               "\" is not present with pull policy of Never"};
    event_once(pod, record, "image/" + container.name, "ErrImageNeverPull",
               record.waiting[container.name].message, &container, init);
    again_at(record, now + std::chrono::seconds(10));
    return false;
  }
  auto& not_before = record.image_not_before[container.name];
  if (not_before > now) {
    record.waiting[container.name] = {
        "ImagePullBackOff", "Back-off pulling image \"" + container.image + "\": ErrImagePull: " + error};
    event_once(pod, record, "pull/" + container.name, "BackOff",
               "Back-off pulling image \"" + container.image + "\"", &container, init);
    again_at(record, not_before);
    return false;
  }
  int& backoff = record.image_backoff[container.name];
  backoff = Backoff::next(backoff);
  not_before = now + std::chrono::seconds(backoff);
  record.waiting[container.name] = {"ErrImagePull", error};
  event(pod, true, "Failed", "Failed to pull image \"" + container.image + "\": " + error, &container, init);
  event(pod, true, "Failed", "Error: ErrImagePull", &container, init);
  // Shown as a back-off from the next look on.
  again_at(record, now + std::chrono::seconds(1));
  return false;
}

base::Result<UserIds> PodSync::user_of(const api::Pod& pod, const api::Container& container,
                                       const StoredImage& image) const {
  UserIds ids;
  std::optional<int64_t> uid, gid;
  bool non_root = false;
  if (const auto& security = pod.spec.security_context) {
    uid = security->run_as_user;
    gid = security->run_as_group;
    non_root = security->run_as_non_root.value_or(false);
    ids.groups = security->supplemental_groups;
    if (security->fs_group) ids.groups.push_back(*security->fs_group);
  }
  if (const auto& security = container.security_context) {
    if (security->run_as_user) uid = security->run_as_user;
    if (security->run_as_group) gid = security->run_as_group;
    non_root = security->run_as_non_root.value_or(non_root);
  }
  const std::string& text = image.config.user;
  const auto colon = text.find(':');
  const std::string user = text.substr(0, colon);
  const std::string group = colon == std::string::npos ? "" : text.substr(colon + 1);
  const auto number = base::parse_int(user);
  if (non_root && !uid && !user.empty() && !number) {
    return bad("container has runAsNonRoot and image has non-numeric user (" + user +
               "), cannot verify user is non-root");
  }
  const std::string who = uid ? std::to_string(*uid) : user.empty() ? "0" : user;
  const auto entry = find_entry(read_image_file(c_.images.layers_dir(), image, "etc/passwd"), who);
  const auto who_number = base::parse_int(who);
  if (!entry && !who_number)
    return bad("unable to find user " + user + ": no matching entries in passwd file");
  ids.uid = who_number ? *who_number : base::parse_int((*entry)[2]).value_or(-1);
  ids.gid = entry && entry->size() > 3 ? base::parse_int((*entry)[3]).value_or(0) : 0;
  if (!uid && !group.empty()) {
    const auto group_entry = find_entry(read_image_file(c_.images.layers_dir(), image, "etc/group"), group);
    const auto group_number = base::parse_int(group);
    if (!group_entry && !group_number)
      return bad("unable to find group " + group + ": no matching entries in group file");
    ids.gid = group_number ? *group_number : base::parse_int((*group_entry)[2]).value_or(-1);
  }
  if (gid) ids.gid = *gid;
  if (ids.uid < 0 || ids.gid < 0 || ids.uid > INT32_MAX || ids.gid > INT32_MAX)
    return bad("the user of the image has no valid numbers");
  if (non_root && ids.uid == 0) return bad("container has runAsNonRoot and image will run as root");
  return ids;
}

base::Result<PodSync::Prepared> PodSync::prepare(const api::Pod& pod, const PodRecord& record,
                                                 const ContainerRecord& own, const api::Container& container,
                                                 StoredImage image) {
  auto sources = sources_of(pod, record);
  sources.image_env = image.config.env;
  TRY(auto env, make_environment(pod, container, sources));
  BundleInputs inputs;
  TRY(inputs.args, make_arguments(container, image.config.entrypoint, image.config.cmd, env.own));
  TRY(inputs.user, user_of(pod, container, image));
  if (container.security_context && container.security_context->seccomp_profile &&
      container.security_context->seccomp_profile->type == "Localhost") {
    return bad("seccomp profiles of type Localhost are not supported yet");
  }
  TRY(auto volumes, prepare_volumes(pod, places_of(record), sources));
  const std::string dir = container_dir(record, own.id);
  for (const char* part : {"/rootfs", "/upper", "/work"}) CHECK_OK(sys::make_dirs(dir + part, 0755));
  TRY(auto mounts, plan_mounts(container, volumes, dir, env.own));

  const std::string etc = c_.records.pod_dir(record.uid) + "/etc";
  const auto has_target = [&](const std::string& target) {
    return std::any_of(mounts.binds.begin(), mounts.binds.end(),
                       [&](const auto& b) { return b.target == target; });
  };
  const auto add_file = [&](const std::string& source, const std::string& target) {
    if (!has_target(target)) mounts.binds.push_back({source, target, false, ""});
  };
  if (!record.host_network) {
    add_file(etc + "/hosts", "/etc/hosts");
    add_file(etc + "/hostname", "/etc/hostname");
  }
  add_file(etc + "/resolv.conf", "/etc/resolv.conf");
  CHECK_OK(sys::write_file(dir + "/termination-log", "", 0666));
  add_file(dir + "/termination-log", container.termination_message_path.empty()
                                         ? "/dev/termination-log"
                                         : container.termination_message_path);

  inputs.env = std::move(env.all);
  inputs.working_dir = container.working_dir.empty() ? image.config.working_dir : container.working_dir;
  if (inputs.working_dir.starts_with("/proc/")) return bad("workingDir lies in /proc: " + inputs.working_dir);
  inputs.hostname = pod_hostname(pod);
  inputs.rootfs = dir + "/rootfs";
  inputs.netns = record.netns;
  inputs.cgroup_path = cgroup_of(record, own.id);
  inputs.mounts = std::move(mounts.binds);
  inputs.own_cgroup_namespace = c_.runtime.cgroup_namespaces();
  inputs.capability_bounds = c_.runtime.capability_bounds();
  inputs.oom_score_adj_now = own_oom_score_adj();
  TRY(auto config, make_bundle_config(pod, container, inputs));
  CHECK_OK(sys::write_file(dir + "/config.json", base::write_json(config), 0600));

  CHECK_OK(sys::make_dirs(log_dir(record) + "/" + own.name, 0755));
  Prepared prepared;
  prepared.start = {.id = own.id,
                    .name = "k8s_" + own.name + "_" + record.name + "_" + record.namespace_,
                    .bundle = dir,
                    .log_path = own.log_path,
                    .terminal = container.tty.value_or(false),
                    .layers_dir = c_.images.layers_dir(),
                    .layers = image.layers,
                    .upper = dir + "/upper",
                    .work = dir + "/work",
                    .mounts = std::move(mounts.before)};
  prepared.image = std::move(image);
  prepared.held = std::move(mounts.held);
  return prepared;
}

base::Result<void> PodSync::start_container(const api::Pod& pod, PodRecord& record, ContainerRecord& own,
                                            const api::Container& container) {
  StoredImage image;
  TRY(const bool there, find_image(pod, record, container, image));
  if (!there) return {};
  event(pod, false, "Pulled", "Container image \"" + container.image + "\" already present on machine",
        &container, own.init);

  ContainerRecord next = own;
  if (own.state == State::exited) {
    next.last = own.ended;
    next.restarts = own.restarts + 1;
  }
  next.id = make_container_id();
  next.image = image.name;
  next.image_id = image.id;
  next.stop_signal = image.config.stop_signal.empty() ? 15 : signal_number(image.config.stop_signal);
  if (container.lifecycle && !container.lifecycle->stop_signal.empty()) {
    next.stop_signal = signal_number(container.lifecycle->stop_signal);
  }
  next.log_path = log_dir(record) + "/" + own.name + "/" + std::to_string(next.restarts) + ".log";
  auto prepared = prepare(pod, record, next, container, std::move(image));
  if (!prepared) {
    if (auto removed = sys::remove_tree(container_dir(record, next.id)); !removed)
      base::log_warning("node", "{}", removed.error().message);
    record.waiting[own.name] = {"CreateContainerConfigError", prepared.error().message};
    event_once(pod, record, "config/" + own.name, "Failed", "Error: " + prepared.error().message, &container,
               own.init);
    again_at(record, c_.clock.now() + std::chrono::seconds(10));
    return {};
  }
  next.state = State::starting;
  next.healed = true;
  own = next;
  CHECK_OK(c_.records.put(record));
  if (next.restarts >= kKeptLogs) {
    const std::string old =
        log_dir(record) + "/" + own.name + "/" + std::to_string(next.restarts - kKeptLogs) + ".log";
    if (auto removed = sys::remove_file(old); !removed)
      base::log_warning("node", "{}", removed.error().message);
  }
  own.started = c_.clock.now();
  auto created = c_.runtime.create(prepared->start);
  auto started = created ? base::Result<void>() : std::unexpected(created.error());
  if (created) {
    event(pod, false, "Created", "Container created", &container, own.init);
    own.pid = created->pid;
    own.pid_start = created->start_time;
    started = c_.runtime.start(own.id);
  }
  if (!started) {
    event(pod, true, "Failed", "Error: " + started.error().message, &container, own.init);
    note_ended(&pod, record, own, 128);
    own.ended.reason = "StartError";
    own.ended.message = started.error().message;
    own.ended.started = {};
    again_at(record, c_.clock.now());
    return {};
  }
  own.started = c_.clock.now();
  own.state = State::running;
  event(pod, false, "Started", "Container started", &container, own.init);
  if (is_sidecar(container) || !own.init) return {};
  return c_.records.put(record);
}

}  // namespace node
