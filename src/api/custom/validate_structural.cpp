#include <algorithm>

#include <fmt/format.h>

#include "api/custom/validate_schema.hpp"
#include "api/validate_rules.hpp"
#include "base/json.hpp"

namespace api::schemas {

using base::Value;
using rules::child;
using rules::index;
using rules::key;

namespace {

enum class Level { root, item, field };

// anyOf: [{type: integer}, {type: string}], which is how x-kubernetes-int-or-string is written out.
bool is_int_or_string_pattern(const Value& any_of) {
  const auto& list = any_of.as_array();
  static const Value kInteger = base::Object{{"type", "integer"}}, kString = base::Object{{"type", "string"}};
  return list.size() == 2 && list[0] == kInteger && list[1] == kString;
}

class Structural {
 public:
  std::vector<FieldError> errors;

  void look_at(const Value& s, Level level, const std::string& path) {
    const std::string_view type = s["type"].as_string();
    if (type == "array" && s["items"].is_null()) required(child(path, "items"), "must be specified");
    if (s["items"].is_object()) look_at(s["items"], Level::item, child(path, "items"));
    for (const auto& [name, inner] : s["properties"].as_object())
      look_at(inner, Level::field, key(child(path, "properties"), name));
    const Value& additional = s["additionalProperties"];
    if (!additional.is_null() && level == Level::root)
      forbidden(child(path, "additionalProperties"), "must not be used at the root");
    if (additional.is_object()) look_at(additional, Level::field, child(path, "additionalProperties"));
    check_extensions(s, path);
    const bool skip_any = is_int_or_string_pattern(s["anyOf"]);
    const auto& all_of = s["allOf"].as_array();
    check_values(s, skip_any, !all_of.empty() && is_int_or_string_pattern(all_of[0]["anyOf"]), path);
    check_type(s, type, level, path);
    check_meta(s, level, path);
  }

  // What alternatives speak of must be there outside of them.
  void check_complete(const Value& v, const Value& s, const std::string& s_path, const std::string& v_path) {
    if (v["not"].is_object()) check_nested_complete(v["not"], s, s_path, child(v_path, "not"));
    for (const char* name : {"allOf", "anyOf", "oneOf"}) {
      const auto& list = v[name].as_array();
      for (size_t i = 0; i < list.size(); ++i)
        check_nested_complete(list[i], s, s_path, index(child(v_path, name), i));
    }
  }

 private:
  void required(std::string path, std::string detail) {
    errors.push_back(required_field(std::move(path), std::move(detail)));
  }
  void forbidden(std::string path, std::string detail) {
    errors.push_back(forbidden_field(std::move(path), std::move(detail)));
  }
  void invalid(std::string path, Value value, std::string detail) {
    errors.push_back(invalid_field(std::move(path), std::move(value), std::move(detail)));
  }

  void check_extensions(const Value& s, const std::string& path) {
    if (!s["x-kubernetes-int-or-string"].as_bool()) return;
    for (const char* name : {"x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"})
      if (s[name].as_bool()) invalid(child(path, name), true, "must be false if x-kubernetes-int-or-string is true");
  }

  void check_type(const Value& s, std::string_view type, Level level, const std::string& path) {
    const std::string at = child(path, "type");
    const bool embedded = s["x-kubernetes-embedded-resource"].as_bool();
    if (embedded && type != "object") {
      constexpr const char* kWhy = "must be object if x-kubernetes-embedded-resource is true";
      type.empty() ? required(at, kWhy) : invalid(at, type, kWhy);
    } else if (type.empty() && !s["x-kubernetes-int-or-string"].as_bool() &&
               !s["x-kubernetes-preserve-unknown-fields"].as_bool()) {
      required(at, level == Level::root   ? "must not be empty at the root"
                   : level == Level::item ? "must not be empty for specified array items"
                                          : "must not be empty for specified object fields");
    }
    if (embedded && !s["additionalProperties"].is_null())
      forbidden(child(path, "additionalProperties"), "must not be used if x-kubernetes-embedded-resource is set");
    if (level == Level::root && !type.empty() && type != "object") invalid(at, type, "must be object at the root");
  }

  void check_meta(const Value& s, Level level, const std::string& path) {
    const bool embedded = s["x-kubernetes-embedded-resource"].as_bool();
    const bool is_object = level == Level::root || embedded;
    const Value& properties = s["properties"];
    const std::string at = child(path, "properties");
    for (const char* name : {"kind", "apiVersion"}) {
      const Value& own = properties[name];
      if (is_object && own.is_object() && own["type"].as_string() != "string")
        invalid(child(key(at, name), "type"), own["type"].as_string(), "must be string");
    }
    if (properties["metadata"].is_object()) check_metadata(properties["metadata"], is_object, level, key(at, "metadata"));
    if (embedded && !s["x-kubernetes-preserve-unknown-fields"].as_bool() && properties.as_object().empty())
      required(at, "must not be empty if x-kubernetes-embedded-resource is true without "
                   "x-kubernetes-preserve-unknown-fields");
  }

  void check_metadata(const Value& s, bool of_object, Level level, const std::string& path) {
    if (of_object && s["type"].as_string() != "object")
      invalid(child(path, "type"), s["type"].as_string(), "must be object");
    if (level != Level::root) return;
    const bool plain = std::ranges::all_of(s.as_object(), [](const base::Member& member) {
      return member.key == "type" || member.key == "default" ||
             (member.key == "properties" && std::ranges::all_of(member.value.as_object(), [](const auto& property) {
                return property.key == "name" || property.key == "generateName";
              }));
    });
    if (!plain)
      forbidden(path, "must not specify anything other than name and generateName, but metadata is implicitly specified");
  }

