// HTTP/1.1 on an accepted connection: one request at a time, the next ones wait; Upgrade to WebSocket. Loop thread only.
#include <fmt/format.h>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "net/http1.hpp"
#include "net/protocol.hpp"

namespace net {

namespace {

using Op = Command::Op;

class Http1Connection final : public Protocol {
 public:
  explicit Http1Connection(Link& link)
      : Protocol(link),
        parser_(Http1Parser::Kind::request, {.max_header_bytes = link.config().max_header_bytes,
                                             .max_headers = link.config().max_headers,
                                             .max_target = link.config().max_target,
                                             .max_body = link.config().max_body}) {
    link_.set_deadline(std::chrono::seconds(link_.config().idle_seconds));
  }

  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  bool wants_bytes() const override { return ahead_.size() < kReadAhead; }
  size_t queued() const override { return streaming_ ? link_.output().size() : 0; }
  bool sends_whole_answer() const override { return !streaming_; }
  void on_gone() override { release(); }
  void on_command(Command& command) override;

 private:
  void parse(std::string_view bytes);
  void on_head();
  void dispatch();
  bool take_upgrade(Request& request);
  void refuse(int status, std::string_view text);
  void answer(Response response);
  void start(const Response& response);
  void write_chunk(Chunk chunk, const std::shared_ptr<Exchange>& exchange);
  void finish();
  void upgrade(const Response& response);
  void message_done();
  void append_framing(std::string& head, int status, size_t length);
  void release();

