// A Transport that plays back what a test scripted and records what was asked of it. Any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.hpp"
#include "client/transport.hpp"

namespace client {

// A watch whose bytes the test feeds. Ends when the test says so, or when the reader cancels.
class FedStream {
 public:
  void feed(std::string bytes) {
    auto state = state_.lock();
    state->chunks.push_back(std::move(bytes));
    changed_.notify_all();
  }
  void end() {
    auto state = state_.lock();
    state->ended = true;
    changed_.notify_all();
  }
  base::Result<std::string> read() {
    auto state = state_.lock();
    changed_.wait(state.native(), [&] { return state->cancelled || state->ended || !state->chunks.empty(); });
    if (state->cancelled) return base::fail(base::Reason::service_unavailable, "cancelled");
    if (state->chunks.empty()) return std::string();
    std::string out = std::move(state->chunks.front());
    state->chunks.pop_front();
    return out;
  }
  void cancel() {
    auto state = state_.lock();
    state->cancelled = true;
    changed_.notify_all();
  }

 private:
  struct State {
    std::deque<std::string> chunks;
    bool ended = false;
    bool cancelled = false;
  };
  base::Guarded<State> state_;
  std::condition_variable changed_;
};

class ScriptedTransport final : public Transport {
 public:
  struct Answer {
    int status = 200;
    std::string body;
  };

  void answer(int status, std::string body) { state_.lock()->answers.push_back({status, std::move(body)}); }
  // The next watch that is opened: status 200 and this stream.
  std::shared_ptr<FedStream> add_stream() {
    auto stream = std::make_shared<FedStream>();
    auto state = state_.lock();
    state->streams.push_back({200, stream});
    changed_.notify_all();
    return stream;
  }
  // The next watch is refused with that status and body.
  void refuse_stream(int status, std::string body) {
    auto stream = std::make_shared<FedStream>();
    stream->feed(std::move(body));
    stream->end();
    auto state = state_.lock();
    state->streams.push_back({status, std::move(stream)});
    changed_.notify_all();
  }

  // Blocks until so many requests have come, and returns them all.
  std::vector<net::Request> wait_requests(size_t count) {
    auto state = state_.lock();
    changed_.wait(state.native(), [&] { return state->requests.size() >= count; });
    return state->requests;
  }

  base::Result<net::Response> round_trip(net::Request request) override {
    auto state = state_.lock();
    state->requests.push_back(std::move(request));
    changed_.notify_all();
    if (state->answers.empty()) return base::fail(base::Reason::service_unavailable, "nothing scripted");
    Answer answer = std::move(state->answers.front());
    state->answers.pop_front();
    return net::Response{.status = answer.status, .headers = {}, .body = {net::make_chunk(std::move(answer.body))}};
  }

  base::Result<std::unique_ptr<net::ResponseStream>> open_stream(net::Request request) override {
    auto state = state_.lock();
    state->requests.push_back(std::move(request));
    changed_.notify_all();
    if (state->streams.empty()) return base::fail(base::Reason::service_unavailable, "no stream scripted");
    auto [status, stream] = std::move(state->streams.front());
    state->streams.pop_front();
    return std::make_unique<Response>(status, std::move(stream));
  }

 private:
  class Response final : public net::ResponseStream {
   public:
    Response(int status, std::shared_ptr<FedStream> stream) : status_(status), stream_(std::move(stream)) {}
    int status() const override { return status_; }
    const net::Headers& headers() const override { return headers_; }
    base::Result<std::string> read() override { return stream_->read(); }
    void cancel() override { stream_->cancel(); }

   private:
    int status_;
    net::Headers headers_;
    std::shared_ptr<FedStream> stream_;
  };
  struct State {
    std::deque<Answer> answers;
    std::deque<std::pair<int, std::shared_ptr<FedStream>>> streams;
    std::vector<net::Request> requests;
  };
  base::Guarded<State> state_;
  std::condition_variable changed_;
};

}  // namespace client
