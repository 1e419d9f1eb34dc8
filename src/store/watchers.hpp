// Who watches what: hands the events of each group to the watchers whose prefix they have. Any thread adds and removes;
// the engine's writer delivers.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/guarded.hpp"
#include "store/store.hpp"

namespace store {

// One watcher. Its mutex is held while a callback runs, so that none runs after the end.
class Watcher {
 public:
  Watcher(std::string_view prefix, Store::OnEvents on_events, Store::OnProgress on_progress)
      : prefix_(prefix), on_events_(std::move(on_events)), on_progress_(std::move(on_progress)) {}

  const std::string& prefix() const { return prefix_; }
  // Keeps deliveries of other threads out while the replay runs.
  std::unique_lock<std::recursive_mutex> hold() { return std::unique_lock(mutex_); }
  void deliver(std::span<const Event> events, Revision reached);
  void end();

 private:
  std::string prefix_;
  Store::OnEvents on_events_;
  Store::OnProgress on_progress_;
  std::recursive_mutex mutex_;  // recursive: a callback may end its own watch
  bool ended_ = false;
};
using WatcherPtr = std::shared_ptr<Watcher>;

class Watchers {
 public:
  using List = std::shared_ptr<const std::vector<WatcherPtr>>;  // sorted by prefix
  void add(WatcherPtr watcher);
  void remove(const Watcher* watcher);
  List list() const;

 private:
  base::Guarded<List> list_{std::in_place, std::make_shared<const std::vector<WatcherPtr>>()};
};

// Hands each watcher of the list its share of the events, then the revision that has been reached.
void deliver(const Watchers::List& watchers, std::span<const Event> events, Revision reached);

}  // namespace store