  void check_values(const Value& v, bool skip_any, bool skip_first_any, const std::string& path) {
    const auto look_at_all = [&](const char* name, bool skip_any_of_first) {
      const auto& list = v[name].as_array();
      for (size_t i = 0; i < list.size(); ++i)
        check_nested(list[i], skip_any_of_first && i == 0, index(child(path, name), i));
    };
    if (!skip_any) look_at_all("anyOf", false);
    look_at_all("allOf", skip_first_any);
    look_at_all("oneOf", false);
    if (v["not"].is_object()) check_nested(v["not"], false, child(path, "not"));
    const std::string_view pattern = v["pattern"].as_string();
    if (pattern.empty()) return;
    if (const std::string problem = Pattern::problem_of(pattern); !problem.empty())
      invalid(child(path, "pattern"), pattern, "must be a valid regular expression, but isn't: " + problem);
  }

  void check_nested(const Value& v, bool skip_any, const std::string& path) {
    check_values(v, skip_any, false, path);
    if (v["items"].is_object()) check_nested(v["items"], false, child(path, "items"));
    for (const auto& [name, inner] : v["properties"].as_object())
      check_nested(inner, false, key(child(path, "properties"), name));
    struct Rule {
      const char* name;
      const char* detail;
    };
    static constexpr Rule kForbidden[] = {{"type", "must be empty to be structural"},
                                          {"additionalProperties", "must be undefined to be structural"},
                                          {"default", "must be undefined to be structural"},
                                          {"title", "must be empty to be structural"},
                                          {"description", "must be empty to be structural"},
                                          {"nullable", "must be false to be structural"},
                                          {"x-kubernetes-preserve-unknown-fields", "must be false to be structural"},
                                          {"x-kubernetes-embedded-resource", "must be false to be structural"},
                                          {"x-kubernetes-int-or-string", "must be false to be structural"},
                                          {"x-kubernetes-list-map-keys", "must be empty to be structural"},
                                          {"x-kubernetes-list-type", "must be undefined to be structural"},
                                          {"x-kubernetes-map-type", "must be undefined to be structural"},
                                          {"x-kubernetes-validations", "must be empty to be structural"}};
    for (const Rule& rule : kForbidden) {
      const Value& value = v[rule.name];
      const bool absent = value.is_null() || (value.is_bool() && !value.as_bool() && rule.name[0] != 'a');
      if (!absent) forbidden(child(path, rule.name), rule.detail);
    }
    if (!v["properties"]["metadata"].is_null())
      forbidden(key(child(path, "properties"), "metadata"), "must not be specified in a nested context");
  }

  void check_nested_complete(const Value& v, const Value& s, const std::string& s_path, const std::string& v_path) {
    if (!s.is_object()) return required(s_path, "because it is defined in " + v_path);
    check_complete(v, s, s_path, v_path);
    if (v["items"].is_object())
      check_nested_complete(v["items"], s["items"], child(s_path, "items"), child(v_path, "items"));
    for (const auto& [name, inner] : v["properties"].as_object()) {
      const std::string at = key(child(s_path, "properties"), name), from = key(child(v_path, "properties"), name);
      const Value& own = s["properties"][name];
      if (own.is_object()) check_nested_complete(inner, own, at, from);
      else required(at, "because it is defined in " + from);
    }
  }
};

}  // namespace

bool is_too_deep(const Value& props) {
  std::vector<std::pair<const Value*, int>> next{{&props, 0}};
  while (!next.empty()) {
    const auto [at, depth] = next.back();
    next.pop_back();
    if (depth > kMaxSchemaDepth) return true;
    for (const char* name : {"items", "additionalProperties", "additionalItems", "not"})
      if ((*at)[name].is_object()) next.emplace_back(&(*at)[name], depth + 1);
    for (const char* name : {"allOf", "anyOf", "oneOf", "items"})
      for (const Value& one : (*at)[name].as_array()) next.emplace_back(&one, depth + 1);
    for (const char* name : {"properties", "patternProperties", "definitions", "dependencies"})
      for (const auto& member : (*at)[name].as_object()) next.emplace_back(&member.value, depth + 1);
  }
  return false;
}

std::vector<FieldError> check_structural(const Value& props, const std::string& path) {
  Structural walk;
  walk.look_at(props, Level::root, path);
  walk.check_complete(props, props, path, path);
  std::vector<std::pair<std::string, FieldError>> sorted;
  for (FieldError& error : walk.errors) {
    std::string text = error.text();
    sorted.emplace_back(std::move(text), std::move(error));
  }
  std::ranges::sort(sorted, {}, &std::pair<std::string, FieldError>::first);
  std::vector<FieldError> out;
  for (auto& [text, error] : sorted) out.push_back(std::move(error));
  return out;
}

base::Result<std::string_view> type_at_path(const Value& props, std::string_view json_path) {
  const auto wrong = [](std::string why) { return base::fail(base::Reason::invalid, std::move(why)); };
  const Value* at = &props;
  while (!json_path.empty()) {
    if (json_path[0] == '[') return wrong("array notation is not allowed");
    if (json_path[0] != '.')
      return wrong(fmt::format("expected [ or . but got: {}", json_path.substr(0, json_path.find_first_of(".["))));
    json_path.remove_prefix(1);
    if (json_path.empty()) return wrong("unexpected end of JSON path");
    const std::string_view name = json_path.substr(0, json_path.find_first_of(".[]"));
    json_path.remove_prefix(name.size());
    const bool is_map = !(*at)["properties"].is_object() && (*at)["additionalProperties"].is_object();
    const Value& inner = is_map ? (*at)["additionalProperties"] : (*at)["properties"][name];
    if (!inner.is_object()) return wrong("does not refer to a valid field");
    at = &inner;
  }
  return (*at)["type"].as_string();
}

}  // namespace api::schemas
