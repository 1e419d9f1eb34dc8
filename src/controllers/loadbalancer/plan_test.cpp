#include "controllers/loadbalancer/plan.hpp"

#include <gmock/gmock.h>

#include "controllers/make_test.hpp"

namespace controllers {
namespace {

using ::testing::HasSubstr;

base::Address ip(std::string_view text) { return *base::Address::parse(text); }
AddressPool pool_of(std::string_view text) { return *base::parse_spans(text); }

api::Service balanced(const std::string& name = "kubia", std::vector<std::string> families = {"IPv4"}) {
  auto service = make_service(name);
  service.spec.type = "LoadBalancer";
  service.spec.ip_families = std::move(families);
  return service;
}

Holding holding(const std::string& key, std::vector<base::Address> addresses, int64_t port = 80, int second = 0) {
  return {key, base::format_time(at_second(second)), std::move(addresses), {{"TCP", port}}};
}

Grant grant(const AddressPool& pool, const api::Service& service, std::vector<base::Address> has,
            const std::vector<Holding>& others) {
  return grant_addresses(pool, service, holding_of(service, std::move(has)), others);
}

std::string text_of(const Grant& grant) {
  std::string out;
  for (const auto& address : grant.addresses) out += (out.empty() ? "" : " ") + address.text();
  return out.empty() ? grant.problem : out;
}

TEST(LoadBalancerPlan, WhoIsServed) {
  auto service = balanced();
  EXPECT_TRUE(wants_balancer(service));
  service.spec.load_balancer_class = "example.com/other";
  EXPECT_FALSE(wants_balancer(service));
  service = balanced();
  service.metadata.deletion_timestamp = base::format_time(at_second(1));
  EXPECT_FALSE(wants_balancer(service));
  EXPECT_FALSE(wants_balancer(make_service()));
}

TEST(LoadBalancerPlan, EachGetsTheLowestFreeAddress) {
  auto pool = pool_of("10.245.0.5-10.245.0.6,10.245.1.1");
  EXPECT_EQ(text_of(grant(pool, balanced(), {}, {})), "10.245.0.5");
  EXPECT_EQ(text_of(grant(pool, balanced(), {}, {holding("a/a", {ip("10.245.0.5")}, 99)})), "10.245.0.6");
  std::vector<Holding> others = {holding("a/a", {ip("10.245.0.5")}), holding("a/b", {ip("10.245.0.6")})};
  EXPECT_EQ(text_of(grant(pool, balanced(), {}, others)), "10.245.1.1");
  others.push_back(holding("a/c", {ip("10.245.1.1")}));
  auto full = grant(pool, balanced(), {}, others);
  EXPECT_THAT(full.problem, HasSubstr("all IPv4 addresses of --load-balancer-addresses are taken"));
  EXPECT_TRUE(full.addresses.empty());
  EXPECT_THAT(text_of(grant({}, balanced(), {}, {})), HasSubstr("--load-balancer-addresses=FIRST-LAST"));
}

TEST(LoadBalancerPlan, KeepsWhatItHas) {
  auto pool = pool_of("10.245.0.0/24");
  EXPECT_EQ(text_of(grant(pool, balanced(), {ip("10.245.0.77")}, {})), "10.245.0.77");
  EXPECT_EQ(text_of(grant(pool, balanced(), {ip("10.246.0.77")}, {})), "10.245.0.1") << "the pool has changed";
  // Two hold the same: the older keeps it.
  auto younger = holding("default/young", {ip("10.245.0.77")}, 80, 5);
  EXPECT_EQ(text_of(grant(pool, balanced(), {ip("10.245.0.77")}, {younger})), "10.245.0.77");
  auto older = holding("default/old", {ip("10.245.0.77")}, 80, -5);
  EXPECT_EQ(text_of(grant(pool, balanced(), {ip("10.245.0.77")}, {older})), "10.245.0.1");
}

TEST(LoadBalancerPlan, OneAddressPerFamily) {
  auto pool = pool_of("10.245.0.0/24,fd00::5-fd00::9");
  EXPECT_EQ(text_of(grant(pool, balanced("k", {"IPv6", "IPv4"}), {}, {})), "fd00::5 10.245.0.1");
  EXPECT_EQ(text_of(grant(pool, balanced("k", {"IPv4"}), {ip("10.245.0.3"), ip("fd00::7")}, {})), "10.245.0.3");
  auto four = pool_of("10.245.0.0/24");
  EXPECT_EQ(text_of(grant(four, balanced("k", {"IPv6", "IPv4"}), {}, {})), "10.245.0.1");
  EXPECT_EQ(text_of(grant(four, balanced("k", {"IPv6"}), {}, {})), "--load-balancer-addresses has no IPv6 addresses");
}

TEST(LoadBalancerPlan, AWishIsGrantedOrNothing) {
  auto pool = pool_of("10.245.0.0/24");
  auto service = balanced();
  service.spec.load_balancer_ip = "10.245.0.9";
  EXPECT_EQ(text_of(grant(pool, service, {ip("10.245.0.3")}, {})), "10.245.0.9");
  // Shared where the ports differ.
  EXPECT_EQ(text_of(grant(pool, service, {}, {holding("a/a", {ip("10.245.0.9")}, 443)})), "10.245.0.9");
  EXPECT_EQ(text_of(grant(pool, service, {}, {holding("a/a", {ip("10.245.0.9")}, 80, 9)})),
            "spec.loadBalancerIP 10.245.0.9: port 80/TCP belongs to Service a/a there; choose another port or address");
  // It has it already: only who came earlier can take it away.
  EXPECT_EQ(text_of(grant(pool, service, {ip("10.245.0.9")}, {holding("a/a", {ip("10.245.0.9")}, 80, 9)})), "10.245.0.9");
  service.spec.load_balancer_ip = "10.250.0.9";
  EXPECT_EQ(text_of(grant(pool, service, {}, {})),
            "spec.loadBalancerIP 10.250.0.9 is not among the addresses of --load-balancer-addresses");
  service.spec.load_balancer_ip = "here";
  EXPECT_EQ(text_of(grant(pool, service, {}, {})), "spec.loadBalancerIP \"here\" is no IP address");
}

TEST(LoadBalancerPlan, TheStatus) {
  auto status = make_status({ip("10.245.0.9"), ip("fd00::1")});
  ASSERT_EQ(status.ingress.size(), 2u);
  EXPECT_EQ(status.ingress[1].ip, "fd00::1");
  EXPECT_EQ(status.ingress[1].ip_mode, "VIP");
  EXPECT_EQ(addresses_of(status), (std::vector<base::Address>{ip("10.245.0.9"), ip("fd00::1")}));
}

}  // namespace
}  // namespace controllers
