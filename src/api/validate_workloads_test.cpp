#include <gtest/gtest.h>

#include "api/validate_testing.hpp"

namespace api {
namespace {

using testing::Case;
using testing::expect_create;
using testing::expect_update;

#define META R"("metadata":{"name":"x","namespace":"default","uid":"u1"})"
#define PODS R"("template":{"metadata":{"labels":{"app":"web"}},"spec":{"restartPolicy":"Always","containers":[{"name":"c","image":"i","imagePullPolicy":"Always","terminationMessagePolicy":"File"}]}})"
#define SELECTOR R"("selector":{"matchLabels":{"app":"web"}})"

constexpr const char* kDeployment = "{" META R"(,"spec":{"replicas":1,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":1}},"progressDeadlineSeconds":600,)" SELECTOR "," PODS "}}";

TEST(ValidateWorkloads, Deployments) {
  expect_create("apps", "Deployment", kDeployment, {
    {"good", "{}", ""},
    {"no selector", R"({"spec":{"selector":null}})", "spec.selector: Required value"},
    {"empty selector", R"({"spec":{"selector":{"matchLabels":null}}})", "spec.selector: Invalid value: *empty selector is invalid for deployment"},
    {"other labels", R"({"spec":{"template":{"metadata":{"labels":{"app":"db"}}}}})", "spec.template.metadata.labels: Invalid value: *: `selector` does not match template `labels`"},
    {"expressions count", R"({"spec":{"selector":{"matchExpressions":[{"key":"app","operator":"NotIn","values":["web"]}]}}})", "*`selector` does not match template `labels`"},
    {"negative", R"({"spec":{"replicas":-1,"minReadySeconds":-1,"revisionHistoryLimit":-1}})",
     "spec.replicas: Invalid value: -1: must be greater than or equal to 0|spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0|spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0"},
    {"runs once", R"({"spec":{"template":{"spec":{"restartPolicy":"Never"}}}})", "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""},
    {"deadline", R"({"spec":{"template":{"spec":{"activeDeadlineSeconds":5}}}})", "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"},
    {"progress", R"({"spec":{"progressDeadlineSeconds":5,"minReadySeconds":5}})", "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"},
    {"recreate in steps", R"({"spec":{"strategy":{"type":"Recreate"}}})", "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"},
    {"odd strategy", R"({"spec":{"strategy":{"type":"Odd"}}})", "spec.strategy.type: Unsupported value: \"Odd\": supported values: \"Recreate\", \"RollingUpdate\""},
    {"no step at all", R"({"spec":{"strategy":{"rollingUpdate":{"maxUnavailable":0,"maxSurge":"0%"}}}})", "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"},
    {"too many", R"({"spec":{"strategy":{"rollingUpdate":{"maxUnavailable":"101%"}}}})", "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"},
    {"no percentage", R"({"spec":{"strategy":{"rollingUpdate":{"maxSurge":"many"}}}})", "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"many\": a valid percent string must be a numeric string followed by an ending '%'*"},
    {"container without a name", R"({"spec":{"template":{"spec":{"containers":[{"image":"i","imagePullPolicy":"Always","terminationMessagePolicy":"File"}]}}}})", "spec.template.spec.containers[0].name: Required value"},
  });
  expect_update("apps", "Deployment", kDeployment, {
    {"scaled", R"({"spec":{"replicas":5}})", ""},
    {"other selector", R"({"spec":{"selector":{"matchLabels":{"tier":"a"}},"template":{"metadata":{"labels":{"tier":"a"}}}}})", "spec.selector: Invalid value: *: field is immutable"},
  });
  const std::string status = std::string(kDeployment).substr(0, strlen(kDeployment) - 1) + R"(,"status":{"collisionCount":2}})";
  expect_update("apps", "Deployment", status, {
    {"counts", R"({"status":{"replicas":1,"readyReplicas":1,"availableReplicas":1}})", ""},
    {"too many ready", R"({"status":{"replicas":1,"readyReplicas":2}})", "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"},
    {"negative", R"({"status":{"replicas":-1}})", "status.replicas: Invalid value: -1: *"},
    {"collisions go down", R"({"status":{"collisionCount":1}})", "status.collisionCount: Invalid value: 1: cannot be decremented"},
  }, "status");
}

TEST(ValidateWorkloads, ReplicaSets) {
  const char* set = "{" META R"(,"spec":{"replicas":1,)" SELECTOR "," PODS "}}";
  expect_create("apps", "ReplicaSet", set, {
    {"good", "{}", ""},
    {"no selector", R"({"spec":{"selector":null}})", "spec.selector: Required value"},
    {"no containers", R"({"spec":{"template":{"spec":{"containers":[]}}}})", "spec.template.spec.containers: Required value"},
  });
  expect_update("apps", "ReplicaSet", set, {
    {"immutable", R"({"spec":{"selector":{"matchExpressions":[{"key":"app","operator":"Exists"}]}}})", "spec.selector: Invalid value: *: field is immutable"},
  });
}

TEST(ValidateWorkloads, StatefulSets) {
  const char* set = "{" META R"(,"spec":{"replicas":2,"serviceName":"s","podManagementPolicy":"OrderedReady","updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}},)" SELECTOR "," PODS "}}";
  expect_create("apps", "StatefulSet", set, {
    {"good", "{}", ""},
    {"odd management", R"({"spec":{"podManagementPolicy":"Odd"}})", "spec.podManagementPolicy: Invalid value: \"Odd\": must be 'OrderedReady' or 'Parallel'"},
    {"odd strategy", R"({"spec":{"updateStrategy":{"type":"Odd"}}})", "spec.updateStrategy: Invalid value: *: must be 'RollingUpdate' or 'OnDelete'*"},
    {"by hand, in steps", R"({"spec":{"updateStrategy":{"type":"OnDelete"}}})", "spec.updateStrategy.rollingUpdate: Invalid value: *: only allowed for updateStrategy 'RollingUpdate'"},
    {"partition", R"({"spec":{"updateStrategy":{"rollingUpdate":{"partition":-1}}}})", "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: *"},
    {"none missing", R"({"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":0}}}})", "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0"},
    {"retention", R"({"spec":{"persistentVolumeClaimRetentionPolicy":{"whenScaled":"Odd"}}})", "spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: \"Odd\": supported values: \"Retain\", \"Delete\""},
    {"ordinals", R"({"spec":{"ordinals":{"start":-1}}})", "spec.ordinals.start: Invalid value: -1: *"},
    {"empty selector", R"({"spec":{"selector":{"matchLabels":null}}})", "spec.selector: Invalid value: *empty selector is invalid for statefulset"},
  });
  const std::string fixed = "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
  expect_update("apps", "StatefulSet", set, {
    {"what may change", R"({"spec":{"replicas":3,"minReadySeconds":1,"ordinals":{"start":1},"updateStrategy":{"rollingUpdate":{"partition":1}},"template":{"metadata":{"annotations":{"a":"b"}}}}})", ""},
    {"service", R"({"spec":{"serviceName":"t"}})", fixed},
    {"management", R"({"spec":{"podManagementPolicy":"Parallel"}})", fixed},
  });
}

