// The one way for controllers, the scheduler, the node and the proxy to read and write the API. Blocking calls; any
// thread. Errors carry the reason of the server's Status.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/types.hpp"  // generated: the structs, to_value/from_value, KindOf<T>
#include "base/result.hpp"
#include "base/value.hpp"
#include "client/transport.hpp"

namespace client {

// Which collection: group "" is core; an empty namespace is all namespaces, or a cluster-scoped kind.
struct Resource {
  std::string group;
  std::string version;
  std::string plural;
  std::string namespace_ = {};
};

template <class T>
Resource resource_of(std::string_view namespace_ = "") {
  using K = api::KindOf<T>;
  return {std::string(K::group), std::string(K::version), std::string(K::plural),
          K::namespaced ? std::string(namespace_) : std::string()};
}

struct ListOptions {
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;
  int timeout_seconds = 0;  // of a watch: the server ends it in good order after so long; 0: its default
  int limit = 0;                   // of a list: a page of so many; metadata.continue of the answer leads to the next
  std::string continue_token = {};
  bool metadata_only = false;      // PartialObjectMetadata instead of whole objects
};

struct DeleteOptions {
  std::optional<int64_t> grace_period_seconds;
  std::string uid;  // precondition
  std::string propagation_policy;
  std::string resource_version = {};  // precondition
};

// Deletes that very object, not another one of its name.
inline DeleteOptions only_uid(std::string uid) {
  DeleteOptions options;
  options.uid = std::move(uid);
  return options;
}

enum class PatchType { json, merge, strategic };

struct WatchEvent {
  std::string type;  // ADDED, MODIFIED, DELETED, BOOKMARK; an ERROR event is an error of next()
  base::Value object;
};

class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // The next event, blocking. expired: list again. service_unavailable: the stream ended; open it again.
  virtual base::Result<WatchEvent> next() = 0;
  virtual void cancel() = 0;  // from any thread
};

class Sharing;  // informer.hpp

class Client {
 public:
  explicit Client(std::shared_ptr<Transport> transport, std::string user_agent = "sampan");

  // The informers made with this client follow what others follow already.
  void share(std::shared_ptr<Sharing> sharing) { sharing_ = std::move(sharing); }
  const std::shared_ptr<Sharing>& sharing() const { return sharing_; }

  // Untyped: what the command line and the templates below are made of.
  base::Result<base::Value> get(const Resource& resource, std::string_view name, std::string_view subresource = "");
  base::Result<base::Value> list(const Resource& resource, const ListOptions& options = {});
  base::Result<base::Value> create(const Resource& resource, const base::Value& object,
                                   std::string_view name_for_subresource = "", std::string_view subresource = "");
  base::Result<base::Value> update(const Resource& resource, const base::Value& object,
                                   std::string_view subresource = "");
  base::Result<base::Value> patch(const Resource& resource, std::string_view name, PatchType type,
                                  const base::Value& patch, std::string_view subresource = "");
  base::Result<base::Value> remove(const Resource& resource, std::string_view name, const DeleteOptions& options = {});
  // DELETE of a whole collection, or of what the selectors leave of it.
  base::Result<base::Value> remove_collection(const Resource& resource, const DeleteOptions& options = {},
                                              const ListOptions& which = {});
  base::Result<std::unique_ptr<WatchStream>> watch(const Resource& resource, const ListOptions& options);
  // The same for who follows many collections at once (see metadata_watcher.hpp): the bytes go to the sink.
  std::unique_ptr<PushedStream> push_watch(const Resource& resource, const ListOptions& options,
                                           std::shared_ptr<StreamSink> sink);
  // A document about the API itself: "/apis". `accept` as in HTTP.
  base::Result<base::Value> get_document(std::string path, std::string accept);

  // Typed.
  template <class T>
  base::Result<T> get(std::string_view namespace_, std::string_view name) {
    TRY(auto value, get(resource_of<T>(namespace_), name));
    return api::from_value<T>(value);
  }
  template <class T>
  base::Result<T> create(const T& object) {
    TRY(auto value, create(resource_of<T>(object.metadata.namespace_), api::to_value(object)));
    return api::from_value<T>(value);
  }
  template <class T>
  base::Result<T> update(const T& object, std::string_view subresource = "") {
    TRY(auto value, update(resource_of<T>(object.metadata.namespace_), api::to_value(object), subresource));
    return api::from_value<T>(value);
  }
  template <class T>
  base::Result<base::Value> remove(std::string_view namespace_, std::string_view name,
                                   const DeleteOptions& options = {}) {
    return remove(resource_of<T>(namespace_), name, options);
  }

 private:
  std::shared_ptr<Transport> transport_;
  std::string user_agent_;
  std::shared_ptr<Sharing> sharing_;
};

}  // namespace client
