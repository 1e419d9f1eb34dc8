#include "base/result.hpp"

#include <array>
#include <cerrno>
#include <cstring>

namespace base {

namespace {

constexpr std::array<std::string_view, 19> kReasonNames = {
    "",
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "AlreadyExists",
    "Conflict",
    "Gone",
    "Invalid",
    "ServerTimeout",
    "Timeout",
    "TooManyRequests",
    "BadRequest",
    "MethodNotAllowed",
    "NotAcceptable",
    "RequestEntityTooLarge",
    "UnsupportedMediaType",
    "InternalError",
    "Expired",
    "ServiceUnavailable",
};
static_assert(kReasonNames.size() == static_cast<size_t>(Reason::service_unavailable) + 1);

}  // namespace

std::string_view reason_name(Reason reason) {
  auto index = static_cast<size_t>(reason);
  return index < kReasonNames.size() ? kReasonNames[index] : std::string_view{};
}

Reason reason_from_name(std::string_view name) {
  for (size_t i = 1; i < kReasonNames.size(); ++i)
    if (kReasonNames[i] == name) return static_cast<Reason>(i);
  return Reason::unknown;
}

Error errno_error(std::string_view what, int errno_value) {
  char buffer[128];
  std::string message(what);
  message += ": ";
  message += strerror_r(errno_value, buffer, sizeof buffer);
  return Error{errno_value == ENOENT ? Reason::not_found : Reason::internal_error, std::move(message), nullptr};
}

}  // namespace base