TEST(ValidateWorkloads, DaemonSetsAndRevisions) {
  const char* set = "{" META R"(,"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":0}},)" SELECTOR "," PODS "}}";
  expect_create("apps", "DaemonSet", set, {
    {"good", "{}", ""},
    {"both", R"({"spec":{"updateStrategy":{"rollingUpdate":{"maxSurge":1}}}})", "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"},
    {"none", R"({"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":0}}}})", "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"},
    {"odd", R"({"spec":{"updateStrategy":{"type":"Odd"}}})", "spec.updateStrategy.type: Unsupported value: \"Odd\": supported values: \"RollingUpdate\", \"OnDelete\""},
    {"selector", R"({"spec":{"template":{"metadata":{"labels":null}}}})", "spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`"},
  });
  const char* revision = "{" META R"(,"data":{"a":1},"revision":1})";
  expect_create("apps", "ControllerRevision", revision, {
    {"good", "{}", ""},
    {"empty", R"({"data":null,"revision":-1})", "data: Required value: data is mandatory|revision: Invalid value: -1: *"},
  });
  expect_update("apps", "ControllerRevision", revision, {{"data", R"({"data":{"a":2}})", "data: Invalid value: *: field is immutable"}});
}

#define JOB_LABELS R"({"controller-uid":"u1","job-name":"x","batch.kubernetes.io/controller-uid":"u1","batch.kubernetes.io/job-name":"x"})"
#define JOB_PODS R"("template":{"metadata":{"labels":)" JOB_LABELS R"(},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i","imagePullPolicy":"Always","terminationMessagePolicy":"File"}]}})"
constexpr const char* kJob = "{" META R"(,"spec":{"parallelism":1,"completions":1,"completionMode":"NonIndexed","backoffLimit":6,"selector":{"matchLabels":{"batch.kubernetes.io/controller-uid":"u1"}},)" JOB_PODS "}}";

