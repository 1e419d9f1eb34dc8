// How large each ReplicaSet of a Deployment should be now: the steps of a rolling update, of a recreation,
// and of a change of the number of replicas. Pure functions; any thread.
//
// Source: upstream's rolling.go, recreate.go, sync.go (scale) and deployment_util.go (fenceposts,
// proportions).
#pragma once

#include <cstdint>
#include <vector>

#include "api/types.hpp"
#include "controllers/deployment/sets.hpp"

namespace controllers {

struct Limits {
  int64_t surge = 0;        // pods more than wanted, at most
  int64_t unavailable = 0;  // pods fewer than wanted, at most
};
// Percentages of the replicas: surge rounded up, unavailable down; never both zero for a rolling update.
Limits limits_of(const api::Deployment& deployment);
int64_t wanted_replicas(const api::Deployment& deployment);
int64_t most_replicas(const api::Deployment& deployment);  // with the surge
bool is_recreate(const api::Deployment& deployment);

struct Resize {
  SetPtr set;
  int64_t replicas =
      0;  // may be what it is: then only the annotations that say how many are wanted are behind
};

// With how many replicas the current set begins, or goes on, in a rolling update.
int64_t plan_new_size(const api::Deployment& deployment, const Sets& sets);
// One step. Every step keeps available >= wanted - unavailable and the sum of sizes <= wanted + surge.
std::vector<Resize> plan_rolling(const api::Deployment& deployment, const Sets& sets);

std::vector<Resize> plan_recreate_down(const Sets& sets);
// No pod of an old set runs any more, not even one that is ending.
bool are_old_pods_gone(const Sets& sets);

// The number of replicas was changed since the sets were last looked after.
bool is_scaling(const api::Deployment& deployment, const Sets& sets);
// Several sets share what is wanted in proportion to their sizes.
std::vector<Resize> plan_share(const api::Deployment& deployment, const Sets& sets);

bool needs_annotations(const api::Deployment& deployment, const api::ReplicaSet& set);

}  // namespace controllers
