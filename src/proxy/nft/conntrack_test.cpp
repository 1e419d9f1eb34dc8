// Which UDP flows the kernel is made to forget.
#include "proxy/nft/conntrack.hpp"

#include <gtest/gtest.h>

namespace proxy::nft {
namespace {

Address ip(const char* text) { return *parse_address(text); }
RoutePtr route(std::vector<const char*> endpoints, std::vector<const char*> outside = {}) {
  Route r;
  for (auto text : endpoints) r.endpoints.push_back({ip(text), 5353});
  if (!outside.empty()) r.outside.emplace();
  for (auto text : outside) r.outside->endpoints.push_back({ip(text), 5353});
  return std::make_shared<const Route>(r);
}
const Networks& networks() {
  static const Networks networks{{*parse_network("10.244.0.0/16")}, {*parse_network("10.96.0.0/16"), *parse_network("fd00:96::/112")}};
  return networks;
}
Flow flow(const char* to, uint16_t port, const char* server, uint16_t server_port = 5353) {
  return {ip(to), port, ip(server), server_port};
}

TEST(Stale, flows_go_where_the_table_says_or_are_forgotten) {
  Table table;
  table.routes[{ip("10.96.0.1"), Protocol::udp, 53}] = route({"10.244.0.5"});
  table.routes[{ip("10.96.0.2"), Protocol::udp, 53}] = route({});
  table.routes[{ip("203.0.113.1"), Protocol::udp, 53}] = route({"10.244.0.5"}, {"10.244.0.6"});
  table.routes[{ip("fd00:96::1"), Protocol::udp, 53}] = route({"fd00:1::5"});
  Lost nothing;
  auto stale = [&](const Flow& f) { return is_stale(table, networks(), &nothing, f); };
  EXPECT_FALSE(stale(flow("10.96.0.1", 53, "10.244.0.5")));
  EXPECT_TRUE(stale(flow("10.96.0.1", 53, "10.244.0.6")));
  EXPECT_TRUE(stale(flow("10.96.0.1", 53, "10.244.0.5", 5354)));
  EXPECT_TRUE(stale(flow("10.96.0.2", 53, "10.244.0.5")));   // scaled to zero
  EXPECT_TRUE(stale(flow("10.96.0.9", 53, "10.244.0.5")));   // the Service is gone
  EXPECT_FALSE(stale(flow("203.0.113.1", 53, "10.244.0.5")));
  EXPECT_FALSE(stale(flow("203.0.113.1", 53, "10.244.0.6")));
  EXPECT_TRUE(stale(flow("203.0.113.1", 53, "203.0.113.1", 53)));  // from before there was a Service
  EXPECT_FALSE(stale(flow("fd00:96::1", 53, "fd00:1::5")));
  EXPECT_TRUE(stale(flow("fd00:96::1", 53, "fd00:1::6")));
  EXPECT_FALSE(stale(flow("192.0.2.7", 53, "192.0.2.7", 53)));  // none of ours
  EXPECT_FALSE(stale(flow("192.0.2.7", 53, "10.244.0.5")));     // somebody else's translation
}

TEST(Stale, places_that_were_taken_away_are_known_by_the_change) {
  Table table;
  table.node_addresses = {ip("192.0.2.1")};
  Change change;
  change.routes[{ip("203.0.113.1"), Protocol::udp, 53}] = {route({"10.244.0.5"}), nullptr};
  change.routes[{ip("203.0.113.1"), Protocol::tcp, 80}] = {route({"10.244.0.5"}), nullptr};
  change.node_ports[{Family::v4, Protocol::udp, 30'053}] = {route({"10.244.0.5"}), nullptr};
  auto lost = lost_udp(change);
  EXPECT_TRUE(lost.any());
  EXPECT_TRUE(is_stale(table, networks(), &lost, flow("203.0.113.1", 53, "10.244.0.5")));
  EXPECT_TRUE(is_stale(table, networks(), &lost, flow("192.0.2.1", 30'053, "10.244.0.5")));
  EXPECT_FALSE(is_stale(table, networks(), &lost, flow("192.0.2.1", 30'054, "10.244.0.5")));
  EXPECT_FALSE(is_stale(table, networks(), &lost, flow("192.0.2.9", 30'053, "10.244.0.5")));
  // At a start nobody knows; flows into the pod network that nobody names are forgotten, which hurts none that is right.
  EXPECT_TRUE(is_stale(table, networks(), nullptr, flow("203.0.113.1", 53, "10.244.0.5")));
  EXPECT_FALSE(is_stale(table, networks(), nullptr, flow("203.0.113.1", 53, "192.0.2.9")));
}

TEST(Stale, only_what_can_disturb_a_flow_is_looked_for) {
  auto any = [](RoutePtr before, RoutePtr after, Protocol protocol = Protocol::udp) {
    Change change;
    change.routes[{ip("10.96.0.1"), protocol, 53}] = {std::move(before), std::move(after)};
    return lost_udp(change).any();
  };
  EXPECT_TRUE(any(nullptr, route({"10.244.0.5"})));
  EXPECT_FALSE(any(route({"10.244.0.5"}), route({"10.244.0.5", "10.244.0.6"})));
  EXPECT_TRUE(any(route({"10.244.0.5", "10.244.0.6"}), route({"10.244.0.5"})));
  EXPECT_TRUE(any(route({}), route({"10.244.0.5"})));
  EXPECT_TRUE(any(route({"10.244.0.5"}), route({})));
  EXPECT_FALSE(any(route({"10.244.0.5"}), route({}), Protocol::tcp));
  EXPECT_TRUE(any(route({"10.244.0.5"}, {"10.244.0.5", "10.244.0.6"}), route({"10.244.0.5"}, {"10.244.0.5"})));
}

}  // namespace
}  // namespace proxy::nft
