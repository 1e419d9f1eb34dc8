// Plays the *.case files through the socket programs: what pods and the node itself begin, first without any packet
// rule, then with the rules beside, as in a cluster. Packets from outside are the rules' matter (packets_test.cpp).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "cases.hpp"
#include "proxy/bpf/dataplane.hpp"
#include "proxy/nft/apply.hpp"
#include "proxy/nft/render.hpp"
#include "sys/fs.hpp"
#include "world.hpp"

namespace packets {
namespace {

using Kind = proxy::Verdict::Kind;

constexpr int kTries = 40;  // that one of three endpoints is never met: below 1 in 10^6

// The namespaces that a world made have names that begin with this.
std::string newest_prefix() {
  auto begin = fmt::format("test-{}-", ::getpid());
  int newest = 0;
  for (const auto& name : sys::list_dir("/run/netns").value_or(std::vector<std::string>()))
    if (name.starts_with(begin)) newest = std::max(newest, std::stoi(name.substr(begin.size())));
  return fmt::format("{}{}-", begin, newest);
}

class SocketWorld : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() != 0) return;
    auto made = World::make();
    ASSERT_TRUE(made) << made.error().message;
    world_ = std::move(*made);
    prefix_ = newest_prefix();
  }
  static void TearDownTestSuite() { world_.reset(); }

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: network namespaces, cgroup programs";
    ASSERT_TRUE(world_);
    layout_.networks = networks();
    auto runner = proxy::nft::Runner::find(world_->node_namespace());
    ASSERT_TRUE(runner) << runner.error().message;
    runner_.emplace(std::move(*runner));
    (void)runner_->apply(render_removal(layout_));
    proxy::bpf::Place place;
    place.services = networks().services;
    place.node_namespace = world_->node_namespace();
    place.pods = {{"/run/netns", prefix_ + "pod"}};
    auto made = proxy::bpf::make_dataplane(place, clock_);
    ASSERT_TRUE(made) << made.error().message;
    plane_ = std::move(*made);
  }
  void TearDown() override {
    plane_.reset();
    if (runner_) (void)runner_->apply(render_removal(layout_));
  }

  static bool from_inside(const Probe& probe) { return probe.from == "node" || probe.from.starts_with("pod"); }
  // What the programs do without the rules' help.
  bool is_ours(const Probe& probe) const {
    if (!from_inside(probe) || probe.kind == Kind::drop) return false;
    if (probe.protocol != proxy::Protocol::tcp && probe.protocol != proxy::Protocol::udp) return false;
    return !has_sources(probe);
  }
  // Who may come is decided by the rules, also for what is refused then.
  bool has_sources(const Probe& probe) const {
    auto packet = packet_of(probe);
    auto found = builder_.table().routes.find({packet.destination, packet.protocol, packet.port});
    return found != builder_.table().routes.end() && !found->second->sources.empty();
  }

  // Who answers; the address that the server sees is the client's own, also where a packet would be masqueraded.
  void play(const Probe& probe, bool alone) {
    const bool once = probe.kind == Kind::drop || probe.kind == Kind::unreachable;
    const int tries = once ? 1 : probe.endpoints.size() > 1 ? kTries : 3;
    const auto own = address_of(probe.from, proxy::parse_address(probe.to)->family());
    std::set<std::string> servers;
    for (int i = 0; i < tries; ++i) {
      auto seen = world_->send(probe.from, probe.to, probe.protocol, probe.port, probe.size);
      ASSERT_TRUE(seen) << seen.error().message;
      ASSERT_EQ(seen->kind, probe.kind);
      if (seen->kind != Kind::forward) continue;
      servers.insert(seen->server);
      ASSERT_TRUE(probe.endpoints.contains(seen->server)) << seen->server;
      if (alone) ASSERT_EQ(seen->client, own);
    }
    if (probe.kind != Kind::forward) return;
    if (!probe.sticky) {
      EXPECT_EQ(servers, probe.endpoints);
      return;
    }
    EXPECT_EQ(servers.size(), 1u);
    auto& last = remembered_[fmt::format("{} {} {} {}", probe.from, probe.to, static_cast<int>(probe.protocol),
                                         probe.port)];
    if (probe.endpoints.contains(last)) EXPECT_EQ(*servers.begin(), last);
    last = *servers.begin();
  }

  static inline std::unique_ptr<World> world_;
  static inline std::string prefix_;
  sys::SystemClock clock_;
  proxy::nft::Layout layout_;
  std::optional<proxy::nft::Runner> runner_;
  std::unique_ptr<proxy::Dataplane> plane_;
  proxy::TableBuilder builder_;
  std::map<std::string, std::string> remembered_;
};

using Parameter = std::tuple<std::filesystem::path, proxy::Family>;
class SocketPackets : public SocketWorld, public testing::WithParamInterface<Parameter> {};

