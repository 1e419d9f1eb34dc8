// What a ReplicaSet should do next: which pods to take, to let go, to make and to end, and what its status
// is. A ReplicationController is a ReplicaSet with an older face and takes the same road. Pure functions; any
// thread.
//
// Source: upstream's ReplicaSet controller (which also runs ReplicationControllers) and ActivePodsWithRanks.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/types.hpp"
#include "base/time.hpp"

namespace controllers {

using PodPtr = std::shared_ptr<const api::Pod>;

struct Claim {
  std::vector<PodPtr> owned;    // active, ours, and matching
  std::vector<PodPtr> adopt;    // orphans that match: owned once they carry our reference
  std::vector<PodPtr> release;  // ours, but their labels no longer match
  int64_t terminating = 0;      // ours and matching, on their way out
};

// `pods`: all of the set's namespace.
Claim plan_claim(const api::ReplicaSet& set, const std::vector<PodPtr>& pods);

struct Scaling {
  int create = 0;
  std::vector<PodPtr> remove;
};

// How many active pods of the same owner (a Deployment: of all its sets) each node has.
using Crowd = std::map<std::string, int>;
Crowd count_crowd(const std::vector<PodPtr>& pods);

// At most 500 creations or deletions in one step. `owned` are active pods.
Scaling plan_scaling(const api::ReplicaSet& set, const std::vector<PodPtr>& owned, const Crowd& crowd,
                     base::Time now);

// The first `count` pods to go, by upstream's order: unassigned before assigned, pending before running, not
// ready before ready, cheaper deletion cost, more crowded node, younger. A pod that is ready but not yet
// available counts as the youngest.
std::vector<PodPtr> plan_victims(std::vector<PodPtr> pods, size_t count, const Crowd& crowd,
                                 int64_t min_ready_seconds, base::Time now);

// The pod as it is created: template, generateName, owner.
struct OwnerKind {
  std::string api_version = "apps/v1";
  std::string kind = "ReplicaSet";
};
api::Pod make_pod(const api::ReplicaSet& set, const OwnerKind& kind);

struct SetStatusPlan {
  api::ReplicaSetStatus status;
  std::optional<std::chrono::nanoseconds> look_again;  // when the next ready pod becomes available
};

// `failure`: why creating or deleting did not work in this pass, if it did not.
struct ScalingFailure {
  bool creating = true;
  std::string message;
};
SetStatusPlan plan_status(const api::ReplicaSet& set, const std::vector<PodPtr>& owned,
                          std::optional<int64_t> terminating, const std::optional<ScalingFailure>& failure,
                          base::Time now);

bool same_status(const api::ReplicaSetStatus& a, const api::ReplicaSetStatus& b);

// The two faces of one thing.
api::ReplicaSet as_set(const api::ReplicationController& rc);
api::ReplicationControllerStatus as_rc_status(const api::ReplicaSetStatus& status);

// Ranking and counting need no containers, volumes or annotations but one. One function, so that the informers of all
// loops share what it leaves.
void trim_pod_for_counting(api::Pod& pod);

}  // namespace controllers
