// Rules for limit ranges and resource quotas.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "api/validate_workloads.hpp"
#include "base/quantity.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

std::string quantity_text(const Value& value) {
  if (const auto* number = value.if_number()) return number->text;
  return std::string(value.as_string());
}

std::optional<base::Quantity> quantity_of(const Value& value) {
  return value.is_null() ? std::nullopt : base::Quantity::parse(quantity_text(value));
}

double number_of(const base::Quantity& quantity) { return static_cast<double>(quantity.milli_value()) / 1000.0; }

// ---- limits -------------------------------------------------------------------------------------------------------

// `small` of a resource may not be above `large`.
void check_order(Problems& out, const Value& item, const std::string& at, std::string_view blamed, const char* small,
                 const char* large, std::string_view name, const char* small_name, const char* large_name) {
  auto low = quantity_of(item[small][name]), high = quantity_of(item[large][name]);
  if (!low || !high || *low <= *high) return;
  out.invalid(key(child(at, blamed), name), item[blamed][name],
              fmt::format("{} {} is greater than {} {}", small_name, quantity_text(item[small][name]), large_name,
                          quantity_text(item[large][name])));
}

void check_ratio(Problems& out, const Value& item, const std::string& at, std::string_view name) {
  const Value& value = item["maxLimitRequestRatio"][name];
  auto ratio = quantity_of(value);
  if (!ratio) return;
  const std::string path = key(child(at, "maxLimitRequestRatio"), name);
  if (*ratio < base::Quantity::from_int(1))
    out.invalid(path, value, fmt::format("ratio {} is less than 1", quantity_text(value)));
  auto low = quantity_of(item["min"][name]), high = quantity_of(item["max"][name]);
  if (!low || !high || *low <= base::Quantity()) return;
  const double most = number_of(*high) / number_of(*low);
  if (number_of(*ratio) > most)
    out.invalid(path, value, fmt::format("ratio {} is greater than max/min = {:f}", quantity_text(value), most));
}

void check_limit(Problems& out, const Value& item, const std::string& at) {
  const std::string_view type = item["type"].as_string();
  std::set<std::string> names;
  for (const char* list : {"max", "min", "default", "defaultRequest", "maxLimitRequestRatio"}) {
    for (const auto& [name, amount] : item[list].as_object()) {
      out.invalid(key(child(at, list), name), name, base::check_qualified_name(name));
      names.insert(name);
    }
  }
  if (type == "Pod") {
    for (const char* list : {"default", "defaultRequest"})
      if (!item[list].as_object().empty()) out.forbidden(child(at, list), "may not be specified when `type` is 'Pod'");
  }
  if (type == "PersistentVolumeClaim" && item["min"]["storage"].is_null() && item["max"]["storage"].is_null())
    out.required(at, "either minimum or maximum storage value is required, but neither was provided");
  for (const auto& name : names) {
    check_order(out, item, at, "min", "min", "max", name, "min value", "max value");
    check_order(out, item, at, "defaultRequest", "min", "defaultRequest", name, "min value", "default request value");
    check_order(out, item, at, "defaultRequest", "defaultRequest", "max", name, "default request value", "max value");
    check_order(out, item, at, "defaultRequest", "defaultRequest", "default", name, "default request value",
                "default limit value");
    check_order(out, item, at, "default", "min", "default", name, "min value", "default value");
    check_order(out, item, at, "default", "default", "max", name, "default value", "max value");
    check_ratio(out, item, at, name);
  }
}

// ---- quotas -------------------------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 18> kQuotaResources{
    "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage",
    "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods", "resourcequotas",
    "services", "replicationcontrollers", "secrets", "persistentvolumeclaims", "configmaps", "services.nodeports"};
