// Times and durations as the API writes them. Pure; any thread. No clock here: see sys/clock.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace base {

using Time = std::chrono::sys_time<std::chrono::nanoseconds>;  // wall clock, UTC

std::string format_time(Time time);        // metav1.Time: 2026-11-22T23:58:04Z
std::string format_micro_time(Time time);  // metav1.MicroTime: 2026-11-22T23:58:04.000000Z
std::string format_nano_time(Time time);   // RFC 3339 with nanoseconds, as in container logs
std::optional<Time> parse_time(std::string_view text);  // RFC 3339 with any fraction and offset

// The age column of kubectl (apimachinery's duration.HumanDuration): "5s", "3m20s", "7h", "2d3h", "30d".
std::string human_duration(std::chrono::nanoseconds duration);
// Go's time.ParseDuration: "1h30m", "300ms", "-5s".
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace base
