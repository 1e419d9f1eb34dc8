// Which endpoints a Service port has, by the rules of kube-proxy, and what the table makes of Services that come and go.
#include "proxy/table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "proxy/simulate.hpp"

namespace proxy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

api::Service service(const std::string& ip, std::vector<std::tuple<std::string, std::string, int>> ports) {
  api::Service s;
  s.metadata.namespace_ = "default";
  s.metadata.name = "web";
  s.spec.type = "ClusterIP";
  s.spec.cluster_ip = ip;
  s.spec.cluster_ips = {ip};
  for (auto& [name, protocol, number] : ports) {
    api::ServicePort p;
    p.name = name;
    p.protocol = protocol;
    p.port = number;
    s.spec.ports.push_back(p);
  }
  return s;
}

struct State {
  std::optional<bool> ready, serving, terminating;
};
api::EndpointSlice slice(std::vector<std::tuple<std::string, std::string, int>> ports,
                         std::vector<std::pair<std::string, State>> endpoints) {
  api::EndpointSlice s;
  s.address_type = "IPv4";
  for (auto& [name, protocol, number] : ports) {
    api::EndpointSlicePort p;
    p.name = name;
    p.protocol = protocol;
    p.port = number;
    s.ports.push_back(p);
  }
  for (auto& [address, state] : endpoints) {
    api::Endpoint e;
    e.addresses = {address};
    e.conditions = api::EndpointConditions{state.ready, state.serving, state.terminating};
    e.node_name = address.starts_with("10.244.1.") ? "other" : "here";
    s.endpoints.push_back(e);
  }
  return s;
}
Slices slices(std::vector<api::EndpointSlice> list) {
  Slices out;
  for (auto& s : list) out.push_back(std::make_shared<const api::EndpointSlice>(std::move(s)));
  return out;
}
std::vector<std::string> endpoints(const Targets& route) {
  std::vector<std::string> out;
  for (const auto& e : route.endpoints) out.push_back(format_address(e.address) + ":" + std::to_string(e.port));
  return out;
}
std::vector<std::string> planned(const api::Service& s, std::vector<api::EndpointSlice> list) {
  auto plan = plan_service(s, slices(std::move(list)), {"here", "zone-a"});
  return plan.empty() ? std::vector<std::string>{"nothing"} : endpoints(plan.routes[0].second);
}

const State kReady{true, true, false}, kNot{false, false, false}, kGoing{false, true, true}, kGone{false, false, true};

TEST(Plan, ready_endpoints_get_the_traffic) {
  auto s = service("10.96.0.1", {{"", "TCP", 80}});
  EXPECT_THAT(planned(s, {slice({{"", "TCP", 8080}}, {{"10.244.0.5", kReady}, {"10.244.0.6", kNot}, {"10.244.0.7", kReady}})}),
              ElementsAre("10.244.0.5:8080", "10.244.0.7:8080"));
}

TEST(Plan, conditions_that_are_not_told_are_good) {
  auto s = service("10.96.0.1", {{"", "TCP", 80}});
  EXPECT_THAT(planned(s, {slice({{"", "TCP", 8080}}, {{"10.244.0.5", {}}})}), ElementsAre("10.244.0.5:8080"));
}

TEST(Plan, terminating_ones_serve_only_when_nobody_is_ready) {
  auto s = service("10.96.0.1", {{"", "TCP", 80}});
  EXPECT_THAT(planned(s, {slice({{"", "TCP", 80}}, {{"10.244.0.5", kReady}, {"10.244.0.6", kGoing}})}),
              ElementsAre("10.244.0.5:80"));
  EXPECT_THAT(planned(s, {slice({{"", "TCP", 80}}, {{"10.244.0.5", kGone}, {"10.244.0.6", kGoing}, {"10.244.0.7", kNot}})}),
              ElementsAre("10.244.0.6:80"));
  EXPECT_THAT(planned(s, {slice({{"", "TCP", 80}}, {{"10.244.0.5", kGone}, {"10.244.0.7", kNot}})}), IsEmpty());
}

