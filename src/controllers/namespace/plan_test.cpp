#include "controllers/namespace/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace controllers {
namespace {

const api::NamespaceCondition& find(const std::vector<api::NamespaceCondition>& all, std::string_view type) {
  return *std::ranges::find(all, type, &api::NamespaceCondition::type);
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
