// DELETE: at once, gracefully, with finalizers; namespaces; collections.
#include <gmock/gmock.h>

#include "server/testing.hpp"

namespace server::testing {
namespace {

using ::testing::HasSubstr;

using Deletes = ServerTest;

TEST_F(Deletes, PlainObjectsGoAtOnce) {
  auto created = call("POST", config_maps_, config_map_json("a"));
  auto deleted = call("DELETE", config_maps_ + "/a", R"({"propagationPolicy":"Background"})");
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.json["status"].as_string(), "Success");
  EXPECT_EQ(deleted.json.at({"details", "uid"}), created.json.at({"metadata", "uid"}));
  EXPECT_EQ(deleted.json.at({"details", "kind"}).as_string(), "configmaps");
  EXPECT_EQ(call("GET", config_maps_ + "/a").status, 404);
  EXPECT_EQ(call("DELETE", config_maps_ + "/a").status, 404);
}

TEST_F(Deletes, PreconditionsAreKept) {
  auto created = call("POST", config_maps_, config_map_json("a"));
  auto wrong = call("DELETE", config_maps_ + "/a", R"({"preconditions":{"uid":"x"}})");
  EXPECT_EQ(wrong.status, 409);
  EXPECT_THAT(std::string(wrong.message()),
              HasSubstr("Precondition failed: UID in precondition: x, UID in object meta: "));
  EXPECT_EQ(call("DELETE", config_maps_ + "/a", R"({"preconditions":{"resourceVersion":"1"}})").status, 409);
  std::string uid(created.json.at({"metadata", "uid"}).as_string());
  EXPECT_EQ(call("DELETE", config_maps_ + "/a", R"({"preconditions":{"uid":")" + uid + "\"}}").status, 200);
}

TEST_F(Deletes, ABoundPodGetsItsGrace) {
  call("POST", pods_, pod_json("free"));
  EXPECT_EQ(call("DELETE", pods_ + "/free").status, 200);
  EXPECT_EQ(call("GET", pods_ + "/free").status, 404);

  call("POST", pods_, pod_json("p", R"(,"nodeName":"n1")"));
  auto deleted = call("DELETE", pods_ + "/p");
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.json.at({"metadata", "deletionGracePeriodSeconds"}).int_or(-1), 30);
  EXPECT_EQ(deleted.json.at({"metadata", "deletionTimestamp"}).as_string(), "2023-11-14T22:13:50Z");
  // A longer grace changes nothing, a shorter one does, zero ends it.
  auto longer = call("DELETE", pods_ + "/p", R"({"gracePeriodSeconds":60})");
  EXPECT_EQ(longer.text, deleted.text);
  auto shorter = call("DELETE", pods_ + "/p?gracePeriodSeconds=5");
  EXPECT_EQ(shorter.json.at({"metadata", "deletionTimestamp"}).as_string(), "2023-11-14T22:13:25Z");
  EXPECT_EQ(call("DELETE", pods_ + "/p", R"({"gracePeriodSeconds":0})").status, 200);
  EXPECT_EQ(call("GET", pods_ + "/p").status, 404);
}

TEST_F(Deletes, FinalizersHoldTheObject) {
  call("POST", config_maps_,
       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"f","finalizers":["example.com/hold"]}})");
  auto deleted = call("DELETE", config_maps_ + "/f");
  EXPECT_FALSE(deleted.json.at({"metadata", "deletionTimestamp"}).is_null());
  EXPECT_EQ(call("GET", config_maps_ + "/f").status, 200);
  auto freed = patch(config_maps_ + "/f", "merge-patch+json", R"({"metadata":{"finalizers":null}})");
  EXPECT_EQ(freed.status, 200) << freed.text;
  EXPECT_EQ(call("GET", config_maps_ + "/f").status, 404);
}

