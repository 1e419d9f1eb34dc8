// Rules for webhook configurations and admission policies. CEL expressions must be there; they are compiled when a
// policy is evaluated, not here.
#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "api/meta.hpp"
#include "api/validate_access.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr size_t kMaxMatchConditions = 64;
constexpr size_t kMaxAuditAnnotations = 20;
constexpr size_t kMaxAuditExpression = 5 * 1024;
constexpr std::string_view kForm = "; desired format: https://host[/path]";

using Choices = std::initializer_list<std::string_view>;
constexpr Choices kFailurePolicies = {"Fail", "Ignore"};
constexpr Choices kMatchPolicies = {"Equivalent", "Exact"};
constexpr Choices kReinvocationPolicies = {"IfNeeded", "Never"};
constexpr Choices kSideEffects = {"None", "NoneOnDryRun"};
constexpr Choices kScopes = {"*", "Cluster", "Namespaced"};
constexpr Choices kOperations = {"*", "CONNECT", "CREATE", "DELETE", "UPDATE"};
constexpr Choices kMutatingOperations = {"*", "CONNECT", "CREATE", "UPDATE"};

bool contains(Choices choices, std::string_view text) {
  return std::find(choices.begin(), choices.end(), text) != choices.end();
}

bool has_wildcard(const Value& list) {
  return std::ranges::any_of(list.as_array(), [](const Value& one) { return one.as_string() == "*"; });
}

bool is_blank(std::string_view text) { return base::trim(text).empty(); }

// Unsupported when it is there and none of these.
void check_choice(Problems& out, const std::string& path, const Value& value, Choices choices) {
  if (!value.is_null() && !contains(choices, value.as_string())) out.unsupported(path, value, choices);
}

// ---- rules ----------------------------------------------------------------------------------------------------------

// "x/*" and "*/x" leave no room for others that they include.
void check_resources(Problems& out, const Value& resources, const std::string& path) {
  const auto& list = resources.as_array();
  if (list.empty()) out.required(path);
  std::set<std::string> all_parts_of, part_of_all;
  bool double_wildcard = false, wildcard = false, plain = false;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string text(list[i].as_string());
    if (text.empty()) {
      out.required(index(path, i));
      continue;
    }
    double_wildcard = double_wildcard || text == "*/*";
    wildcard = wildcard || text == "*";
    const size_t slash = text.find('/');
    if (slash == std::string::npos) {
      plain = text != "*";
      continue;
    }
    const std::string resource = text.substr(0, slash), part = text.substr(slash + 1);
    if (all_parts_of.contains(resource))
      out.invalid(index(path, i), text, fmt::format("if '{}/*' is present, must not specify {}", resource, text));
    if (part_of_all.contains(part))
      out.invalid(index(path, i), text, fmt::format("if '*/{}' is present, must not specify {}", part, text));
    if (part == "*") all_parts_of.insert(resource);
    if (resource == "*") part_of_all.insert(part);
  }
  if (list.size() > 1 && double_wildcard)
    out.invalid(path, resources, std::string("if '*/*' is present, must not specify other resources"));
  if (wildcard && plain)
    out.invalid(path, resources,
                std::string("if '*' is present, must not specify other resources without subresources"));
}

void check_wildcard_list(Problems& out, const Value& list, const std::string& path, std::string_view what) {
  if (list.as_array().empty()) out.required(path);
  if (list.as_array().size() > 1 && has_wildcard(list))
    out.invalid(path, list, fmt::format("if '*' is present, must not specify other {}", what));
}

void check_rule(Problems& out, const Value& rule, const std::string& path, Choices operations) {
  const Value& wanted = rule["operations"];
  check_wildcard_list(out, wanted, child(path, "operations"), "operations");
  for (size_t i = 0; i < wanted.as_array().size(); ++i)
    check_choice(out, index(child(path, "operations"), i), wanted.as_array()[i], operations);
  check_wildcard_list(out, rule["apiGroups"], child(path, "apiGroups"), "API groups");
  check_wildcard_list(out, rule["apiVersions"], child(path, "apiVersions"), "API versions");
  const auto& versions = rule["apiVersions"].as_array();
  for (size_t i = 0; i < versions.size(); ++i)
    if (versions[i].as_string().empty()) out.required(index(child(path, "apiVersions"), i));
  check_resources(out, rule["resources"], child(path, "resources"));
  check_choice(out, child(path, "scope"), rule["scope"], kScopes);
}

