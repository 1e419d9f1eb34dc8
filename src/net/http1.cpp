#include "net/http1.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/json.hpp"
#include "base/strings.hpp"

namespace net {

namespace {

constexpr size_t kMaxChunkLine = 1024;
constexpr int64_t kMaxChunkOverhead = 16 << 10;
constexpr size_t kMaxMethod = 32;
constexpr size_t kMaxLineAround = 64;  // of a request line: method, version and blanks

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<size_t>(c)] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr auto kToken = make_token_table();

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Characters of a Host value: a registered name, an address, a port; enough to keep out whatever splits differently.
bool is_host(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~:[]%!$&'()*+,;=").find(c) != std::string_view::npos;
  });
}

bool is_connection_field(std::string_view name) {
  return base::equal_ignoring_case(name, "content-length") || base::equal_ignoring_case(name, "transfer-encoding") ||
         base::equal_ignoring_case(name, "connection") || base::equal_ignoring_case(name, "date");
}

std::string_view reason_of_status(int status) {
  switch (status) {
    case 400: return "BadRequest";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "NotFound";
    case 408: return "Timeout";
    case 413: return "RequestEntityTooLarge";
    case 429: return "TooManyRequests";
    case 500: return "InternalError";
    case 503: return "ServiceUnavailable";
    default: return "";
  }
}

}  // namespace

bool is_http_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return kToken[static_cast<unsigned char>(c)]; });
}

bool is_http_method(std::string_view text) { return text.size() <= kMaxMethod && is_http_token(text); }

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 ? byte != 0x7f : byte == '\t';
  });
}

bool has_list_token(std::string_view field, std::string_view token) {
  while (!field.empty()) {
    const size_t end = field.find(',');
    if (base::equal_ignoring_case(trim_blanks(field.substr(0, end)), token)) return true;
    if (end == std::string_view::npos) return false;
    field.remove_prefix(end + 1);
  }
  return false;
}

Http1Parser::Http1Parser(Kind kind, Http1Limits limits) : kind_(kind), limits_(limits) {}

void Http1Parser::reset() {
  *this = Http1Parser(kind_, limits_);
}

bool Http1Parser::fail(int status, std::string_view text) {
  state_ = State::failed;
  error_status_ = status;
  error_text_ = text;
  keep_alive_ = false;
  return false;
}

size_t Http1Parser::feed(std::string_view bytes) {
  switch (state_) {
    case State::head: return feed_head(bytes);
    case State::identity:
    case State::until_close: return feed_identity(bytes);
    case State::chunk_size:
    case State::chunk_bytes:
    case State::chunk_end:
    case State::trailer: return feed_chunked(bytes);
    case State::complete:
    case State::failed: return 0;
  }
  return 0;
}

bool Http1Parser::feed_eof() {
  if (state_ == State::until_close) state_ = State::complete;
  if (state_ == State::complete || untouched()) return true;
  if (state_ != State::failed) fail(400, "the connection ended in the middle of a message");
  return false;
}

size_t Http1Parser::feed_head(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size()) {
    const void* found = std::memchr(bytes.data() + used, '\n', bytes.size() - used);
    const size_t end = found ? static_cast<size_t>(static_cast<const char*>(found) - bytes.data()) + 1 : bytes.size();
    head_.append(bytes.substr(used, end - used));
    used = end;
    // As long as there is only a first line, it is the target that is too long.
    if (kind_ == Kind::request && line_start_ == 0 && head_.size() > limits_.max_target + kMaxLineAround) {
      fail(414, fmt::format("the request target is longer than {} bytes", limits_.max_target));
      return used;
    }
    if (head_.size() > limits_.max_header_bytes) {
      fail(431, fmt::format("the request head is larger than {} bytes: send fewer or shorter header fields",
                            limits_.max_header_bytes));
      return used;
    }
    if (!found) return used;
    if (head_.size() - line_start_ < 2 || head_[head_.size() - 2] != '\r') {
      fail(400, "a line of the message head does not end in CR LF");
      return used;
    }
    if (head_.size() - line_start_ > 2) {
      line_start_ = head_.size();
    } else if (line_start_ == 0) {  // an empty line before the message: RFC 9112 2.2 lets one pass
      head_.clear();
      if (++blank_lines_ > 1) {
        fail(400, "empty lines where a request should start");
        return used;
      }
    } else {
      parse_head();
      head_.clear();
      return used;
    }
  }
  return used;
}

