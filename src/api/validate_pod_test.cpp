#include <gtest/gtest.h>

#include "api/validate.hpp"
#include "api/validate_testing.hpp"

namespace api {
namespace {

using testing::built_in;
using testing::expect_create;
using testing::expect_update;
using testing::json;
using testing::patched;

const char* kPod = R"({"metadata":{"name":"x","namespace":"default"},"spec":{"restartPolicy":"Always","dnsPolicy":"ClusterFirst",)"
                   R"("terminationGracePeriodSeconds":30,"volumes":[{"name":"v","emptyDir":{}}],)"
                   R"("containers":[{"name":"a","image":"kubia","ports":[{"containerPort":8080,"protocol":"TCP"}]}]}})";

std::string with_container(const std::string& members) {
  return R"({"spec":{"containers":[{"name":"a","image":"kubia",)" + members + "}]}}";
}

TEST(ValidatePod, Table) {
  expect_create("", "Pod", kPod, {
      {"as it should be", "{}", ""},
      {"no containers", R"({"spec":{"containers":null}})", "spec.containers: Required value"},
      {"no name", R"({"spec":{"containers":[{"image":"i"}]}})", "spec.containers[0].name: Required value"},
      {"no image", R"({"spec":{"containers":[{"name":"a"}]}})", "spec.containers[0].image: Required value"},
      {"an image with a blank", R"({"spec":{"containers":[{"name":"a","image":" i"}]}})",
       "spec.containers[0].image: Invalid value: \" i\": must not have leading or trailing whitespace"},
      {"one name twice", R"({"spec":{"containers":[{"name":"a","image":"i"},{"name":"a","image":"i"}]}})",
       "spec.containers[1].name: Duplicate value: \"a\""},
      {"one name in both lists", R"({"spec":{"initContainers":[{"name":"a","image":"i"}]}})",
       "spec.initContainers[0].name: Duplicate value: \"a\""},
      {"a restart policy", R"({"spec":{"restartPolicy":"Maybe"}})",
       "spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"OnFailure\", \"Never\""},
      {"a volume twice", R"({"spec":{"volumes":[{"name":"v","emptyDir":{}},{"name":"v","emptyDir":{}}]}})",
       "spec.volumes[1].name: Duplicate value: \"v\""},
      {"a volume of no type", R"({"spec":{"volumes":[{"name":"v"}]}})", "spec.volumes[0]: Required value: must specify a volume type"},
      {"a volume of two types", R"({"spec":{"volumes":[{"name":"v","emptyDir":{},"configMap":{"name":"c"}}]}})",
       "spec.volumes[0].configMap: Forbidden: may not specify more than 1 volume type"},
      {"a secret without a name", R"({"spec":{"volumes":[{"name":"v","secret":{}}]}})", "spec.volumes[0].secret.secretName: Required value"},
      {"a deadline of nothing", R"({"spec":{"activeDeadlineSeconds":0}})",
       "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"},
      {"grace below zero", R"({"spec":{"terminationGracePeriodSeconds":-5}})",
       "spec.terminationGracePeriodSeconds: Invalid value: -5: must be greater than or equal to 0"},
      {"DNS policy None", R"({"spec":{"dnsPolicy":"None","dnsConfig":{}}})",
       "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None"},
      {"a toleration of everything", R"({"spec":{"tolerations":[{"operator":"Exists"}]}})", ""},
      {"a toleration without a key", R"({"spec":{"tolerations":[{"value":"x"}]}})",
       "spec.tolerations[0].operator: Invalid value: \"\": operator must be Exists when `key` is empty, which means \"match all values and all keys\""},
      {"a toleration for a while", R"({"spec":{"tolerations":[{"key":"a","operator":"Exists","effect":"NoSchedule","tolerationSeconds":3}]}})",
       "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set"},
      {"a host name with dots", R"({"spec":{"hostname":"a.b"}})", "spec.hostname: Invalid value: \"a.b\": must not contain dots"},
  });
}

TEST(ValidatePod, Containers) {
  expect_create("", "Pod", kPod, {
      {"a port without a number", with_container(R"("ports":[{"protocol":"TCP"}])"), "spec.containers[0].ports[0].containerPort: Required value"},
      {"a port too high", with_container(R"("ports":[{"containerPort":65536,"protocol":"TCP"}])"),
       "spec.containers[0].ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive"},
      {"a port name twice", with_container(R"("ports":[{"name":"p","containerPort":1,"protocol":"TCP"},{"name":"p","containerPort":2,"protocol":"TCP"}])"),
       "spec.containers[0].ports[1].name: Duplicate value: \"p\""},
      {"a host port twice", with_container(R"("ports":[{"containerPort":1,"hostPort":9,"protocol":"TCP"},{"containerPort":2,"hostPort":9,"protocol":"TCP"}])"),
       "spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//9\""},
      {"a variable without a name", with_container(R"("env":[{"value":"x"}])"), "spec.containers[0].env[0].name: Required value"},
      {"a variable with '='", with_container(R"("env":[{"name":"a=b"}])"),
       "spec.containers[0].env[0].name: Invalid value: \"a=b\": a valid environment variable name must consist only of printable ASCII characters other than '='"},
      {"a variable of two sources", with_container(R"("env":[{"name":"a","value":"b","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}])"),
       "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty"},
      {"a variable of no source", with_container(R"("env":[{"name":"a","valueFrom":{}}])"),
       "spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: *"},
      {"a mount of nothing", with_container(R"("volumeMounts":[{"name":"w","mountPath":"/x"}])"), "spec.containers[0].volumeMounts[0].name: Not found: \"w\""},
      {"a mount", with_container(R"("volumeMounts":[{"name":"v","mountPath":"/x"}])"), ""},
      {"a mount over a mount", with_container(R"("volumeMounts":[{"name":"v","mountPath":"/x"},{"name":"v","mountPath":"/x"}])"),
       "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/x\": must be unique"},
      {"a way out", with_container(R"("volumeMounts":[{"name":"v","mountPath":"/x","subPath":"../y"}])"),
       "spec.containers[0].volumeMounts[0].subPath: Invalid value: \"../y\": must not contain '..'"},
      {"a probe without a handler", with_container(R"("readinessProbe":{"periodSeconds":1})"), "spec.containers[0].readinessProbe: Required value: must specify a handler type"},
      {"a probe with two", with_container(R"("readinessProbe":{"exec":{"command":["x"]},"tcpSocket":{"port":1}})"),
       "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"},
      {"a probe that waits for the past", with_container(R"("readinessProbe":{"exec":{"command":["x"]},"periodSeconds":-1})"),
       "spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0"},
      {"a liveness probe that wants two", with_container(R"("livenessProbe":{"exec":{"command":["x"]},"successThreshold":2})"),
       "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"},
      {"a readiness probe that wants two", with_container(R"("readinessProbe":{"exec":{"command":["x"]},"successThreshold":2})"), ""},
      {"more than the limit", with_container(R"("resources":{"limits":{"cpu":"100m"},"requests":{"cpu":"1"}})"),
       "spec.containers[0].resources.requests: Invalid value: \"1\": must be less than or equal to cpu limit of 100m"},
      {"no quantity", with_container(R"("resources":{"limits":{"cpu":"lots"}})"), "spec.containers[0].resources.limits[cpu]: Invalid value: \"lots\": *"},
      {"a pull policy", with_container(R"("imagePullPolicy":"Sometimes")"),
       "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\""},
      {"an init container with a probe", R"({"spec":{"initContainers":[{"name":"i","image":"i","livenessProbe":{"exec":{"command":["x"]}}}]}})",
       "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"},
      {"a sidecar with a probe", R"({"spec":{"initContainers":[{"name":"i","image":"i","restartPolicy":"Always","livenessProbe":{"exec":{"command":["x"]}}}]}})", ""},
  });
}

