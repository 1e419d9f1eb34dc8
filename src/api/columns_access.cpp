// The tables of rbac, certificates and admission kinds.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "api/meta.hpp"
#include "api/printing.hpp"
#include "base/strings.hpp"
#include "base/time.hpp"

namespace api::printing {

namespace {

using base::Time;
using base::Value;

constexpr std::string_view kUnset = "<unset>";
constexpr std::string_view kAdmission = "admissionregistration.k8s.io";

// ---- rbac

std::string subjects_text(const Value& binding, std::string_view kind) {
  std::vector<std::string> names;
  for (const Value& subject : binding["subjects"].as_array()) {
    if (subject["kind"].as_string() != kind) continue;
    std::string name(subject["name"].as_string());
    names.push_back(kind == "ServiceAccount" ? fmt::format("{}/{}", subject["namespace"].as_string(), name) : name);
  }
  return base::join(names, ", ");
}

Cells binding_cells(const Value& binding, Time now) {
  const Value& role = binding["roleRef"];
  return {name_of(binding),
          fmt::format("{}/{}", role["kind"].as_string(), role["name"].as_string()),
          age(binding, now),
          subjects_text(binding, "User"),
          subjects_text(binding, "Group"),
          subjects_text(binding, "ServiceAccount")};
}

std::vector<Column> binding_columns() {
  return {name_column(),
          text("Role", "The role whose permissions are given."),
          age_column(),
          wide("Users", "Users who get the permissions."),
          wide("Groups", "Groups that get the permissions."),
          wide("ServiceAccounts", "Service accounts that get the permissions.")};
}

// ---- certificates

std::string request_state(const Value& request) {
  bool approved = false, denied = false, failed = false;
  for (const Value& condition : request.at({"status", "conditions"}).as_array()) {
    const std::string_view type = condition["type"].as_string();
    approved = approved || type == "Approved";
    denied = denied || type == "Denied";
    failed = failed || type == "Failed";
  }
  std::string out = denied ? "Denied" : approved ? "Approved" : "Pending";
  if (failed) out += ",Failed";
  if (!request.at({"status", "certificate"}).as_string().empty()) out += ",Issued";
  return out;
}

Cells request_cells(const Value& request, Time now) {
  const Value& spec = request["spec"];
  const std::string_view signer = spec["signerName"].as_string();
  const auto seconds = spec["expirationSeconds"].as_int();
  return {name_of(request),
          age(request, now),
          signer.empty() ? kNone : signer,
          spec["username"].as_string(),
          seconds ? base::human_duration(std::chrono::seconds(*seconds)) : std::string(kNone),
          request_state(request)};
}

// ---- admission

int64_t count(const Value& list) { return static_cast<int64_t>(list.as_array().size()); }

Cells webhook_cells(const Value& object, Time now) {
  return {name_of(object), count(object["webhooks"]), age(object, now)};
}

std::string param_kind_text(const Value& policy) {
  const Value& kind = policy.at({"spec", "paramKind"});
  if (!kind.is_object()) return std::string(kUnset);
  return fmt::format("{}/{}", kind["apiVersion"].as_string(), kind["kind"].as_string());
}

// A label selector as upstream's debug text has it: what it shows in this cell.
std::string selector_text(const Value& selector) {
  std::vector<std::string> labels;
  for (const auto& [key, value] : selector["matchLabels"].as_object()) {
    labels.push_back(fmt::format("{}: {},", key, value.as_string()));
  }
  std::sort(labels.begin(), labels.end());
  std::string parts;
  for (const Value& one : selector["matchExpressions"].as_array()) {
    std::vector<std::string> values;
    for (const Value& value : one["values"].as_array()) values.emplace_back(value.as_string());
    parts += fmt::format("LabelSelectorRequirement{{Key:{},Operator:{},Values:[{}],}},", one["key"].as_string(),
                         one["operator"].as_string(), base::join(values, " "));
  }
  return fmt::format(
      "&LabelSelector{{MatchLabels:map[string]string{{{}}},MatchExpressions:[]LabelSelectorRequirement{{{}}},}}",
      base::join(labels, ""), parts);
}

std::string param_ref_text(const Value& binding) {
  const Value& ref = binding.at({"spec", "paramRef"});
  const std::string_view name = ref["name"].as_string(), space = ref["namespace"].as_string();
  if (!name.empty()) return fmt::format("{}/{}", space.empty() ? "*" : space, name);
  return ref["selector"].is_object() ? selector_text(ref["selector"]) : std::string(kUnset);
}

Cells validating_policy_cells(const Value& policy, Time now) {
  return {name_of(policy), count(policy.at({"spec", "validations"})), param_kind_text(policy), age(policy, now)};
}

Cells mutating_policy_cells(const Value& policy, Time now) {
  return {name_of(policy), count(policy.at({"spec", "mutations"})), param_kind_text(policy), age(policy, now)};
}

Cells policy_binding_cells(const Value& binding, Time now) {
  return {name_of(binding), binding.at({"spec", "policyName"}).as_string(), param_ref_text(binding),
          age(binding, now)};
}

std::vector<Column> webhook_columns() {
  return {name_column(), number("Webhooks", "How many webhooks there are."), age_column()};
}

std::vector<Column> policy_columns(std::string counted, std::string description) {
  return {name_column(), number(std::move(counted), std::move(description)),
          text("ParamKind", "Kind of the objects with the policy's parameters."), age_column()};
}

std::vector<Column> policy_binding_columns() {
  return {name_column(), text("PolicyName", "The policy that is put in force."),
          text("ParamRef", "The objects with the policy's parameters."), age_column()};
}

// ---- componentstatuses

Cells component_cells(const Value& component, Time) {
  std::string state, message, error;
  for (const Value& condition : component["conditions"].as_array()) {
    if (condition["type"].as_string() != "Healthy") continue;
    const std::string_view status = condition["status"].as_string();
    state = status == "True" ? "Healthy" : status == "False" ? "Unhealthy" : "Unknown";
    message = condition["message"].as_string();
    error = condition["error"].as_string();
  }
  return {name_of(component), state, message, error};
}

}  // namespace

void add_access_printers(std::vector<Printer>& out) {
  for (const char* kind : {"RoleBinding", "ClusterRoleBinding"}) {
    out.push_back({"rbac.authorization.k8s.io", kind, binding_columns(), binding_cells});
  }
  out.push_back({"certificates.k8s.io",
                 "CertificateSigningRequest",
                 {name_column(), age_column(), text("SignerName", "Who is asked to sign."),
                  text("Requestor", "Who made the request."),
                  text("RequestedDuration", "The life time that is asked for."),
                  text("Condition", "Pending, Approved or Denied, and what became of it.")},
                 request_cells});
  for (const char* kind : {"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"}) {
    out.push_back({kAdmission, kind, webhook_columns(), webhook_cells});
  }
  out.push_back({kAdmission, "ValidatingAdmissionPolicy",
                 policy_columns("Validations", "How many conditions the policy checks."), validating_policy_cells});
  out.push_back({kAdmission, "MutatingAdmissionPolicy",
                 policy_columns("Mutations", "How many changes the policy makes."), mutating_policy_cells});
  for (const char* kind : {"ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding"}) {
    out.push_back({kAdmission, kind, policy_binding_columns(), policy_binding_cells});
  }
  out.push_back({"",
                 "ComponentStatus",
                 {name_column(), text("Status", "Healthy, Unhealthy or Unknown."),
                  text("Message", "What was found."), text("Error", "What went wrong.")},
                 component_cells});
}

}  // namespace api::printing
