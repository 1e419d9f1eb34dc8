#include "api/kinds.hpp"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "api/schema.hpp"
#include "base/json.hpp"

namespace {

using api::Schema;

const api::Registry& registry() {
  static const api::Registry kinds = api::load_builtin_kinds().value();
  return kinds;
}

// Every schema below the kinds, once, with the path on which it was met first.
void collect(const api::SchemaPtr& schema, const std::string& path,
             std::map<const Schema*, std::string>& out) {
  if (!schema || !out.emplace(schema.get(), path).second) return;
  if (schema->items) collect(schema->items, path + "[]", out);
  for (const auto& property : schema->properties) collect(property.schema, path + "." + property.name, out);
}

std::map<const Schema*, std::string> all_schemas() {
  std::map<const Schema*, std::string> out;
  for (const auto& kind : registry().all()) collect(kind->schema, kind->kind, out);
  return out;
}

TEST(Kinds, AllLoadAndAreFound) {
  for (const char* name :
       {"Binding", "ConfigMap", "Endpoints", "Event", "Namespace", "Node", "Pod", "ReplicationController",
        "Secret", "Service", "ServiceAccount", "DeleteOptions", "Status"}) {
    EXPECT_TRUE(registry().find_kind("v1", name)) << name;
  }
  EXPECT_TRUE(registry().find_resource("discovery.k8s.io", "v1", "endpointslices"));
  EXPECT_TRUE(registry().find_resource("coordination.k8s.io", "v1", "leases"));
  EXPECT_FALSE(registry().find_kind("autoscaling/v1", "Scale")->stored);
  EXPECT_FALSE(registry().find_resource("", "v1", ""));
  EXPECT_FALSE(registry().find_resource("apps", "v1", "services"));
}

TEST(Kinds, CoreComesFirst) {
  bool core_is_over = false;
  for (const auto& kind : registry().all()) {
    if (!kind->group.empty()) core_is_over = true;
    EXPECT_FALSE(core_is_over && kind->group.empty()) << kind->kind;
  }
}

TEST(Kinds, ServiceIsDescribedAsTheApiHasIt) {
  const auto service = registry().find_resource("", "v1", "services");
  ASSERT_TRUE(service);
  EXPECT_EQ(service->list_kind, "ServiceList");
  EXPECT_EQ(service->short_names, std::vector<std::string>{"svc"});
  EXPECT_TRUE(service->namespaced);
  ASSERT_TRUE(service->find_subresource("status"));
  EXPECT_FALSE(service->find_subresource("scale"));
  ASSERT_EQ(service->columns.size(), 7u);
  EXPECT_EQ(service->columns[4].name, "Port(s)");
  EXPECT_EQ(service->columns[6].priority, 1);
  ASSERT_TRUE(service->schema->find("spec"));
  const Schema* spec = service->schema->find("spec")->schema.get();
  EXPECT_EQ(spec->openapi_key, "io.k8s.api.core.v1.ServiceSpec");
  const Schema* ports = spec->find("ports")->schema.get();
  EXPECT_EQ(ports->list_map_keys, (std::vector<std::string>{"port", "protocol"}));
  EXPECT_EQ(ports->list_type, Schema::ListType::map);
  EXPECT_EQ(ports->patch_merge_key, "port");
  EXPECT_TRUE(ports->patch_merge);
  EXPECT_TRUE(spec->find("selector")->schema->atomic_map);
  EXPECT_EQ(ports->items->find("targetPort")->schema->type, Schema::Type::int_or_string);
  EXPECT_EQ(ports->items->required, std::vector<std::string>{"port"});
}

TEST(Kinds, ProtobufNumbersAreUniqueAndThere) {
  for (const auto& [schema, path] : all_schemas()) {
    std::set<std::pair<int, int>> seen;
    std::set<int> inlined;
    for (const auto& property : schema->properties) {
      if (property.proto == 0) {
        EXPECT_TRUE(property.name == "apiVersion" || property.name == "kind") << path << "." << property.name;
        continue;
      }
      EXPECT_TRUE(seen.emplace(property.proto_inside, property.proto).second) << path << "." << property.name;
      if (property.proto_inside) inlined.insert(property.proto_inside);
    }
    for (const int number : inlined) EXPECT_FALSE(seen.contains({0, number})) << path;
  }
}

TEST(Kinds, EverythingIsDescribed) {
  for (const auto& [schema, path] : all_schemas()) {
    if (schema->type == Schema::Type::object) {
      EXPECT_FALSE(schema->description.empty()) << path;
      EXPECT_FALSE(schema->name.empty()) << path;
      EXPECT_FALSE(schema->openapi_key.empty()) << path;
    }
    for (const auto& property : schema->properties) {
      EXPECT_GT(property.description.size(), 8u) << path << "." << property.name;
    }
  }
  for (const auto& kind : registry().all()) {
    for (const auto& column : kind->columns)
      EXPECT_FALSE(column.description.empty()) << kind->kind << column.name;
  }
}

TEST(Kinds, ListKeysAndRequiredNameProperties) {
  for (const auto& [schema, path] : all_schemas()) {
    for (const auto& name : schema->required) EXPECT_TRUE(schema->find(name)) << path << " requires " << name;
    for (const auto& key : schema->list_map_keys)
      EXPECT_TRUE(schema->items->find(key)) << path << " key " << key;
    if (!schema->patch_merge_key.empty()) EXPECT_TRUE(schema->items->find(schema->patch_merge_key)) << path;
    EXPECT_EQ(schema->list_type == Schema::ListType::map, !schema->list_map_keys.empty()) << path;
  }
}

TEST(Kinds, MistakesInSchemasAreRefused) {
  const auto refused = [](std::string_view text) {
    api::TypeTable types;
    return !types.add(base::parse_json(text).value());
  };
  EXPECT_TRUE(refused(R"({"A":{"properties":{"b":{"$ref":"Nobody"}}}})"));
  EXPECT_TRUE(refused(R"({"A":{"properties":{"b":{"type":"sting"}}}})"));
  EXPECT_TRUE(refused(
      R"({"A":{"properties":{"b":{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"bag"}}}})"));
  EXPECT_TRUE(refused(R"({"Time":{"properties":{}}})"));
  EXPECT_FALSE(refused(R"({"A":{"properties":{"b":{"$ref":"B"}}},"B":{"properties":{}}})"));
}

// YAML reads an unquoted `no` as false.
TEST(Kinds, ShortNamesAreNames) {
  auto registry = api::load_builtin_kinds();
  ASSERT_TRUE(registry) << registry.error().message;
  for (const auto& kind : registry->all()) {
    for (const auto& name : kind->short_names) EXPECT_FALSE(name.empty()) << kind->kind;
  }
  EXPECT_EQ(registry->find_resource("", "v1", "nodes")->short_names, std::vector<std::string>{"no"});
}

// A field may merge a type otherwise than the type says, also when the type comes later in the document.
TEST(Kinds, FieldsOverrideTypesThatComeLater) {
  api::TypeTable types;
  ASSERT_TRUE(types.add(base::parse_json(R"({
    "A":{"type":"object","properties":{"z":{"$ref":"Z","x-kubernetes-patch-strategy":"retainKeys"}}},
    "Z":{"type":"object","x-kubernetes-map-type":"atomic","properties":{"name":{"type":"string"}}}})").value()));
  const auto field = types.find("A")->find("z")->schema;
  EXPECT_TRUE(field->patch_retain_keys);
  EXPECT_TRUE(field->atomic_map);
  EXPECT_EQ(field->type, Schema::Type::object);
  EXPECT_TRUE(field->find("name"));
  EXPECT_FALSE(types.find("Z")->patch_retain_keys);
}

}  // namespace
