#include "controllers/loadbalancer/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

#include "client/informer.hpp"

namespace controllers {

namespace {

constexpr std::string_view kFlag = "--load-balancer-addresses";

bool holds(const Holding& holding, const base::Address& address) {
  return std::ranges::find(holding.addresses, address) != holding.addresses.end();
}

bool in_pool(const AddressPool& pool, const base::Address& address) {
  return std::ranges::any_of(pool, [&](const auto& span) { return span.contains(address); });
}

// The first port that both have, as text; "" when there is none.
std::string shared_port(const Holding& a, const Holding& b) {
  for (const auto& port : a.ports) {
    if (std::ranges::find(b.ports, port) != b.ports.end()) return fmt::format("{}/{}", port.second, port.first);
  }
  return "";
}

class Choice {
 public:
  Choice(const AddressPool& pool, const Holding& self, const std::vector<Holding>& others)
      : pool_(pool), self_(self), others_(others) {}

  // What it has, unless somebody had it earlier.
  std::optional<base::Address> kept(bool v6) const {
    for (const auto& address : self_.addresses) {
      if (address.v6 == v6 && in_pool(pool_, address) && !collision(address, true)) return address;
    }
    return std::nullopt;
  }

  std::optional<base::Address> fresh(bool v6) const {
    std::set<base::Address> taken;
    for (const auto& other : others_) taken.insert(other.addresses.begin(), other.addresses.end());
    for (const auto& span : pool_) {
      if (span.first.v6 != v6) continue;
      auto address = span.first;
      while (taken.contains(address) && address < span.last) ++address.number;
      if (!taken.contains(address)) return address;
    }
    return std::nullopt;
  }

  // Who holds the address with a port that the Service has too.
  const Holding* collision(const base::Address& address, bool only_older) const {
    for (const auto& other : others_) {
      if (!holds(other, address) || shared_port(self_, other).empty()) continue;
      if (only_older && std::tie(other.created, other.key) > std::tie(self_.created, self_.key)) continue;
      return &other;
    }
    return nullptr;
  }

 private:
  const AddressPool& pool_;
  const Holding& self_;
  const std::vector<Holding>& others_;
};

// spec.loadBalancerIP: that address or none.
Grant grant_wish(const AddressPool& pool, const std::string& wish, const Holding& self, const Choice& choice) {
  auto address = base::Address::parse(wish);
  if (!address) return {{}, fmt::format("spec.loadBalancerIP \"{}\" is no IP address", wish)};
  if (!in_pool(pool, *address)) {
    return {{}, fmt::format("spec.loadBalancerIP {} is not among the addresses of {}", wish, kFlag)};
  }
  if (const auto* other = choice.collision(*address, holds(self, *address))) {
    return {{}, fmt::format("spec.loadBalancerIP {}: port {} belongs to Service {} there; choose another port or address", wish,
                            shared_port(self, *other), other->key)};
  }
  return {{*address}, ""};
}

std::string no_address(const AddressPool& pool, const std::string& family) {
  if (pool.empty()) return fmt::format("this cluster has no addresses for load balancers; give it some with {}=FIRST-LAST", kFlag);
  const bool v6 = family == "IPv6";
  if (std::ranges::none_of(pool, [&](const auto& span) { return span.first.v6 == v6; })) {
    return fmt::format("{} has no {} addresses", kFlag, family);
  }
  return fmt::format("all {} addresses of {} are taken; delete a Service of type LoadBalancer or give more addresses", family, kFlag);
}

}  // namespace

bool wants_balancer(const api::Service& service) {
  return service.spec.type == "LoadBalancer" && service.spec.load_balancer_class.empty() &&
         service.metadata.deletion_timestamp.empty();
}

bool has_balancer_finalizer(const api::Service& service) {
  return std::ranges::find(service.metadata.finalizers, kBalancerFinalizer) != service.metadata.finalizers.end();
}

std::vector<base::Address> addresses_of(const api::LoadBalancerStatus& status) {
  std::vector<base::Address> out;
  for (const auto& ingress : status.ingress) {
    if (auto address = base::Address::parse(ingress.ip)) out.push_back(*address);
  }
  return out;
}

Holding holding_of(const api::Service& service, std::vector<base::Address> addresses) {
  Holding out;
  out.key = client::object_key(service.metadata.namespace_, service.metadata.name);
  out.created = service.metadata.creation_timestamp;
  out.addresses = std::move(addresses);
  for (const auto& port : service.spec.ports) out.ports.emplace_back(port.protocol, port.port);
  return out;
}

api::LoadBalancerStatus make_status(const std::vector<base::Address>& addresses) {
  api::LoadBalancerStatus status;
  for (const auto& address : addresses) {
    api::LoadBalancerIngress ingress;
    ingress.ip = address.text();
    ingress.ip_mode = "VIP";
    status.ingress.push_back(std::move(ingress));
  }
  return status;
}

Grant grant_addresses(const AddressPool& pool, const api::Service& service, const Holding& self,
                      const std::vector<Holding>& others) {
  const Choice choice(pool, self, others);
  if (!service.spec.load_balancer_ip.empty()) return grant_wish(pool, service.spec.load_balancer_ip, self, choice);
  Grant grant;
  std::string problem;
  auto families = service.spec.ip_families;
  if (families.empty()) families.emplace_back("IPv4");
  for (const auto& family : families) {
    const bool v6 = family == "IPv6";
    auto address = choice.kept(v6);
    if (!address) address = choice.fresh(v6);
    if (address) grant.addresses.push_back(*address);
    else if (problem.empty()) problem = no_address(pool, family);
  }
  // One address is what a load balancer needs; that the pool lacks the second family is no news.
  if (grant.addresses.empty()) grant.problem = std::move(problem);
  return grant;
}

}  // namespace controllers
