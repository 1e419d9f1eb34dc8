// Rules for flow schemas and priority levels.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "api/meta.hpp"
#include "api/validate_platform.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr int64_t kMaxPrecedence = 10'000, kMaxQueues = 10'000'000;
constexpr int kMaxHashBits = 60;

// The objects without which no request could be placed: their specs are as the API server makes them.
struct Mandatory {
  std::string_view kind, name, spec;
};
constexpr Mandatory kMandatory[] = {
    {"FlowSchema", "exempt",
     R"({"priorityLevelConfiguration":{"name":"exempt"},"matchingPrecedence":1,"rules":[{"subjects":[{"kind":"Group",)"
     R"("group":{"name":"system:masters"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],)"
     R"("clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]})"},
    {"FlowSchema", "catch-all",
     R"({"priorityLevelConfiguration":{"name":"catch-all"},"matchingPrecedence":10000,"distinguisherMethod":)"
     R"({"type":"ByUser"},"rules":[{"subjects":[{"kind":"Group","group":{"name":"system:unauthenticated"}},)"
     R"({"kind":"Group","group":{"name":"system:authenticated"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],)"
     R"("resources":["*"],"clusterScope":true,"namespaces":["*"]}],"nonResourceRules":[{"verbs":["*"],)"
     R"("nonResourceURLs":["*"]}]}]})"},
    {"PriorityLevelConfiguration", "catch-all",
     R"({"type":"Limited","limited":{"nominalConcurrencyShares":5,"limitResponse":{"type":"Reject"},)"
     R"("lendablePercent":0}})"},
};

void check_mandatory(Problems& out, std::string_view kind, const Value& object) {
  for (const auto& one : kMandatory) {
    if (one.kind != kind || one.name != name_of(object)) continue;
    auto wanted = base::parse_json(one.spec);
    if (wanted && *wanted != object["spec"])
      out.invalid("spec", object["spec"], fmt::format("spec of '{}' must equal the fixed value", one.name));
  }
}

bool has_star(const Value& list) {
  return std::ranges::any_of(list.as_array(), [](const Value& one) { return one.as_string() == "*"; });
}

void check_verbs(Problems& out, const Value& verbs, const std::string& path) {
  static constexpr std::string_view kVerbs[] = {"create", "delete", "deletecollection", "get",  "list",
                                                "patch",  "proxy",  "update",           "watch"};
  const auto& list = verbs.as_array();
  if (list.empty()) {
    out.required(path, "verbs must contain at least one value");
  } else if (has_star(verbs)) {
    if (list.size() > 1)
      out.invalid(path, verbs, std::string("if '*' is present, must not specify other verbs"));
  } else if (!std::ranges::all_of(list, [](const Value& one) {
               return std::ranges::find(kVerbs, one.as_string()) != std::end(kVerbs);
             })) {
    out.add(unsupported_field(path, verbs, {std::begin(kVerbs), std::end(kVerbs)}));
  }
}

// At least one; a star stands alone.
void check_star_list(Problems& out, const Value& list, const std::string& path,
                     std::string_view what_is_missing, std::string_view others) {
  if (list.as_array().empty())
    out.required(path, std::string(what_is_missing));
  else if (list.as_array().size() > 1 && has_star(list))
    out.invalid(path, list, fmt::format("if '*' is present, must not specify other {}", others));
}

void check_resource_rule(Problems& out, const Value& rule, const std::string& at) {
  check_verbs(out, rule["verbs"], child(at, "verbs"));
  check_star_list(out, rule["apiGroups"], child(at, "apiGroups"),
                  "resource rules must supply at least one api group", "api groups");
  check_star_list(out, rule["resources"], child(at, "resources"),
                  "resource rules must supply at least one resource", "resources");
  const std::string path = child(at, "namespaces");
  const auto& spaces = rule["namespaces"].as_array();
  if (spaces.empty() && !rule["clusterScope"].as_bool()) {
    out.required(path, "resource rules that are not cluster scoped must supply at least one namespace");
  } else if (has_star(rule["namespaces"])) {
    if (spaces.size() > 1)
      out.invalid(path, rule["namespaces"],
                  std::string("if '*' is present, must not specify other namespaces"));
  } else {
    for (size_t i = 0; i < spaces.size(); ++i)
      for (const auto& message : base::check_dns1123_label(spaces[i].as_string()))
        out.invalid(index(path, i), spaces[i],
                    "each member of this list must be '*' or a DNS-1123 label; " + message);
  }
}

std::string wrong_with_url(std::string_view url) {
  if (url.empty()) return "must not be empty";
  if (url == "/") return "";
  if (!url.starts_with('/')) return "must start with slash";
  if (url.find(' ') != std::string_view::npos) return "must not contain white-space";
  if (url.find("//") != std::string_view::npos) return "must not contain double slash";
  const auto stars = std::ranges::count(url, '*');
  if (stars > 1 || (stars == 1 && !url.ends_with("/*"))) return "wildcard can only do suffix matching";
  return "";
}

