#include "server/versions.hpp"

#include <fmt/format.h>

#include "api/convert.hpp"
#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "base/json.hpp"
#include "server/encoding.hpp"

namespace server {

base::Result<base::Value> to_stored(const Resource& resource, base::Value object) {
  if (!resource.is_view()) return object;
  TRY(auto stored, api::convert(*resource.kind, *resource.stored, std::move(object)));
  api::apply_defaults(*resource.stored, stored);
  if (resource.stored->custom) return stored;
  // A zero that one version writes may mean nothing in the other.
  TRY(auto cleaned, api::decode_object(*resource.stored, stored, {}, api::FieldValidation::ignore));
  return std::move(cleaned.object);
}

base::Result<base::Value> to_served(const Resource& resource, base::Value object) {
  if (!resource.converts()) return object;
  base::Value served = std::move(object);
  if (resource.is_view()) {
    TRY(served, api::convert(*resource.stored, *resource.kind, std::move(served)));
  }
  if (resource.defaults_late) api::apply_defaults(*resource.kind, served);
  if (resource.kind->schema && !resource.kind->custom) api::order_members(*resource.kind->schema, served);
  return served;
}

base::Result<net::Chunk> served_bytes(const Resource& resource, net::Chunk stored) {
  if (!resource.converts()) return stored;
  auto object = base::parse_json(*stored);
  if (!object) return base::fail(base::Reason::internal_error, "Internal error occurred: a stored object cannot be read");
  TRY(auto served, to_served(resource, std::move(*object)));
  return net::make_chunk(encode_object(served));
}

base::Result<store::EntryPtr> served_entry(const Resource& resource, const store::EntryPtr& entry) {
  if (!resource.converts()) return entry;
  auto bytes = served_bytes(resource, value_chunk(entry));
  if (!bytes) return std::unexpected(std::move(bytes).error().wrap(fmt::format("reading {}", entry->key)));
  auto served = std::make_shared<store::Entry>(*entry);
  served->value = **bytes;
  return served;
}

base::Result<std::vector<store::EntryPtr>> served_entries(const Resource& resource,
                                                          std::vector<store::EntryPtr> entries) {
  if (!resource.converts()) return entries;
  for (auto& entry : entries) {
    TRY(entry, served_entry(resource, entry));
  }
  return entries;
}

}  // namespace server
