#include "net/exchange.hpp"

#include "base/log.hpp"
#include "net/http1.hpp"

namespace net {

namespace {

using Op = Command::Op;

void call_safely(const std::function<void()>& callback) {
  try {
    callback();
  } catch (const std::exception& e) {
    base::log_error("net", "on_close callback threw: {}", e.what());
  }
}

bool post(const std::shared_ptr<Exchange>& exchange, Op op, Chunk chunk = nullptr,
          std::unique_ptr<Response> response = nullptr, int code = 0) {
  return exchange->mailbox().post(Command{exchange, op, code, std::move(chunk), std::move(response)});
}

// Hands bytes to the loop and counts them until the kernel has them.
bool post_bytes(const std::shared_ptr<Exchange>& exchange, Op op, Chunk chunk) {
  if (exchange->closed()) return false;
  const size_t size = chunk->size();
  exchange->pending += size;
  if (post(exchange, op, std::move(chunk))) return true;
  exchange->pending -= size;
  return false;
}

class StreamHandle final : public BodyStream {
 public:
  // `live` false: of a request that was answered already; takes nothing.
  StreamHandle(std::shared_ptr<Exchange> exchange, bool live) : exchange_(std::move(exchange)), finished_(!live) {}
  ~StreamHandle() override {
    if (!finished_.exchange(true)) post(exchange_, Op::abort);
  }
  bool write(Chunk chunk) override {
    if (finished_.load()) return false;
    if (!chunk || chunk->empty()) return !exchange_->closed();
    return post_bytes(exchange_, Op::write, std::move(chunk));
  }
  void finish() override {
    if (!finished_.exchange(true)) post(exchange_, Op::finish);
  }
  size_t pending() const override { return exchange_->pending.load(); }
  void on_close(std::function<void()> callback) override { exchange_->on_close(std::move(callback)); }

 private:
  std::shared_ptr<Exchange> exchange_;
  std::atomic<bool> finished_;
};

class WebSocketHandle final : public WebSocket {
 public:
  explicit WebSocketHandle(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~WebSocketHandle() override { close(1000, ""); }
  bool send_binary(std::string message) override {
    if (closing_.load()) return false;
    return post_bytes(exchange_, Op::message, make_chunk(std::move(message)));
  }
  void close(int code, std::string reason) override {
    if (!closing_.exchange(true)) post(exchange_, Op::ws_close, make_chunk(std::move(reason)), nullptr, code);
  }
  size_t pending() const override { return exchange_->pending.load(); }
  void on_message(std::function<void(std::string, bool)> callback) override {
    *exchange_->on_message.lock() = std::move(callback);
    post(exchange_, Op::listen);
  }
  void on_close(std::function<void()> callback) override { exchange_->on_close(std::move(callback)); }
  void set_reading(bool reading) override { post(exchange_, Op::pause, nullptr, nullptr, reading ? 0 : 1); }

 private:
  std::shared_ptr<Exchange> exchange_;
  std::atomic<bool> closing_{false};
};

class ResponderHandle final : public Responder {
 public:
  explicit ResponderHandle(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~ResponderHandle() override {
    if (answered_.load() || exchange_->closed()) return;
    base::log_error("net", "a handler gave no answer to a request: answering 500");
    post(exchange_, Op::answer, nullptr,
         std::make_unique<Response>(failure_response(500, "the request was dropped without an answer")));
  }
  void send(Response response) override {
    if (!take("send")) return;
    post(exchange_, Op::answer, nullptr, std::make_unique<Response>(std::move(response)));
  }
  std::shared_ptr<BodyStream> stream(int status, Headers headers) override {
    const bool live = take("stream");
    if (live) post(exchange_, Op::start, nullptr, std::make_unique<Response>(Response{status, std::move(headers), {}}));
    return std::make_shared<StreamHandle>(exchange_, live);
  }
  base::Result<std::shared_ptr<WebSocket>> websocket(std::string_view subprotocol) override {
    if (exchange_->websocket_key.empty()) {
      return base::fail(base::Reason::bad_request, "Upgrade request required: the request asks for no WebSocket");
    }
    if (!take("websocket")) return base::fail(base::Reason::internal_error, "the request has been answered already");
    auto response = std::make_unique<Response>();
    response->status = 101;
    if (!subprotocol.empty()) response->headers.add("Sec-WebSocket-Protocol", std::string(subprotocol));
    post(exchange_, Op::upgrade, nullptr, std::move(response));
    return std::make_shared<WebSocketHandle>(exchange_);
  }

 private:
  bool take(std::string_view what) {
    if (!answered_.exchange(true)) return true;
    base::log_error("net", "a handler answered a request twice: the second answer ({}) is dropped", what);
    return false;
  }

  std::shared_ptr<Exchange> exchange_;
  std::atomic<bool> answered_{false};
};

}  // namespace

void Exchange::close() {
  protocol_ = nullptr;
  std::vector<std::function<void()>> callbacks;
  {
    auto closing = closing_.lock();
    closing->closed = true;
    callbacks.swap(closing->callbacks);
  }
  closed_.store(true, std::memory_order_release);
  for (const auto& callback : callbacks) call_safely(callback);
  std::function<void(std::string, bool)> dropped;  // destroyed without the lock: it may own the WebSocket
  dropped.swap(*on_message.lock());
}

void Exchange::on_close(std::function<void()> callback) {
  {
    auto closing = closing_.lock();
    if (!closing->closed) {
      closing->callbacks.push_back(std::move(callback));
      return;
    }
  }
  call_safely(callback);
}

bool Mailbox::post(Command command) {
  auto state = state_.lock();
  if (state->closed) return false;
  state->commands.push_back(std::move(command));
  if (state->woken) return true;
  state->woken = true;
  wake_();  // under the lock: after close() no wake is under way, so that the loop may go
  return true;
}

void Mailbox::take(std::vector<Command>& commands) {
  auto state = state_.lock();
  commands.swap(state->commands);
  state->woken = false;
}

void Mailbox::close() {
  std::vector<Command> dropped;  // destroyed after the lock is gone: handles in it post to this mailbox
  auto state = state_.lock();
  state->closed = true;
  dropped.swap(state->commands);
}

std::shared_ptr<Responder> make_responder(std::shared_ptr<Exchange> exchange) {
  return std::make_shared<ResponderHandle>(std::move(exchange));
}

}  // namespace net
