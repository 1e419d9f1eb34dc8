#include "server/catalog.hpp"

#include <fmt/format.h>

#include "server/encoding.hpp"

namespace server {

std::string Resource::key(std::string_view namespace_, std::string_view name) const {
  return prefix_of(kind->namespaced ? namespace_ : std::string_view()) + std::string(name);
}

std::string Resource::prefix_of(std::string_view namespace_) const {
  if (namespace_.empty()) return prefix;
  return fmt::format("{}{}/", prefix, namespace_);
}

bool is_resource(const api::Kind& kind) { return kind.stored || (!kind.verbs.empty() && !kind.plural.empty()); }

ResourcePtr make_resource(api::KindPtr kind, api::KindPtr stored, const Strategy* strategy) {
  auto resource = std::make_shared<Resource>();
  resource->qualified = kind->group.empty() ? kind->plural : kind->plural + "." + kind->group;
  resource->prefix = key_prefix(stored->group, stored->plural);
  resource->strategy = strategy;
  resource->kind = std::move(kind);
  resource->stored = std::move(stored);
  return resource;
}

Catalog::Catalog(const api::Registry& registry, const Strategies& strategies) : registry_(registry) {
  for (const auto& kind : registry.all()) {
    if (!is_resource(*kind)) continue;
    auto stored = kind;
    if (kind->stored_as) {
      const auto& as = *kind->stored_as;
      stored = registry.find_resource(as.group, as.version, as.plural);
      if (!stored) continue;  // a schema that names a kind which this binary has not
    }
    add(make_resource(kind, stored, kind->stored ? &strategies.of(*stored) : nullptr));
  }
}

Catalog::Catalog(const Catalog& base, const std::vector<CustomResources>& custom, uint64_t generation)
    : registry_(base.registry_), resources_(base.resources_), generation_(generation) {
  for (const auto& definition : custom) {
    for (const auto& resource : definition.resources) {
      const auto& kind = *resource->kind;
      registry_.add(resource->kind);
      stamps_[fmt::format("{}/{}", kind.group, kind.version)] += definition.stamp + ";";
      add(resource);
    }
  }
}

void Catalog::add(ResourcePtr resource) {
  const auto& kind = *resource->kind;
  resources_.emplace(fmt::format("{}/{}/{}", kind.group, kind.version, kind.plural), std::move(resource));
}

ResourcePtr Catalog::find(std::string_view group, std::string_view version, std::string_view plural) const {
  auto found = resources_.find(fmt::format("{}/{}/{}", group, version, plural));
  return found == resources_.end() ? nullptr : found->second;
}

std::string Catalog::stamp(std::string_view group, std::string_view version) const {
  auto found = stamps_.find(fmt::format("{}/{}", group, version));
  return found == stamps_.end() ? std::string() : found->second;
}

}  // namespace server
