// Errors as the API writes them: metav1.Status bodies, HTTP codes, and the exact texts that clients compare.
// Pure functions over values; any thread.
//
// Source: apimachinery's api/errors and util/validation/field: the messages are part of the API's behaviour.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

// The HTTP code that belongs to a reason: 404 for not_found, 422 for invalid, 500 for what has none.
int http_code(base::Reason reason);
// The reason that a client assumes for an answer which is no Status.
base::Reason reason_of_http_code(int code);

// A metav1.Status "Failure". A missing message, group or kind leaves its member out.
base::Value make_status(const base::Error& error);
// A metav1.Status "Success", as DELETE answers it.
base::Value make_success_status(std::string_view name, std::string_view group, std::string_view resource,
                                std::string_view uid);
// What a client makes of an answer: `status` may be any body, also one that is no Status.
base::Error error_from_status(const base::Value& status, int code);

// `resource` may be plain ("services") or with its group ("deployments.apps").
base::Error not_found(std::string_view resource, std::string_view name);
base::Error already_exists(std::string_view resource, std::string_view name);
// 409. The text without `why` is the one for a stale resourceVersion.
base::Error conflict(std::string_view resource, std::string_view name, std::string_view why = "");
base::Error forbidden(std::string_view resource, std::string_view name, std::string_view why);
base::Error bad_request(std::string message);
base::Error method_not_supported(std::string_view resource, std::string_view verb);
base::Error too_many_requests(std::string message, int retry_after_seconds);
// 410 for a watch or a continue token whose revision is compacted.
base::Error expired(std::string message);

// One thing that is wrong with one field.
struct FieldError {
  enum class Type : uint8_t {
    not_found, required, duplicate, invalid, not_supported, forbidden, too_long, too_many, internal, type_invalid
  };
  Type type = Type::invalid;
  std::string field;   // spec.ports[0].port
  base::Value value;   // what was there; not printed for required, forbidden and too_long
  std::string detail;  // "must be between 1 and 65535, inclusive"

  // `spec.ports[0].port: Invalid value: 70000: must be ...`
  std::string text() const;
  // The same without the field in front: the message of a cause.
  std::string body() const;
  // "FieldValueInvalid", ...
  std::string_view cause_reason() const;
};

FieldError required_field(std::string field, std::string detail = "");
FieldError invalid_field(std::string field, base::Value value, std::string detail);
FieldError duplicate_field(std::string field, base::Value value);
FieldError forbidden_field(std::string field, std::string detail);
FieldError not_found_field(std::string field, base::Value value);
// `supported` are listed in the order given, each in quotes.
FieldError unsupported_field(std::string field, base::Value value, std::vector<std::string> supported);
FieldError too_long_field(std::string field, size_t max_bytes);
FieldError too_many_field(std::string field, size_t actual, size_t max);

// 422: `Service "x" is invalid: ...` with one cause per error. `kind` is the kind, not the resource.
base::Error invalid(std::string_view group, std::string_view kind, std::string_view name,
                    const std::vector<FieldError>& errors);

}  // namespace api
