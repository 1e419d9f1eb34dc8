// gzip in both directions, for answers and for documents that are kept small. Pure functions; any thread.
//
// Source: RFC 1952, by way of zlib.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace base {

// All pieces, one after the other, as one member. Level 1 is quick, 9 is small.
std::string gzip(std::span<const std::string_view> pieces, int level);
std::string gzip(std::string_view text, int level);
// bad_request when it is no gzip, or would be longer than `max_bytes`.
Result<std::string> gunzip(std::string_view bytes, size_t max_bytes = 64u << 20);

}  // namespace base
