#include "api/openapi.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/json.hpp"

namespace api {
namespace {

using base::Value;

const Registry& kinds() {
  static const auto kKinds = load_builtin_kinds();
  return *kKinds;
}

const Value& core() {
  static const Value kDocument = make_openapi_v3(kinds(), "", "v1");
  return kDocument;
}

const Value& schema(const Value& document, std::string_view name) { return document["components"]["schemas"][name]; }

void collect_references(const Value& value, std::set<std::string>& out) {
  for (const auto& [key, inner] : value.as_object()) {
    if (key == "$ref") out.emplace(inner.as_string());
    collect_references(inner, out);
  }
  for (const auto& inner : value.as_array()) collect_references(inner, out);
}

TEST(OpenApi, EveryReferenceLeadsSomewhere) {
  for (const auto& [group, version] : std::vector<std::pair<const char*, const char*>>{
           {"", "v1"}, {"discovery.k8s.io", "v1"}, {"coordination.k8s.io", "v1"}}) {
    Value document = make_openapi_v3(kinds(), group, version);
    std::set<std::string> references;
    collect_references(document, references);
    EXPECT_FALSE(references.empty());
    constexpr std::string_view kPrefix = "#/components/schemas/";
    for (const auto& reference : references) {
      ASSERT_TRUE(reference.starts_with(kPrefix));
      EXPECT_TRUE(schema(document, reference.substr(kPrefix.size())).is_object()) << reference;
    }
  }
}

TEST(OpenApi, KindsAndTheirListsSayWhatTheyAre) {
  const Value& service = schema(core(), "io.k8s.api.core.v1.Service");
  EXPECT_EQ(base::write_json(service["x-kubernetes-group-version-kind"]), R"([{"group":"","kind":"Service","version":"v1"}])");
  const Value& list = schema(core(), "io.k8s.api.core.v1.ServiceList");
  EXPECT_EQ(list["x-kubernetes-group-version-kind"].as_array()[0]["kind"].as_string(), "ServiceList");
  EXPECT_EQ(list["properties"]["items"]["items"]["allOf"].as_array()[0]["$ref"].as_string(),
            "#/components/schemas/io.k8s.api.core.v1.Service");
  EXPECT_EQ(service["properties"]["spec"]["allOf"].as_array()[0]["$ref"].as_string(),
            "#/components/schemas/io.k8s.api.core.v1.ServiceSpec");
}

TEST(OpenApi, MergeKeysAreThere) {
  const Value& ports = schema(core(), "io.k8s.api.core.v1.ServiceSpec")["properties"]["ports"];
  EXPECT_EQ(ports["type"].as_string(), "array");
  EXPECT_EQ(ports["x-kubernetes-patch-merge-key"].as_string(), "port");
  EXPECT_EQ(ports["x-kubernetes-patch-strategy"].as_string(), "merge");
  EXPECT_EQ(base::write_json(ports["x-kubernetes-list-map-keys"]), R"(["port","protocol"])");
  EXPECT_EQ(ports["x-kubernetes-list-type"].as_string(), "map");
  const Value& target = schema(core(), "io.k8s.api.core.v1.ServicePort")["properties"]["targetPort"];
  EXPECT_EQ(target["allOf"].as_array()[0]["$ref"].as_string(),
            "#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString");
}

// What kubectl looks for before it sends fieldValidation: a PATCH of that kind with such a parameter.
TEST(OpenApi, EveryStoredKindHasAPatchWithFieldValidation) {
  for (const auto& kind : kinds().all()) {
    if (!kind->stored || std::ranges::find(kind->verbs, "patch") == kind->verbs.end()) continue;
    Value document = make_openapi_v3(kinds(), kind->group, kind->version);
    bool found = false;
    for (const auto& [path, item] : document["paths"].as_object()) {
      const Value& patch = item["patch"];
      if (patch["x-kubernetes-group-version-kind"]["kind"].as_string() != kind->kind) continue;
      EXPECT_EQ(patch["x-kubernetes-action"].as_string(), "patch");
      for (const auto& parameter : patch["parameters"].as_array())
        found = found || parameter["name"].as_string() == "fieldValidation";
    }
    EXPECT_TRUE(found) << kind->kind;
  }
}

TEST(OpenApi, Paths) {
  const Value& paths = core()["paths"];
  EXPECT_EQ(paths["/api/v1/namespaces/{namespace}/services"]["post"]["operationId"].as_string(), "createCoreV1NamespacedService");
  EXPECT_EQ(paths["/api/v1/services"]["get"]["x-kubernetes-action"].as_string(), "list");
  EXPECT_EQ(paths["/api/v1/nodes/{name}"]["get"]["operationId"].as_string(), "readCoreV1Node");
  EXPECT_TRUE(paths["/api/v1/namespaces/{namespace}/pods/{name}/status"]["patch"].is_object());
  EXPECT_TRUE(paths["/api/v1/watch/namespaces/{namespace}/pods"]["get"].is_object());
  const Value& scale = paths["/api/v1/namespaces/{namespace}/replicationcontrollers/{name}/scale"]["get"];
  EXPECT_EQ(scale["x-kubernetes-group-version-kind"]["kind"].as_string(), "Scale");
  EXPECT_EQ(scale["x-kubernetes-group-version-kind"]["group"].as_string(), "autoscaling");
  std::set<std::string> ids;
  for (const auto& [path, item] : paths.as_object())
    for (const auto& [verb, operation] : item.as_object())
      if (operation.is_object()) EXPECT_TRUE(ids.emplace(operation["operationId"].as_string()).second) << path << " " << verb;
}

TEST(OpenApi, AnUnknownGroupIsEmpty) {
  Value document = make_openapi_v3(kinds(), "example.com", "v9");
  EXPECT_TRUE(document["paths"].as_object().empty());
  EXPECT_EQ(document["openapi"].as_string(), "3.0.0");
}

}  // namespace
}  // namespace api
