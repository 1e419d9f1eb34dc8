// Two shapes that only access kinds have: maps of lists, and structs inlined twice. The bytes are written out by hand.
#include <gtest/gtest.h>

#include "api/protobuf.hpp"
#include "base/json.hpp"

namespace api {
namespace {

KindPtr kind(std::string_view api_version, std::string_view name) {
  static const Registry kinds = load_builtin_kinds().value();
  auto found = kinds.find_kind(api_version, name);
  EXPECT_TRUE(found) << name;
  return found;
}

TEST(ProtobufAccess, MapsOfLists) {
  const auto review = kind("authorization.k8s.io/v1", "SubjectAccessReview");
  const std::string text =
      R"({"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"extra":{"a":["b","c"]}}})";
  const std::string bytes = encode_protobuf(*review, base::parse_json(text).value());
  // extra = 5: {key = 1: "a", value = 2: {items = 1: "b", items = 1: "c"}}
  EXPECT_NE(bytes.find(std::string_view("\x2a\x0b\x0a\x01" "a" "\x12\x06\x0a\x01" "b" "\x0a\x01" "c", 13)),
            std::string::npos);
  auto back = decode_protobuf(*review, bytes);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(base::write_json((*back)["spec"]), R"({"extra":{"a":["b","c"]}})");
}

TEST(ProtobufAccess, StructsInlinedTwice) {
  const auto policy = kind("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy");
  const std::string rule = R"({"resourceNames":["n"],"operations":["CREATE"],"apiGroups":["apps"],"scope":"*"})";
  const std::string text =
      R"({"kind":"ValidatingAdmissionPolicy","apiVersion":"admissionregistration.k8s.io/v1","spec":{"matchConstraints":)"
      R"({"resourceRules":[)" + rule + "]}}}";
  const std::string bytes = encode_protobuf(*policy, base::parse_json(text).value());
  // resourceNames = 1, ruleWithOperations = 2: {operations = 1, rule = 2: {apiGroups = 1, scope = 4}}
  EXPECT_NE(bytes.find(std::string_view("\x0a\x01" "n" "\x12\x13\x0a\x06" "CREATE" "\x12\x09\x0a\x04" "apps" "\x22\x01*",
                                        24)),
            std::string::npos);
  auto back = decode_protobuf(*policy, bytes);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(base::write_json(back->at({"spec", "matchConstraints", "resourceRules"})), "[" + rule + "]");
}

}  // namespace
}  // namespace api
