// The node's half of the drain handshake, its pure part: which pods are still given connections by
// EndpointSlices, at which revision they were taken out, and which proxies have done so. Values only; one
// thread at a time.
//
// A pod that is deleted waits until the slices have it out and every live proxy says that its kernel knows;
// see proxy/acknowledge.hpp for the other half.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "api/types.hpp"
#include "base/time.hpp"

namespace node {

class DrainPlan {
 public:
  // A change of a slice; null: there was none, or it is gone. Slices that no proxy reads are passed over.
  void on_slice(const std::string& key, const api::EndpointSlice* before, const api::EndpointSlice* after);
  // The Lease of a proxy; null: it is gone.
  void on_lease(const std::string& name, const api::Lease* lease);
  void forget(const std::string& uid) { pods_.erase(uid); }

  enum class Wait : uint8_t { none, slices, proxies };
  Wait waits(const std::string& uid, base::Time now) const;
  // Whether proxies have sent it connections, as far as is known.
  bool was_in_use(const std::string& uid, base::Time now) const {
    return pods_.contains(uid) && any_live(now);
  }
  // "no word yet of a, b": for the event when it was waited for in vain.
  std::string reason(const std::string& uid, base::Time now) const;

 private:
  struct Place {
    bool in_use = false;
    uint64_t out_since = 0;  // the revision that took it out; 0 while in use
  };
  struct Proxy {
    uint64_t applied = 0;
    base::Time live_until{};
  };
  bool any_live(base::Time now) const;
  uint64_t needed(const std::map<std::string, Place>& places) const;

  std::map<std::string, std::map<std::string, Place>> pods_;  // by uid, by slice
  std::map<std::string, Proxy> proxies_;
};

}  // namespace node
