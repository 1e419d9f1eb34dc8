// Deployments, jobs, volumes, events and autoscalers over the wire: status, generations, what the server fills in.
#include <gmock/gmock.h>

#include "api/meta.hpp"
#include "server/testing.hpp"

namespace server::testing {
namespace {

using ::testing::HasSubstr;

class Workloads : public ServerTest {
 protected:
  static int64_t generation_of(const Reply& reply) { return reply.json.at({"metadata", "generation"}).int_or(0); }
  static std::string json(const base::Value& value) { return base::write_json(value); }
  // The answer to the creation of an object that is good.
  Reply created(const std::string& url, const std::string& body) {
    auto reply = call("POST", url, body);
    EXPECT_EQ(reply.status, 201) << reply.text;
    return reply;
  }
  static std::string deployment_json(const std::string& name) {
    return R"({"metadata":{"name":")" + name + R"("},"spec":{"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":)"
           R"({"labels":{"app":"a"}},"spec":{"containers":[{"name":"c","image":"i"}]}}},"status":{"replicas":7}})";
  }
  static std::string job_json(const std::string& name, const std::string& more = "") {
    return R"({"metadata":{"name":")" + name + R"("},"spec":{)" + more + R"("template":{"spec":{"restartPolicy":"Never",)"
           R"("containers":[{"name":"c","image":"i"}]}}}})";
  }

  const std::string apps_ = "/apis/apps/v1/namespaces/default";
  const std::string batch_ = "/apis/batch/v1/namespaces/default";
  const std::string scaling_ = "/apis/autoscaling";
  const std::string claims_ = "/api/v1/namespaces/default/persistentvolumeclaims";
};

TEST_F(Workloads, DeploymentsCountChangesAndKeepTheirStatusApart) {
  const std::string url = apps_ + "/deployments";
  auto reply = created(url, deployment_json("web"));
  EXPECT_EQ(generation_of(reply), 1);
  EXPECT_EQ(json(reply.json["status"]), "{}");
  EXPECT_EQ(reply.json.at({"spec", "strategy", "rollingUpdate", "maxSurge"}), "25%");
  reply = patch(url + "/web", "strategic-merge-patch+json", R"({"spec":{"replicas":3},"status":{"replicas":9}})");
  EXPECT_EQ(generation_of(reply), 2);
  EXPECT_EQ(json(reply.json["status"]), "{}");
  reply = patch(url + "/web", "merge-patch+json", R"({"metadata":{"annotations":{"note":"1"}}})");
  EXPECT_EQ(generation_of(reply), 3);
  reply = patch(url + "/web", "merge-patch+json", R"({"metadata":{"labels":{"l":"1"}}})");
  EXPECT_EQ(generation_of(reply), 3);
  reply = patch(url + "/web/status", "merge-patch+json",
                R"({"metadata":{"labels":{"l":"2"},"annotations":{"deployment.kubernetes.io/revision":"1"}},"spec":{"replicas":5},)"
                R"("status":{"replicas":3,"readyReplicas":2}})");
  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(generation_of(reply), 3);
  EXPECT_EQ(reply.json["spec"]["replicas"], 3);
  EXPECT_EQ(reply.json["status"]["readyReplicas"], 2);
  EXPECT_EQ(api::label_of(reply.json, "l"), "1");
  EXPECT_EQ(api::annotation_of(reply.json, "deployment.kubernetes.io/revision"), "1");
  reply = patch(url + "/web", "merge-patch+json", R"({"spec":{"selector":{"matchLabels":{"app":"b"}}}})");
  EXPECT_EQ(reply.status, 422);
  EXPECT_THAT(std::string(reply.message()), HasSubstr("field is immutable"));
}

TEST_F(Workloads, ScaleOfADeployment) {
  const std::string url = apps_ + "/deployments";
  created(url, deployment_json("web"));
  auto scale = call("GET", url + "/web/scale");
  ASSERT_EQ(scale.status, 200) << scale.text;
  EXPECT_EQ(scale.json["spec"]["replicas"], 1);
  EXPECT_EQ(scale.json["status"]["selector"], "app=a");
  scale = patch(url + "/web/scale", "merge-patch+json", R"({"spec":{"replicas":4}})");
  ASSERT_EQ(scale.status, 200) << scale.text;
  auto web = call("GET", url + "/web");
  EXPECT_EQ(web.json["spec"]["replicas"], 4);
  EXPECT_EQ(generation_of(web), 2);
}

TEST_F(Workloads, FirstStatusOfSets) {
  auto body = [](const char* kind) {
    return std::string(R"({"apiVersion":"apps/v1","kind":")") + kind + R"(","metadata":{"name":"x"},"spec":{"selector":{"matchLabels":{"app":"a"}},)"
           R"("template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}})";
  };
  EXPECT_EQ(json(created(apps_ + "/replicasets", body("ReplicaSet")).json["status"]), R"({"replicas":0})");
  EXPECT_EQ(json(created(apps_ + "/statefulsets", body("StatefulSet")).json["status"]), R"({"replicas":0,"availableReplicas":0})");
  EXPECT_EQ(json(created(apps_ + "/daemonsets", body("DaemonSet")).json["status"]),
            R"({"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0})");
}

