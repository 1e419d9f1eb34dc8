#include "api/field_set_schema.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/field_set_shape.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Result;
using base::Value;
using Type = Schema::Type;

namespace fields {

bool is_associative(const Schema& list) {
  if (list.list_type == Schema::ListType::none) return list.patch_merge;
  return list.list_type != Schema::ListType::atomic;
}

Shape shape_of(const Schema* schema, const Value* value) {
  bool absent = !value || value->is_null();
  if (!schema || schema->type == Type::any) return !absent && value->is_object() ? Shape::map : Shape::leaf;
  switch (schema->type) {
    case Type::object:
    case Type::map:
      return schema->atomic_map || (!absent && !value->is_object()) ? Shape::leaf : Shape::map;
    case Type::array:
      return !is_associative(*schema) || (!absent && !value->is_array()) ? Shape::leaf : Shape::list;
    default:
      return Shape::leaf;
  }
}

MemberSchema member_schema(const Schema* schema, std::string_view name) {
  if (!schema || schema->type == Type::any) return {};
  if (schema->type == Type::map) return {schema->items.get(), nullptr, true};
  if (const auto* property = schema->find(name)) return {property->schema.get(), property, true};
  return {nullptr, nullptr, schema->keeps_unknown};
}

namespace {

// The keys that tell elements apart; none for a set.
std::vector<std::string> keys_of(const Schema& list) {
  if (list.list_type == Schema::ListType::map) return list.list_map_keys;
  if (list.list_type == Schema::ListType::none && !list.patch_merge_key.empty())
    return {list.patch_merge_key};
  return {};
}

base::Error bad_element(std::string what) { return {base::Reason::bad_request, std::move(what), nullptr}; }

// As Go prints a list of quoted texts.
std::string quoted_list(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const auto& name : names) out += (out.size() > 1 ? " " : "") + base::quote(name);
  return out + "]";
}

const Value& default_of(const Schema& items, std::string_view key) {
  static const Value kNone;
  const auto* property = items.find(key);
  if (!property) return kNone;
  return property->default_value.is_null() ? property->schema->default_value : property->default_value;
}

Result<PathElement> keyed_element(const Schema& list, const std::vector<std::string>& names,
                                  const Value& item) {
  if (item.is_null())
    return std::unexpected(bad_element("associative list with keys may not have a null element"));
  if (!item.is_object())
    return std::unexpected(bad_element("associative list with keys may not have non-map elements"));
  base::Object keys;
  for (const auto& name : names) {
    const Value* value = item.if_object()->find(name);
    if (!value && list.items) value = &default_of(*list.items, name);
    if (value && !value->is_null()) keys.append(name, *value);
  }
  if (keys.empty()) {
    return std::unexpected(bad_element(fmt::format(
        "associative list with keys has an element that omits all key fields {} (and doesn't have "
        "default values for any key fields)",
        quoted_list(names))));
  }
  return PathElement::key(std::move(keys));
}

}  // namespace

Result<PathElement> element_of(const Schema& list, const Value& item) {
  if (auto names = keys_of(list); !names.empty()) return keyed_element(list, names, item);
  if (item.is_object())
    return std::unexpected(bad_element("associative list without keys has an element that's a map type"));
  if (item.is_array())
    return std::unexpected(bad_element("not supported: associative list with lists as elements"));
  if (item.is_null())
    return std::unexpected(
        bad_element("associative list without keys has an element that's an explicit null"));
  return PathElement::value(item);
}

}  // namespace fields

using fields::Shape;

// --- The fields of one object

