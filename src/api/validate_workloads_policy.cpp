// Rules for autoscalers, disruption budgets and priority classes.
#include <fmt/format.h>

#include <array>

#include "api/meta.hpp"
#include "api/validate_workloads.hpp"
#include "base/quantity.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr int64_t kMaxWindow = 3'600, kMaxPeriod = 1'800;
constexpr int64_t kHighestUserPriority = 1'000'000'000;

void check_path_name(Problems& out, const std::string& path, const Value& name, const char* missing = "") {
  if (name.as_string().empty()) out.required(path, missing);
  else out.invalid(path, name, check_path_segment(name.as_string()));
}

void check_object_reference(Problems& out, const Value& reference, const std::string& path) {
  check_path_name(out, child(path, "kind"), reference["kind"]);
  check_path_name(out, child(path, "name"), reference["name"]);
}

// ---- metrics ------------------------------------------------------------------------------------------------------

bool is_positive(const Value& value) {
  std::string text(value.as_string());
  if (const auto* number = value.if_number()) text = number->text;
  auto quantity = base::Quantity::parse(text);
  return quantity && *quantity > base::Quantity();
}

void check_metric_target(Problems& out, const Value& target, const std::string& path) {
  std::string_view type = target["type"].as_string();
  if (type.empty()) out.required(child(path, "type"), "must specify a metric target type");
  if (type != "Utilization" && type != "Value" && type != "AverageValue")
    out.invalid(child(path, "type"), type, std::string("must be either Utilization, Value, or AverageValue"));
  for (const char* member : {"value", "averageValue"})
    if (!target[member].is_null() && !is_positive(target[member]))
      out.invalid(child(path, member), target[member], std::string("must be positive"));
  if (!target["averageUtilization"].is_null() && target["averageUtilization"].int_or(0) < 1)
    out.invalid(child(path, "averageUtilization"), target["averageUtilization"], std::string("must be greater than 0"));
}

void check_metric_name(Problems& out, const Value& metric, const std::string& path) {
  check_path_name(out, child(path, "name"), metric["name"], "must specify a metric name");
}

// What the sources have in common: a target, and which of its members must be set.
void check_value_target(Problems& out, const Value& source, const std::string& path, const char* missing, bool only_one) {
  const Value& target = source["target"];
  check_metric_name(out, source["metric"], child(path, "metric"));
  check_metric_target(out, target, child(path, "target"));
  const bool whole = !target["value"].is_null(), each = !target["averageValue"].is_null();
  if (!whole && !each) out.required(child(path, "target.averageValue"), missing);
  if (only_one && whole && each)
    out.forbidden(child(path, "target.value"), "may not set both a target value for metric and a per-pod target");
}

void check_resource_target(Problems& out, const Value& source, const std::string& path) {
  const Value& target = source["target"];
  if (source["name"].as_string().empty()) out.required(child(path, "name"), "must specify a resource name");
  check_metric_target(out, target, child(path, "target"));
  const bool percent = !target["averageUtilization"].is_null(), each = !target["averageValue"].is_null();
  if (!percent && !each)
    out.required(child(path, "target.averageUtilization"), "must set either a target raw value or a target utilization");
  if (percent && each)
    out.forbidden(child(path, "target.averageValue"), "may not set both a target raw value and a target utilization");
}

void check_metric_source(Problems& out, std::string_view member, const Value& source, const std::string& path) {
  if (member == "object") {
    check_object_reference(out, source["describedObject"], child(path, "describedObject"));
    check_value_target(out, source, path, "must set either a target value or averageValue", false);
  } else if (member == "external") {
    check_value_target(out, source, path, "must set either a target value for metric or a per-pod target", true);
  } else if (member == "pods") {
    check_metric_name(out, source["metric"], child(path, "metric"));
    check_metric_target(out, source["target"], child(path, "target"));
    if (source["target"]["averageValue"].is_null())
      out.required(child(path, "target.averageValue"), "must specify a positive target averageValue");
  } else {
    if (member == "containerResource") {
      std::string_view container = source["container"].as_string();
      if (container.empty()) out.required(child(path, "container"), "must specify a container");
      else out.dns_label(child(path, "container"), container);
    }
    check_resource_target(out, source, path);
  }
}

void check_metric(Problems& out, const Value& metric, const std::string& path) {
  struct Source {
    std::string_view type, member;
  };
  constexpr std::array<Source, 5> kSources{{{"Object", "object"},
                                            {"External", "external"},
                                            {"Pods", "pods"},
                                            {"Resource", "resource"},
                                            {"ContainerResource", "containerResource"}}};
  std::string_view type = metric["type"].as_string(), expected;
  for (const auto& source : kSources)
    if (source.type == type) expected = source.member;
  if (type.empty()) out.required(child(path, "type"), "must specify a metric source type");
  if (expected.empty())
    out.unsupported(child(path, "type"), type, {"ContainerResource", "External", "Object", "Pods", "Resource"});
  size_t present = 0;
  for (const auto& source : kSources) {
    if (!metric[source.member].is_object()) continue;
    if (++present == 1) check_metric_source(out, source.member, metric[source.member], child(path, source.member));
  }
  if (!expected.empty() && !metric[expected].is_object())
    out.required(child(path, expected), "must populate information for the given metric source");
  if (present == 1) return;
  for (const auto& source : kSources)
    if (metric[source.member].is_object() && source.member != expected)
      out.forbidden(child(path, source.member), "must populate the given metric source only");
}

// ---- behavior -----------------------------------------------------------------------------------------------------

