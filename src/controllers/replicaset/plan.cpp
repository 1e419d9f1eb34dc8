#include "controllers/replicaset/plan.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <tuple>
#include <utility>

#include "base/strings.hpp"
#include "controllers/pods.hpp"
#include "controllers/selector.hpp"

namespace controllers {
namespace {

constexpr int kBurst = 500;

// Ages are compared by powers of two, so that which of several old pods goes is decided by their random UIDs
// and not by a few seconds. 0 is the newest.
int age_rank(base::Time since, base::Time now) {
  if (since >= now) return 0;
  return std::bit_width(static_cast<uint64_t>((now - since).count()));
}

int phase_rank(const std::string& phase) {
  if (phase == "Pending" || phase.empty()) return 0;
  if (phase == "Unknown") return 1;
  return 2;
}

int64_t deletion_cost(const api::Pod& pod) {
  auto it = pod.metadata.annotations.find("controller.kubernetes.io/pod-deletion-cost");
  if (it == pod.metadata.annotations.end()) return 0;
  return base::parse_int(it->second).value_or(0);
}

int64_t max_restarts(const api::Pod& pod) {
  int64_t most = 0;
  for (const auto& status : pod.status.container_statuses) most = std::max(most, status.restart_count);
  return most;
}

// Compares smaller for pods that go first.
struct Rank {
  bool assigned;
  int phase;
  bool ready;
  int64_t cost;
  int crowd;         // negative count of siblings on its node
  int ready_age;     // newest first; 0 for pods that are not ready or not yet available
  int64_t restarts;  // negative
  int age;
  std::string uid;
  auto operator<=>(const Rank&) const = default;
};

Rank rank_of(const api::Pod& pod, int siblings, int64_t min_ready_seconds, base::Time now) {
  bool ready = is_ready(pod);
  int ready_age = 0;
  auto available = available_at(pod, min_ready_seconds);
  if (ready && available && *available <= now) {
    // A ready pod without a time counts as new.
    auto since = base::parse_time(ready_condition(pod)->last_transition_time);
    ready_age = since ? age_rank(*since, now) : 0;
  }
  auto created = base::parse_time(pod.metadata.creation_timestamp);
  return {.assigned = !pod.spec.node_name.empty(),
          .phase = phase_rank(pod.status.phase),
          .ready = ready,
          .cost = deletion_cost(pod),
          .crowd = -siblings,
          .ready_age = ready_age,
          .restarts = -max_restarts(pod),
          .age = created ? age_rank(*created, now) : 0,
          .uid = pod.metadata.uid};
}

// Between the statuses of a ReplicationController and a ReplicaSet: the members that both have.
template <class From, class To>
void copy_status(const From& from, To& to) {
  to.replicas = from.replicas;
  to.fully_labeled_replicas = from.fully_labeled_replicas;
  to.ready_replicas = from.ready_replicas;
  to.available_replicas = from.available_replicas;
  to.observed_generation = from.observed_generation;
  for (const auto& condition : from.conditions) {
    auto& copy = to.conditions.emplace_back();
    copy.type = condition.type;
    copy.status = condition.status;
    copy.last_transition_time = condition.last_transition_time;
    copy.reason = condition.reason;
    copy.message = condition.message;
  }
}

}  // namespace

Claim plan_claim(const api::ReplicaSet& set, const std::vector<PodPtr>& pods) {
  Claim claim;
  const bool going = !set.metadata.deletion_timestamp.empty();
  const Selector selector(set.spec.selector);
  for (const auto& pod : pods) {
    if (is_terminal(*pod)) continue;
    const auto* owner = controller_of(pod->metadata);
    if (owner && owner->uid != set.metadata.uid) continue;
    const bool matches = selector.matches(pod->metadata.labels);
    if (!pod->metadata.deletion_timestamp.empty()) {
      if (owner && matches) ++claim.terminating;
    } else if (!owner) {
      if (matches && !going) claim.adopt.push_back(pod);
    } else if (matches) {
      claim.owned.push_back(pod);
    } else if (!going) {
      claim.release.push_back(pod);
    }
  }
  return claim;
}

Crowd count_crowd(const std::vector<PodPtr>& pods) {
  Crowd crowd;
  for (const auto& pod : pods) {
    if (!pod->spec.node_name.empty() && is_active(*pod)) ++crowd[pod->spec.node_name];
  }
  return crowd;
}

std::vector<PodPtr> plan_victims(std::vector<PodPtr> pods, size_t count, const Crowd& crowd,
                                 int64_t min_ready_seconds, base::Time now) {
  if (count >= pods.size()) return pods;
  std::vector<std::pair<Rank, PodPtr>> ranked;
  ranked.reserve(pods.size());
  for (auto& pod : pods) {
    auto it = crowd.find(pod->spec.node_name);
    int siblings = it == crowd.end() ? 0 : it->second;
    ranked.emplace_back(rank_of(*pod, siblings, min_ready_seconds, now), std::move(pod));
  }
  std::ranges::sort(ranked, [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<PodPtr> victims;
  for (size_t i = 0; i < count; ++i) victims.push_back(std::move(ranked[i].second));
  return victims;
}

Scaling plan_scaling(const api::ReplicaSet& set, const std::vector<PodPtr>& owned, const Crowd& crowd,
                     base::Time now) {
  Scaling scaling;
  if (!set.metadata.deletion_timestamp.empty()) return scaling;
  int64_t missing = set.spec.replicas.value_or(1) - static_cast<int64_t>(owned.size());
  if (missing > 0) scaling.create = static_cast<int>(std::min<int64_t>(missing, kBurst));
  if (missing < 0) {
    scaling.remove = plan_victims(owned, static_cast<size_t>(std::min<int64_t>(-missing, kBurst)), crowd,
                                  set.spec.min_ready_seconds.value_or(0), now);
  }
  return scaling;
}

api::Pod make_pod(const api::ReplicaSet& set, const OwnerKind& kind) {
  const api::PodTemplateSpec& pattern = set.spec.template_;
  api::Pod pod;
  pod.metadata.generate_name = set.metadata.name + "-";
  pod.metadata.namespace_ = set.metadata.namespace_;
  pod.metadata.labels = pattern.metadata.labels;
  pod.metadata.annotations = pattern.metadata.annotations;
  pod.metadata.finalizers = pattern.metadata.finalizers;
  pod.metadata.owner_references = {controlled_by(kind.api_version, kind.kind, set.metadata)};
  pod.spec = pattern.spec;
  return pod;
}

SetStatusPlan plan_status(const api::ReplicaSet& set, const std::vector<PodPtr>& owned,
                          std::optional<int64_t> terminating, const std::optional<ScalingFailure>& failure,
                          base::Time now) {
  SetStatusPlan plan;
  auto& status = plan.status;
  int64_t labelled = 0;
  int64_t ready = 0;
  int64_t available = 0;
  const Labels& template_labels = set.spec.template_.metadata.labels;
  for (const auto& pod : owned) {
    if (selects(template_labels, pod->metadata.labels)) ++labelled;
    if (!is_ready(*pod)) continue;
    ++ready;
    auto at = available_at(*pod, set.spec.min_ready_seconds.value_or(0));
    if (!at) continue;
    if (*at <= now)
      ++available;
    else if (!plan.look_again || *at - now < *plan.look_again)
      plan.look_again = *at - now;
  }
  status.replicas = static_cast<int64_t>(owned.size());
  if (labelled) status.fully_labeled_replicas = labelled;
  if (ready) status.ready_replicas = ready;
  if (available) status.available_replicas = available;
  status.terminating_replicas = terminating;
  status.observed_generation = set.metadata.generation;
  status.conditions = set.status.conditions;
  auto known = std::ranges::find(status.conditions, "ReplicaFailure", &api::ReplicaSetCondition::type);
  if (!failure) {
    if (known != status.conditions.end()) status.conditions.erase(known);
  } else if (known == status.conditions.end()) {
    api::ReplicaSetCondition condition;
    condition.type = "ReplicaFailure";
    condition.status = "True";
    condition.reason = failure->creating ? "FailedCreate" : "FailedDelete";
    condition.message = failure->message;
    condition.last_transition_time = base::format_time(now);
    status.conditions.push_back(std::move(condition));
  }
  return plan;
}

bool same_status(const api::ReplicaSetStatus& a, const api::ReplicaSetStatus& b) {
  auto numbers = [](const api::ReplicaSetStatus& s) {
    return std::tuple(s.replicas, s.fully_labeled_replicas.value_or(0), s.ready_replicas.value_or(0),
                      s.available_replicas.value_or(0), s.terminating_replicas,
                      s.observed_generation.value_or(0));
  };
  return numbers(a) == numbers(b) && a.conditions == b.conditions;
}

api::ReplicaSet as_set(const api::ReplicationController& rc) {
  api::ReplicaSet set;
  set.metadata = rc.metadata;
  set.spec.replicas = rc.spec.replicas;
  set.spec.min_ready_seconds = rc.spec.min_ready_seconds;
  set.spec.selector.match_labels = rc.spec.selector;
  set.spec.template_ = rc.spec.template_;
  copy_status(rc.status, set.status);
  return set;
}

api::ReplicationControllerStatus as_rc_status(const api::ReplicaSetStatus& status) {
  api::ReplicationControllerStatus rc;
  copy_status(status, rc);
  return rc;
}

void trim_pod_for_counting(api::Pod& pod) {
  std::string node = std::move(pod.spec.node_name);
  pod.spec = {};
  pod.spec.node_name = std::move(node);
  pod.status.init_container_statuses.clear();
  for (auto& status : pod.status.container_statuses) {
    int64_t restarts = status.restart_count;
    status = {};
    status.restart_count = restarts;
  }
  std::erase_if(pod.status.conditions,
                [](const api::PodCondition& condition) { return condition.type != "Ready"; });
  std::erase_if(pod.metadata.annotations, [](const auto& pair) {
    return pair.first != "controller.kubernetes.io/pod-deletion-cost";
  });
}

}  // namespace controllers
