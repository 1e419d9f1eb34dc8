#include "client/workqueue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/guarded.hpp"
#include "client/metrics.hpp"

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

constexpr std::array<double, 10> kTimeBounds = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10};

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// What a queue has seen, or all of one name.
struct Seen {
  uint64_t adds = 0;
  uint64_t retries = 0;
  size_t depth = 0;
  double unfinished = 0;
  double longest = 0;
  Distribution<kTimeBounds.size()> waited;
  Distribution<kTimeBounds.size()> worked;
};

struct Queue {
  std::deque<std::string> ready;
  std::map<std::string, SteadyTime, std::less<>> dirty;    // wants work since: in ready, or running and comes back
  std::map<std::string, SteadyTime, std::less<>> running;  // handed to a worker, since
  std::map<std::string, SteadyTime, std::less<>> due_of;
  std::set<std::pair<SteadyTime, std::string>> delayed;
  std::map<std::string, int, std::less<>> failures;
  bool shut_down = false;
  Seen seen;

  void add(std::string key, SteadyTime now) {
    if (shut_down || !dirty.try_emplace(key, now).second) return;
    ++seen.adds;
    if (!running.contains(key)) ready.push_back(std::move(key));
  }
  void move_due(SteadyTime now) {
    while (!delayed.empty() && delayed.begin()->first <= now) {
      auto node = delayed.extract(delayed.begin());
      due_of.erase(node.value().second);
      add(std::move(node.value().second), now);
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

namespace {

// Those with a name, as long as they live.
struct Listed {
  std::string name;
  std::weak_ptr<void> queue;
};
base::Guarded<std::vector<Listed>>& listed() {
  static base::Guarded<std::vector<Listed>> all;
  return all;
}

}  // namespace

WorkQueue::WorkQueue(const sys::Clock& clock, std::string name) : state_(std::make_shared<State>(clock)) {
  if (name.empty()) return;
  auto all = listed().lock();
  std::erase_if(*all, [](const Listed& one) { return one.queue.expired(); });
  all->push_back({std::move(name), state_});
}
WorkQueue::~WorkQueue() { shut_down(); }

void WorkQueue::add(std::string key) {
  auto queue = state_->queue.lock();
  queue->add(std::move(key), state_->clock.steady_now());
  state_->changed.notify_one();
}

void WorkQueue::add_after(std::string key, std::chrono::nanoseconds delay) {
  if (delay <= std::chrono::nanoseconds::zero()) return add(std::move(key));
  auto queue = state_->queue.lock();
  ++queue->seen.retries;
  queue->add_at(std::move(key), state_->clock.steady_now() + delay);
  state_->changed.notify_one();
}

void WorkQueue::retry(std::string key) {
  auto queue = state_->queue.lock();
  ++queue->seen.retries;
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
  auto now = state_->clock.steady_now();
  auto wanted = queue->dirty.extract(key);
  queue->seen.waited.observe(kTimeBounds, seconds(now - wanted.mapped()));
  queue->running.emplace(key, now);
  return key;
}

void WorkQueue::done(const std::string& key) {
  auto queue = state_->queue.lock();
  if (auto worked = queue->running.extract(key))
    queue->seen.worked.observe(kTimeBounds, seconds(state_->clock.steady_now() - worked.mapped()));
  if (!queue->dirty.contains(key)) return;
  queue->ready.push_back(key);
  state_->changed.notify_one();
}

void WorkQueue::shut_down() {
  auto queue = state_->queue.lock();
  queue->shut_down = true;
  state_->changed.notify_all();
}

void append_queue_metrics(std::string& page) {
  std::map<std::string, Seen> by_name;
  auto all = listed().lock();
  for (const auto& one : *all) {
    auto state = std::static_pointer_cast<WorkQueue::State>(one.queue.lock());
    if (!state) continue;
    auto queue = state->queue.lock();
    Seen& sum = by_name[one.name];
    sum.adds += queue->seen.adds;
    sum.retries += queue->seen.retries;
    sum.depth += queue->ready.size();
    sum.waited.add(queue->seen.waited);
    sum.worked.add(queue->seen.worked);
    if (queue->shut_down) continue;
    for (const auto& [key, since] : queue->running) {
      double time = seconds(state->clock.steady_now() - since);
      sum.unfinished += time;
      sum.longest = std::max(sum.longest, time);
    }
  }
  auto family = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    append_family(page, name, type, help);
    for (const auto& [queue, sum] : by_name)
      append_sample(page, name, fmt::format("name=\"{}\"", queue), static_cast<double>(value(sum)));
  };
  family("workqueue_depth", "gauge", "Keys that wait for a worker.", [](const Seen& s) { return s.depth; });
  family("workqueue_adds_total", "counter", "Keys added.", [](const Seen& s) { return s.adds; });
  family("workqueue_retries_total", "counter", "Keys to come back later.", [](const Seen& s) { return s.retries; });
  family("workqueue_unfinished_work_seconds", "gauge", "Time that is being worked on what is not done, summed up.",
         [](const Seen& s) { return s.unfinished; });
  family("workqueue_longest_running_processor_seconds", "gauge", "Time of the longest work that is not done.",
         [](const Seen& s) { return s.longest; });
  auto times = [&](std::string_view name, std::string_view help, auto part) {
    append_family(page, name, "histogram", help);
    for (const auto& [queue, sum] : by_name)
      append_distribution(page, name, fmt::format("name=\"{}\"", queue), kTimeBounds, part(sum));
  };
  times("workqueue_queue_duration_seconds", "Time that keys waited for a worker.", [](const Seen& s) { return s.waited; });
  times("workqueue_work_duration_seconds", "Time that a key's work took.", [](const Seen& s) { return s.worked; });
}

size_t WorkQueue::size() const { return state_->queue.lock()->ready.size(); }

}  // namespace client
