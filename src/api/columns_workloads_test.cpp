#include <gtest/gtest.h>

#include "api/columns.hpp"
#include "api/validate_testing.hpp"
#include "base/json.hpp"

namespace api {
namespace {

const base::Time kNow = *base::parse_time("2026-01-01T01:00:00Z");

struct RowCase {
  const char* group;
  const char* kind;
  const char* members;
  const char* row;
};

#define POD R"("template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"a","image":"i:1"},{"name":"b","image":"j"}],"nodeSelector":{"disk":"ssd"}}})"
#define SELECTOR R"("selector":{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"In","values":["x","y"]},{"key":"old","operator":"DoesNotExist"}]})"

const RowCase kRows[] = {
    {"apps", "Deployment", R"("spec":{"replicas":3,)" SELECTOR "," POD R"(},"status":{"readyReplicas":2,"updatedReplicas":1,"availableReplicas":2})",
     "x | 2/3 | 1 | 2 | 60m | a,b | i:1,j | app=web,!old,tier in (x,y)"},
    {"apps", "Deployment", R"("spec":{"replicas":0},"status":{})", "x | 0/0 | 0 | 0 | 60m |  |  | "},
    {"apps", "StatefulSet", R"("spec":{"replicas":3,)" POD R"(},"status":{"readyReplicas":2,"replicas":3})", "x | 2/3 | 60m | a,b | i:1,j"},
    {"apps", "DaemonSet", R"("spec":{)" SELECTOR "," POD R"(},"status":{"desiredNumberScheduled":5,"currentNumberScheduled":4,"numberReady":3,"updatedNumberScheduled":2,"numberAvailable":1})",
     "x | 5 | 4 | 3 | 2 | 1 | disk=ssd | 60m | a,b | i:1,j | app=web,!old,tier in (x,y)"},
    {"apps", "ControllerRevision", R"("revision":7)", "x | <none> | 7 | 60m"},
    {"batch", "Job", R"("spec":{"completions":3,)" POD R"(},"status":{"succeeded":1,"startTime":"2026-01-01T00:50:00Z"})",
     "x | Running | 1/3 | 10m | 60m | a,b | i:1,j | <none>"},
    {"batch", "Job", R"("spec":{"parallelism":4},"status":{"succeeded":1,"startTime":"2026-01-01T00:50:00Z","completionTime":"2026-01-01T00:50:07Z","conditions":[{"type":"Complete","status":"True"}]})",
     "x | Complete | 1/1 of 4 | 7s | 60m |  |  | <none>"},
    {"batch", "Job", R"("spec":{"parallelism":1},"status":{"conditions":[{"type":"Suspended","status":"True"},{"type":"Failed","status":"False"}]})",
     "x | Suspended | 0/1 |  | 60m |  |  | <none>"},
    {"batch", "CronJob", R"("spec":{"schedule":"*/5 * * * *","suspend":false,"jobTemplate":{"spec":{)" POD R"(}}},"status":{"active":[{},{}],"lastScheduleTime":"2026-01-01T00:58:00Z"})",
     "x | */5 * * * * | <none> | False | 2 | 2m | 60m | a,b | i:1,j | <none>"},
    {"batch", "CronJob", R"("spec":{"schedule":"@daily","timeZone":"Etc/UTC","suspend":true})", "x | @daily | Etc/UTC | True | 0 | <none> | 60m |  |  | <none>"},
    {"autoscaling", "HorizontalPodAutoscaler",
     R"("apiVersion":"autoscaling/v2","spec":{"scaleTargetRef":{"kind":"Deployment","name":"web"},"minReplicas":2,"maxReplicas":5,"metrics":[
       {"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}},
       {"type":"Pods","pods":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"10"}}},
       {"type":"External","external":{"target":{"value":"3"}}}]},
       "status":{"currentReplicas":3,"currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":12}}}]})",
     "x | Deployment/web | cpu: 12%/80%, <unknown>/10 + 1 more... | 2 | 5 | 3 | 60m"},
    {"autoscaling", "HorizontalPodAutoscaler", R"("apiVersion":"autoscaling/v1","spec":{"scaleTargetRef":{"kind":"A","name":"b"},"maxReplicas":5,"targetCPUUtilizationPercentage":70})",
     "x | A/b | cpu: <unknown>/70% | <unset> | 5 | 0 | 60m"},
    {"policy", "PodDisruptionBudget", R"("spec":{"minAvailable":"50%"},"status":{"disruptionsAllowed":2})", "x | 50% | N/A | 2 | 60m"},
    {"policy", "PodDisruptionBudget", R"("spec":{"maxUnavailable":1})", "x | N/A | 1 | 0 | 60m"},
    {"scheduling.k8s.io", "PriorityClass", R"("value":1000,"globalDefault":true,"preemptionPolicy":"Never")", "x | 1000 | true | 60m | Never"},
    {"", "PersistentVolume", R"("spec":{"capacity":{"storage":"10Gi"},"accessModes":["ReadWriteMany","ReadWriteOnce"],"persistentVolumeReclaimPolicy":"Retain","claimRef":{"namespace":"default","name":"c"},"storageClassName":"fast","volumeMode":"Filesystem"},"status":{"phase":"Bound"})",
     "x | 10Gi | RWO,RWX | Retain | Bound | default/c | fast | <unset> |  | 60m | Filesystem"},
    {"", "PersistentVolumeClaim", R"("spec":{"volumeName":"v","storageClassName":"fast","accessModes":["ReadOnlyMany"],"volumeMode":"Block"},"status":{"phase":"Bound","capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOncePod"]})",
     "x | Bound | v | 1Gi | RWOP | fast | <unset> | 60m | Block"},
    {"", "PersistentVolumeClaim", R"("spec":{"accessModes":["ReadOnlyMany"]},"status":{"phase":"Pending"})", "x | Pending |  |  |  |  | <unset> | 60m | <unset>"},
    {"", "PodTemplate", POD, "x | a,b | i:1,j | app=web"},
    {"", "LimitRange", R"("spec":{"limits":[]})", "x | 2026-01-01T00:00:00Z"},
    {"", "ResourceQuota", R"("status":{"hard":{"pods":"10","requests.cpu":"1","limits.memory":"2Gi"},"used":{"pods":"3","limits.memory":"1Gi"}})",
     "x | pods: 3/10, requests.cpu: 0/1 | limits.memory: 1Gi/2Gi | 60m"},
    {"", "ComponentStatus", R"("conditions":[{"type":"Healthy","status":"True","message":"ok"}])", "x | Healthy | ok | "},
};

