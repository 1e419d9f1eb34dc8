#include "client/workqueue.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "base/guarded.hpp"

namespace client {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr auto kFirstRetry = std::chrono::milliseconds(5);
constexpr auto kLastRetry = std::chrono::seconds(60);

std::chrono::nanoseconds retry_delay(int failures) {
  // 5 ms * 2^14 is beyond a minute: no shift can overflow.
  if (failures > 13) return kLastRetry;
  return std::min<std::chrono::nanoseconds>(kFirstRetry * (1 << failures), kLastRetry);
}

struct Queue {
  std::deque<std::string> ready;
  std::set<std::string, std::less<>> dirty;    // wants work: is in ready, or is running and comes back
  std::set<std::string, std::less<>> running;  // handed to a worker
  std::map<std::string, SteadyTime, std::less<>> due_of;
  std::set<std::pair<SteadyTime, std::string>> delayed;
  std::map<std::string, int, std::less<>> failures;
  bool shut_down = false;

  void add(std::string key) {
    if (shut_down || !dirty.insert(key).second) return;
    if (!running.contains(key)) ready.push_back(std::move(key));
  }
  void move_due(SteadyTime now) {
    while (!delayed.empty() && delayed.begin()->first <= now) {
      auto node = delayed.extract(delayed.begin());
      due_of.erase(node.value().second);
      add(std::move(node.value().second));
    }
  }
  void add_at(std::string key, SteadyTime due) {
    if (shut_down) return;
    auto [it, fresh] = due_of.try_emplace(key, due);
    if (!fresh) {
      if (it->second <= due) return;
      delayed.erase({it->second, key});
      it->second = due;
    }
    delayed.emplace(due, std::move(key));
  }
};

}  // namespace

struct WorkQueue::State {
  explicit State(const sys::Clock& c) : clock(c) {}
  const sys::Clock& clock;
  base::Guarded<Queue> queue;
  std::condition_variable changed;
};

WorkQueue::WorkQueue(const sys::Clock& clock) : state_(std::make_unique<State>(clock)) {}
WorkQueue::~WorkQueue() { shut_down(); }

void WorkQueue::add(std::string key) {
  auto queue = state_->queue.lock();
  queue->add(std::move(key));
  state_->changed.notify_one();
}

void WorkQueue::add_after(std::string key, std::chrono::nanoseconds delay) {
  if (delay <= std::chrono::nanoseconds::zero()) return add(std::move(key));
  auto queue = state_->queue.lock();
  queue->add_at(std::move(key), state_->clock.steady_now() + delay);
  state_->changed.notify_one();
}

void WorkQueue::retry(std::string key) {
  auto queue = state_->queue.lock();
  int failures = queue->failures[key]++;
  queue->add_at(std::move(key), state_->clock.steady_now() + retry_delay(failures));
  state_->changed.notify_one();
}

void WorkQueue::forget(const std::string& key) { state_->queue.lock()->failures.erase(key); }

std::optional<std::string> WorkQueue::get() {
  auto queue = state_->queue.lock();
  while (true) {
    if (queue->shut_down) return std::nullopt;
    auto now = state_->clock.steady_now();
    queue->move_due(now);
    if (!queue->ready.empty()) break;
    if (queue->delayed.empty()) {
      state_->changed.wait(queue.native());
    } else {
      state_->changed.wait_for(queue.native(), queue->delayed.begin()->first - now);
    }
  }
  std::string key = std::move(queue->ready.front());
  queue->ready.pop_front();
  queue->dirty.erase(key);
  queue->running.insert(key);
  return key;
}

void WorkQueue::done(const std::string& key) {
  auto queue = state_->queue.lock();
  queue->running.erase(key);
  if (!queue->dirty.contains(key)) return;
  queue->ready.push_back(key);
  state_->changed.notify_one();
}

void WorkQueue::shut_down() {
  auto queue = state_->queue.lock();
  queue->shut_down = true;
  state_->changed.notify_all();
}

size_t WorkQueue::size() const { return state_->queue.lock()->ready.size(); }

}  // namespace client
