// Which resources the server has at one moment: the built-in kinds, and the custom ones as their definitions stand.
//
// Threading: a Catalog and everything in it is immutable; a change makes a new one, and who holds an old one may go on
// with it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/kinds.hpp"
#include "server/strategy/strategy.hpp"

namespace server {

// A kind in one version as the verbs see it.
struct Resource {
  api::KindPtr kind;      // as the URL names it
  api::KindPtr stored;    // as its objects are kept: the same, unless it is a view of another version
  std::string prefix;     // of its keys: "core/services/"
  std::string qualified;  // as errors name it: "services", "deployments.apps"
  const Strategy* strategy = nullptr;  // null for kinds of which nothing is stored
  bool closing = false;   // its definition is being deleted: nothing new is created
  // The definition changed and has defaults: what was stored before may lack them.
  bool defaults_late = false;

  bool is_view() const { return kind != stored; }
  // The stored bytes are not what is served.
  bool converts() const { return is_view() || defaults_late; }
  std::string key(std::string_view namespace_, std::string_view name) const;
  // Prefix of all keys of one namespace; of all when the namespace is empty.
  std::string prefix_of(std::string_view namespace_) const;
};
using ResourcePtr = std::shared_ptr<const Resource>;

// The kinds of one CustomResourceDefinition.
struct CustomResources {
  std::string stamp;  // changes with the definition
  std::string prefix;
  std::vector<ResourcePtr> resources;
};

class Catalog {
 public:
  // The built-in kinds.
  Catalog(const api::Registry& registry, const Strategies& strategies);
  // `base` and what `custom` adds, in its order.
  Catalog(const Catalog& base, const std::vector<CustomResources>& custom, uint64_t generation);

  // Null when there is none.
  ResourcePtr find(std::string_view group, std::string_view version, std::string_view plural) const;
  const api::Registry& registry() const { return registry_; }
  uint64_t generation() const { return generation_; }
  // Differs whenever the kinds of that group version do; "" where all are built in.
  std::string stamp(std::string_view group, std::string_view version) const;

 private:
  void add(ResourcePtr resource);

  api::Registry registry_;
  std::unordered_map<std::string, ResourcePtr> resources_;  // by "group/version/plural"
  std::unordered_map<std::string, std::string> stamps_;     // by "group/version"
  uint64_t generation_ = 0;
};
using CatalogPtr = std::shared_ptr<const Catalog>;

// Whether discovery and the verbs know the kind: bodies and options are none.
bool is_resource(const api::Kind& kind);
ResourcePtr make_resource(api::KindPtr kind, api::KindPtr stored, const Strategy* strategy);

}  // namespace server
