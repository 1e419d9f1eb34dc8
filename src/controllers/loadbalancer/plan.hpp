// Which addresses of the pool a Service of type LoadBalancer gets. Pure functions; any thread.
//
// Source: upstream's service controller for what is served and cleaned up; the choice itself is ours: an address of its
// own per Service and family, kept as long as it can be, and shared where spec.loadBalancerIP asks for it and the ports
// do not collide.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/types.hpp"
#include "base/address.hpp"

namespace controllers {

inline constexpr std::string_view kBalancerFinalizer = "service.kubernetes.io/load-balancer-cleanup";

using AddressPool = std::vector<base::AddressSpan>;

// What one Service holds.
struct Holding {
  std::string key;      // namespace/name
  std::string created;  // creationTimestamp: the older one keeps what two hold
  std::vector<base::Address> addresses;
  std::vector<std::pair<std::string, int64_t>> ports;  // protocol, port
};

struct Grant {
  std::vector<base::Address> addresses;  // in the order of the Service's families
  std::string problem;                   // what the user should hear; "" when all is well
};

// Of type LoadBalancer, without a class (another implementation's), and not on its way out.
bool wants_balancer(const api::Service& service);
bool has_balancer_finalizer(const api::Service& service);
std::vector<base::Address> addresses_of(const api::LoadBalancerStatus& status);
// `addresses`: what it holds, which may be more recent than its status.
Holding holding_of(const api::Service& service, std::vector<base::Address> addresses);
api::LoadBalancerStatus make_status(const std::vector<base::Address>& addresses);

// `self`: what the Service holds so far. `others`: what all other Services hold.
Grant grant_addresses(const AddressPool& pool, const api::Service& service, const Holding& self,
                      const std::vector<Holding>& others);

}  // namespace controllers
