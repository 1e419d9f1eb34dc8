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

// What an entry costs beside its text: the entry itself, its node, and what the owner derived from it.
constexpr size_t kEntryBytes = 400;
// How many events one idle step lets go: readers wait while they are taken out.
constexpr size_t kTrimEvents = 1000;

size_t size_of(const Entry& entry) { return entry.key.size() + entry.value.size() + kEntryBytes; }

}  // namespace

// The time of what was written before a restart is not known: it counts as new.
State::State(Image image, const Options& options, Time now)
    : window_events_(options.window_events),
      window_age_(options.window_age),
      window_cap_(options.window_bytes),
      revision_(image.revision),
      compacted_(image.compacted) {
  for (auto& entry : image.entries) {
    live_bytes_ += size_of(*entry);
    slots_.emplace_hint(slots_.end(), Slot{std::move(entry)});
  }
  for (auto& event : image.window) {
    window_bytes_ += size_of(*event.current);
    window_.push_back({std::move(event), now});
  }
  take_old(now, SIZE_MAX);
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
  for (auto it = window_.rbegin(); it != window_.rend() && it->event.revision() > revision; ++it)
    if (it->event.current->key.starts_with(prefix)) before[it->event.current->key] = &it->event.previous;

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

base::Result<History> State::history(std::string_view prefix, Revision after, size_t bytes) const {
  History out;
  ReadLock lock(mutex_);
  CHECK_OK(check_revision(after, compacted_, revision_));
  out.reached = after;
  size_t taken = 0;
  auto it = std::upper_bound(window_.begin(), window_.end(), after,
                             [](Revision r, const Past& past) { return r < past.event.revision(); });
  for (; it != window_.end(); ++it) {
    const auto& event = it->event;
    if (taken >= bytes && event.revision() != out.reached) return out;
    out.reached = event.revision();
    if (!event.current->key.starts_with(prefix)) continue;
    taken += event.current->value.size() + kEntryBytes;
    out.events.push_back(event);
  }
  out.reached = revision_;
  out.complete = true;
  return out;
}

base::Result<std::vector<Event>> State::replay(std::string_view prefix, Revision after,
                                               const std::function<void(Revision)>& then) const {
  ReadLock lock(mutex_);
  CHECK_OK(check_revision(after, compacted_, revision_));
  std::vector<Event> events;
  auto it = std::upper_bound(window_.begin(), window_.end(), after,
                             [](Revision r, const Past& past) { return r < past.event.revision(); });
  for (; it != window_.end(); ++it)
    if (it->event.current->key.starts_with(prefix)) events.push_back(it->event);
  then(revision_);
  return events;
}

void State::publish(std::span<const Event> events, Revision revision, Time now, const std::function<void()>& then) {
  std::vector<Past> old;  // let go after the lock
  std::lock_guard lock(mutex_);
  for (const auto& event : events) apply(event, now);
  revision_ = revision;
  old = take_old(now, events.size() + kTrimEvents);
  then();
}

void State::apply(const Event& event, Time at) {
  auto it = slots_.find(event.current->key);
  if (event.previous) live_bytes_ -= size_of(*event.previous);
  if (!event.erased) live_bytes_ += size_of(*event.current);
  if (event.erased) {
    if (it != slots_.end()) slots_.erase(it);
  } else if (it != slots_.end()) {
    it->entry = event.current;
  } else {
    slots_.insert(Slot{event.current});
  }
  window_bytes_ += size_of(*event.current);
  window_.push_back({event, at});
}

bool State::trim(Time now) {
  if (!too_much(now)) return false;
  std::vector<Past> old;
  std::lock_guard lock(mutex_);
  old = take_old(now, kTrimEvents);
  return too_much(now);
}

std::optional<State::Time> State::next_trim() const {
  if (window_.size() <= window_events_) return std::nullopt;
  return window_.front().at + window_age_;
}

bool State::too_much(Time now) const {
  if (window_.empty()) return false;
  if (window_bytes_ > std::max(window_cap_, live_bytes_)) return true;
  return window_.size() > window_events_ && now - window_.front().at >= window_age_;
}

// A transaction leaves the window as a whole: half of one would be neither before nor after.
std::vector<State::Past> State::take_old(Time now, size_t most) {
  std::vector<Past> old;
  while (old.size() < most && too_much(now)) {
    compacted_ = window_.front().event.revision();
    while (!window_.empty() && window_.front().event.revision() == compacted_) {
      window_bytes_ -= size_of(*window_.front().event.current);
      old.push_back(std::move(window_.front()));
      window_.pop_front();
    }
  }
  return old;
}

}  // namespace store
