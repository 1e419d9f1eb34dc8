#include "controllers/namespace/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace controllers {
namespace {

const api::NamespaceCondition& find(const std::vector<api::NamespaceCondition>& all, std::string_view type) {
  return *std::ranges::find(all, type, &api::NamespaceCondition::type);
}

client::ResourceKind kind(std::string group, std::string plural, std::string name) {
  return {.group = std::move(group), .version = "v1", .plural = std::move(plural), .kind = std::move(name),
          .verbs = {"list", "delete", "deletecollection"}};
}

TEST(PlanDeletionSteps, PodsAreGoneBeforeAnythingElse) {
  auto unlisted = kind("", "bindings", "Binding");
  unlisted.verbs = {"create"};
  auto cluster = kind("", "nodes", "Node");
  cluster.namespaced = false;
  auto older = kind("x.io", "toys", "Toy");
  older.preferred = false;
  auto steps = plan_deletion_steps({unlisted, kind("", "configmaps", "ConfigMap"), kind("", "events", "Event"), cluster,
                                    kind("", "pods", "Pod"), kind("x.io", "pods", "Pod"), older,
                                    kind("events.k8s.io", "events", "Event"), kind("networking.k8s.io", "networkpolicies", "NetworkPolicy")});
  ASSERT_EQ(steps.size(), 2u);
  ASSERT_EQ(steps[0].size(), 1u);
  EXPECT_EQ(steps[0][0].plural, "pods");
  EXPECT_EQ(steps[0][0].group, "");
  std::vector<std::string> second;
  for (const auto& one : steps[1]) second.push_back(one.plural + "." + one.group);
  EXPECT_EQ(second, (std::vector<std::string>{"configmaps.", "pods.x.io", "networkpolicies.networking.k8s.io", "events."}));
}

TEST(PlanNamespaceConditions, SaysWhatCouldNotBeDone) {
  NamespaceContent content;
  content.discovery_failure = "Discovery failed for some groups, 1 failing: x.io/v1";
  content.failures = {"b: refused", "a: refused"};
  EXPECT_FALSE(content.empty());
  auto conditions = plan_namespace_conditions({}, content, base::Time());
  EXPECT_EQ(find(conditions, "NamespaceDeletionDiscoveryFailure").status, "True");
  EXPECT_EQ(find(conditions, "NamespaceDeletionDiscoveryFailure").reason, "DiscoveryFailed");
  EXPECT_EQ(find(conditions, "NamespaceDeletionContentFailure").message,
            "Failed to delete all resource types, 2 remaining: a: refused, b: refused");
  content = {};
  content.version_failure = "unexpected GroupVersion string: a/b/c";
  EXPECT_FALSE(content.empty());
  EXPECT_EQ(find(plan_namespace_conditions({}, content, base::Time()), "NamespaceDeletionGroupVersionParsingFailure").reason,
            "GroupVersionParsingFailed");
}

TEST(PlanNamespaceConditions, SaysWhatRemains) {
  base::Time now(std::chrono::seconds(1'700'000'000));
  NamespaceContent content;
  content.remaining["pods."] = 2;
  content.finalizers["example.com/wait"] = 2;
  auto conditions = plan_namespace_conditions({}, content, now);
  ASSERT_EQ(conditions.size(), 5u);
  EXPECT_EQ(find(conditions, "NamespaceContentRemaining").status, "True");
  EXPECT_EQ(find(conditions, "NamespaceContentRemaining").message,
            "Some resources are remaining: pods. has 2 resource instances");
  EXPECT_EQ(find(conditions, "NamespaceFinalizersRemaining").message,
            "Some content in the namespace has finalizers remaining: example.com/wait in 2 resource instances");
  EXPECT_EQ(find(conditions, "NamespaceDeletionContentFailure").status, "False");
  EXPECT_FALSE(content.empty());

  auto later = plan_namespace_conditions(conditions, content, now + std::chrono::hours(1));
  EXPECT_TRUE(same_conditions(conditions, later));
  EXPECT_EQ(find(later, "NamespaceContentRemaining").last_transition_time, base::format_time(now));
  auto done = plan_namespace_conditions(later, {}, now + std::chrono::hours(1));
  EXPECT_FALSE(same_conditions(later, done));
  EXPECT_EQ(find(done, "NamespaceContentRemaining").last_transition_time,
            base::format_time(now + std::chrono::hours(1)));
  EXPECT_TRUE(NamespaceContent{}.empty());
}

}  // namespace
}  // namespace controllers
