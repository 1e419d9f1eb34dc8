#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "api/custom/custom_testing.hpp"
#include "api/custom/rules.hpp"

namespace {

using namespace api;
using namespace api::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kProperties = R"({
  name: {type: string},
  maybe: {type: string, nullable: true},
  level: {type: integer, default: 3},
  deep: {type: object, default: {}, properties: {a: {type: string, default: x}, b: {type: string}}},
  list: {type: array, items: {type: object, properties: {num: {type: integer, default: 1}}}},
  texts: {type: array, items: {type: string, default: d}},
  map: {type: object, additionalProperties: {type: object, properties: {num: {type: integer, default: 1}}}},
  anything: {type: object, additionalProperties: true},
  free: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {known: {type: object, properties: {a: {type: string}}}}},
  port: {x-kubernetes-int-or-string: true, default: http},
  inner: {type: object, x-kubernetes-embedded-resource: true, properties: {spec: {type: object, properties: {a: {type: string, default: yy}}}}},
  open: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}})";

const Kind& kind() {
  static const Kind kKind = kind_with(kProperties);
  return kKind;
}

struct Decode {
  std::string spec;
  std::vector<std::string> warnings;
};

Decode decode(std::string_view spec) {
  auto out = decode_object(kind(), thing(spec), {}, FieldValidation::warn);
  if (!out) return {"error: " + out.error().message, {}};
  return {base::write_json(out->object["spec"]), std::move(out->warnings)};
}

std::string defaulted(std::string_view spec) {
  auto out = decode_object(kind(), thing(spec), {}, FieldValidation::ignore);
  apply_defaults(kind(), out->object);
  return base::write_json(out->object["spec"]);
}

TEST(CustomPrune, WhatTheSchemaNamesStaysAsItWasWritten) {
  struct Case {
    const char* spec;
    const char* pruned;
    std::vector<std::string> unknown;
  };
  const Case cases[] = {
      {"{name: a, x: 1}", R"({"name":"a"})", {"spec.x"}},
      {"{level: 123456789012345678901234567890, name: 5}", R"({"level":123456789012345678901234567890,"name":5})", {}},
      {"{deep: {c: 1, b: z}}", R"({"deep":{"b":"z"}})", {"spec.deep.c"}},
      {"{list: [{num: 1, o: 2}, 3]}", R"({"list":[{"num":1},3]})", {"spec.list[0].o"}},
      {"{map: {k: {num: 1, o: 2}}}", R"({"map":{"k":{"num":1}}})", {"spec.map.k.o"}},
      {"{anything: {a: 1, b: {c: 2}, d: [{e: 1}]}}", R"({"anything":{"a":1,"b":{},"d":[{}]}})",
       {"spec.anything.b.c", "spec.anything.d[0].e"}},
      {"{free: {x: {z: 1}, known: {a: b, c: d}}}", R"({"free":{"x":{"z":1},"known":{"a":"b"}}})", {"spec.free.known.c"}},
      {"{name: {a: {b: 1}}}", R"({"name":{}})", {"spec.name.a"}},
      {"{maybe: null, name: null, texts: [null]}", R"({"maybe":null,"texts":[null]})", {}},
      {"{level: null}", R"({"level":null})", {}},  // the default comes later
      {"{inner: {apiVersion: v1, kind: Pod, metadata: {name: a, nonsense: b, labels: {c: d}}, spec: {a: b, c: d}, status: {}}}",
       R"({"inner":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"c":"d"}},"spec":{"a":"b"}}})",
       {"spec.inner.metadata.nonsense", "spec.inner.spec.c", "spec.inner.status"}},
      {"{open: {kind: Pod, metadata: {bad: 1}, other: {more: 1}}}", R"({"open":{"kind":"Pod","metadata":{},"other":{"more":1}}})",
       {"spec.open.metadata.bad"}},
  };
  for (const Case& one : cases) {
    const Decode found = decode(one.spec);
    EXPECT_EQ(found.spec, one.pruned) << one.spec;
    std::vector<std::string> warnings;
    for (const std::string& path : one.unknown) warnings.push_back("unknown field \"" + path + "\"");
    EXPECT_EQ(found.warnings, warnings) << one.spec;
  }
}

