// The times of a CronJob: "*/5 8-18 * * MON-FRI", "@daily", "@every 90m". A plain value; pure, any thread.
//
// Source: what upstream's parser (robfig/cron, standard form) accepts, and its messages.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace api {

// Bit n of a field: the value n fits. day_any, weekday_any: the field is '*' or '?'; when neither is, one of the two
// is enough for a day to fit.
struct CronSchedule {
  uint64_t minutes = 0;
  uint64_t hours = 0;
  uint64_t days = 0;
  uint64_t months = 0;
  uint64_t weekdays = 0;  // Sunday is 0
  bool day_any = false;
  bool weekday_any = false;
  std::chrono::seconds every{0};  // of "@every": then nothing else counts

  bool operator==(const CronSchedule&) const = default;
};

// bad_request with upstream's text. A leading TZ= or CRON_TZ= is not understood.
base::Result<CronSchedule> parse_cron(std::string_view text);

}  // namespace api
