// The OpenAPI v2 (Swagger) document of all kinds together, for clients from before v3: kubectl up to 1.28
// validates with it, code generators read it. Made of the v3 documents, one group version after the other, so
// that only the text is ever whole in memory. Pure; any thread.
//
// Source: OpenAPI 2.0 as kube-apiserver publishes it; the messages of github.com/google/gnostic openapi_v2
// for protobuf.
#pragma once

#include <string>
#include <string_view>

#include "api/kinds.hpp"
#include "base/value.hpp"

namespace api {

enum class OpenApiForm { json, protobuf };

inline constexpr std::string_view kOpenApiV2Protobuf =
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
// What clients ask for before Kubernetes 1.21 knew that @ may stand in a media type.
inline constexpr std::string_view kOpenApiV2ProtobufOld =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

// `version`: of the server, for info.version.
std::string make_openapi_v2(const Registry& registry, OpenApiForm form, std::string_view version);

}  // namespace api
