// Objects as bytes: the canonical JSON that is stored and sent, and what is kept parsed beside it so that
// lists and watches never parse. Pure; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/kinds.hpp"
#include "api/selectors.hpp"
#include "base/value.hpp"
#include "net/http.hpp"
#include "store/store.hpp"

namespace server {

// store::Entry::parsed of every object.
struct ParsedEntry {
  base::Value labels;  // null or an object
  // What field selectors may name beside name and namespace, which are in the key. The names live for ever.
  std::vector<std::pair<std::string_view, std::string>> fields;
};

// `core/services/`, `apps/deployments/`: where the objects of a kind are.
std::string key_prefix(std::string_view group, std::string_view plural);

// apiVersion, kind, metadata first, then the rest in its order.
std::string encode_object(const base::Value& object);
std::shared_ptr<const ParsedEntry> parse_entry(const api::Kind& kind, const base::Value& object);
std::shared_ptr<const ParsedEntry> parse_custom_entry(const base::Value& object);

// The bytes of the object's metadata member, braces included; "" when there is none.
std::string_view metadata_bytes(std::string_view object);

// The object's bytes without metadata.managedFields, which can be more than half of them: for who needs the rest parsed.
std::string without_managed_fields(std::string_view object);

// The entry's bytes without a copy.
net::Chunk value_chunk(const store::EntryPtr& entry);

struct Filter {
  api::LabelSelector labels;
  api::FieldSelector fields;
  bool matches_everything() const { return labels.matches_everything() && fields.matches_everything(); }
  bool matches(const store::Entry& entry) const;
};

// FNV-1a, 64 bits, as 16 hex digits: ETags and document hashes, nothing that must resist an attacker.
std::string hash_text(std::string_view bytes);

}  // namespace server
