#include "node/cri_log.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace node {
namespace {

bool is_true(std::string_view text) {
  return text == "true" || text == "1" || text == "True" || text == "TRUE" || text == "t";
}

base::Result<std::optional<int64_t>> count_option(const net::Query& query, std::string_view name,
                                                  int64_t least) {
  if (!query.has(name) || query.get(name).empty()) return std::optional<int64_t>();
  const auto value = base::parse_int(query.get(name));
  if (!value || *value < least) {
    return base::fail(base::Reason::bad_request,
                      std::string(name) + " must be a number of at least " + std::to_string(least));
  }
  return value;
}

}  // namespace

std::optional<LogLine> parse_log_line(std::string_view line) {
  LogLine parsed;
  std::string_view* const fields[] = {&parsed.time, &parsed.stream};
  for (std::string_view* field : fields) {
    const auto blank = line.find(' ');
    if (blank == std::string_view::npos || blank == 0) return {};
    *field = line.substr(0, blank);
    line.remove_prefix(blank + 1);
  }
  const auto blank = line.find(' ');
  const std::string_view tag = line.substr(0, blank);
  if (tag.empty() || (tag[0] != 'F' && tag[0] != 'P')) return {};
  parsed.partial = tag[0] == 'P';
  parsed.text = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
  return parsed;
}

base::Result<LogOptions> parse_log_options(const net::Query& query, base::Time now) {
  LogOptions options;
  options.follow = is_true(query.get("follow"));
  options.previous = is_true(query.get("previous"));
  options.timestamps = is_true(query.get("timestamps"));
  options.stream = query.get("stream");
  if (options.stream == "All") options.stream.clear();
  if (!options.stream.empty() && options.stream != "Stdout" && options.stream != "Stderr") {
    return base::fail(base::Reason::bad_request, "stream must be All, Stdout or Stderr");
  }
  TRY(options.tail_lines, count_option(query, "tailLines", 0));
  TRY(options.limit_bytes, count_option(query, "limitBytes", 1));
  TRY(auto seconds, count_option(query, "sinceSeconds", 1));
  if (seconds) options.since = now - std::chrono::seconds(std::min<int64_t>(*seconds, int64_t{1} << 32));
  if (!query.get("sinceTime").empty()) {
    if (seconds)
      return base::fail(base::Reason::bad_request, "at most one of sinceTime or sinceSeconds may be given");
    options.since = base::parse_time(query.get("sinceTime"));
    if (!options.since) return base::fail(base::Reason::bad_request, "sinceTime is no RFC 3339 time");
  }
  return options;
}

std::string LogFilter::feed(std::string_view bytes) {
  std::string out;
  rest_ += bytes;
  size_t start = 0;
  while (!done_) {
    const auto newline = rest_.find('\n', start);
    if (newline == std::string::npos) break;
    take(std::string_view(rest_).substr(start, newline - start), out);
    start = newline + 1;
  }
  rest_.erase(0, start);
  return out;
}

void LogFilter::take(std::string_view line, std::string& out) {
  const auto parsed = parse_log_line(line);
  if (!parsed) return;
  if (options_.stream == "Stdout" && parsed->stream != "stdout") return;
  if (options_.stream == "Stderr" && parsed->stream != "stderr") return;
  if (options_.since) {
    const auto time = base::parse_time(parsed->time);
    if (time && *time < *options_.since) return;
  }
  if (options_.timestamps && !in_partial_) write(std::string(parsed->time) + " ", out);
  write(parsed->text, out);
  if (!parsed->partial) write("\n", out);
  in_partial_ = parsed->partial;
}

void LogFilter::write(std::string_view text, std::string& out) {
  if (done_) return;
  if (options_.limit_bytes) {
    const auto room = static_cast<size_t>(*options_.limit_bytes - written_);
    if (text.size() >= room) {
      text = text.substr(0, room);
      done_ = true;
    }
  }
  out += text;
  written_ += static_cast<int64_t>(text.size());
}

size_t find_tail(std::string_view text, int64_t lines) {
  if (lines <= 0) return text.size();
  size_t end = text.size();
  if (end > 0 && text[end - 1] == '\n') --end;
  int64_t whole = 0;
  while (end > 0) {
    const auto newline = text.rfind('\n', end - 1);
    const size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    const auto parsed = parse_log_line(text.substr(start, end - start));
    if (parsed && !parsed->partial && ++whole > lines) return end + 1;
    if (start == 0) return 0;
    end = start - 1;
  }
  return 0;
}

}  // namespace node
