#include "controllers/apiextensions/plan.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "controllers/make_test.hpp"

namespace controllers {
namespace {

using base::Value;

Value definition(std::string_view metadata, std::string_view status = "{}",
                 std::string_view versions = R"([{"name":"v1","served":true,"storage":true}])") {
  std::string text = R"({"metadata":)";
  text.append(metadata).append(R"(,"spec":{"group":"g.com","names":{"plural":"things"},"versions":)").append(versions);
  text.append(R"(},"status":)").append(status).append("}");
  return base::parse_json(text).value();
}

constexpr const char* kGoing =
    R"({"name":"a","deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["x/y","customresourcecleanup.apiextensions.k8s.io"]})";

TEST(CrdCleanup, OnlyWhatIsGoingAndNotYetCleaned) {
  EXPECT_TRUE(awaits_cleanup(definition(kGoing)));
  EXPECT_FALSE(awaits_cleanup(definition(R"({"finalizers":["customresourcecleanup.apiextensions.k8s.io"]})")));
  EXPECT_FALSE(awaits_cleanup(definition(R"({"deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["x/y"]})")));
}

TEST(CrdCleanup, ObjectsAreFoundInAServedVersion) {
  const auto both = objects_of(definition("{}", "{}", R"([{"name":"v1","served":true},{"name":"v2","served":true,"storage":true}])"));
  EXPECT_EQ(both->version, "v2");
  const auto other = objects_of(definition("{}", "{}", R"([{"name":"v1","served":true},{"name":"v2","served":false,"storage":true}])"));
  EXPECT_EQ(other->version, "v1");
  EXPECT_EQ(other->plural, "things");
  EXPECT_FALSE(objects_of(definition("{}", "{}", R"([{"name":"v1","served":false,"storage":true}])")));
  EXPECT_EQ(objects_of(definition("{}", R"({"acceptedNames":{"plural":"items"}})"))->plural, "items");
}

TEST(CrdCleanup, TheConditionKeepsItsTimeUntilItTurns) {
  Value one = definition(kGoing, R"({"conditions":[{"type":"Established","status":"True"}]})");
  EXPECT_TRUE(was_established(one));
  EXPECT_TRUE(set_termination(one, {false, "InstanceDeletionInProgress", "m"}, at_second(0)));
  EXPECT_FALSE(set_termination(one, {false, "InstanceDeletionInProgress", "m"}, at_second(5)));
  EXPECT_TRUE(set_termination(one, {false, "InstanceDeletionFailed", "n"}, at_second(5)));
  const auto& conditions = one.at({"status", "conditions"}).as_array();
  ASSERT_EQ(conditions.size(), 2u);
  EXPECT_EQ(conditions[1]["lastTransitionTime"].as_string(), base::format_time(at_second(0)));
  EXPECT_EQ(conditions[1]["status"].as_string(), "True");
  EXPECT_TRUE(set_termination(one, {true, "InstanceDeletionCompleted", "o"}, at_second(9)));
  EXPECT_EQ(conditions[1]["lastTransitionTime"].as_string(), base::format_time(at_second(9)));
  EXPECT_EQ(conditions[1]["status"].as_string(), "False");
}

TEST(CrdCleanup, OnlyItsOwnFinalizerGoes) {
  Value one = definition(kGoing);
  remove_cleanup_finalizer(one);
  EXPECT_EQ(base::write_json(one.at({"metadata", "finalizers"})), R"(["x/y"])");
  EXPECT_FALSE(awaits_cleanup(one));
}

}  // namespace
}  // namespace controllers
