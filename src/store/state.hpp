// The newest version of every key and the window of the latest events, in memory: all reads are answered from here.
// One thread (the engine's writer) changes it; any thread reads. Readers hold a shared lock only while they copy pointers.
#pragma once

#include <pthread.h>

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "store/journal.hpp"
#include "store/store.hpp"

namespace store {

// A reader-writer lock in which a waiting writer goes before new readers: a flood of lists must not stop the writes.
class FairSharedMutex {
 public:
  FairSharedMutex();
  ~FairSharedMutex();
  FairSharedMutex(const FairSharedMutex&) = delete;
  FairSharedMutex& operator=(const FairSharedMutex&) = delete;
  void lock();
  void unlock();
  void lock_shared();
  void unlock_shared();

 private:
  pthread_rwlock_t lock_;
};

class State {
 public:
  using Time = std::chrono::steady_clock::time_point;
  State(Image image, const Options& options, Time now);

  Revision revision() const;
  Revision compacted() const;
  EntryPtr get(std::string_view key) const;
  Listing list(std::string_view prefix) const;
  base::Result<Listing> list_at(std::string_view prefix, Revision revision) const;

  base::Result<History> history(std::string_view prefix, Revision after, size_t bytes) const;
  // Events with the prefix after the revision; `then` runs under the same lock, so that nothing is published between.
  base::Result<std::vector<Event>> replay(std::string_view prefix, Revision after,
                                          const std::function<void(Revision)>& then) const;

  // Writer only: makes the events visible; `then` runs under the exclusive lock, after the change.
  void publish(std::span<const Event> events, Revision revision, Time now, const std::function<void()>& then);
  // Writer only: lets go of history that has become too old, some of it at a time. True when there is more.
  bool trim(Time now);
  // Writer only: when trim() has something to do though nothing is written.
  std::optional<Time> next_trim() const;

  // Writer only, without a lock: nobody else changes the set.
  struct Slot {
    mutable EntryPtr entry;  // replaced by another version of the same key: the order stays
  };
  struct ByKey {
    using is_transparent = void;
    bool operator()(const Slot& a, const Slot& b) const { return a.entry->key < b.entry->key; }
    bool operator()(const Slot& a, std::string_view b) const { return a.entry->key < b; }
    bool operator()(std::string_view a, const Slot& b) const { return a < b.entry->key; }
  };
  using Slots = std::set<Slot, ByKey>;
  const Slots& writer_slots() const { return slots_; }
  Revision writer_revision() const { return revision_; }

 private:
  struct Past {
    Event event;
    Time at;
  };
  void apply(const Event& event, Time at);
  bool too_much(Time now) const;
  // Takes the oldest transactions out of the window, about `most` events; their memory is given back by the caller.
  std::vector<Past> take_old(Time now, size_t most);

  mutable FairSharedMutex mutex_;
  Slots slots_;
  std::deque<Past> window_;
  size_t window_events_;
  std::chrono::nanoseconds window_age_;
  size_t window_cap_;
  size_t window_bytes_ = 0;  // of what the window holds
  size_t live_bytes_ = 0;    // of what the slots hold
  Revision revision_ = 0;
  Revision compacted_ = 0;
};

}  // namespace store
