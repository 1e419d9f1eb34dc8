// links: base api
// Three JSON documents, one a line: metadata.managedFields, the object that is stored, a configuration (or a new state of
// the object). Whatever they are, nothing may crash; a set of fields that could be read is written as it was read; what
// an apply has made can be applied again and changes nothing.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/apply.hpp"
#include "api/field_set_schema.hpp"
#include "base/json.hpp"

namespace {

using base::Value;

api::SchemaPtr make(api::Schema::Type type) {
  auto schema = std::make_shared<api::Schema>();
  schema->type = type;
  return schema;
}

// All shapes that fields are divided by: lists by key and by value, atomic parts, maps, members without a schema.
const api::Kind& kind() {
  static const auto* kKind = [] {  // never freed: its schema is a cycle
    using Type = api::Schema::Type;
    auto out = std::make_shared<api::Schema>();
    out->type = Type::object;
    auto keyed = std::make_shared<api::Schema>();
    keyed->type = Type::array;
    keyed->items = out;  // lists in lists; a cycle, which is fine for a program of one run
    keyed->list_type = api::Schema::ListType::map;
    keyed->list_map_keys = {"n", "m"};
    auto set = std::make_shared<api::Schema>();
    set->type = Type::array;
    set->items = make(Type::string);
    set->list_type = api::Schema::ListType::set;
    auto map = std::make_shared<api::Schema>();
    map->type = Type::map;
    map->items = make(Type::string);
    auto atomic = std::make_shared<api::Schema>(*map);
    atomic->atomic_map = true;
    auto number = std::make_shared<api::Schema>();
    number->type = Type::integer;
    auto add = [&](const char* name, api::SchemaPtr schema, bool keeps_zero) {
      api::Schema::Property property;
      property.name = name;
      property.schema = std::move(schema);
      property.keeps_zero = keeps_zero;
      out->properties.push_back(std::move(property));
    };
    add("apiVersion", make(Type::string), false);
    add("kind", make(Type::string), false);
    add("metadata", make(Type::any), false);
    add("n", make(Type::string), false);
    add("m", number, false);
    add("l", keyed, true);
    add("s", set, false);
    add("o", out, false);
    add("a", atomic, false);
    add("p", map, false);
    add("x", make(Type::any), false);
    auto* kind = new api::Kind();
    kind->version = "v1";
    kind->kind = "K";
    kind->schema = out;
    return kind;
  }();
  return *kKind;
}

void typed(Value& object) {
  object.object().set("apiVersion", "v1");
  object.object().set("kind", "K");
  auto& metadata = object.object()["metadata"];
  if (!metadata.is_object()) metadata = base::Object();
  metadata.object().erase("managedFields");
}

bool has_null(const Value& value) {
  for (const auto& [name, member] : value.as_object())
    if (member.is_null() || has_null(member)) return true;
  for (const auto& item : value.as_array())
    if (item.is_null() || has_null(item)) return true;
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const base::JsonLimits limits{.max_depth = 400, .max_bytes = 256u << 10};
  base::Result<Value> documents[3];
  for (auto& document : documents) {
    size_t line = input.find('\n');
    document = base::parse_json(input.substr(0, line), limits);
    if (!document) return 0;
    input = line == std::string_view::npos ? "null" : input.substr(line + 1);
  }
  const Value& list = *documents[0];
  if (auto set = api::FieldSet::from_value(list)) {
    auto again = api::FieldSet::from_value(set->to_value());
    if (!again || *again != *set) std::abort();
  }
  if (auto entries = api::read_managed_fields(list)) {
    auto again = api::read_managed_fields(api::write_managed_fields(*entries));
    if (!again || again->size() != entries->size()) std::abort();
  }
  Value live = *documents[1], config = *documents[2];
  if (!live.is_object() || !config.is_object()) return 0;
  typed(live);
  typed(config);
  if (!api::check_fields(live, kind().schema.get(), true)) return 0;
  if (list.is_array()) api::set_managed_fields(live, list);
  api::FieldRules rules;
  rules.kind = &kind();
  rules.find = [](std::string_view) { return api::KindPtr(); };
  api::FieldWriter writer{"kubectl", "", {}};
  Value fresh = config;
  if (api::check_fields(fresh, kind().schema.get(), true)) api::track_update(rules, writer, live, fresh);
  auto applied = api::apply_config(rules, writer, live, config, true);
  if (applied && applied->unchanged) {
    applied->managed_fields = live["metadata"]["managedFields"];
    applied->object = live;
    api::set_managed_fields(applied->object, {});
  }
  if (!applied || has_null(live) || has_null(config) || has_null(applied->object)) return 0;
  Value stored = applied->object;
  api::set_managed_fields(stored, applied->managed_fields);
  auto again = api::apply_config(rules, writer, stored, config, false);
  if (!again) std::abort();
  if (again->unchanged) return 0;
  if (again->object != applied->object || again->managed_fields != applied->managed_fields) std::abort();
  return 0;
}
