#include "controllers/replicationcontroller/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/make_test.hpp"
#include "controllers/replicationcontroller/expectations.hpp"

namespace controllers {
namespace {

using testing::ElementsAre;

api::ReplicationController make_rc(int64_t replicas) {
  api::ReplicationController rc;
  rc.metadata.name = "kubia";
  rc.metadata.namespace_ = "default";
  rc.metadata.uid = "uid-rc";
  rc.metadata.generation = 4;
  rc.spec.replicas = replicas;
  rc.spec.selector = {{"app", "kubia"}};
  rc.spec.template_.metadata.labels = {{"app", "kubia"}, {"tier", "web"}};
  rc.spec.template_.spec.containers.emplace_back().name = "c";
  return rc;
}

std::vector<std::string> names(const std::vector<PodPtr>& pods) {
  std::vector<std::string> out;
  for (const auto& pod : pods) out.push_back(pod->metadata.name);
  return out;
}

PodPtr owned(PodShape shape) {
  shape.owner_uid = "uid-rc";
  return pod_of(shape);
}

TEST(PlanClaim, SortsPodsIntoOursToTakeAndToLetGo) {
  std::vector<PodPtr> pods = {
      owned({.name = "ours"}),
      owned({.name = "relabelled", .labels = {{"app", "other"}}}),
      pod_of({.name = "orphan"}),
      pod_of({.name = "stranger", .labels = {{"app", "other"}}}),
      pod_of({.name = "theirs", .owner_uid = "uid-other-rc"}),
      owned({.name = "failed", .phase = "Failed"}),
      owned({.name = "succeeded", .phase = "Succeeded"}),
      owned({.name = "going", .deleting = true}),
      pod_of({.name = "going-orphan", .deleting = true}),
  };
  Claim claim = plan_claim(make_rc(3), pods);
  EXPECT_THAT(names(claim.owned), ElementsAre("ours"));
  EXPECT_THAT(names(claim.adopt), ElementsAre("orphan"));
  EXPECT_THAT(names(claim.release), ElementsAre("relabelled"));
}

TEST(PlanClaim, ADeletedControllerTakesAndReleasesNothing) {
  auto rc = make_rc(3);
  rc.metadata.deletion_timestamp = "2026-01-01T00:00:00Z";
  Claim claim = plan_claim(rc, {owned({.name = "ours"}), pod_of({.name = "orphan"}),
                                owned({.name = "relabelled", .labels = {}})});
  EXPECT_THAT(names(claim.owned), ElementsAre("ours"));
  EXPECT_TRUE(claim.adopt.empty());
  EXPECT_TRUE(claim.release.empty());
  EXPECT_EQ(plan_scaling(rc, claim.owned, at_second(0)).create, 0);
}

TEST(PlanClaim, AnEmptySelectorSelectsNothing) {
  auto rc = make_rc(1);
  rc.spec.selector.clear();
  EXPECT_TRUE(plan_claim(rc, {pod_of({.name = "orphan"})}).adopt.empty());
}

TEST(PlanScaling, CreatesWhatIsMissingUpToABurst) {
  EXPECT_EQ(plan_scaling(make_rc(3), {owned({})}, at_second(0)).create, 2);
  EXPECT_EQ(plan_scaling(make_rc(10'000), {}, at_second(0)).create, 500);
  auto rc = make_rc(1);
  rc.spec.replicas = std::nullopt;
  EXPECT_EQ(plan_scaling(rc, {}, at_second(0)).create, 1);
}

TEST(PlanScaling, RemovesToZero) {
  Scaling scaling = plan_scaling(make_rc(0), {owned({.name = "a"}), owned({.name = "b"})}, at_second(0));
  EXPECT_EQ(scaling.create, 0);
  EXPECT_THAT(names(scaling.remove), testing::UnorderedElementsAre("a", "b"));
}

// One pair per rule; the first of each goes first, and would not by the rules after it.
TEST(PlanVictims, FollowsUpstreamsOrder) {
  base::Time now = at_second(100'000);
  auto first = [&](PodPtr a, PodPtr b) {
    auto one = names(plan_victims({a, b}, 1, now));
    EXPECT_EQ(one, names(plan_victims({b, a}, 1, now))) << "the order of the input decides";
    return one.front();
  };
  EXPECT_EQ(first(pod_of({.name = "unassigned", .ready_since = 10, .node = ""}),
                  pod_of({.name = "pending", .ready = false, .phase = "Pending"})),
            "unassigned");
  EXPECT_EQ(first(pod_of({.name = "pending", .phase = "Pending"}), pod_of({.name = "running", .ready = false})),
            "pending");
  EXPECT_EQ(first(pod_of({.name = "unready", .ready = false}), pod_of({.name = "ready", .ready_since = 99'999})),
            "unready");
  auto cheap = make({.name = "cheap"});
  cheap.metadata.annotations["controller.kubernetes.io/pod-deletion-cost"] = "-5";
  EXPECT_EQ(first(share(cheap), pod_of({.name = "young", .ready_since = 99'999})), "cheap");
  EXPECT_EQ(first(pod_of({.name = "young", .ready_since = 99'990}), pod_of({.name = "old", .ready_since = 10})),
            "young");
  auto restarted = make({.name = "restarted"});
  restarted.status.container_statuses.emplace_back().restart_count = 3;
  auto newer = make({.name = "newer"});
  newer.metadata.creation_timestamp = base::format_time(at_second(99'990));
  EXPECT_EQ(first(share(restarted), share(newer)), "restarted");
  EXPECT_EQ(first(share(newer), pod_of({.name = "older"})), "newer");
}

TEST(PlanVictims, ThinsOutCrowdedNodes) {
  auto victims = plan_victims({pod_of({.name = "a", .node = "n1"}), pod_of({.name = "b", .node = "n2"}),
                               pod_of({.name = "c", .node = "n2"})},
                              1, at_second(0));
  EXPECT_EQ(victims.front()->spec.node_name, "n2");
}

TEST(PlanVictims, AgesOfTheSameMagnitudeLeaveItToTheUid) {
  auto victims = plan_victims({pod_of({.name = "b", .ready_since = 2}), pod_of({.name = "a", .ready_since = 1})}, 1,
                              at_second(100'000));
  EXPECT_EQ(victims.front()->metadata.name, "a");
}

TEST(MakePod, ComesFromTheTemplate) {
  api::Pod pod = make_pod(make_rc(1));
  EXPECT_EQ(pod.metadata.generate_name, "kubia-");
  EXPECT_EQ(pod.metadata.namespace_, "default");
  EXPECT_EQ(pod.metadata.labels.at("tier"), "web");
  ASSERT_EQ(pod.metadata.owner_references.size(), 1u);
  const auto& owner = pod.metadata.owner_references.front();
  EXPECT_EQ(owner.kind, "ReplicationController");
  EXPECT_EQ(owner.uid, "uid-rc");
  EXPECT_EQ(owner.controller, true);
  EXPECT_EQ(owner.block_owner_deletion, true);
  EXPECT_EQ(pod.spec.containers.size(), 1u);
}

TEST(PlanStatus, Counts) {
  auto rc = make_rc(4);
  rc.spec.min_ready_seconds = 10;
  std::vector<PodPtr> pods = {
      owned({.name = "long", .ready_since = 0, .labels = {{"app", "kubia"}, {"tier", "web"}}}),
      owned({.name = "fresh", .ready_since = 15}),
      owned({.name = "unready", .ready = false}),
  };
  StatusPlan plan = plan_status(rc, pods, std::nullopt, at_second(20));
  EXPECT_EQ(plan.status.replicas, 3);
  EXPECT_EQ(plan.status.fully_labeled_replicas, 1);
  EXPECT_EQ(plan.status.ready_replicas, 2);
  EXPECT_EQ(plan.status.available_replicas, 1);
  EXPECT_EQ(plan.status.observed_generation, 4);
  EXPECT_EQ(plan.look_again, std::chrono::seconds(5));
  EXPECT_FALSE(same_status(plan.status, rc.status));
  EXPECT_TRUE(same_status(plan.status, plan.status));
}

TEST(PlanStatus, AFailureIsAConditionUntilItEnds) {
  auto rc = make_rc(1);
  ScalingFailure failure{.creating = true, .message = "exceeded quota"};
  StatusPlan plan = plan_status(rc, {}, failure, at_second(0));
  ASSERT_EQ(plan.status.conditions.size(), 1u);
  EXPECT_EQ(plan.status.conditions[0].type, "ReplicaFailure");
  EXPECT_EQ(plan.status.conditions[0].reason, "FailedCreate");
  rc.status = plan.status;
  EXPECT_TRUE(same_status(plan_status(rc, {}, failure, at_second(60)).status, rc.status)) << "it would be written forever";
  EXPECT_TRUE(plan_status(rc, {}, std::nullopt, at_second(60)).status.conditions.empty());
}

TEST(Expectations, HoldBackUntilAllWasSeenOrForgiven) {
  sys::FakeClock clock;
  Expectations expectations(clock);
  auto waits = [&] { return expectations.wait_left("k").count() > 0; };
  EXPECT_FALSE(waits());
  expectations.expect_creations("k", 2);
  EXPECT_TRUE(waits());
  expectations.creation_seen("k");
  EXPECT_TRUE(waits());
  expectations.creation_seen("k");
  EXPECT_FALSE(waits());
  expectations.creation_seen("k");  // of somebody else's pod: must not count below zero
  expectations.expect_creations("k", 1);
  EXPECT_TRUE(waits());
  clock.advance(std::chrono::minutes(5));
  EXPECT_FALSE(waits());
  expectations.expect_deletions("k", {"u1", "u2"});
  expectations.deletion_seen("k", "u1");
  expectations.deletion_seen("k", "u1");  // seen going, then gone
  EXPECT_TRUE(waits());
  expectations.deletion_seen("k", "u2");
  EXPECT_FALSE(waits());
}

}  // namespace
}  // namespace controllers
