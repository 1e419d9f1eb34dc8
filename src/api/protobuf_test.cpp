#include "api/protobuf.hpp"

#include <gtest/gtest.h>

#include "api/decode.hpp"
#include "api/types_random.hpp"
#include "base/json.hpp"

namespace {

using base::Value;
using namespace std::string_literals;

const api::Registry& registry() {
  static const api::Registry kinds = api::load_builtin_kinds().value();
  return kinds;
}

const api::Kind& kind(std::string_view name) { return *registry().find_kind("v1", name); }

// The envelope by hand: 0x0a typeMeta, 0x12 raw. Lengths below 128 only.
std::string envelope(const std::string& api_version, const std::string& name, const std::string& raw) {
  const std::string type =
      "\x0a"s + char(api_version.size()) + api_version + "\x12"s + char(name.size()) + name;
  return "k8s\0"s + "\x0a"s + char(type.size()) + type + "\x12"s + char(raw.size()) + raw;
}

std::string decoded(std::string_view name, const std::string& bytes) {
  const auto out = api::decode_protobuf(kind(name), bytes);
  return out ? base::write_json(*out) : "error: " + out.error().message;
}

TEST(Protobuf, ANamespaceAsKubectlSendsIt) {
  // metadata{name, generateName "", namespace "", creationTimestamp {}} spec{} status{phase ""}
  const std::string meta = "\x0a\x01x\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x00\x38\x00\x42\x00"s;
  const std::string raw = "\x0a"s + char(meta.size()) + meta + "\x12\x00\x1a\x02\x0a\x00"s;
  EXPECT_EQ(decoded("Namespace", envelope("v1", "Namespace", raw)),
            R"({"kind":"Namespace","apiVersion":"v1","metadata":{"name":"x"},"spec":{},"status":{}})");
}

TEST(Protobuf, MapsBytesAndPointers) {
  // Secret: data (2) entries, type (3), stringData (4), immutable (5)
  const std::string raw =
      "\x12\x07\x0a\x01"
      "b\x12\x02hi\x12\x06\x0a\x01"
      "b\x12\x01z\x12\x05\x0a\x01"
      "a\x12\x00\x1a\x00\x28\x00"s;
  EXPECT_EQ(decoded("Secret", envelope("v1", "Secret", raw)),
            R"({"kind":"Secret","apiVersion":"v1","immutable":false,"data":{"a":"","b":"eg=="}})");
}

TEST(Protobuf, InlinedMessagesAreFlat) {
  const auto pod = registry().find_kind("v1", "Pod");
  const Value value =
      base::parse_json(R"({"kind":"Pod","apiVersion":"v1","spec":{"volumes":[{"name":"v","emptyDir":{}}]}})")
          .value();
  const std::string bytes = api::encode_protobuf(*pod, value);
  EXPECT_TRUE(bytes.contains("\x0a\x01v\x12\x02\x12\x00"s)) << "name = 1, volumeSource = 2 { emptyDir = 2 }";
  EXPECT_EQ(api::decode_protobuf(*pod, bytes).value(), value);
}

TEST(Protobuf, PackedAndPlainListsAreRead) {
  // Pod.spec (2) . securityContext (14) . supplementalGroups (4)
  const std::string plain = "\x20\x01\x20\x02"s, packed = "\x22\x02\x01\x02"s;
  for (const std::string& groups : {plain, packed}) {
    const std::string context = "\x72"s + char(groups.size()) + groups;
    EXPECT_EQ(decoded("Pod", envelope("v1", "Pod", "\x12"s + char(context.size()) + context)),
              R"({"kind":"Pod","apiVersion":"v1","spec":{"securityContext":{"supplementalGroups":[1,2]}}})");
  }
}

TEST(Protobuf, NewerFieldsAndGroupsAreSkipped) {
  EXPECT_EQ(
      decoded("ConfigMap", envelope("v1", "ConfigMap", "\xf8\x07\x05\xfb\x07\x08\x01\xfc\x07\x20\x01"s)),
      R"({"kind":"ConfigMap","apiVersion":"v1","immutable":true})");
}

TEST(Protobuf, MalformedBytesAreRefused) {
  const std::string bodies[] = {
      ""s,
      "k8s"s,
      "{\"kind\":\"ConfigMap\"}"s,
      "k8s\0\x0a\xff"s,                                          // length without its second byte
      "k8s\0\x12\x7f"s,                                          // length beyond the end
      "k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,      // length 2^64 - 1
      "k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,  // 11 byte varint
      envelope("v1", "ConfigMap", "\x0e"s),                      // wire type 6
      envelope("v1", "ConfigMap", "\x0f\x00"s),                  // wire type 7
      envelope("v1", "ConfigMap", "\x0c"s),                      // end of a group that did not begin
      envelope("v1", "ConfigMap", "\x0b\x08\x01"s),              // group without end
      envelope("v1", "ConfigMap", std::string(120, '\x0b')),     // nested groups
      envelope("v1", "ConfigMap", "\x20"s),                      // number cut off
      envelope("v1", "ConfigMap", "\x22\x00"s),                  // bytes where a number belongs
      envelope("v1", "ConfigMap", "\x10\x01"s),                  // a number where a map entry belongs
      envelope("v1", "ConfigMap", "\x00\x00"s),                  // field 0
      envelope("v1", "ConfigMap", "\x12\x03\x0a\x01\xff"s),      // not UTF-8
      envelope("\xff", "ConfigMap", ""s),
  };
  for (const std::string& body : bodies) {
    const auto out = api::decode_protobuf(kind("ConfigMap"), body);
    ASSERT_FALSE(out) << base::write_json(*out);
    EXPECT_EQ(out.error().reason, base::Reason::bad_request);
  }
}

TEST(Protobuf, AnotherKindIsRefusedByName) {
  const auto out = api::decode_body(registry(), kind("Service"), "application/vnd.kubernetes.protobuf",
                                    envelope("v1", "Secret", "\x0a\x00"s));
  ASSERT_FALSE(out);
  EXPECT_TRUE(out.error().message.starts_with("Secret in version \"v1\" cannot be handled as a Service: "));
}

TEST(Protobuf, EveryKindSurvivesTheWayThereAndBack) {
  for (const auto& each : registry().all()) {
    ASSERT_TRUE(api::has_protobuf(*each));
    for (unsigned seed = 1; seed <= 2; ++seed) {
      const Value value = api::RandomObject(seed).make(*each);
      const auto back = api::decode_protobuf(*each, api::encode_protobuf(*each, value));
      ASSERT_TRUE(back) << each->kind << ": " << back.error().message;
      EXPECT_EQ(*back, value) << each->kind;
      const auto checked = api::decode_object(*each, *back, {}, api::FieldValidation::strict);
      ASSERT_TRUE(checked) << checked.error().message;
      EXPECT_EQ(checked->object, value) << each->kind;
    }
  }
}

TEST(Protobuf, LengthsOfAllSizesAreRight) {
  const auto& map = kind("ConfigMap");
  for (size_t size : {1u, 110u, 121u, 122u, 123u, 124u, 125u, 126u, 127u, 128u, 300u, 16'370u, 16'383u,
                      16'384u, 70'000u, 2'097'152u}) {
    const Value value = base::Object{
        {"kind", "ConfigMap"}, {"apiVersion", "v1"}, {"data", base::Object{{"k", std::string(size, 'x')}}}};
    const auto back = api::decode_protobuf(map, api::encode_protobuf(map, value));
    ASSERT_TRUE(back) << size << ": " << back.error().message;
    EXPECT_EQ(*back, value) << size;
  }
}

TEST(Protobuf, TextsAreUnescaped) {
  const auto bytes = api::transcode_protobuf(
      kind("ConfigMap"),
      R"({"kind":"ConfigMap","apiVersion":"v1","x":[{"a":"}"},2],"y":1.5,"z":null,"data":{"q\"":"a\n\u00e9\ud83d\ude00\u003c\/"}})");
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_TRUE(
      bytes->contains("\x0a\x02q\"\x12\x0a"
                      "a\n\xc3\xa9\xf0\x9f\x98\x80</"s));
  EXPECT_FALSE(bytes->contains("\x1a\x01"s)) << "members that the schema does not know are left out";
}

