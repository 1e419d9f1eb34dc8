// What every fallible function returns: a value, or an Error whose reason is a Kubernetes status reason, so that an
// error met deep in the store reaches kubectl with the right HTTP code. Values; no threading of their own.
//
// Source: metav1.StatusReason and metav1.Status of the Kubernetes API. The HTTP codes are in api/status.hpp.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace base {

enum class Reason : uint8_t {
  unknown,
  unauthorized,
  forbidden,
  not_found,
  already_exists,
  conflict,
  gone,
  invalid,
  server_timeout,
  timeout,
  too_many_requests,
  bad_request,
  method_not_allowed,
  not_acceptable,
  request_entity_too_large,
  unsupported_media_type,
  internal_error,
  expired,
  service_unavailable,
};

// The reason as the API spells it ("NotFound", ...); "" for unknown.
std::string_view reason_name(Reason reason);
Reason reason_from_name(std::string_view name);

// One of the causes of an Invalid or Conflict status: `reason` as the API spells it ("FieldValueInvalid", ...).
struct Cause {
  std::string reason;
  std::string message;
  std::string field;
};

// metav1.StatusDetails.
struct ErrorDetails {
  std::string name;
  std::string group;
  std::string kind;  // upstream puts the resource name here for most errors ("services")
  std::string uid;
  std::vector<Cause> causes;
  int retry_after_seconds = 0;
};

struct [[nodiscard]] Error {
  Reason reason = Reason::internal_error;
  std::string message;
  std::shared_ptr<const ErrorDetails> details;  // may be null

  // Adds where it happened in front of the message: once per module border.
  Error wrap(std::string_view context) && {
    message = std::string(context) + ": " + message;
    return std::move(*this);
  }
};

template <class T>
using Result = std::expected<T, Error>;

// Makes the error side of a Result: `return base::fail(base::Reason::not_found, "no such image")`.
inline std::unexpected<Error> fail(Reason reason, std::string message,
                                   std::shared_ptr<const ErrorDetails> details = nullptr) {
  return std::unexpected(Error{reason, std::move(message), std::move(details)});
}

// The error of an errno value: `open /x: No such file or directory`. Reason internal_error, but not_found for ENOENT.
Error errno_error(std::string_view what, int errno_value);

}  // namespace base

#define SAMPAN_CONCAT_(a, b) a##b
#define SAMPAN_CONCAT(a, b) SAMPAN_CONCAT_(a, b)

// TRY(auto x, f()): x is the value of f(), or the function returns f()'s error.
#define TRY(declaration, ...) SAMPAN_TRY_(SAMPAN_CONCAT(try_result_, __COUNTER__), declaration, __VA_ARGS__)
#define SAMPAN_TRY_(result, declaration, ...)                             \
  auto result = (__VA_ARGS__);                                            \
  if (!result) return std::unexpected(std::move(result).error());         \
  declaration = std::move(*result)

// CHECK_OK(f()): the function returns f()'s error, if there is one.
#define CHECK_OK(...)                                                                \
  do {                                                                               \
    if (auto check_ok_result = (__VA_ARGS__); !check_ok_result)                      \
      return std::unexpected(std::move(check_ok_result).error());                    \
  } while (false)
