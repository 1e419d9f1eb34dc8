#include "api/types.hpp"

#include <gtest/gtest.h>

#include "api/kinds.hpp"
#include "api/types_random.hpp"
#include "base/json.hpp"

namespace {

TEST(Types, AServiceSurvivesTheWayThroughItsStruct) {
  const auto value =
      base::parse_json(
          R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"kubia","namespace":"default",
    "labels":{"a":"b"}},"spec":{"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080},
    {"name":"https","port":443,"targetPort":"tls","nodePort":30443}],"selector":{"app":"kubia"},"clusterIPs":["10.0.0.1"],
    "type":"NodePort","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10}},"publishNotReadyAddresses":false}})")
          .value();
  const auto service = api::from_value<api::Service>(value).value();
  EXPECT_EQ(service.metadata.name, "kubia");
  EXPECT_EQ(service.spec.cluster_ips, std::vector<std::string>{"10.0.0.1"});
  EXPECT_EQ(service.spec.ports[0].target_port.int_value(), 8080);
  EXPECT_EQ(service.spec.ports[1].target_port.string_value(), "tls");
  EXPECT_EQ(service.spec.ports[1].node_port, 30443);
  EXPECT_FALSE(service.spec.ports[0].node_port);
  EXPECT_EQ(service.spec.session_affinity_config->client_ip->timeout_seconds, 10);
  EXPECT_EQ(service.spec.publish_not_ready_addresses, false);
  EXPECT_EQ(api::to_value(service), value);
  EXPECT_EQ(api::from_value<api::Service>(api::to_value(service)).value(), service);
}

TEST(Types, UnknownMembersAreIgnoredAndWrongOnesNamed) {
  EXPECT_TRUE(api::from_value<api::Service>(base::parse_json(R"({"spec":{"bogus":1},"x":null})").value()));
  const auto wrong = api::from_value<api::Service>(
      base::parse_json(R"({"spec":{"ports":[{"port":1},{"port":"x"}]}})").value());
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "spec.ports[1].port: expected an integer, found string");
}

TEST(Types, RequiredFieldsAreWrittenAlways) {
  EXPECT_EQ(base::write_json(api::to_value(api::Event{})),
            R"({"kind":"Event","apiVersion":"v1","metadata":{},"involvedObject":{}})");
  EXPECT_EQ(base::write_json(api::to_value(api::OwnerReference{.kind = "Pod"})),
            R"({"apiVersion":"","kind":"Pod","name":"","uid":""})");
  api::Pod pod;
  pod.spec.volumes.emplace_back().name = "scratch";
  pod.spec.volumes[0].empty_dir.emplace();
  EXPECT_EQ(base::write_json(api::to_value(pod)["spec"]["volumes"]), R"([{"name":"scratch","emptyDir":{}}])");
  EXPECT_EQ(api::KindOf<api::EndpointSlice>::plural, "endpointslices");
  EXPECT_FALSE(api::KindOf<api::Node>::namespaced);
}

// A struct cannot tell an empty object that is always there from an absent one.
void prune_empty(base::Value& value) {
  if (auto* list = value.if_array()) {
    for (auto& item : *list) prune_empty(item);
  }
  auto* object = value.if_object();
  if (!object) return;
  base::Object kept;
  for (auto& [name, member] : *object) {
    prune_empty(member);
    if (!member.is_object() || !member.as_object().empty()) kept.append(name, std::move(member));
  }
  *object = std::move(kept);
}

template <class T>
void expect_survival() {
  static const api::Registry kinds = api::load_builtin_kinds().value();
  using K = api::KindOf<T>;
  const std::string group(K::group), version(K::version);
  const auto kind = kinds.find_kind(group.empty() ? version : group + "/" + version, K::kind);
  ASSERT_TRUE(kind) << K::kind;
  EXPECT_EQ(kind->plural, K::plural);
  EXPECT_EQ(kind->namespaced, K::namespaced);
  for (unsigned seed = 1; seed <= 2; ++seed) {
    base::Value value = api::RandomObject(seed).make(*kind);
    const auto typed = api::from_value<T>(value);
    ASSERT_TRUE(typed) << typed.error().message;
    base::Value back = api::to_value(*typed);
    EXPECT_EQ(api::from_value<T>(back).value(), *typed) << K::kind;
    prune_empty(value);
    prune_empty(back);
    EXPECT_EQ(back, value) << K::kind;
  }
}

TEST(Types, EveryFieldOfEveryKindSurvives) {
  expect_survival<api::Binding>();
  expect_survival<api::ConfigMap>();
  expect_survival<api::DeleteOptions>();
  expect_survival<api::Endpoints>();
  expect_survival<api::EndpointSlice>();
  expect_survival<api::Event>();
  expect_survival<api::Lease>();
  expect_survival<api::Namespace>();
  expect_survival<api::Node>();
  expect_survival<api::Pod>();
  expect_survival<api::ReplicationController>();
  expect_survival<api::Scale>();
  expect_survival<api::Secret>();
  expect_survival<api::Service>();
  expect_survival<api::ServiceAccount>();
  expect_survival<api::Status>();
}

}  // namespace