TEST(ValidateWorkloads, Jobs) {
  expect_create("batch", "Job", kJob, {
    {"good", "{}", ""},
    {"negative", R"({"spec":{"parallelism":-1,"activeDeadlineSeconds":-1,"ttlSecondsAfterFinished":-1}})",
     "spec.parallelism: Invalid value: -1: *|spec.activeDeadlineSeconds: *|spec.ttlSecondsAfterFinished: *"},
    {"runs for ever", R"({"spec":{"template":{"spec":{"restartPolicy":"Always"}}}})", "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""},
    {"mode", R"({"spec":{"completionMode":"Odd"}})", "spec.completionMode: Unsupported value: \"Odd\": supported values: \"NonIndexed\", \"Indexed\""},
    {"indexed", R"({"spec":{"completionMode":"Indexed","completions":null}})", "spec.completions: Required value: when completion mode is Indexed"},
    {"not indexed", R"({"spec":{"backoffLimitPerIndex":1}})", "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"},
    {"success", R"({"spec":{"completionMode":"Indexed","completions":5,"successPolicy":{"rules":[{"succeededIndexes":"0-2,4","succeededCount":4}]}}})", ""},
    {"success of too many", R"({"spec":{"completionMode":"Indexed","completions":5,"successPolicy":{"rules":[{"succeededIndexes":"0-2","succeededCount":4}]}}})",
     "spec.successPolicy.rules[0].succeededCount: Invalid value: 4: must be less than or equal to 3 (the number of indexes in the specified succeededIndexes field)"},
    {"indexes", R"({"spec":{"completionMode":"Indexed","completions":5,"successPolicy":{"rules":[{"succeededIndexes":"3-1"}]}}})",
     "spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"3-1\": error parsing succeededIndexes: non-increasing order, previous: 3, current: 1"},
    {"exit codes", R"({"spec":{"podFailurePolicy":{"rules":[{"action":"FailJob","onExitCodes":{"containerName":"d","operator":"In","values":[3,0,3]}}]}}})",
     "spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"d\": must be one of *|*values[1]: Invalid value: 0: must not be 0 for the In operator|*values[2]: Duplicate value: 3|*values: Invalid value: *: must be ordered"},
    {"neither", R"({"spec":{"podFailurePolicy":{"rules":[{"action":"Ignore"}]}}})", "spec.podFailurePolicy.rules[0]: Invalid value: *: specifying one of OnExitCodes and OnPodConditions is required"},
    {"fail index", R"({"spec":{"podFailurePolicy":{"rules":[{"action":"FailIndex","onPodConditions":[{"type":"DisruptionTarget","status":"True"}]}]}}})",
     "spec.podFailurePolicy.rules[0]: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set"},
    {"restarts", R"({"spec":{"podFailurePolicy":{"rules":[]},"template":{"spec":{"restartPolicy":"OnFailure"}}}})", "spec.template.spec.restartPolicy: Invalid value: \"OnFailure\": only \"Never\" is supported when podFailurePolicy is specified"},
    {"manager", R"({"spec":{"managedBy":"me"}})", "spec.managedBy: Invalid value: \"me\": must be a domain-prefixed path (such as \"acme.io/foo\")"},
    {"foreign labels", R"({"spec":{"template":{"metadata":{"labels":{"job-name":"y"}}}}})", "spec.template.metadata.labels: Invalid value: *: must be 'x'"},
    {"own selector", R"({"spec":{"manualSelector":true,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}}}}})", ""},
  });
  expect_update("batch", "Job", kJob, {
    {"wider", R"({"spec":{"parallelism":3,"backoffLimit":1,"suspend":true,"activeDeadlineSeconds":3}})", ""},
    {"an empty list is none", R"({"spec":{"template":{"spec":{"tolerations":[],"containers":[{"name":"c","image":"i","imagePullPolicy":"Always","terminationMessagePolicy":"File","env":[],"ports":null}]}}}})", ""},
    {"completions", R"({"spec":{"completions":2}})", "spec.completions: Invalid value: 2: field is immutable"},
    {"template", R"({"spec":{"template":{"spec":{"nodeSelector":{"a":"b"}}}}})", "spec.template: Invalid value: *: field is immutable"},
    {"mode", R"({"spec":{"completionMode":"Indexed"}})", "spec.completionMode: Invalid value: \"Indexed\": field is immutable"},
  });
  const std::string waiting = testing::patched(kJob, R"({"spec":{"suspend":true,"completionMode":"Indexed"}})");
  expect_update("batch", "Job", waiting, {
    {"where it will run", R"({"spec":{"template":{"metadata":{"annotations":{"a":"b"}},"spec":{"nodeSelector":{"a":"b"},"affinity":{"nodeAffinity":{}}}}}})", ""},
    {"what it will run", R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":"j","imagePullPolicy":"Always","terminationMessagePolicy":"File"}]}}}})", "spec.template: Invalid value: *: field is immutable"},
    {"in tandem", R"({"spec":{"completions":3,"parallelism":3}})", ""},
    {"alone", R"({"spec":{"completions":3}})", "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"},
  });
}

TEST(ValidateWorkloads, CronJobs) {
  const char* cron = "{" META R"(,"spec":{"schedule":"*/5 * * * *","concurrencyPolicy":"Allow","jobTemplate":{"spec":{)" JOB_PODS "}}}}";
  expect_create("batch", "CronJob", cron, {
    {"good", "{}", ""},
    {"name", R"({"metadata":{"name":"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefff"}})", "metadata.name: Invalid value: *: must be no more than 52 characters"},
    {"no schedule", R"({"spec":{"schedule":""}})", "spec.schedule: Required value"},
    {"fields", R"({"spec":{"schedule":"* * * *"}})", "spec.schedule: Invalid value: \"* * * *\": expected exactly 5 fields, found 4: [* * * *]"},
    {"zone in schedule", R"({"spec":{"schedule":"TZ=UTC 0 * * * *"}})", "spec.schedule: Invalid value: *: cannot use TZ or CRON_TZ in schedule, use timeZone field instead"},
    {"zones", R"({"spec":{"timeZone":"Europe/Berlin"}})", ""},
    {"local", R"({"spec":{"timeZone":"local"}})", "spec.timeZone: Invalid value: \"local\": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"},
    {"bad zone", R"({"spec":{"timeZone":"a b"}})", "spec.timeZone: Invalid value: \"a b\": unknown time zone a b"},
    {"policy", R"({"spec":{"concurrencyPolicy":"Odd"}})", "spec.concurrencyPolicy: Unsupported value: \"Odd\": supported values: \"Allow\", \"Forbid\", \"Replace\""},
    {"selector", R"({"spec":{"jobTemplate":{"spec":{"selector":{}}}}})", "spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be auto-generated"},
    {"limits", R"({"spec":{"failedJobsHistoryLimit":-1}})", "spec.failedJobsHistoryLimit: Invalid value: -1: *"},
    {"job", R"({"spec":{"jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Always"}}}}}})", "spec.jobTemplate.spec.template.spec.restartPolicy: Required value: *"},
  });
}

TEST(ValidateWorkloads, Autoscalers) {
  const char* scaler = "{" META R"(,"spec":{"scaleTargetRef":{"kind":"Deployment","name":"web"},"minReplicas":1,"maxReplicas":3,"metrics":[
    {"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}]}})";
  expect_create("autoscaling", "HorizontalPodAutoscaler", scaler, {
    {"good", "{}", ""},
    {"least", R"({"spec":{"minReplicas":0}})", "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"},
    {"most", R"({"spec":{"maxReplicas":0}})", "spec.maxReplicas: Invalid value: 0: must be greater than 0|spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`"},
    {"target", R"({"spec":{"scaleTargetRef":{"name":"a/b","kind":""}}})", "spec.scaleTargetRef.kind: Required value|spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'"},
    {"no type", R"({"spec":{"metrics":[{"type":"Odd"}]}})", "spec.metrics[0].type: Unsupported value: \"Odd\": supported values: \"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\""},
    {"missing source", R"({"spec":{"metrics":[{"type":"Pods"}]}})", "spec.metrics[0].pods: Required value: must populate information for the given metric source"},
    {"two sources", R"({"spec":{"metrics":[{"type":"Resource","pods":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"1"}},"resource":{"name":"cpu","target":{"type":"AverageValue","averageValue":"1"}}}]}})",
     "spec.metrics[0].pods: Forbidden: must populate the given metric source only"},
    {"both targets", R"({"spec":{"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":0,"averageValue":"0"}}}]}})",
     "*averageValue: Invalid value: \"0\": must be positive|*averageUtilization: Invalid value: 0: must be greater than 0|*averageValue: Forbidden: may not set both a target raw value and a target utilization"},
    {"behavior", R"({"spec":{"behavior":{"scaleUp":{"stabilizationWindowSeconds":3601,"selectPolicy":"Odd","policies":[{"type":"Odd","value":0,"periodSeconds":1801}]}}}})",
     "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600|*selectPolicy: Unsupported value: *|*type: Unsupported value: *|*value: Invalid value: 0: must be greater than zero|*periodSeconds: Invalid value: 1801: must be less than or equal to 1800"},
    {"no policy", R"({"spec":{"behavior":{"scaleDown":{}}}})", "spec.behavior.scaleDown.policies: Required value: must specify at least one Policy"},
  });
}

TEST(ValidateWorkloads, BudgetsAndPriorities) {
  const char* budget = "{" META R"(,"spec":{"minAvailable":1,"selector":{"matchLabels":{"a":"b"}}}})";
  expect_create("policy", "PodDisruptionBudget", budget, {
    {"good", "{}", ""},
    {"both", R"({"spec":{"maxUnavailable":"10%"}})", "spec: Invalid value: *: minAvailable and maxUnavailable cannot be both set"},
    {"percentage", R"({"spec":{"minAvailable":"101%"}})", "spec.minAvailable: Invalid value: \"101%\": must not be greater than 100%"},
    {"text", R"({"spec":{"minAvailable":"half"}})", "spec.minAvailable: Invalid value: \"half\": a valid percent string*"},
    {"negative", R"({"spec":{"minAvailable":-1}})", "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"},
    {"policy", R"({"spec":{"unhealthyPodEvictionPolicy":"Odd"}})", "spec.unhealthyPodEvictionPolicy: Unsupported value: \"Odd\": supported values: \"AlwaysAllow\", \"IfHealthyBudget\""},
  });
  const char* priority = R"({"metadata":{"name":"high"},"value":1000,"preemptionPolicy":"Never"})";
  expect_create("scheduling.k8s.io", "PriorityClass", priority, {
    {"good", "{}", ""},
    {"highest", R"({"value":1000000000})", ""},
    {"too high", R"({"value":1000000001})", "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"},
    {"system", R"({"metadata":{"name":"system-mine"}})", "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class"},
    {"known system", R"({"metadata":{"name":"system-node-critical"},"value":2000001000})", ""},
    {"known system, other value", R"({"metadata":{"name":"system-node-critical"}})", "metadata.name: Forbidden: *error: value of system-node-critical PriorityClass must be 2000001000"},
    {"policy", R"({"preemptionPolicy":"Odd"})", "preemptionPolicy: Unsupported value: \"Odd\": supported values: *"},
  });
  expect_update("scheduling.k8s.io", "PriorityClass", priority, {
    {"description", R"({"description":"d","globalDefault":true})", ""},
    {"value", R"({"value":5})", "value: Forbidden: may not be changed in an update."},
    {"policy", R"({"preemptionPolicy":"PreemptLowerPriority"})", "preemptionPolicy: Invalid value: \"PreemptLowerPriority\": field is immutable"},
  });
}

TEST(ValidateWorkloads, Volumes) {
  const char* volume = R"({"metadata":{"name":"v"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"persistentVolumeReclaimPolicy":"Retain","volumeMode":"Filesystem","hostPath":{"path":"/data","type":""}}})";
  expect_create("", "PersistentVolume", volume, {
    {"good", "{}", ""},
    {"modes", R"({"spec":{"accessModes":[]}})", "spec.accessModes: Required value"},
    {"odd mode", R"({"spec":{"accessModes":["Odd"]}})", "spec.accessModes: Unsupported value: \"Odd\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"*"},
    {"one pod", R"({"spec":{"accessModes":["ReadWriteOnce","ReadWriteOncePod"]}})", "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"},
    {"no capacity", R"({"spec":{"capacity":null}})", "spec.capacity: Required value"},
    {"zero", R"({"spec":{"capacity":{"storage":"0"}}})", "spec.capacity[storage]: Invalid value: \"0\": must be greater than zero"},
    {"other capacity", R"({"spec":{"capacity":{"cpu":"1"}}})", "spec.capacity: Unsupported value: *"},
    {"no source", R"({"spec":{"hostPath":null}})", "spec: Required value: must specify a volume type"},
    {"two sources", R"({"spec":{"nfs":{"server":"s","path":"/"}}})", "spec.nfs: Forbidden: may not specify more than 1 volume type"},
    {"recycle", R"({"spec":{"persistentVolumeReclaimPolicy":"Recycle","hostPath":{"path":"/"}}})", "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"},
    {"back", R"({"spec":{"hostPath":{"path":"/a/../b"}}})", "spec.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"},
    {"local", R"({"spec":{"hostPath":null,"local":{"path":"/d"}}})", "metadata.annotations: Required value: Local volume requires node affinity"},
    {"csi", R"({"spec":{"hostPath":null,"csi":{"driver":"d.example.com","volumeHandle":""}}})", "spec.csi.volumeHandle: Required value"},
    {"class", R"({"spec":{"storageClassName":"A"}})", "spec.storageClassName: Invalid value: \"A\": *"},
  });
  expect_update("", "PersistentVolume", volume, {
    {"class and size", R"({"spec":{"storageClassName":"b","capacity":{"storage":"2Gi"},"claimRef":{"name":"c","namespace":"d"}}})", ""},
    {"source", R"({"spec":{"hostPath":{"path":"/other"}}})", "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"},
    {"mode", R"({"spec":{"volumeMode":"Block"}})", "spec.volumeMode: Invalid value: \"Block\": field is immutable"},
  });
}

TEST(ValidateWorkloads, Claims) {
  const char* claim = "{" META R"(,"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},"storageClassName":"fast","volumeMode":"Filesystem"}})";
  expect_create("", "PersistentVolumeClaim", claim, {
    {"good", "{}", ""},
    {"modes", R"({"spec":{"accessModes":null}})", "spec.accessModes: Required value: at least 1 access mode is required"},
    {"size", R"({"spec":{"resources":null}})", "spec.resources[storage]: Required value"},
    {"zero", R"({"spec":{"resources":{"requests":{"storage":0}}}})", "spec.resources[storage]: Invalid value: 0: must be greater than zero"},
    {"no class", R"({"spec":{"storageClassName":""}})", ""},
    {"class", R"({"spec":{"storageClassName":"A"}})", "spec.storageClassName: Invalid value: \"A\": *"},
    {"source", R"({"spec":{"dataSource":{"kind":"Pod","name":"p"}}})", "spec.dataSource: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when referencing the default apiGroup"},
  });
  const std::string fixed = "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
  expect_update("", "PersistentVolumeClaim", claim, {
    {"bound by hand", R"({"spec":{"volumeName":"v"}})", ""},
    {"class", R"({"spec":{"storageClassName":"slow"}})", fixed},
    {"larger", R"({"spec":{"resources":{"requests":{"storage":"2Gi"}}}})", fixed},
  });
  const std::string bound = testing::patched(claim, R"({"spec":{"volumeName":"v"},"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}})");
  expect_update("", "PersistentVolumeClaim", bound, {
    {"larger", R"({"spec":{"resources":{"requests":{"storage":"2Gi"}},"volumeAttributesClassName":"gold"}})", ""},
    {"smaller", R"({"spec":{"resources":{"requests":{"storage":"500Mi"}}}})", "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"},
    {"volume", R"({"spec":{"volumeName":"w"}})", fixed},
  });
}

