// Follows the metadata of all objects of all kinds that a filter lets through, kinds that appear later included, on
// one thread and without one for each kind: for controllers that care for every object, as the garbage collector does.
//
// Threading: one thread of its own discovers, lists, takes what the watches bring and calls back. All watches put
// into one queue, so that in process the events of different kinds come in the order of their commits. start, stop
// and the questions from any thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.hpp"
#include "client/client.hpp"
#include "client/discovery.hpp"
#include "sys/clock.hpp"

namespace client {

class MetadataWatcher {
 public:
  // On the watcher's thread.
  struct Callbacks {
    // A page of a list; the first clears what was known of the kind, the last completes it.
    std::function<void(const ResourceKind& kind, const base::Array& objects, bool first, bool last)> listed;
    std::function<void(const ResourceKind& kind, const std::string& type, const base::Value& object)> event;
    // The kind is gone, with its objects.
    std::function<void(const ResourceKind& kind)> dropped;
  };
  using Filter = std::function<bool(const ResourceKind& kind)>;

  MetadataWatcher(Client client, const sys::Clock& clock, Filter filter, Callbacks callbacks);
  ~MetadataWatcher();
  void start();
  void stop();

  // Every kind is listed; kinds that cannot be listed again and again do not count.
  bool synced() const;
  // What the server had when it was last asked; never null.
  std::shared_ptr<const Discovery> discovery() const;
  // Asks again soon.
  void refresh();

 private:
  class Sink;
  struct Followed;
  struct Arrival {
    uint64_t stream = 0;
    net::Chunk bytes;  // null: the stream has ended
    int status = 0;    // > 0: its head
  };
  struct Inbox {
    std::vector<Arrival> arrivals;
    bool stopping = false;
    bool refresh = false;
    bool synced = false;
    std::shared_ptr<const Discovery> discovery = std::make_shared<Discovery>();
  };
  using SteadyTime = std::chrono::steady_clock::time_point;

  void run();
  SteadyTime next_due() const;
  void rediscover();
  void advance(Followed& followed);
  bool list(Followed& followed);
  void open(Followed& followed);
  void take(const Arrival& arrival);
  void take_line(Followed& followed, std::string_view line);
  void ended(Followed& followed);
  void fail(Followed& followed, const base::Error& error);
  void note_synced();
  void look_again(std::chrono::milliseconds after);

  Client client_;
  const sys::Clock& clock_;
  Filter filter_;
  Callbacks callbacks_;
  std::map<std::string, std::unique_ptr<Followed>> followed_;  // of the thread; by group/plural
  std::map<uint64_t, Followed*> streams_;                      // of the thread
  uint64_t last_stream_ = 0;
  SteadyTime next_discovery_{};
  int discovery_failures_ = 0;
  std::shared_ptr<base::Guarded<Inbox>> inbox_ = std::make_shared<base::Guarded<Inbox>>();
  std::shared_ptr<std::condition_variable> changed_ = std::make_shared<std::condition_variable>();
  std::thread thread_;
};

}  // namespace client
