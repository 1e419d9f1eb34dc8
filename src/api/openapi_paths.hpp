// The paths of an OpenAPI v3 document: which operations a kind has, and what each takes and answers. Pure; any thread.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "api/kinds.hpp"
#include "base/value.hpp"

namespace api {

// Adds all paths of one kind. `key` and `list_key` are the kind's own under components/schemas; `wanted` gets those that
// operations refer to beyond them.
void add_paths(base::Object& paths, std::set<std::string>& wanted, const Registry& registry, const Kind& kind,
               const std::string& key, const std::string& list_key);

// {"group", "kind", "version"}.
base::Value gvk_value(std::string_view group, std::string_view version, std::string_view kind);

}  // namespace api
