#include <gtest/gtest.h>

#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "base/json.hpp"

namespace api {
namespace {

using base::Value;

// After decoding and defaulting; doing the latter twice must change nothing.
Value defaulted(std::string_view api_version, std::string_view name, std::string_view body) {
  static const Registry kinds = load_builtin_kinds().value();
  const auto kind = kinds.find_kind(api_version, name);
  EXPECT_TRUE(kind) << name;
  if (!kind) return {};
  auto decoded = decode_body(kinds, *kind, "application/json", body, FieldValidation::strict);
  if (!decoded) {
    ADD_FAILURE() << decoded.error().message;
    return {};
  }
  Value object = decoded->object;
  apply_defaults(*kind, object);
  Value again = object;
  apply_defaults(*kind, again);
  EXPECT_EQ(base::write_json(again), base::write_json(object));
  return object;
}

std::string json(const Value& value) { return base::write_json(value); }

TEST(WorkloadDefaults, Deployment) {
  Value object = defaulted("apps/v1", "Deployment",
                           R"({"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},
    "spec":{"containers":[{"name":"c","image":"i:1"}]}}}})");
  EXPECT_EQ(json(object["spec"]),
            R"({"replicas":1,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":)"
            R"({"containers":[{"name":"c","image":"i:1","resources":{},"terminationMessagePath":"/dev/termination-log",)"
            R"("terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],"restartPolicy":"Always",)"
            R"("terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},)"
            R"("schedulerName":"default-scheduler"}},"strategy":{"type":"RollingUpdate","rollingUpdate":)"
            R"({"maxUnavailable":"25%","maxSurge":"25%"}},"revisionHistoryLimit":10,"progressDeadlineSeconds":600})");
  object = defaulted("apps/v1", "Deployment",
                     R"({"spec":{"replicas":0,"strategy":{"type":"Recreate"},"revisionHistoryLimit":0}})");
  EXPECT_EQ(json(object["spec"]["strategy"]), R"({"type":"Recreate"})");
  EXPECT_EQ(object["spec"]["replicas"], 0);
  EXPECT_EQ(object["spec"]["revisionHistoryLimit"], 0);
  object = defaulted("apps/v1", "Deployment", R"({"spec":{"strategy":{"rollingUpdate":{"maxSurge":0}}}})");
  EXPECT_EQ(json(object["spec"]["strategy"]),
            R"({"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":0}})");
}

TEST(WorkloadDefaults, OtherSets) {
  EXPECT_EQ(defaulted("apps/v1", "ReplicaSet", R"({"spec":{}})")["spec"]["replicas"], 1);
  EXPECT_EQ(json(defaulted("apps/v1", "DaemonSet", R"({"spec":{}})")["spec"]["updateStrategy"]),
            R"({"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":0}})");
  EXPECT_EQ(json(defaulted("apps/v1", "DaemonSet", R"({"spec":{"updateStrategy":{"type":"OnDelete"}}})")["spec"]["updateStrategy"]),
            R"({"type":"OnDelete"})");
  Value set = defaulted("apps/v1", "StatefulSet",
                        R"({"spec":{"serviceName":"s","volumeClaimTemplates":[{"metadata":{"name":"data"},
    "spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}]}})")["spec"];
  EXPECT_EQ(set["podManagementPolicy"], "OrderedReady");
  EXPECT_EQ(json(set["updateStrategy"]),
            R"({"type":"RollingUpdate","rollingUpdate":{"partition":0,"maxUnavailable":1}})");
  EXPECT_EQ(json(set["persistentVolumeClaimRetentionPolicy"]), R"({"whenDeleted":"Retain","whenScaled":"Retain"})");
  EXPECT_EQ(json(set["volumeClaimTemplates"]),
            R"([{"kind":"PersistentVolumeClaim","apiVersion":"v1","metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],)"
            R"("resources":{"requests":{"storage":"1Gi"}},"volumeMode":"Filesystem"},"status":{"phase":"Pending"}}])");
  EXPECT_EQ(json(defaulted("apps/v1", "StatefulSet", R"({"spec":{"updateStrategy":{"type":"RollingUpdate"}}})")["spec"]["updateStrategy"]),
            R"({"type":"RollingUpdate"})");
}

TEST(WorkloadDefaults, Jobs) {
  Value job = defaulted("batch/v1", "Job", R"({"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}})");
  EXPECT_EQ(json(job["metadata"]["labels"]), R"({"a":"b"})");
  for (auto [member, value] : std::initializer_list<std::pair<const char*, Value>>{
           {"parallelism", 1}, {"completions", 1}, {"backoffLimit", 6}, {"completionMode", "NonIndexed"},
           {"suspend", false}, {"podReplacementPolicy", "TerminatingOrFailed"}, {"manualSelector", false}})
    EXPECT_EQ(job["spec"][member], value) << member;
  job = defaulted("batch/v1", "Job", R"({"metadata":{"labels":{"own":"1"}},"spec":{"parallelism":3,"backoffLimitPerIndex":1,
    "podFailurePolicy":{"rules":[{"action":"Ignore","onPodConditions":[{"type":"DisruptionTarget"}]}]},
    "template":{"metadata":{"labels":{"a":"b"}}}}})");
  EXPECT_TRUE(job["spec"]["completions"].is_null());
  EXPECT_EQ(job["spec"]["backoffLimit"], 2147483647);
  EXPECT_EQ(job["spec"]["podReplacementPolicy"], "Failed");
  EXPECT_EQ(job.at({"spec", "podFailurePolicy", "rules"}).as_array().at(0)["onPodConditions"].as_array().at(0)["status"], "True");
  EXPECT_EQ(json(job["metadata"]["labels"]), R"({"own":"1"})");
  Value cron = defaulted("batch/v1", "CronJob", R"({"spec":{"schedule":"@daily"}})")["spec"];
  EXPECT_EQ(cron["concurrencyPolicy"], "Allow");
  EXPECT_EQ(cron["suspend"], false);
  EXPECT_EQ(cron["successfulJobsHistoryLimit"], 3);
  EXPECT_EQ(cron["failedJobsHistoryLimit"], 1);
  EXPECT_EQ(cron.at({"jobTemplate", "spec", "template", "spec", "dnsPolicy"}), "ClusterFirst");
  EXPECT_TRUE(cron.at({"jobTemplate", "spec", "parallelism"}).is_null());
}

