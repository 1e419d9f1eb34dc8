#include "store/watchers.hpp"

#include <algorithm>

namespace store {

void Watcher::deliver(std::span<const Event> events, Revision reached) {
  std::lock_guard lock(mutex_);
  if (!ended_ && !events.empty()) on_events_(events);
  if (!ended_ && on_progress_) on_progress_(reached);
}

void Watcher::end() {
  std::lock_guard lock(mutex_);
  ended_ = true;
}

void Watchers::add(WatcherPtr watcher) {
  auto list = list_.lock();
  auto copy = std::make_shared<std::vector<WatcherPtr>>();
  copy->reserve((*list)->size() + 1);
  auto at = std::upper_bound((*list)->begin(), (*list)->end(), watcher->prefix(),
                             [](const std::string& prefix, const WatcherPtr& w) { return prefix < w->prefix(); });
  copy->assign((*list)->begin(), at);
  copy->push_back(std::move(watcher));
  copy->insert(copy->end(), at, (*list)->end());
  *list = std::move(copy);
}

void Watchers::remove(const Watcher* watcher) {
  List old;  // dropped after the lock: a watcher's captures may run code of their own
  auto list = list_.lock();
  auto copy = std::make_shared<std::vector<WatcherPtr>>(**list);
  std::erase_if(*copy, [&](const WatcherPtr& w) { return w.get() == watcher; });
  old = std::exchange(*list, std::move(copy));
  list.native().unlock();
}

Watchers::List Watchers::list() const { return *list_.lock(); }

void deliver(const Watchers::List& watchers, std::span<const Event> events, Revision reached) {
  const std::string* prefix = nullptr;
  std::vector<Event> some;
  std::span<const Event> share;
  for (const auto& watcher : *watchers) {
    if (!prefix || *prefix != watcher->prefix()) {
      prefix = &watcher->prefix();
      auto matches = [&](const Event& event) { return event.current->key.starts_with(*prefix); };
      if (std::all_of(events.begin(), events.end(), matches)) {
        share = events;
      } else {
        some.clear();
        std::copy_if(events.begin(), events.end(), std::back_inserter(some), matches);
        share = some;
      }
    }
    watcher->deliver(share, reached);
  }
}

}  // namespace store
