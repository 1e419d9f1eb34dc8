// Objects in the protobuf form of the Kubernetes API: the four bytes `k8s\0`, then runtime.Unknown around the
// message whose field numbers are in the schema. For untrusted bytes: every length is checked before use.
// Pure; any thread.
//
// Source: protobuf's encoding, and apimachinery's runtime.Unknown.
#pragma once

#include <string>
#include <string_view>

#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

inline constexpr std::string_view kProtobufMediaType = "application/vnd.kubernetes.protobuf";

// Whether the kind's schema has field numbers: custom kinds have none.
bool has_protobuf(const Kind& kind);

// The object as JSON would hold it, with the apiVersion and kind of the envelope (which may be empty, or
// another kind's: the caller checks them). Zero values of fields to which zero means absent are left out.
// bad_request on malformed bytes.
base::Result<base::Value> decode_protobuf(const Kind& kind, std::string_view bytes);

// `object` must follow the schema (decode_object made it so); unknown members are left out.
std::string encode_protobuf(const Kind& kind, const base::Value& object);

}  // namespace api