namespace {

// True when the value is a field itself: a leaf.
bool collect(const Value& value, const Schema* schema, int depth, FieldSet& out) {
  Shape shape = fields::shape_of(schema, &value);
  if (shape == Shape::leaf || depth >= FieldSet::kMaxDepth) return true;
  if (shape == Shape::map) {
    fields::MemberSchemas schemas(schema);
    for (const auto& [name, member] : value.as_object()) {
      auto below = schemas.of(name);
      FieldSet::Node node{PathElement::field(name), false, FieldSet()};
      bool leaf = collect(member, below.schema, depth + 1, node.children);
      bool bare = member.is_null() || (member.is_object() && member.if_object()->empty());
      node.member = leaf || bare || !below.property;
      out.append(std::move(node));
    }
    out.sort();
    return false;
  }
  // Elements that stand several times are owned as a whole.
  for (const auto& item : value.as_array()) {
    auto element = fields::element_of(*schema, item);
    if (!element) continue;
    FieldSet::Node node{std::move(*element), true, FieldSet()};
    collect(item, schema->items.get(), depth + 1, node.children);
    out.append(std::move(node));
  }
  auto nodes = out.nodes();
  std::ranges::sort(nodes, [](const auto& a, const auto& b) { return a.element.compare(b.element) < 0; });
  for (size_t i = 1; i < nodes.size(); ++i) {
    if (!(nodes[i - 1].element == nodes[i].element)) continue;
    nodes[i - 1].children = FieldSet();
    nodes[i].children = FieldSet();
  }
  out.sort();
  return false;
}

}  // namespace

FieldSet fields_of(const Value& value, const Schema* schema) {
  FieldSet out;
  collect(value, schema, 0, out);
  return out;
}

// --- Taking away

void remove_fields(Value& value, const FieldSet& fields, const Schema* schema) {
  Shape shape = fields::shape_of(schema, &value);
  if (value.is_null()) return;
  if (shape == Shape::leaf) {
    // Below an atomic part there is nothing to take: upstream takes it whole.
    if (value.is_object() || value.is_array()) value = Value();
    return;
  }
  if (shape == Shape::map) {
    base::Object kept;
    for (auto& [name, member] : *value.if_object()) {
      const auto* node = fields.find(PathElement::field(name));
      if (node && node->member) continue;
      if (node) remove_fields(member, node->children, fields::member_schema(schema, name).schema);
      kept.append(std::move(name), std::move(member));
    }
    value = kept.empty() ? Value() : Value(std::move(kept));
    return;
  }
  base::Array kept;
  for (auto& item : *value.if_array()) {
    auto element = fields::element_of(*schema, item);
    const auto* node = element ? fields.find(*element) : nullptr;
    if (node && node->member) continue;
    if (node) remove_fields(item, node->children, schema->items.get());
    kept.push_back(std::move(item));
  }
  value = kept.empty() ? Value() : Value(std::move(kept));
}

void add_named_parents(FieldSet& fields, const Schema* schema) {
  using Kind = PathElement::Kind;
  for (auto& node : fields.nodes()) {
    if (node.children.empty()) continue;
    const Schema* below = nullptr;
    if (node.element.kind() == Kind::field && schema && schema->type != Type::array) {
      auto member = fields::member_schema(schema, node.element.name());
      if (member.property) node.member = true;
      below = member.schema;
    } else if (node.element.kind() == Kind::key && schema && schema->type == Type::array) {
      below = schema->items.get();
    }
    add_named_parents(node.children, below);
  }
}

bool fit_to_schema(FieldSet& fields, const Schema* schema) {
  if (!schema || schema->type == Type::any) return false;
  bool changed = false;
  for (auto& node : fields.nodes()) {
    if (node.children.empty()) continue;
    const Schema* below = nullptr;
    if (schema->type == Type::array) {
      below = schema->items.get();
    } else if (node.element.kind() == PathElement::Kind::field) {
      below = fields::member_schema(schema, node.element.name()).schema;
    }
    if (!below) continue;
    bool atomic = below->type == Type::array
                      ? !fields::is_associative(*below)
                      : (below->type == Type::object || below->type == Type::map) && below->atomic_map;
    if (atomic) {
      node.children = FieldSet();
      node.member = true;
      changed = true;
    } else {
      changed |= fit_to_schema(node.children, below);
    }
  }
  return changed;
}

// --- Checking

namespace {

class Checker {
 public:
  explicit Checker(bool duplicates) : duplicates_(duplicates) {}

