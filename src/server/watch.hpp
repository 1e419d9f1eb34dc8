// The watches of all clients: each follows one prefix of the store and writes what its selectors let through
// as JSON lines. The bytes of an event are made once and shared by all watchers that want the same form.
//
// Threading: start() on any thread; events arrive on the store's writer thread; one thread of its own sends
// bookmarks, ends watches whose time is up, and runs housekeeping.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/guarded.hpp"
#include "server/core.hpp"

namespace server {

// The last events as bytes. Direct-mapped and small: live events reach all watchers at about the same time.
class EventBytes {
 public:
  enum class Type : uint8_t { added, modified, deleted };
  // `entry` as the object of an event of that type; `left`: it left the selection, so that the revision is
  // `revision`.
  net::Chunk get(Type type, const api::Kind& kind, const RenderStyle& style, const store::EntryPtr& entry,
                 int64_t revision);
  void clear();

 private:
  struct Slot {
    store::EntryPtr entry;
    Type type = Type::added;
    Format::Encoding encoding = Format::Encoding::json;
    Format::Shape shape = Format::Shape::plain;
    std::string meta_version;
    int64_t revision = 0;
    net::Chunk bytes;
  };
  base::Guarded<std::array<Slot, 256>> slots_;
};

class Watches {
 public:
  explicit Watches(Core& core);
  ~Watches();

  void start(const ExchangePtr& exchange, const Resource& resource, const ListOptions& options);
  // What the thread does when it wakes: bookmarks, ends, removal of closed ones, housekeeping.
  void tick();

 private:
  class Watcher;
  using WatcherPtr = std::shared_ptr<Watcher>;
  struct Wake {
    std::vector<WatcherPtr> watchers;
    bool stopping = false;
    bool look = false;
  };

  void run();
  void wake();
  std::chrono::nanoseconds until_next() const;

  Core& core_;
  EventBytes bytes_;
  std::mutex ticking_;
  std::atomic<std::chrono::steady_clock::time_point> next_housekeeping_;
  std::shared_ptr<base::Guarded<Wake>> state_ = std::make_shared<base::Guarded<Wake>>();
  std::shared_ptr<std::condition_variable> changed_ = std::make_shared<std::condition_variable>();
  std::thread thread_;
};

}  // namespace server
