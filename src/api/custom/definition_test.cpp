#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/custom/custom_testing.hpp"
#include "api/custom/rules.hpp"
#include "api/validate.hpp"

namespace {

using namespace api;
using namespace api::testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Value& spec_of(Value& definition) { return definition.object()["spec"]; }
Value& version_of(Value& definition, size_t i = 0) { return spec_of(definition).object()["versions"].array()[i]; }

std::vector<std::string> problems(const Value& definition) { return texts(check_definition(definition)); }

// The schema of spec.x is the given one.
std::vector<std::string> schema_problems(const char* schema) {
  return problems(definition_of("{x: " + std::string(schema) + "}"));
}

constexpr const char* kX = "spec.validation.openAPIV3Schema.properties[spec].properties[x]";

TEST(CustomDefinition, AGoodOneIsRead) {
  const Value definition = definition_of("{size: {type: integer}}");
  EXPECT_THAT(problems(definition), IsEmpty());
  const auto kinds = read_definition(definition, builtin());
  ASSERT_TRUE(kinds) << kinds.error().message;
  ASSERT_EQ(kinds->served.size(), 1u);
  const Kind& kind = *kinds->served[0];
  EXPECT_EQ(kinds->storage, kinds->served[0]);
  EXPECT_EQ(kind.api_version(), "example.com/v1");
  EXPECT_EQ(kind.singular, "thing");
  EXPECT_EQ(kind.list_kind, "ThingList");
  EXPECT_TRUE(kind.custom);
  EXPECT_TRUE(kind.namespaced);
  EXPECT_FALSE(kind.stored_as);
  EXPECT_EQ(kind.selectable_fields, (std::vector<std::string>{"metadata.name", "metadata.namespace"}));
  EXPECT_EQ(kind.schema->openapi_key, "com.example.v1.Thing");
  EXPECT_EQ(kind.schema->find("metadata")->schema->name, "ObjectMeta");
  EXPECT_EQ(kind.schema->find("spec")->schema->find("size")->schema->type, Schema::Type::integer);
}

TEST(CustomDefinition, SeveralVersions) {
  Value definition = definition_of("{color: {type: string}}");
  Value old = version_of(definition), older = old;
  old.object().set("name", "v1beta1");
  old.object().set("storage", false);
  old.object().set("deprecated", true);
  older.object().set("name", "v1alpha1");
  older.object().set("storage", false);
  older.object().set("served", false);
  version_of(definition).object().set("subresources", yaml("{status: {}, scale: {specReplicasPath: .spec.n, statusReplicasPath: .status.n}}"));
  version_of(definition).object().set("selectableFields", yaml("[{jsonPath: .spec.color}]"));
  spec_of(definition).object()["versions"].array().push_back(old);
  spec_of(definition).object()["versions"].array().push_back(older);
  EXPECT_THAT(problems(definition), IsEmpty());
  const auto kinds = read_definition(definition, builtin()).value();
  ASSERT_EQ(kinds.served.size(), 2u);
  EXPECT_EQ(kinds.storage->version, "v1");
  EXPECT_EQ(kinds.served[1]->stored_as->version, "v1");
  EXPECT_EQ(kinds.served[1]->deprecation, "example.com/v1beta1 Thing is deprecated; use example.com/v1 Thing");
  ASSERT_EQ(kinds.storage->subresources.size(), 2u);
  EXPECT_EQ(kinds.storage->subresources[1].group, "autoscaling");
  EXPECT_EQ(kinds.storage->selectable_fields.back(), "spec.color");
}

TEST(CustomDefinition, TheOrderOfVersions) {
  const char* const sorted[] = {"v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"};
  for (size_t i = 0; i < std::size(sorted); ++i)
    for (size_t k = 0; k < std::size(sorted); ++k)
      EXPECT_EQ(compare_versions(sorted[i], sorted[k]), i == k ? 0 : i < k ? 1 : -1) << sorted[i] << " " << sorted[k];
}

TEST(CustomDefinition, Defaults) {
  Value definition = yaml("{metadata: {name: a}, spec: {names: {kind: CronTab, plural: crontabs}, "
                          "conversion: {strategy: Webhook, webhook: {clientConfig: {service: {name: s, namespace: n}}}}, "
                          "versions: [{name: v1, storage: false}, {name: v2, storage: true}]}}");
  default_definition(definition);
  EXPECT_EQ(definition.at({"spec", "names", "singular"}).as_string(), "crontab");
  EXPECT_EQ(definition.at({"spec", "names", "listKind"}).as_string(), "CronTabList");
  EXPECT_EQ(definition.at({"spec", "conversion", "webhook", "clientConfig", "service", "port"}).as_int(), 443);
  EXPECT_EQ(base::write_json(definition.at({"status", "storedVersions"})), R"(["v2"])");
  const Value once = definition;
  default_definition(definition);
  EXPECT_EQ(definition, once);
}

TEST(CustomDefinition, NamesAndVersions) {
  struct Case {
    std::initializer_list<std::string_view> path;
    const char* value;
    const char* error;
  };
  const Case cases[] = {
      {{"metadata", "name"}, "other.example.com",
       R"(metadata.name: Invalid value: "other.example.com": must be spec.names.plural+"."+spec.group)"},
      {{"spec", "group"}, "''", "spec.group: Required value"},
      {{"spec", "group"}, "example", R"(spec.group: Invalid value: "example": should be a domain with at least one dot)"},
      {{"spec", "scope"}, "World",
       R"(spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced")"},
      {{"spec", "names", "plural"}, "''", "spec.names.plural: Required value"},
      {{"spec", "names", "listKind"}, "Thing",
       R"(spec.names.listKind: Invalid value: "Thing": kind and listKind may not be the same)"},
      {{"spec", "conversion"}, "{strategy: Webhook, webhook: {conversionReviewVersions: [v1]}}",
       "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook"},
      {{"spec", "conversion"}, "{strategy: Webhook, webhook: {clientConfig: {url: 'http://x'}, conversionReviewVersions: [v1]}}",
       R"(spec.conversion.webhookClientConfig.url: Invalid value: "http://x": 'https' is the only allowed URL scheme; desired format: https://host[/path])"},
      {{"spec", "conversion"}, "{strategy: Webhook, webhook: {clientConfig: {url: 'https://x'}, conversionReviewVersions: [v7]}}",
       R"(spec.conversion.conversionReviewVersions: Invalid value: ["v7"]: must include at least one of v1, v1beta1)"},
      {{"spec", "conversion"}, "{strategy: None, webhook: {clientConfig: {url: 'https://x'}}}",
       "spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook"},
      {{"spec", "preserveUnknownFields"}, "true",
       "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"},
      {{"status", "storedVersions"}, "[]", "status.storedVersions: Invalid value: []: must have at least one stored version"},
      {{"status", "storedVersions"}, "[v1, v0]",
       R"(status.storedVersions[1]: Invalid value: "v0": missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions)"},
  };
  for (const Case& one : cases) {
    Value definition = definition_of("{}");
    definition.make(one.path) = yaml(one.value);
    EXPECT_THAT(problems(definition), Contains(one.error));
  }
  Value twice = definition_of("{}");
  spec_of(twice).object()["versions"].array().push_back(version_of(twice));
  EXPECT_THAT(problems(twice), Contains(::testing::HasSubstr("must contain unique version names")));
  EXPECT_THAT(problems(twice), Contains(::testing::HasSubstr("must have exactly one version marked as storage version")));
  Value bare = definition_of("{}");
  version_of(bare).object().erase("schema");
  EXPECT_THAT(problems(bare), ElementsAre("spec.versions[0].schema.openAPIV3Schema: Required value"));
}

TEST(CustomDefinition, ProtectedGroupsNeedAnApproval) {
  Value definition = definition_of("{}");
  definition.make({"spec", "group"}) = "x.k8s.io";
  definition.make({"metadata", "name"}) = "things.x.k8s.io";
  const std::string at = "metadata.annotations[api-approved.kubernetes.io]: ";
  const std::string need = R"(protected groups must have approval annotation "api-approved.kubernetes.io")";
  EXPECT_THAT(problems(definition),
              ElementsAre(at + "Required value: " + need + ", see https://github.com/kubernetes/enhancements/pull/1111"));
  Value& annotation = definition.make({"metadata", "annotations", "api-approved.kubernetes.io"});
  annotation = "yes";
  EXPECT_THAT(problems(definition), ElementsAre(::testing::StartsWith(at + "Invalid value: \"yes\": " + need)));
  annotation = "unapproved, an experiment";
  EXPECT_THAT(problems(definition), IsEmpty());
  annotation = "https://github.com/kubernetes/kubernetes/pull/1";
  EXPECT_THAT(problems(definition), IsEmpty());
}

TEST(CustomDefinition, StructuralSchemas) {
  struct Case {
    const char* schema;
    std::vector<std::string> errors;  // behind the path of spec.x
  };
  const Case cases[] = {
      {"{}", {".type: Required value: must not be empty for specified object fields"}},
      {"{type: array}", {".items: Required value: must be specified"}},
      {"{type: array, items: {}}", {".items.type: Required value: must not be empty for specified array items"}},
      {"{type: nothing}",
       {R"(.type: Unsupported value: "nothing": supported values: "array", "boolean", "integer", "number", "object", "string")"}},
      {"{x-kubernetes-int-or-string: true}", {}},
      {"{x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}", {}},
      {"{x-kubernetes-int-or-string: true, allOf: [{anyOf: [{type: integer}, {type: string}]}, {minimum: 1}]}", {}},
      {"{x-kubernetes-preserve-unknown-fields: true}", {}},
      {"{x-kubernetes-preserve-unknown-fields: false, type: object}",
       {".x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined"}},
      {"{type: string, anyOf: [{type: string}]}", {".anyOf[0].type: Forbidden: must be empty to be structural"}},
      {"{type: string, oneOf: [{description: a, default: b}]}",
       {".oneOf[0].default: Forbidden: must be undefined to be structural",
        ".oneOf[0].description: Forbidden: must be empty to be structural"}},
      {"{type: string, not: {nullable: true}}", {".not.nullable: Forbidden: must be false to be structural"}},
      {"{type: string, pattern: '('}",
       {R"(.pattern: Invalid value: "(": must be a valid regular expression, but isn't: missing ): ()"}},
      {"{type: object, properties: {a: {type: string}}, additionalProperties: {type: string}}",
       {".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"}},
      {"{type: object, x-kubernetes-embedded-resource: true}",
       {".properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"}},
      {"{type: string, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}",
       {R"(.type: Invalid value: "string": must be object if x-kubernetes-embedded-resource is true)"}},
      {"{type: array, uniqueItems: true, items: {type: string}}",
       {".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"}},
      {"{type: string, id: a}", {".id: Forbidden: id is not supported"}},
      {"{type: string, $ref: a}", {".$ref: Forbidden: $ref is not supported"}},
      {"{type: string, x-kubernetes-list-type: set}",
       {R"(.type: Invalid value: "string": must be array if x-kubernetes-list-type is specified)"}},
      {"{type: array, x-kubernetes-list-type: heap, items: {type: string}}",
       {R"(.x-kubernetes-list-type: Unsupported value: "heap": supported values: "atomic", "set", "map")"}},
      {"{type: array, x-kubernetes-list-type: map, items: {type: object, properties: {a: {type: string}}}}",
       {".x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"}},
      {"{type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [a], items: {type: object, properties: {a: {type: string}}}}",
       {".items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"}},
      {"{type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [b], items: {type: object, properties: {a: {type: string}}}}",
       {R"(.x-kubernetes-list-map-keys: Invalid value: ["b"]: entries must all be names of item properties)"}},
      {"{type: array, x-kubernetes-list-type: set, items: {type: object, properties: {a: {type: string}}}}",
       {".items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set"}},
      {"{type: object, x-kubernetes-map-type: odd}",
       {R"(.x-kubernetes-map-type: Unsupported value: "odd": supported values: "atomic", "granular")"}},
      {"{type: integer, x-kubernetes-validations: [{rule: self > 1, message: 'a\\nb'}]}", {}},
      {"{type: integer, x-kubernetes-validations: [{rule: ' '}]}",
       {".x-kubernetes-validations[0].rule: Required value: rule is not specified"}},
      {"{type: integer, default: 3}", {}},
      {"{type: integer, default: x}",
       {R"(.default: Invalid value: "string": .default in body must be of type integer: "string")"}},
      {"{type: object, properties: {a: {type: string}}, default: {a: b, c: d}}",
       {R"(.default: Invalid value: {"a":"b","c":"d"}: must not have unknown fields)"}},
      {"{type: object, properties: {a: {type: string, maxLength: 2}}, default: {a: bbb}}",
       {".default.a: Too long: may not be more than 2 bytes"}},
  };
  for (const Case& one : cases) {
    std::vector<std::string> expected;
    for (const std::string& error : one.errors) expected.push_back(kX + error);
    auto found = schema_problems(one.schema);
    // The message of a type error at the root of a default has no path in front.
    for (std::string& text : found)
      if (const size_t at = text.find(":  in body"); at != std::string::npos) text.replace(at, 3, ": .default ");
    EXPECT_EQ(found, expected) << one.schema;
  }
}

TEST(CustomDefinition, RootAndMetadata) {
  Value definition = definition_of("{}");
  Value& schema = version_of(definition).make({"schema", "openAPIV3Schema"});
  schema.make({"properties", "metadata"}) = yaml("{type: object, properties: {labels: {type: object}}}");
  EXPECT_THAT(problems(definition),
              ElementsAre("spec.validation.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything "
                          "other than name and generateName, but metadata is implicitly specified"));
  schema.make({"properties", "metadata"}) = yaml("{type: object, properties: {name: {type: string, default: a}}}");
  EXPECT_THAT(problems(definition),
              ElementsAre("spec.validation.openAPIV3Schema.properties[metadata].properties[name].default: Forbidden: "
                          "must not be set in top-level metadata"));
  schema.object()["properties"].object().erase("metadata");
  schema.object().set("oneOf", yaml("[{required: [gone]}, {properties: {gone: {minimum: 1}}}]"));
  version_of(definition).object().set("subresources", yaml("{status: {}}"));
  EXPECT_THAT(problems(definition),
              ElementsAre(::testing::HasSubstr("fields are allowed at the root of the schema if the status subresource is enabled"),
                          "spec.validation.openAPIV3Schema.properties[gone]: Required value: because it is defined in "
                          "spec.validation.openAPIV3Schema.oneOf[1].properties[gone]"));
}

TEST(CustomDefinition, TheSchemaOfOneOfSeveralVersionsStandsAtThatVersion) {
  Value definition = definition_of("{}");
  Value second = version_of(definition);
  second.object().set("name", "v2");
  second.object().set("storage", false);
  second.make({"schema", "openAPIV3Schema", "properties", "spec"}) = yaml("{properties: {}}");
  spec_of(definition).object()["versions"].array().push_back(second);
  EXPECT_THAT(problems(definition), ElementsAre("spec.versions[1].schema.openAPIV3Schema.properties[spec].type: Required "
                                                "value: must not be empty for specified object fields"));
}

TEST(CustomDefinition, SubresourcesColumnsAndSelectableFields) {
  Value definition = definition_of("{color: {type: string}, list: {type: array, items: {type: string}}}");
  Value& version = version_of(definition);
  version.object().set("subresources", yaml("{scale: {specReplicasPath: .status.n, statusReplicasPath: status.n}}"));
  version.object().set("additionalPrinterColumns", yaml("[{name: '', type: text, jsonPath: spec.x, format: odd}]"));
  version.object().set("selectableFields", yaml("[{jsonPath: .spec.color}, {jsonPath: .spec.color}, {jsonPath: .spec.list}, "
                                                "{jsonPath: '.spec.list[0]'}, {jsonPath: .spec.none}, {jsonPath: ''}]"));
  EXPECT_THAT(
      problems(definition),
      ElementsAre(
          R"(spec.subresources.scale.specReplicasPath: Invalid value: ".status.n": should be a json path under .spec)",
          R"(spec.subresources.scale.statusReplicasPath: Invalid value: "status.n": must be a simple json path starting with .)",
          "spec.additionalPrinterColumns[0].name: Required value",
          R"(spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string)",
          R"(spec.additionalPrinterColumns[0].format: Invalid value: "odd": must be one of byte,date,date-time,double,float,int32,int64,password)",
          R"(spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec.x": must be a simple json path starting with .)",
          R"(spec.selectableFields[1].jsonPath: Duplicate value: ".spec.color")",
          R"(spec.selectableFields[2].jsonPath: Invalid value: ".spec.list": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.)",
          R"(spec.selectableFields[3].jsonPath: Invalid value: ".spec.list[0]": is an invalid path: array notation is not allowed)",
          R"(spec.selectableFields[4].jsonPath: Invalid value: ".spec.none": is an invalid path: does not refer to a valid field)",
          "spec.selectableFields[5].jsonPath: Required value"));
}

TEST(CustomDefinition, WhatMayNotChange) {
  const Value old = definition_of("{}");
  Value established = old;
  established.make({"status", "conditions"}) = yaml("[{type: Established, status: 'True'}]");
  Value fresh = old;
  fresh.make({"spec", "scope"}) = "Cluster";
  fresh.make({"spec", "names", "kind"}) = "Item";
  EXPECT_THAT(texts(check_definition_update(fresh, old)), IsEmpty());
  EXPECT_THAT(texts(check_definition_update(fresh, established)),
              ElementsAre(R"(spec.scope: Invalid value: "Cluster": field is immutable)",
                          R"(spec.names.kind: Invalid value: "Item": field is immutable)"));
  fresh = old;
  fresh.make({"spec", "group"}) = "other.com";
  EXPECT_THAT(texts(check_definition_update(fresh, old)),
              ElementsAre(R"(spec.group: Invalid value: "other.com": field is immutable)"));
}

TEST(CustomDefinition, AnOldSchemaThatIsNotStructuralMayStay) {
  const Value old = definition_of("{x: {}}");
  EXPECT_FALSE(check_definition(old).empty());
  EXPECT_THAT(texts(check_definition_update(old, old)), IsEmpty());
}

TEST(CustomDefinition, ThroughTheCommonDoor) {
  const auto kind = builtin().find_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
  ASSERT_TRUE(kind);
  auto decoded = decode_object(*kind, definition_of("{x: {type: array, items: {type: string, foo: 1}, bar: 2}}"), {},
                               FieldValidation::warn);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_THAT(decoded->warnings,
              ElementsAre("unknown field \"spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.x.items.foo\"",
                          "unknown field \"spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.x.bar\""));
  EXPECT_THAT(texts(check_create(*kind, decoded->object)), IsEmpty());
  EXPECT_FALSE(check_create(*kind, definition_of("{x: {}}")).empty());
}

TEST(CustomDefinition, TooDeepASchemaIsRefusedNotFollowed) {
  Value schema = base::Object{{"type", "string"}};
  for (int i = 0; i < 5'000; ++i) {
    base::Object one;
    one.append("type", "array");
    one.append("items", std::move(schema));
    schema = std::move(one);
  }
  Value definition = definition_of("{}");
  version_of(definition).make({"schema", "openAPIV3Schema", "properties", "deep"}) = std::move(schema);
  EXPECT_THAT(problems(definition), ElementsAre("spec.validation.openAPIV3Schema: Invalid value: \"\": must not be nested "
                                                "more than 200 levels deep"));
  EXPECT_FALSE(read_definition(definition, builtin()));
}

}  // namespace
