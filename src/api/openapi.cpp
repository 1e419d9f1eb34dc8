#include "api/openapi.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "api/custom/rules.hpp"
#include "api/openapi_paths.hpp"
#include "base/strings.hpp"

namespace api {

using base::Array;
using base::Object;
using base::Value;

namespace {

constexpr std::string_view kMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.";

Value reference(const std::string& key) {
  Object out;
  out.append("$ref", "#/components/schemas/" + key);
  return out;
}

Value texts(const std::vector<std::string>& list) { return Array(list.begin(), list.end()); }

struct Scalar {
  std::string_view key;
  std::string_view type;  // "" when it may be of two types
  std::string_view format;
  std::string_view description;
};

// The types that JSON writes as one string or number, but that have a name of their own.
std::optional<Scalar> named_scalar(Schema::Type type) {
  switch (type) {
    case Schema::Type::time:
      return Scalar{"io.k8s.apimachinery.pkg.apis.meta.v1.Time", "string", "date-time",
                    "A time of day in RFC 3339 form, to the second."};
    case Schema::Type::micro_time:
      return Scalar{"io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", "string", "date-time",
                    "A time of day in RFC 3339 form, to the microsecond."};
    case Schema::Type::quantity:
      return Scalar{"io.k8s.apimachinery.pkg.api.resource.Quantity", "", "",
                    "An amount with an optional suffix: 100m, 1.5, 64Mi, 2e3."};
    case Schema::Type::int_or_string:
      return Scalar{"io.k8s.apimachinery.pkg.util.intstr.IntOrString", "", "int-or-string",
                    "A number, or a name or percentage that stands for one."};
    default: return std::nullopt;
  }
}

Value one_of(std::initializer_list<std::string_view> types) {
  Array out;
  for (auto type : types) {
    Object one;
    one.append("type", type);
    out.emplace_back(std::move(one));
  }
  return out;
}

// Collects components/schemas: every named type once, also those that others use.
class Components {
 public:
  // The schema in its place: a reference for named types, spelled out otherwise.
  Value use(const Schema& schema) {
    if (schema.rules) return Value(spell_custom(schema));
    if (auto scalar = named_scalar(schema.type)) {
      std::string key(scalar->key);
      if (done_.insert(key).second) add_scalar(*scalar, schema.type);
      return all_of(key);
    }
    if (!schema.openapi_key.empty()) {
      define(schema.openapi_key, schema);
      return all_of(schema.openapi_key);
    }
    return Value(spell(schema));
  }

  void define(const std::string& key, const Schema& schema) {
    if (!done_.insert(key).second) return;
    out_[key] = Value(schema.rules ? spell_custom(schema) : spell(schema));
  }

  Value* find(const std::string& key) {
    auto found = out_.find(key);
    return found == out_.end() ? nullptr : &found->second;
  }
  void set(const std::string& key, Value schema) {
    done_.insert(key);
    out_[key] = std::move(schema);
  }

  Value take() && {
    Object all;
    for (auto& [key, schema] : out_) all.append(key, std::move(schema));
    return all;
  }

 private:
  static Value all_of(const std::string& key) {
    Object out;
    out.append("allOf", Array{reference(key)});
    return out;
  }

  // Not only objects: the schema of a schema has places for a schema or a boolean, and for any value.
  static bool may_be_anything(const Schema& schema) { return schema.items != nullptr || schema.name == "JSON"; }

  void add_scalar(const Scalar& scalar, Schema::Type type) {
    Object out;
    out.append("description", scalar.description);
    if (!scalar.type.empty()) out.append("type", scalar.type);
    if (!scalar.format.empty()) out.append("format", scalar.format);
    if (type == Schema::Type::quantity) out.append("oneOf", one_of({"string", "number"}));
    if (type == Schema::Type::int_or_string) out.append("oneOf", one_of({"integer", "string"}));
    out_[std::string(scalar.key)] = std::move(out);
  }

