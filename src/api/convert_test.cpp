#include "api/convert.hpp"

#include <gtest/gtest.h>

#include "api/meta.hpp"
#include "api/validate_testing.hpp"

namespace api {
namespace {

using base::Value;
using testing::json;

KindPtr version_of(std::string_view api_version, std::string_view kind) {
  static const auto kKinds = load_builtin_kinds();
  KindPtr found = kKinds ? kKinds->find_kind(api_version, kind) : nullptr;
  EXPECT_TRUE(found) << api_version << " " << kind;
  return found ? found : std::make_shared<Kind>();
}

Value converted(std::string_view from, std::string_view to, std::string_view kind, const Value& object) {
  auto out = convert(*version_of(from, kind), *version_of(to, kind), object);
  EXPECT_TRUE(out) << (out ? "" : out.error().message);
  return out ? *out : Value();
}

constexpr const char* kCoreEvent = R"({"apiVersion":"v1","kind":"Event","metadata":{"name":"a","namespace":"default"},
  "involvedObject":{"kind":"Pod","name":"web","namespace":"default"},"reason":"Started","message":"it runs",
  "source":{"component":"kubelet","host":"n1"},"firstTimestamp":"2026-01-01T00:00:00Z",
  "lastTimestamp":"2026-01-01T00:01:00Z","count":3,"type":"Normal","eventTime":"2026-01-01T00:00:00.000001Z",
  "series":{"count":2,"lastObservedTime":"2026-01-01T00:00:00.000002Z"},"action":"Start",
  "related":{"kind":"Node","name":"n1"},"reportingComponent":"kubelet","reportingInstance":"n1"})";

TEST(Convert, EventNamesDiffer) {
  Value newer = converted("v1", "events.k8s.io/v1", "Event", json(kCoreEvent));
  EXPECT_EQ(api_version_of(newer), "events.k8s.io/v1");
  EXPECT_EQ(newer["regarding"]["name"], "web");
  EXPECT_EQ(newer["note"], "it runs");
  EXPECT_EQ(newer["deprecatedSource"]["host"], "n1");
  EXPECT_EQ(newer["deprecatedFirstTimestamp"], "2026-01-01T00:00:00Z");
  EXPECT_EQ(newer["deprecatedLastTimestamp"], "2026-01-01T00:01:00Z");
  EXPECT_EQ(newer["deprecatedCount"], 3);
  EXPECT_EQ(newer["reportingController"], "kubelet");
  EXPECT_EQ(newer["reportingInstance"], "n1");
  EXPECT_EQ(newer["series"]["count"], 2);
  EXPECT_TRUE(newer["message"].is_null());
  EXPECT_EQ(converted("events.k8s.io/v1", "v1", "Event", newer), json(kCoreEvent));
}

TEST(Convert, EventFields) {
  auto core = version_of("v1", "Event"), newer = version_of("events.k8s.io/v1", "Event");
  EXPECT_EQ(convert_field(*newer, *core, "regarding.name"), "involvedObject.name");
  EXPECT_EQ(convert_field(*newer, *core, "reportingController"), "reportingComponent");
  EXPECT_EQ(convert_field(*newer, *core, "type"), "type");
  EXPECT_EQ(convert_field(*newer, *core, "metadata.name"), "metadata.name");
  EXPECT_EQ(convert_field(*core, *newer, "involvedObject.fieldPath"), "regarding.fieldPath");
  for (const auto& field : newer->selectable_fields)
    EXPECT_TRUE(is_selectable_field(*core, convert_field(*newer, *core, field))) << field;
}

// Every member of the newer Event survives the way through storage.
TEST(Convert, EventRoundTrip) {
  auto newer = version_of("events.k8s.io/v1", "Event");
  Value event = json(R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"a"}})");
  int n = 0;
  for (const auto& property : newer->schema->properties) {
    if (property.name == "metadata" || property.name == "kind" || property.name == "apiVersion") continue;
    event.object().set(property.name, "value " + std::to_string(++n));
  }
  EXPECT_EQ(n, 14);
  EXPECT_EQ(converted("v1", "events.k8s.io/v1", "Event", converted("events.k8s.io/v1", "v1", "Event", event)), event);
}

constexpr const char* kAutoscalers = "HorizontalPodAutoscaler";
constexpr const char* kOldAutoscaler = R"({"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler",
  "metadata":{"name":"a","namespace":"default"},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"web",
  "apiVersion":"apps/v1"},"minReplicas":2,"maxReplicas":5,"targetCPUUtilizationPercentage":60},
  "status":{"currentReplicas":3,"desiredReplicas":4}})";

