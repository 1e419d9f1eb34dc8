#include "base/time.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <limits>

#include "base/instant.hpp"

namespace base {

namespace {

using std::chrono::nanoseconds;

using Seconds = std::chrono::sys_seconds;

constexpr int64_t kFirstSecond = -62'167'219'200, kLastSecond = 253'402'300'799;  // of the years 0 and 9999

std::string format_fields(Seconds seconds, int64_t nanos, int fraction_digits) {
  auto day = std::chrono::floor<std::chrono::days>(seconds);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(seconds - day);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                 clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (fraction_digits == 6) text += fmt::format(".{:06}", nanos / 1000);
  if (fraction_digits == 9) text += fmt::format(".{:09}", nanos);
  text += 'Z';
  return text;
}

std::string format_fields(Time time, int fraction_digits) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  int64_t nanos = time.time_since_epoch().count() % 1'000'000'000;
  return format_fields(seconds, nanos < 0 ? nanos + 1'000'000'000 : nanos, fraction_digits);
}

// Reads exactly `digits` digits at the front of `text`.
std::optional<int> take_number(std::string_view& text, size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<int64_t> take_fraction(std::string_view& text) {
  if (!take(text, '.') && !take(text, ',')) return 0;
  int64_t nanos = 0;
  int digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (digits < 9) nanos = nanos * 10 + (text.front() - '0');
    ++digits;
    text.remove_prefix(1);
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 9; ++digits) nanos *= 10;
  return nanos;
}

// Minutes east of UTC.
std::optional<int> take_offset(std::string_view& text) {
  if (take(text, 'Z') || take(text, 'z')) return 0;
  int sign = 0;
  if (take(text, '+')) sign = 1;
  else if (take(text, '-')) sign = -1;
  else return std::nullopt;
  auto hours = take_number(text, 2);
  if (!hours || *hours > 23 || !take(text, ':')) return std::nullopt;
  auto minutes = take_number(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  return sign * (*hours * 60 + *minutes);
}

}  // namespace

std::string format_time(Time time) { return format_fields(time, 0); }
std::string format_micro_time(Time time) { return format_fields(time, 6); }
std::string format_nano_time(Time time) { return format_fields(time, 9); }

std::optional<Instant> parse_instant(std::string_view text) {
  auto year = take_number(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  auto month = take_number(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  auto day = take_number(text, 2);
  if (!day || !(take(text, 'T') || take(text, 't'))) return std::nullopt;
  auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  auto minute = take_number(text, 2);
  if (!minute || *minute > 59 || !take(text, ':')) return std::nullopt;
  auto second = take_number(text, 2);
  if (!second || *second > 59) return std::nullopt;
  auto nanos = take_fraction(text);
  if (!nanos) return std::nullopt;
  auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  std::chrono::seconds seconds = std::chrono::sys_days(date).time_since_epoch();
  seconds += std::chrono::hours(*hour) + std::chrono::minutes(*minute - *offset) + std::chrono::seconds(*second);
  Instant instant{seconds.count(), static_cast<int32_t>(*nanos)};
  if (!is_formattable(instant)) return std::nullopt;
  return instant;
}

std::string format_instant(Instant instant, bool micro) {
  return format_fields(Seconds(std::chrono::seconds(instant.seconds)), instant.nanos, micro ? 6 : 0);
}

bool is_formattable(Instant instant) {
  return instant.seconds >= kFirstSecond && instant.seconds <= kLastSecond && instant.nanos >= 0 &&
         instant.nanos < 1'000'000'000;
}

std::optional<Time> parse_time(std::string_view text) {
  auto instant = parse_instant(text);
  if (!instant) return std::nullopt;
  // The difference of any two must fit into 64 bits of nanoseconds. Times beyond are kept at the border:
  // "0001-01-01T00:00:00Z" is Go's zero time and must not wrap around into some other century.
  constexpr int64_t kLimit = std::numeric_limits<int64_t>::max() / 2'000'000'000 - 1;
  if (instant->seconds > kLimit) return Time(std::chrono::seconds(kLimit));
  if (instant->seconds < -kLimit) return Time(std::chrono::seconds(-kLimit));
  return Time(std::chrono::seconds(instant->seconds) + nanoseconds(instant->nanos));
}

std::string human_duration(nanoseconds duration) {
  // Whole seconds cut towards zero; a second of clock skew is forgiven, more shows as invalid.
  int64_t seconds = duration.count() / 1'000'000'000;
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 60 * 2) return fmt::format("{}s", seconds);
  int64_t minutes = seconds / 60;
  if (minutes < 10) {
    int64_t rest = seconds % 60;
    return rest == 0 ? fmt::format("{}m", minutes) : fmt::format("{}m{}s", minutes, rest);
  }
  if (minutes < 60 * 3) return fmt::format("{}m", minutes);
  int64_t hours = minutes / 60;
  if (hours < 8) {
    int64_t rest = minutes % 60;
    return rest == 0 ? fmt::format("{}h", hours) : fmt::format("{}h{}m", hours, rest);
  }
  if (hours < 48) return fmt::format("{}h", hours);
  int64_t days = hours / 24;
  if (hours < 24 * 8) {
    int64_t rest = hours % 24;
    return rest == 0 ? fmt::format("{}d", days) : fmt::format("{}d{}h", days, rest);
  }
  if (hours < 24 * 365 * 2) return fmt::format("{}d", days);
  int64_t years = days / 365;
  if (hours < 24 * 365 * 8) {
    int64_t rest = days % 365;
    return rest == 0 ? fmt::format("{}y", years) : fmt::format("{}y{}d", years, rest);
  }
  return fmt::format("{}y", years);
}

std::optional<nanoseconds> parse_duration(std::string_view text) {
  bool negative = take(text, '-');
  if (!negative) take(text, '+');
  if (text == "0") return nanoseconds(0);
  if (text.empty()) return std::nullopt;
  __int128 total = 0;
  constexpr __int128 kMax = std::numeric_limits<int64_t>::max();
  while (!text.empty()) {
    __int128 whole = 0, fraction = 0, scale = 1;
    bool digits = false;
    auto is_digit = [&] { return !text.empty() && text.front() >= '0' && text.front() <= '9'; };
    for (; is_digit(); text.remove_prefix(1), digits = true) {
      whole = whole * 10 + (text.front() - '0');
      if (whole > kMax) return std::nullopt;
    }
    if (take(text, '.')) {
      for (; is_digit(); text.remove_prefix(1), digits = true) {
        if (scale >= 1'000'000'000'000'000) continue;  // finer than any unit can show
        fraction = fraction * 10 + (text.front() - '0');
        scale *= 10;
      }
    }
    if (!digits) return std::nullopt;
    size_t length = 0;
    while (length < text.size() && text[length] != '.' && (text[length] < '0' || text[length] > '9')) ++length;
    std::string_view unit = text.substr(0, length);
    text.remove_prefix(length);
    __int128 nanos = 0;
    if (unit == "ns") nanos = 1;
    else if (unit == "us" || unit == "\u00b5s" || unit == "\u03bcs") nanos = 1'000;
    else if (unit == "ms") nanos = 1'000'000;
    else if (unit == "s") nanos = 1'000'000'000;
    else if (unit == "m") nanos = 60'000'000'000;
    else if (unit == "h") nanos = 3'600'000'000'000;
    else return std::nullopt;
    total += whole * nanos + fraction * nanos / scale;
    if (total > kMax) return std::nullopt;
  }
  return nanoseconds(static_cast<int64_t>(negative ? -total : total));
}

}  // namespace base
