// How log lines look - klog's text or one JSON object each - and whether they still get out. For main and health
// checks; who only logs needs log.hpp. Any thread.
//
// Source: klog's header; component-base's JSON format ("ts" in milliseconds, "v", "msg").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/result.hpp"

namespace base {

enum class LogFormat { text, json };

// For the whole process; before the first thread is made.
void set_log_format(LogFormat format);
// The line without writing it; `nanoseconds` since the epoch.
std::string format_log_line(LogFormat format, Level level, std::string_view area, std::string_view message,
                            int64_t nanoseconds);
// Fails while a thread has been held up for seconds by whoever reads stderr.
Result<void> check_log();

}  // namespace base
