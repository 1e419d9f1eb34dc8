#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/columns.hpp"
#include "api/custom/custom_testing.hpp"
#include "api/custom/rules.hpp"

namespace {

using namespace api;
using namespace api::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kProperties = R"({
  replicas: {type: integer, format: int32, minimum: 0, maximum: 10},
  ratio: {type: number, exclusiveMinimum: true, minimum: 0.5, multipleOf: 0.5},
  big: {type: integer},
  flag: {type: boolean},
  cron: {type: string, pattern: '^[0-9*]+$', minLength: 2, maxLength: 4},
  color: {type: string, enum: [red, blue]},
  level: {enum: [1, 2.5, high], x-kubernetes-preserve-unknown-fields: true},
  when: {type: string, format: date-time},
  odd: {type: string, format: no-such-format},
  port: {x-kubernetes-int-or-string: true},
  maybe: {type: string, nullable: true},
  names: {type: array, minItems: 1, maxItems: 3, items: {type: string}},
  tags: {type: array, x-kubernetes-list-type: set, items: {type: string}},
  parts: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name],
          items: {type: object, required: [name], properties: {name: {type: string}, size: {type: integer}}}},
  labels: {type: object, maxProperties: 2, additionalProperties: {type: string}},
  free: {type: object, x-kubernetes-preserve-unknown-fields: true},
  choice: {type: object, properties: {a: {type: string}, b: {type: string}}, oneOf: [{required: [a]}, {required: [b]}]},
  some: {type: object, properties: {a: {type: integer}, b: {type: integer}}, anyOf: [{required: [a]}, {required: [b]}]},
  never: {type: object, properties: {a: {type: integer}}, not: {required: [a]}},
  all: {type: integer, allOf: [{minimum: 3}, {maximum: 5}]},
  closed: {type: object, additionalProperties: false},
  inner: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}})";

const Kind& kind() {
  static const Kind kKind = kind_with(kProperties, ", required: [cron]");
  return kKind;
}

// What is wrong with a spec, beside the member that is always required.
std::vector<std::string> problems(std::string spec) {
  Value object = thing(spec);
  if (!object["spec"].as_object().contains("cron")) object.make({"spec", "cron"}) = "**";
  return texts(check_custom(kind(), object));
}

struct Case {
  const char* spec;
  std::vector<std::string> errors;
};

