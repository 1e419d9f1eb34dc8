#include "api/openapi_v2.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "base/json.hpp"

namespace {

using base::Value;

const api::Registry& registry() {
  static const api::Registry kinds = api::load_builtin_kinds().value();
  return kinds;
}

const Value& json_document() {
  static const Value document =
      base::parse_json(api::make_openapi_v2(registry(), api::OpenApiForm::json, "v1.36.0")).value();
  return document;
}

// A message taken apart without any schema: what an independent reader sees.
struct Message {
  std::multimap<int, std::string_view> texts;
  std::multimap<int, uint64_t> numbers;

  static uint64_t varint(std::string_view& bytes) {
    uint64_t out = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes.at(0));
      bytes.remove_prefix(1);
      out |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return out;
    }
  }
  explicit Message(std::string_view bytes) {
    while (!bytes.empty()) {
      const uint64_t tag = varint(bytes);
      if ((tag & 7) == 0) {
        numbers.emplace(tag >> 3, varint(bytes));
      } else if ((tag & 7) == 1) {
        bytes.remove_prefix(8);
      } else {
        EXPECT_EQ(tag & 7, 2u);
        const uint64_t size = varint(bytes);
        texts.emplace(tag >> 3, bytes.substr(0, size));
        EXPECT_LE(size, bytes.size());
        bytes.remove_prefix(size);
      }
    }
  }
  std::string_view text(int field) const {
    auto found = texts.find(field);
    return found == texts.end() ? std::string_view() : found->second;
  }
  Message at(int field) const { return Message(text(field)); }
  // The entry of a list of named values: name = 1, value = 2.
  Message named(int field, std::string_view name) const {
    for (auto [at, end] = texts.equal_range(field); at != end; ++at) {
      Message entry(at->second);
      if (entry.text(1) == name) return entry.at(2);
    }
    return Message("");
  }
};

void collect_references(const Value& value, std::set<std::string>& out) {
  for (const auto& item : value.as_array()) collect_references(item, out);
  for (const auto& [name, member] : value.as_object()) {
    if (name == "$ref" && member.is_string()) out.insert(std::string(member.as_string()));
    collect_references(member, out);
  }
}

TEST(OpenApiV2, EveryReferenceIsDefined) {
  std::set<std::string> references;
  collect_references(json_document(), references);
  EXPECT_GT(references.size(), 50u);
  for (const auto& reference : references) {
    ASSERT_TRUE(reference.starts_with("#/definitions/")) << reference;
    EXPECT_FALSE(json_document()["definitions"][reference.substr(14)].is_null()) << reference;
  }
}

TEST(OpenApiV2, EveryServedKindHasItsDefinitionAndPaths) {
  std::set<std::string> kinds;
  for (const auto& [name, schema] : json_document()["definitions"].as_object()) {
    for (const auto& gvk : schema["x-kubernetes-group-version-kind"].as_array())
      kinds.insert(std::string(gvk["group"].as_string()) + "/" + std::string(gvk["version"].as_string()) +
                   "/" + std::string(gvk["kind"].as_string()));
  }
  for (const auto& kind : registry().all()) {
    if (!kind->stored || kind->hidden) continue;
    EXPECT_TRUE(kinds.contains(kind->group + "/" + kind->version + "/" + kind->kind)) << kind->kind;
    const std::string root = (kind->group.empty() ? "/api/" : "/apis/" + kind->group + "/") + kind->version;
    const std::string path = root + (kind->namespaced ? "/namespaces/{namespace}/" : "/") + kind->plural;
    EXPECT_FALSE(json_document()["paths"][path].is_null()) << path;
  }
}

