#include "controllers/replicaset/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/make_test.hpp"
#include "controllers/replicaset/expectations.hpp"

namespace controllers {
namespace {

using testing::ElementsAre;

api::ReplicaSet make_set(int64_t replicas) {
  api::ReplicaSet set;
  set.metadata.name = "kubia";
  set.metadata.namespace_ = "default";
  set.metadata.uid = "uid-rs";
  set.metadata.generation = 4;
  set.spec.replicas = replicas;
  set.spec.selector.match_labels = {{"app", "kubia"}};
  set.spec.template_.metadata.labels = {{"app", "kubia"}, {"tier", "web"}};
  set.spec.template_.spec.containers.emplace_back().name = "c";
  return set;
}

std::vector<std::string> names(const std::vector<PodPtr>& pods) {
  std::vector<std::string> out;
  for (const auto& pod : pods) out.push_back(pod->metadata.name);
  return out;
}

PodPtr owned(PodShape shape) {
  shape.owner_uid = "uid-rs";
  return pod_of(shape);
}

TEST(PlanClaim, SortsPodsIntoOursToTakeAndToLetGo) {
  std::vector<PodPtr> pods = {
      owned({.name = "ours"}),
      owned({.name = "relabelled", .labels = {{"app", "other"}}}),
      pod_of({.name = "orphan"}),
      pod_of({.name = "stranger", .labels = {{"app", "other"}}}),
      pod_of({.name = "theirs", .owner_uid = "uid-other-rs"}),
      owned({.name = "failed", .phase = "Failed"}),
      owned({.name = "succeeded", .phase = "Succeeded"}),
      owned({.name = "going", .deleting = true}),
      pod_of({.name = "going-orphan", .deleting = true}),
  };
  Claim claim = plan_claim(make_set(3), pods);
  EXPECT_THAT(names(claim.owned), ElementsAre("ours"));
  EXPECT_THAT(names(claim.adopt), ElementsAre("orphan"));
  EXPECT_THAT(names(claim.release), ElementsAre("relabelled"));
  EXPECT_EQ(claim.terminating, 1);
}

TEST(PlanClaim, ExpressionsOfASelectorCount) {
  auto set = make_set(1);
  auto& expression = set.spec.selector.match_expressions.emplace_back();
  expression.key = "tier";
  expression.operator_ = "In";
  expression.values = {"web", "api"};
  Claim claim = plan_claim(set, {pod_of({.name = "web", .labels = {{"app", "kubia"}, {"tier", "web"}}}),
                                 pod_of({.name = "db", .labels = {{"app", "kubia"}, {"tier", "db"}}})});
  EXPECT_THAT(names(claim.adopt), ElementsAre("web"));
}

TEST(PlanClaim, ADeletedControllerTakesAndReleasesNothing) {
  auto set = make_set(3);
  set.metadata.deletion_timestamp = "2026-01-01T00:00:00Z";
  Claim claim = plan_claim(set, {owned({.name = "ours"}), pod_of({.name = "orphan"}),
                                 owned({.name = "relabelled", .labels = {}})});
  EXPECT_THAT(names(claim.owned), ElementsAre("ours"));
  EXPECT_TRUE(claim.adopt.empty());
  EXPECT_TRUE(claim.release.empty());
  EXPECT_EQ(plan_scaling(set, claim.owned, {}, at_second(0)).create, 0);
}

TEST(PlanClaim, AnEmptySelectorSelectsNothing) {
  auto set = make_set(1);
  set.spec.selector = {};
  EXPECT_TRUE(plan_claim(set, {pod_of({.name = "orphan"})}).adopt.empty());
}

TEST(PlanScaling, CreatesWhatIsMissingUpToABurst) {
  EXPECT_EQ(plan_scaling(make_set(3), {owned({})}, {}, at_second(0)).create, 2);
  EXPECT_EQ(plan_scaling(make_set(10'000), {}, {}, at_second(0)).create, 500);
  auto set = make_set(1);
  set.spec.replicas = std::nullopt;
  EXPECT_EQ(plan_scaling(set, {}, {}, at_second(0)).create, 1);
}

TEST(PlanScaling, RemovesToZero) {
  Scaling scaling = plan_scaling(make_set(0), {owned({.name = "a"}), owned({.name = "b"})}, {}, at_second(0));
  EXPECT_EQ(scaling.create, 0);
  EXPECT_THAT(names(scaling.remove), testing::UnorderedElementsAre("a", "b"));
}

// One pair per rule; the first of each goes first, and would not by the rules after it.
TEST(PlanVictims, FollowsUpstreamsOrder) {
  base::Time now = at_second(100'000);
  auto first = [&](PodPtr a, PodPtr b) {
    auto one = names(plan_victims({a, b}, 1, {}, 0, now));
    EXPECT_EQ(one, names(plan_victims({b, a}, 1, {}, 0, now))) << "the order of the input decides";
    return one.front();
  };
  EXPECT_EQ(first(pod_of({.name = "unassigned", .ready_since = 10, .node = ""}),
                  pod_of({.name = "pending", .ready = false, .phase = "Pending"})),
            "unassigned");
  EXPECT_EQ(
      first(pod_of({.name = "pending", .phase = "Pending"}), pod_of({.name = "running", .ready = false})),
      "pending");
  EXPECT_EQ(
      first(pod_of({.name = "unready", .ready = false}), pod_of({.name = "ready", .ready_since = 99'999})),
      "unready");
  auto cheap = make({.name = "cheap"});
  cheap.metadata.annotations["controller.kubernetes.io/pod-deletion-cost"] = "-5";
  EXPECT_EQ(first(share(cheap), pod_of({.name = "young", .ready_since = 99'999})), "cheap");
  EXPECT_EQ(
      first(pod_of({.name = "young", .ready_since = 99'990}), pod_of({.name = "old", .ready_since = 10})),
      "young");
  auto restarted = make({.name = "restarted"});
  restarted.status.container_statuses.emplace_back().restart_count = 3;
  auto newer = make({.name = "newer"});
  newer.metadata.creation_timestamp = base::format_time(at_second(99'990));
  EXPECT_EQ(first(share(restarted), share(newer)), "restarted");
  EXPECT_EQ(first(share(newer), pod_of({.name = "older"})), "newer");
}

TEST(PlanVictims, ThinsOutCrowdedNodes) {
  std::vector<PodPtr> pods = {pod_of({.name = "a", .node = "n1"}), pod_of({.name = "b", .node = "n2"}),
                              pod_of({.name = "c", .node = "n2"})};
  EXPECT_EQ(plan_victims(pods, 1, count_crowd(pods), 0, at_second(0)).front()->spec.node_name, "n2");
  EXPECT_EQ(plan_victims(pods, 1, {{"n1", 5}, {"n2", 4}}, 0, at_second(0)).front()->metadata.name, "a")
      << "the siblings of other sets count too";
}

TEST(PlanVictims, AgesOfTheSameMagnitudeLeaveItToTheUid) {
  auto victims =
      plan_victims({pod_of({.name = "b", .ready_since = 2}), pod_of({.name = "a", .ready_since = 1})}, 1, {},
                   0, at_second(100'000));
  EXPECT_EQ(victims.front()->metadata.name, "a");
}

TEST(PlanVictims, ReadyButNotAvailableGoesBeforeAvailable) {
  std::vector<PodPtr> pods = {pod_of({.name = "available", .ready_since = 989}),
                              pod_of({.name = "waiting", .ready_since = 991})};
  EXPECT_EQ(plan_victims(pods, 1, {}, 10, at_second(1'000)).front()->metadata.name, "waiting");
  EXPECT_EQ(plan_victims(pods, 1, {}, 0, at_second(1'000)).front()->metadata.name, "available")
      << "by UID alone";
}

TEST(MakePod, ComesFromTheTemplate) {
  api::Pod pod = make_pod(make_set(1), {});
  EXPECT_EQ(pod.metadata.generate_name, "kubia-");
  EXPECT_EQ(pod.metadata.namespace_, "default");
  EXPECT_EQ(pod.metadata.labels.at("tier"), "web");
  ASSERT_EQ(pod.metadata.owner_references.size(), 1u);
  const auto& owner = pod.metadata.owner_references.front();
  EXPECT_EQ(owner.kind, "ReplicaSet");
  EXPECT_EQ(owner.api_version, "apps/v1");
  EXPECT_EQ(owner.uid, "uid-rs");
  EXPECT_EQ(owner.controller, true);
  EXPECT_EQ(owner.block_owner_deletion, true);
  EXPECT_EQ(pod.spec.containers.size(), 1u);
}

TEST(PlanStatus, Counts) {
  auto set = make_set(4);
  set.spec.min_ready_seconds = 10;
  std::vector<PodPtr> pods = {
      owned({.name = "long", .ready_since = 0, .labels = {{"app", "kubia"}, {"tier", "web"}}}),
      owned({.name = "fresh", .ready_since = 15}),
      owned({.name = "unready", .ready = false}),
  };
  SetStatusPlan plan = plan_status(set, pods, 2, std::nullopt, at_second(20));
  EXPECT_EQ(plan.status.replicas, 3);
  EXPECT_EQ(plan.status.fully_labeled_replicas, 1);
  EXPECT_EQ(plan.status.ready_replicas, 2);
  EXPECT_EQ(plan.status.available_replicas, 1);
  EXPECT_EQ(plan.status.terminating_replicas, 2);
  EXPECT_EQ(plan.status.observed_generation, 4);
  EXPECT_EQ(plan.look_again, std::chrono::seconds(5));
  EXPECT_FALSE(same_status(plan.status, set.status));
  EXPECT_TRUE(same_status(plan.status, plan.status));
}

TEST(PlanStatus, AFailureIsAConditionUntilItEnds) {
  auto set = make_set(1);
  ScalingFailure failure{.creating = true, .message = "exceeded quota"};
  SetStatusPlan plan = plan_status(set, {}, 0, failure, at_second(0));
  ASSERT_EQ(plan.status.conditions.size(), 1u);
  EXPECT_EQ(plan.status.conditions[0].type, "ReplicaFailure");
  EXPECT_EQ(plan.status.conditions[0].reason, "FailedCreate");
  set.status = plan.status;
  EXPECT_TRUE(same_status(plan_status(set, {}, 0, failure, at_second(60)).status, set.status))
      << "it would be written forever";
  EXPECT_TRUE(plan_status(set, {}, 0, std::nullopt, at_second(60)).status.conditions.empty());
}

TEST(AsSet, AReplicationControllerLosesNothing) {
  api::ReplicationController rc;
  rc.metadata.name = "kubia";
  rc.spec.replicas = 3;
  rc.spec.min_ready_seconds = 7;
  rc.spec.selector = {{"app", "kubia"}};
  rc.status.replicas = 2;
  rc.status.ready_replicas = 1;
  rc.status.conditions.emplace_back().type = "ReplicaFailure";
  api::ReplicaSet set = as_set(rc);
  EXPECT_EQ(set.spec.replicas, 3);
  EXPECT_EQ(set.spec.min_ready_seconds, 7);
  EXPECT_EQ(set.spec.selector.match_labels, rc.spec.selector);
  EXPECT_EQ(as_rc_status(set.status), rc.status);
  EXPECT_FALSE(set.status.terminating_replicas)
      << "a number that an RC does not have would be written forever";
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
