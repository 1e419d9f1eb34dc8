// The status of a Deployment: sums over its ReplicaSets, and the conditions Available, Progressing and
// ReplicaFailure. Pure functions; any thread.
//
// Source: upstream's deployment controller (sync.go, progress.go) and deployment_util.go; reasons and
// messages as there.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "api/types.hpp"
#include "base/time.hpp"
#include "controllers/deployment/sets.hpp"

namespace controllers {

// Sets the condition of that type, unless status and reason are what they are; a time of transition stays as
// long as the status does.
void set_condition(api::DeploymentStatus& status, const std::string& type, const std::string& value,
                   const std::string& reason, const std::string& message, base::Time now);
const api::DeploymentCondition* condition_of(const api::DeploymentStatus& status, std::string_view type);
bool has_deadline(const api::Deployment& deployment);

// Paused and resumed: the deadline does not run in between.
void note_pause(const api::Deployment& deployment, api::DeploymentStatus& status, base::Time now);

// The numbers and Available; every other condition as in deployment.status.
api::DeploymentStatus count_status(const api::Deployment& deployment, const Sets& sets, base::Time now);
bool is_complete(const api::Deployment& deployment, const api::DeploymentStatus& status);

struct DeploymentStatusPlan {
  api::DeploymentStatus status;
  std::optional<std::chrono::nanoseconds> look_again;  // when the deadline is up
};
// The same in a rollout: with Progressing and ReplicaFailure.
DeploymentStatusPlan plan_rollout_status(const api::Deployment& deployment, const Sets& sets, base::Time now);

bool same_status(const api::DeploymentStatus& a, const api::DeploymentStatus& b);

}  // namespace controllers