void check_url_rule(Problems& out, const Value& rule, const std::string& at) {
  check_verbs(out, rule["verbs"], child(at, "verbs"));
  const std::string path = child(at, "nonResourceURLs");
  check_star_list(out, rule["nonResourceURLs"], path, "nonResourceURLs must contain at least one value",
                  "non-resource URLs");
  if (has_star(rule["nonResourceURLs"])) return;
  const auto& urls = rule["nonResourceURLs"].as_array();
  for (size_t i = 0; i < urls.size(); ++i)
    if (auto wrong = wrong_with_url(urls[i].as_string()); !wrong.empty())
      out.invalid(index(path, i), urls[i], wrong);
}

void check_account(Problems& out, const Value& account, const std::string& at) {
  std::string_view name = account["name"].as_string();
  if (name.empty())
    out.required(child(at, "name"));
  else if (name != "*")
    out.dns_subdomain(child(at, "name"), name);
  if (account["namespace"].as_string().empty())
    out.required(child(at, "namespace"), "must specify namespace for service account");
  else
    out.dns_label(child(at, "namespace"), account["namespace"]);
}

void check_subject(Problems& out, const Value& subject, const std::string& at) {
  struct Member {
    std::string_view kind;
    const char* name;
  };
  static constexpr Member kMembers[] = {
      {"ServiceAccount", "serviceAccount"}, {"User", "user"}, {"Group", "group"}};
  std::string_view kind = subject["kind"].as_string();
  const auto* own = std::ranges::find(kMembers, kind, &Member::kind);
  if (own == std::end(kMembers)) {
    out.unsupported(child(at, "kind"), kind, {"Group", "ServiceAccount", "User"});
    return;
  }
  const Value& value = subject[own->name];
  const std::string path = child(at, own->name);
  if (!value.is_object())
    out.required(path, fmt::format("{} is required when subject kind is '{}'", own->name, own->kind));
  else if (kind == "ServiceAccount")
    check_account(out, value, path);
  else if (value["name"].as_string().empty())
    out.required(child(path, "name"));
  for (const auto& other : kMembers)
    if (other.kind != kind && subject[other.name].is_object())
      out.forbidden(child(at, other.name),
                    fmt::format("{} is forbidden when subject kind is not '{}'", other.name, other.kind));
}

void check_flow_rule(Problems& out, const Value& rule, const std::string& at) {
  const auto& subjects = rule["subjects"].as_array();
  const auto& resources = rule["resourceRules"].as_array();
  const auto& urls = rule["nonResourceRules"].as_array();
  if (subjects.empty()) out.required(child(at, "subjects"), "subjects must contain at least one value");
  for (size_t i = 0; i < subjects.size(); ++i)
    check_subject(out, subjects[i], index(child(at, "subjects"), i));
  if (resources.empty() && urls.empty())
    out.required(at, "at least one of resourceRules and nonResourceRules has to be non-empty");
  for (size_t i = 0; i < resources.size(); ++i)
    check_resource_rule(out, resources[i], index(child(at, "resourceRules"), i));
  for (size_t i = 0; i < urls.size(); ++i)
    check_url_rule(out, urls[i], index(child(at, "nonResourceRules"), i));
}

void check_conditions(Problems& out, const Value& conditions) {
  std::set<std::string, std::less<>> types;
  const auto& list = conditions.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = child(index("status.conditions", i), "type");
    std::string_view type = list[i]["type"].as_string();
    if (!types.emplace(type).second) out.duplicate(at, type);
    if (type.empty()) out.required(at, "must not be empty");
  }
}

void check_percent(Problems& out, const Value& percent, const std::string& path) {
  if (percent.is_number() && (percent.int_or(0) < 0 || percent.int_or(0) > 100))
    out.invalid(path, percent, std::string("must be between 0 and 100, inclusive"));
}

void check_shares(Problems& out, const Value& of, const std::string& path) {
  const Value& shares = of["nominalConcurrencyShares"];
  if (shares.int_or(0) < 0)
    out.invalid(child(path, "nominalConcurrencyShares"), shares,
                std::string("must be a non-negative integer"));
}

