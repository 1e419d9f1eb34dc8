#include "api/openapi_v2.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "api/openapi.hpp"
#include "api/protobuf.hpp"
#include "api/schema.hpp"
#include "base/json.hpp"

namespace api {

using base::Array;
using base::Object;
using base::Value;

namespace {

constexpr std::string_view kV3References = "#/components/schemas/";
constexpr std::array<std::string_view, 7> kMethods = {"get",     "put",  "post", "delete",
                                                      "options", "head", "patch"};

bool is_extension(std::string_view name) { return name.starts_with("x-"); }

Value definition_reference(std::string_view v3) {
  std::string out = "#/definitions/";
  return out += v3.starts_with(kV3References) ? v3.substr(kV3References.size()) : v3;
}

// ---- From v3 to v2.

// Keywords that mean the same in both; v2 has no nullable, oneOf, anyOf or not, and upstream publishes no
// defaults in it.
constexpr std::array<std::string_view, 14> kSame = {
    "format",    "title",     "multipleOf", "maximum",  "exclusiveMaximum", "minimum",     "exclusiveMinimum",
    "maxLength", "minLength", "pattern",    "maxItems", "minItems",         "uniqueItems", "enum"};

Value schema_v2(const Value& schema);

// A reference, or the one in allOf of it, which v3 needs where something stands beside it.
std::string_view reference_of(const Value& schema) {
  if (auto own = schema["$ref"].as_string(); !own.empty()) return own;
  const auto& all = schema["allOf"].as_array();
  return all.size() == 1 ? all[0]["$ref"].as_string() : std::string_view();
}

void append_type(Object& out, const Value& schema) {
  // Of two types, string is the one that any client can send.
  if (!schema["oneOf"].is_null() || !schema["anyOf"].is_null()) {
    if (schema["type"].is_null()) out.append("type", "string");
  }
  if (const auto& type = schema["type"]; type.is_string()) out.append("type", type);
}

Value schema_v2(const Value& schema) {
  Object out;
  if (const auto& text = schema["description"]; text.is_string()) out.append("description", text);
  if (auto reference = reference_of(schema); !reference.empty()) {
    out.append("$ref", definition_reference(reference));
    return out;
  }
  append_type(out, schema);
  for (const auto& [name, value] : schema.as_object()) {
    if (is_extension(name) || name == "required" || std::ranges::find(kSame, name) != kSame.end())
      out.append(name, value);
  }
  if (const auto& items = schema["items"]; items.is_object()) out.append("items", schema_v2(items));
  if (const auto& values = schema["additionalProperties"]; values.is_object())
    out.append("additionalProperties", schema_v2(values));
  if (const auto* properties = schema["properties"].if_object()) {
    Object converted;
    converted.reserve(properties->size());
    for (const auto& [name, property] : *properties) converted.append(name, schema_v2(property));
    out.append("properties", std::move(converted));
  }
  return out;
}

Value parameter_v2(const Value& parameter) {
  Object out;
  for (auto name : {"name", "in", "description", "required"}) {
    if (const auto& value = parameter[name]; !value.is_null()) out.append(name, value);
  }
  for (const auto& [name, value] : parameter["schema"].as_object()) out.set(name, value);
  return out;
}

Value response_v2(const Value& response) {
  Object out;
  out.append("description", response["description"]);
  const auto& content = response["content"].as_object();
  if (content.size() != 0) out.append("schema", schema_v2(content.begin()->value["schema"]));
  return out;
}

Value operation_v2(const Value& operation) {
  Object out;
  for (const auto& [name, value] : operation.as_object()) {
    if (name != "parameters" && name != "requestBody" && name != "responses") out.append(name, value);
  }
  Array parameters, consumes, produces;
  if (const auto& body = operation["requestBody"]; body.is_object()) {
    const auto& content = body["content"].as_object();
    Object one{{"in", "body"}, {"name", "body"}};
    if (body["required"].as_bool()) one.append("required", true);
    if (content.size() != 0) one.append("schema", schema_v2(content.begin()->value["schema"]));
    for (const auto& [type, value] : content) consumes.emplace_back(type);
    parameters.emplace_back(std::move(one));
  }
  for (const auto& parameter : operation["parameters"].as_array())
    parameters.push_back(parameter_v2(parameter));
  Object responses;
  for (const auto& [code, response] : operation["responses"].as_object()) {
    responses.append(code, response_v2(response));
    if (produces.empty()) {
      for (const auto& [type, value] : response["content"].as_object()) produces.emplace_back(type);
    }
  }
  if (consumes.empty()) consumes.emplace_back("*/*");
  out.append("consumes", std::move(consumes));
  if (!produces.empty()) out.append("produces", std::move(produces));
  out.append("schemes", Array{"https"});
  if (!parameters.empty()) out.append("parameters", std::move(parameters));
  out.append("responses", std::move(responses));
  return out;
}

Value path_v2(const Value& path) {
  Object out;
  for (const auto& [name, value] : path.as_object()) {
    if (std::ranges::find(kMethods, name) != kMethods.end()) {
      out.append(name, operation_v2(value));
    } else if (name == "parameters") {
      Array parameters;
      for (const auto& parameter : value.as_array()) parameters.push_back(parameter_v2(parameter));
      out.append(name, std::move(parameters));
    } else {
      out.append(name, value);
    }
  }
  return out;
}

// ---- From v2 to the shape of gnostic's messages: what may be anything is text, choices are named,
// extensions stand together.

Value any_text(const Value& value) { return Object{{"yaml", base::write_json(value)}}; }

// Moves the extensions of an object into one map.
void gather_extensions(Object& object) {
  Object extensions, rest;
  for (auto& [name, value] : object) {
    if (is_extension(name)) {
      extensions.append(name, any_text(value));
    } else {
      rest.append(name, std::move(value));
    }
  }
  if (!extensions.empty()) rest.append("extensions", std::move(extensions));
  object = std::move(rest);
}

void shape_schema(Value& schema) {
  auto& object = schema.object();
  gather_extensions(object);
  if (Value* type = object.find("type")) *type = Array{std::move(*type)};
  if (Value* values = object.find("enum")) {
    Array texts;
    for (const auto& value : values->as_array()) texts.push_back(any_text(value));
    *values = std::move(texts);
  }
  if (Value* items = object.find("items")) shape_schema(*items);
  if (Value* values = object.find("additionalProperties")) shape_schema(*values);
  if (Value* properties = object.find("properties")) {
    for (auto& [name, property] : properties->object()) shape_schema(property);
  }
}

void shape_parameters(Value& parameters) {
  for (Value& parameter : parameters.array()) {
    const auto where = parameter["in"].as_string();
    Object choice;
    if (where == "body") {
      if (Value* schema = parameter.object().find("schema")) shape_schema(*schema);
      choice.append("body", std::move(parameter));
    } else {
      std::string name(where == "path" ? "path" : "query");
      choice.append("nonBody", Object{{name, std::move(parameter)}});
    }
    parameter = std::move(choice);
  }
}

void shape_operation(Value& operation) {
  auto& object = operation.object();
  gather_extensions(object);
  if (Value* parameters = object.find("parameters")) shape_parameters(*parameters);
  if (Value* responses = object.find("responses")) {
    for (auto& [code, response] : responses->object()) {
      if (Value* schema = response.object().find("schema")) shape_schema(*schema);
      response = Object{{"response", std::move(response)}};
    }
  }
}

void shape_path(Value& path) {
  for (auto& [name, value] : path.object()) {
    if (name == "parameters") {
      shape_parameters(value);
    } else {
      shape_operation(value);
    }
  }
}

// The messages, in the language of schema/: `inside` for what stands wrapped. Named lists are maps: name = 1,
// value = 2.
constexpr std::string_view kMessages = R"json({
"Any": {"properties": {"yaml": {"type": "string", "proto": 2}}},
"Schema": {"properties": {
  "$ref": {"type": "string", "proto": 1}, "format": {"type": "string", "proto": 2},
  "title": {"type": "string", "proto": 3}, "description": {"type": "string", "proto": 4},
  "multipleOf": {"type": "number", "proto": 6}, "maximum": {"type": "number", "proto": 7},
  "exclusiveMaximum": {"type": "boolean", "proto": 8}, "minimum": {"type": "number", "proto": 9},
  "exclusiveMinimum": {"type": "boolean", "proto": 10},
  "maxLength": {"type": "integer", "proto": 11}, "minLength": {"type": "integer", "proto": 12},
  "pattern": {"type": "string", "proto": 13}, "maxItems": {"type": "integer", "proto": 14},
  "minItems": {"type": "integer", "proto": 15}, "uniqueItems": {"type": "boolean", "proto": 16},
  "required": {"type": "array", "items": {"type": "string"}, "proto": 19},
  "enum": {"type": "array", "items": {"$ref": "Any"}, "proto": 20},
  "additionalProperties": {"$ref": "Schema", "weak": true, "proto": 1, "inside": 21},
  "type": {"type": "array", "items": {"type": "string"}, "proto": 1, "inside": 22},
  "items": {"$ref": "Schema", "weak": true, "proto": 1, "inside": 23},
  "properties": {"type": "object", "additionalProperties": {"$ref": "Schema", "weak": true}, "proto": 1,
                 "inside": 25},
  "extensions": {"type": "object", "additionalProperties": {"$ref": "Any"}, "proto": 31}}},
"Body": {"properties": {
  "description": {"type": "string", "proto": 1}, "name": {"type": "string", "proto": 2},
  "in": {"type": "string", "proto": 3}, "required": {"type": "boolean", "proto": 4},
  "schema": {"$ref": "Schema", "proto": 5}}},
"Query": {"properties": {
  "required": {"type": "boolean", "proto": 1}, "in": {"type": "string", "proto": 2},
  "description": {"type": "string", "proto": 3}, "name": {"type": "string", "proto": 4},
  "type": {"type": "string", "proto": 6}, "format": {"type": "string", "proto": 7},
  "uniqueItems": {"type": "boolean", "proto": 20}}},
"Path": {"properties": {
  "required": {"type": "boolean", "proto": 1}, "in": {"type": "string", "proto": 2},
  "description": {"type": "string", "proto": 3}, "name": {"type": "string", "proto": 4},
  "type": {"type": "string", "proto": 5}, "format": {"type": "string", "proto": 6},
  "uniqueItems": {"type": "boolean", "proto": 19}}},
"NonBody": {"properties": {"query": {"$ref": "Query", "proto": 3}, "path": {"$ref": "Path", "proto": 4}}},
"Parameter": {"properties": {
  "body": {"$ref": "Body", "proto": 1, "inside": 1}, "nonBody": {"$ref": "NonBody", "proto": 2, "inside": 1}}},
"Response": {"properties": {
  "description": {"type": "string", "proto": 1}, "schema": {"$ref": "Schema", "proto": 1, "inside": 2}}},
"ResponseValue": {"properties": {"response": {"$ref": "Response", "proto": 1}}},
"Operation": {"properties": {
  "tags": {"type": "array", "items": {"type": "string"}, "proto": 1},
  "summary": {"type": "string", "proto": 2}, "description": {"type": "string", "proto": 3},
  "operationId": {"type": "string", "proto": 5},
  "produces": {"type": "array", "items": {"type": "string"}, "proto": 6},
  "consumes": {"type": "array", "items": {"type": "string"}, "proto": 7},
  "parameters": {"type": "array", "items": {"$ref": "Parameter"}, "proto": 8},
  "responses": {"type": "object", "additionalProperties": {"$ref": "ResponseValue"}, "proto": 1, "inside": 9},
  "schemes": {"type": "array", "items": {"type": "string"}, "proto": 10},
  "deprecated": {"type": "boolean", "proto": 11},
  "extensions": {"type": "object", "additionalProperties": {"$ref": "Any"}, "proto": 13}}},
"PathItem": {"properties": {
  "get": {"$ref": "Operation", "proto": 2}, "put": {"$ref": "Operation", "proto": 3},
  "post": {"$ref": "Operation", "proto": 4}, "delete": {"$ref": "Operation", "proto": 5},
  "options": {"$ref": "Operation", "proto": 6}, "head": {"$ref": "Operation", "proto": 7},
  "patch": {"$ref": "Operation", "proto": 8},
  "parameters": {"type": "array", "items": {"$ref": "Parameter"}, "proto": 9}}}
})json";

