#include "controllers/replicationcontroller/plan.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <tuple>
#include <utility>

#include "base/strings.hpp"
#include "controllers/pods.hpp"

namespace controllers {
namespace {

constexpr int kBurst = 500;

// Ages are compared by powers of two, so that which of several old pods goes is decided by their random UIDs and not by
// a few seconds. 0 is the newest.
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
  int crowd;       // negative count of siblings on its node
  int ready_age;   // newest first; 0 for pods that are not ready
  int64_t restarts;  // negative
  int age;
  std::string uid;
  auto operator<=>(const Rank&) const = default;
};

Rank rank_of(const api::Pod& pod, int siblings, base::Time now) {
  bool ready = is_ready(pod);
  int ready_age = 0;
  if (ready) {
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

}  // namespace

Claim plan_claim(const api::ReplicationController& rc, const std::vector<PodPtr>& pods) {
  Claim claim;
  bool going = !rc.metadata.deletion_timestamp.empty();
  for (const auto& pod : pods) {
    if (!is_active(*pod)) continue;
    bool matches = !rc.spec.selector.empty() && selects(rc.spec.selector, pod->metadata.labels);
    const auto* owner = controller_of(pod->metadata);
    if (!owner) {
      if (matches && !going) claim.adopt.push_back(pod);
    } else if (owner->uid == rc.metadata.uid) {
      if (matches) claim.owned.push_back(pod);
      else if (!going) claim.release.push_back(pod);
    }
  }
  return claim;
}

std::vector<PodPtr> plan_victims(std::vector<PodPtr> pods, size_t count, base::Time now) {
  if (count >= pods.size()) return pods;
  std::map<std::string, int> on_node;
  for (const auto& pod : pods) ++on_node[pod->spec.node_name];
  std::vector<std::pair<Rank, PodPtr>> ranked;
  ranked.reserve(pods.size());
  for (auto& pod : pods) {
    int siblings = pod->spec.node_name.empty() ? 0 : on_node[pod->spec.node_name];
    ranked.emplace_back(rank_of(*pod, siblings, now), std::move(pod));
  }
  std::ranges::sort(ranked, [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<PodPtr> victims;
  for (size_t i = 0; i < count; ++i) victims.push_back(std::move(ranked[i].second));
  return victims;
}

Scaling plan_scaling(const api::ReplicationController& rc, const std::vector<PodPtr>& owned, base::Time now) {
  Scaling scaling;
  if (!rc.metadata.deletion_timestamp.empty()) return scaling;
  int64_t missing = rc.spec.replicas.value_or(1) - static_cast<int64_t>(owned.size());
  if (missing > 0) scaling.create = static_cast<int>(std::min<int64_t>(missing, kBurst));
  if (missing < 0) {
    scaling.remove = plan_victims(owned, static_cast<size_t>(std::min<int64_t>(-missing, kBurst)), now);
  }
  return scaling;
}

api::Pod make_pod(const api::ReplicationController& rc) {
  const api::PodTemplateSpec& pattern = rc.spec.template_;
  api::Pod pod;
  pod.metadata.generate_name = rc.metadata.name + "-";
  pod.metadata.namespace_ = rc.metadata.namespace_;
  pod.metadata.labels = pattern.metadata.labels;
  pod.metadata.annotations = pattern.metadata.annotations;
  pod.metadata.finalizers = pattern.metadata.finalizers;
  api::OwnerReference owner;
  owner.api_version = "v1";
  owner.kind = "ReplicationController";
  owner.name = rc.metadata.name;
  owner.uid = rc.metadata.uid;
  owner.controller = true;
  owner.block_owner_deletion = true;
  pod.metadata.owner_references.push_back(std::move(owner));
  pod.spec = pattern.spec;
  return pod;
}

StatusPlan plan_status(const api::ReplicationController& rc, const std::vector<PodPtr>& owned,
                       const std::optional<ScalingFailure>& failure, base::Time now) {
  StatusPlan plan;
  auto& status = plan.status;
  int64_t labelled = 0;
  int64_t ready = 0;
  int64_t available = 0;
  const Labels& template_labels = rc.spec.template_.metadata.labels;
  for (const auto& pod : owned) {
    if (selects(template_labels, pod->metadata.labels)) ++labelled;
    if (!is_ready(*pod)) continue;
    ++ready;
    auto at = available_at(*pod, rc.spec.min_ready_seconds.value_or(0));
    if (!at) continue;
    if (*at <= now) ++available;
    else if (!plan.look_again || *at - now < *plan.look_again) plan.look_again = *at - now;
  }
  status.replicas = static_cast<int64_t>(owned.size());
  if (labelled) status.fully_labeled_replicas = labelled;
  if (ready) status.ready_replicas = ready;
  if (available) status.available_replicas = available;
  status.observed_generation = rc.metadata.generation;
  status.conditions = rc.status.conditions;
  auto known = std::ranges::find(status.conditions, "ReplicaFailure", &api::ReplicationControllerCondition::type);
  if (!failure) {
    if (known != status.conditions.end()) status.conditions.erase(known);
  } else if (known == status.conditions.end()) {
    api::ReplicationControllerCondition condition;
    condition.type = "ReplicaFailure";
    condition.status = "True";
    condition.reason = failure->creating ? "FailedCreate" : "FailedDelete";
    condition.message = failure->message;
    condition.last_transition_time = base::format_time(now);
    status.conditions.push_back(std::move(condition));
  }
  return plan;
}

bool same_status(const api::ReplicationControllerStatus& a, const api::ReplicationControllerStatus& b) {
  auto numbers = [](const api::ReplicationControllerStatus& s) {
    return std::tuple(s.replicas, s.fully_labeled_replicas.value_or(0), s.ready_replicas.value_or(0),
                      s.available_replicas.value_or(0), s.observed_generation.value_or(0));
  };
  auto condition = [](const api::ReplicationControllerCondition& c) {
    return std::tie(c.type, c.status, c.reason, c.message, c.last_transition_time);
  };
  return numbers(a) == numbers(b) && std::ranges::equal(a.conditions, b.conditions, {}, condition, condition);
}

}  // namespace controllers
