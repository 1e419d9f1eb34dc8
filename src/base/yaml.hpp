// YAML to and from Value, by the rules that Kubernetes clients expect: YAML 1.1 scalars as Go's yaml reads them,
// duplicate keys refused, aliases within a budget. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace base {

struct YamlLimits {
  size_t max_bytes = 16u << 20;
  int max_depth = 500;  // each level is read on the stack
  size_t max_nodes = 1'000'000;  // after alias expansion
};

// All documents of a stream; empty documents are left out. bad_request with a line number on bad syntax, a duplicate
// key, a non-string key that JSON cannot hold, or a limit.
Result<std::vector<Value>> parse_yaml_stream(std::string_view text, const YamlLimits& limits = {});
// Exactly one document.
Result<Value> parse_yaml(std::string_view text, const YamlLimits& limits = {});

// Block style with two spaces, members sorted by key, lists not indented, strings quoted when they would be read back
// as something else: what `kubectl get -o yaml` prints. Ends with a newline.
std::string write_yaml(const Value& value);

}  // namespace base