void Http1Parser::parse_head() {
  std::string_view rest(head_.data(), head_.size() - 2);
  size_t end = rest.find("\r\n");
  const std::string_view first = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  if (!(kind_ == Kind::request ? parse_request_line(first) : parse_status_line(first))) return;
  while (!rest.empty()) {
    end = rest.find("\r\n");
    if (headers_.fields().size() >= limits_.max_headers) {
      fail(431, fmt::format("more than {} header fields", limits_.max_headers));
      return;
    }
    if (!parse_field(rest.substr(0, end))) return;
    rest.remove_prefix(end + 2);
  }
  if (kind_ == Kind::request && !check_host()) return;
  parse_framing();
}

bool Http1Parser::parse_version(std::string_view text) {
  const bool shaped = text.size() == 8 && text.starts_with("HTTP/") && all_digits(text.substr(5, 1)) &&
                      text[6] == '.' && all_digits(text.substr(7, 1));
  if (!shaped) return fail(400, "the first line names no HTTP version");
  if (text[5] != '1' || text[7] > '1') return fail(505, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here");
  minor_version_ = text[7] - '0';
  return true;
}

bool Http1Parser::parse_request_line(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return fail(400, "the request line is not `METHOD TARGET HTTP/1.1`");
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!is_http_method(method)) return fail(400, "the method of the request line is no token");
  if (target.size() > limits_.max_target) {
    return fail(414, fmt::format("the request target is longer than {} bytes", limits_.max_target));
  }
  for (char c : target) {
    if (c <= 0x20 || c == 0x7f || static_cast<signed char>(c) < 0) {
      return fail(400, "the request target holds a blank, a control character or a byte that is not ASCII");
    }
  }
  if (!parse_version(line.substr(last + 1))) return false;
  if (!target.starts_with('/') && !(target == "*" && method == "OPTIONS")) {
    return fail(400, "the request target is no absolute path");
  }
  method_ = method;
  target_ = target;
  return true;
}

bool Http1Parser::parse_status_line(std::string_view line) {
  if (line.size() < 12 || line[8] != ' ') return fail(400, "the answer does not start with an HTTP status line");
  if (!parse_version(line.substr(0, 8))) return false;
  const std::string_view code = line.substr(9, 3);
  if (!all_digits(code) || code[0] == '0' || (line.size() > 12 && line[12] != ' ')) {
    return fail(400, "the status line of the answer has no status code");
  }
  status_ = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
  return true;
}

bool Http1Parser::parse_field(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return fail(400, "a header field is folded over two lines");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_http_token(line.substr(0, colon))) {
    return fail(400, "a header line is no `Name: value`");
  }
  const std::string_view value = trim_blanks(line.substr(colon + 1));
  if (!is_field_value(value)) return fail(400, "a header value holds a control character");
  headers_.add(std::string(line.substr(0, colon)), std::string(value));
  return true;
}

bool Http1Parser::check_host() {
  int hosts = 0;
  for (const auto& [name, value] : headers_.fields()) {
    if (!base::equal_ignoring_case(name, "host")) continue;
    if (++hosts > 1) return fail(400, "more than one Host header");
    if (!is_host(value)) return fail(400, "the Host header is malformed");
  }
  if (hosts == 0 && minor_version_ == 1) return fail(400, "the Host header is missing");
  return true;
}

bool Http1Parser::parse_content_length(std::string_view value) {
  if (has_length_) return fail(400, "more than one Content-Length");
  if (!all_digits(value)) return fail(400, "Content-Length is no number");
  uint64_t length = 0;
  for (char c : value) {
    const auto digit = static_cast<uint64_t>(c - '0');
    if (__builtin_mul_overflow(length, uint64_t{10}, &length) || __builtin_add_overflow(length, digit, &length)) {
      return fail(400, "Content-Length is out of range");
    }
  }
  content_length_ = length;
  has_length_ = true;
  return true;
}

