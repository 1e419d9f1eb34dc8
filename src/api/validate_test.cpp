#include "api/validate.hpp"

#include <gtest/gtest.h>

#include "api/validate_testing.hpp"

namespace api {
namespace {

using base::Value;
using testing::built_in;
using testing::expect_create;
using testing::expect_update;
using testing::json;
using testing::patched;

const char* kService = R"({"metadata":{"name":"x","namespace":"default"},"spec":{"type":"ClusterIP","sessionAffinity":"None",)"
                       R"("ipFamilyPolicy":"SingleStack","ipFamilies":["IPv4"],"internalTrafficPolicy":"Cluster",)"
                       R"("selector":{"app":"kubia"},"ports":[{"port":80,"targetPort":8080,"protocol":"TCP"}]}})";

TEST(ValidateService, Table) {
  expect_create("", "Service", kService, {
      {"as it should be", "{}", ""},
      {"no ports", R"({"spec":{"ports":null}})", "spec.ports: Required value"},
      {"headless needs no ports", R"({"spec":{"ports":null,"clusterIP":"None"}})", ""},
      {"a port too high", R"({"spec":{"ports":[{"port":70000,"protocol":"TCP"}]}})",
       "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive"},
      {"no port", R"({"spec":{"ports":[{"protocol":"TCP"}]}})",
       "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
      {"an unknown protocol", R"({"spec":{"ports":[{"port":80,"protocol":"HTTP"}]}})",
       "spec.ports[0].protocol: Unsupported value: \"HTTP\": supported values: \"SCTP\", \"TCP\", \"UDP\""},
      {"names with two ports", R"({"spec":{"ports":[{"port":80,"protocol":"TCP"},{"port":81,"protocol":"TCP","name":"b"}]}})",
       "spec.ports[0].name: Required value"},
      {"one name twice", R"({"spec":{"ports":[{"port":80,"protocol":"TCP","name":"b"},{"port":81,"protocol":"TCP","name":"b"}]}})",
       "spec.ports[1].name: Duplicate value: \"b\""},
      {"one pair twice", R"({"spec":{"ports":[{"port":80,"protocol":"TCP","name":"a"},{"port":80,"protocol":"TCP","name":"b"}]}})",
       "spec.ports[1]: Duplicate value: {\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\"TargetPort\":0,"
       "\"NodePort\":0}"},
      {"one port with two protocols", R"({"spec":{"ports":[{"port":53,"protocol":"TCP","name":"a"},{"port":53,"protocol":"UDP","name":"b"}]}})", ""},
      {"a named target", R"({"spec":{"ports":[{"port":80,"protocol":"TCP","targetPort":"http"}]}})", ""},
      {"a target that is no name", R"({"spec":{"ports":[{"port":80,"protocol":"TCP","targetPort":"-"}]}})", "spec.ports[0].targetPort: Invalid value: \"-\": *"},
      {"a target too high", R"({"spec":{"ports":[{"port":80,"protocol":"TCP","targetPort":65536}]}})",
       "spec.ports[0].targetPort: Invalid value: 65536: must be between 1 and 65535, inclusive"},
      {"a node port for ClusterIP", R"({"spec":{"ports":[{"port":80,"protocol":"TCP","nodePort":30000}]}})",
       "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
      {"a node port twice", R"({"spec":{"type":"NodePort","ports":[{"name":"a","port":80,"protocol":"TCP","nodePort":30000},{"name":"b","port":81,"protocol":"TCP","nodePort":30000}]}})",
       "spec.ports[1].nodePort: Duplicate value: 30000"},
      {"an app protocol", R"({"spec":{"ports":[{"port":80,"protocol":"TCP","appProtocol":"kubernetes.io/h2c"}]}})", ""},
      {"an unknown type", R"({"spec":{"type":"x"}})",
       "spec.type: Unsupported value: \"x\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\""},
      {"a selector that is no label", R"({"spec":{"selector":{"a b":"c"}}})", "spec.selector: Invalid value: \"a b\": *"},
      {"an unknown affinity", R"({"spec":{"sessionAffinity":"Cookie"}})",
       "spec.sessionAffinity: Unsupported value: \"Cookie\": supported values: \"ClientIP\", \"None\""},
      {"affinity without its configuration", R"({"spec":{"sessionAffinity":"ClientIP"}})",
       "spec.sessionAffinityConfig: Required value: when session affinity type is ClientIP"},
      {"affinity for too long", R"({"spec":{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":86401}}}})",
       "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400"},
      {"affinity", R"({"spec":{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10800}}}})", ""},
      {"a configuration without affinity", R"({"spec":{"sessionAffinityConfig":{"clientIP":{}}}})",
       "spec.sessionAffinityConfig: Forbidden: must not be set when session affinity is None"},
      {"an address that is none", R"({"spec":{"clusterIP":"foo"}})",
       "spec.clusterIPs[0]: Invalid value: \"foo\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"},
      {"an address with leading zeros", R"({"spec":{"clusterIP":"010.0.0.1"}})", "spec.clusterIPs[0]: Invalid value: \"010.0.0.1\": *"},
      {"an address in long form", R"({"spec":{"clusterIP":"fd00:0::1","ipFamilies":["IPv6"]}})",
       "spec.clusterIPs[0]: Invalid value: \"fd00:0::1\": must be in canonical form (\"fd00::1\")"},
      {"an address of the other family", R"({"spec":{"clusterIP":"fd00::1"}})",
       "spec.clusterIPs[0]: Invalid value: \"fd00::1\": expected an IPv4 value as indicated by `ipFamilies[0]`"},
      {"addresses that differ", R"({"spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.2"]}})",
       "spec.clusterIPs: Invalid value: [\"10.0.0.2\"]: first value must match `clusterIP`"},
      {"two addresses of a family", R"({"spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","10.0.0.2"],"ipFamilies":["IPv4","IPv6"]}})",
       "spec.clusterIPs: Invalid value: [\"10.0.0.1\",\"10.0.0.2\"]: may specify no more than one IP for each IP family|"
       "spec.clusterIPs[1]: Invalid value: \"10.0.0.2\": expected an IPv6 value as indicated by `ipFamilies[1]`"},
      {"None is alone", R"({"spec":{"clusterIP":"None","clusterIPs":["None","10.0.0.1"]}})",
       "spec.clusterIPs: Invalid value: [\"None\",\"10.0.0.1\"]: 'None' must be the first and only value"},
      {"a headless NodePort", R"({"spec":{"type":"NodePort","clusterIP":"None"}})",
       "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"},
      {"a family twice", R"({"spec":{"ipFamilies":["IPv4","IPv4"]}})", "spec.ipFamilies[1]: Duplicate value: \"IPv4\""},
      {"an external name", R"({"spec":{"type":"ExternalName","externalName":"api.example.com.","ipFamilies":null,"ipFamilyPolicy":null}})", ""},
      {"no external name", R"({"spec":{"type":"ExternalName","ipFamilies":null,"ipFamilyPolicy":null}})", "spec.externalName: Required value"},
      {"an address for an external name", R"({"spec":{"type":"ExternalName","externalName":"a.b","clusterIP":"10.0.0.1","ipFamilies":null,"ipFamilyPolicy":null}})",
       "spec.clusterIPs: Forbidden: may not be set for ExternalName services"},
      {"an external address on loopback", R"({"spec":{"externalIPs":["127.0.0.1"]}})",
       "spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)"},
      {"an external policy for nobody outside", R"({"spec":{"externalTrafficPolicy":"Local"}})",
       "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services"},
      {"an external policy", R"({"spec":{"type":"NodePort","externalTrafficPolicy":"Local"}})", ""},
      {"an unknown internal policy", R"({"spec":{"internalTrafficPolicy":"Far"}})",
       "spec.internalTrafficPolicy: Unsupported value: \"Far\": supported values: \"Cluster\", \"Local\""},
      {"a health check port for nothing", R"({"spec":{"type":"NodePort","healthCheckNodePort":30001}})",
       "spec.healthCheckNodePort: Invalid value: 30001: may only be set when `type` is 'LoadBalancer' and "
       "`externalTrafficPolicy` is 'Local'"},
      {"source ranges without a load balancer", R"({"spec":{"loadBalancerSourceRanges":["10.0.0.0/8"]}})",
       "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"},
      {"source ranges that are none", R"({"spec":{"type":"LoadBalancer","loadBalancerSourceRanges":["10.0.0.0"]}})",
       "spec.loadBalancerSourceRanges[0]: Invalid value: \"10.0.0.0\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or "
       "2001:db8::/64)"},
      {"a class without a load balancer", R"({"spec":{"loadBalancerClass":"a/b"}})",
       "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"},
      {"the agent's port", R"({"spec":{"type":"LoadBalancer","ports":[{"port":10250,"protocol":"TCP"}]}})",
       "spec.ports[0]: Invalid value: 10250: may not expose port 10250 externally since it is used by kubelet"},
      {"a name with a dot", R"({"metadata":{"name":"a.b"}})", "metadata.name: Invalid value: \"a.b\": must not contain dots"},
      {"a name that begins with a digit", R"({"metadata":{"name":"1a"}})", ""},
      {"a generated name", R"({"metadata":{"generateName":"web-"}})", ""},
  });
}