TEST_F(Workloads, JobsGetTheirOwnSelector) {
  auto job = created(batch_ + "/jobs", job_json("j")).json;
  const std::string uid(api::uid_of(job));
  EXPECT_EQ(json(job["spec"]["selector"]), R"({"matchLabels":{"batch.kubernetes.io/controller-uid":")" + uid + R"("}})");
  const auto& labels = job.at({"spec", "template", "metadata", "labels"});
  EXPECT_EQ(json(labels), R"({"batch.kubernetes.io/controller-uid":")" + uid + R"(","batch.kubernetes.io/job-name":"j",)"
                          R"("controller-uid":")" + uid + R"(","job-name":"j"})");
  EXPECT_EQ(generation_of({0, "", job, {}}), 1);
  EXPECT_EQ(job.at({"metadata", "labels"}), labels) << "a job without labels has those of its template";
  auto again = call("PUT", batch_ + "/jobs/j?fieldValidation=Strict", json(job));
  EXPECT_EQ(again.json.at({"metadata", "resourceVersion"}), job.at({"metadata", "resourceVersion"})) << again.text;
  // With a selector of one's own the server adds nothing.
  auto own = call("POST", batch_ + "/jobs",
                  job_json("own", R"("manualSelector":true,"selector":{"matchLabels":{"a":"b"}},)"));
  EXPECT_EQ(own.status, 422);
  EXPECT_THAT(std::string(own.message()), HasSubstr("`selector` does not match template `labels`"));
  auto foreign = call("POST", batch_ + "/jobs", R"({"metadata":{"name":"f"},"spec":{"template":{"metadata":{"labels":)"
                      R"({"job-name":"other"}},"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})");
  EXPECT_EQ(foreign.status, 422);
}

TEST_F(Workloads, DeletedJobsLeaveTheirPodsAndSaySo) {
  created(batch_ + "/jobs", job_json("j"));
  auto gone = call("DELETE", batch_ + "/jobs/j");
  EXPECT_EQ(gone.status, 200) << gone.text;
  EXPECT_EQ(gone.json.at({"metadata", "finalizers"}).as_array().at(0), "orphan");
  EXPECT_THAT(std::string(gone.headers.get("Warning")), HasSubstr("child pods are preserved by default when jobs are deleted"));
  created(batch_ + "/jobs", job_json("k"));
  gone = call("DELETE", batch_ + "/jobs/k?propagationPolicy=Background");
  EXPECT_EQ(gone.json["status"], "Success");
  EXPECT_EQ(std::string(gone.headers.get("Warning")), "");
  const std::string url = apps_ + "/deployments";
  created(url, deployment_json("web"));
  EXPECT_EQ(call("DELETE", url + "/web").json["status"], "Success");
}

TEST_F(Workloads, JobsBySuccesses) {
  created(batch_ + "/jobs", job_json("j"));
  auto reply = patch(batch_ + "/jobs/j/status", "merge-patch+json", R"({"status":{"succeeded":1}})");
  ASSERT_EQ(reply.status, 200) << reply.text;
  auto found = [&](const char* selector) {
    return call("GET", batch_ + "/jobs?fieldSelector=" + selector).json["items"].as_array().size();
  };
  EXPECT_EQ(found("status.successful%3D1"), 1u);
  EXPECT_EQ(found("status.successful%3D0"), 0u);
}

