#include "node/record.hpp"

#include <algorithm>

namespace node {
namespace {

using State = ContainerRecord::State;

std::string time_text(base::Time time) { return time == base::Time{} ? "" : base::format_nano_time(time); }
base::Time time_from(const base::Value& value) {
  return base::parse_time(value.as_string()).value_or(base::Time{});
}

std::string_view state_name(State state) {
  switch (state) {
    case State::starting:
      return "starting";
    case State::running:
      return "running";
    case State::exited:
      return "exited";
    case State::none:
      break;
  }
  return "none";
}

State state_from(std::string_view name) {
  if (name == "starting") return State::starting;
  if (name == "running") return State::running;
  if (name == "exited") return State::exited;
  return State::none;
}

base::Value run_value(const PastRun& run) {
  return base::Object{
      {"id", run.id},           {"exitCode", run.exit_code},         {"reason", run.reason},
      {"message", run.message}, {"started", time_text(run.started)}, {"finished", time_text(run.finished)}};
}

PastRun run_from(const base::Value& value) {
  return {.id = std::string(value["id"].as_string()),
          .exit_code = static_cast<int>(value["exitCode"].int_or(0)),
          .reason = std::string(value["reason"].as_string()),
          .message = std::string(value["message"].as_string()),
          .started = time_from(value["started"]),
          .finished = time_from(value["finished"])};
}

base::Value container_value(const ContainerRecord& c) {
  base::Object object{{"name", c.name},
                      {"init", c.init},
                      {"state", state_name(c.state)},
                      {"id", c.id},
                      {"restarts", c.restarts},
                      {"image", c.image},
                      {"imageID", c.image_id},
                      {"stopSignal", c.stop_signal},
                      {"logPath", c.log_path},
                      {"pid", static_cast<int64_t>(c.pid)},
                      {"pidStart", static_cast<int64_t>(c.pid_start)},
                      {"started", time_text(c.started)},
                      {"ended", run_value(c.ended)},
                      {"backoffSeconds", c.backoff_seconds},
                      {"notBefore", time_text(c.not_before)}};
  if (!c.probed_id.empty()) {
    object.set("probedID", c.probed_id);
    object.set("probedStarted", c.probed_started);
    object.set("probedReady", c.probed_ready);
  }
  if (!c.condemned_id.empty()) {
    object.set("condemnedID", c.condemned_id);
    object.set("condemnedUntil", time_text(c.condemned_until));
  }
  if (c.last) object.set("last", run_value(*c.last));
  return object;
}

ContainerRecord container_from(const base::Value& value) {
  ContainerRecord c;
  c.name = value["name"].as_string();
  c.init = value["init"].as_bool();
  c.state = state_from(value["state"].as_string());
  c.id = value["id"].as_string();
  c.restarts = static_cast<int>(value["restarts"].int_or(0));
  c.image = value["image"].as_string();
  c.image_id = value["imageID"].as_string();
  c.stop_signal = static_cast<int>(value["stopSignal"].int_or(15));
  c.log_path = value["logPath"].as_string();
  c.pid = static_cast<pid_t>(value["pid"].int_or(0));
  c.pid_start = static_cast<uint64_t>(value["pidStart"].int_or(0));
  c.started = time_from(value["started"]);
  c.ended = run_from(value["ended"]);
  c.backoff_seconds = static_cast<int>(value["backoffSeconds"].int_or(0));
  c.not_before = time_from(value["notBefore"]);
  c.probed_id = value["probedID"].as_string();
  c.probed_started = value["probedStarted"].as_bool();
  c.probed_ready = value["probedReady"].as_bool();
  c.condemned_id = value["condemnedID"].as_string();
  c.condemned_until = time_from(value["condemnedUntil"]);
  if (value["last"].is_object()) c.last = run_from(value["last"]);
  return c;
}

}  // namespace

ContainerRecord* PodRecord::find(std::string_view container) {
  const auto found =
      std::find_if(containers.begin(), containers.end(), [&](const auto& c) { return c.name == container; });
  return found == containers.end() ? nullptr : &*found;
}

const ContainerRecord* PodRecord::find(std::string_view container) const {
  return const_cast<PodRecord*>(this)->find(container);
}

base::Value to_value(const PodRecord& record) {
  base::Array containers;
  for (const auto& container : record.containers) containers.push_back(container_value(container));
  return base::Object{{"uid", record.uid},
                      {"namespace", record.namespace_},
                      {"name", record.name},
                      {"bootID", record.boot_id},
                      {"hostNetwork", record.host_network},
                      {"sandboxReady", record.sandbox_ready},
                      {"ip", record.ip},
                      {"secondIP", record.second_ip},
                      {"veth", record.veth},
                      {"netns", record.netns},
                      {"started", time_text(record.started)},
                      {"endAsked", time_text(record.end_asked)},
                      {"ending", record.ending},
                      {"killed", record.killed},
                      {"killAt", time_text(record.kill_at)},
                      {"cleaned", record.cleaned},
                      {"containers", std::move(containers)}};
}

base::Result<PodRecord> pod_record_from(const base::Value& value) {
  PodRecord record;
  record.uid = value["uid"].as_string();
  record.namespace_ = value["namespace"].as_string();
  record.name = value["name"].as_string();
  if (record.uid.empty() || record.namespace_.empty() || record.name.empty()) {
    return base::fail(base::Reason::invalid, "a pod's record has no uid, namespace or name");
  }
  record.boot_id = value["bootID"].as_string();
  record.host_network = value["hostNetwork"].as_bool();
  record.sandbox_ready = value["sandboxReady"].as_bool();
  record.ip = value["ip"].as_string();
  record.second_ip = value["secondIP"].as_string();
  record.veth = value["veth"].as_string();
  record.netns = value["netns"].as_string();
  record.started = time_from(value["started"]);
  record.end_asked = time_from(value["endAsked"]);
  record.ending = value["ending"].as_bool();
  record.killed = value["killed"].as_bool();
  record.kill_at = time_from(value["killAt"]);
  record.cleaned = value["cleaned"].as_bool();
  for (const auto& item : value["containers"].as_array()) record.containers.push_back(container_from(item));
  return record;
}

void note_exit(ContainerRecord& container, int exit_code, std::string reason, std::string message,
               base::Time finished) {
  container.state = State::exited;
  container.ended = {.id = container.id,
                     .exit_code = exit_code,
                     .reason = std::move(reason),
                     .message = std::move(message),
                     .started = container.started,
                     .finished = finished};
  container.pid = 0;
  container.pid_start = 0;
  if (finished - container.started >= std::chrono::seconds(Backoff::kForgetAfter))
    container.backoff_seconds = 0;
  // The first restart is immediate; the wait begins with the second.
  container.not_before =
      container.backoff_seconds == 0 ? finished : finished + std::chrono::seconds(container.backoff_seconds);
  container.backoff_seconds = Backoff::next(container.backoff_seconds);
}

}  // namespace node
