#include "api/schema.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace api {

using base::Reason;
using base::Result;
using base::Value;

namespace {

constexpr std::string_view kMapType = "x-kubernetes-map-type";

struct BuiltinType {
  std::string_view name;
  Schema::Type type;
  std::string_view openapi_key;
};
constexpr std::array kBuiltinTypes{
    BuiltinType{"Time", Schema::Type::time, "io.k8s.apimachinery.pkg.apis.meta.v1.Time"},
    BuiltinType{"MicroTime", Schema::Type::micro_time, "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"},
    BuiltinType{"Quantity", Schema::Type::quantity, "io.k8s.apimachinery.pkg.api.resource.Quantity"},
    BuiltinType{"IntOrString", Schema::Type::int_or_string,
                "io.k8s.apimachinery.pkg.util.intstr.IntOrString"},
    BuiltinType{"RawExtension", Schema::Type::any, "io.k8s.apimachinery.pkg.runtime.RawExtension"},
    BuiltinType{"FieldsV1", Schema::Type::any, "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"},
};

std::vector<std::string> read_texts(const Value& list) {
  std::vector<std::string> out;
  out.reserve(list.as_array().size());
  for (const Value& item : list.as_array()) out.emplace_back(item.as_string());
  return out;
}

Result<Schema::Type> read_type(const Value& from) {
  if (from["x-kubernetes-int-or-string"].as_bool()) return Schema::Type::int_or_string;
  if (from["x-kubernetes-preserve-unknown-fields"].as_bool() && !from["properties"].is_object())
    return Schema::Type::any;
  const std::string_view type = from["type"].as_string(), format = from["format"].as_string();
  if (type == "string") {
    if (format == "byte") return Schema::Type::bytes;
    return format == "date-time" ? Schema::Type::time : Schema::Type::string;
  }
  if (type == "integer") return Schema::Type::integer;
  if (type == "number") return Schema::Type::number;
  if (type == "boolean") return Schema::Type::boolean;
  if (type == "array") return Schema::Type::array;
  if (type == "object" || (type.empty() && from["properties"].is_object())) {
    return from["additionalProperties"].is_object() ? Schema::Type::map : Schema::Type::object;
  }
  if (type.empty()) return Schema::Type::any;
  return base::fail(Reason::invalid, fmt::format("unknown type {:?} in a schema", type));
}

Result<Schema::ListType> read_list_type(std::string_view text) {
  if (text.empty()) return Schema::ListType::none;
  if (text == "atomic") return Schema::ListType::atomic;
  if (text == "set") return Schema::ListType::set;
  if (text == "map") return Schema::ListType::map;
  return base::fail(Reason::invalid, fmt::format("unknown x-kubernetes-list-type {:?}", text));
}

bool is_plain_scalar(const Value& from) {
  const std::string_view type = from["type"].as_string();
  return (type == "string" || type == "integer" || type == "boolean") && from["enum"].is_null();
}

}  // namespace

const Schema::Property* Schema::find(std::string_view property) const {
  const auto it = std::ranges::find(properties, property, &Property::name);
  return it == properties.end() ? nullptr : &*it;
}

TypeTable::TypeTable() {
  for (const BuiltinType& builtin : kBuiltinTypes) {
    auto schema = std::make_shared<Schema>();
    schema->type = builtin.type;
    schema->name = builtin.name;
    schema->openapi_key = builtin.openapi_key;
    types_.emplace(builtin.name, std::move(schema));
  }
}

SchemaPtr TypeTable::find(std::string_view name) const {
  const auto it = types_.find(name);
  return it == types_.end() ? nullptr : it->second;
}

Result<void> TypeTable::add(const Value& types) {
  for (const auto& [name, from] : types.as_object()) CHECK_OK(declare(name));
  for (const auto& [name, from] : types.as_object()) CHECK_OK(define(name, from));
  resolve();
  return {};
}