  Http1Parser parser_;
  std::shared_ptr<Exchange> exchange_;  // of the request being answered
  std::string ahead_;                   // bytes after it
  bool keep_alive_ = false;
  bool http_1_1_ = true;
  bool streaming_ = false;
  bool ended_ = false;   // the peer sends nothing more
  bool closing_ = false; // nothing more is read as requests
};

void Http1Connection::on_bytes(std::string_view bytes) {
  if (closing_) return;
  if (exchange_) {
    ahead_.append(bytes);
  } else {
    parse(bytes);
  }
}

void Http1Connection::parse(std::string_view bytes) {
  while (!exchange_ && !closing_) {
    if (parser_.complete()) {
      dispatch();
      break;
    }
    if (bytes.empty()) return;
    const bool fresh = parser_.untouched();
    const bool had_head = parser_.head_complete();
    bytes.remove_prefix(parser_.feed(bytes));
    link_.set_collecting(parser_.body().size());
    if (parser_.failed()) {
      refuse(parser_.error_status(), parser_.error_text());
      return;
    }
    if (fresh && !parser_.head_complete()) link_.set_deadline(std::chrono::seconds(link_.config().header_seconds));
    if (!had_head && parser_.head_complete()) on_head();
  }
  if (!closing_ && !bytes.empty()) ahead_.append(bytes);
}

void Http1Connection::on_head() {
  if (parser_.complete()) return;
  link_.set_deadline(std::chrono::seconds(link_.config().body_seconds));
  if (parser_.expects_continue()) link_.output().text("HTTP/1.1 100 Continue\r\n\r\n");
}

void Http1Connection::dispatch() {
  link_.clear_deadline();
  link_.set_collecting(0);
  streaming_ = false;
  keep_alive_ = parser_.keep_alive();
  http_1_1_ = parser_.http_1_1();
  auto target = parse_target(parser_.target());
  if (!target) {
    refuse(400, "the request target has a broken %-escape, a NUL or a fragment");
    return;
  }
  Request request;
  request.method = parser_.method();
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  request.raw_target = parser_.target();
  request.headers = std::move(parser_.headers());
  request.body = std::move(parser_.body());
  request.peer = link_.peer();
  exchange_ = std::make_shared<Exchange>(link_.mailbox(), this);
  exchange_->head_request = request.method == "HEAD";
  request.websocket_upgrade = take_upgrade(request);
  parser_.reset();
  link_.handle(std::move(request), exchange_);
}

// RFC 6455 section 4.2.1.
bool Http1Connection::take_upgrade(Request& request) {
  if (request.method != "GET" || !http_1_1_ || !has_list_token(request.headers.get("upgrade"), "websocket")) return false;
  bool upgrades = false;
  for (std::string_view value : request.headers.all("connection")) upgrades = upgrades || has_list_token(value, "upgrade");
  const auto keys = request.headers.all("sec-websocket-key");
  if (!upgrades || request.headers.get("sec-websocket-version") != "13" || keys.size() != 1) return false;
  const auto key = base::base64_decode(keys[0]);
  if (!key || key->size() != 16) return false;
  exchange_->websocket_key = keys[0];
  return true;
}

void Http1Connection::append_framing(std::string& head, int status, size_t length) {
  head += link_.date_field();
  if (!is_bodiless_status(status)) fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", length);
  if (!keep_alive_) head += "Connection: close\r\n";
  else if (!http_1_1_) head += "Connection: keep-alive\r\n";
  head += "\r\n";
}

// What the parser did not like: an answer, and the end of this connection.
void Http1Connection::refuse(int status, std::string_view text) {
  closing_ = true;
  keep_alive_ = false;
  link_.set_collecting(0);
  const Response response = failure_response(status, text);
  std::string head;
  append_response_head(head, response.status, response.headers);
  append_framing(head, response.status, response.body.front()->size());
  link_.output().text(head);
  link_.output().chunk(response.body.front());
  link_.close_when_flushed();
}

void Http1Connection::answer(Response response) {
  // Who is nobody is told so once.
  if (response.status == 401 && !link_.peer().certificate_verified) keep_alive_ = false;
  if (link_.one_too_many()) keep_alive_ = false;
  size_t length = 0;
  for (const Chunk& chunk : response.body) length += chunk ? chunk->size() : 0;
  std::string head;
  head.reserve(512);
  append_response_head(head, response.status, response.headers);
  append_framing(head, response.status, length);
  link_.output().text(head);
  if (!exchange_->head_request && !is_bodiless_status(response.status)) {
    for (Chunk& chunk : response.body) {
      if (chunk) link_.output().chunk(std::move(chunk));
    }
  }
  message_done();
}

void Http1Connection::start(const Response& response) {
  streaming_ = true;
  std::string head;
  head.reserve(512);
  append_response_head(head, response.status, response.headers);
  head += link_.date_field();
  if (http_1_1_) head += "Transfer-Encoding: chunked\r\n";
  else keep_alive_ = false;  // HTTP/1.0: the body ends with the connection
  if (!keep_alive_) head += "Connection: close\r\n";
  head += "\r\n";
  link_.output().text(head);
}

void Http1Connection::write_chunk(Chunk chunk, const std::shared_ptr<Exchange>& exchange) {
  if (exchange_->head_request) {
    exchange->pending -= chunk->size();
    return;
  }
  char line[24];
  if (http_1_1_) {
    const auto end = fmt::format_to_n(line, sizeof line, "{:x}\r\n", chunk->size());
    link_.output().text({line, end.size});
  }
  link_.output().chunk(std::move(chunk), exchange);
  if (http_1_1_) link_.output().text("\r\n");
}

void Http1Connection::finish() {
  if (http_1_1_ && !exchange_->head_request) link_.output().text("0\r\n\r\n");
  message_done();
}

void Http1Connection::upgrade(const Response& response) {
  std::string head;
  append_response_head(head, 101, response.headers);
  head += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
  head += websocket_accept(exchange_->websocket_key);
  head += "\r\n\r\n";
  link_.output().text(head);
  link_.clear_deadline();
  closing_ = true;
  link_.replace_protocol(make_websocket_protocol(link_, exchange_), std::move(ahead_));
  exchange_.reset();
}

// The answer is in the output: on to the next request, or goodbye.
void Http1Connection::message_done() {
  release();
  if (!keep_alive_ || (ended_ && ahead_.empty())) {
    closing_ = true;
    link_.close_when_flushed();
    return;
  }
  link_.set_deadline(std::chrono::seconds(link_.config().idle_seconds));
  if (ahead_.empty()) return;
  parse(std::exchange(ahead_, {}));
  if (ended_ && !exchange_ && !closing_) {  // half a request, and the rest will never come
    closing_ = true;
    link_.close_when_flushed();
  }
}

void Http1Connection::release() {
  if (!exchange_) return;
  auto exchange = std::move(exchange_);
  exchange_.reset();
  exchange->close();
}

void Http1Connection::on_end() {
  ended_ = true;
  if (streaming_) {
    link_.cut("");  // nobody listens to this stream any more
  } else if (!exchange_) {
    closing_ = true;
    link_.close_when_flushed();
  }
}

void Http1Connection::on_command(Command& command) {
  switch (command.op) {
    case Op::answer: answer(std::move(*command.response)); break;
    case Op::start: start(*command.response); break;
    case Op::write: write_chunk(std::move(command.chunk), command.exchange); break;
    case Op::finish: finish(); break;
    case Op::abort: link_.cut(""); break;
    case Op::upgrade: upgrade(*command.response); break;
    default: break;
  }
}

}  // namespace

std::unique_ptr<Protocol> make_http1_protocol(Link& link) { return std::make_unique<Http1Connection>(link); }

}  // namespace net
