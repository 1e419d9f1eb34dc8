#include "api/columns_pod.hpp"

#include <fmt/format.h>

#include "api/meta.hpp"

namespace api {

using base::Value;

namespace {

struct Summary {
  std::string reason;
  int64_t ready = 0;
  int64_t total = 0;
  int64_t restarts = 0;
  std::optional<base::Time> last_restart;
  bool initializing = false;
  // Of the init containers that stay (sidecars): they count also after the initialization.
  int64_t sidecar_restarts = 0;
  std::optional<base::Time> sidecar_last_restart;
};

const Value* condition(const Value& pod, std::string_view type) {
  for (const auto& one : pod["status"]["conditions"].as_array())
    if (one["type"].as_string() == type) return &one;
  return nullptr;
}

bool is_true(const Value* condition) { return condition != nullptr && (*condition)["status"].as_string() == "True"; }

void keep_latest(std::optional<base::Time>& latest, const Value& status) {
  auto time = base::parse_time(status["lastState"]["terminated"]["finishedAt"].as_string());
  if (time && (!latest || *latest < *time)) latest = time;
}

bool is_sidecar(const Value& pod, std::string_view name) {
  for (const auto& one : pod["spec"]["initContainers"].as_array())
    if (one["name"].as_string() == name) return one["restartPolicy"].as_string() == "Always";
  return false;
}

// "Signal:9" or "ExitCode:1", for containers that ended without a reason.
std::string exit_text(const Value& terminated) {
  int64_t signal = terminated["signal"].int_or(0);
  return signal != 0 ? fmt::format("Signal:{}", signal)
                     : fmt::format("ExitCode:{}", terminated["exitCode"].int_or(0));
}

// Why this init container keeps the pod from starting; empty when it does not.
std::string init_reason(const Value& status, bool sidecar, size_t index, size_t count, int64_t& ready) {
  const Value& terminated = status["state"]["terminated"];
  const Value& waiting = status["state"]["waiting"];
  if (terminated.is_object() && terminated["exitCode"].int_or(0) == 0) return "";
  if (sidecar && status["started"].as_bool()) {
    if (status["ready"].as_bool()) ++ready;
    return "";
  }
  if (terminated.is_object()) {
    auto reason = terminated["reason"].as_string();
    return "Init:" + (reason.empty() ? exit_text(terminated) : std::string(reason));
  }
  auto reason = waiting["reason"].as_string();
  if (!reason.empty() && reason != "PodInitializing") return "Init:" + std::string(reason);
  return fmt::format("Init:{}/{}", index, count);
}

void look_at_init_containers(const Value& pod, Summary& out) {
  size_t count = pod["spec"]["initContainers"].as_array().size();
  size_t index = 0;
  for (const auto& status : pod["status"]["initContainerStatuses"].as_array()) {
    bool sidecar = is_sidecar(pod, status["name"].as_string());
    int64_t restarts = status["restartCount"].int_or(0);
    out.restarts += restarts;
    keep_latest(out.last_restart, status);
    if (sidecar) {
      out.sidecar_restarts += restarts;
      keep_latest(out.sidecar_last_restart, status);
    }
    std::string reason = init_reason(status, sidecar, index++, count, out.ready);
    if (reason.empty()) continue;
    out.reason = std::move(reason);
    out.initializing = true;
    return;
  }
}

void look_at_containers(const Value& pod, Summary& out) {
  out.restarts = out.sidecar_restarts;
  out.last_restart = out.sidecar_last_restart;
  bool running = false;
  const auto& statuses = pod["status"]["containerStatuses"].as_array();
  for (size_t i = statuses.size(); i-- > 0;) {
    const Value& status = statuses[i];
    const Value& state = status["state"];
    out.restarts += status["restartCount"].int_or(0);
    keep_latest(out.last_restart, status);
    auto waiting = state["waiting"]["reason"].as_string();
    auto terminated = state["terminated"]["reason"].as_string();
    if (!waiting.empty()) {
      out.reason = waiting;
    } else if (!terminated.empty()) {
      out.reason = terminated;
    } else if (state["terminated"].is_object()) {
      out.reason = exit_text(state["terminated"]);
    } else if (status["ready"].as_bool() && state["running"].is_object()) {
      running = true;
      ++out.ready;
    }
  }
  // One container is done, another one still runs: the pod does.
  if (out.reason == "Completed" && running) out.reason = is_true(condition(pod, "Ready")) ? "Running" : "NotReady";
}

Summary summarize(const Value& pod) {
  const Value& status = pod["status"];
  std::string_view phase = status["phase"].as_string();
  Summary out;
  out.total = static_cast<int64_t>(pod["spec"]["containers"].as_array().size());
  for (const auto& one : pod["spec"]["initContainers"].as_array())
    if (one["restartPolicy"].as_string() == "Always") ++out.total;
  out.reason = status["reason"].as_string().empty() ? phase : status["reason"].as_string();
  if (const Value* scheduled = condition(pod, "PodScheduled");
      scheduled != nullptr && (*scheduled)["reason"].as_string() == "SchedulingGated")
    out.reason = "SchedulingGated";
  look_at_init_containers(pod, out);
  if (!out.initializing || is_true(condition(pod, "Initialized"))) look_at_containers(pod, out);
  if (is_being_deleted(pod)) {
    if (status["reason"].as_string() == "NodeLost") out.reason = "Unknown";
    else if (phase != "Succeeded" && phase != "Failed") out.reason = "Terminating";
  }
  return out;
}

std::string gates_text(const Value& pod) {
  const auto& gates = pod["spec"]["readinessGates"].as_array();
  if (gates.empty()) return "<none>";
  int held = 0;
  for (const auto& gate : gates)
    if (is_true(condition(pod, gate["conditionType"].as_string()))) ++held;
  return fmt::format("{}/{}", held, gates.size());
}

std::string or_none(std::string_view text) { return text.empty() ? "<none>" : std::string(text); }

}  // namespace

std::vector<Value> pod_cells(const Value& pod, base::Time now) {
  Summary summary = summarize(pod);
  std::string restarts = std::to_string(summary.restarts);
  if (summary.restarts != 0 && summary.last_restart)
    restarts += fmt::format(" ({} ago)", base::human_duration(now - *summary.last_restart));
  const auto& ips = pod["status"]["podIPs"].as_array();
  auto ip = ips.empty() ? pod["status"]["podIP"].as_string() : ips[0]["ip"].as_string();
  return {name_of(pod),
          fmt::format("{}/{}", summary.ready, summary.total),
          summary.reason,
          restarts,
          age_since(creation_timestamp_of(pod), now),
          or_none(ip),
          or_none(pod["spec"]["nodeName"].as_string()),
          or_none(pod["status"]["nominatedNodeName"].as_string()),
          gates_text(pod)};
}

}  // namespace api
