#include "controllers/worker.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "base/log.hpp"

namespace controllers {

Worker::Worker(std::string name, const sys::Clock& clock, std::function<void()> prepare, Reconcile reconcile)
    : name_(std::move(name)), queue_(clock, name_), prepare_(std::move(prepare)), reconcile_(std::move(reconcile)) {}

Worker::~Worker() { stop(); }

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::stop() {
  queue_.shut_down();
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  if (prepare_) prepare_();
  while (auto key = queue_.get()) {
    auto result = reconcile_(*key);
    if (result) {
      queue_.forget(*key);
    } else {
      // A conflict only says that our copy was old: the newer one is on its way.
      if (result.error().reason != base::Reason::conflict) {
        base::log_warning(name_, "{}: {} (will be tried again)", *key, result.error().message);
      }
      queue_.retry(*key);
    }
    queue_.done(*key);
  }
}

void run_parallel(int count, int threads, const std::function<void(int index)>& call) {
  if (count <= 0) return;
  std::atomic<int> next{0};
  auto work = [&] {
    for (int i = next++; i < count; i = next++) call(i);
  };
  std::vector<std::jthread> others;
  for (int i = 1; i < std::min(count, threads); ++i) others.emplace_back(work);
  work();
}

int run_slow_start(int count, const std::function<base::Result<void>()>& call, base::Error& failure) {
  constexpr int kThreads = 8;
  std::mutex mutex;
  int successes = 0;
  bool failed = false;
  for (int batch = 1, left = count; left > 0 && !failed; batch *= 2) {
    int size = std::min(batch, left);
    run_parallel(size, kThreads, [&](int) {
      auto result = call();
      std::lock_guard lock(mutex);
      if (result) {
        ++successes;
      } else if (!std::exchange(failed, true)) {
        failure = std::move(result).error();
      }
    });
    left -= size;
  }
  return successes;
}

}  // namespace controllers
