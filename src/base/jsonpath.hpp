// kubectl's JSONPath templates: `{.items[*].metadata.name}`, `{range .items[*]}{.x}{"\n"}{end}`, filters
// `[?(@.type=="Ready")]`, slices, wildcards, recursive descent, `\.` in names. Pure; any thread.
//
// Source: k8s.io/client-go/util/jsonpath and the kubectl reference page on JSONPath support.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/value.hpp"

namespace base {

// Evaluates the template over the value. A missing key gives nothing when `allow_missing`, else an error.
Result<std::string> evaluate_jsonpath(std::string_view text, const Value& value, bool allow_missing = true);
// As --sort-by and custom-columns take it: `.metadata.name`, `{.metadata.name}`, `metadata.name` -> a template.
std::string relaxed_jsonpath(std::string_view text);
// The values that the relaxed path selects.
Result<Array> select_jsonpath(std::string_view text, const Value& value);

// A value as the templates print it: texts as they are, the rest as JSON with sorted members.
std::string jsonpath_text(const Value& value);

}  // namespace base
