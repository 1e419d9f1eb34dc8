// Rules for rbac, and the table of all access kinds.
#include "api/validate_access.hpp"

#include <algorithm>
#include <array>

#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";
constexpr std::string_view kCertificates = "certificates.k8s.io";
constexpr std::string_view kAdmission = "admissionregistration.k8s.io";

bool is_empty(const Value& list) { return list.as_array().empty(); }

void check_rule(Problems& out, const Value& rule, const std::string& path, bool namespaced) {
  if (is_empty(rule["verbs"])) out.required(child(path, "verbs"), "verbs must contain at least one value");
  const Value& urls = rule["nonResourceURLs"];
  if (!is_empty(urls)) {
    const std::string at = child(path, "nonResourceURLs");
    if (namespaced) out.invalid(at, urls, std::string("namespaced rules cannot apply to non-resource URLs"));
    if (!is_empty(rule["apiGroups"]) || !is_empty(rule["resources"]) || !is_empty(rule["resourceNames"])) {
      out.invalid(at, urls, std::string("rules cannot apply to both regular resources and non-resource URLs"));
    }
    return;
  }
  if (is_empty(rule["apiGroups"]))
    out.required(child(path, "apiGroups"), "resource rules must supply at least one api group");
  if (is_empty(rule["resources"]))
    out.required(child(path, "resources"), "resource rules must supply at least one resource");
  if (!is_empty(rule["resourceNames"]) && rule["resources"].as_array().size() > 1)
    out.required(child(path, "resourceNames"), "resource names cannot apply to multiple resources");
}

void check_rules(Problems& out, const Value& role, bool namespaced) {
  const auto& rules = role["rules"].as_array();
  for (size_t i = 0; i < rules.size(); ++i) check_rule(out, rules[i], index("rules", i), namespaced);
}

void check_role(Problems& out, const Value& role) { check_rules(out, role, true); }

void check_cluster_role(Problems& out, const Value& role) {
  check_rules(out, role, false);
  const Value& rule = role["aggregationRule"];
  if (!rule.is_object()) return;
  const std::string path = "aggregationRule.clusterRoleSelectors";
  const auto& selectors = rule["clusterRoleSelectors"].as_array();
  if (selectors.empty()) out.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil");
  for (size_t i = 0; i < selectors.size(); ++i) out.label_selector(index(path, i), selectors[i]);
}

void check_subject(Problems& out, const Value& subject, const std::string& path, bool namespaced) {
  const std::string_view kind = subject["kind"].as_string(), name = subject["name"].as_string();
  const std::string group(subject["apiGroup"].as_string());
  if (name.empty()) out.required(child(path, "name"));
  if (kind == "ServiceAccount") {
    if (!name.empty()) out.invalid(child(path, "name"), name, base::check_dns1123_subdomain(name));
    if (!group.empty()) out.unsupported(child(path, "apiGroup"), group, {""});
    if (!namespaced && subject["namespace"].as_string().empty()) out.required(child(path, "namespace"));
  } else if (kind == "User" || kind == "Group") {
    if (name.empty())
      out.invalid(child(path, "name"), "",
                  std::string(kind == "User" ? "user name cannot be empty" : "group name cannot be empty"));
    if (group != kRbac) out.unsupported(child(path, "apiGroup"), group, {kRbac});
  } else {
    out.unsupported(child(path, "kind"), std::string(kind), {"ServiceAccount", "User", "Group"});
  }
}

void check_binding(Problems& out, const Value& binding, bool namespaced) {
  const Value& role = binding["roleRef"];
  const std::string group(role["apiGroup"].as_string()), kind(role["kind"].as_string());
  const std::string_view name = role["name"].as_string();
  if (group != kRbac) out.unsupported("roleRef.apiGroup", group, {kRbac});
  if (namespaced && kind != "Role" && kind != "ClusterRole")
    out.unsupported("roleRef.kind", kind, {"Role", "ClusterRole"});
  if (!namespaced && kind != "ClusterRole") out.unsupported("roleRef.kind", kind, {"ClusterRole"});
  if (name.empty())
    out.required("roleRef.name");
  else
    out.invalid("roleRef.name", name, check_path_segment(name));
  const auto& subjects = binding["subjects"].as_array();
  for (size_t i = 0; i < subjects.size(); ++i) check_subject(out, subjects[i], index("subjects", i), namespaced);
}

void check_role_binding(Problems& out, const Value& binding) { check_binding(out, binding, true); }
void check_cluster_role_binding(Problems& out, const Value& binding) { check_binding(out, binding, false); }

void check_role_ref_update(Problems& out, const Value& fresh, const Value& old) {
  if (fresh["roleRef"] != old["roleRef"])
    out.invalid("roleRef", fresh["roleRef"], std::string("cannot change roleRef"));
}

constexpr std::array kRules{
    KindRules{kRbac, "Role", check_path_segment, check_role},
    KindRules{kRbac, "ClusterRole", check_path_segment, check_cluster_role},
    KindRules{kRbac, "RoleBinding", check_path_segment, check_role_binding, check_role_ref_update},
    KindRules{kRbac, "ClusterRoleBinding", check_path_segment, check_cluster_role_binding, check_role_ref_update},
    KindRules{kCertificates, "CertificateSigningRequest", check_path_segment, check_signing_request,
              check_signing_request_update, check_signing_request_status},
    KindRules{kAdmission, "ValidatingWebhookConfiguration", nullptr, check_validating_webhooks},
    KindRules{kAdmission, "MutatingWebhookConfiguration", nullptr, check_mutating_webhooks},
    KindRules{kAdmission, "ValidatingAdmissionPolicy", nullptr, check_validating_policy},
    KindRules{kAdmission, "MutatingAdmissionPolicy", nullptr, check_mutating_policy},
    KindRules{kAdmission, "ValidatingAdmissionPolicyBinding", nullptr, check_validating_policy_binding},
    KindRules{kAdmission, "MutatingAdmissionPolicyBinding", nullptr, check_mutating_policy_binding},
};

}  // namespace

std::span<const KindRules> access_rules() { return kRules; }

}  // namespace api::rules