TEST(CustomPrune, TypeAndMetadata) {
  const auto message = [](std::string_view text, FieldValidation validation = FieldValidation::strict) {
    auto out = decode_object(kind(), yaml(text), {}, validation);
    return out ? base::write_json(out->object) : out.error().message;
  };
  EXPECT_EQ(message("{spec: {}, metadata: {name: a}, kind: Thing, apiVersion: example.com/v1}"),
            R"({"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"a"},"spec":{}})");
  EXPECT_EQ(message("{kind: Thing, apiVersion: example.com/v2}"),
            "the API version in the data (example.com/v2) does not match the expected API version (example.com/v1)");
  EXPECT_EQ(message("{kind: Thingy, apiVersion: example.com/v1, metadata: {name: a}}"),
            "Thing.example.com \"a\" is invalid: kind: Invalid value: \"Thingy\": must be Thing");
  EXPECT_EQ(message("{apiVersion: example.com/v1}"), R"(Object 'Kind' is missing in '{"apiVersion":"example.com/v1"}')");
  EXPECT_EQ(message("{kind: Thing, apiVersion: example.com/v1, metadata: {name: 1}}"),
            "Thing in version \"v1\" cannot be handled as a Thing: json: cannot unmarshal number into Go struct field "
            "ObjectMeta.name of type string");
  EXPECT_EQ(message("{kind: Thing, apiVersion: example.com/v1, metadata: {nom: a}, spec: {x: 1}, state: {}}"),
            "Thing in version \"v1\" cannot be handled as a Thing: strict decoding error: unknown field "
            "\"metadata.nom\", unknown field \"spec.x\", unknown field \"state\"");
  EXPECT_EQ(message("{kind: Thing, apiVersion: example.com/v1, spec: {inner: {kind: 1}}}"),
            "Thing in version \"v1\" cannot be handled as a Thing: spec.inner.kind: Invalid value: 1: must be a string");
}

TEST(CustomDefaults, AtAllDepths) {
  const std::string always = R"("level":3,"deep":{"a":"x"},"port":"http")";
  EXPECT_EQ(defaulted("{}"), "{" + always + "}");
  EXPECT_EQ(defaulted("{level: null, maybe: null}"),
            R"({"level":3,"maybe":null,"deep":{"a":"x"},"port":"http"})");
  EXPECT_EQ(defaulted("{level: 0, deep: {a: ''}, port: 80}"), R"({"level":0,"deep":{"a":""},"port":80})");
  EXPECT_EQ(defaulted("{list: [{}, {num: 2}]}"), R"({"list":[{"num":1},{"num":2}],)" + always + "}");
  EXPECT_EQ(defaulted("{texts: [null, a]}"), R"({"texts":["d","a"],)" + always + "}");
  EXPECT_EQ(defaulted("{map: {k: {}, gone: null}}"), R"({"map":{"k":{"num":1}},)" + always + "}");
  EXPECT_EQ(defaulted("{inner: {spec: {}}}"), R"({"inner":{"spec":{"a":"yy"}},)" + always + "}");
}

// Values that fit the schema here and there, and are something else elsewhere.
class RandomValue {
 public:
  explicit RandomValue(unsigned seed) : random_(seed) {}

  base::Value make(const Schema* schema, int depth) {
    const uint64_t dice = random_() % 10;
    if (dice == 0) return nullptr;
    if (dice == 1 || !schema || depth > 6) return anything(depth);
    switch (schema->type) {
      case Schema::Type::object: {
        base::Object out;
        for (const auto& property : schema->properties)
          if (random_() % 2) out.append(property.name, make(property.schema.get(), depth + 1));
        if (random_() % 3 == 0) out.set("unknown" + std::to_string(random_() % 3), anything(depth + 1));
        return out;
      }
      case Schema::Type::map:
        return base::Object{{"a", make(schema->items.get(), depth + 1)}, {"b", make(schema->items.get(), depth + 1)}};
      case Schema::Type::array: {
        base::Array out;
        for (uint64_t i = random_() % 4; i > 0; --i) out.push_back(make(schema->items.get(), depth + 1));
        return out;
      }
      case Schema::Type::integer:
        return static_cast<int64_t>(random_() % 100);
      case Schema::Type::boolean:
        return true;
      default:
        return "s" + std::to_string(random_() % 10);
    }
  }