TEST(Plan, ports_meet_by_name_and_protocol_over_all_slices) {
  auto s = service("10.96.0.1", {{"http", "TCP", 80}, {"dns", "UDP", 53}, {"other", "TCP", 81}});
  auto plan = plan_service(s,
                           slices({slice({{"http", "TCP", 8080}, {"dns", "UDP", 5353}, {"other", "UDP", 9}}, {{"10.244.0.5", kReady}}),
                                   slice({{"http", "TCP", 9090}}, {{"10.244.0.6", kReady}})}),
                           {});
  ASSERT_EQ(plan.routes.size(), 3u);
  EXPECT_EQ(plan.routes[0].first, (ServiceKey{*parse_address("10.96.0.1"), Protocol::tcp, 80}));
  EXPECT_EQ(plan.routes[0].second.name, "default/web:http");
  EXPECT_THAT(endpoints(plan.routes[0].second), ElementsAre("10.244.0.5:8080", "10.244.0.6:9090"));
  EXPECT_EQ(plan.routes[1].first.protocol, Protocol::udp);
  EXPECT_THAT(endpoints(plan.routes[1].second), ElementsAre("10.244.0.5:5353"));
  EXPECT_THAT(endpoints(plan.routes[2].second), IsEmpty());
}

TEST(Plan, an_endpoint_in_two_slices_counts_once_by_its_better_state) {
  auto s = service("10.96.0.1", {{"", "TCP", 80}});
  EXPECT_THAT(planned(s, {slice({{"", "TCP", 80}}, {{"10.244.0.5", kNot}}), slice({{"", "TCP", 80}}, {{"10.244.0.5", kReady}})}),
              ElementsAre("10.244.0.5:80"));
}

TEST(Plan, services_without_a_cluster_ip_or_for_others_are_left_alone) {
  auto backends = slice({{"", "TCP", 80}}, {{"10.244.0.5", kReady}});
  EXPECT_THAT(planned(service("None", {{"", "TCP", 80}}), {backends}), ElementsAre("nothing"));
  EXPECT_THAT(planned(service("", {{"", "TCP", 80}}), {backends}), ElementsAre("nothing"));
  auto s = service("10.96.0.1", {{"", "TCP", 80}});
  s.spec.type = "ExternalName";
  EXPECT_THAT(planned(s, {backends}), ElementsAre("nothing"));
  s.spec.type = "ClusterIP";
  s.metadata.labels[std::string(kProxyNameLabel)] = "";
  EXPECT_THAT(planned(s, {backends}), ElementsAre("nothing"));
}

TEST(Plan, slices_of_other_address_types_do_not_count) {
  auto six = slice({{"", "TCP", 80}}, {{"fd00::5", kReady}});
  six.address_type = "IPv6";
  EXPECT_THAT(planned(service("10.96.0.1", {{"", "TCP", 80}}), {six}), IsEmpty());
  auto dual = service("fd00::1", {{"", "TCP", 80}});
  dual.spec.cluster_ips = {"fd00::1", "10.96.0.1"};
  EXPECT_THAT(planned(dual, {slice({{"", "TCP", 80}}, {{"10.244.0.5", kReady}})}), ElementsAre("10.244.0.5:80"));
}

TEST(Plan, internal_traffic_policy_local_stays_on_the_node_or_is_dropped) {
  auto s = service("10.96.0.1", {{"", "TCP", 80}});
  s.spec.internal_traffic_policy = "Local";
  EXPECT_THAT(planned(s, {slice({{"", "TCP", 80}}, {{"10.244.0.5", kReady}, {"10.244.1.5", kReady}})}),
              ElementsAre("10.244.0.5:80"));
  EXPECT_THAT(planned(s, {slice({{"", "TCP", 80}}, {{"10.244.0.5", kGoing}, {"10.244.1.5", kReady}})}),
              ElementsAre("10.244.0.5:80"));
  auto plan = plan_service(s, slices({slice({{"", "TCP", 80}}, {{"10.244.1.5", kReady}})}), {"here", ""});
  EXPECT_THAT(endpoints(plan.routes[0].second), IsEmpty());
  EXPECT_TRUE(plan.routes[0].second.drop_when_empty);
  plan = plan_service(s, {}, {"here", ""});
  EXPECT_FALSE(plan.routes[0].second.drop_when_empty);  // nobody anywhere: refused
}

