// What is wrong with an object must not cost more than the object: errors are counted, and what they show is
// cut.
#include <gtest/gtest.h>

#include "api/validate_testing.hpp"
#include "base/json.hpp"

namespace api::testing {
namespace {

constexpr int kMany = 20'000;
constexpr size_t kMostText = 1u << 20;

// `item` many times, '#' being its number.
std::string many(std::string_view item) {
  std::string out = "[";
  for (int i = 0; i < kMany; ++i) {
    if (i > 0) out += ',';
    for (char c : item) c == '#' ? out += std::to_string(i) : out += c;
  }
  return out + "]";
}

void expect_short_refusal(std::string_view group, std::string_view kind, const std::string& object) {
  auto checked = validate_create(*built_in(group, kind), json(object));
  ASSERT_FALSE(checked) << kind;
  EXPECT_EQ(checked.error().reason, base::Reason::invalid);
  EXPECT_LT(checked.error().message.size(), kMostText) << kind;
  ASSERT_TRUE(checked.error().details);
  EXPECT_GE(checked.error().details->causes.size(), 1u);
  EXPECT_LE(checked.error().details->causes.size(), 1000u) << kind;
  size_t causes = 0;
  for (const auto& cause : checked.error().details->causes)
    causes += cause.message.size() + cause.field.size();
  EXPECT_LT(causes, kMostText) << kind;
}

// Each of these errors showed the whole list: quadratic.
TEST(ValidateLimits, AnErrorPerElementDoesNotShowAllElements) {
  expect_short_refusal(
      "", "ConfigMap",
      R"({"metadata":{"name":"x","namespace":"d","ownerReferences":)" +
          many(R"({"apiVersion":"v1","kind":"Pod","name":"p#","uid":"#","controller":true})") + "}}");
  expect_short_refusal(
      "", "ResourceQuota",
      R"({"metadata":{"name":"x","namespace":"d"},"spec":{"scopes":)" + many(R"("S#")") + "}}");
  expect_short_refusal(
      "", "ResourceQuota",
      R"({"metadata":{"name":"x","namespace":"d"},"spec":{"scopeSelector":{"matchExpressions":)" +
          many(R"({"scopeName":"S#","operator":"Exists"})") + "}}}");
  expect_short_refusal(
      "storage.k8s.io", "StorageClass",
      R"({"metadata":{"name":"x"},"provisioner":"a.b/c","reclaimPolicy":"Delete","volumeBindingMode":"Immediate",)"
      R"("allowedTopologies":)" +
          many(R"({"matchLabelExpressions":[{"key":"a","values":["b"]}]})") + "}");
}

TEST(ValidateLimits, MessagesEnd) {
  expect_short_refusal("", "ConfigMap",
                       R"({"metadata":{"name":"x","namespace":"d","finalizers":)" + many(R"("!!#")") + "}}");
  expect_short_refusal(
      "", "ConfigMap",
      R"({"metadata":{"name":"x","namespace":"d","labels":{"a":")" + std::string(2u << 20, '!') + R"("}}})");
  auto error = invalid("", "Pod", "p",
                       std::vector<FieldError>(70, invalid_field("f", std::string(8'000, 'x'), "why")));
  EXPECT_NE(error.message.find("and "), std::string::npos);
  EXPECT_NE(error.details->causes[0].message.find("xxx...: why"), std::string::npos);
}

}  // namespace
}  // namespace api::testing