TEST(Convert, AutoscalerToV2) {
  Value v2 = converted("autoscaling/v1", "autoscaling/v2", kAutoscalers, json(kOldAutoscaler));
  EXPECT_EQ(v2["spec"]["metrics"], json(R"([{"type":"Resource","resource":{"name":"cpu",
    "target":{"type":"Utilization","averageUtilization":60}}}])"));
  EXPECT_EQ(v2["spec"]["maxReplicas"], 5);
  EXPECT_EQ(v2["status"]["desiredReplicas"], 4);
  EXPECT_EQ(converted("autoscaling/v2", "autoscaling/v1", kAutoscalers, v2), json(kOldAutoscaler));
}

TEST(Convert, AutoscalerWithoutMetricGetsCpu) {
  Value v1 = json(kOldAutoscaler);
  v1.make({"spec"}).object().erase("targetCPUUtilizationPercentage");
  Value v2 = converted("autoscaling/v1", "autoscaling/v2", kAutoscalers, v1);
  EXPECT_EQ(v2["spec"]["metrics"].as_array().at(0).at({"resource", "target", "averageUtilization"}), 80);
}

constexpr const char* kNewAutoscaler = R"({"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler",
  "metadata":{"name":"a","namespace":"default","annotations":{"own":"1"}},
  "spec":{"scaleTargetRef":{"kind":"Deployment","name":"web"},"minReplicas":1,"maxReplicas":9,"metrics":[
   {"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}},
   {"type":"Resource","resource":{"name":"memory","target":{"type":"AverageValue","averageValue":"1Gi"}}},
   {"type":"ContainerResource","containerResource":{"name":"cpu","target":{"type":"Utilization",
    "averageUtilization":70},"container":"app"}},
   {"type":"Pods","pods":{"metric":{"name":"hits","selector":{"matchLabels":{"a":"b"}}},
    "target":{"type":"AverageValue","averageValue":"10"}}},
   {"type":"Object","object":{"describedObject":{"kind":"Ingress","name":"in"},"target":{"type":"Value","value":"2k"},
    "metric":{"name":"rps"}}},
   {"type":"External","external":{"metric":{"name":"queue"},"target":{"type":"AverageValue","averageValue":"30"}}}],
   "behavior":{"scaleUp":{"stabilizationWindowSeconds":0,"selectPolicy":"Max","policies":[
     {"type":"Pods","value":4,"periodSeconds":15}]},"scaleDown":{"selectPolicy":"Min","policies":[
     {"type":"Percent","value":100,"periodSeconds":15}],"tolerance":"50m"}}},
  "status":{"currentReplicas":2,"desiredReplicas":3,"currentMetrics":[
   {"type":"Resource","resource":{"name":"cpu","current":{"averageValue":"20m","averageUtilization":40}}},
   {"type":"External","external":{"metric":{"name":"queue"},"current":{"averageValue":"7"}}}],
   "conditions":[{"type":"AbleToScale","status":"True"}]}})";

TEST(Convert, AutoscalerRoundTripThroughV1) {
  Value v1 = converted("autoscaling/v2", "autoscaling/v1", kAutoscalers, json(kNewAutoscaler));
  EXPECT_EQ(v1["spec"]["targetCPUUtilizationPercentage"], 50);
  EXPECT_EQ(v1["status"]["currentCPUUtilizationPercentage"], 40);
  const std::string prefix = "autoscaling.alpha.kubernetes.io/";
  EXPECT_EQ(json(annotation_of(v1, prefix + "behavior"))["ScaleUp"]["StabilizationWindowSeconds"], 0);
  EXPECT_EQ(json(annotation_of(v1, prefix + "metrics")).as_array().at(0),
            json(R"({"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Gi"}})"));
  EXPECT_EQ(json(annotation_of(v1, prefix + "metrics")).as_array().size(), 5u);
  EXPECT_EQ(json(annotation_of(v1, prefix + "current-metrics")).as_array().size(), 2u);
  EXPECT_EQ(json(annotation_of(v1, prefix + "conditions")).as_array().at(0)["type"], "AbleToScale");
  EXPECT_EQ(converted("autoscaling/v1", "autoscaling/v2", kAutoscalers, v1), json(kNewAutoscaler));
}

TEST(Convert, AutoscalerWithBrokenAnnotation) {
  Value v1 = json(kOldAutoscaler);
  set_annotation(v1, "autoscaling.alpha.kubernetes.io/metrics", "{");
  auto out = convert(*version_of("autoscaling/v1", kAutoscalers), *version_of("autoscaling/v2", kAutoscalers), v1);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().reason, base::Reason::bad_request);
}

TEST(Convert, OthersAreRefused) {
  auto out = convert(*version_of("v1", "Event"), *version_of("v1", "Pod"), json("{}"));
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().reason, base::Reason::internal_error);
  EXPECT_EQ(converted("v1", "v1", "Event", json(kCoreEvent)), json(kCoreEvent));
}

}  // namespace
}  // namespace api
