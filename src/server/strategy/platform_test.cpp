// Networking, storage, devices and flow control over the wire: generations, status, and the Ingress of older books.
#include <gmock/gmock.h>

#include "server/testing.hpp"

namespace server::testing {
namespace {

using ::testing::HasSubstr;

class Platform : public ServerTest {
 protected:
  static int64_t generation_of(const Reply& reply) { return reply.json.at({"metadata", "generation"}).int_or(0); }

  const std::string networking_ = "/apis/networking.k8s.io/v1";
  const std::string ingresses_ = networking_ + "/namespaces/default/ingresses";
  const std::string old_ingresses_ = "/apis/extensions/v1beta1/namespaces/default/ingresses";
  const std::string storage_ = "/apis/storage.k8s.io/v1";
  const std::string old_ingress_ =
      R"({"apiVersion":"extensions/v1beta1","kind":"Ingress","metadata":{"name":"kubia"},"spec":{"rules":[{"host":)"
      R"("kubia.example.com","http":{"paths":[{"path":"/","backend":{"serviceName":"kubia-nodeport",)"
      R"("servicePort":80}}]}}]}})";
};

TEST_F(Platform, IngressesCountTheirChanges) {
  auto created = call("POST", ingresses_,
                      R"({"metadata":{"name":"a"},"spec":{"defaultBackend":{"service":{"name":"s","port":{"number":80}}}},)"
                      R"("status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"}]}}})");
  ASSERT_EQ(created.status, 201) << created.text;
  EXPECT_EQ(generation_of(created), 1);
  EXPECT_EQ(base::write_json(created.json["status"]), R"({"loadBalancer":{}})");
  auto changed = patch(ingresses_ + "/a", "merge-patch+json", R"({"spec":{"ingressClassName":"c"}})");
  ASSERT_EQ(changed.status, 200) << changed.text;
  EXPECT_EQ(generation_of(changed), 2);
  auto status = patch(ingresses_ + "/a/status", "merge-patch+json",
                      R"({"metadata":{"annotations":{"by":"controller"}},"spec":{"ingressClassName":"d"},)"
                      R"("status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"}]}}})");
  ASSERT_EQ(status.status, 200) << status.text;
  EXPECT_EQ(generation_of(status), 2);
  EXPECT_EQ(status.json.at({"spec", "ingressClassName"}).as_string(), "c");
  EXPECT_EQ(status.json.at({"metadata", "annotations", "by"}).as_string(), "controller");
  EXPECT_EQ(status.json.at({"status", "loadBalancer", "ingress"}).as_array().at(0)["ip"].as_string(), "1.2.3.4");
}

TEST_F(Platform, TheIngressOfOlderBooks) {
  auto created = call("POST", old_ingresses_, old_ingress_);
  ASSERT_EQ(created.status, 201) << created.text;
  EXPECT_EQ(created.json["apiVersion"].as_string(), "extensions/v1beta1");
  EXPECT_THAT(std::string(created.headers.get("Warning")),
              HasSubstr("use networking.k8s.io/v1 Ingress: backend.service.name and backend.service.port.number"));
  const auto& path = created.json["spec"]["rules"].as_array().at(0)["http"]["paths"].as_array().at(0);
  EXPECT_EQ(base::write_json(path), R"({"path":"/","pathType":"ImplementationSpecific","backend":{"serviceName":)"
                                    R"("kubia-nodeport","servicePort":80}})");
  auto today = call("GET", ingresses_ + "/kubia");
  ASSERT_EQ(today.status, 200) << today.text;
  EXPECT_EQ(today.json["apiVersion"].as_string(), "networking.k8s.io/v1");
  EXPECT_EQ(std::string(today.headers.get("Warning")), "");
  const auto& new_path = today.json["spec"]["rules"].as_array().at(0)["http"]["paths"].as_array().at(0);
  EXPECT_EQ(base::write_json(new_path["backend"]), R"({"service":{"name":"kubia-nodeport","port":{"number":80}}})");
  // It is one object: a change through one is seen through the other.
  auto changed = patch(old_ingresses_ + "/kubia", "json-patch+json",
                       R"([{"op":"replace","path":"/spec/rules/0/http/paths/0/backend/servicePort","value":"http"}])");
  ASSERT_EQ(changed.status, 200) << changed.text;
  EXPECT_EQ(generation_of(changed), 2);
  today = call("GET", ingresses_ + "/kubia");
  const auto& last_path = today.json["spec"]["rules"].as_array().at(0)["http"]["paths"].as_array().at(0);
  EXPECT_EQ(base::write_json(last_path.at({"backend", "service", "port"})), R"({"name":"http"})");
  auto listed = call("GET", old_ingresses_);
  EXPECT_EQ(listed.json["apiVersion"].as_string(), "extensions/v1beta1");
  ASSERT_EQ(listed.json["items"].as_array().size(), 1u);
  EXPECT_EQ(call("POST", ingresses_, R"({"metadata":{"name":"kubia"},"spec":{"defaultBackend":{"service":{"name":"s",)"
                                     R"("port":{"number":80}}}}})")
                .status,
            409);
  EXPECT_EQ(call("DELETE", old_ingresses_ + "/kubia").status, 200);
  EXPECT_EQ(call("GET", ingresses_ + "/kubia").status, 404);
}

TEST_F(Platform, MistakesInOldIngressesAreTold) {
  auto refused = call("POST", old_ingresses_,
                      R"({"metadata":{"name":"a"},"spec":{"rules":[{"host":"A","http":{"paths":[{"backend":{}}]}}]}})");
  EXPECT_EQ(refused.status, 422) << refused.text;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("spec.rules[0].host: Invalid value: \"A\""));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("resource or service backend is required"));
}

