// A local, always current copy of one collection: list, then watch, list again when the watch is too old. Readers get
// immutable snapshots of single objects; handlers hear of changes and should only add keys to a WorkQueue.
//
// Threading: one thread per informer runs the reflector and calls the handlers; get/list from any thread.
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

 private:
  struct State;
  std::unique_ptr<State> state_;
};

template <class T>
class Informer {
 public:
  using Ptr = std::shared_ptr<const T>;
  // `before` is null for a new object, `after` for a deleted one. Called in order, on the informer's thread.
  using OnChange = std::function<void(const std::string& key, const Ptr& before, const Ptr& after)>;

  Informer(Client client, std::string namespace_ = "", ListOptions options = {});
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
  using Map = std::map<std::string, Ptr, std::less<>>;
  void replace(const base::Value& list);
  void apply(const std::string& type, const base::Value& object);
  Ptr decode(const base::Value& object) const;

  std::function<void(T&)> trim_;
  base::Guarded<Map> objects_;
  std::vector<OnChange> handlers_;
  mutable std::mutex sync_mutex_;
  mutable std::condition_variable sync_changed_;
  bool synced_ = false;
  bool stopped_ = false;
  Reflector reflector_;
};

}  // namespace client

#include "client/informer_inl.hpp"
