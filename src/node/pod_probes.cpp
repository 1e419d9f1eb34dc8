// The part of PodSync that deals with probes: what is asked of the containers, and what follows from the
// answers.
#include <signal.h>

#include <algorithm>

#include "node/pod_sync.hpp"
#include "sys/process.hpp"

namespace node {
namespace {

using State = ContainerRecord::State;

const std::optional<api::Probe>& probe_of(const api::Container& container, ProbeKind kind) {
  switch (kind) {
    case ProbeKind::startup:
      return container.startup_probe;
    case ProbeKind::readiness:
      return container.readiness_probe;
    case ProbeKind::liveness:
      break;
  }
  return container.liveness_probe;
}

constexpr ProbeKind kKinds[] = {ProbeKind::startup, ProbeKind::readiness, ProbeKind::liveness};

}  // namespace

// The second: whether it is an init container (a sidecar; others are not probed).
std::vector<std::pair<const api::Container*, bool>> PodSync::probed_containers(const api::Pod& pod) const {
  std::vector<std::pair<const api::Container*, bool>> probed;
  const auto add = [&](const api::Container& container, bool init) {
    const bool any = std::any_of(std::begin(kKinds), std::end(kKinds),
                                 [&](ProbeKind kind) { return probe_of(container, kind).has_value(); });
    if (any) probed.emplace_back(&container, init);
  };
  for (const auto& container : pod.spec.init_containers) {
    if (is_sidecar(container)) add(container, true);
  }
  for (const auto& container : pod.spec.containers) add(container, false);
  return probed;
}

base::Result<void> PodSync::watch_probes(const api::Pod& pod, PodRecord& record) {
  const auto containers = probed_containers(pod);
  if (containers.empty()) return {};
  std::vector<ProbedContainer> watched;
  for (const auto& [container, init] : containers) {
    const ContainerRecord* own = record.find(container->name);
    if (own == nullptr || own->state != State::running) continue;
    ProbedContainer one;
    one.id = own->id;
    one.bundle = container_dir(record, own->id);
    one.about = client::ref_of(pod);
    one.about.field_path =
        std::string(init ? "spec.initContainers{" : "spec.containers{") + container->name + "}";
    one.started = own->started;
    if (own->probed_id == own->id) {
      one.was_started = own->probed_started;
      one.was_ready = own->probed_ready;
    }
    for (const ProbeKind kind : kKinds) {
      const auto& probe = probe_of(*container, kind);
      // A pod that ends is let end: only whether it still serves is of interest.
      if (!probe || (record.ending && kind != ProbeKind::readiness)) continue;
      auto spec = probe_spec(*probe, *container, record.host_network ? c_.config.address : record.ip);
      if (spec) {
        one.probes.emplace(kind, std::move(*spec));
      } else {
        const auto what = event_of(kind, {ProbeAnswer::Kind::error, spec.error().message});
        event_once(pod, record, std::string(probe_kind_name(kind)) + "/" + container->name, what->reason,
                   what->message, container, init);
      }
    }
    watched.push_back(std::move(one));
  }
  c_.probes.set(record.uid, record.key(), std::move(watched));
  for (const auto& [container, init] : containers) {
    ContainerRecord* own = record.find(container->name);
    if (own == nullptr || own->state != State::running) continue;
    const auto verdict = c_.probes.verdict(own->id);
    if (!verdict) continue;
    own->probed_id = own->id;
    // Without its probe (it cannot be tried, or the pod ends) what was known stays.
    if (!record.ending) own->probed_started = verdict->started;
    own->probed_ready = verdict->ready;
    if (!record.ending) CHECK_OK(restart_failed(pod, record, *own, *container, init, *verdict));
  }
  return {};
}

// SIGTERM first, SIGKILL when the grace is over. Its exit brings the pod back, and the restart policy
// decides.
base::Result<void> PodSync::restart_failed(const api::Pod& pod, PodRecord& record, ContainerRecord& own,
                                           const api::Container& container, bool init,
                                           const ProbeVerdict& verdict) {
  const bool condemned = own.condemned_id == own.id;
  if (!condemned && !verdict.failed) return {};
  const auto now = c_.clock.now();
  int signal = 0;
  if (!condemned) {
    const int64_t grace = verdict.grace.value_or(pod.spec.termination_grace_period_seconds.value_or(30));
    own.condemned_id = own.id;
    own.condemned_until = now + std::chrono::seconds(std::max<int64_t>(grace, 0));
    std::string message = "Container " + container.name + " failed " +
                          (*verdict.failed == ProbeKind::startup ? "startup" : "liveness") + " probe";
    if (restart_policy_of(pod, container, init) != "Never") message += ", will be restarted";
    event(pod, false, "Killing", message, &container, init);
    signal = own.stop_signal;
    CHECK_OK(c_.records.put(record));
  }
  if (now >= own.condemned_until) signal = SIGKILL;
  if (signal != 0) send_signal(own, signal);
  if (signal != SIGKILL) again_at(record, own.condemned_until);
  return {};
}

StatusInputs PodSync::status_inputs(const api::Pod& pod, const PodRecord& record) const {
  StatusInputs inputs;
  inputs.node_ip = c_.config.address;
  inputs.second_node_ip = c_.config.second_address;
  inputs.runtime = c_.runtime.name();
  inputs.now = c_.clock.now();
  for (const auto& [container, init] : probed_containers(pod)) {
    const ContainerRecord* own = record.find(container->name);
    const bool known = own != nullptr && own->probed_id == own->id;
    if (container->startup_probe) inputs.probed_started[container->name] = known && own->probed_started;
    if (container->readiness_probe) inputs.probed_ready[container->name] = known && own->probed_ready;
  }
  return inputs;
}

}  // namespace node
