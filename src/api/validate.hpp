// Is this object one that the API may store? Checks after decoding and defaulting; nothing here allocates or looks at
// other objects. Pure functions; any thread.
//
// Source: the rules and texts of the Kubernetes API v1.36, which clients and conformance tests compare.
#pragma once

#include <string_view>
#include <vector>

#include "api/kinds.hpp"
#include "api/status.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

// Reason invalid with all that is wrong. metadata.name must be there already (generateName resolved).
base::Result<void> validate_create(const Kind& kind, const base::Value& object);
// `fresh` is to replace `old`. `subresource`: "" for the object itself, "status", "scale", ...
base::Result<void> validate_update(const Kind& kind, const base::Value& fresh, const base::Value& old,
                                   std::string_view subresource = "");

// The lists behind the two, for callers that add errors of their own (allocation) before they answer.
std::vector<FieldError> check_create(const Kind& kind, const base::Value& object);
std::vector<FieldError> check_update(const Kind& kind, const base::Value& fresh, const base::Value& old,
                                     std::string_view subresource = "");

// Warnings (Warning header) that upstream sends for an accepted object: deprecated fields and the like.
std::vector<std::string> warnings_for(const Kind& kind, const base::Value& object);

}  // namespace api