TEST(ValidatePod, Updates) {
  expect_update("", "Pod", kPod, {
      {"nothing", "{}", ""},
      {"a label", R"({"metadata":{"labels":{"a":"b"}}})", ""},
      {"the image", R"({"spec":{"containers":[{"name":"a","image":"other","ports":[{"containerPort":8080,"protocol":"TCP"}]}]}})", ""},
      {"a port", R"({"spec":{"containers":[{"name":"a","image":"kubia","ports":[{"containerPort":8081,"protocol":"TCP"}]}]}})",
       "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,*spec.containers[0].ports[0].containerPort: 8080 -> 8081\n"},
      {"one more container", R"({"spec":{"containers":[{"name":"a","image":"kubia"},{"name":"b","image":"i"}]}})",
       "spec.containers: Forbidden: pod updates may not add or remove containers"},
      {"a toleration more", R"({"spec":{"tolerations":[{"key":"a","operator":"Exists"}]}})", ""},
      {"a deadline", R"({"spec":{"activeDeadlineSeconds":5}})", ""},
  });
  std::string bound = patched(kPod, R"({"spec":{"nodeName":"n","activeDeadlineSeconds":5,"tolerations":[{"key":"a","operator":"Exists"}]}})");
  expect_update("", "Pod", bound, {
      {"a later deadline", R"({"spec":{"activeDeadlineSeconds":6}})", "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"},
      {"no deadline", R"({"spec":{"activeDeadlineSeconds":null}})", "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"},
      {"a toleration less", R"({"spec":{"tolerations":null}})",
       "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds|spec: Forbidden: *"},
      {"another node", R"({"spec":{"nodeName":"m"}})", "spec: Forbidden: *spec.nodeName: \"n\" -> \"m\"\n"},
  });
}

