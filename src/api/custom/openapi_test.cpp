#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/custom/custom_testing.hpp"
#include "api/openapi.hpp"

namespace {

using namespace api;
using namespace api::testing;

// Every keyword that a definition may use; what is published must be the same again.
constexpr const char* kEveryKeyword = R"({
  a: {description: A text., type: string, title: T, format: password, default: x, maxLength: 9, minLength: 1, pattern: '^x',
      enum: [x, xx], example: xx, externalDocs: {url: 'http://x', description: more}},
  b: {type: integer, maximum: 9, exclusiveMaximum: true, minimum: 1.5, exclusiveMinimum: true, multipleOf: 2, nullable: true},
  c: {type: array, maxItems: 3, minItems: 1, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k],
      items: {type: object, required: [k], properties: {k: {type: string}}, x-kubernetes-map-type: atomic}},
  d: {type: object, maxProperties: 3, minProperties: 1, additionalProperties: {type: integer, format: int32}},
  e: {type: object, additionalProperties: true},
  f: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]},
  g: {type: object, x-kubernetes-preserve-unknown-fields: true},
  h: {type: integer, allOf: [{minimum: 1}], oneOf: [{maximum: 3}, {minimum: 2}], not: {enum: [7]}},
  i: {type: integer, x-kubernetes-validations: [{rule: self > 1, message: m, reason: FieldValueInvalid}]},
  k: {type: array, x-kubernetes-list-type: set, items: {type: number, format: double}}})";

Value published(const Value& definition, std::string_view what) {
  Registry registry;
  for (const KindPtr& kind : builtin().all()) registry.add(kind);
  for (const KindPtr& kind : read_definition(definition, builtin())->served) registry.add(kind);
  return make_openapi_v3(registry, "example.com", "v1")[what];
}

TEST(CustomOpenApi, EveryKeywordIsPublished) {
  const Value definition = definition_of(kEveryKeyword);
  ASSERT_THAT(texts(check_definition(definition)), ::testing::IsEmpty());
  const Value schemas = published(definition, "components")["schemas"];
  const Value& thing = schemas["com.example.v1.Thing"];
  EXPECT_EQ(thing["properties"]["spec"]["properties"], yaml(kEveryKeyword));
  EXPECT_EQ(thing["properties"]["metadata"]["allOf"].as_array()[0]["$ref"].as_string(),
            "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
  EXPECT_TRUE(schemas["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"].is_object());
  EXPECT_EQ(base::write_json(thing["x-kubernetes-group-version-kind"]),
            R"([{"group":"example.com","kind":"Thing","version":"v1"}])");
  EXPECT_EQ(thing["properties"]["kind"]["type"].as_string(), "string");
}

TEST(CustomOpenApi, TheListHasItsOwnName) {
  Value definition = definition_of("{color: {type: string}}");
  definition.make({"spec", "names", "listKind"}) = "Things";
  definition.object()["spec"].object()["versions"].array()[0].object().set("selectableFields", yaml("[{jsonPath: .spec.color}]"));
  const Value schemas = published(definition, "components")["schemas"];
  const Value& list = schemas["com.example.v1.Things"];
  EXPECT_EQ(list["x-kubernetes-group-version-kind"].as_array()[0]["kind"].as_string(), "Things");
  EXPECT_EQ(base::write_json(list["x-kubernetes-selectable-fields"]), R"([{"fieldPath":"spec.color"}])");
  EXPECT_EQ(base::write_json(schemas["com.example.v1.Thing"]["x-kubernetes-selectable-fields"]),
            R"([{"fieldPath":"spec.color"}])");
}

TEST(CustomOpenApi, OperationsAreNamedAfterTheWholeGroup) {
  const Value paths = published(definition_of("{}"), "paths");
  const Value& create = paths["/apis/example.com/v1/namespaces/{namespace}/things"]["post"];
  EXPECT_EQ(create["operationId"].as_string(), "createExampleComV1NamespacedThing");
  EXPECT_EQ(create["tags"].as_array()[0].as_string(), "exampleCom_v1");
  EXPECT_FALSE(paths["/apis/example.com/v1/namespaces/{namespace}/things/{name}"]["patch"].is_null());
}

TEST(CustomOpenApi, EmbeddedResourcesAreObjects) {
  const Value schemas = published(
      definition_of("{inner: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}}"),
      "components")["schemas"];
  const Value& inner = schemas["com.example.v1.Thing"]["properties"]["spec"]["properties"]["inner"];
  EXPECT_EQ(base::write_json(inner["required"]), R"(["kind","apiVersion"])");
  EXPECT_TRUE(inner["properties"]["metadata"].is_object());
  EXPECT_TRUE(inner["x-kubernetes-embedded-resource"].as_bool());
}

}  // namespace
