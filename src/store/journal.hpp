// Where the engine makes its commits durable: the seam between the common engine and the kinds of storage behind it.
// Used by the engine's writer thread only, but for load(), which the opening thread calls before that thread starts.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "store/store.hpp"

namespace store {

// What became of a group of events that was handed to the journal.
enum class Fate {
  written,  // durable
  refused,  // not written, as far as anybody will see before a restart; `error` says why
  unknown,  // the disk failed in the middle; ask resolve() before anything else is appended
};
struct Outcome {
  Fate fate = Fate::written;
  base::Error error{};
};

// What a journal holds when it is opened.
struct Image {
  Revision revision = 0;
  Revision compacted = 0;         // the window holds every event after this
  std::vector<EntryPtr> entries;  // in key order
  std::deque<Event> window;
};

class Journal {
 public:
  virtual ~Journal() = default;
  virtual base::Result<Image> load(const Options& options) = 0;
  // All of the events or none, durable on return. Events stand in revision order.
  virtual Outcome append(std::span<const Event> events) = 0;
  // After Fate::unknown: what happened to those events. `expected` is what memory knows to be written.
  virtual Outcome resolve(Revision expected) = 0;
  // A little housekeeping: forgets history at and below `compacted`. True when there is more to do.
  virtual bool tidy(Revision compacted) = 0;
  // An error when the last append did not work, or none ever will again.
  virtual base::Result<void> health() const = 0;
};

}  // namespace store