void check_named_rules(Problems& out, const Value& rules, const std::string& path, Choices operations) {
  const auto& list = rules.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = child(index(path, i), "resourceNames");
    std::set<std::string_view> seen;
    const auto& names = list[i]["resourceNames"].as_array();
    for (size_t k = 0; k < names.size(); ++k) {
      out.invalid(index(at, k), names[k], check_path_segment(names[k].as_string()));
      if (!seen.insert(names[k].as_string()).second) out.duplicate(index(at, k), names[k]);
    }
    check_rule(out, list[i], index(path, i), operations);
  }
}

void check_match_conditions(Problems& out, const Value& conditions, const std::string& path) {
  const auto& list = conditions.as_array();
  if (list.size() > kMaxMatchConditions) out.too_many(path, list.size(), kMaxMatchConditions);
  std::set<std::string_view> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index(path, i);
    const Value& name = list[i]["name"];
    if (is_blank(list[i]["expression"].as_string())) out.required(child(at, "expression"));
    if (name.as_string().empty()) {
      out.required(child(at, "name"));
      continue;
    }
    out.qualified_name(child(at, "name"), name);
    if (!seen.insert(name.as_string()).second) out.duplicate(child(at, "name"), name);
  }
}

// ---- webhooks -------------------------------------------------------------------------------------------------------

void check_url(Problems& out, std::string_view url, const std::string& path) {
  const size_t colon = url.find("://");
  const std::string scheme = base::to_lower(url.substr(0, colon == std::string_view::npos ? 0 : colon));
  if (scheme != "https")
    out.invalid(path, scheme, "'https' is the only allowed URL scheme" + std::string(kForm));
  std::string_view rest = colon == std::string_view::npos ? std::string_view() : url.substr(colon + 3);
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  rest.remove_prefix(authority.size());
  std::string_view user;
  const size_t at = authority.rfind('@');
  const bool has_user = at != std::string_view::npos;
  if (has_user) {
    user = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  if (authority.empty()) out.invalid(path, "", "host must be specified" + std::string(kForm));
  if (has_user) out.invalid(path, user, std::string("user information is not permitted in the URL"));
  const size_t hash = rest.find('#');
  if (hash != std::string_view::npos && hash + 1 < rest.size())
    out.invalid(path, rest.substr(hash + 1), std::string("fragments are not permitted in the URL"));
  rest = rest.substr(0, hash);
  const size_t mark = rest.find('?');
  if (mark != std::string_view::npos && mark + 1 < rest.size())
    out.invalid(path, rest.substr(mark + 1), std::string("query parameters are not permitted in the URL"));
}

void check_service_path(Problems& out, std::string_view text, const std::string& path) {
  if (text.empty() || text == "/") return;
  const auto wrong = [&](std::string why) { out.invalid(path, text, std::move(why)); };
  if (text == "//") return wrong("segment[0] may not be empty");
  if (!text.starts_with('/')) wrong("must start with a '/'");
  std::string_view rest = text.substr(1);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const auto steps = base::split(rest, '/');
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].empty()) {
      wrong(fmt::format("segment[{}] may not be empty", i));
      continue;
    }
    for (const std::string& message : base::check_dns1123_subdomain(steps[i]))
      wrong(fmt::format("segment[{}]: {}", i, message));
  }
}

void check_client_config(Problems& out, const Value& config, const std::string& path) {
  const Value &url = config["url"], &service = config["service"];
  if (url.is_null() == service.is_null()) return out.required(path, "exactly one of url or service is required");
  if (!url.is_null()) return check_url(out, url.as_string(), child(path, "url"));
  const std::string at = child(path, "service");
  if (service["name"].as_string().empty()) out.required(child(at, "name"));
  if (service["namespace"].as_string().empty()) out.required(child(at, "namespace"));
  const int64_t port = service["port"].int_or(443);
  if (port < 1 || port > 65'535)
    out.invalid(child(at, "port"), service["port"],
                std::string("port is not valid: must be between 1 and 65535, inclusive"));
  check_service_path(out, service["path"].as_string(), child(at, "path"));
}

void check_review_versions(Problems& out, const Value& versions, const std::string& path) {
  const auto& list = versions.as_array();
  if (list.empty()) return out.required(path, "must specify one of v1, v1beta1");
  std::set<std::string_view> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string_view version = list[i].as_string();
    if (!seen.insert(version).second)
      out.invalid(index(path, i), version, std::string("duplicate version"));
    else
      out.invalid(index(path, i), version, base::check_dns1035_label(version));
  }
  if (!seen.contains("v1") && !seen.contains("v1beta1"))
    out.invalid(path, versions, std::string("must include at least one of v1, v1beta1"));
}

