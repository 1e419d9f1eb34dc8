// What a schema says of one value for the division into fields; shared by field_set_*.cpp only. Pure; any
// thread.
#pragma once

#include <string_view>

#include "api/field_set.hpp"
#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace api::fields {

enum class Shape { leaf, map, list };

// Of a value under the schema; `value` may be null (absent), then the schema alone decides.
Shape shape_of(const Schema* schema, const base::Value* value);

// A list whose elements are known by keys or by their value.
bool is_associative(const Schema& list);

// The schema of the member; `named`: it is a property, not the key of a map. `known`: the schema has room for
// it.
struct MemberSchema {
  const Schema* schema = nullptr;
  const Schema::Property* property = nullptr;
  bool known = true;
};
MemberSchema member_schema(const Schema* schema, std::string_view name);

// The element of an associative list: [name="web"] or [="a"]. bad_request when its keys are missing.
base::Result<PathElement> element_of(const Schema& list, const base::Value& item);

// No object or list with members.
inline bool is_empty(const base::Value* value) {
  return !value || value->is_null() || (value->is_object() && value->if_object()->empty()) ||
         (value->is_array() && value->if_array()->empty());
}

}  // namespace api::fields