TEST(ValidateService, Updates) {
  std::string old = patched(kService, R"({"spec":{"clusterIP":"10.96.0.5","clusterIPs":["10.96.0.5"]}})");
  expect_update("", "Service", old, {
      {"nothing", "{}", ""},
      {"another address", R"({"spec":{"clusterIP":"10.96.0.6","clusterIPs":["10.96.0.6"]}})",
       "spec.clusterIPs[0]: Invalid value: [\"10.96.0.6\"]: may not change once set"},
      {"no address any more", R"({"spec":{"clusterIP":null,"clusterIPs":null}})",
       "spec.clusterIPs[0]: Invalid value: []: primary clusterIP can not be unset"},
      {"to ExternalName", R"({"spec":{"type":"ExternalName","externalName":"a.b","clusterIP":null,"clusterIPs":null,"ipFamilies":null,"ipFamilyPolicy":null}})", ""},
      {"another family", R"({"spec":{"ipFamilies":["IPv6"]}})",
       "spec.clusterIPs[0]: Invalid value: \"10.96.0.5\": expected an IPv6 value as indicated by `ipFamilies[0]`|"
       "spec.ipFamilies[0]: Invalid value: [\"IPv6\"]: may not change once set"},
      {"another name", R"({"metadata":{"name":"y"}})", "metadata.name: Invalid value: \"y\": field is immutable"},
  });
  std::string dual = patched(kService, R"({"spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","fd00::1"],"ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"RequireDualStack"}})");
  expect_update("", "Service", dual, {
      {"release the second address", R"({"spec":{"clusterIPs":["10.0.0.1"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack"}})", ""},
      {"another second address", R"({"spec":{"clusterIPs":["10.0.0.1","fd00::2"]}})",
       "spec.clusterIPs[1]: Invalid value: [\"10.0.0.1\",\"fd00::2\"]: may not change once set"},
  });
  expect_update("", "Service", kService, {
      {"ingress without a load balancer", R"({"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4","ipMode":"VIP"}]}}})",
       "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is \"LoadBalancer\""},
  }, "status");
}