TEST(CustomObject, UpstreamsTexts) {
  const Case cases[] = {
      {"{replicas: x}",
       {R"(spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string")"}},
      {"{replicas: 1.5}",
       {R"(spec.replicas: Invalid value: "float64": spec.replicas in body must be of type int32: "float64")",
        "<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in spec.replicas"}},
      {"{replicas: 11}",
       {"spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10"}},
      {"{replicas: -1}",
       {"spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0"}},
      {"{replicas: true}", {R"(spec.replicas: Invalid value: "": spec.replicas in body must be of type int32: "")"}},
      {"{ratio: 0.5}", {"spec.ratio: Invalid value: 0.5: spec.ratio in body should be greater than 0.5"}},
      {"{ratio: 1.2}", {"spec.ratio: Invalid value: 1.2: spec.ratio in body should be a multiple of 0.5"}},
      {"{ratio: 3}", {}},
      {"{big: 3.0}", {}},
      {"{flag: 'yes'}", {R"(spec.flag: Invalid value: "string": spec.flag in body must be of type boolean: "string")"}},
      {"{cron: abc}", {R"(spec.cron: Invalid value: "abc": spec.cron in body should match '^[0-9*]+$')"}},
      {"{cron: '1'}", {R"(spec.cron: Invalid value: "1": spec.cron in body should be at least 2 chars long)"}},
      {"{cron: '12345'}", {"spec.cron: Too long: may not be more than 4 bytes"}},
      {"{color: green}", {R"(spec.color: Unsupported value: "green": supported values: "red", "blue")"}},
      {"{level: 3}", {R"(spec.level: Unsupported value: 3: supported values: "1", "2.5", "high")"}},
      {"{level: 2.5}", {}},
      {"{when: today}",
       {R"(spec.when: Invalid value: "today": spec.when in body must be of type date-time: "today")"}},
      {"{when: '2026-11-23T03:00:00Z', odd: anything}", {}},
      {"{port: http}", {}},
      {"{port: true}",
       {R"(spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean")"}},
      {"{maybe: null}", {}},
      {"{color: null}",
       {R"(spec.color: Invalid value: "null": spec.color in body must be of type string: "null")",
        R"(spec.color: Unsupported value: null: supported values: "red", "blue")"}},
      {"{names: []}", {"spec.names: Invalid value: 0: spec.names in body should have at least 1 items"}},
      {"{names: [a, b, c, d]}", {"spec.names: Too many: 4: must have at most 3 items"}},
      {"{names: [a, 1]}",
       {R"(spec.names[1]: Invalid value: "integer": spec.names[1] in body must be of type string: "integer")"}},
      {"{tags: [a, b, a, a]}", {R"(spec.tags[2]: Duplicate value: "a")"}},
      {"{parts: [{name: a}, {name: b, size: 1}, {name: a}]}", {R"(spec.parts[2]: Duplicate value: {"name":"a"})"}},
      {"{parts: [{size: 1}]}", {"spec.parts[0].name: Required value"}},
      {"{labels: {a: b, c: 1}}",
       {R"(spec.labels.c: Invalid value: "integer": spec.labels.c in body must be of type string: "integer")"}},
      {"{labels: {a: b, c: d, e: f}}", {"spec.labels: Too many: 3: must have at most 2 items"}},
      {"{free: {any: [thing]}}", {}},
      {"{free: 1}", {R"(spec.free: Invalid value: "integer": spec.free in body must be of type object: "integer")"}},
      {"{choice: {a: x}}", {}},
      {"{choice: {a: x, b: z}}",
       {R"(<nil>: Invalid value: "": "spec.choice" must validate one and only one schema (oneOf). Found 2 valid alternatives)"}},
      {"{choice: {}}",
       {R"(<nil>: Invalid value: "": "spec.choice" must validate one and only one schema (oneOf). Found none valid)",
        "spec.choice.a: Required value"}},
      {"{some: {}}",
       {R"(<nil>: Invalid value: "": "spec.some" must validate at least one schema (anyOf))",
        "spec.some.a: Required value"}},
      {"{never: {a: 1}}", {R"(<nil>: Invalid value: "": "spec.never" must not validate the schema (not))"}},
      {"{all: 7}",
       {"spec.all: Invalid value: 7: spec.all in body should be less than or equal to 5",
        R"(<nil>: Invalid value: "": "spec.all" must validate all the schemas (allOf))"}},
      {"{closed: {x: 1}}", {R"(spec.closed: Invalid value: "x": spec.closed.x in body is a forbidden property)"}},
      {"{inner: {kind: 'a b', metadata: {name: a/b}}}",
       {"spec.inner.apiVersion: Required value",
        "spec.inner.kind: Invalid value: \"a b\": may have mixed case, but should otherwise match: " +
            base::join(base::check_dns1035_label("a b"), ","),
        R"(spec.inner.metadata.name: Invalid value: "a/b": may not contain '/')"}},
  };
  for (const Case& one : cases) EXPECT_EQ(problems(one.spec), one.errors) << one.spec;
}

TEST(CustomObject, WhatIsRequiredAtAnyDepth) {
  EXPECT_THAT(texts(check_custom(kind(), thing("{}"))), ElementsAre("spec.cron: Required value"));
}

TEST(CustomObject, WhatWasWrongBeforeMayStay) {
  const Value old = thing("{cron: bad, replicas: 99, parts: [{name: a, size: x}, {name: b}]}");
  Value fresh = old;
  fresh.make({"spec", "color"}) = "red";
  EXPECT_THAT(texts(check_custom_update(kind(), fresh, old)), IsEmpty());
  fresh.make({"spec", "replicas"}) = 98;
  EXPECT_THAT(texts(check_custom_update(kind(), fresh, old)),
              ElementsAre("spec.replicas: Invalid value: 98: spec.replicas in body should be less than or equal to 10"));
}

TEST(CustomObject, ElementsOfMapListsAreFoundByTheirKeysWhenTheyMove) {
  const Value old = thing("{cron: '**', parts: [{name: a, size: x}, {name: b}]}");
  EXPECT_THAT(texts(check_custom_update(kind(), thing("{cron: '**', parts: [{name: b}, {name: a, size: x}]}"), old)),
              IsEmpty());
  EXPECT_EQ(check_custom_update(kind(), thing("{cron: '**', parts: [{name: b, size: x}]}"), old).size(), 1u);
}

TEST(CustomObject, MetadataThatTheDefinitionRestricts) {
  Value definition = definition_of("{}");
  definition.object()["spec"].object()["versions"].array()[0].make({"schema", "openAPIV3Schema", "properties",
                                                                     "metadata"}) =
      yaml("{type: object, properties: {name: {type: string, maxLength: 3}}}");
  const Kind restricted = kind_of_definition(definition);
  Value object = thing("{}");
  EXPECT_THAT(texts(check_custom(restricted, object)), IsEmpty());
  object.make({"metadata", "name"}) = "long";
  EXPECT_THAT(texts(check_custom(restricted, object)),
              ElementsAre("metadata.name: Too long: may not be more than 3 bytes"));
  EXPECT_EQ(restricted.schema->find("metadata")->schema->name, "ObjectMeta");
}

TEST(CustomObject, AMillionMistakesAreToldInPart) {
  Value object = thing("{cron: '**'}");
  base::Array list;
  for (int i = 0; i < 100'000; ++i) list.emplace_back(i);
  object.make({"spec", "names"}) = std::move(list);
  const size_t count = check_custom(kind(), object).size();
  EXPECT_GT(count, 100u);
  EXPECT_LT(count, 1'000u);
}

// ---- formats ------------------------------------------------------------------------------------------------------

TEST(CustomFormats, OnePairEach) {
  struct Pair {
    const char* format;
    const char* good;
    const char* bad;
  };
  const Pair pairs[] = {{"bsonobjectid", "507f1f77bcf86cd799439011", "507f1f77"},
                        {"uri", "http://example.com/x?y=1", "no uri"},
                        {"email", "a@example.com", "a.example.com"},
                        {"hostname", "www.example.com", "-x-"},
                        {"ipv4", "10.0.0.1", "10.0.0.256"},
                        {"ipv6", "fd00::1", "10.0.0.1"},
                        {"cidr", "10.0.0.0/8", "10.0.0.0/33"},
                        {"mac", "00:00:5e:00:53:01", "00:00:5e:00:53"},
                        {"uuid", "A987FBC9-4BED-3078-CF07-9141BA07C9F3", "a987fbc9"},
                        {"uuid3", "a987fbc9-4bed-3078-cf07-9141ba07c9f3", "a987fbc9-4bed-4078-8f07-9141ba07c9f3"},
                        {"uuid4", "57b73598-8764-4ad0-a76a-679bb6640eb1", "a987fbc9-4bed-3078-cf07-9141ba07c9f3"},
                        {"uuid5", "987fbc97-4bed-5078-af07-9141ba07c9f3", "57b73598-8764-4ad0-a76a-679bb6640eb1"},
                        {"isbn", "978-0321751041", "0321751044"},
                        {"isbn10", "0321751043", "0321751044"},
                        {"isbn13", "978-0321751041", "978-0321751042"},
                        {"creditcard", "4111-1111-1111-1111", "4111-1111-1111-1112"},
                        {"ssn", "111-11-1111", "1111"},
                        {"hexcolor", "#FFFFFF", "#FFFF"},
                        {"rgbcolor", "rgb(100,100,100)", "rgb(300,0,0)"},
                        {"byte", "aGVsbG8=", "a"},
                        {"date", "2026-02-28", "2026-02-30"},
                        {"date-time", "2026-02-28T23:59:59.5+01:00", "2026-02-28"},
                        {"duration", "3 days", "soon"},
                        {"k8s-short-name", "a-b", "a.b"},
                        {"k8s-long-name", "a.b", "A"}};
  for (const Pair& pair : pairs) {
    EXPECT_TRUE(is_known_format(pair.format)) << pair.format;
    EXPECT_TRUE(has_format(pair.format, pair.good)) << pair.format << " " << pair.good;
    EXPECT_FALSE(has_format(pair.format, pair.bad)) << pair.format << " " << pair.bad;
  }
  EXPECT_TRUE(has_format("password", ""));
  EXPECT_FALSE(is_known_format("int32"));
  EXPECT_FALSE(is_known_format(""));
}

// ---- tables and scale ---------------------------------------------------------------------------------------------

Kind scaled() {
  Value definition = definition_of("{replicas: {type: integer}, cron: {type: string}}");
  Value& version = definition.object()["spec"].object()["versions"].array()[0];
  version.object().set("subresources", yaml("{status: {}, scale: {specReplicasPath: .spec.replicas, "
                                            "statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}}"));
  version.object().set("additionalPrinterColumns", yaml(R"([
    {name: Cron, type: string, jsonPath: .spec.cron},
    {name: Replicas, type: integer, jsonPath: .spec.replicas, priority: 1},
    {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'},
    {name: Load, type: number, jsonPath: .status.load},
    {name: Done, type: boolean, jsonPath: .status.done},
    {name: Parts, type: string, jsonPath: .spec.parts},
    {name: Age, type: date, jsonPath: .metadata.creationTimestamp}])"));
  return kind_of_definition(definition);
}

TEST(CustomTables, CellsComeFromPaths) {
  const Kind kind = scaled();
  const base::Time now = *base::parse_time("2026-11-23T03:05:00Z");
  Value object = thing("{cron: '* *', replicas: 3.0, parts: {b: 1, a: x}}");
  object.make({"metadata", "creationTimestamp"}) = "2026-11-23T03:00:00Z";
  object.object().set("status", yaml("{load: 1.5, done: true, conditions: [{type: X, status: 'Unknown'}, {type: Ready, status: 'True'}]}"));
  EXPECT_EQ(base::write_json(base::Array(table_cells(kind, object, now))),
            R"(["t","* *",3,"True",1.5,true,"{\"a\":\"x\",\"b\":1}","5m"])");
  EXPECT_EQ(base::write_json(base::Array(table_cells(kind, thing("{cron: null, replicas: many}"), now))),
            R"(["t","<no value>",null,null,null,null,null,null])");
  const auto columns = columns_of(kind);
  ASSERT_EQ(columns.size(), 8u);
  EXPECT_EQ(columns[0].name, "Name");
  EXPECT_EQ(columns[2].priority, 1);
  EXPECT_EQ(columns[1].description, "What stands at .spec.cron of the object.");
}

TEST(CustomTables, WithoutColumnsThereIsTheAge) {
  const auto columns = columns_of(kind());
  ASSERT_EQ(columns.size(), 2u);
  EXPECT_EQ(columns[1].name, "Age");
  EXPECT_EQ(columns[1].type, "date");
}

TEST(CustomScale, ThereAndBack) {
  const Kind kind = scaled();
  ASSERT_TRUE(kind.scale);
  Value object = thing("{replicas: 3}");
  object.make({"metadata", "uid"}) = "u";
  object.object().set("status", yaml("{replicas: 2, selector: a=b}"));
  EXPECT_EQ(base::write_json(scale_of(kind, object).value()),
            R"({"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"t","namespace":"default","uid":"u"},)"
            R"("spec":{"replicas":3},"status":{"replicas":2,"selector":"a=b"}})");
  ASSERT_TRUE(set_scale(kind, object, 0));
  EXPECT_EQ(object.at({"spec", "replicas"}).as_int(), 0);
  EXPECT_EQ(scale_of(kind, object)->at({"spec", "replicas"}).int_or(0), 0);
  EXPECT_EQ(scale_of(kind, thing("{}")).error().message,
            "Internal error occurred: the spec replicas field \".spec.replicas\" does not exist");
  Value other = thing("{replicas: x}");
  EXPECT_EQ(scale_of(kind, other).error().message,
            ".spec.replicas accessor error: x is of the type string, expected int64");
}

TEST(CustomScale, NumbersAreChecked) {
  const Kind kind = scaled();
  EXPECT_THAT(texts(check_custom(kind, thing("{replicas: -1}"))),
              ElementsAre(".spec.replicas: Invalid value: -1: should be a non-negative integer"));
  EXPECT_THAT(texts(check_custom(kind, thing("{replicas: 3000000000}"))),
              ElementsAre(".spec.replicas: Invalid value: 3000000000: should be less than or equal to 2147483647"));
}

// Where each element looks for its old self among all, this takes minutes; where each error lists all values, gigabytes.
TEST(CustomObject, WideObjectsAreNotQuadratic) {
  constexpr int kMany = 60'000;
  std::string values = "[v0";
  for (int i = 1; i < 5'000; ++i) values += ", v" + std::to_string(i);
  const Kind wide = kind_with("{map: {type: object, additionalProperties: {type: string}}, "
                              "list: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k], items: "
                              "{type: object, required: [k], properties: {k: {type: string}, v: {type: integer}}}}, "
                              "enums: {type: array, items: {type: string, enum: " + values + "]}}}");
  auto make = [](bool reversed, const Value& one) {
    base::Object map;
    base::Array list, enums;
    for (int i = 0; i < kMany; ++i) {
      const std::string key = "k" + std::to_string(reversed ? kMany - i : i);
      map.append(key, one);
      list.push_back(base::Object{{"k", key}, {"v", reversed ? 1 : 0}});
      enums.push_back(one);
    }
    Value out = thing("{}");
    out.object().set("spec", base::Object{{"map", std::move(map)}, {"list", std::move(list)}, {"enums", std::move(enums)}});
    return out;
  };
  const Value old = make(false, "v1"), fresh = make(true, "v2"), wrong = make(true, "nope");
  EXPECT_THAT(texts(check_custom_update(wide, fresh, old)), IsEmpty());
  const auto errors = texts(check_custom_update(wide, wrong, old));
  ASSERT_FALSE(errors.empty());
  size_t size = 0;
  for (const auto& error : errors) size += error.size();
  EXPECT_LT(size, 4u << 20);
  // What was wrong and did not change may stay, wherever it stands now.
  EXPECT_THAT(texts(check_custom_update(wide, wrong, wrong)), IsEmpty());
}

TEST(CustomObject, BoundsBeyondIntegers) {
  const Kind far = kind_with("{low: {type: number, maximum: -1e308}, high: {type: number, minimum: 1e308}}");
  const auto errors = texts(check_custom(far, thing("{low: 1, high: 1}")));
  EXPECT_EQ(errors.size(), 2u);
}

}  // namespace
