// Rules for device classes, resource claims, their templates, and resource slices.
#include <gtest/gtest.h>

#include "api/validate_testing.hpp"

namespace api {
namespace {

using testing::expect_create;
using testing::expect_update;

constexpr const char* kDevices = "resource.k8s.io";

TEST(ValidateDevices, Classes) {
  const char* kClass = R"({"metadata":{"name":"x"},"spec":{"selectors":[{"cel":{"expression":"true"}}]}})";
  expect_create(kDevices, "DeviceClass", kClass, {
      {"as it should be", "{}", ""},
      {"no expression", R"({"spec":{"selectors":[{}]}})", "spec.selectors[0].cel: Required value"},
      {"no settings", R"({"spec":{"config":[{}]}})", "spec.config[0].opaque: Required value"},
      {"settings", R"({"spec":{"config":[{"opaque":{"driver":"a.b","parameters":{"k":1}}}]}})", ""},
      {"settings that are none", R"({"spec":{"config":[{"opaque":{"driver":"a.b","parameters":[1]}}]}})",
       "spec.config[0].opaque.parameters: Invalid value: \"<value omitted>\": must be a valid JSON object"},
      {"an extended resource", R"({"spec":{"extendedResourceName":"example.com/gpu"}})", ""},
      {"a native resource", R"({"spec":{"extendedResourceName":"cpu"}})",
       "spec.extendedResourceName: Invalid value: \"cpu\": must be a valid extended resource name"},
  });
}

const char* kClaim = R"({"metadata":{"name":"x","namespace":"default"},"spec":{"devices":{"requests":[{"name":"a","exactly":)"
                     R"({"deviceClassName":"c","allocationMode":"ExactCount","count":1}}]}}})";

std::string with_request(const std::string& request) {
  return R"({"spec":{"devices":{"requests":[)" + request + "]}}}";
}

TEST(ValidateDevices, Claims) {
  expect_create(kDevices, "ResourceClaim", kClaim, {
      {"as it should be", "{}", ""},
      {"no kind of request", with_request(R"({"name":"a"})"),
       "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"},
      {"no class", with_request(R"({"name":"a","exactly":{"deviceClassName":"","allocationMode":"All"}})"),
       "spec.devices.requests[0].exactly.deviceClassName: Required value"},
      {"a count of all", with_request(R"({"name":"a","exactly":{"deviceClassName":"c","allocationMode":"All","count":2}})"),
       "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"},
      {"no devices", with_request(R"({"name":"a","exactly":{"deviceClassName":"c","allocationMode":"ExactCount"}})"),
       "spec.devices.requests[0].exactly.count: Invalid value: 0: must be greater than zero"},
      {"a name twice", with_request(R"({"name":"a","exactly":{"deviceClassName":"c","allocationMode":"All"}},)"
                                    R"({"name":"a","exactly":{"deviceClassName":"c","allocationMode":"All"}})"),
       "spec.devices.requests[1]: Duplicate value: \"a\""},
      {"choices", with_request(R"({"name":"a","firstAvailable":[{"name":"s","deviceClassName":"c","allocationMode":"All"}]})"), ""},
      {"a constraint", R"({"spec":{"devices":{"constraints":[{"requests":["a"],"matchAttribute":"a.b/c"}]}}})", ""},
      {"a constraint on nobody", R"({"spec":{"devices":{"constraints":[{"requests":["b"],"matchAttribute":"a.b/c"}]}}})",
       "spec.devices.constraints[0].requests[0]: Invalid value: \"b\": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"},
      {"a constraint without a domain", R"({"spec":{"devices":{"constraints":[{"matchAttribute":"c"}]}}})",
       "spec.devices.constraints[0].matchAttribute: Invalid value: \"c\": a fully qualified name must be a domain and a name separated by a slash"},
      {"an unknown toleration", with_request(R"({"name":"a","exactly":{"deviceClassName":"c","allocationMode":"All","tolerations":[{"operator":"Like"}]}})"),
       "spec.devices.requests[0].exactly.tolerations[0].operator: Unsupported value: \"Like\": supported values: \"Equal\", \"Exists\""},
  });
  expect_update(kDevices, "ResourceClaim", kClaim, {
      {"labels", R"({"metadata":{"labels":{"a":"b"}}})", ""},
      {"another wish", R"({"spec":{"devices":{"requests":null}}})", "spec: Invalid value: *: field is immutable"},
  });
}

TEST(ValidateDevices, ClaimStatus) {
  const std::string allocated =
      R"("allocation":{"devices":{"results":[{"request":"a","driver":"d","pool":"p","device":"v"}]}})";
  const std::string with_status = testing::patched(kClaim, R"({"status":{)" + allocated + "}}");
  expect_update(kDevices, "ResourceClaim", kClaim, {
      {"allocated", R"({"status":{)" + allocated + "}}", ""},
      {"for nobody's request", R"({"status":{"allocation":{"devices":{"results":[{"request":"b","driver":"d","pool":"p","device":"v"}]}}}})",
       "status.allocation.devices.results[0].request: Invalid value: \"b\": must be the name of *"},
      {"used before it is there", R"({"status":{"reservedFor":[{"resource":"pods","name":"n","uid":"u"}]}})",
       "status.reservedFor: Forbidden: may not be specified when `allocated` is not set"},
      {"a device of nobody", R"({"status":{"devices":[{"driver":"d","pool":"p","device":"v"}]}})",
       "status.devices[0]: Invalid value: \"d/p/v\": must be an allocated device in the claim"},
  }, "status");
  expect_update(kDevices, "ResourceClaim", with_status, {
      {"used", R"({"status":{"reservedFor":[{"resource":"pods","name":"n","uid":"u"}],"devices":[{"driver":"d","pool":"p","device":"v"}]}})", ""},
      {"used twice by one", R"({"status":{"reservedFor":[{"resource":"pods","name":"n","uid":"u"},{"resource":"pods","name":"m","uid":"u"}]}})",
       "status.reservedFor[1]: Duplicate value: \"u\""},
      {"another device", R"({"status":{"allocation":{"devices":{"results":[{"request":"a","driver":"d","pool":"p","device":"w"}]}}}})",
       "status.allocation: Invalid value: *: field is immutable"},
      {"given back", R"({"status":{"allocation":null}})", ""},
  }, "status");
}

TEST(ValidateDevices, Templates) {
  const char* kTemplate = R"({"metadata":{"name":"x","namespace":"default"},"spec":{"spec":{"devices":{"requests":[{"name":"a","exactly":)"
                          R"({"deviceClassName":"c","allocationMode":"All"}}]}}}})";
  expect_create(kDevices, "ResourceClaimTemplate", kTemplate, {
      {"as it should be", "{}", ""},
      {"no kind of request", R"({"spec":{"spec":{"devices":{"requests":[{"name":"a"}]}}}})",
       "spec.spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"},
  });
  expect_update(kDevices, "ResourceClaimTemplate", kTemplate, {
      {"other labels", R"({"spec":{"metadata":{"labels":{"a":"b"}}}})", "spec: Invalid value: *: field is immutable"},
  });
}

const char* kSlice = R"({"metadata":{"name":"x"},"spec":{"driver":"d","pool":{"name":"p","generation":0,"resourceSliceCount":1},)"
                     R"("nodeName":"n","devices":[{"name":"v","attributes":{"model":{"string":"m"}},"capacity":{"memory":{"value":"1Gi"}}}]}})";

std::string with_device(const std::string& device) { return R"({"spec":{"devices":[)" + device + "]}}"; }

TEST(ValidateDevices, Slices) {
  expect_create(kDevices, "ResourceSlice", kSlice, {
      {"as it should be", "{}", ""},
      {"nowhere", R"({"spec":{"nodeName":null}})",
       "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"},
      {"everywhere and here", R"({"spec":{"allNodes":true}})",
       "spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set"},
      {"no slices", R"({"spec":{"pool":{"resourceSliceCount":0}}})", "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero"},
      {"a device twice", with_device(R"({"name":"v"},{"name":"v"})"), "spec.devices[1]: Duplicate value: \"v\""},
      {"no value", with_device(R"({"name":"v","attributes":{"a":{}}})"),
       "spec.devices[0].attributes[a]: Invalid value: \"\": exactly one value must be specified"},
      {"two values", with_device(R"({"name":"v","attributes":{"a":{"int":1,"bool":true}}})"),
       "spec.devices[0].attributes[a]: Invalid value: {\"int\":1,\"bool\":true}: exactly one value must be specified"},
      {"versions", with_device(R"({"name":"v","attributes":{"a":{"version":"1.2.3-rc.1+build.7"},"b":{"version":"0.0.0"}}})"), ""},
      {"no version", with_device(R"({"name":"v","attributes":{"a":{"version":"1.02.3"}}})"),
       "spec.devices[0].attributes[a].version: Invalid value: \"1.02.3\": must be a string compatible with semver.org spec 2.0.0"},
      {"half a version", with_device(R"({"name":"v","attributes":{"a":{"version":"1.2"}}})"),
       "spec.devices[0].attributes[a].version: Invalid value: \"1.2\": must be a string compatible with semver.org spec 2.0.0"},
      {"a name that is none", with_device(R"({"name":"v","attributes":{"1a":{"int":1}}})"),
       "spec.devices[0].attributes[1a]: Invalid value: \"1a\": a valid C identifier must start with *"},
      {"shared by itself", with_device(R"({"name":"v","capacity":{"m":{"value":"1","requestPolicy":{}}}})"),
       "spec.devices[0].capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true"},
      {"shares", with_device(R"({"name":"v","allowMultipleAllocations":true,"capacity":{"m":{"value":"8","requestPolicy":{"default":"2","validRange":{"min":"2","step":"2"}}}}})"), ""},
      {"shares between steps", with_device(R"({"name":"v","allowMultipleAllocations":true,"capacity":{"m":{"value":"8","requestPolicy":{"default":"3","validRange":{"min":"2","step":"2"}}}}})"),
       "spec.devices[0].capacity[m].requestPolicy.validRange.step: Invalid value: \"3\": value is not a multiple of a given step (2) from (2)"},
      {"a place of its own", with_device(R"({"name":"v","allNodes":true})"),
       "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec"},
      {"an unknown effect", with_device(R"({"name":"v","taints":[{"key":"a","effect":"Boom"}]})"),
       "spec.devices[0].taints[0].effect: Unsupported value: \"Boom\": supported values: \"NoExecute\", \"NoSchedule\", \"None\""},
      {"counters and devices", R"({"spec":{"sharedCounters":[{"name":"s","counters":{"a":{"value":"1"}}}]}})",
       "spec: Invalid value: \"\": only one of `sharedCounters` or `devices` is allowed"},
      {"half of the conditions", with_device(R"({"name":"v","bindingConditions":["a"]})"),
       "spec.devices[0].bindingFailureConditions: Invalid value: []: bindingFailureConditions are required to use bindingConditions"},
  });
  expect_update(kDevices, "ResourceSlice", kSlice, {
      {"fewer devices", R"({"spec":{"devices":null}})", ""},
      {"another node", R"({"spec":{"nodeName":"m"}})", "spec.nodeName: Invalid value: \"m\": field is immutable"},
  });
}

}  // namespace
}  // namespace api
