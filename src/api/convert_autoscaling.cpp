// Source: the conversion of the Kubernetes API: metrics other than CPU utilization, current metrics, conditions and
// behavior become annotations of the v1 object, and members again on the way back.
#include <array>
#include <utility>

#include <fmt/format.h>

#include "api/convert_kinds.hpp"
#include "api/meta.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Array;
using base::Object;
using base::Result;
using base::Value;

namespace {

constexpr const char* kMetrics = "autoscaling.alpha.kubernetes.io/metrics";
constexpr const char* kCurrentMetrics = "autoscaling.alpha.kubernetes.io/current-metrics";
constexpr const char* kConditions = "autoscaling.alpha.kubernetes.io/conditions";
constexpr const char* kBehavior = "autoscaling.alpha.kubernetes.io/behavior";
constexpr int kDefaultUtilization = 80;

// Where a member of a metric stands in v2 and what it is called in the annotations of v1.
struct Place {
  std::string_view source;   // "resource"
  std::string_view parent;   // in v2: "target", "metric", "current", or "" for the source itself
  std::string_view v2, v1;
};

constexpr std::array kSpecPlaces{
    Place{"object", "", "describedObject", "target"},
    Place{"object", "metric", "name", "metricName"},
    Place{"object", "target", "value", "targetValue"},
    Place{"object", "metric", "selector", "selector"},
    Place{"object", "target", "averageValue", "averageValue"},
    Place{"pods", "metric", "name", "metricName"},
    Place{"pods", "target", "averageValue", "targetAverageValue"},
    Place{"pods", "metric", "selector", "selector"},
    Place{"resource", "", "name", "name"},
    Place{"resource", "target", "averageUtilization", "targetAverageUtilization"},
    Place{"resource", "target", "averageValue", "targetAverageValue"},
    Place{"containerResource", "", "name", "name"},
    Place{"containerResource", "target", "averageUtilization", "targetAverageUtilization"},
    Place{"containerResource", "target", "averageValue", "targetAverageValue"},
    Place{"containerResource", "", "container", "container"},
    Place{"external", "metric", "name", "metricName"},
    Place{"external", "metric", "selector", "metricSelector"},
    Place{"external", "target", "value", "targetValue"},
    Place{"external", "target", "averageValue", "targetAverageValue"},
};

constexpr std::array kStatusPlaces{
    Place{"object", "", "describedObject", "target"},
    Place{"object", "metric", "name", "metricName"},
    Place{"object", "current", "value", "currentValue"},
    Place{"object", "metric", "selector", "selector"},
    Place{"object", "current", "averageValue", "averageValue"},
    Place{"pods", "metric", "name", "metricName"},
    Place{"pods", "current", "averageValue", "currentAverageValue"},
    Place{"pods", "metric", "selector", "selector"},
    Place{"resource", "", "name", "name"},
    Place{"resource", "current", "averageUtilization", "currentAverageUtilization"},
    Place{"resource", "current", "averageValue", "currentAverageValue"},
    Place{"containerResource", "", "name", "name"},
    Place{"containerResource", "current", "averageUtilization", "currentAverageUtilization"},
    Place{"containerResource", "current", "averageValue", "currentAverageValue"},
    Place{"containerResource", "", "container", "container"},
    Place{"external", "metric", "name", "metricName"},
    Place{"external", "metric", "selector", "metricSelector"},
    Place{"external", "current", "value", "currentValue"},
    Place{"external", "current", "averageValue", "currentAverageValue"},
};

// v1 does not say of which type a target is: the member that is set says it.
void name_target_type(Value& source) {
  const Value& target = source["target"];
  if (!target.is_object() || !target["type"].is_null()) return;
  const char* type = "AverageValue";
  if (!target["averageUtilization"].is_null()) {
    type = "Utilization";
  } else if (!target["value"].is_null() && target["averageValue"].is_null()) {
    type = "Value";
  }
  source.make({"target", "type"}) = type;
}

Value metric_to_v1(const Value& metric, std::span<const Place> places) {
  Value out = Object{{"type", metric["type"]}};
  for (const Place& place : places) {
    const Value& source = metric[place.source];
    const Value& value = place.parent.empty() ? source[place.v2] : source[place.parent][place.v2];
    if (!value.is_null()) out.make({place.source, place.v1}) = value;
  }
  return out;
}

Value metric_to_v2(const Value& metric, std::span<const Place> places, bool is_spec) {
  Value out = Object{{"type", metric["type"]}};
  for (const Place& place : places) {
    const Value& value = metric[place.source][place.v1];
    if (value.is_null()) continue;
    if (place.parent.empty()) {
      out.make({place.source, place.v2}) = value;
    } else {
      out.make({place.source, place.parent, place.v2}) = value;
    }
  }
  if (!is_spec) return out;
  for (std::string_view source : {"object", "pods", "resource", "containerResource", "external"}) {
    if (out[source].is_object()) name_target_type(out.make({source}));
  }
  return out;
}

// The behavior's members are written there as Go names them.
Value with_first_letter(const Value& from, bool upper) {
  if (const auto* list = from.if_array()) {
    Array out;
    for (const Value& item : *list) out.push_back(with_first_letter(item, upper));
    return out;
  }
  const auto* object = from.if_object();
  if (object == nullptr) return from;
  Object out;
  for (const auto& [name, value] : *object) {
    if (value.is_null()) continue;
    std::string renamed = name;
    if (!renamed.empty() && upper) renamed[0] = static_cast<char>(renamed[0] & ~0x20);
    if (!renamed.empty() && !upper) renamed[0] = static_cast<char>(renamed[0] | 0x20);
    out.append(std::move(renamed), with_first_letter(value, upper));
  }
  return out;
}

bool is_cpu(const Value& metric) {
  return metric["type"].as_string() == "Resource" && metric["resource"]["name"].as_string() == "cpu";
}

Value cpu_metric(const char* parent, const Value& percent) {
  Value source = Object{{"name", "cpu"}};
  if (std::string_view(parent) == "target") source.make({"target", "type"}) = "Utilization";
  source.make({parent, "averageUtilization"}) = percent;
  return Object{{"type", "Resource"}, {"resource", std::move(source)}};
}

void drop_annotations(Value& object) {
  if (!annotations_of(object).is_object()) return;
  Object& annotations = object.make({"metadata", "annotations"}).object();
  for (const char* name : {kMetrics, kCurrentMetrics, kConditions, kBehavior}) annotations.erase(name);
  if (annotations.empty()) remove_member(object, "metadata", "annotations");
}

void take(Value& to, const Value& from, std::initializer_list<const char*> members) {
  for (const char* member : members) {
    if (const Value* value = from.as_object().find(member)) to.object().set(member, *value);
  }
}

// The annotation's JSON; null when there is none.
Result<Value> annotation_json(const Value& object, const char* name) {
  const Value& text = annotations_of(object)[name];
  if (!text.is_string()) return Value();
  auto parsed = base::parse_json(text.as_string());
  if (!parsed)
    return base::fail(base::Reason::bad_request,
                      fmt::format("metadata.annotations[{}]: {}", name, parsed.error().message));
  return parsed;
}

Result<Value> spec_to_v2(const Value& object) {
  const Value& spec = object["spec"];
  Value out = Object{};
  take(out, spec, {"scaleTargetRef", "minReplicas", "maxReplicas"});
  Array metrics;
  if (const Value& percent = spec["targetCPUUtilizationPercentage"]; !percent.is_null())
    metrics.push_back(cpu_metric("target", percent));
  TRY(Value others, annotation_json(object, kMetrics));
  for (const Value& metric : others.as_array()) metrics.push_back(metric_to_v2(metric, kSpecPlaces, true));
  if (metrics.empty()) metrics.push_back(cpu_metric("target", kDefaultUtilization));
  out.object().set("metrics", std::move(metrics));
  TRY(Value behavior, annotation_json(object, kBehavior));
  if (behavior.is_object()) out.object().set("behavior", with_first_letter(behavior, false));
  return out;
}

Result<Value> status_to_v2(const Value& object) {
  const Value& status = object["status"];
  Value out = Object{};
  take(out, status, {"observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas"});
  Array metrics;
  TRY(Value current, annotation_json(object, kCurrentMetrics));
  if (current.is_array()) {
    for (const Value& metric : current.as_array()) metrics.push_back(metric_to_v2(metric, kStatusPlaces, false));
  } else if (const Value& percent = status["currentCPUUtilizationPercentage"]; !percent.is_null()) {
    metrics.push_back(cpu_metric("current", percent));
  }
  if (!metrics.empty()) out.object().set("currentMetrics", std::move(metrics));
  TRY(Value conditions, annotation_json(object, kConditions));
  if (conditions.is_array()) out.object().set("conditions", std::move(conditions));
  return out;
}

}  // namespace