// How the body is delimited (RFC 9112 section 6.3), with every ambiguity refused.
bool Http1Parser::parse_framing() {
  bool close = false;
  bool keep = false;
  for (const auto& [name, value] : headers_.fields()) {
    if (base::equal_ignoring_case(name, "content-length")) {
      if (!parse_content_length(value)) return false;
    } else if (base::equal_ignoring_case(name, "transfer-encoding")) {
      if (chunked_ || !base::equal_ignoring_case(value, "chunked")) {
        return fail(400, "Transfer-Encoding must be `chunked`, once");
      }
      if (minor_version_ == 0) return fail(400, "Transfer-Encoding in an HTTP/1.0 message");
      chunked_ = true;
    } else if (base::equal_ignoring_case(name, "connection")) {
      close = close || has_list_token(value, "close");
      keep = keep || has_list_token(value, "keep-alive");
    } else if (base::equal_ignoring_case(name, "expect")) {
      expects_continue_ = minor_version_ == 1 && base::equal_ignoring_case(value, "100-continue");
    }
  }
  if (chunked_ && has_length_) return fail(400, "both Content-Length and Transfer-Encoding");
  keep_alive_ = !close && (minor_version_ == 1 || keep);
  if (kind_ == Kind::response && (no_body_ || is_bodiless_status(status_))) {
    chunked_ = false;
    content_length_ = 0;
    state_ = State::complete;
  } else if (chunked_) {
    state_ = State::chunk_size;
  } else if (content_length_ > limits_.max_body) {
    return fail(413, fmt::format("Request entity too large: limit is {}", limits_.max_body));
  } else if (has_length_ || kind_ == Kind::request) {
    remaining_ = content_length_;
    state_ = remaining_ > 0 ? State::identity : State::complete;
  } else {
    until_close_ = true;
    keep_alive_ = false;
    state_ = State::until_close;
  }
  return true;
}

bool Http1Parser::take_body(std::string_view bytes) {
  body_seen_ += bytes.size();
  if (body_seen_ > limits_.max_body) {
    return fail(413, fmt::format("Request entity too large: limit is {}", limits_.max_body));
  }
  body_.append(bytes);
  return true;
}

size_t Http1Parser::feed_identity(std::string_view bytes) {
  if (state_ == State::until_close) {
    take_body(bytes);
    return bytes.size();
  }
  const size_t n = std::min<uint64_t>(remaining_, bytes.size());
  if (kind_ == Kind::request && body_.empty()) body_.reserve(content_length_);
  if (!take_body(bytes.substr(0, n))) return n;
  remaining_ -= n;
  if (remaining_ == 0) state_ = State::complete;
  return n;
}

// Moves bytes into head_ up to and with the next line end. `whole` says that a line is there, without its CR LF.
size_t Http1Parser::take_line(std::string_view bytes, size_t limit, bool& whole) {
  whole = false;
  const size_t newline = bytes.find('\n');
  const size_t n = newline == std::string_view::npos ? bytes.size() : newline + 1;
  head_.append(bytes.substr(0, n));
  if (head_.size() > limit) {
    fail(400, "a chunk or trailer line is too long");
  } else if (newline != std::string_view::npos) {
    if (head_.size() < 2 || head_[head_.size() - 2] != '\r') {
      fail(400, "a chunk or trailer line does not end in CR LF");
    } else {
      head_.resize(head_.size() - 2);
      whole = true;
    }
  }
  return n;
}

size_t Http1Parser::feed_chunked(std::string_view bytes) {
  size_t used = 0;
  bool whole = false;
  while (used < bytes.size() && state_ != State::complete && state_ != State::failed) {
    const std::string_view rest = bytes.substr(used);
    switch (state_) {
      case State::chunk_size:
        used += take_line(rest, kMaxChunkLine, whole);
        if (whole) parse_chunk_size();
        break;
      case State::chunk_bytes: {
        const size_t n = std::min<uint64_t>(remaining_, rest.size());
        used += n;
        if (!take_body(rest.substr(0, n))) break;
        remaining_ -= n;
        if (remaining_ == 0) state_ = State::chunk_end;
        break;
      }
      case State::chunk_end:
        used += take_line(rest, 2, whole);
        if (whole && !head_.empty()) fail(400, "a chunk is longer than its size");
        if (whole && state_ != State::failed) state_ = State::chunk_size;
        break;
      case State::trailer:  // read and dropped
        used += take_line(rest, limits_.max_header_bytes, whole);
        if (!whole) break;
        trailer_bytes_ += head_.size();
        if (trailer_bytes_ > limits_.max_header_bytes) fail(431, "the trailer is too large");
        else if (head_.empty()) state_ = State::complete;
        else if (!is_field_value(head_)) fail(400, "a trailer field holds a control character");
        head_.clear();
        break;
      default: return used;
    }
  }
  return used;
}

