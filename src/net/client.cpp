#include "net/client.hpp"

#include "base/guarded.hpp"
#include "net/wire.hpp"

namespace net {

namespace {

constexpr uint64_t kMaxAnswer = 2ull << 30;
constexpr size_t kMaxIdle = 32;
constexpr auto kMaxIdleTime = std::chrono::seconds(90);  // below the idle time of servers

Http1Parser answer_parser() {
  return Http1Parser(Http1Parser::Kind::response,
                     {.max_header_bytes = 256u << 10, .max_headers = 1000, .max_body = kMaxAnswer});
}

Response take_response(Http1Parser& parser) {
  Response response{parser.status(), std::move(parser.headers()), {}};
  if (!parser.body().empty()) response.body.push_back(make_chunk(std::move(parser.body())));
  return response;
}

class WireStream final : public ResponseStream {
 public:
  WireStream(std::unique_ptr<Wire> wire, Http1Parser parser)
      : wire_(std::move(wire)), parser_(std::move(parser)), headers_(std::move(parser_.headers())) {}

  int status() const override { return parser_.status(); }
  const Headers& headers() const override { return headers_; }
  void cancel() override { wire_->interrupt(); }

  base::Result<std::string> read() override {
    char buffer[32 << 10];
    std::string left = std::exchange(wire_->leftover, {});
    feed(left);
    while (parser_.body().empty() && !parser_.complete() && !parser_.failed()) {
      TRY(const size_t got, wire_->read(buffer, sizeof buffer, kNoDeadline));
      if (got > 0) feed({buffer, got});
      else if (!parser_.feed_eof()) return std::unexpected(wire_->lost("reading a stream"));
    }
    if (wire_->interrupted()) return std::unexpected(wire_->lost("reading a stream"));
    if (!parser_.body().empty()) return std::exchange(parser_.body(), {});
    if (parser_.failed()) {
      return base::fail(base::Reason::service_unavailable, "malformed HTTP answer: " + parser_.error_text());
    }
    return std::string();
  }

 private:
  void feed(std::string_view bytes) {
    while (!bytes.empty() && !parser_.complete() && !parser_.failed()) bytes.remove_prefix(parser_.feed(bytes));
  }

  std::unique_ptr<Wire> wire_;
  Http1Parser parser_;
  Headers headers_;
};

class PooledClient final : public HttpClient {
 public:
  explicit PooledClient(ClientConfig config) : config_(std::move(config)) {
    if (!config_.tls) return;
    if (auto context = make_client_context(config_)) tls_ = std::move(*context);
    else broken_ = std::move(context).error();
  }

  base::Result<Response> round_trip(Request request) override {
    const Deadline deadline = deadline_in(config_.request_timeout_ms);
    Http1Parser parser = answer_parser();
    TRY(auto wire, exchange(request, parser, true, deadline));
    if (parser.keep_alive() && wire->leftover.empty()) give_back(std::move(wire));
    return take_response(parser);
  }

  base::Result<std::unique_ptr<ResponseStream>> open_stream(Request request) override {
    // A stream may last, its beginning may not.
    const Deadline deadline = deadline_in(config_.request_timeout_ms);
    Http1Parser parser(Http1Parser::Kind::response,
                       {.max_header_bytes = 256u << 10, .max_headers = 1000, .max_body = UINT64_MAX});
    TRY(auto wire, exchange(request, parser, false, deadline));
    return std::make_unique<WireStream>(std::move(wire), std::move(parser));
  }

  base::Result<std::unique_ptr<ClientWebSocket>> open_websocket(Request request, std::vector<std::string> subprotocols,
                                                                UpgradeRefused* refused) override {
    TRY(auto wire, dial());
    return upgrade_to_websocket(std::move(wire), config_, std::move(request), subprotocols, refused);
  }

 private:
  base::Result<std::unique_ptr<Wire>> dial() {
    if (config_.tls && !tls_) return std::unexpected(broken_);
    return Wire::dial(config_, tls_.get());
  }

  // A connection that lay idle and still stands, or null.
  std::unique_ptr<Wire> take_idle() {
    auto idle = idle_.lock();
    const auto now = std::chrono::steady_clock::now();
    while (!idle->empty()) {
      std::unique_ptr<Wire> wire = std::move(idle->back());
      idle->pop_back();
      if (now - wire->idle_since < kMaxIdleTime && wire->looks_alive()) return wire;
    }
    return nullptr;
  }

  void give_back(std::unique_ptr<Wire> wire) {
    wire->idle_since = std::chrono::steady_clock::now();
    auto idle = idle_.lock();
    if (idle->size() < kMaxIdle) idle->push_back(std::move(wire));
  }

  // Sends and reads the answer. A kept-alive connection may turn out to be closed; then a request that changes nothing
  // is sent once more. One that changes something is not: whether it was done is not known.
  base::Result<std::unique_ptr<Wire>> exchange(const Request& request, Http1Parser& parser, bool whole,
                                               Deadline deadline) {
    const bool repeatable = request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
    if (auto wire = take_idle()) {
      auto done = exchange_on(*wire, request, parser, whole, deadline);
      if (done) return wire;
      const bool unanswered = parser.untouched() && done.error().reason == base::Reason::service_unavailable;
      if (!unanswered || !repeatable) return std::unexpected(std::move(done).error());
      parser.reset();
    }
    TRY(auto wire, dial());
    CHECK_OK(exchange_on(*wire, request, parser, whole, deadline));
    return wire;
  }

  base::Result<void> exchange_on(Wire& wire, const Request& request, Http1Parser& parser, bool whole,
                                 Deadline deadline) {
    auto sent = send_request(wire, config_, request, deadline);
    if (!sent && sent.error().reason != base::Reason::service_unavailable) return sent;
    // Even when the sending broke off there may be an answer: 413 comes before the body is through.
    auto read = read_response(wire, parser, whole, request.method == "HEAD", deadline);
    if (!read) return sent ? read : sent;
    return {};
  }

  const ClientConfig config_;
  SslContextPtr tls_;
  base::Error broken_;  // why there is no tls_
  base::Guarded<std::vector<std::unique_ptr<Wire>>> idle_;
};

}  // namespace

std::unique_ptr<HttpClient> make_http_client(ClientConfig config) {
  return std::make_unique<PooledClient>(std::move(config));
}

}  // namespace net
