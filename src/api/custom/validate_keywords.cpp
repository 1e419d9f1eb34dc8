#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "api/custom/validate_schema.hpp"
#include "api/validate_rules.hpp"
#include "base/strings.hpp"

namespace api::schemas {

using base::Value;
using rules::child;
using rules::index;
using rules::key;

namespace {

constexpr const char* kListType = "x-kubernetes-list-type";
constexpr const char* kMapType = "x-kubernetes-map-type";
constexpr const char* kMapKeys = "x-kubernetes-list-map-keys";

// Where in the object a schema stands.
struct Place {
  bool root = false;
  bool inside_meta = false;
  std::string no_defaults;  // why there may be no default here
};

class Keywords {
 public:
  rules::Problems out;

  void look_at(const Value& s, const std::string& path, const Place& place) {
    check_supported(s, path, place);
    if (s["uniqueItems"].as_bool())
      out.forbidden(child(path, "uniqueItems"),
                    "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
    descend(s, path, place);
    const Value& preserves = s["x-kubernetes-preserve-unknown-fields"];
    if (preserves.is_bool() && !preserves.as_bool())
      out.invalid(child(path, "x-kubernetes-preserve-unknown-fields"), false, std::string("must be true or undefined"));
    check_map_type(s, path);
    check_list_type(s, path);
    check_map_keys(s, path);
    check_validations(s["x-kubernetes-validations"], child(path, "x-kubernetes-validations"));
  }

 private:
  void descend(const Value& s, const std::string& path, const Place& place) {
    Place inner = place;
    inner.root = false;
    descend_into_members(s, path, place, inner);
    if (s["not"].is_object()) look_at(s["not"], child(path, "not"), inner);
    for (const char* name : {"allOf", "oneOf", "anyOf"}) {
      const auto& list = s[name].as_array();
      for (size_t i = 0; i < list.size(); ++i) look_at(list[i], index(child(path, name), i), inner);
    }
    if (s["items"].is_object()) look_at(s["items"], child(path, "items"), inner);
  }

  void descend_into_members(const Value& s, const std::string& path, const Place& place, const Place& inner) {
    const Value& additional = s["additionalProperties"];
    const auto& properties = s["properties"].as_object();
    if (!additional.is_null() && !properties.empty() && !additional.as_bool())
      out.forbidden(child(path, "additionalProperties"),
                    "additionalProperties and properties are mutual exclusive");
    if (additional.is_object()) {
      Place values = inner;
      if (place.inside_meta) values.no_defaults = "inside additionalProperties applying to object metadata";
      look_at(additional, child(path, "additionalProperties"), values);
    }
    const bool of_object = place.root || s["x-kubernetes-embedded-resource"].as_bool();
    for (const auto& [name, property] : properties) {
      Place member = inner;
      if (of_object && is_meta_field(name)) {
        member.inside_meta = true;
        if (place.root) member.no_defaults = "in top-level " + name;
      }
      look_at(property, key(child(path, "properties"), name), member);
    }
  }

  void check_supported(const Value& s, const std::string& path, const Place& place) {
    const Value& type = s["type"];
    if (const auto text = type.as_string();
        !text.empty() && text != "string" && text != "number" && text != "integer" && text != "boolean" &&
        text != "array" && text != "object")
      out.unsupported(child(path, "type"), type, {"array", "boolean", "integer", "number", "object", "string"});
    if (!s["default"].is_null() && !place.no_defaults.empty())
      out.forbidden(child(path, "default"), "must not be set " + place.no_defaults);
    for (const char* name : {"id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"})
      if (!s[name].is_null()) out.forbidden(child(path, name), std::string(name) + " is not supported");
    if (!s["$schema"].is_null())
      out.invalid(path, "", std::string("OpenAPIV3Schema 'schema' is not supported"));
    if (type.as_string() == "null")
      out.forbidden(child(path, "type"), "type cannot be set to null, use nullable as an alternative");
    if (s["items"].is_array())
      out.forbidden(child(path, "items"), "items must be a schema object and not an array");
    if (place.inside_meta && s["x-kubernetes-embedded-resource"].as_bool())
      out.forbidden(child(path, "x-kubernetes-embedded-resource"), "must not be used inside of resource meta");
  }

  void must_have_type(const Value& s, const std::string& path, std::string_view wanted, const char* keyword) {
    const std::string_view type = s["type"].as_string();
    if (type == wanted) return;
    std::string why = fmt::format("must be {} if {} is specified", wanted, keyword);
    type.empty() ? out.required(child(path, "type"), std::move(why)) : out.invalid(child(path, "type"), type, std::move(why));
  }

  void check_map_type(const Value& s, const std::string& path) {
    const Value& type = s[kMapType];
    if (type.is_null()) return;
    must_have_type(s, path, "object", kMapType);
    if (type.as_string() != "atomic" && type.as_string() != "granular")
      out.unsupported(child(path, kMapType), type, {"atomic", "granular"});
  }

  void check_list_type(const Value& s, const std::string& path) {
    const Value& list_type = s[kListType];
    const std::string_view text = list_type.as_string();
    if (list_type.is_null()) return;
    must_have_type(s, path, "array", kListType);
    const Value& items = s["items"];
    if (s["type"].as_string() == "array" && text == "set" && items.is_object()) {
      constexpr const char* kWhy = "must be atomic as item of a list with x-kubernetes-list-type=set";
      const std::string_view type = items["type"].as_string();
      const std::string at = child(path, "items");
      if (type == "array" && !items[kListType].is_null() && items[kListType].as_string() != "atomic")
        out.invalid(child(at, kListType), items[kListType], std::string(kWhy));
      if (type == "object" && items[kMapType].as_string() != "atomic")
        out.invalid(child(at, kMapType), items[kMapType], std::string(kWhy));
    }
    if (text != "atomic" && text != "set" && text != "map")
      out.unsupported(child(path, kListType), list_type, {"atomic", "set", "map"});
    if ((text == "set" || text == "map") && items["nullable"].as_bool())
      out.forbidden(child(child(path, "items"), "nullable"),
                    "cannot be nullable when x-kubernetes-list-type is " + std::string(text));
  }

  void check_map_keys(const Value& s, const std::string& path) {
    const auto& keys = s[kMapKeys].as_array();
    const Value& list_type = s[kListType];
    constexpr const char* kWhy = "must be map if x-kubernetes-list-map-keys is non-empty";
    if (!keys.empty() && list_type.is_null()) out.required(child(path, kListType), kWhy);
    if (!keys.empty() && !list_type.is_null() && list_type.as_string() != "map")
      out.invalid(child(path, kListType), list_type, std::string(kWhy));
    if (list_type.as_string() != "map") return;
    if (keys.empty()) out.required(child(path, kMapKeys), "must not be empty if x-kubernetes-list-type is map");
    const Value& items = s["items"];
    if (items.is_null())
      return out.required(child(path, "items"), "must have a schema if x-kubernetes-list-type is map");
    if (!items.is_object())
      return out.invalid(child(path, "items"), items,
                         std::string("must only have a single schema if x-kubernetes-list-type is map"));
    if (items["type"].as_string() != "object")
      return out.invalid(child(child(path, "items"), "type"), items["type"].as_string(),
                         std::string("must be object if parent array's x-kubernetes-list-type is map"));
    std::set<std::string_view> seen;
    for (const Value& one : keys) {
      check_map_key(s, one.as_string(), path);
      if (!seen.insert(one.as_string()).second)
        out.invalid(child(path, kMapKeys), s[kMapKeys], std::string("must not contain duplicate entries"));
    }
  }

  void check_map_key(const Value& s, std::string_view name, const std::string& path) {
    const Value& items = s["items"];
    const Value& property = items["properties"][name];
    if (!property.is_object())
      return out.invalid(child(path, kMapKeys), s[kMapKeys],
                         std::string("entries must all be names of item properties"));
    const std::string at = key(child(child(path, "items"), "properties"), name);
    const std::string_view type = property["type"].as_string();
    if (type == "array" || type == "object")
      out.invalid(child(at, "type"), items["type"].as_string(),
                  std::string("must be a scalar type if parent array's x-kubernetes-list-type is map"));
    const auto& required = items["required"].as_array();
    const bool is_required =
        std::ranges::any_of(required, [&](const Value& one) { return one.as_string() == name; });
    if (!is_required && property["default"].is_null())
      out.required(child(at, "default"), "this property is in x-kubernetes-list-map-keys, so it must have a default or "
                                         "be a required property");
    if (property["nullable"].as_bool())
      out.forbidden(child(at, "nullable"),
                    "this property is in x-kubernetes-list-map-keys, so it cannot be nullable");
  }

  static bool has_line_break(std::string_view text) { return text.find_first_of("\r\n") != std::string_view::npos; }

  // The form of CEL rules; they are not compiled.
  void check_validations(const Value& list, const std::string& path) {
    for (size_t i = 0; i < list.as_array().size(); ++i) {
      const Value& rule = list.as_array()[i];
      const std::string at = index(path, i);
      const Value &message = rule["message"], &expression = rule["messageExpression"], &place = rule["fieldPath"];
      const std::string_view text = base::trim(rule["rule"].as_string()), words = base::trim(message.as_string());
      if (text.empty()) {
        out.required(child(at, "rule"), "rule is not specified");
      } else if (!message.as_string().empty() && words.empty()) {
        out.invalid(child(at, "message"), message, std::string("must be non-empty if specified"));
      } else if (has_line_break(words)) {
        out.invalid(child(at, "message"), message, std::string("must not contain line breaks"));
      } else if (has_line_break(text) && words.empty()) {
        out.required(child(at, "message"), "message must be specified if rule contains line breaks");
      }
      if (!expression.as_string().empty() && base::trim(expression.as_string()).empty())
        out.required(child(at, "messageExpression"), "messageExpression must be non-empty if specified");
      if (!rule["reason"].is_null())
        out.one_of(child(at, "reason"), rule["reason"],
                   {"FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"}, false);
      if (!place.as_string().empty() && base::trim(place.as_string()).empty())
        out.invalid(child(at, "fieldPath"), place, std::string("must be non-empty if specified"));
      if (has_line_break(place.as_string()))
        out.invalid(child(at, "fieldPath"), place, std::string("must not contain line breaks"));
    }
  }
};

}  // namespace

std::vector<FieldError> check_keywords(const Value& props, const std::string& path) {
  Keywords walk;
  walk.look_at(props, path, {.root = true, .inside_meta = false, .no_defaults = ""});
  return std::move(walk.out).take();
}

}  // namespace api::schemas