void check_hook_name(Problems& out, const Value& name, const std::string& path) {
  const std::string_view text = name.as_string();
  if (text.empty()) return out.required(path);
  if (const auto messages = base::check_dns1123_subdomain(text); !messages.empty())
    return out.invalid(path, name, base::join(messages, ","));
  if (std::ranges::count(text, '.') < 2)
    out.invalid(path, name, std::string("should be a domain with at least three segments separated by dots"));
}

void check_webhook(Problems& out, const Value& hook, const std::string& path) {
  check_hook_name(out, hook["name"], child(path, "name"));
  const auto& rules = hook["rules"].as_array();
  for (size_t i = 0; i < rules.size(); ++i) check_rule(out, rules[i], index(child(path, "rules"), i), kOperations);
  check_choice(out, child(path, "failurePolicy"), hook["failurePolicy"], kFailurePolicies);
  check_choice(out, child(path, "matchPolicy"), hook["matchPolicy"], kMatchPolicies);
  if (hook["sideEffects"].is_null())
    out.required(child(path, "sideEffects"), "must specify one of None, NoneOnDryRun");
  check_choice(out, child(path, "sideEffects"), hook["sideEffects"], kSideEffects);
  const Value& timeout = hook["timeoutSeconds"];
  if (const auto seconds = timeout.as_int(); seconds && (*seconds < 1 || *seconds > 30))
    out.invalid(child(path, "timeoutSeconds"), timeout,
                std::string("the timeout value must be between 1 and 30 seconds"));
  out.label_selector(child(path, "namespaceSelector"), hook["namespaceSelector"]);
  out.label_selector(child(path, "objectSelector"), hook["objectSelector"]);
  check_choice(out, child(path, "reinvocationPolicy"), hook["reinvocationPolicy"], kReinvocationPolicies);
  check_client_config(out, hook["clientConfig"], child(path, "clientConfig"));
  check_match_conditions(out, hook["matchConditions"], child(path, "matchConditions"));
  check_review_versions(out, hook["admissionReviewVersions"], child(path, "admissionReviewVersions"));
}

void check_webhooks(Problems& out, const Value& object) {
  const auto& hooks = object["webhooks"].as_array();
  std::set<std::string_view> seen;
  for (size_t i = 0; i < hooks.size(); ++i) {
    const std::string at = index("webhooks", i);
    check_webhook(out, hooks[i], at);
    const Value& name = hooks[i]["name"];
    if (!name.as_string().empty() && !seen.insert(name.as_string()).second) out.duplicate(child(at, "name"), name);
  }
}

// ---- policies -------------------------------------------------------------------------------------------------------

void check_match_resources(Problems& out, const Value& match, const std::string& path, Choices operations) {
  if (match.is_null()) return;
  if (match["matchPolicy"].is_null()) out.required(child(path, "matchPolicy"));
  check_choice(out, child(path, "matchPolicy"), match["matchPolicy"], kMatchPolicies);
  for (const char* selector : {"namespaceSelector", "objectSelector"}) {
    if (match[selector].is_null())
      out.required(child(path, selector));
    else
      out.label_selector(child(path, selector), match[selector]);
  }
  check_named_rules(out, match["resourceRules"], child(path, "resourceRules"), operations);
  check_named_rules(out, match["excludeResourceRules"], child(path, "excludeResourceRules"), operations);
}

void check_param_kind(Problems& out, const Value& param, const std::string& path) {
  if (param.is_null()) return;
  const std::string version_path = child(path, "apiVersion"), kind_path = child(path, "kind");
  const Value &version = param["apiVersion"], &kind = param["kind"];
  const std::string_view text = version.as_string();
  if (text.empty()) {
    out.required(version_path);
  } else if (std::ranges::count(text, '/') > 1) {
    out.invalid(version_path, version, fmt::format("unexpected GroupVersion string: {}", text));
  } else {
    const size_t slash = text.find('/');
    const std::string_view group = slash == std::string_view::npos ? std::string_view() : text.substr(0, slash);
    const std::string_view number = slash == std::string_view::npos ? text : text.substr(slash + 1);
    if (!group.empty())
      if (const auto messages = base::check_dns1123_subdomain(group); !messages.empty())
        out.invalid(version_path, group, base::join(messages, ","));
    if (number.empty())
      out.invalid(version_path, version, std::string("version must be specified"));
    else if (const auto messages = base::check_dns1035_label(number); !messages.empty())
      out.invalid(version_path, number, base::join(messages, ","));
  }
  if (kind.as_string().empty()) return out.required(kind_path);
  if (const auto messages = base::check_dns1035_label(base::to_lower(kind.as_string())); !messages.empty())
    out.invalid(kind_path, kind, "may have mixed case, but should otherwise match: " + base::join(messages, ","));
}

