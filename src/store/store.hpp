// The store: a revisioned key-value log with watch. It knows keys and bytes, not kinds. Reads come from memory, writes
// go through one writer thread that commits in groups; a write is answered, and watchers hear of it, only after it is
// durable. All methods may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sys/clock.hpp"

namespace store {

using Revision = int64_t;  // 1, 2, 3, ...; 0 is "none"

// One version of one key. Immutable; shared by the state, the watch window and every reader.
struct Entry {
  std::string key;
  std::string value;       // the encoded object; for an erased key its last state, as the eraser wrote it
  Revision created = 0;    // revision that created the key
  Revision modified = 0;   // revision of this version
  std::shared_ptr<const void> parsed;  // what the owner derived from the value (see Options::parse); may be null
};
using EntryPtr = std::shared_ptr<const Entry>;

struct Event {
  bool erased = false;
  EntryPtr current;   // the new version; for an erased key its tombstone (value = last state, modified = this revision)
  EntryPtr previous;  // the version before, null when the key is new
  Revision revision() const { return current->modified; }
};

// What a write sees and does. Used only inside Work, on the writer thread.
class Txn {
 public:
  virtual ~Txn() = default;
  // The revision that this transaction will have when it commits.
  virtual Revision revision() const = 0;
  // State as of all earlier transactions, committed or in this group, and of this one. Null when there is none.
  virtual EntryPtr get(std::string_view key) const = 0;
  // Calls for every key with the prefix, in order, until the function returns false.
  virtual void scan(std::string_view prefix, const std::function<bool(const EntryPtr&)>& each) const = 0;
  // `parsed` may be null: then Options::parse makes it.
  virtual void put(std::string_view key, std::string value, std::shared_ptr<const void> parsed) = 0;
  virtual void erase(std::string_view key, std::string last_value, std::shared_ptr<const void> parsed) = 0;
};

// Decides on the writer thread and writes through the Txn. On an error nothing of it is written. Must not block.
using Work = std::function<base::Result<void>(Txn&)>;
// Called once, on the writer thread, after the commit (with the transaction's revision; the current one when it wrote
// nothing) or with the error of the Work, or internal_error/service_unavailable when the disk refused. Must not block.
using Done = std::function<void(base::Result<Revision>)>;

struct Listing {
  Revision revision = 0;  // state of the whole store that the entries belong to
  std::vector<EntryPtr> entries;
};

// A piece of the past.
struct History {
  std::vector<Event> events;
  Revision reached = 0;   // everything up to here is in it
  bool complete = false;  // that was the newest revision
};

// Ends the watch when destroyed; after that no call is made any more.
class Watch {
 public:
  virtual ~Watch() = default;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual void submit(Work work, Done done) = 0;

  virtual Revision revision() const = 0;
  // Watches and exact lists below this revision answer Reason::expired.
  virtual Revision compacted() const = 0;
  virtual EntryPtr get(std::string_view key) const = 0;
  // All keys with the prefix, in key order, as of now.
  virtual Listing list(std::string_view prefix) const = 0;
  // The same as of an earlier revision. Reason::expired when that is compacted; Reason::timeout when it is in the future.
  virtual base::Result<Listing> list_at(std::string_view prefix, Revision revision) const = 0;

  // The events with the prefix after the revision, in whole transactions, until their values have so many bytes: for who
  // catches up at its own pace. Reason::expired and Reason::timeout as below.
  virtual base::Result<History> history(std::string_view prefix, Revision after, size_t bytes) const = 0;

  // Every event with the prefix after revision `after`, exactly once, in order: first those already in the window, then
  // live ones. `on_events` runs on the writer thread (the first time perhaps on the caller's), gets events of one
  // prefix in revision order, must not block and must not call the store. Reason::expired when `after` < compacted(),
  // Reason::timeout when it is in the future.
  // `on_progress`, may be empty: called after each group with the revision that everything up to has been delivered.
  // A Watch may be destroyed from its own callback; from elsewhere its destruction waits for a running callback, so the
  // destroying thread must not hold a lock that the callback takes.
  using OnEvents = std::function<void(std::span<const Event>)>;
  using OnProgress = std::function<void(Revision)>;
  virtual base::Result<std::unique_ptr<Watch>> watch(std::string_view prefix, Revision after, OnEvents on_events,
                                                     OnProgress on_progress = {}) = 0;

  // An error while writes fail: what is wrong with the disk and what to do. From the last write or housekeeping step on
  // the disk; nothing is tried.
  virtual base::Result<void> healthy() const = 0;

  // Waits for what was submitted before, then refuses further writes: their Done gets service_unavailable, on the
  // submitting thread. Must not be called from a callback of the store.
  virtual void close() = 0;
};

struct Options {
  // Derives Entry::parsed when the writer gave none: at load time. May be empty.
  std::function<std::shared_ptr<const void>(std::string_view key, std::string_view value)> parse;
  // How much history is kept for watches and exact lists: this many events, and all that are younger than `window_age`;
  // but never more bytes than `window_bytes` or the living objects have, whichever is more.
  size_t window_events = 10'000;
  std::chrono::nanoseconds window_age{0};
  size_t window_bytes = 32u << 20;
  const sys::Clock* clock = nullptr;  // null: the kernel's
};

// store/sqlite: WAL, synchronous=FULL, group commit. `path` is the database file; its folder must exist. A second
// process on the same file gets Reason::conflict.
base::Result<std::unique_ptr<Store>> open_sqlite(const std::string& path, Options options);
// store/memory: for tests; durable until it is destroyed.
std::unique_ptr<Store> make_memory(Options options);

}  // namespace store
