// Objects of custom kinds: the schema, embedded resources, the scale's numbers, unique elements of lists.
#include <cstdlib>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "api/custom/definition.hpp"
#include "api/custom/rules.hpp"
#include "api/meta.hpp"
#include "api/validate_rules.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Result;
using base::Value;

namespace {

// ---- lists --------------------------------------------------------------------------------------------------------

// A text that equal values share.
std::string canonical(const Value& value) {
  if (const auto* number = value.if_number()) return base::write_json(Value(*number));
  return value.is_object() || value.is_array() ? base::write_json_pretty(value, 0) : base::write_json(value);
}

// Where a value stands for the second time; the third is not worth a word.
std::vector<size_t> find_doubles(const std::vector<std::string>& keys) {
  std::map<std::string_view, int> seen;
  std::vector<size_t> out;
  for (size_t i = 0; i < keys.size(); ++i)
    if (++seen[keys[i]] == 2) out.push_back(i);
  return out;
}

void check_set(const base::Array& list, const std::string& path, std::vector<FieldError>& out) {
  std::vector<std::string> keys;
  keys.reserve(list.size());
  for (const Value& item : list) keys.push_back(canonical(item));
  for (const size_t i : find_doubles(keys)) out.push_back(duplicate_field(rules::index(path, i), list[i]));
}

void check_map_list(const Schema& schema, const base::Array& list, const std::string& path,
                    std::vector<FieldError>& out) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].is_object() || list[i].is_null()) continue;
    out.push_back(
        invalid_field(rules::index(path, i), list[i], "must be an object for an array of list-type map"));
    return;
  }
  std::vector<std::string> keys;
  std::vector<Value> shown;
  for (const Value& item : list) {
    base::Object key;
    for (const std::string& name : schema.list_map_keys)
      if (const Value* value = item.as_object().find(name)) key.append(name, *value);
    shown.emplace_back(std::move(key));
    keys.push_back(canonical(shown.back()));
  }
  for (const size_t i : find_doubles(keys)) out.push_back(duplicate_field(rules::index(path, i), shown[i]));
}

// ---- embedded resources -------------------------------------------------------------------------------------------

void check_embedded_version(const Value& version, const std::string& at, std::vector<FieldError>& out) {
  if (!version.is_string()) {
    out.push_back(invalid_field(at, version, "must be a string"));
  } else if (version.as_string().empty()) {
    out.push_back(invalid_field(at, version, "must not be empty"));
  } else if (const auto parts = base::split(version.as_string(), '/'); parts.size() > 2) {
    out.push_back(
        invalid_field(at, version, fmt::format("unexpected GroupVersion string: {}", version.as_string())));
  }
}

void check_embedded_kind(const Value& kind, const std::string& at, std::vector<FieldError>& out) {
  if (!kind.is_string()) {
    out.push_back(invalid_field(at, kind, "must be a string"));
  } else if (kind.as_string().empty()) {
    out.push_back(invalid_field(at, kind, "must not be empty"));
  } else if (const auto wrong = base::check_dns1035_label(base::to_lower(kind.as_string())); !wrong.empty()) {
    out.push_back(
        invalid_field(at, kind, "may have mixed case, but should otherwise match: " + base::join(wrong, ",")));
  }
}

void check_embedded_metadata(const Value& metadata, const std::string& path, std::vector<FieldError>& out) {
  if (!metadata.is_object()) return;  // the schema's type is checked
  Value object = base::Object{{"metadata", metadata}};
  if (name_of(object).empty()) set_name(object, "fakename");
  Kind kind;
  kind.namespaced = !namespace_of(object).empty();
  rules::Problems problems;
  rules::check_metadata(problems, kind, object, rules::check_path_segment);
  for (FieldError& error : std::move(problems).take()) {
    error.field = rules::child(path, error.field);
    out.push_back(std::move(error));
  }
}

