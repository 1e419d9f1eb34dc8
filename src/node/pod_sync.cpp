#include "node/pod_sync.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "node/sandbox.hpp"
#include "sys/fs.hpp"
#include "sys/process.hpp"

namespace node {
namespace {

using State = ContainerRecord::State;
using namespace std::chrono_literals;

constexpr auto kResync = 60s;
constexpr size_t kMaxTerminationMessage = 4096;

std::string pod_id_text(const PodRecord& record) {
  return record.name + "_" + record.namespace_ + "(" + record.uid + ")";
}

bool is_over(const api::PodStatus& status) { return status.phase == "Succeeded" || status.phase == "Failed"; }

}  // namespace

void PodSync::event(const api::Pod& pod, bool warning, const std::string& reason, const std::string& message,
                    const api::Container* container, bool init) {
  auto about = client::ref_of(pod);
  if (container != nullptr) {
    about.field_path =
        std::string(init ? "spec.initContainers{" : "spec.containers{") + container->name + "}";
  }
  if (warning) {
    c_.events.warning(about, reason, message);
  } else {
    c_.events.normal(about, reason, message);
  }
}

void PodSync::event_once(const api::Pod& pod, PodRecord& record, const std::string& topic,
                         const std::string& reason, const std::string& message,
                         const api::Container* container, bool init) {
  std::string& said = record.said[topic];
  if (said == message) return;
  said = message;
  event(pod, true, reason, message, container, init);
}

void PodSync::again_at(const PodRecord& record, base::Time when) {
  c_.queue.add_after(record.key(), std::max<std::chrono::nanoseconds>(when - c_.clock.now(), 1ms));
}

base::Result<void> PodSync::sync(const std::string& key) {
  const PodPtr pod = c_.pods.get(key);
  for (auto& record : c_.records.of_pod(key)) {
    if (pod && record.uid == pod->metadata.uid) continue;
    // Gone from the API: by force, or another pod has its name now.
    CHECK_OK(end_pod(nullptr, record, 1s));
    if (record.cleaned) {
      CHECK_OK(c_.records.erase(record.uid));
      c_.probes.forget(record.uid);
      c_.drain.forget(record.uid);
      published_.lock()->erase(record.uid);
    }
  }
  if (!pod) return {};

  auto record = c_.records.find(pod->metadata.uid);
  if (!record) {
    if (!pod->metadata.deletion_timestamp.empty()) return delete_from_api(*pod);
    if (is_over(pod->status)) return {};
    record = make_record(*pod);
    CHECK_OK(c_.records.put(*record));
  }
  // The informer may not have seen our last write yet.
  api::Pod current = *pod;
  {
    auto published = published_.lock();
    if (const auto found = published->find(pod->metadata.uid); found != published->end()) {
      current.status = found->second;
      for (const auto& condition : pod->status.conditions) {
        auto& list = current.status.conditions;
        const auto known =
            std::find_if(list.begin(), list.end(), [&](const auto& c) { return c.type == condition.type; });
        static const std::vector<std::string> kOurs = {"PodReadyToStartContainers", "Initialized", "Ready",
                                                       "ContainersReady"};
        if (std::find(kOurs.begin(), kOurs.end(), condition.type) != kOurs.end()) continue;
        if (known == list.end()) {
          list.push_back(condition);
        } else {
          *known = condition;
        }
      }
      current.status.qos_class = pod->status.qos_class;
    }
  }
  auto done = sync_pod(current, *record);
  auto saved = c_.records.put(*record);
  if (!done) return done;
  return saved;
}

PodRecord PodSync::make_record(const api::Pod& pod) const {
  PodRecord record;
  record.uid = pod.metadata.uid;
  record.namespace_ = pod.metadata.namespace_;
  record.name = pod.metadata.name;
  record.started = c_.clock.now();
  record.boot_id = c_.facts.boot_id;
  record.host_network = pod.spec.host_network.value_or(false);
  record.netns = c_.config.run_dir + "/netns/" + record.uid;
  record.veth = veth_name(record.uid);
  for (const auto& container : pod.spec.init_containers) {
    ContainerRecord own;
    own.name = container.name;
    own.init = true;
    record.containers.push_back(std::move(own));
  }
  for (const auto& container : pod.spec.containers) {
    ContainerRecord own;
    own.name = container.name;
    record.containers.push_back(std::move(own));
  }
  return record;
}

base::Result<void> PodSync::sync_pod(const api::Pod& pod, PodRecord& record) {
  CHECK_OK(observe(&pod, record));
  if (!pod.metadata.deletion_timestamp.empty()) {
    const int64_t grace = pod.metadata.deletion_grace_period_seconds.value_or(30);
    return end_pod(&pod, record, std::chrono::seconds(std::max<int64_t>(grace, 1)));
  }
  if (record.ending) return end_pod(&pod, record, 1s);
  if (is_over(pod.status)) {
    CHECK_OK(release_network(record));
    return publish(pod, record);
  }
  record.waiting.clear();
  say_what_is_missing(pod, record);
  if (auto ready = ensure_sandbox(pod, record); !ready) {
    event_once(pod, record, "sandbox", "FailedCreatePodSandBox",
               "Failed to create pod sandbox: " + ready.error().message);
    CHECK_OK(publish(pod, record));
    return ready;
  }
  auto volumes = prepare_volumes(pod, places_of(record), sources_of(pod, record));
  if (!volumes) {
    event_once(pod, record, "volumes", "FailedMount", volumes.error().message);
    CHECK_OK(publish(pod, record));
    again_at(record, c_.clock.now() + 10s);
    return {};
  }
  TRY(const bool initialised, run_init_containers(pod, record));
  if (initialised) {
    for (const auto& container : pod.spec.containers) CHECK_OK(run_container(pod, record, container, false));
  }
  CHECK_OK(watch_probes(pod, record));
  CHECK_OK(publish(pod, record));
  again_at(record, c_.clock.now() + kResync);
  return {};
}

void PodSync::say_what_is_missing(const api::Pod& pod, PodRecord& record) {
  for (const auto& container : pod.spec.containers) {
    if (container.lifecycle && (container.lifecycle->post_start || container.lifecycle->pre_stop)) {
      event_once(pod, record, "hooks/" + container.name, "LifecycleHooksNotRun",
                 "lifecycle hooks of container " + container.name + " are not run yet", &container);
    }
    for (const auto& port : container.ports) {
      if (port.host_port.value_or(0) > 0 && !record.host_network) {
        event_once(pod, record, "hostport/" + container.name, "HostPortNotSupported",
                   "hostPort " + std::to_string(*port.host_port) + " of container " + container.name +
                       " is not opened yet: use a Service of type NodePort",
                   &container);
      }
    }
  }
}

base::Result<void> PodSync::ensure_sandbox(const api::Pod& pod, PodRecord& record) {
  if (record.boot_id != c_.facts.boot_id) {  // the machine was restarted: nothing of it is left
    record.boot_id = c_.facts.boot_id;
    record.sandbox_ready = false;
  }
  if (record.sandbox_ready && (record.host_network || sys::exists(record.netns))) return {};
  if (!record.host_network) {
    TRY(auto ips, c_.ipam.allocate(record.uid));
    record.ip = ips.at(0);
    record.second_ip = ips.size() > 1 ? ips[1] : "";
    CHECK_OK(c_.records.put(record));
    CHECK_OK(make_sandbox_network(
        {.netns = record.netns, .veth = record.veth, .ips = std::move(ips), .node_ips = c_.config.addresses()}));
  }
  CHECK_OK(write_pod_files(pod, record));
  record.sandbox_ready = true;
  return c_.records.put(record);
}

// True when the main containers may run.
base::Result<bool> PodSync::run_init_containers(const api::Pod& pod, PodRecord& record) {
  const bool begun = std::any_of(record.containers.begin(), record.containers.end(),
                                 [](const auto& c) { return !c.init && c.state != State::none; });
  for (const auto& container : pod.spec.init_containers) {
    ContainerRecord* own = record.find(container.name);
    if (own == nullptr)
      return base::fail(base::Reason::internal_error, "init container " + container.name + " is unknown");
    if (is_sidecar(container)) {
      CHECK_OK(run_container(pod, record, container, true));
      const bool started = !container.startup_probe || (own->probed_id == own->id && own->probed_started);
      if ((own->state != State::running || !started) && !begun) return false;
      continue;
    }
    if (begun || (own->state == State::exited && own->ended.exit_code == 0)) continue;
    CHECK_OK(run_container(pod, record, container, true));
    return false;  // its exit brings the pod back here
  }
  return true;
}

base::Result<void> PodSync::run_container(const api::Pod& pod, PodRecord& record,
                                          const api::Container& container, bool init) {
  ContainerRecord* own = record.find(container.name);
  if (own == nullptr)
    return base::fail(base::Reason::internal_error, "container " + container.name + " is unknown");
  if (own->state == State::running) return {};
  const auto now = c_.clock.now();
  if (own->state == State::exited) {
    const std::string policy = restart_policy_of(pod, container, init);
    if (policy == "Never" || (policy == "OnFailure" && own->ended.exit_code == 0)) return {};
    if (now < own->not_before) {
      const auto wait =
          std::chrono::duration_cast<std::chrono::seconds>(own->not_before - own->ended.finished).count();
      const std::string shown = wait >= 60 ? std::to_string(wait / 60) + "m" + std::to_string(wait % 60) + "s"
                                           : std::to_string(wait) + "s";
      record.waiting[container.name] = {
          "CrashLoopBackOff", "back-off " + shown + " restarting failed container=" + container.name +
                                  " pod=" + pod_id_text(record)};
      if (record.said["backoff/" + container.name] != own->ended.id) {
        record.said["backoff/" + container.name] = own->ended.id;
        event(pod, true, "BackOff",
              "Back-off restarting failed container " + container.name + " in pod " + pod_id_text(record),
              &container, init);
      }
      again_at(record, own->not_before);
      return {};
    }
  }
  return start_container(pod, record, *own, container);
}

// What has become of the containers since the last look.
base::Result<void> PodSync::observe(const api::Pod* pod, PodRecord& record) {
  for (auto& container : record.containers) {
    if (container.state == State::starting && !container.healed) {
      // An agent before this one died between creating and starting it.
      CHECK_OK(c_.runtime.remove(container.id));
      CHECK_OK(sys::remove_tree(container_dir(record, container.id)));
      c_.runtime.forget_exit(container.id);
      container.state = container.last ? State::exited : State::none;
      if (container.last) container.ended = *container.last;
    }
    container.healed = true;
    if (container.state != State::running) continue;
    if (const auto code = c_.runtime.exit_code(container.id)) {
      note_ended(pod, record, container, *code);
      continue;
    }
    if (is_alive(container.pid, container.pid_start)) continue;
    // It is gone without a note. The monitor, when it lives, is about to write one.
    const auto monitor = sys::read_file(container_dir(record, container.id) + "/conmon.pid", 32);
    const bool monitored =
        record.boot_id == c_.facts.boot_id && monitor &&
        sys::process_start_time(static_cast<pid_t>(std::atoi(monitor->c_str()))).has_value();
    if (monitored) {
      again_at(record, c_.clock.now() + 100ms);
      continue;
    }
    if (const auto code = c_.runtime.exit_code(container.id)) {
      note_ended(pod, record, container, *code);
    } else {
      note_ended(pod, record, container, 137);
      container.ended.reason = "ContainerStatusUnknown";
      container.ended.message = "The container could not be located when the pod was terminated";
    }
  }
  return {};
}

void PodSync::note_ended(const api::Pod* pod, PodRecord& record, ContainerRecord& container, int exit_code) {
  const std::string dir = container_dir(record, container.id);
  std::string reason = exit_code == 0 ? "Completed" : "Error";
  if (exit_code != 0 && c_.runtime.was_killed_for_memory(cgroup_of(record, container.id), dir))
    reason = "OOMKilled";
  std::string message = sys::read_file(dir + "/termination-log", kMaxTerminationMessage).value_or("");
  if (message.empty() && exit_code != 0 && pod != nullptr) {
    for (const auto& spec : pod->spec.containers) {
      if (spec.name != container.name || spec.termination_message_policy != "FallbackToLogsOnError") continue;
      const std::string log = sys::read_file(container.log_path, 1 << 20).value_or("");
      message = log.substr(log.size() - std::min<size_t>(log.size(), 2048));
    }
  }
  note_exit(container, exit_code, std::move(reason), std::move(message), c_.clock.now());
  if (auto removed = c_.runtime.remove(container.id); !removed) {
    base::log_warning("node", "container {}: {}", container.id, removed.error().message);
  }
  if (auto removed = sys::remove_tree(dir); !removed)
    base::log_warning("node", "{}", removed.error().message);
  if (auto saved = c_.records.put(record); !saved) base::log_warning("node", "{}", saved.error().message);
  c_.runtime.forget_exit(container.id);
}

base::Result<void> PodSync::publish(const api::Pod& pod, const PodRecord& record) {
  const api::PodStatus status = make_pod_status(pod, record, status_inputs(pod, record));
  if (status == pod.status) return {};
  // Who sees the status may ask for logs or exec at once: they look into the records.
  CHECK_OK(c_.records.put(record));
  base::Value patch = status_patch(pod, status);
  const bool gated = !pod.spec.readiness_gates.empty();
  // Others write conditions of this pod, too: none of theirs may be lost.
  if (gated) patch.make({"metadata", "resourceVersion"}) = pod.metadata.resource_version;
  auto patched = c_.client.patch(client::resource_of<api::Pod>(pod.metadata.namespace_), pod.metadata.name,
                                 client::PatchType::merge, patch, "status");
  if (!patched) {
    const auto reason = patched.error().reason;
    if (gated && reason == base::Reason::conflict) again_at(record, c_.clock.now() + 20ms);
    if (reason == base::Reason::not_found || reason == base::Reason::conflict) return {};
    return std::unexpected(std::move(patched).error().wrap("write the status of pod " + record.key()));
  }
  (*published_.lock())[record.uid] = status;
  return {};
}

}  // namespace node
