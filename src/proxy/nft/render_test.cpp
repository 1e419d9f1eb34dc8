// The text for nft: what a change says, and that all changes together say what a rebuild says.
#include "proxy/nft/render.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>

namespace proxy::nft {
namespace {

using testing::HasSubstr;
using testing::Not;

Layout layout() {
  Layout out;
  out.networks = {{*parse_network("10.244.0.0/16")}, {*parse_network("10.96.0.0/16"), *parse_network("fd00:96::/112")}};
  return out;
}
Shared shared_of(const Table& table) { return render_rebuild(layout(), table).shared; }
std::string change(const Table& before, const Table& after) {
  auto shared = shared_of(before);
  return render_change(layout(), shared, difference(before, after));
}

ServiceKey key(int n, Protocol protocol = Protocol::tcp) {
  return {plus(*parse_address("10.96.0.0"), static_cast<uint32_t>(n)), protocol, 80};
}
RoutePtr route(std::vector<int> endpoints, uint32_t affinity = 0, bool drop = false, bool local = false) {
  Route r;
  for (int n : endpoints) r.endpoints.push_back({plus(*parse_address("10.244.0.0"), static_cast<uint32_t>(n)), 8080, local});
  r.affinity_seconds = affinity;
  r.drop_when_empty = drop;
  return std::make_shared<const Route>(r);
}
Table table(std::map<ServiceKey, RoutePtr> routes) { return {std::move(routes), {}, {}, {}}; }

TEST(Render, equal_tables_need_nothing) {
  auto r = route({1});
  EXPECT_EQ(change(table({{key(1), r}}), table({{key(1), r}})), "");
}

TEST(Render, a_new_service_is_two_maps_and_a_chain_by_count) {
  auto text = change({}, table({{key(1), route({5, 6})}}));
  EXPECT_THAT(text, HasSubstr("add element ip sampan services { 10.96.0.1 . tcp . 80 : goto pick_2 }"));
  EXPECT_THAT(text, HasSubstr("add element ip sampan tcp_endpoints { 0 . 10.96.0.1 . 80 : 10.244.0.5 . 8080, "
                              "1 . 10.96.0.1 . 80 : 10.244.0.6 . 8080 }"));
  EXPECT_THAT(text, HasSubstr("numgen random mod 2 . ip daddr . tcp dport map @tcp_endpoints"));
  // A second one of the same size shares the chain.
  auto a = route({5, 6});
  EXPECT_THAT(change(table({{key(1), a}}), table({{key(1), a}, {key(2), route({5, 6})}})),
              Not(HasSubstr("chain")));
}

TEST(Render, one_endpoint_more_touches_that_service_only) {
  auto other = route({7, 8, 9});
  auto text = change(table({{key(1), route({5, 6})}, {key(2), other}}),
                            table({{key(1), route({5, 6, 4})}, {key(2), other}}));
  EXPECT_EQ(text,
            "delete element ip sampan services { 10.96.0.1 . tcp . 80 : goto pick_2 }\n"
            "add element ip sampan services { 10.96.0.1 . tcp . 80 : goto pick_3 }\n"
            "add element ip sampan tcp_endpoints { 2 . 10.96.0.1 . 80 : 10.244.0.4 . 8080 }\n");
}

TEST(Render, services_without_endpoints_have_no_element_but_dropped_ones_have) {
  auto text = render_rebuild(layout(), table({{key(1), route({})}, {key(2), route({}, 0, true)}})).script;
  EXPECT_THAT(text, Not(HasSubstr("10.96.0.1 .")));
  EXPECT_THAT(text, HasSubstr("10.96.0.2 . tcp . 80 : drop"));
}

TEST(Render, sticky_endpoints_keep_their_id_whatever_else_changes) {
  auto before = render_rebuild(layout(), table({{key(1), route({5, 6}, 60)}})).script;
  auto after = render_rebuild(layout(), table({{key(1), route({6, 7, 8}, 60)}})).script;
  auto id = [](const std::string& text) {
    auto end = text.find(" . 10.96.0.1 . 80 : 10.244.0.6 . 8080");
    auto begin = text.rfind(' ', end - 1);
    return text.substr(begin, end - begin);
  };
  EXPECT_EQ(id(before), id(after));
  EXPECT_THAT(before, HasSubstr("timeout 60s"));
  EXPECT_THAT(before, HasSubstr("goto stick_2"));
}

TEST(Render, local_endpoints_can_reach_themselves) {
  auto a = table({{key(1), route({5, 6}, 0, false, true)}});
  auto b = table({{key(1), route({6}, 0, false, true)}});
  EXPECT_THAT(render_rebuild(layout(), a).script, HasSubstr("10.244.0.5 . 10.244.0.5"));
  auto text = change(a, b);
  EXPECT_THAT(text, HasSubstr("delete element ip sampan hairpin { 10.244.0.5 . 10.244.0.5 }"));
  EXPECT_THAT(text, Not(HasSubstr("10.244.0.6 . 10.244.0.6")));
}

TEST(Render, removal_is_no_error_when_there_is_nothing) {
  EXPECT_EQ(render_removal(layout()),
            "add table ip sampan\ndelete table ip sampan\nadd table ip6 sampan\ndelete table ip6 sampan\n");
}

// Plays `add element` and `delete element` lines on maps, as the kernel does: adding what is there, or deleting what is
// not, is a failure.
struct Kernel {
  std::map<std::string, std::map<std::string, std::string>> maps;
  std::set<std::string> chains;
  void play(const std::string& script) {
    std::istringstream in(script);
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      std::string verb, what, family, name, target;
      words >> verb >> what >> family >> name >> target;
      target = family + " " + target;
      if (what == "chain" && verb == "add") chains.insert(target);
      if (verb == "flush" && (what == "map" || what == "set")) maps[target].clear();
      if (what == "element") elements(verb, target, line.substr(line.find('{') + 1, line.rfind('}') - line.find('{') - 1));
    }
  }
  void elements(const std::string& verb, const std::string& map, const std::string& list) {
    std::istringstream in(list);
    for (std::string item; std::getline(in, item, ',');) {
      auto colon = item.find(" : ");
      auto trim = [](std::string s) {
        s.erase(0, s.find_first_not_of(' '));
        s.erase(s.find_last_not_of(' ') + 1);
        return s;
      };
      auto k = trim(item.substr(0, colon)), v = colon == std::string::npos ? "" : trim(item.substr(colon + 3));
      if (verb == "add") {
        ASSERT_TRUE(maps[map].emplace(k, v).second) << map << " has " << k;
        if (v.starts_with("goto ")) {
          ASSERT_TRUE(chains.contains(map.substr(0, map.find(' ') + 1) + v.substr(5))) << v;
        }
      } else {
        ASSERT_EQ(maps[map].count(k), 1u) << map << " has no " << k;
        ASSERT_EQ(maps[map][k], v);
        maps[map].erase(k);
      }
    }
  }
  std::map<std::string, std::map<std::string, std::string>> filled() const {
    auto out = maps;
    std::erase_if(out, [](const auto& m) { return m.second.empty(); });
    return out;
  }
};

class Worlds {
 public:
  // Another table, a few steps from this one.
  Table step(const Table& now) {
    Table next = now;
    for (int change = 0; change < 3; ++change) {
      bool six = random_() % 3 == 0;
      if (random_() % 3 == 0) {
        NodePortKey k{six ? Family::v6 : Family::v4, random_() % 2 ? Protocol::tcp : Protocol::udp,
                      static_cast<uint16_t>(30'000 + random_() % 3)};
        alter(next.node_ports, k, Scope::node_port, six);
        continue;
      }
      auto scope = static_cast<Scope>(random_() % 3);
      auto base = *parse_address(scope == Scope::cluster_ip ? (six ? "fd00:96::" : "10.96.0.0") : (six ? "fd00:5::" : "198.51.100.0"));
      ServiceKey k{plus(base, static_cast<uint32_t>(random_() % 8)), random_() % 3 ? Protocol::tcp : Protocol::udp, 80};
      alter(next.routes, k, scope, six);
    }
    return next;
  }

 private:
  Targets targets(bool six) {
    std::map<int, uint32_t> wanted;
    for (size_t n = random_() % 6; n > 0; --n)
      wanted[static_cast<int>(random_() % 9 + 1)] = random_() % 4 ? 1 : static_cast<uint32_t>(random_() % 4 + 1);
    Targets out;
    bool local = random_() % 2;
    for (auto [n, weight] : wanted)
      out.endpoints.push_back({plus(*parse_address(six ? "fd00:1::" : "10.244.0.0"), static_cast<uint32_t>(n)), 8080, local, weight});
    out.drop_when_empty = random_() % 2;
    return out;
  }
  template <class Key>
  void alter(std::map<Key, RoutePtr>& routes, const Key& key, Scope scope, bool six) {
    if (random_() % 4 == 0) {
      routes.erase(key);
      return;
    }
    Route fresh;
    static_cast<Targets&>(fresh) = targets(six);
    fresh.scope = scope;
    fresh.affinity_seconds = random_() % 3 ? 0 : 60 + static_cast<uint32_t>(random_() % 2);
    fresh.balance = static_cast<Balance>(random_() % 4);
    if (scope != Scope::cluster_ip && random_() % 2) fresh.outside = targets(six);
    if (scope == Scope::load_balancer && random_() % 2)
      fresh.sources = {*parse_network(six ? "2001:db8::/32" : random_() % 2 ? "192.0.2.0/24" : "203.0.113.0/24")};
    if (auto it = routes.find(key); it != routes.end()) keep_places(it->second->endpoints, fresh.endpoints);
    routes[key] = std::make_shared<const Route>(fresh);
  }
  std::mt19937 random_{5};
};

TEST(Render, any_row_of_changes_equals_a_rebuild) {
  Worlds worlds;
  Kernel kernel;
  Table now;
  auto rendered = render_rebuild(layout(), now);
  kernel.play(rendered.script);
  for (int round = 0; round < 600; ++round) {
    Table next = worlds.step(now);
    kernel.play(render_change(layout(), rendered.shared, difference(now, next)));
    ASSERT_FALSE(testing::Test::HasFatalFailure());
    Kernel anew;
    auto whole = render_rebuild(layout(), next);
    anew.play(whole.script);
    ASSERT_EQ(kernel.filled(), anew.filled());
    ASSERT_EQ(rendered.shared.ways, whole.shared.ways);
    now = next;
  }
}

TEST(Render, weights_are_slots_divided_by_what_they_have_in_common) {
  Route r = *route({5, 6});
  r.endpoints[0].weight = 20;
  r.endpoints[1].weight = 10;
  auto text = render_rebuild(layout(), table({{key(1), std::make_shared<const Route>(r)}})).script;
  EXPECT_THAT(text, HasSubstr("goto pick_3 }"));
  EXPECT_THAT(text, HasSubstr("0 . 10.96.0.1 . 80 : 10.244.0.5 . 8080, 1 . 10.96.0.1 . 80 : 10.244.0.5 . 8080, "
                              "2 . 10.96.0.1 . 80 : 10.244.0.6 . 8080"));
}

TEST(Render, a_kernel_without_ipv6_gets_no_table_for_it) {
  auto only = layout();
  only.families = {Family::v4};
  EXPECT_THAT(render_rebuild(only, {}).script, Not(HasSubstr("ip6 ")));
}

}  // namespace
}  // namespace proxy::nft
