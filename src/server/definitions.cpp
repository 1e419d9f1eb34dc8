#include "server/definitions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/custom/definition.hpp"
#include "api/meta.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "server/watch.hpp"

namespace server {

namespace {

bool is_established(const base::Value& definition) {
  for (const auto& condition : definition.at({"status", "conditions"}).as_array()) {
    if (condition["type"].as_string() == "Established") return condition["status"].as_string() == "True";
  }
  return false;
}

// Whether anything below has a default.
bool has_defaults(const api::Schema& schema) {
  if (!schema.default_value.is_null() || (schema.items && has_defaults(*schema.items))) return true;
  return std::ranges::any_of(schema.properties, [](const api::Schema::Property& property) {
    return property.name != "metadata" && (!property.default_value.is_null() || has_defaults(*property.schema));
  });
}

}  // namespace

Definitions::Definitions(Core& core) : core_(core), builtin_(core.catalog()) {}

base::Result<std::unique_ptr<Definitions>> Definitions::make(Core& core) {
  auto self = std::unique_ptr<Definitions>(new Definitions(core));
  auto resource = core.find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
  if (!resource) return self;
  auto listing = core.store.list(resource->prefix);
  for (const auto& entry : listing.entries) self->put(*entry);
  if (!self->by_key_.empty()) self->publish();
  TRY(self->watch_, core.store.watch(resource->prefix, listing.revision,
                                     [self = self.get()](std::span<const store::Event> events) { self->follow(events); }));
  return self;
}

void Definitions::follow(std::span<const store::Event> events) {
  bool changed = false;
  for (const auto& event : events) {
    if (event.erased) {
      auto found = by_key_.find(event.current->key);
      if (found == by_key_.end()) continue;
      core_.watches->end(found->second.prefix);
      by_key_.erase(found);
      changed = true;
    } else {
      changed |= put(*event.current);
    }
  }
  if (changed) publish();
}

bool Definitions::put(const store::Entry& entry) {
  auto drop = [&] { return by_key_.erase(entry.key) != 0; };
  auto definition = base::parse_json(entry.value);
  if (!definition || !is_established(*definition)) return drop();
  const bool closing = api::is_being_deleted(*definition);
  CustomResources custom;
  custom.stamp = fmt::format("{}@{}{}", api::uid_of(*definition), api::generation_of(*definition), closing ? "-" : "");
  if (auto found = by_key_.find(entry.key); found != by_key_.end() && found->second.stamp == custom.stamp) return false;
  auto kinds = api::read_definition(*definition, core_.builtin);
  if (!kinds) {
    base::log_error("server", "{} is not served: {}", entry.key, kinds.error().message);
    return drop();
  }
  custom.prefix = key_prefix(kinds->storage->group, kinds->storage->plural);
  for (const auto& kind : kinds->served) {
    auto resource = std::make_shared<Resource>(*make_resource(kind, kinds->storage, &core_.strategies.custom()));
    resource->closing = closing;
    resource->defaults_late = api::generation_of(*definition) > 1 && has_defaults(*kind->schema);
    custom.resources.push_back(std::move(resource));
  }
  // Who watches must read again: the same objects may look different now. While a definition is being deleted its
  // watchers see its objects go.
  if (auto found = by_key_.find(entry.key); found != by_key_.end() && !closing) core_.watches->end(found->second.prefix);
  by_key_.insert_or_assign(entry.key, std::move(custom));
  return true;
}

void Definitions::publish() {
  std::vector<CustomResources> all;
  for (const auto& [key, custom] : by_key_) all.push_back(custom);
  core_.set_catalog(std::make_shared<const Catalog>(*builtin_, all, ++generation_));
}

}  // namespace server