TEST(Plan, hints_count_when_all_ready_endpoints_have_them_and_one_is_ours) {
  auto s = service("10.96.0.1", {{"", "TCP", 80}});
  auto backends = slice({{"", "TCP", 80}}, {{"10.244.0.5", kReady}, {"10.244.1.5", kReady}});
  auto zone = [](const char* name) { return api::ForZone{name}; };
  backends.endpoints[0].hints = api::EndpointHints{{zone("zone-b")}, {}};
  EXPECT_THAT(planned(s, {backends}), ElementsAre("10.244.0.5:80", "10.244.1.5:80"));
  backends.endpoints[1].hints = api::EndpointHints{{zone("zone-a")}, {}};
  EXPECT_THAT(planned(s, {backends}), ElementsAre("10.244.1.5:80"));
  backends.endpoints[1].hints = api::EndpointHints{{zone("zone-c")}, {}};
  EXPECT_THAT(planned(s, {backends}), ElementsAre("10.244.0.5:80", "10.244.1.5:80"));
  backends.endpoints[0].hints->for_nodes = {api::ForNode{"here"}};
  backends.endpoints[1].hints->for_nodes = {api::ForNode{"other"}};
  EXPECT_THAT(planned(s, {backends}), ElementsAre("10.244.0.5:80"));
}

