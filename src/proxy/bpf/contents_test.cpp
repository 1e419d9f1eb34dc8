// The maps' contents against the table, in plain memory: whatever changes in whatever order, each Service port leads to
// exactly its endpoints, and a process that starts anew finds nothing to do.
#include "proxy/bpf/contents.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace proxy::bpf {
namespace {

using namespace std::chrono_literals;

// Maps without a kernel.
struct Maps {
  explicit Maps(const Sizes& s)
      : sizes(s), choices(s.choices), endpoints(s.endpoints), flows(s.endpoints), pools(s.pools) {}
  Memory memory() { return {choices, endpoints, flows, pools}; }
  std::vector<std::pair<service_key, service_entry>> read() const { return {services.begin(), services.end()}; }
  void write(const Update& update) {
    for (size_t i = 0; i < update.keys.size(); ++i) services[update.keys[i]] = update.entries[i];
    for (const auto& key : update.erased) services.erase(key);
  }
  void grow(const Sizes& to) {
    sizes = to;
    choices.resize(to.choices);
    endpoints.resize(to.endpoints);
    flows.resize(to.endpoints);
    pools.resize(to.pools);
  }

  Sizes sizes;
  std::vector<uint64_t> choices;
  std::vector<endpoint_entry> endpoints;
  std::vector<endpoint_flow> flows;
  std::vector<pool_entry> pools;
  std::map<service_key, service_entry, KeyOrder> services;
};

constexpr Sizes kSmall{.services = 64, .choices = 1024, .endpoints = 64, .pools = 64, .udp_flows = 1, .affinity = 1};

Route route_to(const std::string& name, std::vector<uint32_t> hosts, Balance balance = Balance::random) {
  Route out;
  out.name = name;
  out.balance = balance;
  for (auto h : hosts) out.endpoints.push_back({.address = Address::from_v4(0x0af40000 + h), .port = 8080});
  return out;
}
ServiceKey key_of(uint32_t n) { return {Address::from_v4(0x0a600000 + n), Protocol::tcp, 80}; }

class ContentsTest : public testing::Test {
 protected:
  void apply(const Table& table, const char* what = "") {
    now_ += 100ms;
    auto update = contents_->prepare(difference(table_, table), now_);
    while (!update && update.error().reason == base::Reason::request_entity_too_large) {
      maps_.grow(contents_->larger());
      contents_->move_to(maps_.sizes, maps_.memory());
      update = contents_->prepare(difference(table_, table), now_);
    }
    ASSERT_TRUE(update) << update.error().message;
    maps_.write(*update);
    contents_->finish(now_);
    table_ = table;
    check(what);
  }

  void check_key(const service_key& key, const Route& route, std::map<uint32_t, uint64_t>& owners) {
    auto found = maps_.services.find(key);
    ASSERT_NE(found, maps_.services.end()) << route.name;
    const auto& entry = found->second;
    std::set<std::pair<Address, uint16_t>> there, wanted;
    for (uint32_t i = 0; i < entry.count; ++i) {
      auto index = static_cast<uint32_t>(maps_.choices.at(entry.first + i));
      const auto& e = maps_.endpoints.at(index);
      EXPECT_TRUE(e.usable && e.serial) << route.name;
      auto [owner, fresh] = owners.try_emplace(index, e.owner);
      EXPECT_EQ(owner->second, e.owner);
      there.emplace(from_kernel(e.address), ntohs(e.port));
    }
    for (const auto& e : route.endpoints) wanted.emplace(e.address, e.port);
    EXPECT_EQ(there, wanted) << route.name;
    EXPECT_EQ(entry.affinity_seconds, route.affinity_seconds);
    EXPECT_EQ(entry.flags & SERVICE_PASS, !route.sources.empty() || (wanted.empty() && route.drop_when_empty));
  }

  void check(const char* what) {
    SCOPED_TRACE(what);
    std::map<uint32_t, uint64_t> owners;
    for (const auto& [key, route] : table_.routes) check_key(to_kernel(key), *route, owners);
    for (const auto& [key, route] : table_.node_ports) check_key(to_kernel(key), *route, owners);
    EXPECT_EQ(maps_.services.size(), table_.routes.size() + table_.node_ports.size());
    for (uint32_t i = 0; i < maps_.endpoints.size(); ++i)
      if (maps_.endpoints[i].usable) EXPECT_TRUE(owners.contains(i)) << "endpoint " << i << " serves nobody";
  }