void Http1Parser::parse_chunk_size() {
  uint64_t size = 0;
  size_t digits = 0;
  while (digits < head_.size()) {
    const char c = head_[digits];
    int value = -1;
    if (c >= '0' && c <= '9') value = c - '0';
    else if (c >= 'a' && c <= 'f') value = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F') value = c - 'A' + 10;
    if (value < 0) break;
    if (size >> 59 != 0 || digits >= 16) {
      fail(400, "a chunk size is out of range");
      return;
    }
    size = size * 16 + static_cast<uint64_t>(value);
    ++digits;
  }
  const std::string_view extension = trim_blanks(std::string_view(head_).substr(digits));
  if (digits == 0 || (!extension.empty() && extension.front() != ';') || !is_field_value(extension)) {
    fail(400, "a chunk has no proper size");
    return;
  }
  // Many tiny chunks with long extensions cost us far more than the peer: CVE-2023-39326.
  chunk_overhead_ += static_cast<int64_t>(head_.size()) + 2 - 16 - 2 * static_cast<int64_t>(std::min<uint64_t>(size, 1 << 20));
  chunk_overhead_ = std::max<int64_t>(chunk_overhead_, 0);
  head_.clear();
  if (chunk_overhead_ > kMaxChunkOverhead) {
    fail(400, "too much chunk framing for too little body");
  } else if (size > limits_.max_body) {
    fail(413, fmt::format("Request entity too large: limit is {}", limits_.max_body));
  } else {
    remaining_ = size;
    state_ = size > 0 ? State::chunk_bytes : State::trailer;
  }
}

std::optional<Target> parse_target(std::string_view target) {
  const size_t question = target.find('?');
  if (target.find('#') != std::string_view::npos) return std::nullopt;
  auto path = percent_decode(target.substr(0, question));
  if (!path || path->find('\0') != std::string::npos) return std::nullopt;
  Target parts;
  parts.path = std::move(*path);
  if (question != std::string_view::npos) parts.query = Query::parse(target.substr(question + 1));
  return parts;
}

std::string write_target(const Request& request) {
  if (!request.target_override.empty()) return request.target_override;
  std::string target;
  size_t done = 0;
  auto stays = [](char c) { return std::string_view("/:@!$&'()*+,;=").find(c) != std::string_view::npos; };
  for (size_t i = 0; i < request.path.size(); ++i) {
    if (!stays(request.path[i])) continue;
    target += percent_encode(std::string_view(request.path).substr(done, i - done));
    target += request.path[i];
    done = i + 1;
  }
  target += percent_encode(std::string_view(request.path).substr(done));
  if (!target.starts_with('/')) target.insert(0, "/");
  if (!request.query.items().empty()) {
    target += '?';
    target += request.query.encode();
  }
  return target;
}

bool is_bodiless_status(int status) { return status < 200 || status == 204 || status == 304; }

std::string_view status_text(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Request Entity Too Large";
    case 414: return "Request URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Requested Range Not Satisfiable";
    case 422: return "Unprocessable Entity";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

void append_response_head(std::string& out, int status, const Headers& headers) {
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", status, status_text(status));
  for (const auto& [name, value] : headers.fields()) {
    if (is_connection_field(name) || !is_http_token(name) || !is_field_value(value)) continue;
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
}

Response failure_response(int status, std::string_view reason, std::string_view message) {
  std::string body = R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)";
  base::append_json_string(body, message);
  if (!reason.empty()) {
    body += ",\"reason\":";
    base::append_json_string(body, reason);
  }
  fmt::format_to(std::back_inserter(body), ",\"code\":{}}}\n", status);
  return {status, {{"Content-Type", "application/json"}}, {make_chunk(std::move(body))}};
}

Response failure_response(int status, std::string_view message) {
  return failure_response(status, reason_of_status(status), message);
}

}  // namespace net
