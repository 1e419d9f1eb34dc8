// The ReplicaSets of a Deployment: which one is of today's template, how a new one looks, how revisions are
// counted and which old ones are thrown away. Pure functions; any thread.
//
// Source: upstream's deployment controller (sync.go) and deployment_util.go.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/types.hpp"

namespace controllers {

inline constexpr const char* kTemplateHashLabel = "pod-template-hash";
inline constexpr const char* kRevision = "deployment.kubernetes.io/revision";
inline constexpr const char* kRevisionHistory = "deployment.kubernetes.io/revision-history";
inline constexpr const char* kDesiredReplicas = "deployment.kubernetes.io/desired-replicas";
inline constexpr const char* kMaxReplicas = "deployment.kubernetes.io/max-replicas";

using SetPtr = std::shared_ptr<const api::ReplicaSet>;

struct Sets {
  SetPtr current;           // of today's template; null when there is none yet
  std::vector<SetPtr> old;  // oldest first
  std::vector<SetPtr> all() const;
};

// `owned`: the sets whose controller the Deployment is.
Sets sort_sets(const api::Deployment& deployment, std::vector<SetPtr> owned);

struct SetClaim {
  std::vector<SetPtr> owned;
  std::vector<SetPtr> adopt;    // orphans that the selector matches
  std::vector<SetPtr> release;  // ours, no longer matched
};
SetClaim plan_set_claim(const api::Deployment& deployment, const std::vector<SetPtr>& sets);

bool same_template(const api::PodTemplateSpec& a, const api::PodTemplateSpec& b);
// FNV-1a over the template and the number of collisions, written with the letters of generated names. The
// input is our JSON and not upstream's dump of Go structs, so that the same template has another hash here
// than there; nothing depends on the value.
std::string template_hash(const api::PodTemplateSpec& pod_template, std::optional<int64_t> collisions);

int64_t revision_of(const api::ReplicaSet& set);  // 0 when it has none
int64_t next_revision(const Sets& sets);

// The set that today's template wants.
api::ReplicaSet make_set(const api::Deployment& deployment, int64_t revision, int64_t replicas,
                         int64_t max_replicas);
// The current set with the Deployment's annotations, its revision and its minReadySeconds; nothing when it
// has them.
std::optional<api::ReplicaSet> plan_refresh(const api::Deployment& deployment, const Sets& sets);

// Old sets beyond revisionHistoryLimit, without pods.
std::vector<SetPtr> plan_cleanup(const api::Deployment& deployment, const Sets& sets);

}  // namespace controllers
