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

// The same for members one after the other: objects have theirs in the schema's order, so the next one is
// near.
class MemberSchemas {
 public:
  explicit MemberSchemas(const Schema* schema)
      : schema_(schema), ordered_(schema && schema->type == Schema::Type::object) {}

  MemberSchema of(std::string_view name) {
    if (!ordered_) return member_schema(schema_, name);
    const auto& properties = schema_->properties;
    for (size_t i = next_; i < properties.size(); ++i) {
      if (properties[i].name != name) continue;
      next_ = i + 1;
      return {properties[i].schema.get(), &properties[i], true};
    }
    return member_schema(schema_, name);
  }

 private:
  const Schema* schema_;
  bool ordered_;
  size_t next_ = 0;
};

// The element of an associative list: [name="web"] or [="a"]. bad_request when its keys are missing.
base::Result<PathElement> element_of(const Schema& list, const base::Value& item);

// No object or list with members.
inline bool is_empty(const base::Value* value) {
  return !value || value->is_null() || (value->is_object() && value->if_object()->empty()) ||
         (value->is_array() && value->if_array()->empty());
}

}  // namespace api::fields
