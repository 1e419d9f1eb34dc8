// Plays every *.case file of this folder through the simulator and through the real rules.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "proxy/nft/apply.hpp"
#include "proxy/nft/render.hpp"
#include "sys/process.hpp"
#include "cases.hpp"
#include "world.hpp"

namespace packets {
namespace {

using proxy::Verdict;
using Kind = Verdict::Kind;

// Enough that each of three endpoints is met: the chance that one is not is below 1 in 10^9.
constexpr int kTries = 60;

const proxy::nft::Layout& layout() {
  static const proxy::nft::Layout layout = [] {
    proxy::nft::Layout out;
    out.networks = networks();
    return out;
  }();
  return layout;
}

using Parameter = std::tuple<std::filesystem::path, proxy::Family>;
class Packets : public testing::TestWithParam<Parameter> {
 protected:
  Case read() const { return read_case(std::get<0>(GetParam()), std::get<1>(GetParam())); }
  std::string place(const Probe& probe) const {
    return std::get<0>(GetParam()).filename().string() + ":" + std::to_string(probe.line);
  }
};

TEST_P(Packets, simulator) {
  proxy::TableBuilder builder;
  for (const auto& step : read().steps) {
    build(builder, step);
    for (const auto& probe : step.probes) {
      SCOPED_TRACE(place(probe));
      auto verdict = simulate(builder.table(), networks(), packet_of(probe));
      EXPECT_EQ(verdict.kind, probe.kind);
      EXPECT_EQ(verdict.sticky, probe.sticky);
      std::set<std::string> endpoints;
      for (const auto& e : verdict.choices) {
        endpoints.insert(proxy::format_address(e.address) + ":" + std::to_string(e.port));
        EXPECT_EQ(masquerades(builder.table(), networks(), packet_of(probe), *verdict.route, e), probe.masqueraded);
      }
      EXPECT_EQ(endpoints, probe.endpoints);
    }
  }
}

World* world() {
  static std::unique_ptr<World> world = [] {
    auto made = World::make();
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : nullptr;
  }();
  return world.get();
}

// One kind of answer, and of all endpoints that are expected each answers at least once, unless the client sticks.
// `remembered`: where the sticky clients of this case went before; while that endpoint is there they go there again.
void play(const Probe& probe, std::map<std::string, std::string>& remembered) {
  std::set<std::string> servers;
  // Silence takes its time.
  bool once = probe.kind == Kind::drop || probe.kind == Kind::unreachable;
  int tries = once ? 1 : probe.endpoints.size() > 1 ? kTries : 3;
  auto family = proxy::parse_address(probe.to)->family();
  for (int i = 0; i < tries; ++i) {
    auto seen = world()->send(probe.from, probe.to, probe.protocol, probe.port, probe.size);
    ASSERT_TRUE(seen) << seen.error().message;
    ASSERT_EQ(seen->kind, probe.kind);
    if (seen->kind != Kind::forward) continue;
    servers.insert(seen->server);
    ASSERT_TRUE(probe.endpoints.contains(seen->server)) << seen->server;
    ASSERT_EQ(seen->client != address_of(probe.from, family), probe.masqueraded) << "the server saw " << seen->client;
  }
  if (probe.kind != Kind::forward) return;
  if (!probe.sticky) {
    EXPECT_EQ(servers, probe.endpoints);
    return;
  }
  EXPECT_EQ(servers.size(), 1u);
  auto& last = remembered[fmt::format("{} {} {} {}", probe.from, probe.to, static_cast<int>(probe.protocol), probe.port)];
  if (probe.endpoints.contains(last)) EXPECT_EQ(*servers.begin(), last);
  last = *servers.begin();
}

TEST_P(Packets, nft) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: network namespaces";
  ASSERT_TRUE(world());
  auto runner = proxy::nft::Runner::find(world()->node_namespace());
  ASSERT_TRUE(runner) << runner.error().message;
  (void)runner->apply(render_removal(layout()));
  proxy::TableBuilder builder;
  proxy::nft::Shared shared;
  bool first = true;
  std::map<std::string, std::string> remembered;
  for (const auto& step : read().steps) {
    build(builder, step);
    auto change = builder.take_change();
    auto whole = render_rebuild(layout(), builder.table());
    auto script = first ? whole.script : render_change(layout(), shared, change);
    if (first) shared = whole.shared;
    auto applied = runner->apply(script);
    ASSERT_TRUE(applied) << applied.error().message << "\n" << script;
    ASSERT_TRUE(world()->forget_flows());
    first = false;
    for (const auto& probe : step.probes) {
      if (probe.sockets_only) continue;
      SCOPED_TRACE(place(probe));
      play(probe, remembered);
    }
  }
  if (std::getenv("SAMPAN_SHOW_RULES")) {
    sys::Spawn show;
    show.argv = {"/usr/sbin/nft", "list", "ruleset"};
    show.network_namespace = world()->node_namespace();
    if (auto out = sys::run(show, std::chrono::seconds(10))) std::puts(out->out.c_str());
  }
}

// A proxy that starts anew takes the rules over as they are: no packet is lost, and clients are remembered.
TEST(Rules, a_rebuild_over_live_rules_keeps_affinity) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: network namespaces";
  ASSERT_TRUE(world());
  auto runner = proxy::nft::Runner::find(world()->node_namespace());
  ASSERT_TRUE(runner);
  (void)runner->apply(render_removal(layout()));
  auto state = read_case(SAMPAN_SOURCE_DIR "/tests/packets/affinity.case", proxy::Family::v4).steps.at(0);
  std::set<std::string> servers;
  for (int restart = 0; restart < 12; ++restart) {
    proxy::TableBuilder builder;
    build(builder, state);
    auto applied = runner->apply(render_rebuild(layout(), builder.table()).script);
    ASSERT_TRUE(applied) << applied.error().message;
    auto seen = world()->send("pod4", "10.96.0.10", proxy::Protocol::tcp, 80);
    ASSERT_TRUE(seen);
    ASSERT_EQ(seen->kind, Kind::forward);
    servers.insert(seen->server);
  }
  EXPECT_EQ(servers.size(), 1u);
}