Result<Value> autoscaler_to_v2(Value object) {
  TRY(Value spec, spec_to_v2(object));
  TRY(Value status, status_to_v2(object));
  drop_annotations(object);
  object.object().set("spec", std::move(spec));
  object.object().set("status", std::move(status));
  return object;
}

Value autoscaler_from_v2(Value object) {
  const Value spec = object["spec"], status = object["status"];
  drop_annotations(object);
  Value old_spec = Object{}, old_status = Object{};
  take(old_spec, spec, {"scaleTargetRef", "minReplicas", "maxReplicas"});
  take(old_status, status, {"observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas"});
  Array others, current;
  bool found = false;
  for (const Value& metric : spec["metrics"].as_array()) {
    const Value& percent = metric.at({"resource", "target", "averageUtilization"});
    if (is_cpu(metric) && !percent.is_null()) {
      if (!found) old_spec.object().set("targetCPUUtilizationPercentage", percent);
      found = true;
    } else {
      others.push_back(metric_to_v1(metric, kSpecPlaces));
    }
  }
  for (const Value& metric : status["currentMetrics"].as_array()) {
    const Value& percent = metric.at({"resource", "current", "averageUtilization"});
    if (is_cpu(metric) && !percent.is_null()) old_status.object().set("currentCPUUtilizationPercentage", percent);
    current.push_back(metric_to_v1(metric, kStatusPlaces));
  }
  if (!others.empty()) set_annotation(object, kMetrics, base::write_json(Value(std::move(others))));
  if (!current.empty()) set_annotation(object, kCurrentMetrics, base::write_json(Value(std::move(current))));
  if (!status["conditions"].as_array().empty())
    set_annotation(object, kConditions, base::write_json(status["conditions"]));
  if (spec["behavior"].is_object())
    set_annotation(object, kBehavior, base::write_json(with_first_letter(spec["behavior"], true)));
  object.object().set("spec", std::move(old_spec));
  // Go writes these two whether set or not.
  for (const char* count : {"currentReplicas", "desiredReplicas"}) {
    if (!old_status.object().contains(count)) old_status.object().set(count, 0);
  }
  object.object().set("status", std::move(old_status));
  return object;
}

}  // namespace api
