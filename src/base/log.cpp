#include "base/log_format.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>

#include "base/utf8.hpp"

namespace base {

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kBlockedAfter = 10 * kSecond;

std::atomic<LogFormat> g_format{LogFormat::text};
// When the oldest write that has not returned began; 0: none. Good enough when several wait: one of them counts.
std::atomic<int64_t> g_writing_since{0};

int64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * kSecond + now.tv_nsec;
}

std::string text_line(Level level, std::string_view area, std::string_view message, int64_t ns) {
  time_t seconds = static_cast<time_t>(ns / kSecond);
  tm local{};
  ::localtime_r(&seconds, &local);
  std::string line = fmt::format("{}{:02}{:02} {:02}:{:02}:{:02}.{:06} {:>7} {}] ", static_cast<char>(level),
                                 local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                                 ns % kSecond / 1000, ::getpid(), area);
  for (char c : message) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '\n') line += "\\n";
    else if (c == '\t') line += "\\t";
    else if (byte < 0x20 || byte == 0x7f) line += fmt::format("\\x{:02x}", byte);
    else line += c;
  }
  return line + '\n';
}

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    Rune rune = read_rune(text);
    auto byte = static_cast<unsigned char>(text.front());
    if (rune.size == 0) out += "\\ufffd";
    else if (byte == '"' || byte == '\\') out += '\\', out += text.front();
    else if (byte == '\n') out += "\\n";
    else if (byte == '\t') out += "\\t";
    else if (byte < 0x20 || byte == 0x7f) out += fmt::format("\\u{:04x}", byte);
    else out += text.substr(0, rune.size);
    text.remove_prefix(rune.size == 0 ? 1 : rune.size);
  }
  out += '"';
}

std::string_view level_name(Level level) {
  switch (level) {
    case Level::info: return "info";
    case Level::warning: return "warning";
    case Level::error: return "error";
    case Level::fatal: return "fatal";
  }
  return "info";
}

std::string json_line(Level level, std::string_view area, std::string_view message, int64_t ns) {
  std::string line = fmt::format("{{\"ts\":{}.{:06},\"level\":\"{}\",\"logger\":", ns / 1'000'000, ns % 1'000'000,
                                 level_name(level));
  append_json_text(line, area);
  line += level == Level::info ? ",\"v\":0,\"msg\":" : ",\"msg\":";
  append_json_text(line, message);
  return line + "}\n";
}

}  // namespace

void set_log_format(LogFormat format) { g_format = format; }

std::string format_log_line(LogFormat format, Level level, std::string_view area, std::string_view message,
                            int64_t nanoseconds) {
  return format == LogFormat::json ? json_line(level, area, message, nanoseconds)
                                   : text_line(level, area, message, nanoseconds);
}

void log_line(Level level, std::string_view area, std::string_view message) {
  std::string line = format_log_line(g_format, level, area, message, clock_ns(CLOCK_REALTIME));
  int64_t none = 0;
  bool first = g_writing_since.compare_exchange_strong(none, clock_ns(CLOCK_MONOTONIC));
  // One write a line: lines of several threads do not mix. A reader that is gone is no reason to fail.
  while (::write(STDERR_FILENO, line.data(), line.size()) < 0 && errno == EINTR) {
  }
  if (first) g_writing_since = 0;
}

Result<void> check_log() {
  int64_t since = g_writing_since;
  if (since != 0 && clock_ns(CLOCK_MONOTONIC) - since > kBlockedAfter) {
    return fail(Reason::internal_error, "logging blocked: nobody reads what this process writes to stderr");
  }
  return {};
}

}  // namespace base