TEST(WorkloadColumns, Rows) {
  for (const auto& one : kRows) {
    Kind kind;
    kind.group = one.group;
    kind.kind = one.kind;
    const std::string meta = R"("metadata":{"name":"x","namespace":"default","creationTimestamp":"2026-01-01T00:00:00Z"})";
    auto cells = table_cells(kind, testing::json("{" + meta + "," + one.members + "}"), kNow);
    EXPECT_EQ(cells.size(), columns_of(kind).size()) << one.kind;
    std::string row;
    for (size_t i = 0; i < cells.size(); ++i) {
      row += i == 0 ? "" : " | ";
      row += cells[i].is_string() ? std::string(cells[i].as_string()) : base::write_json(cells[i]);
    }
    EXPECT_EQ(row, one.row) << one.kind << " " << one.members;
  }
}

// What a definition in schema/ says of the table's head is what is printed.
TEST(WorkloadColumns, HeadsAreThoseOfTheSchema) {
  std::set<std::pair<std::string, std::string>> looked_at;
  for (const auto& one : kRows) {
    if (!looked_at.emplace(one.group, one.kind).second) continue;
    auto kind = testing::built_in(one.group, one.kind);
    auto columns = columns_of(*kind);
    ASSERT_EQ(columns.size(), kind->columns.size()) << one.kind;
    for (size_t i = 0; i < columns.size(); ++i) {
      EXPECT_EQ(columns[i].name, kind->columns[i].name) << one.kind;
      EXPECT_EQ(columns[i].priority, kind->columns[i].priority) << one.kind << " " << columns[i].name;
    }
  }
}

TEST(WorkloadColumns, ControllerOfARevision) {
  auto cells = table_cells(*testing::built_in("apps", "ControllerRevision"), testing::json(R"({"metadata":{"name":"x",
    "ownerReferences":[{"apiVersion":"apps/v1","kind":"DaemonSet","name":"logs","uid":"1","controller":true}]}})"), kNow);
  EXPECT_EQ(cells.at(1), "daemonset.apps/logs");
}

}  // namespace
}  // namespace api
