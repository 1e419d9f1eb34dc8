// The client's end of a WebSocket: the upgrade, then messages over a Wire that several threads share.
#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "base/strings.hpp"
#include "net/websocket.hpp"
#include "net/wire.hpp"

namespace net {

namespace {

constexpr size_t kMaxMessage = 64u << 20;
constexpr uint64_t kMaxRefusal = 1u << 20;
constexpr int kCloseMilliseconds = 5'000;

// The lock covers the codec and the channel, both of which only compute or try; waiting happens without it.
class WireWebSocket final : public ClientWebSocket {
 public:
  WireWebSocket(std::unique_ptr<Wire> wire, std::string subprotocol)
      : wire_(std::move(wire)), subprotocol_(std::move(subprotocol)), codec_(WebSocketCodec::Role::client, kMaxMessage) {
    codec_.feed(std::exchange(wire_->leftover, {}));
  }
  ~WireWebSocket() override { close(); }

  std::string_view subprotocol() const override { return subprotocol_; }

  base::Result<void> send_binary(std::string_view message) override {
    {
      const std::lock_guard lock(mutex_);
      if (!codec_.send_binary(message)) {
        return base::fail(base::Reason::service_unavailable, "the WebSocket is closed: nothing can be sent any more");
      }
    }
    return flush(kNoDeadline);
  }

  base::Result<std::optional<std::string>> receive() override {
    for (;;) {
      if (next_ < messages_.size()) return std::move(messages_[next_++]);
      messages_.clear();
      next_ = 0;
      bool over = false;
      const Io state = read_some(over);
      const auto flushed = flush(kNoDeadline);  // pongs, the answer to a close
      if (!messages_.empty()) continue;
      if (over) return ended();
      if (wire_->interrupted() || state == Io::end || state == Io::failed) {
        return std::unexpected(wire_->lost("reading a WebSocket"));
      }
      if (state != Io::ok) CHECK_OK(wire_->wait(state, kNoDeadline));
      else if (!flushed) return std::unexpected(flushed.error());
    }
  }

  void close() override {
    {
      const std::lock_guard lock(mutex_);
      if (codec_.close_sent()) return;
      codec_.close(1000, "");
    }
    (void)flush(deadline_in(kCloseMilliseconds));
    // Not waited for: the peer's goodbye ends a receive() of another thread; the end of our bytes makes it come.
    const std::lock_guard lock(mutex_);
    wire_->channel().shutdown_write();
  }

 private:
  // One try; moves what came into messages_. `over`: nothing more will come.
  Io read_some(bool& over) {
    char buffer[16 << 10];
    size_t got = 0;
    const std::lock_guard lock(mutex_);
    Io state = Io::ok;
    if (!codec_.finished()) state = wire_->channel().read(buffer, sizeof buffer, got);
    codec_.feed({buffer, got});
    for (auto& message : codec_.take_messages()) messages_.push_back(std::move(message.bytes));
    over = codec_.finished() || codec_.close_received();
    return state;
  }

  base::Result<std::optional<std::string>> ended() {
    const std::lock_guard lock(mutex_);
    if (codec_.close_received()) return std::nullopt;
    return base::fail(base::Reason::service_unavailable, "the WebSocket ended by a protocol error or a too large message");
  }

  base::Result<void> flush(Deadline deadline) {
    for (;;) {
      Io state = Io::ok;
      {
        const std::lock_guard lock(mutex_);
        output_.text(codec_.take_output());
        state = wire_->channel().write(output_);
      }
      if (state == Io::ok) return {};
      if (state == Io::failed || state == Io::end) return std::unexpected(wire_->lost("writing to a WebSocket"));
      CHECK_OK(wire_->wait(state, deadline));
    }
  }

  std::unique_ptr<Wire> wire_;
  const std::string subprotocol_;
  std::mutex mutex_;
  WebSocketCodec codec_;
  Output output_;
  std::vector<std::string> messages_;  // of the receiving thread
  size_t next_ = 0;
};

base::Error refusal(const Http1Parser& parser, const std::string& body) {
  return {base::Reason::bad_request,
          fmt::format("the server refused the WebSocket: HTTP {} {}{}{}", parser.status(), status_text(parser.status()),
                      body.empty() ? "" : ": ", body.substr(0, 1024)),
          nullptr};
}

}  // namespace

base::Result<std::unique_ptr<ClientWebSocket>> upgrade_to_websocket(std::unique_ptr<Wire> wire,
                                                                    const ClientConfig& config, Request request,
                                                                    const std::vector<std::string>& subprotocols,
                                                                    UpgradeRefused* refused) {
  const Deadline deadline = deadline_in(config.request_timeout_ms);
  const std::string key = base64_random_key();
  request.method = "GET";
  request.headers.set("Connection", "Upgrade");
  request.headers.set("Upgrade", "websocket");
  request.headers.set("Sec-WebSocket-Version", "13");
  request.headers.set("Sec-WebSocket-Key", key);
  if (!subprotocols.empty()) request.headers.set("Sec-WebSocket-Protocol", base::join(subprotocols, ", "));
  CHECK_OK(send_request(*wire, config, request, deadline));
  Http1Parser parser(Http1Parser::Kind::response,
                     {.max_header_bytes = 256u << 10, .max_headers = 1000, .max_body = kMaxRefusal});
  CHECK_OK(read_response(*wire, parser, false, false, deadline));
  if (parser.status() != 101) {
    auto whole = read_response(*wire, parser, true, false, deadline);
    if (!whole && !parser.failed()) return std::unexpected(std::move(whole).error());
    base::Error error = refusal(parser, parser.body());
    if (refused) *refused = {parser.status(), std::move(parser.headers()), std::move(parser.body())};
    return std::unexpected(std::move(error));
  }
  const Headers& headers = parser.headers();
  if (headers.get("sec-websocket-accept") != websocket_accept(key)) {
    return base::fail(base::Reason::service_unavailable, "the server's answer to the WebSocket upgrade is not to our key");
  }
  const std::string chosen(headers.get("sec-websocket-protocol"));
  if (!chosen.empty() && std::find(subprotocols.begin(), subprotocols.end(), chosen) == subprotocols.end()) {
    return base::fail(base::Reason::service_unavailable, "the server chose a WebSocket subprotocol that was not offered: " + chosen);
  }
  return std::make_unique<WireWebSocket>(std::move(wire), chosen);
}

}  // namespace net
