// Defaults of rbac and admission kinds that depend on other fields or stand in shared types.
#include <array>

#include "api/defaults_kinds.hpp"

namespace api {

namespace {

using base::Array;
using base::Object;
using base::Value;

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";
constexpr std::string_view kAdmission = "admissionregistration.k8s.io";

bool is_blank(const Value* value) {
  return value == nullptr || value->is_null() || (value->is_string() && value->as_string().empty());
}

void set_if_blank(Object& object, std::string_view name, std::string_view text) {
  if (is_blank(object.find(name))) object.set(name, text);
}

void set_if_absent(Object& object, std::string_view name, Value value) {
  const Value* known = object.find(name);
  if (known == nullptr || known->is_null()) object.set(name, std::move(value));
}

// Calls `change` for each object of the list at `name`.
template <class Change>
void for_each_in(Object& object, std::string_view name, Change change) {
  Value* list = object.find(name);
  if (list == nullptr || !list->is_array()) return;
  for (Value& item : list->array()) {
    if (item.is_object()) change(item.object());
  }
}

void default_binding(Value& binding) {
  Value& role = binding.make({"roleRef"});
  if (role.is_object()) set_if_blank(role.object(), "apiGroup", kRbac);
  for_each_in(binding.object(), "subjects", [](Object& subject) {
    const Value* kind = subject.find("kind");
    const std::string_view text = kind ? kind->as_string() : std::string_view();
    if (text == "User" || text == "Group") set_if_blank(subject, "apiGroup", kRbac);
  });
}

void default_rule(Object& rule) { set_if_absent(rule, "scope", "*"); }

void default_webhook(Object& hook) {
  set_if_absent(hook, "failurePolicy", "Fail");
  set_if_absent(hook, "matchPolicy", "Equivalent");
  set_if_absent(hook, "namespaceSelector", Object{});
  set_if_absent(hook, "objectSelector", Object{});
  set_if_absent(hook, "timeoutSeconds", 10);
  for_each_in(hook, "rules", default_rule);
  Value* config = hook.find("clientConfig");
  Value* service = config != nullptr && config->is_object() ? config->object().find("service") : nullptr;
  if (service != nullptr && service->is_object()) set_if_absent(service->object(), "port", 443);
}

void default_validating_webhooks(Value& configuration) {
  for_each_in(configuration.object(), "webhooks", default_webhook);
}

void default_mutating_webhooks(Value& configuration) {
  for_each_in(configuration.object(), "webhooks", [](Object& hook) {
    default_webhook(hook);
    set_if_absent(hook, "reinvocationPolicy", "Never");
  });
}

void default_match_resources(Value* match) {
  if (match == nullptr || !match->is_object()) return;
  Object& object = match->object();
  set_if_absent(object, "matchPolicy", "Equivalent");
  set_if_absent(object, "namespaceSelector", Object{});
  set_if_absent(object, "objectSelector", Object{});
  for_each_in(object, "resourceRules", default_rule);
  for_each_in(object, "excludeResourceRules", default_rule);
}

void default_policy(Value& policy) {
  Value& spec = policy.make({"spec"});
  if (!spec.is_object()) return;
  set_if_absent(spec.object(), "failurePolicy", "Fail");
  default_match_resources(spec.object().find("matchConstraints"));
}

void default_policy_binding(Value& binding) {
  Value& spec = binding.make({"spec"});
  if (spec.is_object()) default_match_resources(spec.object().find("matchResources"));
}

constexpr std::array kDefaulters{
    Defaulter{kRbac, "RoleBinding", default_binding},
    Defaulter{kRbac, "ClusterRoleBinding", default_binding},
    Defaulter{kAdmission, "ValidatingWebhookConfiguration", default_validating_webhooks},
    Defaulter{kAdmission, "MutatingWebhookConfiguration", default_mutating_webhooks},
    Defaulter{kAdmission, "ValidatingAdmissionPolicy", default_policy},
    Defaulter{kAdmission, "MutatingAdmissionPolicy", default_policy},
    Defaulter{kAdmission, "ValidatingAdmissionPolicyBinding", default_policy_binding},
    Defaulter{kAdmission, "MutatingAdmissionPolicyBinding", default_policy_binding},
};

}  // namespace

std::span<const Defaulter> access_defaulters() { return kDefaulters; }

}  // namespace api