TEST(ValidatePod, UpdateTextIsUpstreams) {
  auto errors = check_update(*built_in("", "Pod"), json(patched(kPod, R"({"spec":{"hostNetwork":true}})")), json(kPod));
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_TRUE(errors[0].text().starts_with(
      "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
      "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
      "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"));
}

TEST(ValidateReplicationController, Table) {
  const char* rc = R"({"metadata":{"name":"kubia","namespace":"default"},"spec":{"replicas":3,"selector":{"app":"kubia"},)"
                   R"("template":{"metadata":{"labels":{"app":"kubia"}},"spec":{"restartPolicy":"Always",)"
                   R"("containers":[{"name":"a","image":"kubia"}]}}}})";
  expect_create("", "ReplicationController", rc, {
      {"as it should be", "{}", ""},
      {"no selector", R"({"spec":{"selector":null}})", "spec.selector: Required value"},
      {"fewer than none", R"({"spec":{"replicas":-1}})", "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
      {"no template", R"({"spec":{"template":null}})", "spec.template: Required value"},
      {"other labels", R"({"spec":{"template":{"metadata":{"labels":{"app":"x"}}}}})",
       "spec.template.metadata.labels: Invalid value: {\"app\":\"x\"}: `selector` does not match template `labels`"},
      {"pods that end", R"({"spec":{"template":{"spec":{"restartPolicy":"Never"}}}})",
       "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""},
      {"no container name", R"({"spec":{"template":{"spec":{"containers":[{"image":"i"}]}}}})", "spec.template.spec.containers[0].name: Required value"},
  });
}

TEST(ValidateSchema, FindsWhatNoRuleOfItsOwnFinds) {
  auto errors = check_create(*built_in("", "Pod"),
                             json(patched(kPod, R"({"spec":{"topologySpreadConstraints":[{"maxSkew":1,"whenUnsatisfiable":"DoNotSchedule"}]}})")));
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].text(), "spec.topologySpreadConstraints[0].topologyKey: Required value");
}

}  // namespace
}  // namespace api
