// Addresses and node ports of Services, and the other things that strategies do.
#include <gmock/gmock.h>

#include <set>
#include <thread>

#include "server/testing.hpp"

namespace server::testing {
namespace {

using ::testing::HasSubstr;

class Services : public ServerTest {
 protected:
  static std::string_view ip_of(const Reply& reply) {
    return reply.json.at({"spec", "clusterIP"}).as_string();
  }
  static int64_t node_port_of(const Reply& reply, size_t i = 0) {
    return reply.json.at({"spec", "ports"}).as_array().at(i)["nodePort"].int_or(0);
  }
};

class SmallRange : public Services {
 protected:
  SmallRange() { service_cidr_ = "10.96.0.0/28"; }
};

TEST_F(Services, ReadBackWithEveryDefault) {
  auto created =
      call("POST", services_,
           service_json("kubia", R"("selector":{"app":"kubia"},"ports":[{"port":80,"targetPort":8080}])"));
  ASSERT_EQ(created.status, 201) << created.text;
  const auto& spec = created.json["spec"];
  EXPECT_THAT(std::string(ip_of(created)), ::testing::StartsWith("10.96."));
  EXPECT_EQ(spec["clusterIPs"].as_array().at(0).as_string(), ip_of(created));
  EXPECT_EQ(spec["ipFamilies"].as_array().at(0).as_string(), "IPv4");
  EXPECT_EQ(spec["ipFamilyPolicy"].as_string(), "SingleStack");
  EXPECT_EQ(spec["internalTrafficPolicy"].as_string(), "Cluster");
  EXPECT_EQ(spec["sessionAffinity"].as_string(), "None");
  EXPECT_EQ(spec["type"].as_string(), "ClusterIP");
  EXPECT_EQ(spec["ports"].as_array().at(0)["protocol"].as_string(), "TCP");
  EXPECT_TRUE(created.json.at({"status", "loadBalancer"}).is_object());
  EXPECT_TRUE(created.json.at({"metadata", "generation"}).is_null());
}

TEST_F(Services, ExplicitAddresses) {
  EXPECT_EQ(
      call("POST", services_, service_json("a", R"("clusterIP":"10.96.0.5","ports":[{"port":80}])")).status,
      201);
  auto taken = call("POST", services_, service_json("b", R"("clusterIP":"10.96.0.5","ports":[{"port":80}])"));
  EXPECT_EQ(taken.status, 422);
  EXPECT_EQ(taken.message(),
            "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"10.96.0.5\"]: failed to allocate "
            "IP 10.96.0.5: "
            "provided IP is already allocated");
  auto outside =
      call("POST", services_, service_json("b", R"("clusterIP":"10.97.0.5","ports":[{"port":80}])"));
  EXPECT_EQ(outside.status, 422);
  EXPECT_THAT(std::string(outside.message()),
              HasSubstr("the provided network does not match the current range"));
  EXPECT_EQ(call("POST", services_, service_json("dns", R"("clusterIP":"10.96.0.10","ports":[{"port":53}])"))
                .status,
            201);
  // The address is free again once the Service is gone, and not by a dry run.
  EXPECT_EQ(call("DELETE", services_ + "/a?dryRun=All").status, 200);
  EXPECT_EQ(
      call("POST", services_, service_json("c", R"("clusterIP":"10.96.0.5","ports":[{"port":80}])")).status,
      422);
  EXPECT_EQ(call("DELETE", services_ + "/a").status, 200);
  EXPECT_EQ(call("POST", services_ + "?dryRun=All",
                 service_json("c", R"("clusterIP":"10.96.0.5","ports":[{"port":80}])"))
                .status,
            201);
  EXPECT_EQ(
      call("POST", services_, service_json("c", R"("clusterIP":"10.96.0.5","ports":[{"port":80}])")).status,
      201);
}

TEST_F(Services, HeadlessAndExternalName) {
  auto headless = call("POST", services_,
                       service_json("h", R"("clusterIP":"None","selector":{"a":"b"},"ports":[{"port":80}])"));
  ASSERT_EQ(headless.status, 201) << headless.text;
  EXPECT_EQ(ip_of(headless), "None");
  EXPECT_EQ(headless.json.at({"spec", "ipFamilyPolicy"}).as_string(), "SingleStack");
  auto open = call("POST", services_, service_json("o", R"("clusterIP":"None","ports":[{"port":80}])"));
  EXPECT_EQ(open.json.at({"spec", "ipFamilyPolicy"}).as_string(), "RequireDualStack");
  auto external =
      call("POST", services_, service_json("e", R"("type":"ExternalName","externalName":"example.com")"));
  ASSERT_EQ(external.status, 201) << external.text;
  EXPECT_EQ(ip_of(external), "");
  EXPECT_TRUE(external.json.at({"spec", "ipFamilies"}).is_null());
  auto dual = call("POST", services_,
                   service_json("d", R"("ipFamilyPolicy":"RequireDualStack","ports":[{"port":80}])"));
  EXPECT_EQ(dual.status, 422);
  EXPECT_THAT(std::string(dual.message()),
              HasSubstr("this cluster is not configured for dual-stack services"));
}

TEST_F(Services, AnUpdateKeepsWhatWasAllocated) {
  auto created =
      call("POST", services_,
           service_json("s", R"("type":"NodePort","ports":[{"name":"a","port":80},{"name":"b","port":81}])"));
  ASSERT_EQ(created.status, 201) << created.text;
  auto updated =
      call("PUT", services_ + "/s",
           service_json("s", R"("type":"NodePort","ports":[{"name":"b","port":81},{"name":"c","port":82}])"));
  ASSERT_EQ(updated.status, 200) << updated.text;
  EXPECT_EQ(ip_of(updated), ip_of(created));
  EXPECT_EQ(node_port_of(updated, 0), node_port_of(created, 1));
  EXPECT_NE(node_port_of(updated, 1), 0);
  auto changed =
      call("PUT", services_ + "/s",
           service_json("s", R"("type":"NodePort","clusterIP":"10.96.7.7","ports":[{"port":80}])"));
  EXPECT_EQ(changed.status, 422) << changed.text;
}

TEST_F(Services, NodePorts) {
  auto first = call("POST", services_,
                    service_json("a", R"("type":"NodePort","ports":[{"port":80,"nodePort":30123}])"));
  ASSERT_EQ(first.status, 201) << first.text;
  auto taken = call("POST", services_,
                    service_json("b", R"("type":"NodePort","ports":[{"port":80,"nodePort":30123}])"));
  EXPECT_EQ(taken.message(),
            "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 30123: provided port is "
            "already allocated");
  auto outside =
      call("POST", services_, service_json("b", R"("type":"NodePort","ports":[{"port":80,"nodePort":80}])"));
  EXPECT_EQ(outside.message(),
            "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in "
            "the valid range. "
            "The range of valid ports is 30000-32767");
  auto both = call(
      "POST", services_,
      service_json(
          "dns",
          R"("type":"NodePort","ports":[{"name":"t","port":53,"protocol":"TCP"},{"name":"u","port":53,"protocol":"UDP"}])"));
  ASSERT_EQ(both.status, 201) << both.text;
  EXPECT_EQ(node_port_of(both, 0), node_port_of(both, 1));
  EXPECT_GE(node_port_of(both), 30086);
}

TEST_F(Services, ATypeChangeGivesBackWhatTheTypeHad) {
  auto created = call("POST", services_,
                      service_json("s", R"("type":"NodePort","ports":[{"port":80,"nodePort":30200}])"));
  std::string address(ip_of(created));
  base::Value object = created.json;
  object.make({"spec", "type"}) = "ClusterIP";
  auto plain = call("PUT", services_ + "/s", base::write_json(object));
  ASSERT_EQ(plain.status, 200) << plain.text;
  EXPECT_EQ(node_port_of(plain), 0);
  EXPECT_EQ(ip_of(plain), address);
  EXPECT_EQ(call("POST", services_,
                 service_json("t", R"("type":"NodePort","ports":[{"port":80,"nodePort":30200}])"))
                .status,
            201);
  object = plain.json;
  object.make({"spec", "type"}) = "ExternalName";
  object.make({"spec", "externalName"}) = "example.com";
  auto external = call("PUT", services_ + "/s", base::write_json(object));
  ASSERT_EQ(external.status, 200) << external.text;
  EXPECT_EQ(ip_of(external), "");
  auto heir =
      call("POST", services_, service_json("u", "\"clusterIP\":\"" + address + R"(","ports":[{"port":80}])"));
  EXPECT_EQ(heir.status, 201) << heir.text;
}

TEST_F(Services, ALocalLoadBalancerGetsAHealthPort) {
  auto created = call(
      "POST", services_,
      service_json("lb", R"("type":"LoadBalancer","externalTrafficPolicy":"Local","ports":[{"port":80}])"));
  ASSERT_EQ(created.status, 201) << created.text;
  int64_t port = created.json.at({"spec", "healthCheckNodePort"}).int_or(0);
  EXPECT_GE(port, 30000);
  EXPECT_NE(port, node_port_of(created));
  EXPECT_EQ(call("DELETE", services_ + "/lb").status, 200);
  auto again = call("POST", services_,
                    service_json("x", R"("type":"NodePort","ports":[{"port":80,"nodePort":)" +
                                          std::to_string(port) + "}]"));
  EXPECT_EQ(again.status, 201) << again.text;
}

TEST_F(SmallRange, AFullRangeSaysSo) {
  int made = 0;
  Reply last;
  for (int i = 0; i < 20; ++i) {
    last = call("POST", services_, service_json("s" + std::to_string(i)));
    if (last.status != 201) break;
    ++made;
  }
  EXPECT_EQ(made, 12);  // 14 less .1 and .10
  EXPECT_EQ(last.status, 500);
  EXPECT_THAT(std::string(last.message()), HasSubstr("range is full"));
}

TEST_F(Services, NoAddressTwiceUnderConcurrency) {
  constexpr int kThreads = 8;
  constexpr int kEach = 200;
  std::vector<std::vector<std::shared_ptr<Recorder>>> recorders(kThreads);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          recorders[t].push_back(
              begin("POST", services_, service_json("s-" + std::to_string(t) + "-" + std::to_string(i))));
        }
      });
    }
  }
  std::set<std::string> addresses;
  for (const auto& list : recorders) {
    for (const auto& recorder : list) {
      recorder->wait_answer();
      ASSERT_EQ(recorder->status(), 201) << recorder->body();
      auto json = base::parse_json(recorder->body());
      ASSERT_TRUE(json);
      EXPECT_TRUE(addresses.insert(std::string(json->at({"spec", "clusterIP"}).as_string())).second);
    }
  }
  EXPECT_EQ(addresses.size(), static_cast<size_t>(kThreads * kEach));
}