TEST(ValidateService, SaysItAsUpstreamDoes) {
  auto result = validate_create(*built_in("", "Service"), json(patched(kService, R"({"spec":{"ports":[{"port":70000,"protocol":"TCP"}]}})")));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, base::Reason::invalid);
  EXPECT_EQ(result.error().message,
            "Service \"x\" is invalid: spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive");
  ASSERT_EQ(result.error().details->causes.size(), 1u);
  EXPECT_EQ(result.error().details->causes[0].reason, "FieldValueInvalid");
}

TEST(ValidateService, Warnings) {
  auto kind = built_in("", "Service");
  EXPECT_TRUE(warnings_for(*kind, json(kService)).empty());
  EXPECT_EQ(warnings_for(*kind, json(patched(kService, R"({"spec":{"externalIPs":["1.2.3.4"]}})")))[0],
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters");
}

const char* kConfigMap = R"({"metadata":{"name":"x","namespace":"default"},"data":{"a":"1"}})";

TEST(ValidateMeta, Table) {
  std::string long_value(64, 'x');
  std::string huge(300'000, 'x');
  expect_create("", "ConfigMap", kConfigMap, {
      {"as it should be", "{}", ""},
      {"no name", R"({"metadata":{"name":null}})", "metadata.name: Required value: name or generateName is required"},
      {"no namespace", R"({"metadata":{"namespace":null}})", "metadata.namespace: Required value"},
      {"a bad name", R"({"metadata":{"name":"A"}})",
       "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of*"},
      {"a bad label", R"({"metadata":{"labels":{"-":"x"}}})", "metadata.labels: Invalid value: \"-\": *"},
      {"a label value too long", R"({"metadata":{"labels":{"a":")" + long_value + R"("}}})",
       "metadata.labels: Invalid value: \"" + long_value + "\": *"},
      {"an annotation with capitals", R"({"metadata":{"annotations":{"Example.com/a":"anything at all !"}}})", ""},
      {"annotations too large", R"({"metadata":{"annotations":{"a":")" + huge + R"("}}})",
       "metadata.annotations: Too long: may not be more than 262144 bytes"},
      {"a finalizer", R"({"metadata":{"finalizers":["example.com/f","x y"]}})", "metadata.finalizers: Invalid value: \"x y\": *"},
      {"both finalizers", R"({"metadata":{"finalizers":["orphan","foregroundDeletion"]}})",
       "metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer orphan and foregroundDeletion cannot be both set"},
      {"an owner without a uid", R"({"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p"}]}})",
       "metadata.ownerReferences[0].uid: Required value: must not be empty"},
      {"two controllers", R"({"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"1","controller":true},{"apiVersion":"v1","kind":"Pod","name":"q","uid":"2","controller":true}]}})",
       "metadata.ownerReferences: Invalid value: *Only one reference can have Controller set to true. Found \"true\" in references for Pod/p and Pod/q"},
  });
  expect_create("", "Namespace", R"({"metadata":{"name":"x"}})", {
      {"as it should be", "{}", ""},
      {"a namespace in a namespace", R"({"metadata":{"namespace":"a"}})", "metadata.namespace: Forbidden: not allowed on this type"},
      {"a name with dots", R"({"metadata":{"name":"a.b"}})", "metadata.name: Invalid value: \"a.b\": must not contain dots"},
  });
  std::string dying = patched(kConfigMap, R"({"metadata":{"uid":"u","deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["a/b"]}})");
  expect_update("", "ConfigMap", dying, {
      {"a finalizer goes", R"({"metadata":{"finalizers":null}})", ""},
      {"a finalizer comes", R"({"metadata":{"finalizers":["a/b","c/d"]}})",
       "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"c/d\"}"},
      {"the uid is left out", R"({"metadata":{"uid":null}})", ""},
      {"another uid", R"({"metadata":{"uid":"v"}})", "metadata.uid: Invalid value: \"v\": field is immutable"},
  });
}

