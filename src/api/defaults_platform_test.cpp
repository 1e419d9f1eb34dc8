// Defaults of networking, storage, devices and flow control; the Ingress of older manifests and back.
#include <gtest/gtest.h>

#include "api/convert_ingress.hpp"
#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/protobuf.hpp"
#include "api/validate_testing.hpp"

namespace api {
namespace {

using base::Value;
using testing::built_in;
using testing::json;

const Registry& kinds() {
  static const Registry kKinds = load_builtin_kinds().value();
  return kKinds;
}

// The object after decoding and defaulting; doing the latter twice must change nothing.
Value defaulted(std::string_view group, std::string_view name, std::string_view body) {
  const auto kind = built_in(group, name);
  auto decoded = decode_body(kinds(), *kind, "application/json", body, FieldValidation::strict);
  if (!decoded) {
    ADD_FAILURE() << decoded.error().message;
    return {};
  }
  Value object = decoded->object;
  apply_defaults(*kind, object);
  Value again = object;
  apply_defaults(*kind, again);
  EXPECT_EQ(base::write_json(again), base::write_json(object));
  return object;
}

std::string spec_of(std::string_view group, std::string_view name, std::string_view spec) {
  return base::write_json(defaulted(group, name, R"({"spec":)" + std::string(spec) + "}")["spec"]);
}

TEST(DefaultsPlatform, Networking) {
  EXPECT_EQ(spec_of("networking.k8s.io", "IngressClass", R"({"controller":"a.b/c","parameters":{"kind":"K","name":"n"}})"),
            R"({"controller":"a.b/c","parameters":{"kind":"K","name":"n","scope":"Cluster"}})");
  EXPECT_EQ(spec_of("networking.k8s.io", "NetworkPolicy", R"({"podSelector":{}})"),
            R"({"podSelector":{},"policyTypes":["Ingress"]})");
  EXPECT_EQ(spec_of("networking.k8s.io", "NetworkPolicy",
                    R"({"podSelector":{},"ingress":[{"ports":[{"port":80}]}],"egress":[{}]})"),
            R"({"podSelector":{},"ingress":[{"ports":[{"protocol":"TCP","port":80}]}],"egress":[{}],)"
            R"("policyTypes":["Ingress","Egress"]})");
  EXPECT_EQ(spec_of("networking.k8s.io", "NetworkPolicy", R"({"podSelector":{},"policyTypes":["Egress"]})"),
            R"({"podSelector":{},"policyTypes":["Egress"]})");
}

TEST(DefaultsPlatform, Storage) {
  const auto storage = defaulted("storage.k8s.io", "StorageClass", R"({"provisioner":"p"})");
  EXPECT_EQ(storage["reclaimPolicy"].as_string(), "Delete");
  EXPECT_EQ(storage["volumeBindingMode"].as_string(), "Immediate");
  EXPECT_EQ(spec_of("storage.k8s.io", "CSIDriver", R"({"attachRequired":false})"),
            R"({"attachRequired":false,"podInfoOnMount":false,"volumeLifecycleModes":["Persistent"],)"
            R"("storageCapacity":false,"fsGroupPolicy":"ReadWriteOnceWithFSType","requiresRepublish":false,)"
            R"("seLinuxMount":false})");
}

TEST(DefaultsPlatform, FlowControl) {
  const std::string_view group = "flowcontrol.apiserver.k8s.io";
  EXPECT_EQ(spec_of(group, "FlowSchema", R"({"priorityLevelConfiguration":{"name":"p"}})"),
            R"({"priorityLevelConfiguration":{"name":"p"},"matchingPrecedence":1000})");
  EXPECT_EQ(spec_of(group, "PriorityLevelConfiguration", R"({"type":"Exempt"})"),
            R"({"type":"Exempt","exempt":{"nominalConcurrencyShares":0,"lendablePercent":0}})");
  EXPECT_EQ(spec_of(group, "PriorityLevelConfiguration",
                    R"({"type":"Limited","limited":{"limitResponse":{"type":"Queue","queuing":{"handSize":4}}}})"),
            R"({"type":"Limited","limited":{"nominalConcurrencyShares":30,"limitResponse":{"type":"Queue","queuing":)"
            R"({"queues":64,"handSize":4,"queueLengthLimit":50}},"lendablePercent":0}})");
  // Zero is a wish of its own here.
  EXPECT_EQ(spec_of(group, "PriorityLevelConfiguration",
                    R"({"type":"Limited","limited":{"nominalConcurrencyShares":0,"limitResponse":{"type":"Reject"}}})"),
            R"({"type":"Limited","limited":{"nominalConcurrencyShares":0,"limitResponse":{"type":"Reject"},)"
            R"("lendablePercent":0}})");
}

TEST(DefaultsPlatform, Devices) {
  const char* kWish = R"({"devices":{"requests":[{"name":"a","exactly":{"deviceClassName":"c",)"
                      R"("tolerations":[{"key":"k"}]}},{"name":"b","firstAvailable":[{"name":"s",)"
                      R"("deviceClassName":"c","allocationMode":"All"}]}]}})";
  const char* kDone = R"({"devices":{"requests":[{"name":"a","exactly":{"deviceClassName":"c",)"
                      R"("allocationMode":"ExactCount","count":1,"tolerations":[{"key":"k","operator":"Equal"}]}},)"
                      R"({"name":"b","firstAvailable":[{"name":"s","deviceClassName":"c","allocationMode":"All"}]}]}})";
  EXPECT_EQ(spec_of("resource.k8s.io", "ResourceClaim", kWish), kDone);
  EXPECT_EQ(spec_of("resource.k8s.io", "ResourceClaimTemplate", R"({"spec":)" + std::string(kWish) + "}"),
            R"({"metadata":{},"spec":)" + std::string(kDone) + "}");
}

// The Ingress of the book's second edition and before.
const char* kOld = R"({"apiVersion":"extensions/v1beta1","kind":"Ingress","metadata":{"name":"kubia"},"spec":{)"
                   R"("backend":{"serviceName":"other","servicePort":"http"},"tls":[{"hosts":["kubia.example.com"],)"
                   R"("secretName":"tls-secret"}],"rules":[{"host":"kubia.example.com","http":{"paths":[{"path":"/",)"
                   R"("backend":{"serviceName":"kubia-nodeport","servicePort":80}}]}},{"host":"*.example.com"}]}})";
const char* kNew = R"({"kind":"Ingress","apiVersion":"networking.k8s.io/v1","metadata":{"name":"kubia"},"spec":{)"
                   R"("defaultBackend":{"service":{"name":"other","port":{"name":"http"}}},"tls":[{"hosts":)"
                   R"(["kubia.example.com"],"secretName":"tls-secret"}],"rules":[{"host":"kubia.example.com","http":)"
                   R"({"paths":[{"path":"/","pathType":"ImplementationSpecific","backend":{"service":)"
                   R"({"name":"kubia-nodeport","port":{"number":80}}}}]}},{"host":"*.example.com"}]},)"
                   R"("status":{"loadBalancer":{}}})";

TEST(ConvertIngress, ThereAndBack) {
  const auto old_kind = built_in("extensions", "Ingress"), new_kind = built_in("networking.k8s.io", "Ingress");
  ASSERT_TRUE(converts_ingress(*old_kind, *new_kind));
  ASSERT_TRUE(converts_ingress(*new_kind, *old_kind));
  EXPECT_FALSE(converts_ingress(*new_kind, *new_kind));
  const Value old = defaulted("extensions", "Ingress", kOld);
  const Value stored = convert_ingress(*old_kind, *new_kind, old);
  EXPECT_EQ(base::write_json(stored), kNew);
  EXPECT_EQ(base::write_json(convert_ingress(*new_kind, *old_kind, stored)), base::write_json(old));
  // It is one that the new version takes.
  EXPECT_TRUE(check_create(*new_kind, json(testing::patched(kNew, R"({"metadata":{"namespace":"default"}})"))).empty());
}

TEST(ConvertIngress, OddBackends) {
  const auto old_kind = built_in("extensions", "Ingress"), new_kind = built_in("networking.k8s.io", "Ingress");
  const auto there = [&](const char* backend) {
    return base::write_json(convert_ingress(*old_kind, *new_kind, json(R"({"spec":{"backend":)" + std::string(backend) + "}}"))
                                .at({"spec", "defaultBackend"}));
  };
  EXPECT_EQ(there("{}"), "{}");
  EXPECT_EQ(there(R"({"serviceName":"a"})"), R"({"service":{"name":"a","port":{}}})");
  EXPECT_EQ(there(R"({"servicePort":80})"), R"({"service":{"name":"","port":{"number":80}}})");
  EXPECT_EQ(there(R"({"resource":{"kind":"Bucket","name":"b"}})"), R"({"resource":{"kind":"Bucket","name":"b"}})");
  // What nobody checked yet does not end the process.
  EXPECT_EQ(there("7"), "7");
  for (const char* odd : {R"({"spec":7})", R"({"spec":{"rules":[1,{"http":2},{"http":{"paths":[3]}}]}})", "{}"})
    EXPECT_EQ(convert_ingress(*new_kind, *old_kind, json(odd))["kind"].as_string(), "Ingress") << odd;
}

}  // namespace
}  // namespace api
