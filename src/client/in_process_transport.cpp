#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <utility>

#include "base/guarded.hpp"
#include "client/transport.hpp"

namespace client {
namespace {

// A stream that is read slower than this is cut, as the HTTP server cuts a peer that does not read.
constexpr size_t kMaxPending = 32u << 20;
constexpr auto kAnswerTimeout = std::chrono::seconds(60);

using Callbacks = std::vector<std::function<void()>>;

// One request and its answer, shared by the handler's side and the waiting side. Callbacks run without the lock, and
// only ever on the reader's thread: a handler may hold its own locks while it writes.
class Exchange {
 public:
  bool answer(int status, net::Headers headers, std::vector<net::Chunk> body, bool finished) {
    auto state = state_.lock();
    if (state->answered) return false;
    state->answered = true;
    state->status = status;
    state->headers = std::move(headers);
    for (auto& chunk : body) push(*state, std::move(chunk));
    state->finished = finished;
    changed_.notify_all();
    return true;
  }

  void abandon() {
    answer(500, {{"Content-Type", "text/plain"}},
           {net::make_chunk("the API server's handler gave no answer; see its log for the reason")}, true);
  }

  bool write(net::Chunk chunk) {
    auto state = state_.lock();
    if (state->closed || state->finished || state->overflow) return false;
    if (state->pending + chunk->size() > kMaxPending) {
      state->overflow = true;
      changed_.notify_all();
      return false;
    }
    push(*state, std::move(chunk));
    changed_.notify_all();
    return true;
  }

  void finish() {
    auto state = state_.lock();
    state->finished = true;
    changed_.notify_all();
  }

  size_t pending() const { return state_.lock()->pending; }

  void on_close(std::function<void()> callback) {
    {
      auto state = state_.lock();
      if (!state->closed) {
        state->on_close.push_back(std::move(callback));
        return;
      }
    }
    callback();
  }

  // The reader goes away, or has seen the end.
  void close() {
    Callbacks callbacks;
    {
      auto state = state_.lock();
      state->closed = true;
      callbacks.swap(state->on_close);
      changed_.notify_all();
    }
    for (auto& callback : callbacks) callback();
  }

  bool wait_answer() {
    auto state = state_.lock();
    return changed_.wait_for(state.native(), kAnswerTimeout, [&] { return state->answered; });
  }

  // After wait_answer() these do not change.
  int status() const { return state_.lock()->status; }
  const net::Headers& headers() const { return state_.lock()->headers; }

  // Everything that is there, or nothing at the end.
  base::Result<std::vector<net::Chunk>> read() {
    auto state = state_.lock();
    changed_.wait(state.native(), [&] {
      return !state->chunks.empty() || state->finished || state->closed || state->overflow;
    });
    if (state->closed) return base::fail(base::Reason::service_unavailable, "the stream was cancelled");
    if (state->overflow) {
      return base::fail(base::Reason::service_unavailable, "the stream was cut: it was read too slowly");
    }
    std::vector<net::Chunk> out(std::make_move_iterator(state->chunks.begin()),
                                std::make_move_iterator(state->chunks.end()));
    state->chunks.clear();
    state->pending = 0;
    return out;
  }

 private:
  struct State {
    bool answered = false;
    bool finished = false;  // the handler's side has written its last byte
    bool closed = false;    // the reader's side wants no more
    bool overflow = false;
    int status = 0;
    net::Headers headers;
    std::deque<net::Chunk> chunks;
    size_t pending = 0;
    Callbacks on_close;
  };
  static void push(State& state, net::Chunk chunk) {
    if (!chunk || chunk->empty()) return;
    state.pending += chunk->size();
    state.chunks.push_back(std::move(chunk));
  }

  base::Guarded<State> state_;
  std::condition_variable changed_;
};

class QueueBody final : public net::BodyStream {
 public:
  explicit QueueBody(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~QueueBody() override { exchange_->finish(); }
  bool write(net::Chunk chunk) override { return exchange_->write(std::move(chunk)); }
  void finish() override { exchange_->finish(); }
  size_t pending() const override { return exchange_->pending(); }
  void on_close(std::function<void()> callback) override { exchange_->on_close(std::move(callback)); }

 private:
  std::shared_ptr<Exchange> exchange_;
};

class MemoryResponder final : public net::Responder {
 public:
  explicit MemoryResponder(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~MemoryResponder() override { exchange_->abandon(); }
  void send(net::Response response) override {
    exchange_->answer(response.status, std::move(response.headers), std::move(response.body), true);
  }
  std::shared_ptr<net::BodyStream> stream(int status, net::Headers headers) override {
    exchange_->answer(status, std::move(headers), {}, false);
    return std::make_shared<QueueBody>(exchange_);
  }
  base::Result<std::shared_ptr<net::WebSocket>> websocket(std::string_view) override {
    return base::fail(base::Reason::bad_request, "no WebSocket in process: use the HTTP transport");
  }

 private:
  std::shared_ptr<Exchange> exchange_;
};

class MemoryStream final : public net::ResponseStream {
 public:
  explicit MemoryStream(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~MemoryStream() override { exchange_->close(); }
  int status() const override { return exchange_->status(); }
  const net::Headers& headers() const override { return exchange_->headers(); }
  base::Result<std::string> read() override {
    TRY(auto chunks, exchange_->read());
    if (chunks.empty()) {
      exchange_->close();
      return std::string();
    }
    std::string out;
    size_t size = 0;
    for (const auto& chunk : chunks) size += chunk->size();
    out.reserve(size);
    for (const auto& chunk : chunks) out += *chunk;
    return out;
  }
  void cancel() override { exchange_->close(); }

 private:
  std::shared_ptr<Exchange> exchange_;
};

// Shared by the handler's side and the PushedStream. The close callbacks run on the thread that drops the stream.
class Pushed {
 public:
  explicit Pushed(std::shared_ptr<StreamSink> sink) : sink_(std::move(sink)) {}

