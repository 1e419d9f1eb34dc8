#include "api/defaults.hpp"

#include <gtest/gtest.h>

#include "api/decode.hpp"
#include "base/json.hpp"

namespace {

// The object of the kind after decoding and defaulting; doing the latter twice must change nothing.
base::Value defaulted(std::string_view api_version, std::string_view name, std::string_view body) {
  static const api::Registry kinds = api::load_builtin_kinds().value();
  const auto kind = kinds.find_kind(api_version, name);
  auto decoded = api::decode_body(kinds, *kind, "application/json", body, api::FieldValidation::strict);
  if (!decoded) {
    ADD_FAILURE() << decoded.error().message;
    return {};
  }
  base::Value object = decoded->object;
  api::apply_defaults(*kind, object);
  base::Value again = object;
  api::apply_defaults(*kind, again);
  EXPECT_EQ(base::write_json(again), base::write_json(object));
  return object;
}

std::string json(const base::Value& value) { return base::write_json(value); }

TEST(Defaults, TheKubiaService) {
  const auto service =
      defaulted("v1", "Service", R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"kubia"},
    "spec":{"ports":[{"port":80,"targetPort":8080}],"selector":{"app":"kubia"}}})");
  EXPECT_EQ(
      json(service),
      R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"kubia"},"spec":{"ports":[{"protocol":"TCP","port":80,)"
      R"("targetPort":8080}],"selector":{"app":"kubia"},"type":"ClusterIP","sessionAffinity":"None",)"
      R"("internalTrafficPolicy":"Cluster"},"status":{"loadBalancer":{}}})");
}

TEST(Defaults, ServiceTypesAndAffinity) {
  auto service = defaulted(
      "v1", "Service",
      R"({"spec":{"type":"LoadBalancer","sessionAffinity":"ClientIP","ports":[{"port":80,"protocol":"UDP"}]},
    "status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"},{"hostname":"h"}]}}})");
  EXPECT_EQ(
      json(service["spec"]),
      R"({"ports":[{"protocol":"UDP","port":80,"targetPort":80}],"type":"LoadBalancer","sessionAffinity":"ClientIP",)"
      R"("externalTrafficPolicy":"Cluster","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10800}},)"
      R"("allocateLoadBalancerNodePorts":true,"internalTrafficPolicy":"Cluster"})");
  EXPECT_EQ(json(service["status"]),
            R"({"loadBalancer":{"ingress":[{"ip":"1.2.3.4","ipMode":"VIP"},{"hostname":"h"}]}})");
  service = defaulted(
      "v1", "Service",
      R"({"spec":{"type":"ExternalName","externalName":"x.org","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":5}}}})");
  EXPECT_EQ(json(service["spec"]),
            R"({"type":"ExternalName","sessionAffinity":"None","externalName":"x.org"})");
  service = defaulted("v1", "Service",
                      R"({"spec":{"externalIPs":["1.1.1.1"],"ports":[{"port":1,"targetPort":"http"}]}})");
  EXPECT_EQ(service["spec"]["externalTrafficPolicy"], base::Value("Cluster"));
  EXPECT_EQ(json(service["spec"]["ports"]), R"([{"protocol":"TCP","port":1,"targetPort":"http"}])");
}

TEST(Defaults, PodsAndTheirContainers) {
  const auto pod =
      defaulted("v1", "Pod",
                R"({"spec":{"containers":[{"name":"a","image":"luksa/kubia","ports":[{"containerPort":8080}],
    "resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m"}},
    "readinessProbe":{"httpGet":{"port":8080}},"livenessProbe":{"grpc":{"port":1},"periodSeconds":3}}]}})");
  EXPECT_EQ(
      json(pod["spec"]),
      R"({"containers":[{"name":"a","image":"luksa/kubia","ports":[{"containerPort":8080,"protocol":"TCP"}],)"
      R"("resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}},)"
      R"("livenessProbe":{"grpc":{"port":1,"service":""},"timeoutSeconds":1,"periodSeconds":3,"successThreshold":1,"failureThreshold":3},)"
      R"("readinessProbe":{"httpGet":{"path":"/","port":8080,"scheme":"HTTP"},"timeoutSeconds":1,"periodSeconds":10,)"
      R"("successThreshold":1,"failureThreshold":3},"terminationMessagePath":"/dev/termination-log",)"
      R"("terminationMessagePolicy":"File","imagePullPolicy":"Always"}],"restartPolicy":"Always",)"
      R"("terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},)"
      R"("schedulerName":"default-scheduler","enableServiceLinks":true})");
  EXPECT_EQ(json(pod["status"]), "{}");
}

TEST(Defaults, PullPolicyFollowsTheTag) {
  const std::pair<const char*, const char*> cases[] = {{"kubia", "Always"},
                                                       {"kubia:latest", "Always"},
                                                       {"kubia:v1", "IfNotPresent"},
                                                       {"reg:5000/kubia", "Always"},
                                                       {"reg:5000/kubia:v2", "IfNotPresent"},
                                                       {"kubia@sha256:0123", "IfNotPresent"},
                                                       {"kubia:latest@sha256:0123", "Always"}};
  for (const auto& [image, policy] : cases) {
    const auto pod = defaulted(
        "v1", "Pod", std::string(R"({"spec":{"containers":[{"name":"a","image":")") + image + "\"}]}}");
    EXPECT_EQ(pod["spec"]["containers"].as_array()[0]["imagePullPolicy"], base::Value(policy)) << image;
  }
}