  Object spell(const Schema& schema) {
    Object out;
    if (!schema.description.empty()) out.append("description", schema.description);
    switch (schema.type) {
      case Schema::Type::object: spell_object(out, schema); break;
      case Schema::Type::map:
        out.append("type", "object");
        if (schema.items) out.append("additionalProperties", use(*schema.items));
        break;
      case Schema::Type::array:
        out.append("type", "array");
        if (schema.items) out.append("items", use(*schema.items));
        break;
      case Schema::Type::bytes:
        out.append("type", "string");
        out.append("format", "byte");
        break;
      case Schema::Type::any:
        if (may_be_anything(schema)) return out;
        out.append("type", "object");
        out.append("x-kubernetes-preserve-unknown-fields", true);
        break;
      case Schema::Type::integer: out.append("type", "integer"); break;
      case Schema::Type::number: out.append("type", "number"); break;
      case Schema::Type::boolean: out.append("type", "boolean"); break;
      default: out.append("type", "string");
    }
    if (!schema.format.empty() && !out.contains("format")) out.append("format", schema.format);
    if (!schema.enum_values.empty()) out.append("enum", texts(schema.enum_values));
    add_extensions(out, schema);
    return out;
  }

  void spell_object(Object& out, const Schema& schema) {
    out.append("type", "object");
    if (schema.properties.empty()) return;
    Object properties;
    for (const auto& property : schema.properties) {
      if (!property.schema) continue;
      Value spelled = use(*property.schema);
      Object& one = spelled.object();
      if (!property.description.empty()) one.set("description", property.description);
      const Value& standard =
          property.default_value.is_null() ? property.schema->default_value : property.default_value;
      if (!standard.is_null()) one.set("default", standard);
      // A reference says nothing of how the list or map in this place is merged.
      add_extensions(one, *property.schema);
      properties.append(property.name, std::move(spelled));
    }
    properties.sort();
    out.append("properties", std::move(properties));
    if (!schema.required.empty()) out.append("required", texts(schema.required));
  }

  // A part of a custom kind: everything that its definition says.
  Object spell_custom(const Schema& schema) {
    const SchemaRules& rules = *schema.rules;
    Object out;
    if (!schema.description.empty()) out.append("description", schema.description);
    if (!rules.type.empty()) out.append("type", rules.type);
    if (!schema.format.empty()) out.append("format", schema.format);
    if (schema.nullable && !rules.type.empty()) out.append("nullable", true);
    if (!schema.default_value.is_null()) out.append("default", schema.default_value);
    for (const auto& [name, value] : rules.published) out.append(name, value);
    add_custom_members(out, schema, rules);
    add_restrictions(out, rules);
    if (schema.type == Schema::Type::int_or_string) {
      if (!out.contains("anyOf") && !out.contains("allOf")) out.append("anyOf", one_of({"integer", "string"}));
      out.append("x-kubernetes-int-or-string", true);
    }
    if (schema.keeps_unknown) out.append("x-kubernetes-preserve-unknown-fields", true);
    if (schema.embedded_resource) out.append("x-kubernetes-embedded-resource", true);
    add_extensions(out, schema);
    return out;
  }

  void add_custom_members(Object& out, const Schema& schema, const SchemaRules& rules) {
    if (!schema.properties.empty()) {
      Object properties;
      for (const auto& property : schema.properties) {
        Value spelled = use(*property.schema);
        if (!property.description.empty()) spelled.object().set("description", property.description);
        properties.append(property.name, std::move(spelled));
      }
      properties.sort();
      out.append("properties", std::move(properties));
    }
    if (schema.type == Schema::Type::map && !rules.additional_allowed)
      out.append("additionalProperties", use(*schema.items));
    if (rules.additional_allowed) out.append("additionalProperties", true);
    if (rules.additional_forbidden) out.append("additionalProperties", false);
    if (schema.items && schema.type != Schema::Type::map) out.append("items", use(*schema.items));
    std::vector<std::string> required = schema.required;
    if (schema.embedded_resource) {
      for (const char* name : {"kind", "apiVersion"})
        if (std::ranges::find(required, name) == required.end()) required.emplace_back(name);
    }
    if (!required.empty()) out.append("required", texts(required));
  }