  Table one(Route route) {
    Table out;
    out.routes[key_of(1)] = std::make_shared<const Route>(std::move(route));
    return out;
  }
  const service_entry& entry(uint32_t n) { return maps_.services.at(to_kernel(key_of(n))); }

  Maps maps_{kSmall};
  std::optional<Contents> contents_{std::in_place, kSmall, maps_.memory(), maps_.read()};
  Table table_;
  Contents::Time now_ = 1h;
};

TEST_F(ContentsTest, AServiceComesChangesAndGoes) {
  apply(one(route_to("a", {1, 2})));
  EXPECT_EQ(entry(1).count, 2u);
  apply(one(route_to("a", {2, 3})));
  apply(one(route_to("a", {})));
  EXPECT_EQ(entry(1).count, 0u);
  apply(one(route_to("a", {3}, Balance::maglev)));
  EXPECT_EQ(entry(1).count, 251u);
  apply({});
  EXPECT_TRUE(contents_->counts().empty());
}

TEST_F(ContentsTest, AnEndpointKeepsItsPlaceAndItsCountWhileItComesAndGoes) {
  apply(one(route_to("a", {1, 2})));
  auto place = maps_.choices[entry(1).first + 1];
  auto serial = maps_.endpoints[place].serial;
  maps_.flows[place].in_flight = 4;
  apply(one(route_to("a", {1})));
  EXPECT_FALSE(maps_.endpoints[place].usable);
  for (int i = 0; i < 5; ++i) apply(one(route_to("a", {1, static_cast<uint32_t>(10 + i)})));
  EXPECT_EQ(maps_.endpoints[place].serial, serial) << "its sockets are still open";
  apply(one(route_to("a", {1, 2})));
  EXPECT_EQ(maps_.choices[entry(1).first + 1], place);
  EXPECT_EQ(maps_.flows[place].in_flight, 4u);
}

TEST_F(ContentsTest, WhatLostItsServiceAndHasSocketsIsTold) {
  apply(one(route_to("a", {1, 2})));
  maps_.flows[maps_.choices[entry(1).first]].in_flight = 1;
  apply(one(route_to("a", {})));
  auto lost = contents_->take_lost();
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].address, Address::from_v4(0x0af40001));
  EXPECT_TRUE(contents_->is_lost(lost[0]));
  apply(one(route_to("a", {1})));
  EXPECT_FALSE(contents_->is_lost(lost[0])) << "it is back";
  EXPECT_TRUE(contents_->take_lost().empty());
}

TEST_F(ContentsTest, AnUpdateThatDoesNotFitChangesNothing) {
  apply(one(route_to("a", {1, 2})));
  Table table = table_;
  std::vector<uint32_t> many;
  for (uint32_t n = 0; n < 100; ++n) many.push_back(100 + n);
  table.routes[key_of(2)] = std::make_shared<const Route>(route_to("b", {7}));
  table.routes[key_of(3)] = std::make_shared<const Route>(route_to("c", many));
  auto update = contents_->prepare(difference(table_, table), now_ += 1s);
  ASSERT_FALSE(update);
  EXPECT_EQ(update.error().reason, base::Reason::request_entity_too_large);
  EXPECT_EQ(update.error().message, "the map of endpoints is full: it holds 64");
  check("after the refusal");
  maps_.grow(contents_->larger());
  contents_->move_to(maps_.sizes, maps_.memory());
  apply(table, "in larger maps");
}

// What clients remember of an endpoint that went must not lead to a stranger.
TEST_F(ContentsTest, NoSerialIsGivenTwiceAlsoAfterARestart) {
  apply(one(route_to("a", {1, 2})));
  uint32_t highest = 0;
  for (const auto& e : maps_.endpoints) highest = std::max(highest, e.serial);
  ASSERT_GT(highest, 0u);
  apply({});
  now_ += 1s;
  apply(one(route_to("b", {})));  // the retired places are free by now
  contents_.emplace(maps_.sizes, maps_.memory(), maps_.read());
  apply(one(route_to("c", {7})));
  EXPECT_GT(maps_.endpoints[maps_.choices[entry(1).first]].serial, highest);
}

