// Points in time of all years that RFC 3339 has, for times that are only passed on: base::Time is made for reckoning and
// reaches from 1823 to 2116 only. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace base {

struct Instant {
  int64_t seconds = 0;  // since 1970
  int32_t nanos = 0;    // 0 to 999,999,999
  // Go's zero time, year 1: what metav1.Time writes as null.
  bool is_zero() const { return seconds == -62'135'596'800 && nanos == 0; }
};

// RFC 3339 with any fraction and offset; nothing outside of the years 0 to 9999 in UTC.
std::optional<Instant> parse_instant(std::string_view text);
// As metav1.Time, or with six digits as metav1.MicroTime. Years outside of 0 to 9999 must not be given.
std::string format_instant(Instant instant, bool micro);
bool is_formattable(Instant instant);

}  // namespace base
