// The half of PodSync that ends a pod: signals, grace, and nothing left behind.
#include <signal.h>

#include <algorithm>

#include "base/log.hpp"
#include "node/cgroups.hpp"
#include "node/pod_sync.hpp"
#include "node/sandbox.hpp"
#include "sys/fs.hpp"
#include "sys/process.hpp"

namespace node {
namespace {

using State = ContainerRecord::State;

constexpr std::chrono::milliseconds kQuietLook{2};

}  // namespace

void PodSync::send_signal(const ContainerRecord& container, int signal) {
  auto process = sys::open_pidfd(container.pid);
  // The descriptor first, then the look: the number cannot change hands in between.
  if (process && is_alive(container.pid, container.pid_start)) sys::signal_pidfd(process->get(), signal);
}

base::Result<void> PodSync::end_pod(const api::Pod* pod, PodRecord& record, std::chrono::seconds grace) {
  if (!record.cleaned) {
    CHECK_OK(observe(pod, record));
    if (record.end_asked == base::Time{}) record.end_asked = c_.clock.now();
    const auto deadline = c_.clock.now() + grace;
    if (!record.ending) {
      if (pod != nullptr && must_drain(*pod, record, grace)) return c_.records.put(record);
      record.ending = true;
      record.kill_at = record.end_asked + grace;
      for (const auto& container : record.containers) {
        if (container.state != State::running) continue;
        if (pod != nullptr) event(*pod, false, "Killing", "Stopping container " + container.name);
        send_signal(container, container.stop_signal);
      }
      CHECK_OK(c_.records.put(record));
    } else if (deadline < record.kill_at) {
      record.kill_at = deadline;  // asked again, with less patience
    }
    TRY(const bool stopped, stop_containers(pod, record));
    if (!stopped) {
      if (pod == nullptr) return {};
      CHECK_OK(watch_probes(*pod, record));
      return publish(*pod, record);
    }
    c_.probes.forget(record.uid);
    record.waiting.clear();
    CHECK_OK(clean_up(record, pod == nullptr));
    record.cleaned = true;
    c_.drain.forget(record.uid);
    CHECK_OK(c_.records.put(record));
  }
  if (pod == nullptr) return clean_up(record, true);
  record.sandbox_ready = false;
  CHECK_OK(publish(*pod, record));
  if (pod->metadata.deletion_timestamp.empty()) return {};
  return delete_from_api(*pod);
}

// The grace period runs all the while: the pod's own part of it is at least half.
bool PodSync::must_drain(const api::Pod& pod, PodRecord& record, std::chrono::seconds grace) {
  const auto running = [](const ContainerRecord& c) { return c.state == State::running; };
  if (std::none_of(record.containers.begin(), record.containers.end(), running)) return false;
  if (c_.config.drain_timeout.count() == 0) return false;
  std::string why;
  const bool waits = c_.drain.must_wait(record.uid, record.key(), why);
  const auto limit =
      record.end_asked + std::min<std::chrono::milliseconds>(c_.config.drain_timeout, std::chrono::milliseconds(grace) / 2);
  if (c_.clock.now() < limit) {
    // Nothing new comes any more: what is under way may come to its end.
    if (!waits && (record.host_network || !c_.drain.is_busy(record.uid, record.netns))) return false;
    again_at(record, waits ? limit : std::min(limit, c_.clock.now() + kQuietLook));
    return true;
  }
  if (waits) event(pod, true, "DrainTimeout", "Ending the pod although it may still be sent connections: " + why);
  return false;
}

// True when none runs any more. Otherwise an exit, or the end of the grace period, brings the pod back.
base::Result<bool> PodSync::stop_containers(const api::Pod* pod, PodRecord& record) {
  const auto running = [](const ContainerRecord& c) { return c.state == State::running; };
  if (std::none_of(record.containers.begin(), record.containers.end(), running)) return true;
  if (c_.clock.now() < record.kill_at) {
    again_at(record, record.kill_at);
    return false;
  }
  record.killed = true;
  for (auto& container : record.containers) {
    if (!running(container)) continue;
    send_signal(container, SIGKILL);
  }
  // SIGKILL takes effect at once; the monitor's note follows within milliseconds.
  again_at(record, c_.clock.now() + std::chrono::milliseconds(200));
  CHECK_OK(observe(pod, record));
  return std::none_of(record.containers.begin(), record.containers.end(), running);
}

base::Result<void> PodSync::release_network(PodRecord& record) {
  if (!record.host_network && !record.netns.empty() && (record.sandbox_ready || sys::exists(record.netns))) {
    CHECK_OK(remove_sandbox_network(record.netns, record.veth));
  }
  c_.ipam.release(record.uid);
  record.sandbox_ready = false;
  return {};
}

base::Result<void> PodSync::clean_up(PodRecord& record, bool logs_too) {
  for (const auto& container : record.containers) {
    if (container.id.empty()) continue;
    CHECK_OK(c_.runtime.remove(container.id));
    c_.runtime.forget_exit(container.id);
  }
  const bool was_ready = record.sandbox_ready;
  CHECK_OK(release_network(record));
  record.sandbox_ready = was_ready && !logs_too;
  CHECK_OK(remove_volumes(places_of(record)));
  CHECK_OK(sys::remove_tree(c_.records.pod_dir(record.uid) + "/containers"));
  remove_pod_cgroups(c_.config.cluster, record.uid);
  if (logs_too) CHECK_OK(sys::remove_tree(log_dir(record)));
  return {};
}

base::Result<void> PodSync::delete_from_api(const api::Pod& pod) {
  auto removed =
      c_.client.remove(client::resource_of<api::Pod>(pod.metadata.namespace_), pod.metadata.name,
                       {.grace_period_seconds = 0, .uid = pod.metadata.uid, .propagation_policy = ""});
  if (!removed && removed.error().reason != base::Reason::not_found &&
      removed.error().reason != base::Reason::conflict) {
    return std::unexpected(
        std::move(removed).error().wrap("delete pod " + pod.metadata.namespace_ + "/" + pod.metadata.name));
  }
  return {};
}

}  // namespace node
