#include "controllers/endpointslicemirroring/plan.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace controllers {
namespace {

api::Endpoints hand_made(std::vector<std::string> ready, std::vector<std::string> unready = {}, int64_t port = 80) {
  api::Endpoints endpoints;
  endpoints.metadata.name = "external-service";
  endpoints.metadata.namespace_ = "default";
  endpoints.metadata.uid = "uid-ep";
  auto& subset = endpoints.subsets.emplace_back();
  for (auto& ip : ready) subset.addresses.emplace_back().ip = ip;
  for (auto& ip : unready) subset.not_ready_addresses.emplace_back().ip = ip;
  auto& out = subset.ports.emplace_back();
  out.port = port;
  out.protocol = "TCP";
  return endpoints;
}

// Plays the API server.
std::vector<SlicePtr> carry_out(const std::vector<SlicePtr>& before, const MirrorPlan& plan) {
  static int next = 0;
  std::vector<SlicePtr> out;
  for (const auto& slice : before) {
    bool gone = std::ranges::find(plan.remove, slice) != plan.remove.end();
    for (const auto& update : plan.update) gone |= update.metadata.name == slice->metadata.name;
    if (!gone) out.push_back(slice);
  }
  for (const auto& update : plan.update) out.push_back(std::make_shared<const api::EndpointSlice>(update));
  for (auto slice : plan.create) {
    slice.metadata.name = slice.metadata.generate_name + std::to_string(++next);
    out.push_back(std::make_shared<const api::EndpointSlice>(std::move(slice)));
  }
  return out;
}

bool is_quiet(const MirrorPlan& plan) { return plan.create.empty() && plan.update.empty() && plan.remove.empty(); }

TEST(PlanMirror, MakesOneSliceOfTheBooksEndpoints) {
  api::Endpoints endpoints = hand_made({"11.11.11.11", "22.22.22.22"}, {"33.33.33.33"});
  endpoints.metadata.labels["team"] = "blue";
  endpoints.metadata.annotations["note"] = "kept";
  endpoints.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] = "{}";
  MirrorPlan plan = plan_mirror(endpoints, {});
  ASSERT_EQ(plan.create.size(), 1u);
  const auto& slice = plan.create[0];
  EXPECT_EQ(slice.metadata.generate_name, "external-service-");
  EXPECT_EQ(slice.metadata.labels, (std::map<std::string, std::string>{
                                       {"team", "blue"},
                                       {"kubernetes.io/service-name", "external-service"},
                                       {"endpointslice.kubernetes.io/managed-by",
                                        "endpointslicemirroring-controller.k8s.io"}}));
  EXPECT_EQ(slice.metadata.annotations, (std::map<std::string, std::string>{{"note", "kept"}}));
  ASSERT_EQ(slice.metadata.owner_references.size(), 1u);
  EXPECT_EQ(slice.metadata.owner_references[0].kind, "Endpoints");
  EXPECT_EQ(slice.metadata.owner_references[0].uid, "uid-ep");
  EXPECT_EQ(slice.address_type, "IPv4");
  ASSERT_EQ(slice.ports.size(), 1u);
  EXPECT_EQ(slice.ports[0].port, 80);
  ASSERT_EQ(slice.endpoints.size(), 3u);
  EXPECT_EQ(slice.endpoints[0].addresses[0], "11.11.11.11");
  EXPECT_EQ(slice.endpoints[0].conditions->ready, true);
  EXPECT_FALSE(slice.endpoints[0].conditions->serving);
  EXPECT_EQ(slice.endpoints[2].conditions->ready, false);
}

TEST(PlanMirror, FollowsChangesInPlace) {
  api::Endpoints endpoints = hand_made({"11.11.11.11"});
  auto slices = carry_out({}, plan_mirror(endpoints, {}));
  EXPECT_TRUE(is_quiet(plan_mirror(endpoints, slices)));
  for (auto next : {hand_made({"11.11.11.11", "22.22.22.22"}), hand_made({"22.22.22.22"}, {"11.11.11.11"}),
                    hand_made({"22.22.22.22"}, {}, 8080)}) {
    MirrorPlan plan = plan_mirror(next, slices);
    EXPECT_TRUE(plan.create.empty());
    EXPECT_TRUE(plan.remove.empty());
    ASSERT_EQ(plan.update.size(), 1u);
    EXPECT_EQ(plan.update[0].metadata.name, slices[0]->metadata.name);
    slices = carry_out(slices, plan);
    EXPECT_TRUE(is_quiet(plan_mirror(next, slices)));
  }
  endpoints.subsets.clear();
  EXPECT_EQ(plan_mirror(endpoints, slices).remove.size(), 1u);
}