void check_queuing(Problems& out, const Value& queuing, const std::string& at) {
  const int64_t queues = queuing["queues"].int_or(0), hand = queuing["handSize"].int_or(0);
  if (queuing["queueLengthLimit"].int_or(0) <= 0)
    out.invalid(child(at, "queueLengthLimit"), queuing["queueLengthLimit"], std::string("must be positive"));
  if (queues <= 0)
    out.invalid(child(at, "queues"), queues, std::string("must be positive"));
  else if (queues > kMaxQueues)
    out.invalid(child(at, "queues"), queues, fmt::format("must not be greater than {}", kMaxQueues));
  const std::string path = child(at, "handSize");
  if (hand <= 0) {
    out.invalid(path, hand, std::string("must be positive"));
  } else if (hand > queues) {
    out.invalid(path, hand, fmt::format("should not be greater than queues ({})", queues));
  } else if (std::ceil(std::log2(static_cast<double>(queues)) * static_cast<double>(hand)) > kMaxHashBits) {
    out.invalid(
        path, hand,
        fmt::format("required entropy bits of deckSize {} and handSize {} should not be greater than {}",
                    queues, hand, kMaxHashBits));
  }
}

void check_limit_response(Problems& out, const Value& response, const std::string& at) {
  std::string_view type = response["type"].as_string();
  const Value& queuing = response["queuing"];
  if (type == "Reject") {
    if (queuing.is_object())
      out.forbidden(child(at, "queuing"), "must be nil if limited.limitResponse.type is not Limited");
  } else if (type == "Queue") {
    if (!queuing.is_object())
      out.required(child(at, "queuing"), "must not be empty if limited.limitResponse.type is Limited");
    else
      check_queuing(out, queuing, child(at, "queuing"));
  } else {
    out.unsupported(child(at, "type"), type, {"Queue", "Reject"});
  }
}

void check_limited(Problems& out, const Value& limited) {
  const std::string at = "spec.limited";
  check_shares(out, limited, at);
  check_limit_response(out, limited["limitResponse"], child(at, "limitResponse"));
  check_percent(out, limited["lendablePercent"], child(at, "lendablePercent"));
  const Value& borrowing = limited["borrowingLimitPercent"];
  if (borrowing.int_or(0) < 0)
    out.invalid(child(at, "borrowingLimitPercent"), borrowing,
                std::string("if specified, must be a non-negative integer"));
}

}  // namespace

void check_flow_schema(Problems& out, const Value& schema) {
  const Value& spec = schema["spec"];
  const std::string at = "spec.matchingPrecedence";
  const int64_t precedence = spec["matchingPrecedence"].int_or(0);
  if (precedence <= 0) out.invalid(at, precedence, std::string("must be a positive value"));
  if (precedence > kMaxPrecedence)
    out.invalid(at, precedence, fmt::format("must not be greater than {}", kMaxPrecedence));
  if (precedence == 1 && name_of(schema) != "exempt")
    out.invalid(at, precedence, std::string("only the schema named 'exempt' may have matchingPrecedence 1"));
  if (const Value& method = spec["distinguisherMethod"]; method.is_object()) {
    std::string_view type = method["type"].as_string();
    if (type != "ByNamespace" && type != "ByUser")
      out.unsupported("spec.distinguisherMethod.type", method, {"ByNamespace", "ByUser"});
  }
  const Value& level = spec["priorityLevelConfiguration"]["name"];
  if (level.as_string().empty())
    out.required("spec.priorityLevelConfiguration.name", "must reference a priority level");
  else
    out.dns_subdomain("spec.priorityLevelConfiguration.name", level);
  const auto& rules = spec["rules"].as_array();
  for (size_t i = 0; i < rules.size(); ++i) check_flow_rule(out, rules[i], index("spec.rules", i));
  check_mandatory(out, "FlowSchema", schema);
  check_conditions(out, schema["status"]["conditions"]);
}

void check_flow_status(Problems& out, const Value& fresh, const Value&) {
  check_conditions(out, fresh["status"]["conditions"]);
}

void check_priority_level(Problems& out, const Value& level) {
  const Value& spec = level["spec"];
  std::string_view type = spec["type"].as_string();
  if ((name_of(level) == "exempt") != (type == "Exempt"))
    out.invalid("spec.type", type, std::string("type must be 'Exempt' if and only if name is 'exempt'"));
  const Value& limited = spec["limited"];
  const Value& exempt = spec["exempt"];
  if (type == "Exempt") {
    if (limited.is_object()) out.forbidden("spec.limited", "must be nil if the type is not Limited");
    if (!exempt.is_object()) out.required("spec.exempt", "must not be empty");
    check_shares(out, exempt, "spec.exempt");
    check_percent(out, exempt["lendablePercent"], "spec.exempt.lendablePercent");
  } else if (type == "Limited") {
    if (exempt.is_object()) out.forbidden("spec.exempt", "must be nil if the type is Limited");
    if (!limited.is_object())
      out.required("spec.limited", "must not be empty when type is Limited");
    else
      check_limited(out, limited);
  } else {
    out.unsupported("spec.type", type, {"Exempt", "Limited"});
  }
  check_mandatory(out, "PriorityLevelConfiguration", level);
  check_conditions(out, level["status"]["conditions"]);
}

}  // namespace api::rules