  void add_restrictions(Object& out, const SchemaRules& rules) {
    const auto number = [&out](const char* name, const auto& value) {
      if (!value) return;
      const double real = static_cast<double>(*value);
      const bool whole = real == std::trunc(real) && std::fabs(real) < 1e15;
      out.append(name, whole ? Value(static_cast<int64_t>(real)) : Value(real));
    };
    number("maximum", rules.maximum);
    if (rules.exclusive_maximum) out.append("exclusiveMaximum", true);
    number("minimum", rules.minimum);
    if (rules.exclusive_minimum) out.append("exclusiveMinimum", true);
    number("maxLength", rules.max_length);
    number("minLength", rules.min_length);
    if (rules.pattern) out.append("pattern", rules.pattern->text());
    number("maxItems", rules.max_items);
    number("minItems", rules.min_items);
    number("multipleOf", rules.multiple_of);
    if (!rules.enum_values.empty()) out.append("enum", rules.enum_values);
    number("maxProperties", rules.max_properties);
    number("minProperties", rules.min_properties);
    const auto list = [&](const char* name, const std::vector<SchemaPtr>& schemas) {
      if (schemas.empty()) return;
      Array spelled;
      for (const SchemaPtr& one : schemas) spelled.push_back(use(*one));
      out.append(name, std::move(spelled));
    };
    list("allOf", rules.all_of);
    list("oneOf", rules.one_of);
    list("anyOf", rules.any_of);
    if (rules.none_of) out.append("not", use(*rules.none_of));
  }

  static void add_extensions(Object& out, const Schema& schema) {
    switch (schema.list_type) {
      case Schema::ListType::none: break;
      case Schema::ListType::atomic: out.set("x-kubernetes-list-type", "atomic"); break;
      case Schema::ListType::set: out.set("x-kubernetes-list-type", "set"); break;
      case Schema::ListType::map: out.set("x-kubernetes-list-type", "map"); break;
    }
    if (!schema.list_map_keys.empty()) out.set("x-kubernetes-list-map-keys", texts(schema.list_map_keys));
    if (schema.atomic_map) out.set("x-kubernetes-map-type", "atomic");
    if (!schema.patch_merge_key.empty()) out.set("x-kubernetes-patch-merge-key", schema.patch_merge_key);
    if (schema.patch_merge || schema.patch_retain_keys)
      out.set("x-kubernetes-patch-strategy", schema.patch_merge && schema.patch_retain_keys ? "merge,retainKeys"
                                             : schema.patch_merge                           ? "merge"
                                                                                            : "retainKeys");
  }