TEST(Plan, affinity_has_the_timeout_of_the_service) {
  auto s = service("10.96.0.1", {{"", "TCP", 80}});
  EXPECT_EQ(plan_service(s, {}, {}).routes[0].second.affinity_seconds, 0u);
  s.spec.session_affinity = "ClientIP";
  EXPECT_EQ(plan_service(s, {}, {}).routes[0].second.affinity_seconds, 10'800u);
  s.spec.session_affinity_config = api::SessionAffinityConfig{api::ClientIPConfig{60}};
  EXPECT_EQ(plan_service(s, {}, {}).routes[0].second.affinity_seconds, 60u);
}

// A Service with every kind of address, in both families.
api::Service everywhere() {
  auto s = service("10.96.0.1", {{"", "TCP", 80}});
  s.spec.type = "LoadBalancer";
  s.spec.cluster_ips = {"10.96.0.1", "fd00:96::1"};
  s.spec.external_ips = {"198.51.100.1", "fd00:5::1"};
  s.spec.ports[0].node_port = 30'080;
  s.spec.load_balancer_source_ranges = {"192.0.2.0/24", " 10.0.0.0/8", "10.1.0.0/16", "nonsense"};
  s.status.load_balancer.emplace();
  for (auto [ip, mode] : {std::pair{"203.0.113.1", "VIP"}, {"203.0.113.2", "Proxy"}, {"", ""}, {"fd00:6::1", ""}}) {
    api::LoadBalancerIngress ingress;
    ingress.ip = ip;
    ingress.ip_mode = mode;
    s.status.load_balancer->ingress.push_back(ingress);
  }
  return s;
}
std::string texts(const Planned& plan) {
  std::string out;
  for (const auto& [key, route] : plan.routes)
    out += format_address(key.address) + "/" + std::to_string(static_cast<int>(route.scope)) + " ";
  for (const auto& [key, route] : plan.node_ports)
    out += (key.family == Family::v4 ? "v4:" : "v6:") + std::to_string(key.port) + " ";
  return out;
}

TEST(Plan, every_address_of_a_service_has_a_route_of_its_family) {
  auto six = slice({{"", "TCP", 80}}, {{"fd00:1::5", kReady}});
  six.address_type = "IPv6";
  auto plan = plan_service(everywhere(), slices({slice({{"", "TCP", 80}}, {{"10.244.0.5", kReady}}), six}), {"here", ""});
  EXPECT_EQ(texts(plan), "10.96.0.1/0 198.51.100.1/2 203.0.113.1/1 fd00:96::1/0 fd00:5::1/2 fd00:6::1/1 v4:30080 v6:30080 ");
  for (const auto& [key, route] : plan.routes)
    EXPECT_THAT(endpoints(route), ElementsAre(key.address.is_v4() ? "10.244.0.5:80" : "fd00:1::5:80"));
}

TEST(Plan, source_ranges_are_for_load_balancer_addresses_of_their_family) {
  auto plan = plan_service(everywhere(), {}, {"here", ""});
  for (const auto& [key, route] : plan.routes)
    EXPECT_EQ(route.sources.size(), route.scope == Scope::load_balancer && key.address.is_v4() ? 2u : 0u);
  EXPECT_TRUE(plan.node_ports[0].second.sources.empty());
  auto s = everywhere();
  s.spec.load_balancer_source_ranges = {};
  s.metadata.annotations[std::string(kSourceRangesAnnotation)] = "192.0.2.0/24, fd00::/8";
  plan = plan_service(s, {}, {"here", ""});
  for (const auto& [key, route] : plan.routes) EXPECT_EQ(route.sources.size(), route.scope == Scope::load_balancer ? 1u : 0u);
  s.spec.load_balancer_source_ranges = {"0.0.0.0/0", "192.0.2.0/24"};
  EXPECT_TRUE(plan_service(s, {}, {"here", ""}).routes[2].second.sources.empty());
}

TEST(Plan, types_have_what_is_theirs) {
  auto s = everywhere();
  s.spec.type = "NodePort";
  EXPECT_EQ(texts(plan_service(s, {}, {})), "10.96.0.1/0 198.51.100.1/2 fd00:96::1/0 fd00:5::1/2 v4:30080 v6:30080 ");
  s.spec.type = "ClusterIP";
  EXPECT_EQ(texts(plan_service(s, {}, {})), "10.96.0.1/0 198.51.100.1/2 fd00:96::1/0 fd00:5::1/2 ");
  s.spec.type = "LoadBalancer";
  s.spec.ports[0].node_port = std::nullopt;
  EXPECT_EQ(texts(plan_service(s, {}, {})), "10.96.0.1/0 198.51.100.1/2 203.0.113.1/1 fd00:96::1/0 fd00:5::1/2 fd00:6::1/1 ");
}

TEST(Plan, external_policy_local_is_for_those_outside_only) {
  auto s = everywhere();
  s.spec.external_traffic_policy = "Local";
  s.spec.internal_traffic_policy = "Local";
  auto plan = plan_service(s, slices({slice({{"", "TCP", 80}}, {{"10.244.0.5", kReady}, {"10.244.1.5", kReady}})}), {"here", ""});
  EXPECT_THAT(endpoints(plan.routes[0].second), ElementsAre("10.244.0.5:80"));
  EXPECT_FALSE(plan.routes[0].second.outside);
  EXPECT_THAT(endpoints(plan.routes[1].second), ElementsAre("10.244.0.5:80", "10.244.1.5:80"));
  EXPECT_THAT(endpoints(*plan.routes[1].second.outside), ElementsAre("10.244.0.5:80"));
  plan = plan_service(s, slices({slice({{"", "TCP", 80}}, {{"10.244.1.5", kReady}})}), {"here", ""});
  EXPECT_TRUE(plan.node_ports[0].second.outside->drop_when_empty);
  EXPECT_FALSE(plan_service(s, {}, {}).node_ports[0].second.outside->drop_when_empty);
}

TEST(Plan, endpoints_that_nobody_may_have_are_left_out) {
  auto s = service("10.96.0.1", {{"", "TCP", 80}});
  EXPECT_THAT(planned(s, {slice({{"", "TCP", 80}}, {{"127.0.0.1", kReady}, {"169.254.169.254", kReady}, {"0.0.0.0", kReady},
                                                    {"224.0.0.1", kReady}, {"fd00::5", kReady}, {"x", kReady}})}),
              IsEmpty());
}

TEST(Plan, weights_and_balance_are_annotations) {
  auto s = service("10.96.0.1", {{"", "TCP", 80}});
  s.metadata.annotations[std::string(kBalanceAnnotation)] = "least-connections";
  s.metadata.annotations[std::string(kWeightAnnotation)] = "5";
  auto light = slice({{"", "TCP", 80}}, {{"10.244.0.5", kReady}});
  auto heavy = slice({{"", "TCP", 80}}, {{"10.244.0.6", kReady}});
  heavy.metadata.annotations[std::string(kWeightAnnotation)] = "1000";
  auto wrong = slice({{"", "TCP", 80}}, {{"10.244.0.7", kReady}});
  wrong.metadata.annotations[std::string(kWeightAnnotation)] = "0";
  auto plan = plan_service(s, slices({light, heavy, wrong}), {});
  EXPECT_EQ(plan.routes[0].second.balance, Balance::least_connections);
  std::vector<uint32_t> weights;
  for (const auto& e : plan.routes[0].second.endpoints) weights.push_back(e.weight);
  EXPECT_THAT(weights, ElementsAre(5u, kLargestWeight, 5u));
  s.metadata.annotations[std::string(kBalanceAnnotation)] = "fairest";
  EXPECT_EQ(plan_service(s, {}, {}).routes[0].second.balance, Balance::random);
}

Endpoint at(int n) { return {Address::from_v4(static_cast<uint32_t>(n)), 80, false}; }

TEST(KeepPlaces, survivors_stay_and_holes_are_filled) {
  Route before, after;
  before.endpoints = {at(5), at(1), at(3), at(4)};
  after.endpoints = {at(1), at(3), at(5), at(7)};
  keep_places(before.endpoints, after.endpoints);
  EXPECT_THAT(after.endpoints, ElementsAre(at(5), at(1), at(3), at(7)));
  Route fewer;
  fewer.endpoints = {at(3), at(7)};
  keep_places(after.endpoints, fewer.endpoints);
  EXPECT_THAT(fewer.endpoints, ElementsAre(at(3), at(7)));
}

TEST(KeepPlaces, never_loses_or_doubles_one) {
  std::mt19937 random(3);
  Route route;
  for (int round = 0; round < 2000; ++round) {
    Route next;
    std::set<Endpoint> wanted;
    for (int n = 0; n < 12; ++n)
      if (random() % 2) wanted.insert(at(n));
    next.endpoints.assign(wanted.begin(), wanted.end());
    keep_places(route.endpoints, next.endpoints);
    ASSERT_EQ(std::set(next.endpoints.begin(), next.endpoints.end()), wanted);
    ASSERT_EQ(next.endpoints.size(), wanted.size());
    for (size_t i = 0; i < std::min(route.endpoints.size(), next.endpoints.size()); ++i)
      if (wanted.contains(route.endpoints[i])) {
        ASSERT_EQ(next.endpoints[i], route.endpoints[i]);
      }
    route = next;
  }
}

ServiceKey key(int n) { return {Address::from_v4(static_cast<uint32_t>(n)), Protocol::tcp, 80}; }
Route named(const std::string& name) {
  Route r;
  r.name = name;
  return r;
}

TEST(TableBuilder, two_services_with_one_address_follow_one_another) {
  TableBuilder builder;
  builder.set("default/b", {{{key(1), named("b")}}, {}});
  builder.set("default/a", {{{key(1), named("a")}, {key(2), named("a")}}, {}});
  EXPECT_EQ(builder.table().routes.at(key(1))->name, "a");
  builder.set("default/a", {{{key(2), named("a")}}, {}});
  EXPECT_EQ(builder.table().routes.at(key(1))->name, "b");
  builder.set("default/b", {});
  EXPECT_FALSE(builder.table().routes.contains(key(1)));
  builder.set("default/a", {});
  EXPECT_TRUE(builder.table().routes.empty());
}

TEST(TableBuilder, what_did_not_change_is_the_same_object) {
  TableBuilder builder;
  builder.set("default/a", {{{key(1), named("a")}}, {}});
  auto before = builder.table().routes.at(key(1));
  builder.set("default/a", {{{key(1), named("a")}}, {}});
  EXPECT_EQ(builder.table().routes.at(key(1)), before);
}

TEST(TableBuilder, a_cluster_ip_cannot_be_taken_by_an_external_one) {
  TableBuilder builder;
  auto external = named("a");
  external.scope = Scope::external_ip;
  builder.set("default/a", {{{key(1), external}}, {}});
  EXPECT_EQ(builder.table().routes.at(key(1))->name, "a");
  builder.set("default/b", {{{key(1), named("b")}}, {}});
  EXPECT_EQ(builder.table().routes.at(key(1))->name, "b");
  builder.set("default/b", {});
  EXPECT_EQ(builder.table().routes.at(key(1))->name, "a");
}

TEST(TableBuilder, changes_are_what_is_other_since_the_last_time) {
  TableBuilder builder;
  std::mt19937 random(7);
  Table last;
  for (int round = 0; round < 500; ++round) {
    for (int n = 0; n < 3; ++n) {
      Planned planned;
      for (size_t i = random() % 3; i > 0; --i) {
        Route route = named("r" + std::to_string(random() % 3));
        route.scope = static_cast<Scope>(random() % 3);
        planned.routes.emplace_back(key(static_cast<int>(random() % 5)), route);
      }
      for (size_t i = random() % 2; i > 0; --i)
        planned.node_ports.emplace_back(NodePortKey{random() % 2 ? Family::v4 : Family::v6, Protocol::tcp, static_cast<uint16_t>(random() % 3)},
                                        named("n" + std::to_string(random() % 3)));
      builder.set("default/" + std::to_string(random() % 4), std::move(planned));
    }
    auto told = builder.take_change();
    auto found = difference(last, builder.table());
    ASSERT_EQ(told.routes, found.routes);
    ASSERT_EQ(told.node_ports, found.node_ports);
    last = builder.table();
  }
  EXPECT_TRUE(builder.take_change().empty());
}

TEST(Simulate, verdicts) {
  Networks networks{{*parse_network("10.244.0.0/16")}, {*parse_network("10.96.0.0/16")}};
  Table table;
  Route route;
  route.endpoints = {{*parse_address("10.244.0.5"), 8080, true}};
  auto ip = *parse_address("10.96.0.1");
  table.routes[{ip, Protocol::tcp, 80}] = std::make_shared<const Route>(route);
  auto client = *parse_address("10.244.0.9");
  using Kind = Verdict::Kind;
  EXPECT_EQ(simulate(table, networks, {client, ip, Protocol::tcp, 80}).kind, Kind::forward);
  EXPECT_EQ(simulate(table, networks, {client, ip, Protocol::tcp, 81}).kind, Kind::reset);
  EXPECT_EQ(simulate(table, networks, {client, ip, Protocol::udp, 80}).kind, Kind::unreachable);
  EXPECT_EQ(simulate(table, networks, {client, plus(ip, 1), Protocol::tcp, 80}).kind, Kind::reset);
  EXPECT_EQ(simulate(table, networks, {client, client, Protocol::tcp, 80}).kind, Kind::pass);
  EXPECT_FALSE(masquerades(table, networks, {client, ip, Protocol::tcp, 80}, route, route.endpoints[0]));
  EXPECT_TRUE(masquerades(table, networks, {*parse_address("10.244.0.5"), ip, Protocol::tcp, 80}, route, route.endpoints[0]));
  EXPECT_TRUE(masquerades(table, networks, {*parse_address("192.0.2.1"), ip, Protocol::tcp, 80}, route, route.endpoints[0]));
  EXPECT_FALSE(masquerades(table, networks, {*parse_address("192.0.2.1"), ip, Protocol::tcp, 80, true}, route, route.endpoints[0]));
}

TEST(Address, texts) {
  EXPECT_EQ(format_address(*parse_address("10.96.0.255")), "10.96.0.255");
  EXPECT_EQ(format_address(*parse_address("FD00:0::1")), "fd00::1");
  EXPECT_FALSE(parse_address("None"));
  EXPECT_FALSE(parse_address("::ffff:127.0.0.1"));
  EXPECT_TRUE(parse_network("0.0.0.0/0")->contains(*parse_address("1.2.3.4")));
  EXPECT_FALSE(parse_network("0.0.0.0/0")->contains(*parse_address("fd00::1")));
  EXPECT_FALSE(parse_network("10.96.0.1/16"));
  EXPECT_FALSE(parse_network("10.96.0.0"));
  EXPECT_FALSE(parse_network("10.96.0.0/33"));
  EXPECT_FALSE(parse_network("10.96.0.0/16")->contains(*parse_address("10.97.0.0")));
  EXPECT_TRUE(parse_network("fd00::/121")->contains(*parse_address("fd00::7f")));
  EXPECT_FALSE(parse_network("fd00::/121")->contains(*parse_address("fd00::80")));
  EXPECT_FALSE(parse_network("fd00::80/120"));
  EXPECT_FALSE(parse_network("::/0")->contains(*parse_address("10.0.0.1")));
  EXPECT_EQ(format_address(plus(*parse_address("10.0.255.255"), 1)), "10.1.0.0");
}

TEST(Address, who_may_be_an_endpoint) {
  for (auto text : {"127.0.0.1", "169.254.169.254", "::1", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1"})
    EXPECT_FALSE(parse_address(text)->is_routable()) << text;
  for (auto text : {"10.0.0.1", "192.0.2.1", "fd00::1", "2001:db8::1"}) EXPECT_TRUE(parse_address(text)->is_routable());
}

TEST(Address, networks_that_lie_in_another_are_left_out) {
  std::vector<Network> all;
  for (auto text : {"10.1.0.0/16", "10.0.0.0/8", "11.0.0.0/8", "10.1.0.0/16", "fd00::/64", "fd00::/48", "10.2.3.4/32"})
    all.push_back(*parse_network(text));
  std::string left;
  for (const auto& n : without_nested(all)) left += format_network(n) + " ";
  EXPECT_EQ(left, "10.0.0.0/8 11.0.0.0/8 fd00::/48 ");
}

}  // namespace
}  // namespace proxy
