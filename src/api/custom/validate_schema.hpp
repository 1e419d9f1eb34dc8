// The rules for schemas in definitions, one function per file. Internal to src/api/custom; pure, any thread.
//
// Source: ValidateStructural, ValidateDefaults and ValidateCustomResourceDefinitionOpenAPISchema of apiextensions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/custom/rules.hpp"
#include "api/status.hpp"
#include "base/value.hpp"

namespace api::schemas {

// Nested deeper than kMaxSchemaDepth; nothing below may be called then.
bool is_too_deep(const base::Value& props);

// Every value has one type, and what restricts it stands beside it (validate_structural.cpp). Sorted by text.
std::vector<FieldError> check_structural(const base::Value& props, const std::string& path);
// The keywords one by one (validate_keywords.cpp).
std::vector<FieldError> check_keywords(const base::Value& props, const std::string& path);
// Defaults are values that their schemas allow (validate_defaults.cpp).
std::vector<FieldError> check_defaults(const base::Value& props, const std::string& path);

// The type of the place that ".spec.color" names, or why it names none.
base::Result<std::string_view> type_at_path(const base::Value& props, std::string_view json_path);

// Calls `visit` for a schema and every schema in it until it returns true; whether it did.
template <class Visit>
bool any_schema(const base::Value& props, const Visit& visit) {
  if (!props.is_object()) return false;
  if (visit(props)) return true;
  for (const char* name : {"items", "additionalProperties", "not"})
    if (any_schema(props[name], visit)) return true;
  for (const char* name : {"allOf", "anyOf", "oneOf"})
    for (const base::Value& one : props[name].as_array())
      if (any_schema(one, visit)) return true;
  for (const auto& member : props["properties"].as_object())
    if (any_schema(member.value, visit)) return true;
  return false;
}

}  // namespace api::schemas