void check_param_ref(Problems& out, const Value& ref, const std::string& path) {
  if (ref.is_null()) return;
  const Value &name = ref["name"], &selector = ref["selector"], &action = ref["parameterNotFoundAction"];
  constexpr std::string_view kBoth = "name and selector are mutually exclusive";
  const bool named = !name.as_string().empty();
  if (named) out.invalid(child(path, "name"), name, check_path_segment(name.as_string()));
  if (named && !selector.is_null()) out.forbidden(child(path, "name"), std::string(kBoth));
  if (!selector.is_null()) out.label_selector(child(path, "selector"), selector);
  if (named && !selector.is_null()) out.forbidden(child(path, "selector"), std::string(kBoth));
  if (!named && selector.is_null()) out.required(path, "one of name or selector must be specified");
  if (action.as_string().empty())
    out.required(child(path, "parameterNotFoundAction"));
  else
    check_choice(out, child(path, "parameterNotFoundAction"), action, {"Deny", "Allow"});
}

bool is_cel_identifier(std::string_view name) {
  constexpr std::array<std::string_view, 21> kReserved = {
      "true", "false",    "null", "in",     "as",  "break",   "const",     "continue", "else", "for",  "function",
      "if",   "import",   "let",  "loop",   "package", "namespace", "return", "var",   "void", "while"};
  const auto is_letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_part = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  return !name.empty() && is_letter(name.front()) && std::ranges::all_of(name, is_part) &&
         std::ranges::find(kReserved, name) == kReserved.end();
}

void check_variables(Problems& out, const Value& variables, const std::string& path) {
  const auto& list = variables.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index(path, i);
    const std::string_view name = list[i]["name"].as_string();
    if (is_blank(name))
      out.required(child(at, "name"), "name is not specified");
    else if (!is_cel_identifier(name))
      out.invalid(child(at, "name"), name, std::string("name is not a valid CEL identifier"));
    if (is_blank(list[i]["expression"].as_string()))
      out.required(child(at, "expression"), "expression is not specified");
  }
}

void check_validation(Problems& out, const Value& one, const std::string& path) {
  const Value &message = one["message"], &expression = one["messageExpression"];
  if (is_blank(one["expression"].as_string()))
    out.required(child(path, "expression"), "expression is not specified");
  if (!expression.as_string().empty() && is_blank(expression.as_string()))
    out.invalid(child(path, "messageExpression"), expression, std::string("must be non-empty if specified"));
  const std::string_view text = base::trim(message.as_string());
  if (!message.as_string().empty() && text.empty())
    out.invalid(child(path, "message"), message, std::string("message must be non-empty if specified"));
  else if (text.find_first_of("\r\n") != std::string_view::npos)
    out.invalid(child(path, "message"), message, std::string("message must not contain line breaks"));
  check_choice(out, child(path, "reason"), one["reason"],
               {"Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"});
}

void check_audit_annotations(Problems& out, const Value& policy, const std::string& path) {
  const Value& annotations = policy.at({"spec", "auditAnnotations"});
  const auto& list = annotations.as_array();
  if (list.size() > kMaxAuditAnnotations)
    out.invalid(path, annotations,
                fmt::format("must not have more than {} auditAnnotations", kMaxAuditAnnotations));
  std::set<std::string_view> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index(path, i), value_path = child(at, "valueExpression");
    const Value& name = list[i]["key"];
    const std::string_view value = base::trim(list[i]["valueExpression"].as_string());
    if (name_of(policy).empty())
      out.invalid(child(at, "key"), name, std::string("requires metadata.name be non-empty"));
    else
      out.qualified_name(child(at, "key"), fmt::format("{}/{}", name_of(policy), name.as_string()));
    if (value.empty()) out.required(value_path, "valueExpression is not specified");
    if (value.size() > kMaxAuditExpression)
      out.required(value_path, fmt::format("must not exceed {} bytes in length", kMaxAuditExpression));
    if (!seen.insert(name.as_string()).second) out.duplicate(child(at, "key"), name);
  }
}

