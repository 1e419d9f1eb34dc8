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
  EXPECT_THAT(graph.put(node("p1", {"rc"})), ElementsAre("p1"));
  EXPECT_THAT(graph.put(node("p1", {"rc"})), IsEmpty()) << "nothing changed";
  graph.put(node("p2", {"rc"}));
  EXPECT_THAT(graph.remove("rc"), UnorderedElementsAre("p1", "p2")) << "the dependents of what is gone";
  EXPECT_THAT(graph.remove("p1"), ElementsAre("rc")) << "the owner may have waited for it";
  EXPECT_EQ(graph.dependents_of("rc").size(), 1u);
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
  EXPECT_EQ(plan_collect(node("p"), {}, false).action, Collect::Action::keep);
  EXPECT_EQ(plan_collect(pod, {solid, solid}, false).action, Collect::Action::keep);
  Collect plan = plan_collect(pod, {solid, absent}, false);
  EXPECT_EQ(plan.action, Collect::Action::drop_owners);
  EXPECT_THAT(plan.drop, ElementsAre("b"));
}

TEST(PlanCollect, RemovesWhatHasNone) {
  using enum OwnerState;
  auto pod = node("p", {"a", "b"});
  Collect plan = plan_collect(pod, {absent, absent}, false);
  EXPECT_EQ(plan.action, Collect::Action::remove);
  EXPECT_EQ(plan.propagation, "Background");
  EXPECT_EQ(plan_collect(pod, {waiting, absent}, true).propagation, "Foreground");
  EXPECT_EQ(plan_collect(pod, {waiting, absent}, false).propagation, "Background");
  pod.orphan = true;
  EXPECT_EQ(plan_collect(pod, {absent, absent}, true).propagation, "Orphan");
  pod.deleting = true;
  EXPECT_EQ(plan_collect(pod, {absent, absent}, false).action, Collect::Action::keep) << "it is going already";
}

}  // namespace
}  // namespace controllers