// Types that contain themselves, and members that are one of two types.
TEST(Protobuf, SchemasOfCustomKinds) {
  const auto crd = registry().find_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
  ASSERT_TRUE(crd);
  const Value value =
      base::parse_json(R"({"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1",
      "spec":{"group":"g","names":{"plural":"p","kind":"K"},"scope":"Namespaced","versions":[{"name":"v1","served":true,
      "storage":false,"schema":{"openAPIV3Schema":{"type":"object","properties":{
        "a":{"type":"array","items":{"type":"integer","minimum":0,"maximum":1.5}},
        "b":{"type":"array","items":[{"type":"string"},{"type":"string","enum":["x",7,null,{"y":[1]}]}]},
        "c":{"additionalProperties":true},"d":{"additionalProperties":false},
        "e":{"additionalProperties":{"type":"string","default":"z"}},
        "f":{"dependencies":{"p":["q","r"],"s":{"type":"object"}}}}}}}]}})")
          .value();
  const std::string bytes = api::encode_protobuf(*crd, value);
  EXPECT_EQ(api::decode_protobuf(*crd, bytes).value(), value);
  EXPECT_TRUE(bytes.contains("\xf2\x01\x02\x08\x01"s)) << "additionalProperties = 30 { allows = 1 }";
  EXPECT_TRUE(bytes.contains("\xf2\x01\x02\x08\x00"s));
}