 private:
  base::Value anything(int depth) {
    switch (random_() % (depth > 6 ? 3 : 5)) {
      case 0:
        return 1.5;
      case 1:
        return "text";
      case 2:
        return false;
      case 3:
        return base::Array{anything(depth + 1), anything(depth + 1)};
      default:
        return base::Object{{"x", anything(depth + 1)}, {"name", anything(depth + 1)}};
    }
  }

  std::mt19937_64 random_;
};

TEST(CustomPrune, TwiceIsOnceForRandomObjects) {
  const Schema& spec = *kind().schema->find("spec")->schema;
  int decoded = 0;
  for (unsigned seed = 0; seed < 500; ++seed) {
    Value object = thing("{}");
    object.object().set("spec", RandomValue(seed).make(&spec, 0));
    auto once = decode_object(kind(), object, {}, FieldValidation::warn);
    if (!once) continue;  // metadata of an embedded resource is no metadata
    ++decoded;
    auto again = decode_object(kind(), once->object, {}, FieldValidation::strict);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(base::write_json(again->object), base::write_json(once->object));
    apply_defaults(kind(), once->object);
    Value twice = once->object;
    apply_defaults(kind(), twice);
    EXPECT_EQ(base::write_json(twice), base::write_json(once->object)) << seed;
    auto after = decode_object(kind(), twice, {}, FieldValidation::strict);
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_EQ(after->object, twice) << seed;
    // What is wrong with an object may stay when nothing changes.
    EXPECT_THAT(texts(check_value(*kind().schema, twice, &twice)), IsEmpty()) << seed;
  }
  EXPECT_GT(decoded, 300);
}

TEST(CustomPrune, DeepNonsenseTakesNoStack) {
  Value deep = 1;
  for (int i = 0; i < 9'000; ++i) {
    base::Array one;
    one.push_back(std::move(deep));
    deep = std::move(one);
  }
  Value object = thing("{}");
  object.make({"spec", "name"}) = deep;
  object.make({"spec", "anything", "a"}) = deep;
  object.make({"spec", "free", "a"}) = deep;
  auto decoded = decode_object(kind(), object, {}, FieldValidation::strict);
  ASSERT_TRUE(decoded) << decoded.error().message;
  apply_defaults(kind(), decoded->object);
  EXPECT_EQ(check_custom(kind(), decoded->object).size(), 1u);
}

// ---- a large definition -------------------------------------------------------------------------------------------

Value large_definition(size_t bytes) {
  base::Object properties;
  size_t size = 0;
  for (int i = 0; size < bytes; ++i) {
    Value one = yaml(R"({type: object, description: "A part of a large definition, as a generator writes it, with text.",
      required: [name], properties: {
        name: {type: string, description: "Its name, which is unique.", minLength: 1, maxLength: 63, pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
        quantity: {anyOf: [{type: integer}, {type: string}], x-kubernetes-int-or-string: true, pattern: "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"},
        mode: {type: string, enum: [a, b, c], default: a},
        count: {type: integer, format: int32, minimum: 0, maximum: 100},
        labels: {type: object, additionalProperties: {type: string}},
        list: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [key], items: {type: object, required: [key], properties: {key: {type: string}, value: {type: string}}}}}})");
    size += base::write_json(one).size();
    properties.append("part" + std::to_string(i), std::move(one));
  }
  Value out = definition_of("{}");
  out.object()["spec"].object()["versions"].array()[0].make(
      {"schema", "openAPIV3Schema", "properties", "spec", "properties"}) = std::move(properties);
  return out;
}

TEST(CustomDefinition, ALargeOneIsReadAndCheckedInTime) {
  const Value definition = large_definition(500 << 10);
  const auto start = std::chrono::steady_clock::now();
  const auto kinds = read_definition(definition, builtin());
  const auto read = std::chrono::steady_clock::now();
  ASSERT_TRUE(kinds) << kinds.error().message;
  EXPECT_THAT(texts(check_definition(definition)), IsEmpty());
  const auto checked = std::chrono::steady_clock::now();
  const auto ms = [](auto from, auto to) { return std::chrono::duration<double, std::milli>(to - from).count(); };
  RecordProperty("read_ms", std::to_string(ms(start, read)));
  std::printf("500 KiB: read in %.1f ms, checked in %.1f ms\n", ms(start, read), ms(read, checked));
  // Ten times what it takes: for sanitizers and busy machines.
  EXPECT_LT(ms(start, read), 200);
  EXPECT_LT(ms(read, checked), 2'000);
}

}  // namespace
