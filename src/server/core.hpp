// What the files of the server share: the resources by URL, the store, the allocators, the watches. Reached
// by const reference; its parts say themselves from which threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/kinds.hpp"
#include "server/encoding.hpp"
#include "server/exchange.hpp"
#include "server/options.hpp"
#include "server/server.hpp"
#include "server/strategy/strategy.hpp"
#include "server/tables.hpp"

namespace server {

class Watches;
class Documents;

// A stored kind as the verbs see it.
struct Resource {
  api::KindPtr kind;
  std::string prefix;     // of its keys: "core/services/"
  std::string qualified;  // as errors name it: "services", "deployments.apps"
  const Strategy* strategy = nullptr;

  std::string key(std::string_view namespace_, std::string_view name) const;
  // Prefix of all keys of one namespace; of all when the namespace is empty.
  std::string prefix_of(std::string_view namespace_) const;
};

struct Core {
  Core(Config config, const api::Registry& registry, store::Store& store, const sys::Clock& clock,
       NodeConnector nodes, Allocators allocators);
  ~Core();

  const Resource* find(std::string_view group, std::string_view version, std::string_view plural) const;

  Config config;
  const api::Registry& registry;
  store::Store& store;
  const sys::Clock& clock;
  NodeConnector nodes;
  Strategies strategies;
  std::unordered_map<std::string, Resource> resources;  // by "group/version/plural"
  Allocators allocators;                                // writer thread
  std::unique_ptr<Documents> documents;
  std::unique_ptr<Watches> watches;
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

// --- Streams to the pod's node (streams.cpp).
void serve_log(Core& core, const ExchangePtr& exchange, const Resource& resource);
void serve_exec(Core& core, const ExchangePtr& exchange, const Resource& resource);

// Creates what must always be there. Blocks until the store has it.
base::Result<void> create_bootstrap_objects(Core& core);
// Erases events that nobody has touched for an hour.
void expire_events(Core& core);

}  // namespace server