TEST_F(ContentsTest, PlacesAreUsedAgainAndNeverRunOut) {
  for (uint32_t round = 0; round < 500; ++round)
    apply(one(route_to("a", {round * 3, round * 3 + 1, round * 3 + 2}, round % 7 ? Balance::random : Balance::maglev)));
  EXPECT_EQ(maps_.sizes, kSmall) << "three endpoints never need more";
}

TEST_F(ContentsTest, AKeyThatAnotherServiceTakesOverMoves) {
  Table both;
  both.routes[key_of(1)] = std::make_shared<const Route>(route_to("a", {1}));
  both.routes[key_of(2)] = std::make_shared<const Route>(route_to("b", {2}));
  apply(both);
  Table moved;
  moved.routes[key_of(1)] = moved.routes[key_of(2)] = std::make_shared<const Route>(route_to("b", {2, 3}));
  apply(moved);
  Table back;
  back.routes[key_of(1)] = std::make_shared<const Route>(route_to("a", {1}));
  apply(back);
}

TEST_F(ContentsTest, ADamagedEntryIsWrittenAgain) {
  apply(one(route_to("a", {1, 2})));
  maps_.services[to_kernel(key_of(1))].first = 100'000;
  maps_.services[to_kernel(key_of(9))] = {.first = 0, .count = 1, .pool = 77'777, .affinity_seconds = 0, .flags = 0,
                                          .balance = 0, .zero = 0};
  contents_.emplace(kSmall, maps_.memory(), maps_.read());
  auto update = contents_->prepare(table_, now_ += 1s);
  ASSERT_TRUE(update) << update.error().message;
  maps_.write(*update);
  contents_->finish(now_);
  check("repaired");
}

class ContentsProperty : public ContentsTest, public testing::WithParamInterface<int> {
 protected:
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  Route some_route(const std::string& name) {
    std::vector<uint32_t> hosts;
    for (uint32_t n = below(5); n > 0; --n) hosts.push_back(below(12));
    std::sort(hosts.begin(), hosts.end());
    hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
    auto out = route_to(name, hosts, static_cast<Balance>(below(3)));
    for (auto& e : out.endpoints) e.weight = 1 + below(3);
    out.affinity_seconds = below(3) ? 0 : 60;
    out.drop_when_empty = below(4) == 0;
    if (below(8) == 0) out.sources = {*parse_network("192.0.2.0/24")};
    return out;
  }
  std::mt19937 random_{static_cast<unsigned>(GetParam())};
};

TEST_P(ContentsProperty, AnyOrderOfChangesGivesTheTableAndARestartFindsNothingToDo) {
  for (int step = 0; step < 60; ++step) {
    Table table = table_;
    for (uint32_t n = 1 + below(3); n > 0; --n) {
      uint32_t service = below(6);
      auto name = "s" + std::to_string(below(10) ? service : (service + 1) % 6);
      if (below(4) == 0) table.routes.erase(key_of(service));
      else table.routes[key_of(service)] = std::make_shared<const Route>(some_route(name));
      NodePortKey port{Family::v4, Protocol::tcp, static_cast<uint16_t>(30'000 + service)};
      auto at_port = some_route(name);
      at_port.scope = Scope::node_port;
      if (below(3) == 0) table.node_ports[port] = std::make_shared<const Route>(at_port);
      else if (below(3) == 0) table.node_ports.erase(port);
    }
    // One name, one set of endpoints for each scope: as plan_service gives them.
    std::map<std::string, RoutePtr> by_name;
    for (auto& [key, route] : table.routes) route = by_name.try_emplace(route->name, route).first->second;
    by_name.clear();
    for (auto& [key, route] : table.node_ports) route = by_name.try_emplace(route->name, route).first->second;
    for (auto& flow : maps_.flows) flow.in_flight = below(2);
    apply(table, "a change");
    if (HasFatalFailure()) return;
    if (below(6)) continue;
    contents_.emplace(maps_.sizes, maps_.memory(), maps_.read());
    auto update = contents_->prepare(table_, now_ += 100ms);
    ASSERT_TRUE(update) << update.error().message;
    EXPECT_TRUE(update->keys.empty() && update->erased.empty()) << "step " << step;
    contents_->finish(now_);
    check("taken over");
  }
}
INSTANTIATE_TEST_SUITE_P(orders, ContentsProperty, testing::Range(0, 40));

}  // namespace
}  // namespace proxy::bpf
