#include <re2/re2.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "api/custom/rules.hpp"

namespace api {

using base::Reason;
using base::Result;
using base::Value;

Pattern::Pattern(std::string text) : text_(std::move(text)) {}
Pattern::~Pattern() = default;

namespace {

re2::RE2::Options quiet() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(4 << 20);
  return options;
}

}  // namespace

bool Pattern::matches(std::string_view text) const {
  std::call_once(once_, [this] { compiled_ = std::make_unique<re2::RE2>(text_, quiet()); });
  return compiled_->ok() && re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *compiled_);
}

std::string Pattern::problem_of(std::string_view text) {
  const re2::RE2 compiled(re2::StringPiece(text.data(), text.size()), quiet());
  return compiled.ok() ? "" : compiled.error();
}

std::string_view json_type_of(const Schema& schema) {
  if (schema.rules) return schema.rules->type;
  switch (schema.type) {
    case Schema::Type::object:
    case Schema::Type::map:
      return "object";
    case Schema::Type::array:
      return "array";
    case Schema::Type::integer:
      return "integer";
    case Schema::Type::number:
      return "number";
    case Schema::Type::boolean:
      return "boolean";
    case Schema::Type::any:
    case Schema::Type::int_or_string:
    case Schema::Type::quantity:
      return "";
    default:
      return "string";
  }
}

const Schema* member_schema(const Schema& schema, std::string_view name, bool& known) {
  known = true;
  if (schema.rules && is_meta_field(name)) {
    const auto& own = schema.rules->own_meta;
    const auto it = std::ranges::find(own, name, &Schema::Property::name);
    if (it != own.end()) return it->schema.get();
  }
  if (const auto* property = schema.find(name)) return property->schema.get();
  if (schema.type == Schema::Type::map) return schema.items.get();
  known = schema.rules && schema.rules->additional_allowed;
  return nullptr;
}

namespace {

std::vector<std::string> read_texts(const Value& list) {
  std::vector<std::string> out;
  for (const Value& item : list.as_array()) out.emplace_back(item.as_string());
  return out;
}

std::optional<int64_t> read_count(const Value& value) {
  if (const auto number = value.as_int()) return number;
  return std::nullopt;
}

// Keywords that a shared scalar may have.
bool is_plain_scalar(const Value& props) {
  const std::string_view type = props["type"].as_string();
  if (type != "string" && type != "integer" && type != "boolean" && type != "number") return false;
  return std::ranges::all_of(props.as_object(), [](const base::Member& member) {
    return member.key == "type" || member.key == "format" || member.key == "description";
  });
}

class SchemaReader {
 public:
  explicit SchemaReader(SchemaPtr object_meta) : object_meta_(std::move(object_meta)) {}

  Result<SchemaPtr> read(const Value& props, bool of_property, int depth) {
    if (depth > kMaxSchemaDepth)
      return base::fail(Reason::invalid, fmt::format("a schema is nested more than {} levels deep", kMaxSchemaDepth));
    const bool described = !of_property && props["description"].is_string();
    if (is_plain_scalar(props) && !described) return shared_scalar(props);
    auto out = std::make_shared<Schema>();
    if (!of_property) out->description = props["description"].as_string();
    CHECK_OK(fill(*out, props, depth));
    return SchemaPtr(std::move(out));
  }

  Result<void> fill(Schema& out, const Value& props, int depth) {
    TRY(auto rules, read_rules(props, depth));
    set_type(out, props);
    out.format = props["format"].as_string();
    out.nullable = props["nullable"].as_bool();
    out.keeps_unknown = props["x-kubernetes-preserve-unknown-fields"].as_bool();
    out.embedded_resource = props["x-kubernetes-embedded-resource"].as_bool();
    out.default_value = props["default"];
    out.required = read_texts(props["required"]);
    if (std::ranges::all_of(rules->enum_values, &Value::is_string)) out.enum_values = read_texts(props["enum"]);
    const std::string_view list_type = props["x-kubernetes-list-type"].as_string();
    if (list_type == "atomic") out.list_type = Schema::ListType::atomic;
    if (list_type == "set") out.list_type = Schema::ListType::set;
    if (list_type == "map") out.list_type = Schema::ListType::map;
    out.list_map_keys = read_texts(props["x-kubernetes-list-map-keys"]);
    out.atomic_map = props["x-kubernetes-map-type"].as_string() == "atomic";
    CHECK_OK(read_properties(out, props, depth));
    if (out.embedded_resource) add_meta(out, *rules);
    CHECK_OK(read_children(out, *rules, props, depth));
    out.rules = std::move(rules);
    return {};
  }