  std::map<std::string, Value> out_;
  std::set<std::string> done_;
};

Value string_property(std::string_view description) {
  Object out;
  out.append("description", description);
  out.append("type", "string");
  return out;
}

std::string key_of_kind(const Kind& kind) {
  if (kind.schema && !kind.schema->openapi_key.empty()) return kind.schema->openapi_key;
  return openapi_name(kind.group, kind.version, kind.kind);
}

// Of a custom kind's list: named by itself, not after the kind.
std::string key_of_list(const Kind& kind) {
  std::string key = key_of_kind(kind);
  if (!kind.custom) return key + "List";
  key.resize(key.size() - kind.kind.size());
  return key + kind.list_kind;
}

// The fields of a custom kind that selectors may name beside those of metadata.
void add_selectable_fields(Object& out, const Kind& kind) {
  if (!kind.custom) return;
  Array fields;
  for (const std::string& field : kind.selectable_fields) {
    if (field.starts_with("metadata.")) continue;
    Object one;
    one.append("fieldPath", field);
    fields.emplace_back(std::move(one));
  }
  if (!fields.empty()) out.set("x-kubernetes-selectable-fields", std::move(fields));
}

Value kind_tags(const Kind& kind, std::string_view name) {
  return Array{gvk_value(kind.group, kind.version, name)};
}

void add_list_meta(Components& components) {
  const std::string key = std::string(kMeta) + "ListMeta";
  if (components.find(key) != nullptr) return;
  Object properties;
  properties.append("continue", string_property("Names the next piece of the list; empty at its end."));
  Object remaining;
  remaining.append("description", "How many objects follow, if that is known.");
  remaining.append("type", "integer");
  remaining.append("format", "int64");
  properties.append("remainingItemCount", std::move(remaining));
  properties.append("resourceVersion", string_property("The state of the cluster that the list shows; watches start from it."));
  properties.append("selfLink", string_property("No longer filled in."));
  Object out;
  out.append("description", "What a list says of itself.");
  out.append("type", "object");
  out.append("properties", std::move(properties));
  components.set(key, std::move(out));
}

void add_list_kind(Components& components, const Kind& kind) {
  Object properties;
  properties.append("apiVersion", string_property("Version of the schema of this representation."));
  Object items;
  items.append("description", fmt::format("The {}.", kind.plural));
  items.append("type", "array");
  Object element;
  element.append("default", Object{});
  element.append("allOf", Array{reference(key_of_kind(kind))});
  items.append("items", std::move(element));
  properties.append("items", std::move(items));
  properties.append("kind", string_property("What this object is."));
  Object meta;
  meta.append("description", "What the list says of itself.");
  meta.append("default", Object{});
  meta.append("allOf", Array{reference(std::string(kMeta) + "ListMeta")});
  properties.append("metadata", std::move(meta));
  Object out;
  out.append("description", fmt::format("A list of {}.", kind.plural));
  out.append("type", "object");
  out.append("required", Array{"items"});
  out.append("properties", std::move(properties));
  out.append("x-kubernetes-group-version-kind", kind_tags(kind, kind.list_kind));
  add_selectable_fields(out, kind);
  components.set(key_of_list(kind), std::move(out));
}

// Types that answers and bodies of every group version use: Status, DeleteOptions, a subresource's Scale.
void add_shared_kinds(Components& components, const Registry& registry, const std::set<std::string>& wanted) {
  for (const auto& kind : registry.all()) {
    if (!kind->schema || !wanted.contains(key_of_kind(*kind))) continue;
    std::string key = key_of_kind(*kind);
    components.define(key, *kind->schema);
    Value* made = components.find(key);
    if (made != nullptr && !made->as_object().contains("x-kubernetes-group-version-kind"))
      made->object().set("x-kubernetes-group-version-kind", kind_tags(*kind, kind->kind));
  }
}

// What operations refer to, but no kind has defined.
void add_missing(Components& components, const std::set<std::string>& wanted) {
  for (const auto& key : wanted) {
    if (components.find(key) != nullptr) continue;
    Object out;
    out.append("type", "object");
    out.append("x-kubernetes-preserve-unknown-fields", true);
    components.set(key, std::move(out));
  }
}

}  // namespace

std::string openapi_name(std::string_view group, std::string_view version, std::string_view type) {
  if (group == "meta.k8s.io") return std::string(kMeta) + std::string(type);
  std::string_view stem = group.empty() ? "core" : group.substr(0, group.find('.'));
  return fmt::format("io.k8s.api.{}.{}.{}", stem, version, type);
}

Value gvk_value(std::string_view group, std::string_view version, std::string_view kind) {
  Object out;
  out.append("group", group);
  out.append("kind", kind);
  out.append("version", version);
  return out;
}

Value make_openapi_v3(const Registry& registry, std::string_view group, std::string_view version) {
  Components components;
  Object paths;
  std::set<std::string> wanted;
  for (const auto& kind : registry.all()) {
    if (kind->group != group || kind->version != version || !kind->schema) continue;
    std::string key = key_of_kind(*kind);
    components.define(key, *kind->schema);
    if (Value* made = components.find(key)) {
      made->object().set("x-kubernetes-group-version-kind", kind_tags(*kind, kind->kind));
      add_selectable_fields(made->object(), *kind);
    }
    if (kind->plural.empty() || kind->verbs.empty()) continue;
    if (std::ranges::find(kind->verbs, "list") != kind->verbs.end()) add_list_kind(components, *kind);
    add_paths(paths, wanted, registry, *kind, key, key_of_list(*kind));
  }
  add_shared_kinds(components, registry, wanted);
  add_list_meta(components);
  add_missing(components, wanted);
  paths.sort();
  Object info;
  info.append("title", "Kubernetes");
  info.append("version", "v1.36.0");
  Object parts;
  parts.append("schemas", std::move(components).take());
  Object out;
  out.append("openapi", "3.0.0");
  out.append("info", std::move(info));
  out.append("paths", std::move(paths));
  out.append("components", std::move(parts));
  return out;
}

}  // namespace api
