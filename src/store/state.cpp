#include "store/state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>

namespace store {

FairSharedMutex::FairSharedMutex() {
  pthread_rwlockattr_t attributes;
  pthread_rwlockattr_init(&attributes);
  pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&lock_, &attributes);
  pthread_rwlockattr_destroy(&attributes);
}
FairSharedMutex::~FairSharedMutex() { pthread_rwlock_destroy(&lock_); }
void FairSharedMutex::lock() { pthread_rwlock_wrlock(&lock_); }
void FairSharedMutex::unlock() { pthread_rwlock_unlock(&lock_); }
void FairSharedMutex::lock_shared() { pthread_rwlock_rdlock(&lock_); }
void FairSharedMutex::unlock_shared() { pthread_rwlock_unlock(&lock_); }

namespace {

using ReadLock = std::shared_lock<FairSharedMutex>;

base::Result<void> check_revision(Revision asked, Revision compacted, Revision current) {
  if (asked < compacted)
    return base::fail(base::Reason::expired,
                      fmt::format("The resourceVersion {} is too old: history before {} is gone. List again "
                                  "without a resourceVersion",
                                  asked, compacted));
  if (asked > current)
    return base::fail(base::Reason::timeout,
                      fmt::format("Too large resource version: {}, current: {}", asked, current));
  return {};
}

}  // namespace

State::State(Image image, size_t window_events)
    : window_(std::move(image.window)),
      window_events_(window_events),
      revision_(image.revision),
      compacted_(image.compacted) {
  for (auto& entry : image.entries) slots_.emplace_hint(slots_.end(), Slot{std::move(entry)});
  trim();
}

Revision State::revision() const {
  ReadLock lock(mutex_);
  return revision_;
}

Revision State::compacted() const {
  ReadLock lock(mutex_);
  return compacted_;
}

EntryPtr State::get(std::string_view key) const {
  ReadLock lock(mutex_);
  auto it = slots_.find(key);
  return it == slots_.end() ? nullptr : it->entry;
}

Listing State::list(std::string_view prefix) const {
  Listing out;
  ReadLock lock(mutex_);
  out.revision = revision_;
  for (auto it = slots_.lower_bound(prefix); it != slots_.end() && it->entry->key.starts_with(prefix); ++it)
    out.entries.push_back(it->entry);
  return out;
}

base::Result<Listing> State::list_at(std::string_view prefix, Revision revision) const {
  Listing out;
  out.revision = revision;
  ReadLock lock(mutex_);
  CHECK_OK(check_revision(revision, compacted_, revision_));
  // Undo, newest first: the oldest event of a key after `revision` says last what the key was before.
  std::map<std::string_view, const EntryPtr*> before;
  for (auto it = window_.rbegin(); it != window_.rend() && it->revision() > revision; ++it)
    if (it->current->key.starts_with(prefix)) before[it->current->key] = &it->previous;

  auto slot = slots_.lower_bound(prefix);
  auto more = [&] { return slot != slots_.end() && slot->entry->key.starts_with(prefix); };
  for (const auto& [key, entry] : before) {
    for (; more() && slot->entry->key < key; ++slot) out.entries.push_back(slot->entry);
    if (more() && slot->entry->key == key) ++slot;
    if (*entry) out.entries.push_back(*entry);
  }
  for (; more(); ++slot) out.entries.push_back(slot->entry);
  return out;
}

base::Result<std::vector<Event>> State::replay(std::string_view prefix, Revision after,
                                               const std::function<void(Revision)>& then) const {
  ReadLock lock(mutex_);
  CHECK_OK(check_revision(after, compacted_, revision_));
  std::vector<Event> events;
  auto it = std::upper_bound(window_.begin(), window_.end(), after,
                             [](Revision r, const Event& event) { return r < event.revision(); });
  for (; it != window_.end(); ++it)
    if (it->current->key.starts_with(prefix)) events.push_back(*it);
  then(revision_);
  return events;
}

void State::publish(std::span<const Event> events, Revision revision, const std::function<void()>& then) {
  std::lock_guard lock(mutex_);
  for (const auto& event : events) apply(event);
  revision_ = revision;
  trim();
  then();
}

void State::apply(const Event& event) {
  auto it = slots_.find(event.current->key);
  if (event.erased) {
    if (it != slots_.end()) slots_.erase(it);
  } else if (it != slots_.end()) {
    it->entry = event.current;
  } else {
    slots_.insert(Slot{event.current});
  }
  window_.push_back(event);
}

// A transaction leaves the window as a whole: half of one would be neither before nor after.
void State::trim() {
  while (window_.size() > window_events_) {
    compacted_ = window_.front().revision();
    while (!window_.empty() && window_.front().revision() == compacted_) window_.pop_front();
  }
}

}  // namespace store