  // What every Kubernetes object has takes the place of what the definition says of it, which is kept for the checks.
  void add_meta(Schema& out, SchemaRules& rules, const Schema::Property* metadata = nullptr) {
    for (Schema::Property& property : out.properties) {
      if (is_meta_field(property.name)) rules.own_meta.push_back(std::move(property));
    }
    std::erase_if(out.properties, [](const Schema::Property& p) { return p.name.empty() || is_meta_field(p.name); });
    Schema::Property own;
    if (metadata) own = *metadata;
    own.name = "metadata";
    if (!metadata) own.schema = object_meta_;
    own.keeps_zero = false;
    own.proto = own.proto_inside = 0;
    own.default_value = nullptr;
    if (own.description.empty()) own.description = "Name, labels and the other facts that every object has.";
    if (own.schema) out.properties.insert(out.properties.begin(), std::move(own));
    static constexpr std::pair<const char*, const char*> kNames[] = {
        {"kind", "Name of the schema that this object follows."},
        {"apiVersion", "Group and version whose schema this object follows."}};
    for (const auto& [name, description] : kNames) {
      Schema::Property text;
      text.name = name;
      text.description = description;
      text.schema = scalar("string", "");
      out.properties.insert(out.properties.begin(), std::move(text));
    }
  }

 private:
  SchemaPtr scalar(std::string_view type, std::string_view format) {
    SchemaPtr& shared = scalars_[fmt::format("{}/{}", type, format)];
    if (!shared) {
      auto made = std::make_shared<Schema>();
      made->type = type_of(type);
      made->format = format;
      shared = std::move(made);
    }
    return shared;
  }

  SchemaPtr shared_scalar(const Value& props) { return scalar(props["type"].as_string(), props["format"].as_string()); }

  static Schema::Type type_of(std::string_view type) {
    if (type == "string") return Schema::Type::string;
    if (type == "integer") return Schema::Type::integer;
    if (type == "number") return Schema::Type::number;
    if (type == "boolean") return Schema::Type::boolean;
    if (type == "array") return Schema::Type::array;
    return type == "object" ? Schema::Type::object : Schema::Type::any;
  }

  static void set_type(Schema& out, const Value& props) {
    out.type = type_of(props["type"].as_string());
    const bool has_properties = !props["properties"].as_object().empty();
    const Value& additional = props["additionalProperties"];
    const bool is_map = additional.is_object() || (additional.as_bool() && !has_properties);
    if (props["x-kubernetes-int-or-string"].as_bool()) {
      out.type = Schema::Type::int_or_string;
    } else if (is_map && out.type != Schema::Type::array) {
      out.type = Schema::Type::map;
    } else if (has_properties) {
      out.type = Schema::Type::object;
    } else if (props["x-kubernetes-preserve-unknown-fields"].as_bool() && out.type == Schema::Type::object &&
               !props["x-kubernetes-embedded-resource"].as_bool()) {
      out.type = Schema::Type::any;
    }
  }

