// From the body of a request to an object of a kind: JSON, YAML or protobuf, checked against the kind's
// schema field by field, unknown fields reported and pruned, members in the schema's order. Pure; any thread.
//
// Source: the decoders of apimachinery and the texts of the API server: clients compare both.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

// What is done about unknown and duplicate fields: nothing, a warning, or a refusal.
enum class FieldValidation { ignore, warn, strict };
// The query parameter fieldValidation: "" is Warn. Nothing for another text than Ignore, Warn, Strict.
std::optional<FieldValidation> parse_field_validation(std::string_view text);

struct ParsedBody {
  base::Value value;
  std::vector<std::string> duplicate_keys;
};

struct Decoded {
  base::Value object;                 // has apiVersion and kind, also when the body had not
  std::vector<std::string> warnings;  // for the Warning header
};

// The body as a value, by content type: JSON (also when none is given), YAML or protobuf.
// unsupported_media_type for another one, and for protobuf where the kind has no field numbers.
base::Result<ParsedBody> parse_body(const Kind& kind, std::string_view content_type, std::string_view body);

// Checks and cleans `parsed`: types, integer ranges, quantities, times and base64 against the schema; unknown
// fields are pruned, nulls dropped, members put into the order of the schema. Zero values of fields to which
// zero means absent are dropped too, as a Go server would. bad_request with upstream's text. With a registry,
// a kind that nobody serves is told from one that stands at the wrong URL.
// Objects of custom kinds are only pruned (their metadata is decoded): check_custom finds wrong types later.
base::Result<Decoded> decode_object(const Kind& kind, const base::Value& parsed,
                                    std::vector<std::string> duplicate_keys, FieldValidation validation,
                                    const Registry* registry = nullptr);

// One part of an object, as decode_object treats all of it: for metadata in objects of custom kinds. `unknown` (may be
// null) gets the paths of unknown fields, which begin with `path`.
base::Result<base::Value> decode_part(const Schema& schema, const base::Value& value, std::string path,
                                      std::vector<std::string>* unknown);

// Both in one: what a create or an update does with its body.
base::Result<Decoded> decode_body(const Registry& registry, const Kind& kind, std::string_view content_type,
                                  std::string_view body, FieldValidation validation = FieldValidation::warn);

// The name and namespace in the object against those of the URL. For a create the object may lack both.
base::Result<void> check_request_names(const base::Value& object, std::string_view name,
                                       std::string_view namespace_name, bool creating);

// Members into the order of the schema, at all depths; of maps into that of the alphabet. Nothing else
// changes.
void order_members(const Schema& schema, base::Value& value);

}  // namespace api