TEST(ValidateConfig, Table) {
  expect_create("", "ConfigMap", kConfigMap, {
      {"a key with a blank", R"({"data":{"a b":"1"}})", "data[a b]: Invalid value: \"a b\": a valid config key must consist of*"},
      {"the parent", R"({"data":{"..":"1"}})", "data[..]: Invalid value: \"..\": must not be '..'"},
      {"a key twice", R"({"binaryData":{"a":"MQ=="}})", "data[a]: Invalid value: \"a\": duplicate of key present in binaryData"},
      {"too large", R"({"data":{"b":")" + std::string(1'048'576, 'x') + R"("}})", "[]: Too long: may not be more than 1048576 bytes"},
  });
  expect_update("", "ConfigMap", patched(kConfigMap, R"({"immutable":true})"), {
      {"a label", R"({"metadata":{"labels":{"a":"b"}}})", ""},
      {"other data", R"({"data":{"a":"2"}})", "data: Forbidden: field is immutable when `immutable` is set"},
      {"mutable again", R"({"immutable":null})", "immutable: Forbidden: field is immutable when `immutable` is set"},
  });
  const char* secret = R"({"metadata":{"name":"x","namespace":"default"},"type":"Opaque","data":{"a":"MQ=="}})";
  expect_create("", "Secret", secret, {
      {"as it should be", "{}", ""},
      {"tls without its key", R"({"type":"kubernetes.io/tls","data":{"tls.crt":"MQ=="}})", "data[tls.key]: Required value"},
      {"docker that is no JSON", R"({"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"MQ=="}})",
       "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": must be a JSON object"},
      {"docker", R"({"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"e30="}})", ""},
  });
  expect_update("", "Secret", secret, {{"another type", R"({"type":"x/y"})", "type: Invalid value: \"x/y\": field is immutable"}});
}

TEST(ValidateEndpoints, NoAddressThatIsNotForTraffic) {
  struct Case {
    const char* ip;
    const char* detail;
  };
  const Case cases[] = {
      {"127.0.0.1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
      {"169.254.169.254", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
      {"0.0.0.0", "may not be unspecified (0.0.0.0)"},
      {"224.0.0.1", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"},
      {"::1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
      {"fe80::1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
      {"::ffff:127.0.0.1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
  };
  for (const auto& one : cases) {
    std::string ip = one.ip;
    const char* type = ip.find(':') == std::string::npos ? "IPv4" : "IPv6";
    auto slice = check_create(*built_in("discovery.k8s.io", "EndpointSlice"),
                              json(R"({"metadata":{"name":"x","namespace":"d"},"addressType":")" + std::string(type) +
                                   R"(","endpoints":[{"addresses":[")" + ip + R"("]}]})"));
    ASSERT_FALSE(slice.empty()) << ip;
    EXPECT_EQ(slice.back().text(), "endpoints[0].addresses[0]: Invalid value: \"" + ip + "\": " + one.detail);
    auto endpoints = check_create(*built_in("", "Endpoints"),
                                  json(R"({"metadata":{"name":"x","namespace":"d"},"subsets":[{"addresses":[{"ip":")" + ip +
                                       R"("}],"ports":[{"port":80,"protocol":"TCP"}]}]})"));
    ASSERT_EQ(endpoints.size(), 1u) << ip;
    if (ip.find("ffff") == std::string::npos)
      EXPECT_EQ(endpoints[0].text(), "subsets[0].addresses[0].ip: Invalid value: \"" + ip + "\": " + one.detail);
  }
}