TEST_F(Workloads, BudgetsWantAVersion) {
  const std::string url = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
  auto budget = created(url, R"({"apiVersion":"policy/v1","kind":"PodDisruptionBudget","metadata":{"name":"b"},"spec":{"minAvailable":1}})");
  EXPECT_EQ(json(budget.json["status"]),
            R"({"disruptionsAllowed":0,"currentHealthy":0,"desiredHealthy":0,"expectedPods":0})");
  base::Value fresh = budget.json;
  fresh.make({"spec", "minAvailable"}) = 2;
  api::set_resource_version(fresh, "");
  auto refused = call("PUT", url + "/b", json(fresh));
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("must be specified for an update"));
  api::set_resource_version(fresh, api::resource_version_of(budget.json));
  EXPECT_EQ(call("PUT", url + "/b", json(fresh)).status, 200);
}

TEST_F(Workloads, VolumesAndClaims) {
  auto volume = created("/api/v1/persistentvolumes", R"({"metadata":{"name":"v"},"spec":{"capacity":{"storage":"1Gi"},)"
                        R"("accessModes":["ReadWriteOnce"],"hostPath":{"path":"/d"}},"status":{"phase":"Bound"}})");
  EXPECT_EQ(volume.json["status"]["phase"], "Pending");
  const std::string since(volume.json["status"]["lastPhaseTransitionTime"].as_string());
  EXPECT_FALSE(since.empty());
  clock_.advance(std::chrono::seconds(5));
  auto status = patch("/api/v1/persistentvolumes/v/status", "merge-patch+json", R"({"status":{"phase":"Available"}})");
  EXPECT_EQ(status.json["status"]["phase"], "Available");
  EXPECT_NE(status.json["status"]["lastPhaseTransitionTime"].as_string(), since);
  const std::string claim = R"({"metadata":{"name":"NAME"},"spec":{"accessModes":["ReadWriteOnce"],"resources":)"
                            R"({"requests":{"storage":"1Gi"}},"dataSource":{"kind":"PersistentVolumeClaim","name":"old"}}})";
  auto named = [&](const char* name) { return std::string(claim).replace(claim.find("NAME"), 4, name); };
  auto first = created(claims_, named("a"));
  EXPECT_EQ(json(first.json["status"]), R"({"phase":"Pending"})");
  EXPECT_EQ(json(first.json["spec"]["dataSourceRef"]), R"({"kind":"PersistentVolumeClaim","name":"old"})");
  EXPECT_TRUE(first.json["spec"]["storageClassName"].is_null());
  for (const char* name : {"slow", "fast"})
    created("/apis/storage.k8s.io/v1/storageclasses", std::string(R"({"metadata":{"name":")") + name +
            R"(","annotations":{"storageclass.kubernetes.io/is-default-class":"true"}},"provisioner":"example.com/p"})");
  EXPECT_EQ(created(claims_, named("b")).json["spec"]["storageClassName"], "fast");
}

