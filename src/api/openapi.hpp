// OpenAPI v3 documents, one per group version, made from the registry: for kubectl's create, apply and explain, and for
// client generators. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "api/kinds.hpp"
#include "base/value.hpp"

namespace api {

// components/schemas with the kinds of the group version and all types that they use; paths with every operation.
base::Value make_openapi_v3(const Registry& registry, std::string_view group, std::string_view version);

// "io.k8s.api.core.v1.Service": the key under components/schemas.
std::string openapi_name(std::string_view group, std::string_view version, std::string_view type);

}  // namespace api