TEST(ValidateEndpoints, Table) {
  const char* endpoints = R"({"metadata":{"name":"x","namespace":"d"},"subsets":[{"addresses":[{"ip":"10.0.0.1","nodeName":"n"}],"ports":[{"port":80,"protocol":"TCP"}]}]})";
  expect_create("", "Endpoints", endpoints, {
      {"as it should be", "{}", ""},
      {"no addresses", R"({"subsets":[{"ports":[{"port":80,"protocol":"TCP"}]}]})", "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"},
      {"a name", R"({"subsets":[{"addresses":[{"ip":"web"}]}]})",
       "subsets[0].addresses[0].ip: Invalid value: \"web\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"},
      {"two ports without names", R"({"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":80,"protocol":"TCP"},{"name":"b","port":81,"protocol":"TCP"}]}]})",
       "subsets[0].ports[0].name: Required value"},
  });
  expect_update("", "Endpoints", endpoints, {
      {"another node", R"({"subsets":[{"addresses":[{"ip":"10.0.0.1","nodeName":"m"}]}]})",
       "subsets[0].addresses[0].nodeName: Forbidden: Cannot change NodeName for 10.0.0.1 to m"}});
  const char* slice = R"({"metadata":{"name":"x","namespace":"d"},"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"]}],"ports":[{"name":"","port":80,"protocol":"TCP"}]})";
  expect_create("discovery.k8s.io", "EndpointSlice", slice, {
      {"as it should be", "{}", ""},
      {"no type", R"({"addressType":""})", "addressType: Required value"},
      {"no endpoints", R"({"endpoints":null})", ""},
      {"another type", R"({"addressType":"MAC"})", "addressType: Unsupported value: \"MAC\": supported values: \"FQDN\", \"IPv4\", \"IPv6\""},
      {"an endpoint without address", R"({"endpoints":[{"addresses":[]}]})", "endpoints[0].addresses: Required value: must contain at least 1 address"},
      {"the other family", R"({"endpoints":[{"addresses":["fd00::1"]}]})", "endpoints[0].addresses[0]: Invalid value: \"fd00::1\": must be a valid IPv4 address"},
      {"a port twice", R"({"ports":[{"port":80,"protocol":"TCP"},{"port":81,"protocol":"TCP"}]})", "ports[1].name: Duplicate value: \"\""},
  });
  expect_update("discovery.k8s.io", "EndpointSlice", slice, {
      {"another type", R"({"addressType":"IPv6","endpoints":[]})", "addressType: Invalid value: \"IPv6\": field is immutable"}});
}

TEST(ValidateOthers, Table) {
  expect_create("coordination.k8s.io", "Lease", R"({"metadata":{"name":"x","namespace":"d"},"spec":{"holderIdentity":"me","leaseDurationSeconds":40}})", {
      {"as it should be", "{}", ""},
      {"no holder", R"({"spec":{"holderIdentity":""}})", "spec.holderIdentity: Invalid value: \"\": must not be empty"},
      {"no time", R"({"spec":{"leaseDurationSeconds":0}})", "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"},
  });
  expect_create("", "Event", R"({"metadata":{"name":"x","namespace":"d"},"involvedObject":{"namespace":"d","name":"p"}})", {
      {"as it should be", "{}", ""},
      {"somewhere else", R"({"involvedObject":{"namespace":"e"}})", "involvedObject.namespace: Invalid value: \"e\": does not match event.namespace"},
  });
  expect_create("", "Node", R"({"metadata":{"name":"n"},"spec":{"podCIDRs":["10.244.0.0/24"]}})", {
      {"as it should be", "{}", ""},
      {"a taint", R"({"spec":{"taints":[{"key":"a","effect":"Explode"}]}})",
       "spec.taints[0].effect: Unsupported value: \"Explode\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\""},
  });
  EXPECT_EQ(check_create(*built_in("autoscaling", "Scale"), json(R"({"metadata":{"name":"x","namespace":"d"},"spec":{"replicas":-1}})"))[0].text(),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0");
}

}  // namespace
}  // namespace api
