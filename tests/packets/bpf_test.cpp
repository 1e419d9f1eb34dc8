// Plays the *.case files through the socket programs: what pods and the node itself begin, first without any packet
// rule, then with the rules beside, as in a cluster. Packets from outside are the rules' matter (packets_test.cpp).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
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

constexpr int kTries = 60;  // as in packets_test.cpp

// The namespaces that a world made have names that begin with this.
std::string newest_prefix() {
  auto begin = fmt::format("test-{}-", ::getpid());
  int newest = 0;
  for (const auto& name : sys::list_dir("/run/netns").value_or(std::vector<std::string>()))
    if (name.starts_with(begin)) newest = std::max(newest, std::stoi(name.substr(begin.size())));
  return fmt::format("{}{}-", begin, newest);
}

using Parameter = std::tuple<std::filesystem::path, proxy::Family>;

class SocketPackets : public testing::TestWithParam<Parameter> {
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
    auto verdict = simulate(builder_.table(), networks(), packet_of(probe));
    return !verdict.route || verdict.route->sources.empty();
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

}  // namespace
}  // namespace packets