TEST(Rules, a_table_of_another_form_is_replaced) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: network namespaces";
  ASSERT_TRUE(world());
  auto runner = proxy::nft::Runner::find(world()->node_namespace());
  ASSERT_TRUE(runner);
  (void)runner->apply(render_removal(layout()));
  ASSERT_TRUE(runner->apply("add table ip sampan\nadd map ip sampan services { type ipv4_addr : verdict; }\n"));
  EXPECT_FALSE(runner->apply(render_rebuild(layout(), {}).script));
  auto replaced = runner->apply(render_replace(layout(), {}).script);
  EXPECT_TRUE(replaced) << replaced.error().message;
  EXPECT_TRUE(runner->apply(render_removal(layout())));
  EXPECT_TRUE(runner->apply(render_removal(layout())));
}

// Any world, any packet: the rules do what the simulator says.
class Agreement : public testing::TestWithParam<int> {
 protected:
  template <class T>
  const T& one_of(const std::vector<T>& all) {
    return all[random_() % all.size()];
  }
  bool chance(unsigned percent) { return random_() % 100 < percent; }

  // Lines as in a file, so that a failure can be made one.
  std::string world_text() {
    std::string out;
    for (int n = 0; n < 5; ++n) {
      auto node_port = [&](int port) { return chance(60) ? fmt::format(":{}", 30'000 + 10 * n + port) : std::string(); };
      out += fmt::format("SERVICE s{} 10.96.0.1{} http:TCP:80{} dns:UDP:53{} assoc:SCTP:99{}", n, n, node_port(1), node_port(2), node_port(3));
      if (chance(60)) out += fmt::format(" lb=203.0.113.1{}", n);
      if (chance(60)) out += fmt::format(" external=198.51.100.1{}", n);
      if (chance(40)) out += " local-outside";
      if (chance(25)) out += " local";
      if (chance(25)) out += " affinity=60";
      if (chance(25)) out += " sources=" + one_of<std::string>({"192.0.2.0/24", "10.244.0.0/16,192.0.2.1/32", "198.51.100.2/32"});
      if (chance(30)) out += " balance=" + one_of<std::string>({"round-robin", "maglev", "least-connections"});
      out += "\n";
      if (chance(15)) continue;
      out += fmt::format("SLICE s{} http:TCP:8080 dns:UDP:5353 assoc:SCTP:9999{}\n", n, chance(20) ? " weight=3" : "");
      for (int pod = 1; pod <= kPods; ++pod) {
        if (chance(50)) continue;
        out += fmt::format("ENDPOINT pod{} {} node={}\n", pod, one_of<std::string>({"ready", "ready", "not", "serving", "gone"}),
                           one_of<std::string>({"here", "other"}));
      }
    }
    for (int n = 0; n < 14; ++n) out += packet_line();
    return out;
  }
  std::string packet_line() {
    auto from = one_of<std::string>({"pod1", "pod2", "pod4", "node", "outside", "stranger"});
    int service = static_cast<int>(random_() % 6);  // the last one is nobody's
    int protocol = static_cast<int>(random_() % 3);
    auto name = one_of<std::string>({"tcp", "udp", "sctp"});
    protocol = name == "tcp" ? 1 : name == "udp" ? 2 : 3;
    int port = std::array{0, 80, 53, 99}[static_cast<size_t>(protocol)];
    auto to = one_of<std::string>({"10.96.0.1", "10.96.0.1", "203.0.113.1", "198.51.100.1", "node", "ping"});
    if (to == "ping") return fmt::format("PACKET {} -> 10.96.0.1{} icmp\n", from, service);
    if (to == "node") return fmt::format("PACKET {} -> node {} {}\n", from, name, 30'000 + 10 * service + protocol);
    return fmt::format("PACKET {} -> {}{} {} {}\n", from, to, service, name, port);
  }

  std::mt19937 random_{static_cast<unsigned>(GetParam())};
};

TEST_P(Agreement, of_rules_and_simulator) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: network namespaces";
  ASSERT_TRUE(world());
  auto runner = proxy::nft::Runner::find(world()->node_namespace());
  ASSERT_TRUE(runner);
  (void)runner->apply(render_removal(layout()));
  proxy::TableBuilder builder;
  build(builder, {});
  (void)builder.take_change();
  auto rendered = proxy::nft::render_rebuild(layout(), builder.table());
  ASSERT_TRUE(runner->apply(rendered.script));
  auto family = GetParam() % 2 ? proxy::Family::v6 : proxy::Family::v4;
  for (int step = 0; step < 3; ++step) {
    auto text = world_text();
    auto read = read_text(text, "generated", family).steps.at(0);
    build(builder, read);
    auto script = render_change(layout(), rendered.shared, builder.take_change());
    auto applied = runner->apply(script);
    ASSERT_TRUE(applied) << applied.error().message << "\n" << script;
    ASSERT_TRUE(world()->forget_flows());
    for (const auto& probe : read.probes) {
      auto verdict = simulate(builder.table(), networks(), packet_of(probe));
      if (verdict.kind == Kind::pass) continue;  // whoever is there may answer
      // A pod cannot be on another node and here.
      auto itself = [&](const proxy::Endpoint& e) { return e.address == packet_of(probe).source && !e.local; };
      if (std::any_of(verdict.choices.begin(), verdict.choices.end(), itself)) continue;
      auto seen = world()->send(probe.from, probe.to, probe.protocol, probe.port);
      ASSERT_TRUE(seen) << seen.error().message;
      ASSERT_EQ(seen->kind, verdict.kind) << "line " << probe.line << " of\n" << text;
      if (verdict.kind != Kind::forward) continue;
      const proxy::Endpoint* chosen = nullptr;
      for (const auto& e : verdict.choices)
        if (seen->server == proxy::format_address(e.address) + ":" + std::to_string(e.port)) chosen = &e;
      ASSERT_TRUE(chosen) << "line " << probe.line << " went to " << seen->server << " of\n" << text;
      auto own = address_of(probe.from, family);
      ASSERT_EQ(seen->client != own, masquerades(builder.table(), networks(), packet_of(probe), *verdict.route, *chosen))
          << "line " << probe.line << " to " << seen->server << " was seen as from " << seen->client << " of\n" << text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(worlds, Agreement, testing::Range(0, 40));

INSTANTIATE_TEST_SUITE_P(cases, Packets,
                         testing::Combine(testing::ValuesIn(case_files()), testing::Values(proxy::Family::v4, proxy::Family::v6)),
                         [](const auto& info) {
                           return std::get<0>(info.param).stem().string() +
                                  (std::get<1>(info.param) == proxy::Family::v4 ? "_v4" : "_v6");
                         });

}  // namespace
}  // namespace packets
