#include "node/pod_status.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace node {
namespace {

using State = ContainerRecord::State;

std::string time_text(base::Time time) { return time == base::Time{} ? "" : base::format_time(time); }

api::ContainerStateTerminated terminated(const PastRun& run, const std::string& runtime) {
  api::ContainerStateTerminated state;
  state.exit_code = run.exit_code;
  state.reason = run.reason;
  state.message = run.message;
  state.started_at = time_text(run.started);
  state.finished_at = time_text(run.finished);
  if (!run.id.empty()) state.container_id = runtime + "://" + run.id;
  return state;
}

// Whether a container that has ended will run again.
bool restarts_again(const std::string& policy, const ContainerRecord& container, const PodRecord& record) {
  if (record.ending) return false;
  return policy == "Always" || (policy == "OnFailure" && container.ended.exit_code != 0);
}

api::ContainerStatus container_status(const api::Pod& pod, const api::Container& container, bool init,
                                      const PodRecord& record, const StatusInputs& inputs, bool initialised) {
  api::ContainerStatus status;
  status.name = container.name;
  status.image = container.image;
  status.started = false;
  api::ContainerState state;
  const ContainerRecord* found = record.find(container.name);
  const auto waiting = record.waiting.find(container.name);
  const auto wait = [&](std::string reason, std::string message) {
    state.waiting = api::ContainerStateWaiting{.reason = std::move(reason), .message = std::move(message)};
  };
  if (found == nullptr || found->state == State::none || found->state == State::starting) {
    if (waiting != record.waiting.end()) {
      wait(waiting->second.reason, waiting->second.message);
    } else {
      wait(init || initialised ? "ContainerCreating" : "PodInitializing", "");
      if (!init && pod.spec.init_containers.empty()) state.waiting->reason = "ContainerCreating";
      if (init) state.waiting->reason = "PodInitializing";
    }
  }
  if (found == nullptr) {
    status.state = state;
    return status;
  }
  if (!found->image.empty()) status.image = found->image;
  status.image_id = found->image_id;
  status.restart_count = found->restarts;
  std::optional<PastRun> last = found->last;
  std::string shown_id = found->id;
  if (found->state == State::running) {
    state.running = api::ContainerStateRunning{.started_at = time_text(found->started)};
    const auto started = inputs.probed_started.find(container.name);
    status.started = started == inputs.probed_started.end() || started->second;
    const auto ready = inputs.probed_ready.find(container.name);
    status.ready = *status.started && (ready == inputs.probed_ready.end() || ready->second);
  } else if (found->state == State::exited) {
    const bool again = waiting != record.waiting.end() &&
                       restarts_again(restart_policy_of(pod, container, init), *found, record);
    if (again) {
      wait(waiting->second.reason, waiting->second.message);
      last = found->ended;
    } else {
      state.terminated = terminated(found->ended, inputs.runtime);
      status.ready = init && !is_sidecar(container) && found->ended.exit_code == 0;
    }
  } else if (!last && !found->ended.id.empty()) {
    last = found->ended;
    shown_id = found->ended.id;
  }
  if (!shown_id.empty() && found->state != State::none)
    status.container_id = inputs.runtime + "://" + shown_id;
  status.state = state;
  if (last) {
    status.last_state = api::ContainerState{};
    status.last_state->terminated = terminated(*last, inputs.runtime);
  }
  return status;
}

std::string phase_of(const api::Pod& pod, const api::PodStatus& status, bool initialised, bool init_failed,
                     bool ended) {
  if (pod.status.phase == "Succeeded" || pod.status.phase == "Failed") return pod.status.phase;
  if (init_failed) return "Failed";
  size_t running = 0, stopped = 0, succeeded = 0, waiting = 0;
  for (const auto& container : status.container_statuses) {
    const auto& state = *container.state;
    if (state.running) ++running;
    if (state.terminated) {
      ++stopped;
      if (state.terminated->exit_code == 0) ++succeeded;
    }
    if (state.waiting) {
      if (container.last_state && container.last_state->terminated) {
        ++stopped;
      } else {
        ++waiting;
      }
    }
  }
  if (ended && running == 0)
    return stopped > 0 && waiting == 0 && stopped == succeeded ? "Succeeded" : "Failed";
  if (!initialised || waiting > 0) return "Pending";
  if (running > 0) return "Running";
  if (stopped == 0) return "Pending";
  if (pod.spec.restart_policy == "Always" || pod.spec.restart_policy.empty()) return "Running";
  if (stopped == succeeded) return "Succeeded";
  return pod.spec.restart_policy == "Never" ? "Failed" : "Running";
}

class Conditions {
 public:
  Conditions(const api::Pod& pod, base::Time now) : pod_(pod), now_(base::format_time(now)) {}