void check_scaling_policy(Problems& out, const Value& policy, const std::string& path) {
  std::string_view type = policy["type"].as_string();
  if (type != "Pods" && type != "Percent") out.unsupported(child(path, "type"), type, {"Percent", "Pods"});
  for (const char* member : {"value", "periodSeconds"})
    if (policy[member].int_or(0) <= 0)
      out.invalid(child(path, member), policy[member].int_or(0), std::string("must be greater than zero"));
  if (policy["periodSeconds"].int_or(0) > kMaxPeriod)
    out.invalid(child(path, "periodSeconds"), policy["periodSeconds"],
                fmt::format("must be less than or equal to {}", kMaxPeriod));
}

void check_scaling_rules(Problems& out, const Value& rules, const std::string& path) {
  if (!rules.is_object()) return;
  const Value& window = rules["stabilizationWindowSeconds"];
  const std::string window_path = child(path, "stabilizationWindowSeconds");
  if (window.int_or(0) < 0) out.invalid(window_path, window, std::string("must be greater than or equal to zero"));
  if (window.int_or(0) > kMaxWindow)
    out.invalid(window_path, window, fmt::format("must be less than or equal to {}", kMaxWindow));
  out.one_of(child(path, "selectPolicy"), rules["selectPolicy"], {"Disabled", "Max", "Min"}, false);
  const auto& policies = rules["policies"].as_array();
  if (policies.empty()) out.required(child(path, "policies"), "must specify at least one Policy");
  for (size_t i = 0; i < policies.size(); ++i) check_scaling_policy(out, policies[i], index(child(path, "policies"), i));
  if (const Value& tolerance = rules["tolerance"]; !tolerance.is_null()) {
    std::string text(tolerance.as_string());
    if (const auto* number = tolerance.if_number()) text = number->text;
    auto quantity = base::Quantity::parse(text);
    if (quantity && quantity->negative())
      out.invalid(child(path, "tolerance"), tolerance, std::string("must be greater or equal to zero"));
  }
}

std::string_view system_priority_mistake(std::string_view name, int64_t value, bool is_default, std::string& text) {
  const int64_t wanted = name == "system-cluster-critical" ? 2'000'000'000
                         : name == "system-node-critical"  ? 2'000'001'000
                                                           : 0;
  if (wanted == 0) text = fmt::format("{} is not a known system priority class", name);
  else if (value != wanted) text = fmt::format("value of {} PriorityClass must be {}", name, wanted);
  else if (is_default) text = fmt::format("globalDefault of {} PriorityClass must be false", name);
  return text;
}

}  // namespace

void check_autoscaler(Problems& out, const Value& object) {
  const Value &spec = object["spec"], &least = spec["minReplicas"], &most = spec["maxReplicas"];
  if (!least.is_null() && least.int_or(0) < 1)
    out.invalid("spec.minReplicas", least, std::string("must be greater than or equal to 1"));
  if (most.int_or(0) < 1) out.invalid("spec.maxReplicas", most.int_or(0), std::string("must be greater than 0"));
  if (!least.is_null() && most.int_or(0) < least.int_or(0))
    out.invalid("spec.maxReplicas", most.int_or(0), std::string("must be greater than or equal to `minReplicas`"));
  check_object_reference(out, spec["scaleTargetRef"], "spec.scaleTargetRef");
  const auto& metrics = spec["metrics"].as_array();
  for (size_t i = 0; i < metrics.size(); ++i) check_metric(out, metrics[i], index("spec.metrics", i));
  check_scaling_rules(out, spec["behavior"]["scaleUp"], "spec.behavior.scaleUp");
  check_scaling_rules(out, spec["behavior"]["scaleDown"], "spec.behavior.scaleDown");
}

void check_autoscaler_status(Problems& out, const Value& fresh, const Value& /*old*/) {
  check_counts(out, fresh["status"], {"currentReplicas", "desiredReplicas"});
}

void check_disruption_budget(Problems& out, const Value& object) {
  const Value& spec = object["spec"];
  if (!spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null())
    out.invalid("spec", spec, std::string("minAvailable and maxUnavailable cannot be both set"));
  for (const char* member : {"minAvailable", "maxUnavailable"}) {
    check_int_or_percent(out, child("spec", member), spec[member]);
    check_not_more_than_100_percent(out, child("spec", member), spec[member]);
  }
  out.label_selector("spec.selector", spec["selector"]);
  out.one_of("spec.unhealthyPodEvictionPolicy", spec["unhealthyPodEvictionPolicy"], {"AlwaysAllow", "IfHealthyBudget"},
             false);
}

void check_disruption_budget_status(Problems& out, const Value& fresh, const Value& /*old*/) {
  check_counts(out, fresh["status"], {"disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"});
}

void check_priority_class(Problems& out, const Value& object) {
  std::string_view name = name_of(object);
  const int64_t value = object["value"].int_or(0);
  std::string mistake;
  if (name.starts_with("system-")) {
    if (!system_priority_mistake(name, value, object["globalDefault"].as_bool(), mistake).empty())
      out.forbidden("metadata.name",
                    "priority class names with 'system-' prefix are reserved for system use only. error: " + mistake);
  } else if (value > kHighestUserPriority) {
    out.forbidden("value", fmt::format("maximum allowed value of a user defined priority is {}", kHighestUserPriority));
  }
  out.one_of("preemptionPolicy", object["preemptionPolicy"], {"PreemptLowerPriority", "Never"}, false);
}

void check_priority_class_update(Problems& out, const Value& fresh, const Value& old) {
  if (fresh["value"].int_or(0) != old["value"].int_or(0)) out.forbidden("value", "may not be changed in an update.");
  out.immutable("preemptionPolicy", fresh["preemptionPolicy"], old["preemptionPolicy"]);
}

}  // namespace api::rules