TEST(WorkloadDefaults, Volumes) {
  Value volume = defaulted("v1", "PersistentVolume", R"({"spec":{"rbd":{"monitors":["m"],"image":"i"}}})");
  EXPECT_EQ(volume["status"]["phase"], "Pending");
  EXPECT_EQ(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
  EXPECT_EQ(volume["spec"]["volumeMode"], "Filesystem");
  EXPECT_EQ(json(volume["spec"]["rbd"]),
            R"({"monitors":["m"],"image":"i","pool":"rbd","user":"admin","keyring":"/etc/ceph/keyring"})");
  Value claim = defaulted("v1", "PersistentVolumeClaim", R"({"spec":{"volumeMode":"Block"}})");
  EXPECT_EQ(claim["status"]["phase"], "Pending");
  EXPECT_EQ(claim["spec"]["volumeMode"], "Block");
}

TEST(WorkloadDefaults, Limits) {
  Value range = defaulted("v1", "LimitRange", R"({"spec":{"limits":[{"type":"Container","max":{"cpu":"2","memory":"1Gi"},
    "default":{"cpu":"1"},"min":{"ephemeral-storage":"1Mi"}},{"type":"Pod","max":{"cpu":"2"}}]}})");
  const auto& limits = range["spec"]["limits"].as_array();
  EXPECT_EQ(json(limits.at(0)["default"]), R"({"cpu":"1","memory":"1Gi"})");
  EXPECT_EQ(json(limits.at(0)["defaultRequest"]), R"({"cpu":"1","ephemeral-storage":"1Mi","memory":"1Gi"})");
  EXPECT_TRUE(limits.at(1)["default"].is_null());
}

TEST(WorkloadDefaults, Autoscaler) {
  Value spec = defaulted("autoscaling/v2", "HorizontalPodAutoscaler", R"({"apiVersion":"autoscaling/v2",
    "kind":"HorizontalPodAutoscaler","spec":{"maxReplicas":3,"behavior":{"scaleDown":{"selectPolicy":"Disabled"}}}})")["spec"];
  EXPECT_EQ(spec["minReplicas"], 1);
  EXPECT_EQ(json(spec["metrics"]),
            R"([{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}])");
  EXPECT_EQ(json(spec["behavior"]),
            R"({"scaleUp":{"stabilizationWindowSeconds":0,"selectPolicy":"Max","policies":[)"
            R"({"type":"Pods","value":4,"periodSeconds":15},{"type":"Percent","value":100,"periodSeconds":15}]},)"
            R"("scaleDown":{"selectPolicy":"Disabled","policies":[{"type":"Percent","value":100,"periodSeconds":15}]}})");
  spec = defaulted("autoscaling/v1", "HorizontalPodAutoscaler",
                   R"({"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","spec":{"maxReplicas":3}})")["spec"];
  EXPECT_EQ(json(spec["minReplicas"]), "1");
  EXPECT_TRUE(spec["metrics"].is_null());
}

TEST(WorkloadDefaults, PriorityClass) {
  EXPECT_EQ(defaulted("scheduling.k8s.io/v1", "PriorityClass", R"({"value":5})")["preemptionPolicy"], "PreemptLowerPriority");
}

// Every kind of this part keeps its document as written, once defaults are in.
TEST(WorkloadDefaults, RoundTrip) {
  static const Registry kinds = load_builtin_kinds().value();
  for (auto [version, name] : std::initializer_list<std::pair<const char*, const char*>>{
           {"apps/v1", "Deployment"}, {"apps/v1", "StatefulSet"}, {"apps/v1", "DaemonSet"}, {"batch/v1", "Job"},
           {"batch/v1", "CronJob"}, {"v1", "PersistentVolume"}, {"v1", "PersistentVolumeClaim"},
           {"autoscaling/v2", "HorizontalPodAutoscaler"}, {"policy/v1", "PodDisruptionBudget"}}) {
    const std::string head = std::string(R"({"apiVersion":")") + version + R"(","kind":")" + name + R"("})";
    Value object = defaulted(version, name, head);
    auto again = decode_body(kinds, *kinds.find_kind(version, name), "application/json", json(object), FieldValidation::strict);
    ASSERT_TRUE(again) << name << " " << again.error().message;
    EXPECT_EQ(json(again->object), json(object)) << name;
  }
}

}  // namespace
}  // namespace api