  void set(const std::string& type, bool value, std::string reason = "", std::string message = "") {
    api::PodCondition condition;
    condition.type = type;
    condition.observed_generation = pod_.metadata.generation;
    condition.status = value ? "True" : "False";
    condition.reason = value && reason != "PodCompleted" ? "" : std::move(reason);
    condition.message = value ? "" : std::move(message);
    condition.last_transition_time = now_;
    for (const auto& old : pod_.status.conditions) {
      if (old.type == type && old.status == condition.status && !old.last_transition_time.empty()) {
        condition.last_transition_time = old.last_transition_time;
      }
    }
    list_.push_back(std::move(condition));
  }
  // Ours, then those that others set.
  std::vector<api::PodCondition> finish() {
    for (const auto& old : pod_.status.conditions) {
      const bool ours =
          std::any_of(list_.begin(), list_.end(), [&](const auto& c) { return c.type == old.type; });
      if (!ours) list_.push_back(old);
    }
    return std::move(list_);
  }

 private:
  const api::Pod& pod_;
  std::string now_;
  std::vector<api::PodCondition> list_;
};

std::string names_text(const std::vector<std::string>& names) { return "[" + base::join(names, " ") + "]"; }

// Why each readiness gate that is not open is not.
std::vector<std::string> closed_gates(const api::Pod& pod) {
  std::vector<std::string> closed;
  for (const auto& gate : pod.spec.readiness_gates) {
    const auto& conditions = pod.status.conditions;
    const auto found = std::find_if(conditions.begin(), conditions.end(),
                                    [&](const auto& c) { return c.type == gate.condition_type; });
    if (found == conditions.end()) {
      closed.push_back("corresponding condition of pod readiness gate \"" + gate.condition_type +
                       "\" does not exist.");
    } else if (found->status != "True") {
      closed.push_back("the status of pod readiness gate \"" + gate.condition_type + "\" is not \"True\", but " +
                       found->status);
    }
  }
  return closed;
}

void set_conditions(const api::Pod& pod, api::PodStatus& status, const PodRecord& record, bool initialised,
                    base::Time now) {
  Conditions conditions(pod, now);
  conditions.set("PodReadyToStartContainers", record.sandbox_ready);
  std::vector<std::string> incomplete;
  for (size_t i = 0; i < status.init_container_statuses.size(); ++i) {
    const auto& container = status.init_container_statuses[i];
    const bool sidecar = is_sidecar(pod.spec.init_containers[i]);
    const bool complete = sidecar
                              ? container.started.value_or(false)
                              : container.state->terminated && container.state->terminated->exit_code == 0;
    if (!complete) incomplete.push_back(container.name);
  }
  const bool finished = status.phase == "Succeeded";
  conditions.set("Initialized", initialised || finished,
                 finished ? "PodCompleted" : "ContainersNotInitialized",
                 "containers with incomplete status: " + names_text(incomplete));
  std::vector<std::string> unready;
  for (size_t i = 0; i < status.init_container_statuses.size(); ++i) {
    if (is_sidecar(pod.spec.init_containers[i]) && !status.init_container_statuses[i].ready) {
      unready.push_back(status.init_container_statuses[i].name);
    }
  }
  for (const auto& container : status.container_statuses) {
    if (!container.ready) unready.push_back(container.name);
  }
  bool ready = unready.empty() && !finished && status.phase != "Failed";
  const std::string reason = finished                   ? "PodCompleted"
                             : status.phase == "Failed" ? "PodFailed"
                                                        : "ContainersNotReady";
  const std::string message =
      finished || status.phase == "Failed" ? "" : "containers with unready status: " + names_text(unready);
  const bool containers_ready = ready;
  std::string ready_reason = reason;
  std::string ready_message = message;
  if (const auto closed = closed_gates(pod); ready && !closed.empty()) {
    ready = false;
    ready_reason = "ReadinessGatesNotReady";
    ready_message = base::join(closed, ", ");
  }
  conditions.set("Ready", ready, ready_reason, ready_message);
  conditions.set("ContainersReady", containers_ready, reason, message);
  status.conditions = conditions.finish();
}

}  // namespace