  Result<std::shared_ptr<SchemaRules>> read_rules(const Value& props, int depth) {
    auto out = std::make_shared<SchemaRules>();
    out->type = props["type"].as_string();
    out->minimum = props["minimum"].as_double();
    out->maximum = props["maximum"].as_double();
    out->multiple_of = props["multipleOf"].as_double();
    out->exclusive_minimum = props["exclusiveMinimum"].as_bool();
    out->exclusive_maximum = props["exclusiveMaximum"].as_bool();
    out->min_length = read_count(props["minLength"]);
    out->max_length = read_count(props["maxLength"]);
    out->min_items = read_count(props["minItems"]);
    out->max_items = read_count(props["maxItems"]);
    out->min_properties = read_count(props["minProperties"]);
    out->max_properties = read_count(props["maxProperties"]);
    if (const auto text = props["pattern"].as_string(); !text.empty())
      out->pattern = std::make_shared<const Pattern>(std::string(text));
    out->enum_values = props["enum"].as_array();
    TRY(out->all_of, read_list(props["allOf"], depth));
    TRY(out->any_of, read_list(props["anyOf"], depth));
    TRY(out->one_of, read_list(props["oneOf"], depth));
    if (props["not"].is_object()) {
      TRY(out->none_of, read(props["not"], false, depth + 1));
    }
    for (const char* name : {"title", "externalDocs", "example", "x-kubernetes-validations"}) {
      if (const Value& value = props[name]; !value.is_null()) out->published.append(name, value);
    }
    return out;
  }

  Result<std::vector<SchemaPtr>> read_list(const Value& list, int depth) {
    std::vector<SchemaPtr> out;
    for (const Value& item : list.as_array()) {
      TRY(SchemaPtr one, read(item, false, depth + 1));
      out.push_back(std::move(one));
    }
    return out;
  }

  Result<void> read_properties(Schema& out, const Value& props, int depth) {
    const auto& properties = props["properties"].as_object();
    out.properties.reserve(properties.size() + 3);
    for (const auto& [name, from] : properties) {
      Schema::Property property;
      property.name = name;
      property.description = from["description"].as_string();
      property.keeps_zero = true;
      TRY(property.schema, read(from, true, depth + 1));
      out.properties.push_back(std::move(property));
    }
    return {};
  }

  // Elements of lists and maps.
  Result<void> read_children(Schema& out, SchemaRules& rules, const Value& props, int depth) {
    const Value& items = props["items"];
    const Value& additional = props["additionalProperties"];
    if (items.is_object() && out.type != Schema::Type::map) {
      TRY(out.items, read(items, false, depth + 1));
    }
    if (out.type == Schema::Type::array && !out.items) out.items = scalar("", "");
    if (out.type == Schema::Type::map && additional.is_object()) {
      TRY(out.items, read(additional, false, depth + 1));
    } else if (out.type == Schema::Type::map) {
      out.items = nothing_known();
    }
    rules.additional_allowed = additional.as_bool();
    rules.additional_forbidden = additional.is_bool() && !additional.as_bool();
    return {};
  }

  // Of additionalProperties: true. Any value, but members of objects in it are unknown.
  static SchemaPtr nothing_known() {
    static const SchemaPtr kNothing = [] {
      auto out = std::make_shared<Schema>();
      out->type = Schema::Type::object;
      out->nullable = true;
      out->rules = std::make_shared<const SchemaRules>();
      return out;
    }();
    return kNothing;
  }

  SchemaPtr object_meta_;
  std::map<std::string, SchemaPtr, std::less<>> scalars_;  // by type/format
};

}  // namespace

Result<SchemaPtr> read_custom_schema(const Value& props, const SchemaPtr& object_meta) {
  return SchemaReader(object_meta).read(props, false, 0);
}

Result<SchemaPtr> read_custom_root(const Value& props, const Schema::Property& metadata, std::string name,
                                   std::string openapi_key) {
  SchemaReader reader(metadata.schema);
  auto out = std::make_shared<Schema>();
  out->description = props["description"].as_string();
  CHECK_OK(reader.fill(*out, props, 0));
  out->type = Schema::Type::object;
  auto rules = std::make_shared<SchemaRules>(*out->rules);
  if (!out->embedded_resource) reader.add_meta(*out, *rules, &metadata);
  out->rules = std::move(rules);
  out->name = std::move(name);
  out->openapi_key = std::move(openapi_key);
  return SchemaPtr(std::move(out));
}

Result<Schema::Property> find_metadata(const Registry& builtin) {
  for (const KindPtr& kind : builtin.all()) {
    if (!kind->schema || !kind->stored) continue;
    if (const auto* found = kind->schema->find("metadata")) return *found;
  }
  return base::fail(Reason::internal_error, "no built-in kind has metadata: are the schemas there?");
}

}  // namespace api
