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

void Workers::post(std::function<void()> job) {
  {
    auto queue = queue_.lock();
    if (!queue->closed) {
      queue->jobs.push_back(std::move(job));
      bool wake = queue->idle >= queue->jobs.size();
      if (!wake && queue->threads.size() < count_) queue->threads.emplace_back([this] { run(); });
      queue.native().unlock();
      if (wake) wake_.notify_one();
      return;
    }
  }
  job();
}

void Workers::run() {
  while (true) {
    std::function<void()> job;
    {
      auto queue = queue_.lock();
      ++queue->idle;
      wake_.wait(queue.native(), [&] { return queue->closed || !queue->jobs.empty(); });
      --queue->idle;
      if (queue->jobs.empty()) return;
      job = std::move(queue->jobs.front());
      queue->jobs.pop_front();
    }
    job();
  }
}

}  // namespace server