TEST_F(Platform, DiscoveryNamesTheOldGroupLast) {
  auto groups = call("GET", "/apis").json["groups"].as_array();
  ASSERT_FALSE(groups.empty());
  EXPECT_EQ(groups.back()["name"].as_string(), "extensions");
  EXPECT_EQ(call("GET", "/apis/extensions/v1beta1").json["resources"].as_array().at(0)["name"].as_string(), "ingresses");
}

TEST_F(Platform, StorageClassesAnswerTheirDeletion) {
  ASSERT_EQ(call("POST", storage_ + "/storageclasses", R"({"metadata":{"name":"fast"},"provisioner":"a.b/c"})").status, 201);
  auto deleted = call("DELETE", storage_ + "/storageclasses/fast");
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.json["kind"].as_string(), "StorageClass");
  EXPECT_EQ(deleted.json["reclaimPolicy"].as_string(), "Delete");
}

TEST_F(Platform, DriversCountTheirChangesFromTheFirst) {
  auto created = call("POST", storage_ + "/csidrivers", R"({"metadata":{"name":"d.example.com"},"spec":{}})");
  ASSERT_EQ(created.status, 201) << created.text;
  EXPECT_TRUE(created.json.at({"metadata", "generation"}).is_null());
  auto changed = patch(storage_ + "/csidrivers/d.example.com", "merge-patch+json", R"({"spec":{"storageCapacity":true}})");
  ASSERT_EQ(changed.status, 200) << changed.text;
  EXPECT_EQ(generation_of(changed), 1);
}

TEST_F(Platform, SomeUpdatesNeedARevision) {
  const std::string classes = "/apis/node.k8s.io/v1/runtimeclasses";
  const std::string body = R"({"metadata":{"name":"a"},"handler":"runsc"})";
  ASSERT_EQ(call("POST", classes, body).status, 201);
  auto refused = call("PUT", classes + "/a", body);
  EXPECT_EQ(refused.status, 422) << refused.text;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("metadata.resourceVersion: Invalid value"));
  const std::string policies = networking_ + "/namespaces/default/networkpolicies";
  const std::string policy = R"({"metadata":{"name":"a"},"spec":{"podSelector":{}}})";
  ASSERT_EQ(call("POST", policies, policy).status, 201);
  EXPECT_EQ(call("PUT", policies + "/a", policy).status, 200);
}

TEST_F(Platform, SlicesAreChosenByNodeAndDriver) {
  const std::string slices = "/apis/resource.k8s.io/v1/resourceslices";
  for (const char* node : {"n1", "n2"}) {
    auto created = call("POST", slices, R"({"metadata":{"name":")" + std::string(node) +
                                            R"("},"spec":{"driver":"d","nodeName":")" + node +
                                            R"(","pool":{"name":"p","generation":1,"resourceSliceCount":1}}})");
    ASSERT_EQ(created.status, 201) << created.text;
    EXPECT_EQ(generation_of(created), 1);
  }
  EXPECT_EQ(call("GET", slices + "?fieldSelector=spec.driver%3Dd").json["items"].as_array().size(), 2u);
  EXPECT_EQ(call("GET", slices + "?fieldSelector=spec.nodeName%3Dn2").json["items"].as_array().size(), 1u);
  EXPECT_EQ(call("GET", slices + "?fieldSelector=spec.pool.generation%3D1").status, 400);
}

TEST_F(Platform, ClaimsGetTheirStatusFromTheStatusAlone) {
  const std::string claims = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims";
  auto created = call("POST", claims,
                      R"({"metadata":{"name":"a"},"spec":{"devices":{"requests":[{"name":"r","exactly":{"deviceClassName":)"
                      R"("c"}}]}},"status":{"reservedFor":[{"resource":"pods","name":"n","uid":"u"}]}})");
  ASSERT_EQ(created.status, 201) << created.text;
  EXPECT_TRUE(created.json["status"]["reservedFor"].is_null());
  auto allocated = patch(claims + "/a/status", "merge-patch+json",
                         R"({"status":{"allocation":{"devices":{"results":[{"request":"r","driver":"d","pool":"p",)"
                         R"("device":"v"}]}},"reservedFor":[{"resource":"pods","name":"n","uid":"u"}]}})");
  EXPECT_EQ(allocated.status, 200) << allocated.text;
  auto refused = patch(claims + "/a", "merge-patch+json", R"({"spec":{"devices":{"requests":null}}})");
  EXPECT_EQ(refused.status, 422);
}

}  // namespace
}  // namespace server::testing
