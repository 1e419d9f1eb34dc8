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
bool has_protobuf(const Schema& schema);

// The object as JSON would hold it, with the apiVersion and kind of the envelope (which may be empty, or
// another kind's: the caller checks them). Zero values of fields to which zero means absent are left out.
// bad_request on malformed bytes.
base::Result<base::Value> decode_protobuf(const Kind& kind, std::string_view bytes);

// --- Writing (protobuf_writer.cpp). `json` must follow the schema (decode_object made it so); unknown
// members are left out. The JSON text becomes protobuf in one pass: nothing is built between. False when it
// is no JSON or does not follow the schema; then `out` holds rubbish.

// The message alone, without length or envelope, appended.
bool append_message(std::string& out, const Schema& schema, std::string_view json);
// The same as field `number` of an outer message: an item of a list.
bool append_message_field(std::string& out, int number, const Schema& schema, std::string_view json);
// A field of bytes or text.
void append_bytes_field(std::string& out, int number, std::string_view bytes);
void append_number_field(std::string& out, int number, int64_t value);

// The envelope around a message of `size` bytes: what stands before it, and after.
std::string envelope_head(std::string_view api_version, std::string_view kind, size_t size);
std::string_view envelope_tail();

// A whole object in its envelope. internal_error when the text does not follow the schema.
base::Result<std::string> transcode_protobuf(const Kind& kind, std::string_view json);
std::string encode_protobuf(const Kind& kind, const base::Value& object);

}  // namespace api