TEST(Defaults, VolumesAndHostNetwork) {
  const auto pod = defaulted(
      "v1", "Pod",
      R"({"spec":{"hostNetwork":true,"containers":[{"name":"a","image":"a:1","ports":[{"containerPort":80}]}],
    "volumes":[{"name":"e"},{"name":"s","secret":{"secretName":"x"}},{"name":"h","hostPath":{"path":"/p"}},
    {"name":"p","projected":{"sources":[{"serviceAccountToken":{"path":"t"}},{"downwardAPI":{"items":[{"path":"n","fieldRef":{"fieldPath":"metadata.name"}}]}}]}}]}})");
  EXPECT_EQ(
      json(pod["spec"]["volumes"]),
      R"([{"name":"e","emptyDir":{}},{"name":"s","secret":{"secretName":"x","defaultMode":420}},)"
      R"({"name":"h","hostPath":{"path":"/p","type":""}},{"name":"p","projected":{"sources":[)"
      R"({"serviceAccountToken":{"expirationSeconds":3600,"path":"t"}},{"downwardAPI":{"items":[{"path":"n",)"
      R"("fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}]}}],"defaultMode":420}}])");
  EXPECT_EQ(json(pod["spec"]["containers"].as_array()[0]["ports"]),
            R"([{"hostPort":80,"containerPort":80,"protocol":"TCP"}])");
}

TEST(Defaults, PodLevelRequests) {
  const auto pod =
      defaulted("v1", "Pod", R"({"spec":{"resources":{"limits":{"cpu":"4","memory":"1Gi"}},"containers":[
    {"name":"a","image":"a:1","resources":{"requests":{"cpu":"500m"}}},{"name":"b","image":"a:1","resources":{"requests":{"cpu":"1"}}}],
    "initContainers":[{"name":"s","image":"a:1","restartPolicy":"Always","resources":{"requests":{"cpu":"250m"}}}]}})");
  EXPECT_EQ(json(pod["spec"]["resources"]),
            R"({"limits":{"cpu":"4","memory":"1Gi"},"requests":{"cpu":"1750m","memory":"1Gi"}})");
}

TEST(Defaults, ReplicationControllers) {
  auto controller =
      defaulted("v1", "ReplicationController", R"({"spec":{"template":{"metadata":{"labels":{"app":"kubia"}},
    "spec":{"containers":[{"name":"a","image":"a:1","resources":{"limits":{"cpu":"1"}}}]}}}})");
  EXPECT_EQ(json(controller["metadata"]["labels"]), R"({"app":"kubia"})");
  EXPECT_EQ(json(controller["spec"]["selector"]), R"({"app":"kubia"})");
  EXPECT_EQ(controller["spec"]["replicas"].as_int(), 1);
  const auto& spec = controller.at({"spec", "template", "spec"});
  EXPECT_EQ(spec["restartPolicy"], base::Value("Always"));
  EXPECT_TRUE(spec["enableServiceLinks"].is_null()) << "that is for pods, not for templates";
  EXPECT_TRUE(spec["containers"].as_array()[0].at({"resources", "requests"}).is_null());
  controller = defaulted("v1", "ReplicationController",
                         R"({"metadata":{"labels":{"x":"y"}},"spec":{"replicas":0,"selector":{"a":"b"},
    "template":{"metadata":{"labels":{"a":"b"}}}}})");
  EXPECT_EQ(json(controller["metadata"]["labels"]), R"({"x":"y"})");
  EXPECT_EQ(controller["spec"]["replicas"].as_int(), 0);
}

TEST(Defaults, TheSmallOnes) {
  EXPECT_EQ(
      json(defaulted("v1", "Secret", R"({"stringData":{"a":"new"},"data":{"a":"b2xk","b":"eA=="}})")),
      R"({"kind":"Secret","apiVersion":"v1","metadata":{},"data":{"a":"bmV3","b":"eA=="},"type":"Opaque"})");
  EXPECT_EQ(json(defaulted("v1", "Endpoints", R"({"subsets":[{"ports":[{"port":1}]}]})")["subsets"]),
            R"([{"ports":[{"port":1,"protocol":"TCP"}]}])");
  EXPECT_EQ(
      json(defaulted(
          "discovery.k8s.io/v1", "EndpointSlice",
          R"({"addressType":"IPv4","endpoints":[{"addresses":["1.1.1.1"]}],"ports":[{"port":1}]})")),
      R"({"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{},"addressType":"IPv4",)"
      R"("endpoints":[{"addresses":["1.1.1.1"],"conditions":{}}],"ports":[{"name":"","protocol":"TCP","port":1}]})");
  EXPECT_EQ(json(defaulted("v1", "Namespace", R"({"metadata":{"name":"n"}})")),
            R"({"kind":"Namespace","apiVersion":"v1","metadata":{"name":"n"},"spec":{},"status":{}})");
  const auto node = defaulted("v1", "Node", R"({"status":{"capacity":{"cpu":"2"}}})");
  EXPECT_EQ(json(node["status"]["allocatable"]), R"({"cpu":"2"})");
}

}  // namespace
