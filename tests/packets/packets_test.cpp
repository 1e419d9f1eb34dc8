// Plays every *.case file of this folder through the simulator and through the real rules.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/strings.hpp"
#include "proxy/nft/apply.hpp"
#include "proxy/nft/render.hpp"
#include "proxy/simulate.hpp"
#include "proxy/table.hpp"
#include "sys/process.hpp"
#include "world.hpp"

namespace packets {
namespace {

using proxy::Verdict;
using Kind = Verdict::Kind;

// Enough that each of three endpoints is met: the chance that one is not is below 1 in 10^9.
constexpr int kTries = 60;

struct Probe {
  int line = 0;
  std::string from, to;
  proxy::Protocol protocol = proxy::Protocol::tcp;
  int port = 0;
  Kind kind = Kind::pass;
  std::set<std::string> endpoints;  // "address:port"
  bool masqueraded = false, sticky = false;
};
struct Step {
  std::map<std::string, api::Service> services;
  std::map<std::string, proxy::Slices> slices;
  std::vector<Probe> probes;
};
struct Case {
  std::string name;
  std::vector<Step> steps{1};
};

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

void read_service(Step& step, const std::vector<std::string>& words) {
  api::Service s;
  s.metadata.namespace_ = "default";
  s.metadata.name = words.at(1);
  s.spec.type = "ClusterIP";
  s.spec.cluster_ip = words.at(2);
  for (size_t i = 3; i < words.size(); ++i) {
    if (words[i] == "local") {
      s.spec.internal_traffic_policy = "Local";
    } else if (words[i].starts_with("affinity=")) {
      s.spec.session_affinity = "ClientIP";
      s.spec.session_affinity_config = api::SessionAffinityConfig{api::ClientIPConfig{std::stoi(words[i].substr(9))}};
    } else {
      auto parts = base::split(words[i], ':');
      api::ServicePort port;
      port.name = parts.at(0);
      port.protocol = parts.at(1);
      port.port = std::stoi(parts.at(2));
      s.spec.ports.push_back(port);
    }
  }
  step.services[s.metadata.name] = s;
}

std::shared_ptr<api::EndpointSlice> read_slice(Step& step, const std::vector<std::string>& words) {
  auto slice = std::make_shared<api::EndpointSlice>();
  slice->address_type = "IPv4";
  for (size_t i = 2; i < words.size(); ++i) {
    auto parts = base::split(words[i], ':');
    api::EndpointSlicePort port;
    port.name = parts.at(0);
    port.protocol = parts.at(1);
    port.port = std::stoi(parts.at(2));
    slice->ports.push_back(port);
  }
  step.slices[words.at(1)].push_back(slice);
  return slice;
}

void read_endpoint(api::EndpointSlice& slice, const std::vector<std::string>& words) {
  api::Endpoint e;
  e.addresses = {address_of(words.at(1))};
  const auto& state = words.at(2);
  e.conditions = api::EndpointConditions{state == "ready", state == "ready" || state == "serving",
                                         state == "serving" || state == "gone"};
  e.node_name = words.size() > 3 ? words[3].substr(5) : "here";
  slice.endpoints.push_back(e);
}

bool read_expectation(Probe& probe, const std::vector<std::string>& words) {
  static const std::map<std::string, Kind> kKinds = {{"forward", Kind::forward},
                                                     {"reset", Kind::reset},
                                                     {"unreachable", Kind::unreachable},
                                                     {"drop", Kind::drop}};
  auto kind = kKinds.find(words.at(1));
  if (kind == kKinds.end()) return false;
  probe.kind = kind->second;
  for (size_t i = 2; i < words.size(); ++i) {
    if (words[i] == "masqueraded") probe.masqueraded = true;
    else if (words[i] == "sticky") probe.sticky = true;
    else probe.endpoints.insert(address_of(words[i].substr(0, 4)) + words[i].substr(4));
  }
  return true;
}

Case read_case(const std::filesystem::path& file) {
  Case out;
  std::ifstream in(file);
  std::shared_ptr<api::EndpointSlice> slice;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    auto words = words_of(line);
    if (words.empty()) continue;
    auto& step = out.steps.back();
    const auto& word = words[0];
    if (word == "NAME") out.name = line.substr(5);
    else if (word == "SERVICE") read_service(step, words);
    else if (word == "SLICE") slice = read_slice(step, words);
    else if (word == "ENDPOINT" && slice) read_endpoint(*slice, words);
    else if (word == "PACKET")
      step.probes.push_back({number, words.at(1), words.at(3),
                             words.at(4) == "tcp" ? proxy::Protocol::tcp : proxy::Protocol::udp,
                             std::stoi(words.at(5)), Kind::pass, {}, false, false});
    else if (word == "EXPECT" && !step.probes.empty() && read_expectation(step.probes.back(), words)) continue;
    else if (word == "CHANGE") out.steps.emplace_back();
    else ADD_FAILURE() << file << ":" << number << ": cannot read: " << line;
  }
  return out;
}

std::vector<std::filesystem::path> case_files() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(SAMPAN_SOURCE_DIR "/tests/packets"))
    if (entry.path().extension() == ".case") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

