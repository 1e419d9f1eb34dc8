// Slices as they are after our own writes, until the informer has caught up: slices have generated names, so acting on
// an old picture would create them twice. Used by one worker's thread only.
//
// Source: the idea of upstream's EndpointSliceTracker, but it holds the objects instead of refusing to work.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.hpp"
#include "client/informer.hpp"
#include "controllers/endpointslice/plan.hpp"
#include "sys/clock.hpp"

namespace controllers {

class OwnWrites {
 public:
  explicit OwnWrites(const sys::Clock& clock) : clock_(clock) {}

  void wrote(api::EndpointSlice slice) {
    auto& entry = entries_[service_key(slice)][slice.metadata.name];
    entry = {std::make_shared<const api::EndpointSlice>(std::move(slice)), clock_.steady_now()};
  }
  void removed(const api::EndpointSlice& slice) {
    entries_[service_key(slice)][slice.metadata.name] = {nullptr, clock_.steady_now()};
  }

  // Lays the writes of one Service over what the informer has seen of it.
  std::vector<SlicePtr> over(const std::string& key, std::vector<SlicePtr> seen) {
    auto own = entries_.find(key);
    if (own == entries_.end()) return seen;
    auto now = clock_.steady_now();
    std::map<std::string, SlicePtr> all;
    for (auto& slice : seen) all[slice->metadata.name] = std::move(slice);
    std::erase_if(own->second, [&](const auto& item) {
      auto known = all.find(item.first);
      return now - item.second.time > kLifetime ||
             (known != all.end() && is_newer(known->second, item.second.slice));
    });
    for (const auto& [name, entry] : own->second) {
      if (entry.slice) all[name] = entry.slice;
      else all.erase(name);
    }
    if (own->second.empty()) entries_.erase(own);
    std::vector<SlicePtr> out;
    for (auto& [name, slice] : all) out.push_back(std::move(slice));
    return out;
  }
  void forget(const std::string& key) { entries_.erase(key); }

  static std::string service_of(const api::EndpointSlice& slice) {
    auto it = slice.metadata.labels.find(std::string(kServiceNameLabel));
    return it == slice.metadata.labels.end() ? std::string() : it->second;
  }
  static std::string service_key(const api::EndpointSlice& slice) {
    return client::object_key(slice.metadata.namespace_, service_of(slice));
  }

 private:
  static constexpr std::chrono::seconds kLifetime{10};
  struct Entry {
    SlicePtr slice;  // null: deleted by us
    std::chrono::steady_clock::time_point time;
  };
  // Resource versions of one collection grow as numbers (KEP-5504).
  static bool is_newer(const SlicePtr& seen, const SlicePtr& own) {
    if (!own) return false;
    if (seen->metadata.uid != own->metadata.uid) return true;
    return base::parse_int(seen->metadata.resource_version).value_or(0) >=
           base::parse_int(own->metadata.resource_version).value_or(0);
  }
  const sys::Clock& clock_;
  std::map<std::string, std::map<std::string, Entry>> entries_;  // by Service, by slice
};

}  // namespace controllers
