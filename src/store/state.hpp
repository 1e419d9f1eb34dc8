// The newest version of every key and the window of the latest events, in memory: all reads are answered from here.
// One thread (the engine's writer) changes it; any thread reads. Readers hold a shared lock only while they copy pointers.
#pragma once

#include <pthread.h>

#include <deque>
#include <functional>
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
  State(Image image, size_t window_events);

  Revision revision() const;
  Revision compacted() const;
  EntryPtr get(std::string_view key) const;
  Listing list(std::string_view prefix) const;
  base::Result<Listing> list_at(std::string_view prefix, Revision revision) const;

  // Events with the prefix after the revision; `then` runs under the same lock, so that nothing is published between.
  base::Result<std::vector<Event>> replay(std::string_view prefix, Revision after,
                                          const std::function<void(Revision)>& then) const;

  // Writer only: makes the events visible; `then` runs under the exclusive lock, after the change.
  void publish(std::span<const Event> events, Revision revision, const std::function<void()>& then);

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
  void apply(const Event& event);
  void trim();

  mutable FairSharedMutex mutex_;
  Slots slots_;
  std::deque<Event> window_;
  size_t window_events_;
  Revision revision_ = 0;
  Revision compacted_ = 0;
};

}  // namespace store