  void check(const Value& value, const Schema* schema, int depth) {
    if (value.is_null() || depth >= FieldSet::kMaxDepth || !schema || schema->type == Type::any) return;
    switch (schema->type) {
      case Type::object:
      case Type::map:
        if (!value.is_object()) return mismatch("map", value);
        return check_members(*value.if_object(), *schema, depth);
      case Type::array:
        if (!value.is_array()) return mismatch("list", value);
        return check_items(*value.if_array(), *schema, depth);
      case Type::integer:
      case Type::number:
        if (!value.is_number()) note("expected numeric (int or float), got " + go_type(value));
        return;
      case Type::boolean:
        if (!value.is_bool()) mismatch("boolean", value);
        return;
      case Type::string:
      case Type::bytes:
        if (!value.is_string()) note("expected string, got " + go_syntax(value));
        return;
      default:
        if (value.is_object() || value.is_array()) mismatch("any scalar", value);
    }
  }

  Result<void> result() const {
    if (errors_.empty()) return {};
    std::string text;
    if (errors_.size() == 1) {
      text = errors_[0];
    } else {
      text = "errors:";
      for (const auto& error : errors_) text += "\n  " + error;
    }
    return base::fail(base::Reason::bad_request, std::move(text));
  }

 private:
  static constexpr size_t kMaxErrors = 32;

  void check_members(const base::Object& object, const Schema& schema, int depth) {
    fields::MemberSchemas schemas(&schema);
    for (const auto& [name, member] : object) {
      auto below = schemas.of(name);
      size_t size = path_.size();
      path_ += "." + name;
      if (below.known) {
        check(member, below.schema, depth + 1);
      } else {
        note("field not declared in schema");
      }
      path_.resize(size);
    }
  }

  void check_items(const base::Array& items, const Schema& schema, int depth) {
    bool associative = fields::is_associative(schema);
    std::vector<PathElement> seen;
    for (size_t i = 0; i < items.size(); ++i) {
      PathElement element = PathElement::index(static_cast<int64_t>(i));
      if (associative) {
        auto made = fields::element_of(schema, items[i]);
        if (!made) return note(fmt::format("element {}: {}", i, made.error().message));
        element = std::move(*made);
        if (!duplicates_) seen.push_back(element);
      }
      size_t size = path_.size();
      path_ += element.text();
      check(items[i], schema.items.get(), depth + 1);
      path_.resize(size);
    }
    std::ranges::sort(seen, [](const auto& a, const auto& b) { return a.compare(b) < 0; });
    for (size_t i = 1; i < seen.size(); ++i)
      if (seen[i - 1] == seen[i]) note("duplicate entries for key " + seen[i].text());
  }

  static std::string go_type(const Value& value) {
    if (value.is_string()) return "string";
    if (value.is_bool()) return "bool";
    if (value.is_number()) return value.as_int() ? "int64" : "float64";
    return value.is_array() ? "[]interface {}" : "map[string]interface {}";
  }
  static std::string go_syntax(const Value& value) {
    if (value.is_number())
      return fmt::format("&value.valueUnstructured{{Value:{}}}", base::write_json(value));
    return fmt::format("&value.valueUnstructured{{Value:{}}}",
                       value.is_bool() ? base::write_json(value) : go_type(value) + "{...}");
  }
  void mismatch(std::string_view expected, const Value& value) {
    note(fmt::format("expected {}, got &{{{}}}", expected,
                     value.is_string() ? std::string(value.as_string()) : base::write_json(value)));
  }
  void note(std::string what) {
    if (errors_.size() < kMaxErrors) errors_.push_back(path_.empty() ? what : path_ + ": " + what);
  }

  bool duplicates_;
  std::string path_;
  std::vector<std::string> errors_;
};

}  // namespace

Result<void> check_fields(const Value& value, const Schema* schema, bool duplicates) {
  Checker checker(duplicates);
  checker.check(value, schema, 0);
  return checker.result();
}

}  // namespace api