Result<void> TypeTable::declare(std::string_view name) {
  if (types_.try_emplace(std::string(name), std::make_shared<Schema>()).second) return {};
  return base::fail(Reason::already_exists, fmt::format("two schema types are named {}", name));
}

Result<void> TypeTable::define(std::string_view name, const Value& from) {
  const auto found = types_.find(name);
  if (found == types_.end()) return base::fail(Reason::not_found, fmt::format("no schema type is named {}", name));
  Schema& schema = *found->second;
  schema.name = name;
  schema.openapi_key = from["openapi"].as_string();
  if (auto filled = fill(schema, from); !filled) return std::unexpected(std::move(filled).error().wrap(name));
  return {};
}

// A type that was copied may have been filled only after that.
void TypeTable::resolve() {
  for (const Override& one : overrides_) one.apply();
  overrides_.clear();
}

void TypeTable::Override::apply() const {
  *copy = *type;
  if (atomic_map) copy->atomic_map = *atomic_map;
  copy->patch_merge = merge;
  copy->patch_retain_keys = retain_keys;
}

Result<SchemaPtr> TypeTable::read_reference(const Value& from) {
  const std::string_view name = from["$ref"].as_string();
  SchemaPtr shared = find(name);
  if (!shared) return base::fail(Reason::invalid, fmt::format("$ref to {}, which is no type", name));
  // Types that contain themselves would keep each other alive for ever: one of the references does not own.
  if (from["weak"].as_bool()) return SchemaPtr(SchemaPtr(), shared.get());
  return shared;
}

Result<SchemaPtr> TypeTable::read(const Value& from) {
  if (from["$ref"].is_string()) return read_reference(from);
  if (!is_plain_scalar(from)) {
    auto schema = std::make_shared<Schema>();
    CHECK_OK(fill(*schema, from));
    return schema;
  }
  SchemaPtr& shared = scalars_[fmt::format("{}/{}", from["type"].as_string(), from["format"].as_string())];
  if (!shared) {
    auto schema = std::make_shared<Schema>();
    TRY(schema->type, read_type(from));
    schema->format = from["format"].as_string();
    shared = std::move(schema);
  }
  return shared;
}

Result<void> TypeTable::fill(Schema& out, const Value& from) {
  TRY(out.type, read_type(from));
  out.format = from["format"].as_string();
  out.description = from["description"].as_string();
  out.enum_values = read_texts(from["enum"]);
  out.required = read_texts(from["required"]);
  TRY(out.list_type, read_list_type(from["x-kubernetes-list-type"].as_string()));
  out.list_map_keys = read_texts(from["x-kubernetes-list-map-keys"]);
  out.patch_merge_key = from["x-kubernetes-patch-merge-key"].as_string();
  const std::string_view strategy = from["x-kubernetes-patch-strategy"].as_string();
  out.patch_merge = strategy.contains("merge");
  out.patch_retain_keys = strategy.contains("retainKeys");
  out.atomic_map = from[kMapType].as_string() == "atomic";
  if (out.type == Schema::Type::object) return fill_properties(out, from);
  const bool is_list = out.type == Schema::Type::array;
  const bool is_one_or_many = out.type == Schema::Type::any && from["items"].is_object();
  if (is_one_or_many) {
    TRY(out.items, read(from["items"]));
    return {};
  }
  if (!is_list && out.type != Schema::Type::map) return {};
  TRY(out.items, read(from[is_list ? "items" : "additionalProperties"]));
  return {};
}

Result<void> TypeTable::fill_properties(Schema& out, const Value& from) {
  const auto& properties = from["properties"].as_object();
  out.properties.reserve(properties.size());
  for (const auto& [name, value] : properties) {
    auto property = read_property(name, value);
    if (!property) return std::unexpected(std::move(property).error().wrap(name));
    out.properties.push_back(std::move(*property));
  }
  return {};
}