void check_embedded_object(const base::Object& object, const std::string& path, std::vector<FieldError>& out) {
  for (const char* name : {"apiVersion", "kind"})
    if (!object.contains(name)) out.push_back(required_field(rules::child(path, name)));
  if (const Value* version = object.find("apiVersion"))
    check_embedded_version(*version, rules::child(path, "apiVersion"), out);
  if (const Value* kind = object.find("kind")) check_embedded_kind(*kind, rules::child(path, "kind"), out);
  if (const Value* metadata = object.find("metadata")) check_embedded_metadata(*metadata, path, out);
}

// ---- the scale ----------------------------------------------------------------------------------------------------

std::vector<std::string> path_pieces(std::string_view path) {
  if (path.starts_with('.')) path.remove_prefix(1);
  return base::split(path, '.');
}

std::string go_type(const Value& value) {
  if (value.is_bool()) return "bool";
  if (value.is_string()) return "string";
  if (value.is_number()) return value.as_int() ? "int64" : "float64";
  if (value.is_array()) return "[]interface {}";
  return value.is_object() ? "map[string]interface {}" : "<nil>";
}

// The value at a path of names; null when it is not there. An error where something else stands on the way.
Result<const Value*> at_path(const Value& object, std::string_view path) {
  const Value* at = &object;
  std::string done;
  for (const std::string& name : path_pieces(path)) {
    if (at->is_null() && at != &object) return nullptr;
    const auto* members = at->if_object();
    if (!members)
      return base::fail(base::Reason::internal_error,
                        fmt::format("{} accessor error: {} is of the type {}, expected map[string]interface{{}}", done,
                                    at->is_string() ? std::string(at->as_string()) : base::write_json(*at), go_type(*at)));
    at = members->find(name);
    if (!at) return nullptr;
    done += "." + name;
  }
  return at;
}

Result<std::optional<int64_t>> count_at(const Value& object, std::string_view path) {
  TRY(const Value* found, at_path(object, path));
  if (!found) return std::nullopt;
  if (const auto number = found->as_int()) return *number;
  return base::fail(base::Reason::internal_error,
                    fmt::format(".{} accessor error: {} is of the type {}, expected int64",
                                base::join(path_pieces(path), "."),
                                found->is_string() ? std::string(found->as_string()) : base::write_json(*found),
                                go_type(*found)));
}

Result<std::string> text_at(const Value& object, std::string_view path) {
  TRY(const Value* found, at_path(object, path));
  if (!found) return "";
  if (found->is_string()) return std::string(found->as_string());
  return base::fail(base::Reason::internal_error,
                    fmt::format(".{} accessor error: {} is of the type {}, expected string",
                                base::join(path_pieces(path), "."), base::write_json(*found), go_type(*found)));
}

void check_replicas(const Value& object, const std::string& path, std::vector<FieldError>& out) {
  const auto count = count_at(object, path);
  if (!count) {
    out.push_back(invalid_field(path, 0, count.error().message));
  } else if (count->value_or(0) < 0) {
    out.push_back(invalid_field(path, **count, "should be a non-negative integer"));
  } else if (count->value_or(0) > std::numeric_limits<int32_t>::max()) {
    out.push_back(invalid_field(path, **count, "should be less than or equal to 2147483647"));
  }
}

void check_scale_paths(const ScalePaths& scale, const Value& object, std::vector<FieldError>& out) {
  check_replicas(object, scale.spec_replicas, out);
  check_replicas(object, scale.status_replicas, out);
  if (scale.label_selector.empty()) return;
  if (const auto text = text_at(object, scale.label_selector); !text)
    out.push_back(invalid_field(scale.label_selector, "", text.error().message));
}

std::vector<FieldError> check_any_custom(const Kind& kind, const Value& object, const Value* old) {
  std::vector<FieldError> out = check_value(*kind.schema, object, old);
  if (kind.scale) check_scale_paths(*kind.scale, object, out);
  check_embedded(*kind.schema, object, "", true, out);
  if (old) {
    std::vector<FieldError> before;
    check_list_types(*kind.schema, *old, "", before);
    if (!before.empty()) return out;
  }
  check_list_types(*kind.schema, object, "", out);
  return out;
}

}  // namespace