TEST_P(SocketPackets, bpf) {
  bool first = true;
  for (const auto& step : read_case(std::get<0>(GetParam()), std::get<1>(GetParam())).steps) {
    build(builder_, step);
    auto change = builder_.take_change();
    auto applied = first ? plane_->rebuild(builder_.table()) : plane_->apply(builder_.table(), change);
    ASSERT_TRUE(applied) << applied.error().message;
    first = false;
    auto place = [&](const Probe& probe) {
      return std::get<0>(GetParam()).filename().string() + ":" + std::to_string(probe.line);
    };
    for (const auto& probe : step.probes) {
      if (!is_ours(probe)) continue;
      SCOPED_TRACE(place(probe) + ", sockets alone");
      play(probe, true);
    }
    auto ruled = runner_->apply(render_rebuild(layout_, builder_.table()).script);
    ASSERT_TRUE(ruled) << ruled.error().message;
    ASSERT_TRUE(world_->forget_flows());
    for (const auto& probe : step.probes) {
      if (!from_inside(probe) || probe.protocol == proxy::Protocol::icmp || (is_ours(probe) && !probe.sticky)) continue;
      SCOPED_TRACE(place(probe) + ", with the rules");
      play(probe, false);
    }
    (void)runner_->apply(render_removal(layout_));
  }
}

INSTANTIATE_TEST_SUITE_P(cases, SocketPackets,
                         testing::Combine(testing::ValuesIn(case_files()),
                                          testing::Values(proxy::Family::v4, proxy::Family::v6)),
                         [](const auto& info) {
                           return std::get<0>(info.param).stem().string() +
                                  (std::get<1>(info.param) == proxy::Family::v4 ? "_v4" : "_v6");
                         });

// Worlds at random: what the programs do to each connection must be one of the things that the simulator allows.
class SocketAgreement : public SocketWorld, public testing::WithParamInterface<int> {
 protected:
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  std::string one_of(const std::vector<std::string>& words) { return words[below(static_cast<uint32_t>(words.size()))]; }

  std::string world_text() {
    std::string out;
    for (uint32_t n = 0; n < 5; ++n) {
      if (below(5) == 0) continue;
      out += fmt::format("SERVICE s{0} 10.96.0.1{0} http:TCP:80:3000{0} dns:UDP:53:3000{0}", n);
      for (const char* option : {" local", " local-outside", " affinity=60", " balance=maglev", " balance=round-robin",
                                 " balance=least-connections"})
        if (below(5) == 0) out += option;
      if (below(2)) out += fmt::format(" lb=203.0.113.1{}", n);
      if (below(2)) out += fmt::format(" external=198.51.100.1{}", n);
      if (below(4) == 0) out += " sources=192.0.2.0/24,10.244.0.12/32";
      out += fmt::format("\nSLICE s{} http:TCP:8080 dns:UDP:5353{}\n", n, below(4) ? "" : " weight=3");
      for (int pod = 1; pod <= kPods; ++pod)
        if (below(2))
          out += fmt::format("ENDPOINT pod{} {} node={}\n", pod, one_of({"ready", "ready", "not", "serving", "gone"}),
                             one_of({"here", "other"}));
    }
    for (int n = 0; n < 20; ++n) {
      bool tcp = below(2);
      auto to = one_of({"10.96.0.1", "203.0.113.1", "198.51.100.1", "node", "127.0.0.1"});
      uint32_t service = below(6);  // the last one is nobody's
      auto from = to == "127.0.0.1" ? "node" : one_of({"pod1", "pod2", "pod4", "node"});
      if (to == "node" || to == "127.0.0.1")
        out += fmt::format("PACKET {} -> {} {} {}\n", from, to, tcp ? "tcp" : "udp", 30'000 + service);
      else
        out += fmt::format("PACKET {} -> {}{} {} {}\n", from, to, service, tcp ? "tcp" : "udp", tcp ? 80 : 53);
    }
    return out;
  }
  std::mt19937 random_{static_cast<unsigned>(GetParam())};
};

TEST_P(SocketAgreement, of_programs_and_simulator) {
  auto family = GetParam() % 2 ? proxy::Family::v6 : proxy::Family::v4;
  for (int step = 0; step < 6; ++step) {
    auto text = world_text();
    auto read = read_text(text, "generated", family).steps.at(0);
    build(builder_, read);
    auto change = builder_.take_change();
    auto applied = step % 3 == 0 ? plane_->rebuild(builder_.table()) : plane_->apply(builder_.table(), change);
    ASSERT_TRUE(applied) << applied.error().message;
    for (const auto& probe : read.probes) {
      auto verdict = simulate(builder_.table(), networks(), packet_of(probe));
      // Whoever is there may answer; and what only the rules can decide.
      if (verdict.kind == Kind::pass || verdict.kind == Kind::drop) continue;
      if (has_sources(probe)) continue;
      auto seen = world_->send(probe.from, probe.to, probe.protocol, probe.port, probe.size);
      ASSERT_TRUE(seen) << seen.error().message;
      ASSERT_EQ(seen->kind, verdict.kind) << "line " << probe.line << " of\n" << text;
      if (verdict.kind != Kind::forward) continue;
      bool allowed = std::any_of(verdict.choices.begin(), verdict.choices.end(), [&](const proxy::Endpoint& e) {
        return seen->server == proxy::format_address(e.address) + ":" + std::to_string(e.port);
      });
      ASSERT_TRUE(allowed) << "line " << probe.line << " went to " << seen->server << " of\n" << text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(worlds, SocketAgreement, testing::Range(0, 12));

}  // namespace
}  // namespace packets