void check_policy_start(Problems& out, const Value& spec, Choices operations) {
  if (spec["failurePolicy"].is_null()) out.required("spec.failurePolicy");
  check_choice(out, "spec.failurePolicy", spec["failurePolicy"], kFailurePolicies);
  check_param_kind(out, spec["paramKind"], "spec.paramKind");
  const Value& match = spec["matchConstraints"];
  if (match.is_null()) {
    out.required("spec.matchConstraints");
  } else {
    check_match_resources(out, match, "spec.matchConstraints", operations);
    if (match["resourceRules"].as_array().empty()) out.required("spec.matchConstraints.resourceRules");
  }
  check_match_conditions(out, spec["matchConditions"], "spec.matchConditions");
  check_variables(out, spec["variables"], "spec.variables");
}

void check_mutation(Problems& out, const Value& one, const std::string& path) {
  const std::string_view type = one["patchType"].as_string();
  if (type.empty()) return out.required(child(path, "patchType"));
  if (type != "ApplyConfiguration" && type != "JSONPatch")
    return out.unsupported(child(path, "patchType"), one["patchType"], {"ApplyConfiguration", "JSONPatch"});
  const bool json = type == "JSONPatch";
  const std::string wanted = json ? "jsonPatch" : "applyConfiguration";
  const std::string other = json ? "applyConfiguration" : "jsonPatch";
  if (one[wanted].is_null())
    out.required(child(path, wanted), fmt::format("must be specified when patchType is {}", type));
  else if (is_blank(one[wanted]["expression"].as_string()))
    out.required(child(child(path, wanted), "expression"));
  if (!one[other].is_null())
    out.invalid(child(path, other), "{" + other + "}",
                fmt::format("must not be specified when patchType is {}", type));
}

void check_policy_binding(Problems& out, const Value& binding, Choices operations) {
  const Value& spec = binding["spec"];
  const std::string_view name = spec["policyName"].as_string();
  if (name.empty())
    out.required("spec.policyName");
  else
    out.invalid("spec.policyName", name, base::check_dns1123_subdomain(name));
  check_param_ref(out, spec["paramRef"], "spec.paramRef");
  check_match_resources(out, spec["matchResources"], "spec.matchResources", operations);
}

}  // namespace

void check_validating_webhooks(Problems& out, const Value& object) { check_webhooks(out, object); }
void check_mutating_webhooks(Problems& out, const Value& object) { check_webhooks(out, object); }

void check_validating_policy(Problems& out, const Value& policy) {
  const Value& spec = policy["spec"];
  check_policy_start(out, spec, kOperations);
  const auto& validations = spec["validations"].as_array();
  if (validations.empty() && spec["auditAnnotations"].as_array().empty()) {
    for (const char* path : {"spec.validations", "spec.auditAnnotations"})
      out.required(path, "validations or auditAnnotations must contain at least one item");
    return;
  }
  for (size_t i = 0; i < validations.size(); ++i) check_validation(out, validations[i], index("spec.validations", i));
  check_audit_annotations(out, policy, "spec.auditAnnotations");
}

void check_mutating_policy(Problems& out, const Value& policy) {
  const Value& spec = policy["spec"];
  check_policy_start(out, spec, kMutatingOperations);
  const auto& mutations = spec["mutations"].as_array();
  if (mutations.empty()) out.required("spec.mutations", "mutations must contain at least one item");
  for (size_t i = 0; i < mutations.size(); ++i) check_mutation(out, mutations[i], index("spec.mutations", i));
  const Value& reinvocation = spec["reinvocationPolicy"];
  if (reinvocation.as_string().empty())
    out.required("spec.reinvocationPolicy");
  else
    check_choice(out, "spec.reinvocationPolicy", reinvocation, kReinvocationPolicies);
}

void check_validating_policy_binding(Problems& out, const Value& binding) {
  check_policy_binding(out, binding, kOperations);
  const std::string path = "spec.validationActions";
  const Value& actions = binding.at({"spec", "validationActions"});
  const auto& list = actions.as_array();
  std::set<std::string_view> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    check_choice(out, index(path, i), list[i], {"Audit", "Deny", "Warn"});
    if (!seen.insert(list[i].as_string()).second) out.duplicate(index(path, i), list[i]);
  }
  if (seen.contains("Deny") && seen.contains("Warn"))
    out.invalid(path, actions,
                std::string("must not contain both Deny and Warn (repeating the same validation failure information in "
                            "the API response and headers serves no purpose)"));
  if (seen.empty()) out.required(path, "at least one validation action is required");
}

void check_mutating_policy_binding(Problems& out, const Value& binding) {
  check_policy_binding(out, binding, kMutatingOperations);
}

}  // namespace api::rules
