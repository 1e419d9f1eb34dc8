// How a plain YAML scalar is read, by the rules of go-yaml v2 (YAML 1.1 words, 0x/0o/0b/underscores, timestamps stay
// text), which are those of kubectl. Shared by the YAML reader and writer. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/value.hpp"

namespace base {

enum class YamlKind : uint8_t { string, null, boolean, integer, floating, infinite, timestamp, merge };

struct YamlScalar {
  YamlKind kind = YamlKind::string;
  Value value;  // null for the infinite, of which JSON has no form
};

// `text` as a plain scalar without tag.
YamlScalar resolve_yaml_scalar(std::string_view text);

// A double as Go's strconv.FormatFloat(d, 'g', -1, 64) writes it: 1e+06, 0.1, 100.5.
std::string format_go_float(double value);

}  // namespace base
