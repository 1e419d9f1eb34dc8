#include "api/convert.hpp"

#include <fmt/format.h>

#include "api/meta.hpp"

namespace api {

base::Result<base::Value> convert(const Kind& from, const Kind& to, base::Value object) {
  if (from.custom && to.custom) {
    set_type(object, to);
    return object;
  }
  return base::fail(base::Reason::internal_error,
                    fmt::format("no conversion from {} {} to {}", from.api_version(), from.kind, to.api_version()));
}

std::string convert_field(const Kind& /*from*/, const Kind& /*to*/, std::string_view field) { return std::string(field); }

}  // namespace api