TEST(OpenApiV2, AServiceReadsLikeSwagger) {
  const Value& post = json_document()["paths"]["/api/v1/namespaces/{namespace}/services"]["post"];
  EXPECT_EQ(post["x-kubernetes-action"].as_string(), "post");
  EXPECT_EQ(post["parameters"].as_array().at(0)["in"].as_string(), "body");
  EXPECT_EQ(post["parameters"].as_array().at(0)["schema"]["$ref"].as_string(),
            "#/definitions/io.k8s.api.core.v1.Service");
  EXPECT_EQ(post.at({"responses", "201", "schema", "$ref"}).as_string(),
            "#/definitions/io.k8s.api.core.v1.Service");
  const Value& spec = json_document()["definitions"]["io.k8s.api.core.v1.ServiceSpec"];
  const Value& port = json_document()["definitions"]["io.k8s.api.core.v1.ServicePort"];
  EXPECT_EQ(spec["properties"]["ports"]["items"]["$ref"].as_string(),
            "#/definitions/io.k8s.api.core.v1.ServicePort");
  EXPECT_EQ(spec["properties"]["ports"]["x-kubernetes-patch-merge-key"].as_string(), "port");
  EXPECT_EQ(port["properties"]["targetPort"]["$ref"].as_string(),
            "#/definitions/io.k8s.apimachinery.pkg.util.intstr.IntOrString");
  const Value& number_or_text =
      json_document()["definitions"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"];
  EXPECT_EQ(number_or_text["type"].as_string(), "string");
  EXPECT_EQ(number_or_text["format"].as_string(), "int-or-string");
}

// The definition of a schema in both forms.
void expect_same_schema(const std::string& where, const Value& json, const Message& message, int depth = 0) {
  EXPECT_EQ(json["description"].as_string(), message.text(4)) << where;
  EXPECT_EQ(json["$ref"].as_string(), message.text(1)) << where;
  EXPECT_EQ(json["format"].as_string(), message.text(2)) << where;
  EXPECT_EQ(json["type"].as_string(), message.at(22).text(1)) << where;
  EXPECT_EQ(json["required"].as_array().size(), message.texts.count(19)) << where;
  size_t extensions = 0;
  for (const auto& [name, value] : json.as_object()) {
    if (!name.starts_with("x-")) continue;
    ++extensions;
    EXPECT_EQ(message.named(31, name).text(2), base::write_json(value)) << where << " " << name;
  }
  EXPECT_EQ(extensions, message.texts.count(31)) << where;
  EXPECT_EQ(json["properties"].as_object().size(), message.at(25).texts.count(1)) << where;
  if (depth > 3) return;
  for (const auto& [name, property] : json["properties"].as_object())
    expect_same_schema(where + "." + name, property, message.at(25).named(1, name), depth + 1);
  if (json["items"].is_object())
    expect_same_schema(where + "[]", json["items"], message.at(23).at(1), depth + 1);
  if (json["additionalProperties"].is_object())
    expect_same_schema(where + "{}", json["additionalProperties"], message.at(21).at(1), depth + 1);
}

TEST(OpenApiV2, BothFormsSayTheSame) {
  const std::string bytes = api::make_openapi_v2(registry(), api::OpenApiForm::protobuf, "v1.36.0");
  const Message document(bytes);
  EXPECT_EQ(document.text(1), "2.0");
  EXPECT_EQ(document.at(2).text(2), "v1.36.0");
  const Message paths = document.at(8), definitions = document.at(9);
  EXPECT_EQ(paths.texts.count(2), json_document()["paths"].as_object().size());
  EXPECT_EQ(definitions.texts.count(1), json_document()["definitions"].as_object().size());
  for (auto name :
       {"io.k8s.api.core.v1.Service", "io.k8s.api.core.v1.ServiceSpec", "io.k8s.api.core.v1.Pod",
        "io.k8s.api.core.v1.ContainerPort", "io.k8s.api.core.v1.ConfigMap",
        "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "io.k8s.apimachinery.pkg.api.resource.Quantity"}) {
    const Value& json = json_document()["definitions"][name];
    ASSERT_TRUE(json.is_object()) << name;
    expect_same_schema(name, json, definitions.named(1, name));
  }
}

// What kubectl 1.27 looks for before it validates on the server: a query parameter of the patch operation.
TEST(OpenApiV2, OperationsInProtobufNameTheirParameters) {
  const std::string bytes = api::make_openapi_v2(registry(), api::OpenApiForm::protobuf, "v1.36.0");
  const Message path = Message(bytes).at(8).named(2, "/api/v1/namespaces/{namespace}/services/{name}");
  const Message patch = path.at(8);
  EXPECT_EQ(patch.named(13, "x-kubernetes-group-version-kind").text(2),
            R"({"group":"","kind":"Service","version":"v1"})");
  std::set<std::string> query, path_parameters;
  bool body = false;
  for (auto [at, end] = patch.texts.equal_range(8); at != end; ++at) {
    const Message parameter = Message(at->second).at(1);
    if (parameter.texts.count(1)) body = true;
    if (parameter.texts.count(2)) query.emplace(parameter.at(2).at(3).text(4));
  }
  EXPECT_TRUE(body);
  EXPECT_TRUE(query.contains("fieldValidation"));
  EXPECT_TRUE(query.contains("force"));
  for (auto [at, end] = path.texts.equal_range(9); at != end; ++at) {
    const Message parameter = Message(at->second).at(1).at(2);
    if (parameter.texts.count(4)) path_parameters.emplace(parameter.at(4).text(4));
  }
  EXPECT_EQ(path_parameters, (std::set<std::string>{"name", "namespace"}));
  EXPECT_EQ(patch.at(9).named(1, "200").at(1).at(2).at(1).text(1),
            "#/definitions/io.k8s.api.core.v1.Service");
}

}  // namespace