bool is_sidecar(const api::Container& container) { return container.restart_policy == "Always"; }

std::string restart_policy_of(const api::Pod& pod, const api::Container& container, bool init) {
  if (!container.restart_policy.empty()) return container.restart_policy;
  const std::string& policy = pod.spec.restart_policy;
  if (init) return policy == "Never" ? "Never" : "OnFailure";
  return policy.empty() ? "Always" : policy;
}

api::PodStatus make_pod_status(const api::Pod& pod, const PodRecord& record, const StatusInputs& inputs) {
  api::PodStatus status = pod.status;
  status.observed_generation = pod.metadata.generation;
  status.host_ip = inputs.node_ip;
  status.host_ips = {api::HostIP{.ip = inputs.node_ip}};
  if (!inputs.second_node_ip.empty()) status.host_ips.push_back(api::HostIP{.ip = inputs.second_node_ip});
  std::vector<std::string> ips = record.ips();
  if (record.host_network) {
    ips.clear();
    for (const auto& host : status.host_ips) ips.push_back(host.ip);
  }
  if (record.sandbox_ready && !ips.empty()) {
    status.pod_ip = ips.front();
    status.pod_ips.clear();
    for (const auto& ip : ips) status.pod_ips.push_back(api::PodIP{.ip = ip});
  }
  status.start_time = time_text(record.started);

  status.init_container_statuses.clear();
  status.container_statuses.clear();
  bool initialised = true;
  bool init_failed = false;
  for (const auto& container : pod.spec.init_containers) {
    const auto one = container_status(pod, container, true, record, inputs, initialised);
    const bool done = is_sidecar(container) ? one.started.value_or(false)
                                            : one.state->terminated && one.state->terminated->exit_code == 0;
    if (!done) {
      initialised = false;
      if (one.state->terminated && restart_policy_of(pod, container, true) == "Never") init_failed = true;
    }
    status.init_container_statuses.push_back(one);
  }
  for (const auto& container : pod.spec.containers) {
    status.container_statuses.push_back(container_status(pod, container, false, record, inputs, initialised));
  }
  // Containers that ended while init containers had already been cleared still count as initialised.
  if (!initialised && std::any_of(status.container_statuses.begin(), status.container_statuses.end(),
                                  [](const auto& c) { return c.state->running || c.state->terminated; })) {
    initialised = true;
  }
  const bool all_over = std::none_of(record.containers.begin(), record.containers.end(), [](const auto& c) {
    return c.state == State::running || c.state == State::starting;
  });
  status.phase = phase_of(pod, status, initialised, init_failed, record.ending && all_over);
  set_conditions(pod, status, record, initialised, inputs.now);
  return status;
}

base::Value status_patch(const api::Pod& pod, const api::PodStatus& status) {
  api::Pod changed;
  changed.status = status;
  const base::Value whole = api::to_value(changed);
  api::Pod before;
  before.status = pod.status;
  const base::Value old = api::to_value(before);
  base::Value patched = whole["status"];
  for (const auto& member : old["status"].as_object()) {
    if (!patched.object().contains(member.key)) patched.object().set(member.key, nullptr);
  }
  return base::Object{{"metadata", base::Object{{"uid", pod.metadata.uid}}}, {"status", std::move(patched)}};
}

}  // namespace node