void check_list_types(const Schema& schema, const Value& value, const std::string& path,
                      std::vector<FieldError>& out) {
  if (const auto* list = value.if_array()) {
    if (schema.list_type == Schema::ListType::set) check_set(*list, path, out);
    if (schema.list_type == Schema::ListType::map) check_map_list(schema, *list, path, out);
    if (!schema.items || schema.type == Schema::Type::map || !schema.items->rules) return;
    for (size_t i = 0; i < list->size(); ++i)
      check_list_types(*schema.items, (*list)[i], rules::index(path, i), out);
    return;
  }
  for (const auto& [name, member] : value.as_object()) {
    if (!member.is_object() && !member.is_array()) continue;
    bool known = false;
    const Schema* inner = member_schema(schema, name, known);
    if (!inner || !inner->rules) continue;
    const bool of_map = schema.type == Schema::Type::map && !schema.find(name);
    check_list_types(*inner, member, of_map ? rules::key(path, name) : rules::child(path, name), out);
  }
}

void check_embedded(const Schema& schema, const Value& value, const std::string& path, bool root,
                    std::vector<FieldError>& out) {
  if (const auto* list = value.if_array()) {
    if (!schema.items || schema.type == Schema::Type::map || !schema.items->rules) return;
    for (size_t i = 0; i < list->size(); ++i)
      check_embedded(*schema.items, (*list)[i], rules::index(path, i), false, out);
    return;
  }
  const auto* object = value.if_object();
  if (!object) return;
  if (schema.embedded_resource && !root) check_embedded_object(*object, path, out);
  for (const auto& [name, member] : *object) {
    if (!member.is_object() && !member.is_array()) continue;
    bool known = false;
    const Schema* inner = member_schema(schema, name, known);
    if (!inner || !inner->rules) continue;
    const bool of_map = schema.type == Schema::Type::map && !schema.find(name);
    check_embedded(*inner, member, of_map ? rules::key(path, name) : rules::child(path, name), false, out);
  }
}

std::vector<FieldError> check_custom(const Kind& kind, const Value& object) {
  return check_any_custom(kind, object, nullptr);
}

std::vector<FieldError> check_custom_update(const Kind& kind, const Value& fresh, const Value& old) {
  return check_any_custom(kind, fresh, &old);
}

Result<Value> scale_of(const Kind& kind, const Value& object) {
  if (!kind.scale) return base::fail(base::Reason::internal_error, kind.kind + " has no scale subresource");
  const ScalePaths& paths = *kind.scale;
  TRY(const auto wanted, count_at(object, paths.spec_replicas));
  if (!wanted)
    return base::fail(base::Reason::internal_error,
                      fmt::format("Internal error occurred: the spec replicas field {} does not exist",
                                  base::quote(paths.spec_replicas)));
  TRY(const auto present, count_at(object, paths.status_replicas));
  base::Object metadata;
  for (const char* name : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"})
    if (const Value& value = object["metadata"][name]; !value.is_null()) metadata.append(name, value);
  base::Object spec, status;
  if (*wanted != 0) spec.append("replicas", *wanted);
  status.append("replicas", present.value_or(0));
  if (!paths.label_selector.empty()) {
    TRY(const std::string selector, text_at(object, paths.label_selector));
    if (!selector.empty()) status.append("selector", selector);
  }
  return base::Object{{"kind", "Scale"},
                      {"apiVersion", "autoscaling/v1"},
                      {"metadata", std::move(metadata)},
                      {"spec", std::move(spec)},
                      {"status", std::move(status)}};
}

Result<void> set_scale(const Kind& kind, Value& object, int64_t replicas) {
  if (!kind.scale) return base::fail(base::Reason::internal_error, kind.kind + " has no scale subresource");
  Value* at = &object;
  for (const std::string& name : path_pieces(kind.scale->spec_replicas)) {
    if (!at->is_object() && !at->is_null())
      return base::fail(base::Reason::internal_error,
                        fmt::format("value cannot be set because {} is not an object", kind.scale->spec_replicas));
    at = &at->object()[name];
  }
  *at = replicas;
  return {};
}

}  // namespace api