TEST(PlanMirror, LabelsAndTheOwnerFollow) {
  api::Endpoints endpoints = hand_made({"11.11.11.11"});
  auto slices = carry_out({}, plan_mirror(endpoints, {}));
  endpoints.metadata.labels["new"] = "1";
  EXPECT_EQ(plan_mirror(endpoints, slices).update.size(), 1u);
  endpoints.metadata.labels.clear();
  endpoints.metadata.uid = "made-anew";
  ASSERT_EQ(plan_mirror(endpoints, slices).update.size(), 1u);
  EXPECT_EQ(plan_mirror(endpoints, slices).update[0].metadata.owner_references[0].uid, "made-anew");
}

TEST(PlanMirror, FamiliesAndPortsAreSlicesOfTheirOwn) {
  api::Endpoints endpoints = hand_made({"11.11.11.11", "fd00::0:1"});
  endpoints.subsets.push_back(hand_made({"11.11.11.11"}, {}, 443).subsets[0]);
  MirrorPlan plan = plan_mirror(endpoints, {});
  ASSERT_EQ(plan.create.size(), 3u);
  size_t six = 0;
  for (const auto& slice : plan.create) {
    if (slice.address_type != "IPv6") continue;
    ++six;
    EXPECT_EQ(slice.endpoints.at(0).addresses.at(0), "fd00::1") << "the one spelling";
  }
  EXPECT_EQ(six, 1u);
  auto slices = carry_out({}, plan);
  EXPECT_TRUE(is_quiet(plan_mirror(endpoints, slices)));
}

TEST(PlanMirror, CountsWhatItLeavesOut) {
  std::vector<std::string> many;
  for (int i = 0; i < 1200; ++i) many.push_back(fmt::format("10.1.{}.{}", i / 250, i % 250 + 1));
  MirrorPlan plan = plan_mirror(hand_made(many, {"300.1.1.1", "nonsense", ""}), {});
  EXPECT_EQ(plan.invalid, 3u);
  EXPECT_EQ(plan.skipped, 200u);
  ASSERT_EQ(plan.create.size(), 1u);
  EXPECT_EQ(plan.create[0].endpoints.size(), 1000u);
}

TEST(PlanMirror, OldSpellingsAreReadAsTheyWereMeant) {
  auto first = [](const std::string& ip) {
    MirrorPlan plan = plan_mirror(hand_made({ip}), {});
    return plan.create.empty() ? "" : plan.create[0].endpoints.at(0).addresses.at(0);
  };
  EXPECT_EQ(first("010.001.000.010"), "10.1.0.10");
  EXPECT_EQ(first("10.0.0.100"), "10.0.0.100");
  EXPECT_EQ(first("0.0.0.0"), "0.0.0.0");
  EXPECT_EQ(first("1.2.3"), "");
}

TEST(WantsMirror, NotWithTheLabelOrForElections) {
  api::Endpoints endpoints = hand_made({"11.11.11.11"});
  EXPECT_TRUE(wants_mirror(endpoints));
  endpoints.metadata.labels["endpointslice.kubernetes.io/skip-mirror"] = "false";
  EXPECT_TRUE(wants_mirror(endpoints));
  endpoints.metadata.labels["endpointslice.kubernetes.io/skip-mirror"] = "true";
  EXPECT_FALSE(wants_mirror(endpoints));
  endpoints.metadata.labels.clear();
  endpoints.metadata.annotations["control-plane.alpha.kubernetes.io/leader"] = "{}";
  EXPECT_FALSE(wants_mirror(endpoints));
}

}  // namespace
}  // namespace controllers