struct Messages {
  TypeTable types;
  SchemaPtr schema, path_item;
};

Messages read_messages() {
  Messages out;
  auto value = base::parse_json(kMessages);
  if (!value) throw std::logic_error("the messages of OpenAPI v2: " + value.error().message);
  if (auto added = out.types.add(*value); !added)
    throw std::logic_error("the messages of OpenAPI v2: " + added.error().message);
  out.schema = out.types.find("Schema");
  out.path_item = out.types.find("PathItem");
  return out;
}

// ---- The two forms of the whole.

class Sink {
 public:
  virtual ~Sink() = default;
  virtual void path(const std::string& name, Value item) = 0;
  virtual void definition(const std::string& name, Value schema) = 0;
  virtual std::string finish(std::string_view version) = 0;
};

class JsonSink final : public Sink {
 public:
  void path(const std::string& name, Value item) override { member(paths_, name, item); }
  void definition(const std::string& name, Value schema) override { member(definitions_, name, schema); }
  std::string finish(std::string_view version) override {
    std::string out = R"({"swagger":"2.0","info":{"title":"Kubernetes","version":)";
    base::append_json_string(out, version);
    out += "},\"paths\":{";
    out += std::exchange(paths_, {});
    out += "},\"definitions\":{";
    out += std::exchange(definitions_, {});
    return out += "}}\n";
  }

