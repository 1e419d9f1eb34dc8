// A local, always current copy of one collection: list, then watch, list again when the watch is too old. Readers get
// immutable snapshots of single objects; handlers hear of changes and should only add keys to a WorkQueue. Informers of
// one collection may share one watch and one parse of each event (Sharing).
//
// Threading: one thread per collection runs the reflector and calls the handlers, one informer after the other; get/list
// from any thread. start and stop not from a handler.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/guarded.hpp"
#include "client/client.hpp"

namespace client {

// "namespace/name", or "name" for cluster-scoped objects.
std::string object_key(std::string_view namespace_, std::string_view name);
std::pair<std::string, std::string> split_key(std::string_view key);

// The untyped half: runs list and watch of one collection and reports each object.
class Reflector {
 public:
  struct Callbacks {
    std::function<void(const base::Value& list)> replace;                   // after each list
    std::function<void(const std::string& type, base::Value object)> event; // ADDED, MODIFIED, DELETED
  };
  Reflector(Client client, Resource resource, ListOptions options, Callbacks callbacks);
  ~Reflector();  // stops and joins
  void start();
  void stop();
  // Lists again soon, until settle() says that it has been done.
  void relist();
  void settle();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

template <class T>
class Feed;
template <class T>
class Informer;

// By which the informers of one process follow each collection once, whoever they are. Reads with the client that it is
// made with.
class Sharing {
 public:
  explicit Sharing(Client client) : client_(std::move(client)) {}

 private:
  template <class T>
  friend class Informer;
  template <class T>
  std::shared_ptr<Feed<T>> join(Informer<T>* informer, const Resource& resource, const ListOptions& options);
  template <class T>
  void leave(Informer<T>* informer, const std::shared_ptr<Feed<T>>& feed);

  Client client_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<void>> feeds_;  // by what they follow; the type is the resource's
};

template <class T>
class Informer {
 public:
  using Ptr = std::shared_ptr<const T>;
  // `before` is null for a new object, `after` for a deleted one. Called in order, on the informer's thread.
  using OnChange = std::function<void(const std::string& key, const Ptr& before, const Ptr& after)>;

  // Shares with others when the client does (Client::share).
  Informer(Client client, std::string namespace_ = "", ListOptions options = {});
  ~Informer() { stop(); }
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;
  void on_change(OnChange handler) { handlers_.push_back(std::move(handler)); }  // before start()
  // Called on each object before it is kept: throw away what no reader needs. Before start().
  void trim_with(std::function<void(T& object)> trim) { trim_ = std::move(trim); }
  void start();
  void stop();
  bool synced() const;       // the first list is in
  void wait_synced() const;  // blocks; returns also after stop()

  Ptr get(std::string_view key) const;  // null when absent
  std::vector<Ptr> list() const;
  std::vector<Ptr> list(std::string_view namespace_) const;

 private:
  friend class Feed<T>;
  using Map = std::map<std::string, Ptr, std::less<>>;
  class Decoded;
  // A list comes as begin, its objects, and end.
  void begin_list();
  void take_listed(Decoded& object);
  void end_list();
  void apply(const std::string& type, Decoded& object);
  void tell(const std::string& key, const Ptr& before, const Ptr& after) const;

  Client client_;
  Resource resource_;
  ListOptions options_;
  std::function<void(T&)> trim_;
  base::Guarded<Map> objects_;
  std::vector<OnChange> handlers_;
  Map fresh_;            // of the feed's thread
  bool listed_ = false;  // guarded by the feed
  mutable std::mutex sync_mutex_;
  mutable std::condition_variable sync_changed_;
  bool synced_ = false;
  bool stopped_ = false;
  std::shared_ptr<Feed<T>> feed_;  // while started
};

}  // namespace client

#include "client/informer_inl.hpp"
