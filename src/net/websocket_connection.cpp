// A WebSocket on an accepted connection, after the upgrade. Loop thread only.
#include "base/log.hpp"
#include "net/protocol.hpp"
#include "net/websocket.hpp"

namespace net {

namespace {

using Op = Command::Op;

constexpr size_t kMaxMessage = 1u << 20;
constexpr std::chrono::seconds kCloseTime{5};  // from our close frame to the peer's

class WebSocketConnection final : public Protocol {
 public:
  WebSocketConnection(Link& link, std::shared_ptr<Exchange> exchange)
      : Protocol(link), codec_(WebSocketCodec::Role::server, kMaxMessage), exchange_(std::move(exchange)) {
    exchange_->attach(this);
  }

  void on_bytes(std::string_view bytes) override {
    codec_.feed(bytes);
    flush_codec();
    deliver();
    if (codec_.finished()) finish();
  }

  void on_end() override { link_.cut(""); }
  bool wants_bytes() const override { return !paused_ && early_bytes_ < kMaxMessage; }
  size_t queued() const override { return link_.output().size(); }

  void on_stop() override {
    codec_.close(1001, "the server stops");
    flush_codec();
  }

  void on_gone() override {
    if (!exchange_) return;
    auto exchange = std::move(exchange_);
    exchange_.reset();
    exchange->close();
    auto dropped = std::move(on_message_);
    on_message_ = nullptr;
  }

  void on_command(Command& command) override {
    switch (command.op) {
      case Op::listen:
        on_message_.swap(*exchange_->on_message.lock());
        early_bytes_ = 0;
        deliver();
        break;
      case Op::message: send(std::move(command.chunk), command.exchange); break;
      case Op::ws_close:
        ended_ = true;
        paused_ = false;  // what the peer still sends is read and dropped: else a reset would take our last words from it
        codec_.close(command.code, *command.chunk);
        flush_codec();
        link_.set_deadline(kCloseTime);
        if (codec_.finished()) finish();
        break;
      case Op::pause: paused_ = command.code == 1 && !ended_; break;
      default: break;
    }
  }

 private:
  void flush_codec() { link_.output().text(codec_.take_output()); }

  void send(Chunk chunk, const std::shared_ptr<Exchange>& exchange) {
    if (codec_.close_sent()) {
      exchange->pending -= chunk->size();
      return;
    }
    link_.output().text(websocket_frame_header(chunk->size()));
    link_.output().chunk(std::move(chunk), exchange);
  }

  // Messages that come before on_message is there wait.
  void deliver() {
    auto messages = codec_.take_messages();
    if (ended_) return;
    if (!on_message_) {
      for (auto& message : messages) {
        early_bytes_ += message.bytes.size() + sizeof message;
        early_.push_back(std::move(message));
      }
      return;
    }
    for (auto& message : std::exchange(early_, {})) call(message);
    for (auto& message : messages) call(message);
  }

  void call(WebSocketCodec::Message& message) {
    try {
      on_message_(std::move(message.bytes), message.binary);
    } catch (const std::exception& e) {
      base::log_error("net", "a WebSocket's message callback threw: {}", e.what());
      codec_.close(1011, "internal error");
      flush_codec();
    }
  }

  void finish() { link_.close_when_flushed(); }

  WebSocketCodec codec_;
  std::shared_ptr<Exchange> exchange_;
  std::function<void(std::string, bool)> on_message_;
  std::vector<WebSocketCodec::Message> early_;
  size_t early_bytes_ = 0;
  bool paused_ = false;
  bool ended_ = false;  // by us
};

}  // namespace

std::unique_ptr<Protocol> make_websocket_protocol(Link& link, std::shared_ptr<Exchange> exchange) {
  return std::make_unique<WebSocketConnection>(link, std::move(exchange));
}

}  // namespace net
