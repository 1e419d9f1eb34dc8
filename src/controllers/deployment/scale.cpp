#include "controllers/deployment/scale.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "base/strings.hpp"

namespace controllers {
namespace {

int64_t size_of(const api::ReplicaSet& set) { return set.spec.replicas.value_or(1); }
// Pods that the set was told to end may still be in its status; they serve nobody for long.
int64_t available_of(const api::ReplicaSet& set) {
  return std::min(size_of(set), set.status.available_replicas.value_or(0));
}
// Pods that a set was told to end count until it has seen them go: the surge is about pods, not about wishes.
int64_t occupied_by(const api::ReplicaSet& set) { return std::max(size_of(set), set.status.replicas); }

int64_t scaled(const api::IntOrString& value, int64_t total, bool round_up, int64_t otherwise) {
  if (value.is_int()) return value.int_value();
  const std::string& text = value.string_value();
  if (!text.ends_with('%')) return otherwise;
  auto percent = base::parse_int(std::string_view(text).substr(0, text.size() - 1));
  if (!percent) return otherwise;
  return round_up ? (*percent * total + 99) / 100 : *percent * total / 100;
}

std::optional<int64_t> number_in(const api::ReplicaSet& set, const char* annotation) {
  auto it = set.metadata.annotations.find(annotation);
  return it == set.metadata.annotations.end() ? std::nullopt : base::parse_int(it->second);
}

std::vector<SetPtr> active(const std::vector<SetPtr>& sets) {
  std::vector<SetPtr> out;
  std::ranges::copy_if(sets, std::back_inserter(out), [](const SetPtr& set) { return size_of(*set) > 0; });
  return out;
}

// How much a set grows (or shrinks) when the whole goes from what it was to what is wanted, by its own share.
int64_t share_of(const api::ReplicaSet& set, const api::Deployment& deployment) {
  if (wanted_replicas(deployment) == 0) return -size_of(set);
  int64_t before = number_in(set, kMaxReplicas).value_or(0);
  if (before == 0) before = deployment.status.replicas.value_or(0);
  if (before == 0) return 0;
  double size = static_cast<double>(size_of(set)) * static_cast<double>(most_replicas(deployment)) /
                static_cast<double>(before);
  return std::lround(size) - size_of(set);
}

bool is_saturated(const api::Deployment& deployment, const api::ReplicaSet& set) {
  const int64_t wanted = wanted_replicas(deployment);
  return size_of(set) == wanted && number_in(set, kDesiredReplicas) == wanted && available_of(set) == wanted;
}

std::vector<Resize> plan_proportions(const api::Deployment& deployment, std::vector<SetPtr> sets) {
  int64_t total = 0;
  for (const auto& set : sets) total += size_of(*set);
  const int64_t allowed = wanted_replicas(deployment) > 0 ? most_replicas(deployment) : 0;
  const int64_t to_add = allowed - total;
  // The largest first, for it takes what rounding leaves; among equals the newest grows and the oldest
  // shrinks.
  std::ranges::sort(sets, [to_add](const SetPtr& a, const SetPtr& b) {
    if (size_of(*a) != size_of(*b)) return size_of(*a) > size_of(*b);
    auto age = [](const SetPtr& set) {
      return std::tie(set->metadata.creation_timestamp, set->metadata.name);
    };
    return to_add > 0 ? age(a) > age(b) : age(a) < age(b);
  });
  std::vector<Resize> out;
  int64_t added = 0;
  for (const auto& set : sets) {
    int64_t share = 0;
    const int64_t left = to_add - added;
    if (to_add > 0) share = std::min(share_of(*set, deployment), left);
    if (to_add < 0) share = std::max(share_of(*set, deployment), left);
    out.push_back({set, size_of(*set) + share});
    added += share;
  }
  if (to_add != 0 && !out.empty())
    out.front().replicas = std::max<int64_t>(0, out.front().replicas + to_add - added);
  return out;
}

// Old sets, emptied by at most `room` pods: first those that do not serve anyway, then as many as
// availability allows.
void plan_shrink_old(const api::Deployment& deployment, const std::vector<SetPtr>& old, int64_t room,
                     int64_t available, std::vector<Resize>& out) {
  std::map<const api::ReplicaSet*, int64_t> sizes;
  int64_t cleaned = 0;
  for (const auto& set : old) {
    int64_t take = std::min(room - cleaned, size_of(*set) - available_of(*set));
    sizes[set.get()] = size_of(*set) - take;
    cleaned += take;
  }
  int64_t spare = available - (wanted_replicas(deployment) - limits_of(deployment).unavailable);
  spare = std::min(spare, room - cleaned);
  for (const auto& set : old) {
    int64_t& size = sizes[set.get()];
    int64_t take = std::clamp<int64_t>(spare, 0, size);
    size -= take;
    spare -= take;
    if (size != size_of(*set)) out.push_back({set, size});
  }
}

}  // namespace

int64_t wanted_replicas(const api::Deployment& deployment) { return deployment.spec.replicas.value_or(1); }

bool is_recreate(const api::Deployment& deployment) {
  return deployment.spec.strategy && deployment.spec.strategy->type == "Recreate";
}

Limits limits_of(const api::Deployment& deployment) {
  const int64_t wanted = wanted_replicas(deployment);
  if (is_recreate(deployment)) return {};
  api::RollingUpdateDeployment rolling;
  if (deployment.spec.strategy && deployment.spec.strategy->rolling_update) {
    rolling = *deployment.spec.strategy->rolling_update;
  }
  const int64_t quarter_up = (wanted + 3) / 4;
  Limits limits{.surge = scaled(rolling.max_surge, wanted, true, quarter_up),
                .unavailable = scaled(rolling.max_unavailable, wanted, false, wanted / 4)};
  // Both may round to nothing, and then no step would be possible.
  if (limits.surge == 0 && limits.unavailable == 0) limits.unavailable = 1;
  limits.unavailable = std::min(limits.unavailable, wanted);
  return limits;
}

int64_t most_replicas(const api::Deployment& deployment) {
  return wanted_replicas(deployment) + limits_of(deployment).surge;
}

int64_t plan_new_size(const api::Deployment& deployment, const Sets& sets) {
  const int64_t wanted = wanted_replicas(deployment);
  const int64_t size = sets.current ? size_of(*sets.current) : 0;
  if (size >= wanted) return wanted;
  int64_t pods = 0;
  for (const auto& set : sets.all()) pods += occupied_by(*set);
  const int64_t room = most_replicas(deployment) - pods;
  return room <= 0 ? size : size + std::min(room, wanted - size);
}

std::vector<Resize> plan_rolling(const api::Deployment& deployment, const Sets& sets) {
  std::vector<Resize> out;
  const int64_t size = sets.current ? size_of(*sets.current) : 0;
  if (sets.current) {
    int64_t next = plan_new_size(deployment, sets);
    if (next != size) out.push_back({sets.current, next});
    if (next < size) return out;  // with one set that is too large there is no telling yet what is spare
  }
  auto old = active(sets.old);
  if (old.empty()) return out;
  int64_t total = 0;
  int64_t available = 0;
  for (const auto& set : sets.all()) total += size_of(*set), available += available_of(*set);
  // Pods of the current set that are not available yet must not count as if old ones could go for them.
  const int64_t coming = sets.current ? size - available_of(*sets.current) : 0;
  const int64_t room = total - (wanted_replicas(deployment) - limits_of(deployment).unavailable) - coming;
  if (room > 0) plan_shrink_old(deployment, old, room, available, out);
  return out;
}

std::vector<Resize> plan_recreate_down(const Sets& sets) {
  std::vector<Resize> out;
  for (const auto& set : active(sets.old)) out.push_back({set, 0});
  return out;
}

bool are_old_pods_gone(const Sets& sets) {
  return std::ranges::all_of(sets.old, [](const SetPtr& set) {
    const auto& status = set->status;
    return size_of(*set) == 0 && status.replicas == 0 && status.terminating_replicas.value_or(0) == 0 &&
           status.observed_generation.value_or(0) >= set->metadata.generation.value_or(0);
  });
}

bool is_scaling(const api::Deployment& deployment, const Sets& sets) {
  return std::ranges::any_of(active(sets.all()), [&](const SetPtr& set) {
    auto known = number_in(*set, kDesiredReplicas);
    return known && *known != wanted_replicas(deployment);
  });
}

bool needs_annotations(const api::Deployment& deployment, const api::ReplicaSet& set) {
  return number_in(set, kDesiredReplicas) != wanted_replicas(deployment) ||
         number_in(set, kMaxReplicas) != most_replicas(deployment);
}

std::vector<Resize> plan_share(const api::Deployment& deployment, const Sets& sets) {
  auto running = active(sets.all());
  std::vector<Resize> out;
  if (running.size() <= 1) {
    SetPtr only = !running.empty() ? running.front() : sets.current;
    if (!only && !sets.old.empty()) only = sets.old.back();
    if (only) out.push_back({only, wanted_replicas(deployment)});
  } else if (sets.current && is_saturated(deployment, *sets.current)) {
    for (const auto& set : active(sets.old)) out.push_back({set, 0});
  } else if (!is_recreate(deployment)) {
    out = plan_proportions(deployment, std::move(running));
  }
  std::erase_if(out, [&](const Resize& resize) {
    return size_of(*resize.set) == resize.replicas && !needs_annotations(deployment, *resize.set);
  });
  return out;
}

}  // namespace controllers
