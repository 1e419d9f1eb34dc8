#include "controllers/deployment/sets.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "controllers/pods.hpp"
#include "controllers/selector.hpp"

namespace controllers {
namespace {

constexpr size_t kHistoryLength = 2000;

// What belongs to the one object that carries it, and is not handed on.
constexpr std::array<std::string_view, 6> kOwnAnnotations = {
    "kubectl.kubernetes.io/last-applied-configuration",
    kRevision,
    kRevisionHistory,
    kDesiredReplicas,
    kMaxReplicas,
    "deprecated.deployment.rollback.to"};

bool is_handed_on(std::string_view annotation) {
  return std::ranges::find(kOwnAnnotations, annotation) == kOwnAnnotations.end();
}

bool hand_on_annotations(const Labels& from, Labels& to) {
  bool changed = false;
  for (const auto& [name, value] : from) {
    if (!is_handed_on(name)) continue;
    auto it = to.find(name);
    if (it != to.end() && it->second == value) continue;
    to[name] = value;
    changed = true;
  }
  return changed;
}

// "1,3,5" and one more; the oldest go when it becomes too long.
std::string with_revision(std::string history, const std::string& revision) {
  if (history.empty()) return revision;
  history += ',';
  history += revision;
  while (history.size() > kHistoryLength) {
    auto comma = history.find(',');
    if (comma == std::string::npos) break;
    history.erase(0, comma + 1);
  }
  return history;
}

// The label is ours: it says nothing about what the user wants.
bool same_metadata(const api::ObjectMeta& a, const api::ObjectMeta& b) {
  if (a == b) return true;
  api::ObjectMeta left = a;
  api::ObjectMeta right = b;
  left.labels.erase(kTemplateHashLabel);
  right.labels.erase(kTemplateHashLabel);
  return left == right;
}

bool is_older(const SetPtr& a, const SetPtr& b) {
  // RFC 3339 in UTC: the order of the texts is that of the times.
  return std::tie(a->metadata.creation_timestamp, a->metadata.name) <
         std::tie(b->metadata.creation_timestamp, b->metadata.name);
}

}  // namespace

std::vector<SetPtr> Sets::all() const {
  auto out = old;
  if (current) out.push_back(current);
  return out;
}

bool same_template(const api::PodTemplateSpec& a, const api::PodTemplateSpec& b) {
  return a.spec == b.spec && same_metadata(a.metadata, b.metadata);
}

Sets sort_sets(const api::Deployment& deployment, std::vector<SetPtr> owned) {
  std::ranges::sort(owned, is_older);
  Sets sets;
  for (auto& set : owned) {
    if (!sets.current && same_template(set->spec.template_, deployment.spec.template_))
      sets.current = std::move(set);
    else
      sets.old.push_back(std::move(set));
  }
  return sets;
}

SetClaim plan_set_claim(const api::Deployment& deployment, const std::vector<SetPtr>& sets) {
  SetClaim claim;
  const bool going = !deployment.metadata.deletion_timestamp.empty();
  const Selector selector(deployment.spec.selector);
  for (const auto& set : sets) {
    const auto* owner = controller_of(set->metadata);
    if (owner && owner->uid != deployment.metadata.uid) continue;
    const bool matches = selector.matches(set->metadata.labels);
    if (owner) {
      if (matches)
        claim.owned.push_back(set);
      else if (!going)
        claim.release.push_back(set);
    } else if (matches && !going && set->metadata.deletion_timestamp.empty()) {
      claim.adopt.push_back(set);
    }
  }
  return claim;
}

std::string template_hash(const api::PodTemplateSpec& pod_template, std::optional<int64_t> collisions) {
  static constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  uint32_t hash = 2166136261U;
  auto mix = [&hash](unsigned char byte) { hash = (hash ^ byte) * 16777619U; };
  for (char c : base::write_json(api::to_value(pod_template))) mix(static_cast<unsigned char>(c));
  if (collisions) {
    for (int shift = 0; shift < 64; shift += 8) {
      mix(static_cast<unsigned char>(static_cast<uint64_t>(*collisions) >> shift));
    }
  }
  std::string text = std::to_string(hash);
  for (char& c : text) c = kLetters[static_cast<unsigned char>(c) % kLetters.size()];
  return text;
}

int64_t revision_of(const api::ReplicaSet& set) {
  auto it = set.metadata.annotations.find(kRevision);
  return it == set.metadata.annotations.end() ? 0 : base::parse_int(it->second).value_or(0);
}

int64_t next_revision(const Sets& sets) {
  int64_t most = 0;
  for (const auto& set : sets.old) most = std::max(most, revision_of(*set));
  return most + 1;
}

api::ReplicaSet make_set(const api::Deployment& deployment, int64_t revision, int64_t replicas,
                         int64_t max_replicas) {
  const std::string hash = template_hash(deployment.spec.template_, deployment.status.collision_count);
  api::ReplicaSet set;
  set.metadata.name = deployment.metadata.name + "-" + hash;
  set.metadata.namespace_ = deployment.metadata.namespace_;
  set.spec.template_ = deployment.spec.template_;
  set.spec.template_.metadata.labels[kTemplateHashLabel] = hash;
  set.metadata.labels = set.spec.template_.metadata.labels;
  set.metadata.owner_references = {controlled_by("apps/v1", "Deployment", deployment.metadata)};
  set.spec.replicas = replicas;
  set.spec.min_ready_seconds = deployment.spec.min_ready_seconds;
  set.spec.selector = deployment.spec.selector;
  set.spec.selector.match_labels[kTemplateHashLabel] = hash;
  auto& annotations = set.metadata.annotations;
  hand_on_annotations(deployment.metadata.annotations, annotations);
  annotations[kRevision] = std::to_string(revision);
  annotations[kDesiredReplicas] = std::to_string(deployment.spec.replicas.value_or(1));
  annotations[kMaxReplicas] = std::to_string(max_replicas);
  return set;
}

std::optional<api::ReplicaSet> plan_refresh(const api::Deployment& deployment, const Sets& sets) {
  if (!sets.current) return std::nullopt;
  api::ReplicaSet set = *sets.current;
  auto& annotations = set.metadata.annotations;
  bool changed = hand_on_annotations(deployment.metadata.annotations, annotations);
  // A set that was rolled back to is the newest again, and remembers which numbers it had.
  const int64_t revision = next_revision(sets);
  if (revision_of(set) < revision) {
    auto known = annotations.find(kRevision);
    if (known != annotations.end()) {
      annotations[kRevisionHistory] =
          with_revision(annotations[kRevisionHistory], std::string(known->second));
    }
    annotations[kRevision] = std::to_string(revision);
    changed = true;
  }
  if (set.spec.min_ready_seconds.value_or(0) != deployment.spec.min_ready_seconds.value_or(0)) {
    set.spec.min_ready_seconds = deployment.spec.min_ready_seconds;
    changed = true;
  }
  if (!changed) return std::nullopt;
  return set;
}

std::vector<SetPtr> plan_cleanup(const api::Deployment& deployment, const Sets& sets) {
  std::vector<SetPtr> alive;
  const auto limit = deployment.spec.revision_history_limit;
  if (!limit || *limit == std::numeric_limits<int32_t>::max()) return {};
  for (const auto& set : sets.old) {
    if (set->metadata.deletion_timestamp.empty()) alive.push_back(set);
  }
  auto surplus = static_cast<int64_t>(alive.size()) - *limit;
  if (surplus <= 0) return {};
  std::ranges::sort(alive, {},
                    [](const SetPtr& set) { return std::pair(revision_of(*set), set->metadata.name); });
  alive.resize(static_cast<size_t>(surplus));
  std::erase_if(alive, [](const SetPtr& set) {
    return set->status.replicas != 0 || set->spec.replicas.value_or(1) != 0 ||
           set->metadata.generation.value_or(0) > set->status.observed_generation.value_or(0);
  });
  return alive;
}

}  // namespace controllers
