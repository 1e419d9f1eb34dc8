#include <gtest/gtest.h>

#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "base/json.hpp"

namespace api {
namespace {

// The object after decoding and defaulting; doing the latter twice must change nothing.
std::string defaulted(std::string_view api_version, std::string_view name, std::string_view body) {
  static const Registry kinds = load_builtin_kinds().value();
  const auto kind = kinds.find_kind(api_version, name);
  if (!kind) {
    ADD_FAILURE() << "no kind " << name;
    return "";
  }
  auto decoded = decode_body(kinds, *kind, "application/json", body, FieldValidation::strict);
  if (!decoded) {
    ADD_FAILURE() << decoded.error().message;
    return "";
  }
  base::Value object = decoded->object;
  apply_defaults(*kind, object);
  base::Value again = object;
  apply_defaults(*kind, again);
  EXPECT_EQ(base::write_json(again), base::write_json(object));
  object.object().erase("kind");
  object.object().erase("apiVersion");
  object.object().erase("metadata");
  return base::write_json(object);
}

TEST(DefaultsAccess, Bindings) {
  EXPECT_EQ(defaulted("rbac.authorization.k8s.io/v1", "RoleBinding",
                      R"({"roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"User","name":"u"},
                         {"kind":"Group","name":"g"},{"kind":"ServiceAccount","name":"s"}]})"),
            R"({"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"u"},)"
            R"({"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"g"},{"kind":"ServiceAccount","name":"s"}],)"
            R"("roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"r"}})");
}

TEST(DefaultsAccess, Webhooks) {
  EXPECT_EQ(
      defaulted("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration",
                R"({"webhooks":[{"name":"a.b.c","clientConfig":{"service":{"namespace":"n","name":"s"}},
                   "rules":[{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*"]}],
                   "sideEffects":"None","admissionReviewVersions":["v1"]}]})"),
      R"({"webhooks":[{"name":"a.b.c","clientConfig":{"service":{"namespace":"n","name":"s","port":443}},)"
      R"("rules":[{"operations":["*"],"apiGroups":["*"],"apiVersions":["*"],"resources":["*"],"scope":"*"}],)"
      R"("failurePolicy":"Fail","matchPolicy":"Equivalent","namespaceSelector":{},"objectSelector":{},)"
      R"("sideEffects":"None","timeoutSeconds":10,"admissionReviewVersions":["v1"],"reinvocationPolicy":"Never"}]})");
}

TEST(DefaultsAccess, Policies) {
  EXPECT_EQ(defaulted("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy",
                      R"({"spec":{"matchConstraints":{"resourceRules":[{"operations":["CREATE"]}]}}})"),
            R"({"spec":{"matchConstraints":{"namespaceSelector":{},"objectSelector":{},)"
            R"("resourceRules":[{"operations":["CREATE"],"scope":"*"}],"matchPolicy":"Equivalent"},"failurePolicy":"Fail"}})");
  EXPECT_EQ(defaulted("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding",
                      R"({"spec":{"policyName":"p","matchResources":{}}})"),
            R"({"spec":{"policyName":"p","matchResources":{"namespaceSelector":{},"objectSelector":{},)"
            R"("matchPolicy":"Equivalent"}}})");
}

}  // namespace
}  // namespace api