Result<Schema::Property> TypeTable::read_property(const std::string& name, const Value& from) {
  Schema::Property out;
  out.name = name;
  out.description = from["description"].as_string();
  out.default_value = from["default"];
  out.keeps_zero = from["keepsZero"].as_bool();
  out.proto = static_cast<int>(from["proto"].int_or(0));
  out.proto_inside = static_cast<int>(from["inside"].int_or(0));
  TRY(out.schema, read(from));
  const std::string_view strategy = from["x-kubernetes-patch-strategy"].as_string();
  if (from["$ref"].is_string() && (from[kMapType].is_string() || !strategy.empty())) {
    // What the field says of the map wins over what the type says.
    Override own{std::make_shared<Schema>(), out.schema, {}, strategy.contains("merge"), strategy.contains("retainKeys")};
    if (from[kMapType].is_string()) own.atomic_map = from[kMapType].as_string() == "atomic";
    own.apply();
    out.schema = own.copy;
    overrides_.push_back(std::move(own));
  }
  return out;
}

namespace {

Subresource read_subresource(const Value& from) {
  return {.name = std::string(from["name"].as_string()),
          .kind = std::string(from["kind"].as_string()),
          .group = std::string(from["group"].as_string()),
          .version = std::string(from["version"].as_string()),
          .verbs = read_texts(from["verbs"])};
}

Column read_column(const Value& from) {
  Column out;
  out.name = from["name"].as_string();
  if (from["type"].is_string()) out.type = from["type"].as_string();
  out.format = from["format"].as_string();
  out.description = from["description"].as_string();
  out.priority = static_cast<int>(from["priority"].int_or(0));
  return out;
}

// The root of a kind also has the two members that name it; the shared type has not, it may stand inside
// another.
Result<SchemaPtr> make_root(const SchemaPtr& type, TypeTable& types) {
  static constexpr std::pair<const char*, const char*> kNames[] = {
      {"kind", "Name of the schema that this object follows."},
      {"apiVersion", "Group and version whose schema this object follows."}};
  auto root = std::make_shared<Schema>(*type);
  TRY(SchemaPtr text, types.read(base::Object{{"type", "string"}}));
  for (const auto& [name, description] : kNames) {
    if (root->find(name)) continue;
    Schema::Property property;
    property.name = name;
    property.schema = text;
    property.description = description;
    root->properties.insert(root->properties.begin() + (property.name == "kind" ? 0 : 1),
                            std::move(property));
  }
  return SchemaPtr(std::move(root));
}

}  // namespace

Result<Kind> read_kind(const Value& definition, TypeTable& types) {
  Kind out;
  const Value& names = definition["names"];
  out.group = definition["group"].as_string();
  out.version = definition["version"].as_string();
  out.kind = names["kind"].as_string();
  out.plural = names["plural"].as_string();
  out.singular = names["singular"].as_string();
  out.list_kind = names["listKind"].as_string();
  out.short_names = read_texts(names["shortNames"]);
  out.categories = read_texts(names["categories"]);
  out.namespaced = definition["scope"].as_string() != "Cluster";
  out.stored = definition["stored"].as_bool(true);
  out.verbs = read_texts(definition["verbs"]);
  out.selectable_fields = read_texts(definition["selectableFields"]);
  for (const Value& item : definition["subresources"].as_array())
    out.subresources.push_back(read_subresource(item));
  for (const Value& item : definition["additionalPrinterColumns"].as_array())
    out.columns.push_back(read_column(item));
  if (const Value& kept = definition["storedAs"]; kept.is_object()) {
    out.stored_as = StoredAs{std::string(kept["group"].as_string()), std::string(kept["version"].as_string()),
                             std::string(kept["resource"].as_string())};
  }
  out.deprecation = definition["deprecation"].as_string();
  out.hidden = definition["hidden"].as_bool(false);
  if (out.kind.empty() || out.version.empty())
    return base::fail(Reason::invalid, "a kind without name or version");
  TRY(SchemaPtr type, types.read(definition["schema"]));
  TRY(out.schema, make_root(type, types));
  return out;
}

}  // namespace api