TEST_F(Workloads, OnePriorityClassIsTheDefault) {
  const std::string url = "/apis/scheduling.k8s.io/v1/priorityclasses";
  auto body = [](const char* name) {
    return std::string(R"({"metadata":{"name":")") + name + R"("},"value":5,"globalDefault":true})";
  };
  EXPECT_EQ(generation_of(created(url, body("a"))), 1);
  auto second = call("POST", url, body("b"));
  EXPECT_EQ(second.status, 403);
  EXPECT_THAT(std::string(second.message()), HasSubstr("PriorityClass a is already marked as default. Only one default can exist"));
  EXPECT_EQ(patch(url + "/a", "merge-patch+json", R"({"description":"d"})").status, 200);
  auto system = call("DELETE", url + "/system-node-critical");
  EXPECT_TRUE(system.status == 403 || system.status == 404) << system.text;
}

TEST_F(Workloads, EventsInTwoVersions) {
  const std::string newer = "/apis/events.k8s.io/v1/namespaces/default/events", core = "/api/v1/namespaces/default/events";
  created(newer, R"({"metadata":{"name":"e"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"c","reportingInstance":"i",)"
                 R"("action":"Start","reason":"Started","regarding":{"kind":"Pod","name":"p","namespace":"default"},"note":"it runs","type":"Normal"})");
  auto old = call("GET", core + "/e");
  ASSERT_EQ(old.status, 200) << old.text;
  EXPECT_EQ(old.json["apiVersion"], "v1");
  EXPECT_EQ(old.json["message"], "it runs");
  EXPECT_EQ(old.json["involvedObject"]["name"], "p");
  EXPECT_EQ(old.json["reportingComponent"], "c");
  // A zero that must be written in the newer version means nothing in the one that is stored.
  created(newer, R"({"metadata":{"name":"z"},"eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"c","reportingInstance":"i",)"
                 R"("action":"Start","reason":"Started","regarding":{"kind":"Pod","name":"r","namespace":"default"},"type":"Normal",)"
                 R"("series":{"count":0,"lastObservedTime":"2026-01-01T00:00:00.000000Z"}})");
  auto stored = call("GET", core + "/z");
  auto again = call("PUT", core + "/z?fieldValidation=Strict", stored.text);
  EXPECT_EQ(again.json.at({"metadata", "resourceVersion"}), stored.json.at({"metadata", "resourceVersion"})) << again.text;
  auto found = call("GET", newer + "?fieldSelector=regarding.name%3Dp");
  ASSERT_EQ(found.status, 200) << found.text;
  ASSERT_EQ(found.json["items"].as_array().size(), 1u);
  EXPECT_EQ(found.json["items"].as_array().at(0)["note"], "it runs");
  EXPECT_EQ(call("GET", newer + "?fieldSelector=regarding.name%3Dq").json["items"].as_array().size(), 0u);
}

TEST_F(Workloads, AutoscalersInTwoVersions) {
  const std::string v1 = scaling_ + "/v1/namespaces/default/horizontalpodautoscalers";
  const std::string v2 = scaling_ + "/v2/namespaces/default/horizontalpodautoscalers";
  created(v1, R"({"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"name":"h"},"spec":{)"
              R"("scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"maxReplicas":4,"targetCPUUtilizationPercentage":55}})");
  auto second = call("GET", v2 + "/h");
  ASSERT_EQ(second.status, 200) << second.text;
  EXPECT_EQ(second.json["spec"]["metrics"].as_array().at(0).at({"resource", "target", "averageUtilization"}), 55);
  EXPECT_EQ(second.json["spec"]["minReplicas"], 1);
  EXPECT_EQ(json(second.json["status"]), R"({"desiredReplicas":0})");
  auto changed = patch(v2 + "/h", "merge-patch+json", R"({"spec":{"behavior":{"scaleDown":{"selectPolicy":"Disabled"}}}})");
  ASSERT_EQ(changed.status, 200) << changed.text;
  auto first = call("GET", v1 + "/h");
  EXPECT_EQ(first.json["spec"]["targetCPUUtilizationPercentage"], 55);
  EXPECT_THAT(std::string(api::annotation_of(first.json, "autoscaling.alpha.kubernetes.io/behavior")), HasSubstr("Disabled"));
  // A change through v1 keeps what only v2 can say.
  changed = patch(v1 + "/h", "merge-patch+json", R"({"spec":{"maxReplicas":9}})");
  ASSERT_EQ(changed.status, 200) << changed.text;
  second = call("GET", v2 + "/h");
  EXPECT_EQ(second.json["spec"]["maxReplicas"], 9);
  EXPECT_EQ(second.json.at({"spec", "behavior", "scaleDown", "selectPolicy"}), "Disabled");
  EXPECT_TRUE(api::annotations_of(second.json).is_null());
}

TEST_F(Workloads, TemplatesCountTheirChanges) {
  const std::string url = "/api/v1/namespaces/default/podtemplates";
  auto reply = created(url, R"({"metadata":{"name":"t"},"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}})");
  EXPECT_EQ(generation_of(reply), 1);
  reply = patch(url + "/t", "merge-patch+json", R"({"template":{"metadata":{"labels":{"a":"b"}}}})");
  EXPECT_EQ(generation_of(reply), 2);
}

}  // namespace
}  // namespace server::testing
