// What a ReplicationController should do next: which pods to take, to let go, to make and to end, and what its status
// is. Pure functions; any thread.
//
// Source: upstream's ReplicaSet controller (which also runs ReplicationControllers) and ActivePodsWithRanks.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "api/types.hpp"
#include "base/time.hpp"

namespace controllers {

using PodPtr = std::shared_ptr<const api::Pod>;

struct Claim {
  std::vector<PodPtr> owned;    // active, ours, and matching
  std::vector<PodPtr> adopt;    // orphans that match: owned once they carry our reference
  std::vector<PodPtr> release;  // ours, but their labels no longer match
};

// `pods`: all of the controller's namespace.
Claim plan_claim(const api::ReplicationController& rc, const std::vector<PodPtr>& pods);

struct Scaling {
  int create = 0;
  std::vector<PodPtr> remove;
};

// At most 500 creations or deletions in one step. `owned` are active pods.
Scaling plan_scaling(const api::ReplicationController& rc, const std::vector<PodPtr>& owned, base::Time now);

// The first `count` pods to go, by upstream's order: unassigned before assigned, pending before running, not ready
// before ready, cheaper deletion cost, more crowded node, younger.
std::vector<PodPtr> plan_victims(std::vector<PodPtr> pods, size_t count, base::Time now);

// The pod as it is created: template, generateName, owner.
api::Pod make_pod(const api::ReplicationController& rc);

struct StatusPlan {
  api::ReplicationControllerStatus status;
  std::optional<std::chrono::nanoseconds> look_again;  // when the next ready pod becomes available
};

// `failure`: why creating or deleting did not work in this pass, if it did not.
struct ScalingFailure {
  bool creating = true;
  std::string message;
};
StatusPlan plan_status(const api::ReplicationController& rc, const std::vector<PodPtr>& owned,
                       const std::optional<ScalingFailure>& failure, base::Time now);

bool same_status(const api::ReplicationControllerStatus& a, const api::ReplicationControllerStatus& b);

}  // namespace controllers
