#include "controllers/garbagecollector/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.hpp"

namespace controllers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

GraphNode node(std::string uid, std::vector<std::string> owners = {}, bool blocks = true) {
  GraphNode out{.api_version = "v1", .kind = "Pod", .namespace_ = "default", .name = uid, .uid = uid, .owners = {}};
  for (auto& owner : owners) out.owners.push_back({"v1", "ReplicationController", owner, owner, blocks});
  return out;
}

TEST(NodeOf, ReadsTheObject) {
  auto object = base::parse_json(
      R"({"metadata":{"name":"p","namespace":"d","uid":"u","deletionTimestamp":"2026-01-01T00:00:00Z",)"
      R"("finalizers":["foregroundDeletion","x/y"],"ownerReferences":[{"apiVersion":"v1","kind":"ReplicationController",)"
      R"("name":"rc","uid":"o","blockOwnerDeletion":true}]}})");
  ASSERT_TRUE(object);
  GraphNode out = node_of("v1", "Pod", *object);
  EXPECT_EQ(out.uid, "u");
  EXPECT_TRUE(out.deleting);
  EXPECT_TRUE(out.foreground);
  EXPECT_FALSE(out.orphan);
  EXPECT_THAT(out.owners, ElementsAre(Owner{"v1", "ReplicationController", "rc", "o", true}));
}

TEST(OwnerGraph, SaysWhatToLookAtAgain) {
  OwnerGraph graph;
  EXPECT_THAT(graph.put(node("rc")), IsEmpty());
  EXPECT_EQ(graph.size(), 0u) << "nobody's owner yet";
  EXPECT_THAT(graph.put(node("p1", {"rc"})), ElementsAre("p1"));
  EXPECT_THAT(graph.put(node("p1", {"rc"})), IsEmpty()) << "nothing changed";
  graph.put(node("p2", {"rc"}));
  EXPECT_THAT(graph.remove("rc"), UnorderedElementsAre("p1", "p2")) << "the dependents of what is gone";
  EXPECT_THAT(graph.remove("p1"), ElementsAre("rc")) << "the owner may have waited for it";
  EXPECT_EQ(graph.dependents_of("rc").size(), 1u);
}

TEST(OwnerGraph, KeepsOnlyWhatOwnsOrIsOwned) {
  OwnerGraph graph;
  graph.put(node("lonely"));
  graph.put(node("p1", {"rc"}));
  graph.put(node("rc"));
  EXPECT_EQ(graph.size(), 2u);
  EXPECT_FALSE(graph.find("lonely"));
  EXPECT_TRUE(graph.find("rc"));
  EXPECT_THAT(graph.uids_of("", "Pod"), UnorderedElementsAre("p1", "rc"));
  EXPECT_THAT(graph.uids_of("apps", "Pod"), IsEmpty());
  EXPECT_THAT(graph.owners_named("", "ReplicationController"), ElementsAre("rc"));
  graph.put(node("p1"));
  EXPECT_FALSE(graph.find("p1")) << "it has let its owner go";
  EXPECT_FALSE(graph.has_dependents("rc"));
}

TEST(PlanCollect, ACycleIsUnblocked) {
  using enum OwnerState;
  // a and b own each other; a is being deleted in the foreground and waits for b, which waits for a.
  auto b = node("b", {"a"});
  auto a = node("a", {"b"});
  a.deleting = a.foreground = true;
  Collect plan = plan_collect(b, {waiting}, {&a});
  EXPECT_EQ(plan.action, Collect::Action::remove);
  EXPECT_EQ(plan.propagation, "Foreground");
  EXPECT_TRUE(plan.unblock);
  a.deleting = false;
  EXPECT_FALSE(plan_collect(b, {waiting}, {&a}).unblock);
}

TEST(OwnerGraph, AForegroundDeletionLooksAtTheDependents) {
  OwnerGraph graph;
  graph.put(node("rc"));
  graph.put(node("p1", {"rc"}));
  graph.put(node("p2", {"rc"}, false));
  GraphNode going = node("rc");
  going.deleting = going.foreground = true;
  EXPECT_THAT(graph.put(going), UnorderedElementsAre("rc", "p1", "p2"));
  auto blocking = blocking_dependents(graph, "rc");
  ASSERT_EQ(blocking.size(), 1u);
  EXPECT_EQ(blocking[0]->uid, "p1");
  // Let go by its dependent: the owner is looked at.
  EXPECT_THAT(graph.put(node("p1")), UnorderedElementsAre("rc", "p1"));
  EXPECT_TRUE(blocking_dependents(graph, "rc").empty());
}

TEST(PlanCollect, KeepsWhatHasASolidOwner) {
  using enum OwnerState;
  auto pod = node("p", {"a", "b"});
  EXPECT_EQ(plan_collect(node("p"), {}, {}).action, Collect::Action::keep);
  EXPECT_EQ(plan_collect(pod, {solid, solid}, {}).action, Collect::Action::keep);
  Collect plan = plan_collect(pod, {solid, absent}, {});
  EXPECT_EQ(plan.action, Collect::Action::drop_owners);
  EXPECT_THAT(plan.drop, ElementsAre("b"));
}

TEST(PlanCollect, RemovesWhatHasNone) {
  using enum OwnerState;
  auto pod = node("p", {"a", "b"});
  auto dependent = node("d", {"p"});
  Collect plan = plan_collect(pod, {absent, absent}, {});
  EXPECT_EQ(plan.action, Collect::Action::remove);
  EXPECT_EQ(plan.propagation, "Background");
  EXPECT_EQ(plan_collect(pod, {waiting, absent}, {&dependent}).propagation, "Foreground");
  EXPECT_EQ(plan_collect(pod, {waiting, absent}, {}).propagation, "Background");
  pod.orphan = true;
  EXPECT_EQ(plan_collect(pod, {absent, absent}, {&dependent}).propagation, "Orphan");
  pod.deleting = true;
  EXPECT_EQ(plan_collect(pod, {absent, absent}, {}).action, Collect::Action::keep) << "it is going already";
}

}  // namespace
}  // namespace controllers
