// HTTP/1.1 messages, byte by byte: an incremental parser for requests (server) and responses (client), and the pieces
// that both ends write. Pure; an object belongs to one thread.
//
// Source: RFC 9112, read strictly: whatever two implementations could read differently (request smuggling) is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.hpp"

namespace net {

struct Http1Limits {
  size_t max_header_bytes = 64u << 10;
  size_t max_headers = 100;
  size_t max_target = 32u << 10;
  uint64_t max_body = 3u << 20;
};

class Http1Parser {
 public:
  enum class Kind : uint8_t { request, response };

  explicit Http1Parser(Kind kind, Http1Limits limits = {});

  // Consumes a prefix of `bytes` and says how long it was. Stops once at the end of the head, so that the caller can
  // look at it, and at the end of the message; what follows belongs to the next message.
  size_t feed(std::string_view bytes);
  // The peer closed. True when that is a proper end: of a response without a length, or between two messages.
  bool feed_eof();
  // Ready for the next message on the same connection.
  void reset();
  // Response only: it answers HEAD, so it has no body whatever it says.
  void expect_no_body() { no_body_ = true; }

  bool untouched() const { return state_ == State::head && head_.empty(); }
  bool head_complete() const { return state_ != State::head && state_ != State::failed; }
  bool complete() const { return state_ == State::complete; }
  bool failed() const { return state_ == State::failed; }
  // The status to answer (400, 413, 414, 431, 505) and what was wrong; of a failed() message.
  int error_status() const { return error_status_; }
  const std::string& error_text() const { return error_text_; }

  // The head; valid once head_complete().
  const std::string& method() const { return method_; }
  const std::string& target() const { return target_; }
  int status() const { return status_; }
  Headers& headers() { return headers_; }
  bool keep_alive() const { return keep_alive_; }
  bool http_1_1() const { return minor_version_ == 1; }
  bool has_body() const { return chunked_ || until_close_ || content_length_ > 0; }
  bool expects_continue() const { return expects_continue_; }
  // Body bytes that have come so far; a stream takes them out as it goes.
  std::string& body() { return body_; }

 private:
  enum class State : uint8_t {
    head, identity, until_close, chunk_size, chunk_bytes, chunk_end, trailer, complete, failed
  };

  size_t feed_head(std::string_view bytes);
  size_t feed_identity(std::string_view bytes);
  size_t feed_chunked(std::string_view bytes);
  size_t take_line(std::string_view bytes, size_t limit, bool& whole);
  bool take_body(std::string_view bytes);
  void parse_head();
  bool parse_request_line(std::string_view line);
  bool parse_status_line(std::string_view line);
  bool parse_version(std::string_view text);
  bool parse_field(std::string_view line);
  bool parse_framing();
  bool parse_content_length(std::string_view value);
  bool check_host();
  void parse_chunk_size();
  bool fail(int status, std::string_view text);

  Kind kind_;
  Http1Limits limits_;
  State state_ = State::head;
  bool no_body_ = false;
  bool chunked_ = false;
  bool until_close_ = false;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  bool has_length_ = false;
  int minor_version_ = 1;
  int status_ = 0;
  int error_status_ = 0;
  int blank_lines_ = 0;
  size_t line_start_ = 0;
  size_t trailer_bytes_ = 0;
  int64_t chunk_overhead_ = 0;  // bytes of chunk lines beyond what honest senders need
  uint64_t content_length_ = 0;
  uint64_t remaining_ = 0;  // of the identity body or of the chunk
  uint64_t body_seen_ = 0;
  std::string head_;  // the head, then each chunk or trailer line, as they come
  std::string method_;
  std::string target_;
  std::string error_text_;
  std::string body_;
  Headers headers_;
};

// The parts of a request target in origin-form ("/a%20b?x=1"); nothing when it is no such thing, has a broken escape or
// a NUL.
struct Target {
  std::string path;  // decoded
  Query query;
};
std::optional<Target> parse_target(std::string_view target);
// The target of a request that a client sends.
std::string write_target(const Request& request);

// "GET", a token of at most 32 characters.
bool is_http_method(std::string_view text);
bool is_http_token(std::string_view text);
// Neither line ends nor other controls: what may stand in a field value.
bool is_field_value(std::string_view text);
// Whether a comma-separated field holds that token, without regard to case.
bool has_list_token(std::string_view field, std::string_view token);
std::string_view status_text(int status);
// No body is ever sent with it: 1xx, 204, 304.
bool is_bodiless_status(int status);

// The status line and the fields of an answer, without the empty line. Fields that the connection itself writes
// (Content-Length, Transfer-Encoding, Connection, Date) and fields that would break the framing are left out.
void append_response_head(std::string& out, int status, const Headers& headers);
// A Kubernetes Status of that failure, for what is refused before any handler sees it.
Response failure_response(int status, std::string_view reason, std::string_view message);
// The same with the reason that goes with the status.
Response failure_response(int status, std::string_view message);

}  // namespace net
