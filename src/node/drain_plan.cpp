#include "node/drain_plan.hpp"

#include <algorithm>
#include <vector>

#include "base/strings.hpp"

namespace node {
namespace {

constexpr const char* kManagedBy = "endpointslice.kubernetes.io/managed-by";
constexpr const char* kSliceController = "endpointslice-controller.k8s.io";
constexpr const char* kHeadless = "service.kubernetes.io/headless";
constexpr const char* kProxyName = "service.kubernetes.io/service-proxy-name";
constexpr const char* kApplied = "sampan.dev/applied";

// Only the slice controller marks the endpoints of pods that end; and a slice that no proxy of ours reads is
// nothing to wait for.
bool counts(const api::EndpointSlice* slice) {
  if (slice == nullptr) return false;
  const auto& labels = slice->metadata.labels;
  const auto manager = labels.find(kManagedBy);
  return manager != labels.end() && manager->second == kSliceController && !labels.contains(kHeadless) &&
         !labels.contains(kProxyName);
}

std::map<std::string, bool> in_use(const api::EndpointSlice* slice) {
  std::map<std::string, bool> out;
  if (!counts(slice)) return out;
  for (const auto& endpoint : slice->endpoints) {
    if (!endpoint.target_ref || endpoint.target_ref->kind != "Pod" || endpoint.target_ref->uid.empty())
      continue;
    const bool ready = !endpoint.conditions || endpoint.conditions->ready.value_or(true);
    const bool ends = endpoint.conditions && endpoint.conditions->terminating.value_or(false);
    out[endpoint.target_ref->uid] = ready && !ends;
  }
  return out;
}

uint64_t revision(const std::string& text) {
  return static_cast<uint64_t>(std::max<int64_t>(base::parse_int(text).value_or(0), 0));
}

}  // namespace

void DrainPlan::on_slice(const std::string& key, const api::EndpointSlice* before,
                         const api::EndpointSlice* after) {
  const auto was = in_use(before), now = in_use(after);
  const auto* last = after != nullptr ? after : before;
  const uint64_t at = last == nullptr ? 0 : revision(last->metadata.resource_version);
  const auto take_out = [&](const std::string& uid) {
    // Never given connections, as far as is known: there is nothing to take back.
    const auto pod = pods_.find(uid);
    if (pod == pods_.end()) return;
    const auto place = pod->second.find(key);
    if (place != pod->second.end() && place->second.in_use)
      place->second = {.in_use = false, .out_since = at};
  };
  for (const auto& [uid, used] : now) {
    if (used) pods_[uid][key] = {.in_use = true, .out_since = 0};
    else take_out(uid);
  }
  for (const auto& [uid, used] : was) {
    if (!now.contains(uid)) take_out(uid);
  }
}

void DrainPlan::on_lease(const std::string& name, const api::Lease* lease) {
  if (lease == nullptr) {
    proxies_.erase(name);
    return;
  }
  const auto renewed = base::parse_time(lease->spec.renew_time);
  const auto applied = lease->metadata.annotations.find(kApplied);
  proxies_[name] = {
      .applied = applied == lease->metadata.annotations.end() ? 0 : revision(applied->second),
      .live_until = renewed ? *renewed + std::chrono::seconds(lease->spec.lease_duration_seconds.value_or(0))
                            : base::Time{}};
}

bool DrainPlan::any_live(base::Time now) const {
  return std::any_of(proxies_.begin(), proxies_.end(),
                     [&](const auto& item) { return item.second.live_until >= now; });
}

uint64_t DrainPlan::needed(const std::map<std::string, Place>& places) const {
  uint64_t needed = 0;
  for (const auto& [slice, place] : places) needed = std::max(needed, place.out_since);
  return needed;
}

DrainPlan::Wait DrainPlan::waits(const std::string& uid, base::Time now) const {
  const auto pod = pods_.find(uid);
  if (pod == pods_.end()) return Wait::none;
  if (!any_live(now)) return Wait::none;
  for (const auto& [slice, place] : pod->second) {
    if (place.in_use) return Wait::slices;
  }
  const uint64_t revision = needed(pod->second);
  const bool behind = std::any_of(proxies_.begin(), proxies_.end(), [&](const auto& item) {
    return item.second.live_until >= now && item.second.applied < revision;
  });
  return behind ? Wait::proxies : Wait::none;
}

std::string DrainPlan::reason(const std::string& uid, base::Time now) const {
  const auto pod = pods_.find(uid);
  if (pod == pods_.end()) return "";
  std::vector<std::string> names;
  for (const auto& [slice, place] : pod->second) {
    if (place.in_use) names.push_back(slice);
  }
  if (!names.empty()) return "it is still ready in EndpointSlice " + base::join(names, ", ");
  for (const auto& [name, proxy] : proxies_) {
    if (proxy.live_until >= now && proxy.applied < needed(pod->second)) names.push_back(name);
  }
  return "no word yet of " + base::join(names, ", ");
}

}  // namespace node
