// JSON text to and from Value: the parser for untrusted bodies (limits, duplicate keys, line numbers in errors) and the
// writer. Pure functions; any thread.
//
// Source: RFC 8259; the limits are those of the Kubernetes API server (nesting 10,000).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace base {

struct JsonLimits {
  int max_depth = 10'000;
  size_t max_bytes = 64u << 20;
};

struct ParsedJson {
  Value value;
  // Paths of keys that stood twice in one object, e.g. `spec.ports[0].port`; the last value won.
  std::vector<std::string> duplicate_keys;
};

// One JSON document. bad_request on anything else: bad syntax, invalid UTF-8, trailing text, too deep, too large.
Result<ParsedJson> parse_json_strictly(std::string_view text, const JsonLimits& limits = {});
// The same, for callers to whom a duplicate key does not matter.
Result<Value> parse_json(std::string_view text, const JsonLimits& limits = {});

// Compact, members in their order.
std::string write_json(const Value& value);
void append_json(std::string& out, const Value& value);
// Appends `text` as a quoted JSON string.
void append_json_string(std::string& out, std::string_view text);
// Indented by `indent` spaces, members sorted by key, as `kubectl get -o json` prints it (no final newline).
std::string write_json_pretty(const Value& value, int indent = 4);

}  // namespace base
