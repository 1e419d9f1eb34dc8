// The watches of all clients: each follows one prefix of the store and writes what its selectors let through
// as JSON lines. The bytes of an event are made once and shared by all watchers that want the same form.
//
// Threading: start() on any thread; events arrive on the store's writer thread; one thread of its own feeds those
// that are behind, sends bookmarks, cuts who does not read, and ends watches whose time is up.
//
// Source: apiserver's endpoints/handlers/watch and storage/cacher for what clients see.
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
#include "server/byte_budget.hpp"
#include "server/core.hpp"

namespace server {

// The last events as bytes. Direct-mapped and small: live events reach all watchers at about the same time.
class EventBytes {
 public:
  explicit EventBytes(const ByteBudget& budget) : budget_(budget) {}
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
  static constexpr size_t kSlots = 256;
  static constexpr size_t kLargeObject = 64u << 10;  // of these only the last one is kept, in a slot of its own
  const ByteBudget& budget_;
  base::Guarded<std::array<Slot, kSlots + 1>> slots_;
};

// How much waits for clients that read slowly. A watch that has more than `stream_bytes` waiting gets no events until it
// has read them, and then those that it missed from the store's history: so it costs no more however long it sleeps.
struct WatchLimits {
  size_t stream_bytes = 1u << 20;
  size_t total_bytes = 8u << 20;           // of all watches: beyond it the ones that have stood still longest are cut
  std::chrono::seconds standstill{30};     // a watch that is behind and reads nothing for so long is cut
};

class Watches {
 public:
  explicit Watches(Core& core, WatchLimits limits = {});
  ~Watches();

  void start(const ExchangePtr& exchange, const Resource& resource, const ListOptions& options);
  // Ends all watches of keys with the prefix in good order: their kind goes away or changes. Any thread.
  void end(std::string_view prefix);
  // What the thread does when it wakes: pieces for who is behind, bookmarks, ends, removal of closed ones.
  void tick();
  size_t count() const { return state_->lock()->watchers.size(); }

 private:
  class Watcher;
  using WatcherPtr = std::shared_ptr<Watcher>;
  enum class Fed { live, later, over };
  struct Wake {
    std::vector<WatcherPtr> watchers;
    bool stopping = false;
    bool look = false;
  };

  struct LastListing {
    std::string prefix;
    std::weak_ptr<const store::Listing> listing;
  };

  void run();
  void wake();
  void written(size_t bytes);
  // So much waits in all that each watch gets less.
  bool crowded() const { return budget_.used() > limits_.total_bytes / 2; }
  std::shared_ptr<const store::Listing> list(const std::string& prefix);
  // Writes what the watch has not had yet, as long as its client reads; live when it has all and follows the store.
  Fed feed(const WatcherPtr& watcher);
  Fed write_missing(Watcher& watcher);
  base::Error lost_history(const base::Error& error, int64_t after) const;
  void feed_all(const std::vector<WatcherPtr>& watchers);
  void cut_slow(const std::vector<WatcherPtr>& watchers, std::chrono::steady_clock::time_point now);
  // So much waits in all that nobody new gets anything. What is only kept in case another watch wants it goes first.
  bool overfull();
  std::chrono::nanoseconds until_next() const;

  Core& core_;
  WatchLimits limits_;
  ByteBudget budget_;
  EventBytes bytes_{budget_};
  base::Guarded<LastListing> last_listing_;
  std::mutex ticking_;
  std::atomic<std::chrono::steady_clock::time_point> next_housekeeping_;
  std::atomic<size_t> unchecked_{0};  // bytes written since somebody looked at the total
  std::atomic<bool> check_due_{false};
  std::atomic<bool> behind_{false};   // somebody is
  std::atomic<std::chrono::milliseconds> look_again_{std::chrono::milliseconds(2)};
  std::shared_ptr<base::Guarded<Wake>> state_ = std::make_shared<base::Guarded<Wake>>();
  std::shared_ptr<std::condition_variable> changed_ = std::make_shared<std::condition_variable>();
  std::thread thread_;
};

}  // namespace server
