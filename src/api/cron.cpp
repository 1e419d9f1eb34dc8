#include "api/cron.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/time.hpp"

namespace api {

using base::Result;

namespace {

struct Field {
  int64_t low, high;
  std::array<std::string_view, 12> names;  // of low, low + 1, ...
};
constexpr Field kMinutes{0, 59, {}}, kHours{0, 23, {}}, kDays{1, 31, {}};
constexpr Field kMonths{1, 12, {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}};
constexpr Field kWeekdays{0, 6, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}};

base::Error wrong(std::string text) { return {base::Reason::bad_request, std::move(text), nullptr}; }

Result<int64_t> read_number(std::string_view text) {
  const auto number = base::parse_int(text);
  if (!number)
    return std::unexpected(
        wrong(fmt::format("failed to parse int from {}: strconv.Atoi: parsing {}: invalid syntax", text, base::quote(text))));
  if (*number < 0) return std::unexpected(wrong(fmt::format("negative number ({}) not allowed: {}", *number, text)));
  return *number;
}

Result<int64_t> read_value(std::string_view text, const Field& field) {
  const std::string lower = base::to_lower(text);
  for (size_t i = 0; i < field.names.size(); ++i) {
    if (!lower.empty() && field.names[i] == lower) return field.low + static_cast<int64_t>(i);
  }
  return read_number(text);
}

struct Bits {
  uint64_t values = 0;
  bool any = false;
};

// "*", "5", "MON-FRI", "*/15", "10-50/20".
Result<Bits> read_range(std::string_view text, const Field& field) {
  const auto pieces = base::split(text, '/');
  const auto ends = base::split(pieces[0], '-');
  Bits out;
  int64_t start = field.low, end = field.high, step = 1;
  const bool single = ends.size() == 1;
  if (ends[0] == "*" || ends[0] == "?") {
    out.any = true;
  } else {
    TRY(start, read_value(ends[0], field));
    end = start;
    if (ends.size() > 2) return std::unexpected(wrong(fmt::format("too many hyphens: {}", text)));
    if (!single) {
      TRY(end, read_value(ends[1], field));
    }
  }
  if (pieces.size() > 2) return std::unexpected(wrong(fmt::format("too many slashes: {}", text)));
  if (pieces.size() == 2) {
    TRY(step, read_number(pieces[1]));
    if (single) end = field.high;  // "N/step" means "N-max/step"
    if (step > 1) out.any = false;
  }
  if (start < field.low)
    return std::unexpected(wrong(fmt::format("beginning of range ({}) below minimum ({}): {}", start, field.low, text)));
  if (end > field.high)
    return std::unexpected(wrong(fmt::format("end of range ({}) above maximum ({}): {}", end, field.high, text)));
  if (start > end)
    return std::unexpected(wrong(fmt::format("beginning of range ({}) beyond end of range ({}): {}", start, end, text)));
  if (step == 0) return std::unexpected(wrong(fmt::format("step of range should be a positive number: {}", text)));
  for (int64_t value = start; value <= end; value += step) out.values |= uint64_t{1} << value;
  return out;
}

Result<Bits> read_field(std::string_view text, const Field& field) {
  Bits out;
  for (const std::string& part : base::split(text, ',')) {
    if (part.empty()) continue;
    TRY(const Bits range, read_range(part, field));
    out.values |= range.values;
    out.any = out.any || range.any;
  }
  return out;
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r';
    if (!blank) word += c;
    if (blank && !word.empty()) out.push_back(std::exchange(word, {}));
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

Result<CronSchedule> read_descriptor(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNamed{{{"@yearly", "0 0 1 1 *"},
                                                                               {"@annually", "0 0 1 1 *"},
                                                                               {"@monthly", "0 0 1 * *"},
                                                                               {"@weekly", "0 0 * * 0"},
                                                                               {"@daily", "0 0 * * *"},
                                                                               {"@midnight", "0 0 * * *"},
                                                                               {"@hourly", "0 * * * *"}}};
  for (const auto& [name, spec] : kNamed) {
    if (name == text) return parse_cron(spec);
  }
  constexpr std::string_view kEvery = "@every ";
  if (!text.starts_with(kEvery)) return std::unexpected(wrong(fmt::format("unrecognized descriptor: {}", text)));
  const std::string_view length = text.substr(kEvery.size());
  const auto duration = base::parse_duration(length);
  if (!duration)
    return std::unexpected(wrong(
        fmt::format("failed to parse duration {}: time: invalid duration {}", text, base::quote(length))));
  CronSchedule out;
  out.every = std::max(std::chrono::seconds(1), std::chrono::duration_cast<std::chrono::seconds>(*duration));
  return out;
}

}  // namespace

Result<CronSchedule> parse_cron(std::string_view text) {
  if (text.empty()) return std::unexpected(wrong("empty spec string"));
  if (text.starts_with('@')) return read_descriptor(text);
  const auto fields = words(text);
  if (fields.size() != 5)
    return std::unexpected(
        wrong(fmt::format("expected exactly 5 fields, found {}: [{}]", fields.size(), base::join(fields, " "))));
  CronSchedule out;
  TRY(const Bits minutes, read_field(fields[0], kMinutes));
  TRY(const Bits hours, read_field(fields[1], kHours));
  TRY(const Bits days, read_field(fields[2], kDays));
  TRY(const Bits months, read_field(fields[3], kMonths));
  TRY(const Bits weekdays, read_field(fields[4], kWeekdays));
  out.minutes = minutes.values;
  out.hours = hours.values;
  out.days = days.values;
  out.months = months.values;
  out.weekdays = weekdays.values;
  out.day_any = days.any;
  out.weekday_any = weekdays.any;
  return out;
}

}  // namespace api