TEST(Protobuf, NestingHasAnEnd) {
  const auto crd = registry().find_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
  auto wrapped = [](int number, const std::string& inner) {
    std::string out;
    api::append_bytes_field(out, number, inner);
    return out;
  };
  std::string schema;
  for (int i = 0; i < 5'000; ++i) schema = wrapped(28, schema);  // not
  const std::string raw = wrapped(2, wrapped(7, wrapped(4, wrapped(1, schema))));
  EXPECT_FALSE(
      api::decode_protobuf(*crd, api::envelope_head(crd->api_version(), crd->kind, raw.size()) + raw));
  std::string json = R"({"spec":{"versions":[{"schema":{"openAPIV3Schema":)";
  for (int i = 0; i < 9'000; ++i) json += R"({"not":)";
  json += "{}" + std::string(9'000, '}') + "}}]}}";
  EXPECT_FALSE(api::transcode_protobuf(*crd, json));
  const auto decoded = api::decode_body(registry(), *crd, "application/json", json);
  ASSERT_FALSE(decoded);
  EXPECT_TRUE(decoded.error().message.ends_with("exceeded max depth")) << decoded.error().message;
}

TEST(Protobuf, TextThatFollowsNoSchemaIsRefused) {
  for (std::string_view text :
       {"", "[]", "{", R"({"data":{"a":1}})", R"({"data":[]})", R"({"immutable":"yes"})",
        R"({"data":{"a":"b"}}x)", R"({"data":{"a":"\u12"}})"}) {
    EXPECT_FALSE(api::transcode_protobuf(kind("ConfigMap"), text)) << text;
  }
}

TEST(Protobuf, EveryCutIsAnAnswer) {
  const auto pod = registry().find_kind("v1", "Pod");
  const std::string bytes = api::encode_protobuf(*pod, api::RandomObject(7).make(*pod));
  size_t refused = 0;
  for (size_t n = 0; n < bytes.size(); n += 7)
    refused += !api::decode_protobuf(*pod, std::string_view(bytes).substr(0, n));
  EXPECT_GT(refused, bytes.size() / 7 * 9 / 10);
}

}  // namespace