void build(proxy::TableBuilder& builder, const Step& step) {
  for (const auto& name : std::set(builder.services()))
    if (!step.services.contains(name)) builder.set(name, {});
  for (const auto& [name, service] : step.services) {
    auto slices = step.slices.find(name);
    builder.set(name, proxy::plan_service(service, slices == step.slices.end() ? proxy::Slices() : slices->second,
                                          {"here", ""}));
  }
}

const proxy::nft::Layout& layout() {
  static const proxy::nft::Layout layout = [] {
    proxy::nft::Layout out;
    out.networks = {{*proxy::parse_network("10.244.0.0/16")}, {*proxy::parse_network("10.96.0.0/16")}, {}};
    return out;
  }();
  return layout;
}

proxy::Packet packet_of(const Probe& probe) {
  return {*proxy::parse_address(address_of(probe.from)), *proxy::parse_address(probe.to), probe.protocol,
          static_cast<uint16_t>(probe.port), probe.from == "node"};
}

class Packets : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Packets, simulator) {
  proxy::TableBuilder builder;
  for (const auto& step : read_case(GetParam()).steps) {
    build(builder, step);
    for (const auto& probe : step.probes) {
      SCOPED_TRACE(GetParam().filename().string() + ":" + std::to_string(probe.line));
      auto verdict = simulate(builder.table(), layout().networks, packet_of(probe));
      EXPECT_EQ(verdict.kind, probe.kind);
      EXPECT_EQ(verdict.sticky, probe.sticky);
      std::set<std::string> endpoints;
      for (const auto& e : verdict.choices) {
        endpoints.insert(proxy::format_address(e.address) + ":" + std::to_string(e.port));
        EXPECT_EQ(masquerades(layout().networks, packet_of(probe), *verdict.route, e), probe.masqueraded);
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
  // The kernel sends six ICMP errors to one host and then one a second (net.ipv4.icmp_ratelimit): one packet only.
  bool once = probe.kind == Kind::drop || probe.kind == Kind::unreachable;
  int tries = once ? 1 : probe.endpoints.size() > 1 ? kTries : 3;
  for (int i = 0; i < tries; ++i) {
    auto seen = world()->send(probe.from, probe.to, probe.protocol, probe.port);
    ASSERT_TRUE(seen) << seen.error().message;
    ASSERT_EQ(seen->kind, probe.kind);
    if (seen->kind != Kind::forward) continue;
    servers.insert(seen->server);
    ASSERT_TRUE(probe.endpoints.contains(seen->server)) << seen->server;
    ASSERT_EQ(seen->client != address_of(probe.from), probe.masqueraded) << "the server saw " << seen->client;
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
  for (const auto& step : read_case(GetParam()).steps) {
    build(builder, step);
    auto change = builder.take_change();
    auto rendered = first ? render_rebuild(layout(), builder.table()) : render_change(layout(), shared, change);
    auto applied = runner->apply(rendered.script);
    ASSERT_TRUE(applied) << applied.error().message << "\n" << rendered.script;
    shared = rendered.shared;
    first = false;
    for (const auto& probe : step.probes) {
      SCOPED_TRACE(GetParam().filename().string() + ":" + std::to_string(probe.line));
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
  auto state = read_case(SAMPAN_SOURCE_DIR "/tests/packets/affinity.case").steps.at(0);
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

INSTANTIATE_TEST_SUITE_P(cases, Packets, testing::ValuesIn(case_files()),
                         [](const auto& info) { return info.param.stem().string(); });

}  // namespace
}  // namespace packets
