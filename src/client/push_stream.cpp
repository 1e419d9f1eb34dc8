#include <mutex>
#include <thread>
#include <utility>

#include "client/transport.hpp"

namespace client {
namespace {

// A thread that reads and hands on.
class ReadingStream final : public PushedStream {
 public:
  ReadingStream(Transport& transport, net::Request request, std::shared_ptr<StreamSink> sink)
      : thread_([this, &transport, request = std::move(request), sink = std::move(sink)]() mutable {
          run(transport, std::move(request), *sink);
        }) {}
  ~ReadingStream() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      if (stream_) stream_->cancel();
    }
    thread_.join();
  }

 private:
  void run(Transport& transport, net::Request request, StreamSink& sink) {
    auto opened = transport.open_stream(std::move(request));
    if (opened && keep(std::move(*opened))) {
      sink.on_head(stream_->status());
      while (true) {
        auto bytes = stream_->read();
        if (!bytes || bytes->empty() || !sink.on_bytes(net::make_chunk(std::move(*bytes)))) break;
      }
    }
    sink.on_end();
  }

  bool keep(std::unique_ptr<net::ResponseStream> stream) {
    std::lock_guard lock(mutex_);
    stream_ = std::move(stream);
    return !stopping_;
  }

  std::mutex mutex_;
  bool stopping_ = false;                        // guarded by mutex_
  std::unique_ptr<net::ResponseStream> stream_;  // set once under mutex_, then of the thread; cancel() from any
  std::thread thread_;
};

}  // namespace

std::unique_ptr<PushedStream> Transport::push_stream(net::Request request, std::shared_ptr<StreamSink> sink) {
  return std::make_unique<ReadingStream>(*this, std::move(request), std::move(sink));
}

}  // namespace client
