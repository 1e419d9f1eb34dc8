#include "server/workers.hpp"

#include <algorithm>
#include <utility>

namespace server {

namespace {
constexpr unsigned kFewest = 2;  // one that takes long leaves another
constexpr unsigned kMost = 4;
}  // namespace

Workers::Workers(unsigned count)
    : count_(count != 0 ? count : std::clamp(std::thread::hardware_concurrency(), kFewest, kMost)) {}

Workers::~Workers() { close(); }

void Workers::close() {
  std::vector<std::thread> threads;
  {
    auto queue = queue_.lock();
    queue->closed = true;
    threads.swap(queue->threads);
  }
  wake_.notify_all();
  for (auto& thread : threads) thread.join();
}

void Workers::post(std::function<void()> job, Length length) {
  {
    auto queue = queue_.lock();
    if (!queue->closed) {
      (length == Length::long_ ? queue->long_ : queue->usual).push_back(std::move(job));
      bool wake = queue->idle > 0;
      bool busy = queue->idle < queue->usual.size() + queue->long_.size();
      if (busy && queue->threads.size() < count_) queue->threads.emplace_back([this] { run(); });
      queue.native().unlock();
      if (wake) wake_.notify_one();
      return;
    }
  }
  job();
}

std::deque<std::function<void()>>* Workers::next(Queue& queue) const {
  bool may_long = !queue.long_.empty() && (queue.long_running + 1 < count_ || queue.closed);
  if (may_long && (queue.long_next || queue.usual.empty())) return &queue.long_;
  return queue.usual.empty() ? nullptr : &queue.usual;
}

void Workers::run() {
  auto queue = queue_.lock();
  while (true) {
    ++queue->idle;
    std::deque<std::function<void()>>* from = nullptr;
    wake_.wait(queue.native(), [&] { return (from = next(*queue)) || queue->closed; });
    --queue->idle;
    if (!from) return;
    const bool takes_long = from == &queue->long_;
    auto job = std::move(from->front());
    from->pop_front();
    queue->long_next = !takes_long;
    queue->long_running += takes_long;
    queue.native().unlock();
    job();
    job = nullptr;
    queue.native().lock();
    // Another long one may have waited for this.
    if (takes_long && queue->long_running-- == count_ - 1 && !queue->long_.empty()) wake_.notify_one();
  }
}

}  // namespace server
