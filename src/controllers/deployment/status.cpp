#include "controllers/deployment/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "controllers/deployment/scale.hpp"

namespace controllers {
namespace {

constexpr const char* kAvailable = "Available";
constexpr const char* kProgressing = "Progressing";
constexpr const char* kReplicaFailure = "ReplicaFailure";
constexpr const char* kTimedOut = "ProgressDeadlineExceeded";
constexpr const char* kNewSetAvailable = "NewReplicaSetAvailable";

std::optional<int64_t> unless_zero(int64_t number) { return number ? std::optional(number) : std::nullopt; }

void remove_condition(api::DeploymentStatus& status, std::string_view type) {
  std::erase_if(status.conditions, [type](const auto& condition) { return condition.type == type; });
}

bool has_moved(const api::DeploymentStatus& before, const api::DeploymentStatus& after) {
  auto old_pods = [](const api::DeploymentStatus& s) {
    return s.replicas.value_or(0) - s.updated_replicas.value_or(0);
  };
  return after.updated_replicas > before.updated_replicas || old_pods(after) < old_pods(before) ||
         after.ready_replicas > before.ready_replicas || after.available_replicas > before.available_replicas;
}

// When the deadline of the condition is up; nothing when it does not run.
std::optional<base::Time> deadline_of(const api::Deployment& deployment,
                                      const api::DeploymentCondition* condition) {
  if (!condition || condition->reason == kNewSetAvailable || condition->reason == kTimedOut)
    return std::nullopt;
  auto since = base::parse_time(condition->last_update_time);
  if (!since) return std::nullopt;
  return *since + std::chrono::seconds(*deployment.spec.progress_deadline_seconds);
}

std::string subject_of(const api::Deployment& deployment, const Sets& sets) {
  return sets.current ? fmt::format("ReplicaSet \"{}\"", sets.current->metadata.name)
                      : fmt::format("Deployment \"{}\"", deployment.metadata.name);
}

void plan_progress(const api::Deployment& deployment, const Sets& sets, base::Time now,
                   DeploymentStatusPlan& plan) {
  auto& status = plan.status;
  const auto* known = condition_of(deployment.status, kProgressing);
  const bool was_complete = known && known->reason == kNewSetAvailable &&
                            status.replicas.value_or(0) == status.updated_replicas.value_or(0);
  if (was_complete) return;
  const std::string subject = subject_of(deployment, sets);
  if (is_complete(deployment, status)) {
    set_condition(status, kProgressing, "True", kNewSetAvailable, subject + " has successfully progressed.",
                  now);
    return;
  }
  if (has_moved(deployment.status, status)) {
    std::string since = known && known->status == "True" ? known->last_transition_time : "";
    remove_condition(status, kProgressing);
    set_condition(status, kProgressing, "True", "ReplicaSetUpdated", subject + " is progressing.", now);
    if (!since.empty()) status.conditions.back().last_transition_time = std::move(since);
  }
  auto deadline = deadline_of(deployment, condition_of(status, kProgressing));
  if (!deadline) return;
  if (*deadline < now) {
    set_condition(status, kProgressing, "False", kTimedOut, subject + " has timed out progressing.", now);
  } else {
    plan.look_again = *deadline - now + std::chrono::milliseconds(1);
  }
}

const api::ReplicaSetCondition* failure_of(const Sets& sets) {
  auto in = [](const SetPtr& set) -> const api::ReplicaSetCondition* {
    auto it = std::ranges::find(set->status.conditions, kReplicaFailure, &api::ReplicaSetCondition::type);
    return it == set->status.conditions.end() ? nullptr : &*it;
  };
  if (sets.current) {
    if (const auto* found = in(sets.current)) return found;
  }
  for (const auto& set : sets.old) {
    if (const auto* found = in(set)) return found;
  }
  return nullptr;
}

void plan_failure(const Sets& sets, base::Time now, api::DeploymentStatus& status) {
  const auto* failure = failure_of(sets);
  if (!failure) return remove_condition(status, kReplicaFailure);
  const auto* known = condition_of(status, kReplicaFailure);
  if (known && known->status == failure->status && known->reason == failure->reason) return;
  set_condition(status, kReplicaFailure, failure->status, failure->reason, failure->message, now);
  status.conditions.back().last_update_time = failure->last_transition_time;
  status.conditions.back().last_transition_time = failure->last_transition_time;
}

}  // namespace

const api::DeploymentCondition* condition_of(const api::DeploymentStatus& status, std::string_view type) {
  auto it = std::ranges::find(status.conditions, type, &api::DeploymentCondition::type);
  return it == status.conditions.end() ? nullptr : &*it;
}

void set_condition(api::DeploymentStatus& status, const std::string& type, const std::string& value,
                   const std::string& reason, const std::string& message, base::Time now) {
  api::DeploymentCondition condition;
  condition.type = type;
  condition.status = value;
  condition.reason = reason;
  condition.message = message;
  condition.last_update_time = base::format_time(now);
  condition.last_transition_time = condition.last_update_time;
  if (const auto* known = condition_of(status, type)) {
    if (known->status == value && known->reason == reason) return;
    if (known->status == value) condition.last_transition_time = known->last_transition_time;
  }
  remove_condition(status, type);
  status.conditions.push_back(std::move(condition));
}

bool has_deadline(const api::Deployment& deployment) {
  const auto& deadline = deployment.spec.progress_deadline_seconds;
  return deadline && *deadline != std::numeric_limits<int32_t>::max();
}

void note_pause(const api::Deployment& deployment, api::DeploymentStatus& status, base::Time now) {
  if (!has_deadline(deployment)) return;
  const auto* known = condition_of(status, kProgressing);
  if (known && known->reason == kTimedOut) return;
  const bool noted = known && known->reason == "DeploymentPaused";
  const bool paused = deployment.spec.paused.value_or(false);
  if (paused && !noted)
    set_condition(status, kProgressing, "Unknown", "DeploymentPaused", "Deployment is paused", now);
  if (!paused && noted) {
    set_condition(status, kProgressing, "Unknown", "DeploymentResumed", "Deployment is resumed", now);
  }
}

api::DeploymentStatus count_status(const api::Deployment& deployment, const Sets& sets, base::Time now) {
  api::DeploymentStatus status;
  int64_t wanted = 0;
  int64_t replicas = 0;
  int64_t ready = 0;
  int64_t available = 0;
  int64_t terminating = 0;
  for (const auto& set : sets.all()) {
    wanted += set->spec.replicas.value_or(1);
    replicas += set->status.replicas;
    ready += set->status.ready_replicas.value_or(0);
    available += set->status.available_replicas.value_or(0);
    terminating += set->status.terminating_replicas.value_or(0);
  }
  status.observed_generation = deployment.metadata.generation;
  status.replicas = unless_zero(replicas);
  status.updated_replicas = unless_zero(sets.current ? sets.current->status.replicas : 0);
  status.ready_replicas = unless_zero(ready);
  status.available_replicas = unless_zero(available);
  status.unavailable_replicas = unless_zero(std::max<int64_t>(0, wanted - available));
  status.terminating_replicas = terminating;
  status.collision_count = deployment.status.collision_count;
  status.conditions = deployment.status.conditions;
  if (available >= wanted_replicas(deployment) - limits_of(deployment).unavailable) {
    set_condition(status, kAvailable, "True", "MinimumReplicasAvailable",
                  "Deployment has minimum availability.", now);
  } else {
    set_condition(status, kAvailable, "False", "MinimumReplicasUnavailable",
                  "Deployment does not have minimum availability.", now);
  }
  return status;
}

bool is_complete(const api::Deployment& deployment, const api::DeploymentStatus& status) {
  const int64_t wanted = wanted_replicas(deployment);
  return status.updated_replicas.value_or(0) == wanted && status.replicas.value_or(0) == wanted &&
         status.available_replicas.value_or(0) == wanted &&
         status.observed_generation.value_or(0) >= deployment.metadata.generation.value_or(0);
}

DeploymentStatusPlan plan_rollout_status(const api::Deployment& deployment, const Sets& sets,
                                         base::Time now) {
  DeploymentStatusPlan plan{.status = count_status(deployment, sets, now), .look_again = std::nullopt};
  if (has_deadline(deployment))
    plan_progress(deployment, sets, now, plan);
  else
    remove_condition(plan.status, kProgressing);
  plan_failure(sets, now, plan.status);
  return plan;
}

bool same_status(const api::DeploymentStatus& a, const api::DeploymentStatus& b) {
  auto numbers = [](const api::DeploymentStatus& s) {
    return std::tuple(s.observed_generation.value_or(0), s.replicas.value_or(0),
                      s.updated_replicas.value_or(0), s.ready_replicas.value_or(0),
                      s.available_replicas.value_or(0), s.unavailable_replicas.value_or(0),
                      s.terminating_replicas, s.collision_count);
  };
  return numbers(a) == numbers(b) && a.conditions == b.conditions;
}

}  // namespace controllers
