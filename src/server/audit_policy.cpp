#include "server/audit_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/value.hpp"
#include "base/yaml.hpp"

namespace server {

namespace {

constexpr std::array<std::string_view, 4> kLevels = {"None", "Metadata", "Request", "RequestResponse"};
constexpr std::array<std::string_view, 4> kStages = {"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"};

bool has(const std::vector<std::string>& list, std::string_view text) { return std::ranges::find(list, text) != list.end(); }

base::Result<std::vector<std::string>> texts(const base::Value& value, std::string_view field) {
  std::vector<std::string> out;
  if (value.is_null()) return out;
  if (!value.is_array()) return base::fail(base::Reason::invalid, fmt::format("{} must be a list of strings", field));
  for (const auto& item : value.as_array()) {
    if (!item.is_string()) return base::fail(base::Reason::invalid, fmt::format("{} must be a list of strings", field));
    out.emplace_back(item.as_string());
  }
  return out;
}

base::Result<std::vector<AuditStage>> stages(const base::Value& value, const std::string& field) {
  TRY(auto names, texts(value, field));
  std::vector<AuditStage> out;
  for (const auto& name : names) {
    auto found = std::ranges::find(kStages, name);
    if (found == kStages.end()) {
      return base::fail(base::Reason::invalid, fmt::format("{}: {} is no stage; write one of {}", field, base::quote(name),
                                                           fmt::join(kStages, ", ")));
    }
    out.push_back(static_cast<AuditStage>(found - kStages.begin()));
  }
  return out;
}

base::Result<void> check_members(const base::Value& value, const std::string& where, std::vector<std::string_view> known) {
  if (!value.is_object()) return base::fail(base::Reason::invalid, where + " must be an object");
  for (const auto& [key, member] : value.as_object()) {
    if (std::ranges::find(known, key) == known.end()) {
      return base::fail(base::Reason::invalid, fmt::format("{}: unknown field {}", where, base::quote(key)));
    }
  }
  return {};
}

// "pods", "pods/log", "pods/*", "*/scale", "*".
bool resource_matches(std::string_view pattern, const AuditSubject& subject) {
  if (pattern == "*") return true;
  if (subject.subresource.empty()) return pattern == subject.resource;
  if (pattern == subject.resource + "/" + subject.subresource) return true;
  if (pattern.ends_with("/*") && pattern.substr(0, pattern.size() - 2) == subject.resource) return true;
  return pattern.starts_with("*/") && pattern.substr(2) == subject.subresource;
}

bool path_matches(std::string_view pattern, std::string_view path) {
  if (pattern == "*" || pattern == path) return true;
  return pattern.ends_with('*') && path.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool is_secret(const AuditSubject& subject) {
  if (subject.group.empty()) {
    return subject.resource == "secrets" || subject.resource == "configmaps" ||
           (subject.resource == "serviceaccounts" && subject.subresource == "token");
  }
  return subject.group == "authentication.k8s.io" && subject.resource == "tokenreviews";
}

}  // namespace

std::string_view audit_level_name(AuditLevel level) { return kLevels[static_cast<size_t>(level)]; }
std::string_view audit_stage_name(AuditStage stage) { return kStages[static_cast<size_t>(stage)]; }

bool AuditDecision::omits(AuditStage stage) const { return std::ranges::find(omit, stage) != omit.end(); }

AuditPolicy AuditPolicy::make_default() {
  AuditPolicy policy;
  Rule rule;
  rule.level = AuditLevel::metadata;
  rule.omit = {AuditStage::request_received, AuditStage::response_started};
  policy.rules_.push_back(std::move(rule));
  return policy;
}

base::Result<AuditPolicy> AuditPolicy::parse(std::string_view text) {
  TRY(auto value, base::parse_yaml(text));
  CHECK_OK(check_members(value, "audit policy",
                         {"apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"}));
  if (value["apiVersion"].as_string() != "audit.k8s.io/v1" || value["kind"].as_string() != "Policy") {
    return base::fail(base::Reason::invalid, "audit policy: apiVersion must be audit.k8s.io/v1 and kind must be Policy");
  }
  TRY(auto omit_everywhere, stages(value["omitStages"], "omitStages"));
  bool omit_fields = value["omitManagedFields"].as_bool();
  AuditPolicy policy;
  for (const auto& item : value["rules"].as_array()) {
    std::string where = fmt::format("rules[{}]", policy.rules_.size());
    CHECK_OK(check_members(item, where, {"level", "users", "userGroups", "verbs", "resources", "namespaces",
                                         "nonResourceURLs", "omitStages", "omitManagedFields"}));
    Rule rule;
    auto level = std::ranges::find(kLevels, item["level"].as_string());
    if (level == kLevels.end()) {
      return base::fail(base::Reason::invalid, fmt::format("{}.level: must be one of {}", where, fmt::join(kLevels, ", ")));
    }
    rule.level = static_cast<AuditLevel>(level - kLevels.begin());
    TRY(rule.users, texts(item["users"], where + ".users"));
    TRY(rule.groups, texts(item["userGroups"], where + ".userGroups"));
    TRY(rule.verbs, texts(item["verbs"], where + ".verbs"));
    TRY(rule.namespaces, texts(item["namespaces"], where + ".namespaces"));
    TRY(rule.paths, texts(item["nonResourceURLs"], where + ".nonResourceURLs"));
    TRY(rule.omit, stages(item["omitStages"], where + ".omitStages"));
    rule.omit.insert(rule.omit.end(), omit_everywhere.begin(), omit_everywhere.end());
    rule.omit_managed_fields = item["omitManagedFields"].as_bool(omit_fields);
    for (const auto& group : item["resources"].as_array()) {
      CHECK_OK(check_members(group, where + ".resources", {"group", "resources", "resourceNames"}));
      Resources resources;
      resources.group = group["group"].as_string();
      TRY(resources.resources, texts(group["resources"], where + ".resources.resources"));
      TRY(resources.names, texts(group["resourceNames"], where + ".resources.resourceNames"));
      rule.resources.push_back(std::move(resources));
    }
    if (!rule.paths.empty() && (!rule.resources.empty() || !rule.namespaces.empty())) {
      return base::fail(base::Reason::invalid, where + ": rules cannot apply to both regular resources and non-resource URLs");
    }
    policy.rules_.push_back(std::move(rule));
  }
  if (policy.rules_.empty()) return base::fail(base::Reason::invalid, "audit policy: it has no rules, so nothing would be logged");
  return policy;
}

bool AuditPolicy::Rule::matches_resource(const AuditSubject& subject, bool& by_name) const {
  if (!paths.empty()) return false;
  if (!namespaces.empty() && !has(namespaces, subject.namespace_)) return false;
  if (resources.empty()) return true;
  for (const auto& group : resources) {
    if (group.group != subject.group) continue;
    if (group.resources.empty()) return true;
    if (!group.names.empty() && !has(group.names, subject.name)) continue;
    for (const auto& pattern : group.resources) {
      if (!resource_matches(pattern, subject)) continue;
      by_name = pattern.starts_with(subject.resource);
      return true;
    }
  }
  return false;
}

bool AuditPolicy::Rule::matches(const AuditSubject& subject, bool& by_name) const {
  if (!users.empty() && !has(users, subject.user)) return false;
  if (!groups.empty() && std::ranges::none_of(subject.groups, [&](const auto& group) { return has(groups, group); })) {
    return false;
  }
  if (!verbs.empty() && !has(verbs, subject.verb)) return false;
  if (!subject.resource.empty()) return matches_resource(subject, by_name);
  if (paths.empty()) return resources.empty() && namespaces.empty();
  return std::ranges::any_of(paths, [&](const auto& pattern) { return path_matches(pattern, subject.path); });
}

AuditDecision AuditPolicy::decide(const AuditSubject& subject) const {
  for (const auto& rule : rules_) {
    bool by_name = false;
    if (!rule.matches(subject, by_name)) continue;
    AuditDecision decision{rule.level, rule.omit, rule.omit_managed_fields};
    if (decision.level > AuditLevel::metadata && is_secret(subject) && !by_name) decision.level = AuditLevel::metadata;
    return decision;
  }
  return {};
}

}  // namespace server