TEST_F(Deletes, PropagationBecomesFinalizers) {
  auto rc = [](std::string name) {
    return R"({"apiVersion":"v1","kind":"ReplicationController","metadata":{"name":")" + name +
           R"("},"spec":{"replicas":1,"selector":{"a":"b"},"template":{"metadata":{"labels":{"a":"b"}},)"
           R"("spec":{"containers":[{"name":"c","image":"i"}]}}}})";
  };
  const std::string url = "/api/v1/namespaces/default/replicationcontrollers";
  struct Case {
    std::string body, finalizer;
  };
  for (const auto& c : {Case{R"({"propagationPolicy":"Foreground"})", "foregroundDeletion"},
                        Case{R"({"propagationPolicy":"Orphan"})", "orphan"}, Case{"", "orphan"},
                        Case{R"({"propagationPolicy":"Background"})", ""}}) {
    SCOPED_TRACE(c.body);
    auto created = call("POST", url, rc("r"));
    ASSERT_EQ(created.status, 201) << created.text;
    auto deleted = call("DELETE", url + "/r", c.body);
    EXPECT_EQ(deleted.status, 200) << deleted.text;
    if (c.finalizer.empty()) {
      EXPECT_EQ(call("GET", url + "/r").status, 404);
    } else {
      EXPECT_EQ(deleted.json.at({"metadata", "finalizers"}).as_array().at(0).as_string(), c.finalizer);
      patch(url + "/r", "merge-patch+json", R"({"metadata":{"finalizers":null}})");
      EXPECT_EQ(call("GET", url + "/r").status, 404);
    }
  }
}

TEST_F(Deletes, ANamespaceIsEmptiedFirst) {
  auto created =
      call("POST", "/api/v1/namespaces", R"({"kind":"Namespace","apiVersion":"v1","metadata":{"name":"n"}})");
  ASSERT_EQ(created.status, 201) << created.text;
  EXPECT_EQ(created.json.at({"spec", "finalizers"}).as_array().at(0).as_string(), "kubernetes");
  EXPECT_EQ(created.json["metadata"]["labels"]["kubernetes.io/metadata.name"].as_string(), "n");
  auto bare = patch("/api/v1/namespaces/n/status", "merge-patch+json", R"({"metadata":{"labels":null}})");
  EXPECT_EQ(bare.json["metadata"]["labels"]["kubernetes.io/metadata.name"].as_string(), "n") << bare.text;
  auto deleted = call("DELETE", "/api/v1/namespaces/n");
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.json.at({"status", "phase"}).as_string(), "Terminating");
  auto refused = call("POST", "/api/v1/namespaces/n/configmaps", config_map_json("late"));
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(
      refused.message(),
      "configmaps \"late\" is forbidden: unable to create new content in namespace n because it is being "
      "terminated");
  EXPECT_EQ(refused.json.at({"details", "causes"}).as_array().at(0)["reason"].as_string(),
            "NamespaceTerminating");
  auto again = call("DELETE", "/api/v1/namespaces/n");
  EXPECT_EQ(again.text, deleted.text);
  base::Value emptied = deleted.json;
  emptied.make({"spec"}).object().erase("finalizers");
  auto finalized = call("PUT", "/api/v1/namespaces/n/finalize", base::write_json(emptied));
  EXPECT_EQ(finalized.status, 200) << finalized.text;
  EXPECT_EQ(call("GET", "/api/v1/namespaces/n").status, 404);
}

TEST_F(Deletes, TheFirstNamespacesStay) {
  for (std::string name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    auto reply = call("DELETE", "/api/v1/namespaces/" + name);
    EXPECT_EQ(reply.status, 403);
    EXPECT_EQ(reply.message(), "namespaces \"" + name + "\" is forbidden: this namespace may not be deleted");
  }
}

TEST_F(Deletes, CollectionsBySelector) {
  for (auto name : {"a", "b", "c"}) call("POST", config_maps_, config_map_json(name, R"({"app":"x"})"));
  call("POST", config_maps_, config_map_json("keep", R"({"app":"y"})"));
  auto deleted = call("DELETE", config_maps_ + "?labelSelector=app%3Dx");
  EXPECT_EQ(deleted.status, 200) << deleted.text;
  EXPECT_EQ(deleted.json["kind"].as_string(), "ConfigMapList");
  EXPECT_EQ(deleted.json["items"].as_array().size(), 3u);
  EXPECT_EQ(call("GET", config_maps_).json["items"].as_array().size(), 1u);
  EXPECT_EQ(call("DELETE", "/api/v1/configmaps").status, 405);
}

}  // namespace
}  // namespace server::testing