TEST_F(Services, ARestartKnowsWhatIsTaken) {
  auto created = call("POST", services_, service_json("s"));
  std::string address(ip_of(created));
  server_.reset();
  start();
  auto taken =
      call("POST", services_, service_json("t", "\"clusterIP\":\"" + address + R"(","ports":[{"port":80}])"));
  EXPECT_EQ(taken.status, 422);
}

TEST_F(Services, KubernetesIsThereFromTheStart) {
  auto service = call("GET", services_ + "/kubernetes");
  EXPECT_EQ(ip_of(service), "10.96.0.1");
  EXPECT_EQ(service.json.at({"spec", "ports"}).as_array().at(0)["targetPort"].int_or(0), 6443);
  EXPECT_EQ(service.json.at({"metadata", "labels", "component"}).as_string(), "apiserver");
  auto namespaces = call("GET", "/api/v1/namespaces");
  EXPECT_EQ(namespaces.json["items"].as_array().size(), 4u);
  EXPECT_EQ(call("GET", "/api/v1/namespaces/kube-public/serviceaccounts/default").status, 200);
}

TEST_F(Services, PodsGetWhatAdmissionGives) {
  auto pod = call("POST", pods_, pod_json("p"));
  ASSERT_EQ(pod.status, 201) << pod.text;
  const auto& spec = pod.json["spec"];
  EXPECT_EQ(spec["serviceAccountName"].as_string(), "default");
  EXPECT_EQ(spec["tolerations"].as_array().size(), 2u);
  EXPECT_EQ(spec["tolerations"].as_array()[0]["tolerationSeconds"].int_or(0), 300);
  EXPECT_EQ(spec["priority"].int_or(-1), 0);
  EXPECT_EQ(spec["preemptionPolicy"].as_string(), "PreemptLowerPriority");
  EXPECT_EQ(pod.json.at({"status", "qosClass"}).as_string(), "BestEffort");
  EXPECT_EQ(pod.json.at({"metadata", "generation"}).int_or(0), 1);
  auto guaranteed =
      call("POST", pods_, R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"g"},"spec":{"containers":[
      {"name":"c","image":"i","resources":{"limits":{"cpu":"1","memory":"1Gi"}}}]}})");
  EXPECT_EQ(guaranteed.json.at({"status", "qosClass"}).as_string(), "Guaranteed") << guaranteed.text;
  auto unknown = call("POST", pods_, pod_json("x", R"(,"priorityClassName":"none")"));
  EXPECT_EQ(unknown.status, 403);
}

