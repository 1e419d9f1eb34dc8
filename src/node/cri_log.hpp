// Lines of container logs as the monitor writes them: TIME STREAM TAG TEXT, and the choice of lines that a
// reader asks for. Pure; any thread.
//
// Source: the CRI logging format.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"
#include "net/http.hpp"

namespace node {

struct LogLine {
  std::string_view time;
  std::string_view stream;  // stdout, stderr
  bool partial = false;     // goes on in the next line of the same stream
  std::string_view text;
};
// `line` without its newline. Empty: it is no such line.
std::optional<LogLine> parse_log_line(std::string_view line);

struct LogOptions {
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  std::optional<int64_t> tail_lines;
  std::optional<int64_t> limit_bytes;
  std::optional<base::Time> since;
  std::string stream;  // "", "Stdout", "Stderr"
};
base::Result<LogOptions> parse_log_options(const net::Query& query, base::Time now);

// Turns a log file's bytes into what the reader sees. Feed it in order; it keeps the incomplete rest.
class LogFilter {
 public:
  explicit LogFilter(LogOptions options) : options_(std::move(options)) {}
  // What comes out for these bytes. done() says that the byte limit is reached.
  std::string feed(std::string_view bytes);
  bool done() const { return done_; }

 private:
  void take(std::string_view line, std::string& out);
  void write(std::string_view text, std::string& out);

  LogOptions options_;
  std::string rest_;
  bool in_partial_ = false;  // the last line written was partial: no time stamp before its continuation
  int64_t written_ = 0;
  bool done_ = false;
};

// Where the last `lines` whole lines of this text begin (a partial line belongs to the whole one that it is
// part of).
size_t find_tail(std::string_view text, int64_t lines);

}  // namespace node