constexpr std::array<std::string_view, 9> kCounted{
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers"};
constexpr std::array<std::string_view, 9> kOfPods{"pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu",
                                                 "limits.memory", "requests.ephemeral-storage", "limits.ephemeral-storage"};

template <size_t N>
bool is_one_of(const std::array<std::string_view, N>& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

void check_quota_resource(Problems& out, const std::string& name, const std::string& path) {
  out.invalid(path, name, base::check_qualified_name(name));
  const bool known = is_one_of(kQuotaResources, name) || is_one_of(kCounted, name) || name.starts_with("hugepages-") ||
                     name.starts_with("requests.hugepages-");
  if (name.find('/') == std::string::npos && !known)
    out.invalid(path, name, std::string("must be a standard resource for quota"));
}

void check_amounts(Problems& out, const Value& list, const std::string& path) {
  for (const auto& [name, amount] : list.as_object()) {
    const std::string at = key(path, name);
    check_quota_resource(out, name, at);
    auto quantity = quantity_of(amount);
    if (!quantity) continue;
    if (quantity->negative()) out.invalid(at, amount, std::string("must be greater than or equal to 0"));
    const bool counted = is_one_of(kCounted, name) || name.starts_with("count/");
    if (counted && quantity->milli_value() % 1000 != 0) out.invalid(at, amount, std::string("must be an integer"));
  }
}

// Whether a scope can say anything about a resource.
bool fits_scope(std::string_view scope, const std::string& resource) {
  if (scope == "BestEffort") return resource == "pods";
  if (scope == "VolumeAttributesClass") return resource == "persistentvolumeclaims" || resource == "requests.storage";
  return is_one_of(kOfPods, resource) || resource.find('/') != std::string::npos || resource == "ephemeral-storage" ||
         resource.starts_with("requests.") || resource.starts_with("limits.") || resource.starts_with("hugepages-");
}

void check_scope(Problems& out, std::string_view scope, const Value& hard, const Value& shown, const std::string& path) {
  constexpr std::array<std::string_view, 7> kScopes{"Terminating", "NotTerminating", "BestEffort", "NotBestEffort",
                                                   "PriorityClass", "CrossNamespacePodAffinity", "VolumeAttributesClass"};
  if (!is_one_of(kScopes, scope)) return out.invalid(path, shown, std::string("unsupported scope"));
  for (const auto& [name, amount] : hard.as_object())
    if (!fits_scope(scope, name)) out.invalid(path, shown, std::string("unsupported scope applied to resource"));
}

void check_conflicts(Problems& out, const std::set<std::string>& scopes, const Value& shown, const std::string& path) {
  for (auto [one, other] : {std::pair("BestEffort", "NotBestEffort"), std::pair("Terminating", "NotTerminating")})
    if (scopes.contains(one) && scopes.contains(other)) out.invalid(path, shown, std::string("conflicting scopes"));
}

void check_scopes(Problems& out, const Value& spec) {
  std::set<std::string> scopes;
  const Value shown = brief(spec["scopes"]);
  for (const Value& scope : spec["scopes"].as_array()) {
    check_scope(out, scope.as_string(), spec["hard"], shown, "spec.scopes");
    scopes.emplace(scope.as_string());
  }
  check_conflicts(out, scopes, shown, "spec.scopes");
}

void check_scope_selector(Problems& out, const Value& spec) {
  const Value& selector = spec["scopeSelector"];
  if (!selector.is_object()) return;
  const std::string path = "spec.scopeSelector.matchExpressions";
  std::set<std::string> scopes;
  const Value shown = brief(selector);
  for (const Value& one : selector["matchExpressions"].as_array()) {
    std::string_view scope = one["scopeName"].as_string(), op = one["operator"].as_string();
    check_scope(out, scope, spec["hard"], shown, child(path, "scopeName"));
    const bool by_value = scope == "PriorityClass" || scope == "VolumeAttributesClass";
    if (!by_value && op != "Exists")
      out.invalid(child(path, "operator"), op,
                  std::string("must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
                              "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                              "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"));
    const bool none = one["values"].as_array().empty();
    if ((op == "In" || op == "NotIn") && none)
      out.required(child(path, "values"), "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
    else if ((op == "Exists" || op == "DoesNotExist") && !none)
      out.invalid(child(path, "values"), one["values"],
                  std::string("must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"));
    else if (op != "In" && op != "NotIn" && op != "Exists" && op != "DoesNotExist")
      out.invalid(child(path, "operator"), op, std::string("not a valid selector operator"));
    scopes.emplace(scope);
  }
  check_conflicts(out, scopes, shown, path);
}

}  // namespace

void check_limit_range(Problems& out, const Value& object) {
  std::set<std::string> types;
  const auto& limits = object["spec"]["limits"].as_array();
  for (size_t i = 0; i < limits.size(); ++i) {
    const std::string at = index("spec.limits", i);
    std::string type(limits[i]["type"].as_string());
    out.invalid(child(at, "type"), type, base::check_qualified_name(type));
    if (!type.empty() && type.find('/') == std::string::npos && type != "Pod" && type != "Container" &&
        type != "PersistentVolumeClaim")
      out.invalid(child(at, "type"), type, std::string("must be a standard limit type or fully qualified"));
    if (!types.insert(type).second) out.duplicate(child(at, "type"), type);
    check_limit(out, limits[i], at);
  }
}

void check_resource_quota(Problems& out, const Value& object) {
  check_amounts(out, object["spec"]["hard"], "spec.hard");
  check_scopes(out, object["spec"]);
  check_scope_selector(out, object["spec"]);
}

void check_resource_quota_update(Problems& out, const Value& fresh, const Value& old) {
  auto scopes = [](const Value& object) {
    std::set<std::string> found;
    for (const Value& one : object["spec"]["scopes"].as_array()) found.emplace(one.as_string());
    return found;
  };
  if (scopes(fresh) != scopes(old)) out.invalid("spec.scopes", fresh["spec"]["scopes"], std::string("field is immutable"));
}

void check_resource_quota_status(Problems& out, const Value& fresh, const Value& /*old*/) {
  check_amounts(out, fresh["status"]["hard"], "status.hard");
  check_amounts(out, fresh["status"]["used"], "status.used");
}

}  // namespace api::rules