  void head(int status) { sink_->on_head(status); }
  bool write(net::Chunk chunk) {
    if (closed_.load()) return false;
    if (!chunk || chunk->empty()) return true;
    if (sink_->on_bytes(std::move(chunk))) return true;
    finish();
    return false;
  }
  void finish() {
    if (!closed_.exchange(true)) sink_->on_end();
  }
  size_t pending() const { return sink_->pending(); }
  void on_close(std::function<void()> callback) {
    {
      auto callbacks = callbacks_.lock();
      if (!dropped_) {
        callbacks->push_back(std::move(callback));
        return;
      }
    }
    callback();
  }
  void drop() {
    closed_ = true;
    Callbacks callbacks;
    {
      auto locked = callbacks_.lock();
      dropped_ = true;
      callbacks.swap(*locked);
    }
    for (auto& callback : callbacks) callback();
  }

 private:
  std::shared_ptr<StreamSink> sink_;
  std::atomic<bool> closed_{false};
  bool dropped_ = false;  // under callbacks_
  base::Guarded<Callbacks> callbacks_;
};

class PushedBody final : public net::BodyStream {
 public:
  explicit PushedBody(std::shared_ptr<Pushed> pushed) : pushed_(std::move(pushed)) {}
  ~PushedBody() override { pushed_->finish(); }
  bool write(net::Chunk chunk) override { return pushed_->write(std::move(chunk)); }
  void finish() override { pushed_->finish(); }
  size_t pending() const override { return pushed_->pending(); }
  void on_close(std::function<void()> callback) override { pushed_->on_close(std::move(callback)); }

 private:
  std::shared_ptr<Pushed> pushed_;
};

class PushingResponder final : public net::Responder {
 public:
  explicit PushingResponder(std::shared_ptr<Pushed> pushed) : pushed_(std::move(pushed)) {}
  ~PushingResponder() override {
    if (pushed_) pushed_->finish();
  }
  void send(net::Response response) override {
    pushed_->head(response.status);
    for (auto& chunk : response.body) pushed_->write(std::move(chunk));
    pushed_->finish();
  }
  std::shared_ptr<net::BodyStream> stream(int status, net::Headers) override {
    pushed_->head(status);
    return std::make_shared<PushedBody>(std::move(pushed_));
  }
  base::Result<std::shared_ptr<net::WebSocket>> websocket(std::string_view) override {
    return base::fail(base::Reason::bad_request, "no WebSocket in process: use the HTTP transport");
  }

 private:
  std::shared_ptr<Pushed> pushed_;
};

class PushedHandle final : public PushedStream {
 public:
  explicit PushedHandle(std::shared_ptr<Pushed> pushed) : pushed_(std::move(pushed)) {}
  ~PushedHandle() override { pushed_->drop(); }

 private:
  std::shared_ptr<Pushed> pushed_;
};

class InProcessTransport final : public Transport {
 public:
  InProcessTransport(net::Handler handler, std::string user, std::vector<std::string> groups)
      : handler_(std::move(handler)), user_(std::move(user)), groups_(std::move(groups)) {}

  base::Result<net::Response> round_trip(net::Request request) override {
    TRY(auto exchange, call(std::move(request)));
    net::Response response{.status = exchange->status(), .headers = exchange->headers(), .body = {}};
    MemoryStream guard(exchange);  // tells the handler when we stop early
    while (true) {
      TRY(auto chunks, exchange->read());
      if (chunks.empty()) return response;
      for (auto& chunk : chunks) response.body.push_back(std::move(chunk));
    }
  }

  base::Result<std::unique_ptr<net::ResponseStream>> open_stream(net::Request request) override {
    TRY(auto exchange, call(std::move(request)));
    return std::make_unique<MemoryStream>(std::move(exchange));
  }

  std::unique_ptr<PushedStream> push_stream(net::Request request, std::shared_ptr<StreamSink> sink) override {
    request.peer = peer();
    auto pushed = std::make_shared<Pushed>(std::move(sink));
    handler_(std::move(request), std::make_shared<PushingResponder>(pushed));
    return std::make_unique<PushedHandle>(std::move(pushed));
  }

 private:
  net::Peer peer() const {
    return {.address = "in-process", .certificate_verified = true, .common_name = user_, .organizations = groups_};
  }

  base::Result<std::shared_ptr<Exchange>> call(net::Request request) {
    request.peer = peer();
    auto exchange = std::make_shared<Exchange>();
    std::string what = request.method + " " + request.path;
    handler_(std::move(request), std::make_shared<MemoryResponder>(exchange));
    if (!exchange->wait_answer()) {
      exchange->close();
      return base::fail(base::Reason::timeout, what + ": the API server did not answer in 60 s");
    }
    return exchange;
  }

  net::Handler handler_;
  std::string user_;
  std::vector<std::string> groups_;
};

}  // namespace

std::shared_ptr<Transport> make_in_process_transport(net::Handler handler, std::string user,
                                                     std::vector<std::string> groups) {
  return std::make_shared<InProcessTransport>(std::move(handler), std::move(user), std::move(groups));
}

}  // namespace client
