// What the files of the server share: the resources by URL, the store, the allocators, the watches. Reached
// by const reference; its parts say themselves from which threads.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.hpp"
#include "base/guarded.hpp"
#include "server/catalog.hpp"
#include "server/encoding.hpp"
#include "server/exchange.hpp"
#include "server/options.hpp"
#include "server/server.hpp"
#include "server/strategy/strategy.hpp"
#include "server/tables.hpp"

namespace server {

class Watches;
class Bulk;
class Documents;
class Definitions;
class Workers;

struct Core {
  Core(Config config, const api::Registry& registry, store::Store& store, const sys::Clock& clock,
       NodeConnector nodes, Allocators allocators);
  ~Core();

  // What is served right now.
  CatalogPtr catalog() const { return *catalog_.lock(); }
  ResourcePtr find(std::string_view group, std::string_view version, std::string_view plural) const {
    return catalog()->find(group, version, plural);
  }
  void set_catalog(CatalogPtr catalog) { *catalog_.lock() = std::move(catalog); }

  Config config;
  const api::Registry& builtin;
  store::Store& store;
  const sys::Clock& clock;
  NodeConnector nodes;
  Strategies strategies;
  Allocators allocators;                                // writer thread
  std::unique_ptr<Documents> documents;
  std::unique_ptr<Bulk> bulk;
  std::unique_ptr<Workers> workers;
  std::atomic<int64_t> writes{0};  // that have come and are not over yet
  std::unique_ptr<Watches> watches;
  std::unique_ptr<Definitions> definitions;

 private:
  mutable base::Guarded<CatalogPtr> catalog_;
};

// Whether the server does anything for the subresource; what a schema lists beyond that is not in discovery.
bool serves_subresource(const api::Kind& kind, std::string_view subresource);

// --- Reading (verbs_read.cpp); on the caller's thread, answered before they return.
void serve_get(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_list(Core& core, const ExchangePtr& exchange, const Resource& resource);

// --- Writing (verbs_write.cpp, verbs_delete.cpp, subresources.cpp); answered on the writer thread.
void serve_create(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_update(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_patch(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_delete(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_delete_collection(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_get_scale(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_update_scale(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_patch_scale(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_finalize(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_binding(Core& core, const ExchangePtr& exchange, const Resource& resource);

// --- What is answered without being stored: reviews, componentstatuses, bindings (virtual.cpp).
void serve_virtual(Core& core, const ExchangePtr& exchange, const Resource& resource, const std::string& verb);
// pods/eviction (eviction.cpp).
void serve_eviction(Core& core, const ExchangePtr& exchange, const Resource& resource);
// PUT and PATCH of pods/ephemeralcontainers and pods/resize, named by the route (pod_parts.cpp).
void serve_pod_part(Core& core, const ExchangePtr& exchange, const Resource& resource);
// PUT and PATCH of certificatesigningrequests/approval.
void serve_approval(Core& core, const ExchangePtr& exchange, const Resource& resource);

// --- Streams to the pod's node (streams.cpp).
void serve_log(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_exec(Core& core, const ExchangePtr& exchange, const Resource& resource);

// Creates what must always be there. Blocks until the store has it.
base::Result<void> create_bootstrap_objects(Core& core);

}  // namespace server
