// Between the version of a kind that the URL names and the one that is stored. For a resource that is no view these are
// the identity and cost nothing. Pure; any thread.
#pragma once

#include "base/result.hpp"
#include "base/value.hpp"
#include "net/http.hpp"
#include "server/catalog.hpp"
#include "store/store.hpp"

namespace server {

base::Result<base::Value> to_stored(const Resource& resource, base::Value object);
base::Result<base::Value> to_served(const Resource& resource, base::Value object);
// The canonical bytes of an object in the version that is served.
base::Result<net::Chunk> served_bytes(const Resource& resource, net::Chunk stored);
// The entry with such bytes.
base::Result<store::EntryPtr> served_entry(const Resource& resource, const store::EntryPtr& entry);
base::Result<std::vector<store::EntryPtr>> served_entries(const Resource& resource,
                                                          std::vector<store::EntryPtr> entries);

}  // namespace server