TEST(ValidateWorkloads, LimitsAndQuotas) {
  const char* range = "{" META R"(,"spec":{"limits":[{"type":"Container","max":{"cpu":"2"},"min":{"cpu":"1"},"default":{"cpu":"2"},"defaultRequest":{"cpu":"1"}}]}})";
  expect_create("", "LimitRange", range, {
    {"good", "{}", ""},
    {"min above max", R"({"spec":{"limits":[{"type":"Container","min":{"cpu":"3"},"max":{"cpu":"2"}}]}})", "spec.limits[0].min[cpu]: Invalid value: \"3\": min value 3 is greater than max value 2"},
    {"request above default", R"({"spec":{"limits":[{"type":"Container","defaultRequest":{"cpu":"3"},"default":{"cpu":"2"}}]}})", "spec.limits[0].defaultRequest[cpu]: Invalid value: \"3\": default request value 3 is greater than default limit value 2"},
    {"ratio", R"({"spec":{"limits":[{"type":"Pod","maxLimitRequestRatio":{"cpu":"500m"}}]}})", "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"500m\": ratio 500m is less than 1"},
    {"ratio above", R"({"spec":{"limits":[{"type":"Pod","min":{"cpu":"1"},"max":{"cpu":"2"},"maxLimitRequestRatio":{"cpu":"3"}}]}})", "*ratio 3 is greater than max/min = 2.000000"},
    {"pod default", R"({"spec":{"limits":[{"type":"Pod","default":{"cpu":"1"}}]}})", "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"},
    {"claims", R"({"spec":{"limits":[{"type":"PersistentVolumeClaim"}]}})", "spec.limits[0]: Required value: either minimum or maximum storage value is required, but neither was provided"},
    {"twice", R"({"spec":{"limits":[{"type":"Pod"},{"type":"Pod"}]}})", "spec.limits[1].type: Duplicate value: \"Pod\""},
    {"type", R"({"spec":{"limits":[{"type":"Odd"}]}})", "spec.limits[0].type: Invalid value: \"Odd\": must be a standard limit type or fully qualified"},
  });
  const char* quota = "{" META R"(,"spec":{"hard":{"pods":"10","requests.cpu":"1","count/deployments.apps":"3"}}})";
  expect_create("", "ResourceQuota", quota, {
    {"good", "{}", ""},
    {"unknown", R"({"spec":{"hard":{"cars":"1"}}})", "spec.hard[cars]: Invalid value: \"cars\": must be a standard resource for quota"},
    {"negative", R"({"spec":{"hard":{"pods":"-1"}}})", "spec.hard[pods]: Invalid value: \"-1\": must be greater than or equal to 0"},
    {"half a pod", R"({"spec":{"hard":{"pods":"500m"}}})", "spec.hard[pods]: Invalid value: \"500m\": must be an integer"},
    {"scope", R"({"spec":{"hard":{"count/deployments.apps":null},"scopes":["NotBestEffort"]}})", ""},
    {"scope of others", R"({"spec":{"scopes":["BestEffort"],"hard":{"count/deployments.apps":null}}})", "spec.scopes: Invalid value: *: unsupported scope applied to resource"},
    {"conflict", R"({"spec":{"hard":{"requests.cpu":null,"count/deployments.apps":null},"scopes":["BestEffort","NotBestEffort"]}})", "spec.scopes: Invalid value: *: conflicting scopes"},
    {"selector", R"({"spec":{"hard":{"count/deployments.apps":null},"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In"}]}}})", "spec.scopeSelector.matchExpressions.values: Required value: *"},
  });
  expect_update("", "ResourceQuota", quota, {
    {"more", R"({"spec":{"hard":{"pods":"20"}}})", ""},
    {"scopes", R"({"spec":{"hard":{"count/deployments.apps":null},"scopes":["Terminating"]}})", "spec.scopes: Invalid value: *: field is immutable"},
  });
}

}  // namespace
}  // namespace api