TEST_F(Services, PodsAreBoundOnce) {
  call("POST", pods_, pod_json("p"));
  std::string binding =
      R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"kind":"Node","name":"n1"}})";
  auto bound = call("POST", pods_ + "/p/binding", binding);
  ASSERT_EQ(bound.status, 201) << bound.text;
  EXPECT_EQ(bound.json["status"].as_string(), "Success");
  auto pod = call("GET", pods_ + "/p");
  EXPECT_EQ(pod.json.at({"spec", "nodeName"}).as_string(), "n1");
  EXPECT_EQ(pod.json.at({"status", "conditions"}).as_array().at(0)["type"].as_string(), "PodScheduled");
  auto again = call("POST", pods_ + "/p/binding", binding);
  EXPECT_EQ(again.status, 409);
  EXPECT_THAT(std::string(again.message()), HasSubstr("pod p is already assigned to node \"n1\""));
  EXPECT_EQ(call("POST", pods_ + "/none/binding", R"({"target":{"name":"n1"}})").status, 404);
}

TEST_F(Services, ReplicationControllersScale) {
  const std::string url = "/api/v1/namespaces/default/replicationcontrollers";
  auto created =
      call("POST", url, R"({"apiVersion":"v1","kind":"ReplicationController","metadata":{"name":"r"},"spec":{
      "replicas":1,"selector":{"app":"kubia"},"template":{"metadata":{"labels":{"app":"kubia"}},
      "spec":{"containers":[{"name":"c","image":"i"}]}}}})");
  ASSERT_EQ(created.status, 201) << created.text;
  auto scale = call("GET", url + "/r/scale");
  EXPECT_EQ(scale.json["kind"].as_string(), "Scale");
  EXPECT_EQ(scale.json["apiVersion"].as_string(), "autoscaling/v1");
  EXPECT_EQ(scale.json.at({"status", "selector"}).as_string(), "app=kubia");
  auto patched = patch(url + "/r/scale", "merge-patch+json", R"({"spec":{"replicas":5}})");
  EXPECT_EQ(patched.status, 200) << patched.text;
  EXPECT_EQ(patched.json.at({"spec", "replicas"}).int_or(0), 5);
  auto stored = call("GET", url + "/r");
  EXPECT_EQ(stored.json.at({"spec", "replicas"}).int_or(0), 5);
  EXPECT_EQ(stored.json.at({"metadata", "generation"}).int_or(0), 2);
  // PUT without a Content-Type is JSON.
  base::Value put = patched.json;
  put.make({"spec", "replicas"}) = 2;
  EXPECT_EQ(call("PUT", url + "/r/scale", base::write_json(put)).status, 200);
  EXPECT_EQ(call("PUT", url + "/r/scale", base::write_json(put)).status, 409);
  EXPECT_EQ(patch(url + "/r/scale", "merge-patch+json", R"({"spec":{"replicas":-1}})").status, 422);
}

TEST_F(Services, SecretsTakeStringData) {
  auto secret =
      call("POST", "/api/v1/namespaces/default/secrets",
           R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"a":"hello"}})");
  ASSERT_EQ(secret.status, 201) << secret.text;
  EXPECT_EQ(secret.json.at({"data", "a"}).as_string(), "aGVsbG8=");
  EXPECT_TRUE(secret.json["stringData"].is_null());
  EXPECT_EQ(secret.json["type"].as_string(), "Opaque");
}

TEST_F(Services, EndpointsCarryTheirWarning) {
  auto reply = call("GET", "/api/v1/namespaces/default/endpoints");
  EXPECT_EQ(reply.headers.get("Warning"),
            R"(299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")");
}

}  // namespace
}  // namespace server::testing