 private:
  static void member(std::string& out, const std::string& name, const Value& value) {
    if (!out.empty()) out += ',';
    base::append_json_string(out, name);
    out += ':';
    base::append_json(out, value);
  }
  std::string paths_, definitions_;
};

class ProtobufSink final : public Sink {
 public:
  void path(const std::string& name, Value item) override {
    shape_path(item);
    named(paths_, 2, name, *messages_.path_item, item);
  }
  void definition(const std::string& name, Value schema) override {
    shape_schema(schema);
    named(definitions_, 1, name, *messages_.schema, schema);
  }
  // Document: swagger = 1, info = 2 (title = 1, version = 2), paths = 8, definitions = 9.
  std::string finish(std::string_view version) override {
    std::string out, info;
    append_bytes_field(out, 1, "2.0");
    append_bytes_field(info, 1, "Kubernetes");
    append_bytes_field(info, 2, version);
    append_bytes_field(out, 2, info);
    append_bytes_field(out, 8, std::exchange(paths_, {}));
    append_bytes_field(out, 9, std::exchange(definitions_, {}));
    return out;
  }

 private:
  static void named(std::string& out, int number, const std::string& name, const Schema& schema,
                    const Value& value) {
    std::string entry;
    append_bytes_field(entry, 1, name);
    if (!append_message_field(entry, 2, schema, base::write_json(value)))
      throw std::logic_error("no OpenAPI v2 message can be made of " + name);
    append_bytes_field(out, number, entry);
  }
  Messages messages_ = read_messages();
  std::string paths_, definitions_;
};

void fill(Sink& sink, const Registry& registry) {
  std::vector<std::pair<std::string, std::string>> versions;
  for (const auto& kind : registry.all()) {
    if (kind->hidden || kind->verbs.empty()) continue;
    std::pair one(kind->group, kind->version);
    if (std::ranges::find(versions, one) == versions.end()) versions.push_back(std::move(one));
  }
  std::set<std::string> defined;
  for (const auto& [group, version] : versions) {
    Value document = make_openapi_v3(registry, group, version);
    for (const auto& [name, path] : document["paths"].as_object()) sink.path(name, path_v2(path));
    for (const auto& [name, schema] : document.at({"components", "schemas"}).as_object()) {
      if (defined.insert(name).second) sink.definition(name, schema_v2(schema));
    }
  }
}

}  // namespace

std::string make_openapi_v2(const Registry& registry, OpenApiForm form, std::string_view version) {
  if (form == OpenApiForm::json) {
    JsonSink sink;
    fill(sink, registry);
    return sink.finish(version);
  }
  ProtobufSink sink;
  fill(sink, registry);
  return sink.finish(version);
}

}  // namespace api
