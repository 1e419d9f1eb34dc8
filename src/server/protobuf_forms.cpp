#include "server/protobuf_forms.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "api/meta.hpp"
#include "api/protobuf.hpp"
#include "base/json.hpp"

namespace server {

namespace {

[[noreturn]] void broken(const api::Kind& kind, std::string_view json) {
  throw std::runtime_error(
      fmt::format("no protobuf can be made of this {}: {}", kind.kind, json.substr(0, 200)));
}

// ListMeta: resourceVersion = 2, continue = 3, remainingItemCount = 4.
std::string list_meta_message(const ListMeta& meta) {
  std::string out;
  api::append_bytes_field(out, 1, "");
  api::append_bytes_field(out, 2, std::to_string(meta.revision));
  api::append_bytes_field(out, 3, meta.continue_);
  if (meta.remaining) api::append_number_field(out, 4, *meta.remaining);
  return out;
}

// PartialObjectMetadata: metadata = 1.
void append_partial_message(std::string& out, const api::Kind& kind, std::string_view json) {
  const auto* metadata = kind.schema ? kind.schema->find("metadata") : nullptr;
  auto text = metadata_bytes(json);
  if (!metadata || (!text.empty() && !api::append_message_field(out, 1, *metadata->schema, text)))
    broken(kind, json);
}

std::string meta_group_version(const Format& format) { return "meta.k8s.io/" + format.meta_version; }

std::string enveloped(std::string_view api_version, std::string_view kind, std::string_view message) {
  std::string out = api::envelope_head(api_version, kind, message.size());
  out += message;
  out += api::envelope_tail();
  return out;
}

}  // namespace

std::string protobuf_object(const api::Kind& kind, const Format& format, std::string_view json) {
  std::string message;
  message.reserve(json.size());
  if (format.shape == Format::Shape::partial) {
    append_partial_message(message, kind, json);
    return enveloped(meta_group_version(format), "PartialObjectMetadata", message);
  }
  if (!kind.schema || !api::append_message(message, *kind.schema, json)) broken(kind, json);
  return enveloped(kind.api_version(), kind.kind, message);
}

std::vector<net::Chunk> protobuf_list(const api::Kind& kind, const Format& format, const ListMeta& meta,
                                      std::span<const store::EntryPtr> entries) {
  const bool partial = format.shape == Format::Shape::partial;
  // meta.k8s.io/v1beta1 has its two fields the other way round.
  const bool swapped = partial && format.meta_version == "v1beta1";
  const int items = swapped ? 1 : 2;
  size_t expected = 0;
  for (const auto& entry : entries) expected += entry->value.size();
  std::string message, item;
  message.reserve((partial ? expected / 2 : expected / 4 * 3) + 128);
  api::append_bytes_field(message, swapped ? 2 : 1, list_meta_message(meta));
  for (const auto& entry : entries) {
    if (partial) {
      item.clear();
      append_partial_message(item, kind, entry->value);
      api::append_bytes_field(message, items, item);
    } else if (!kind.schema || !api::append_message_field(message, items, *kind.schema, entry->value)) {
      broken(kind, entry->value);
    }
  }
  std::string list_kind = kind.list_kind.empty() ? kind.kind + "List" : kind.list_kind;
  auto head =
      partial ? api::envelope_head(meta_group_version(format), "PartialObjectMetadataList", message.size())
              : api::envelope_head(kind.api_version(), list_kind, message.size());
  static const net::Chunk tail = net::make_chunk(std::string(api::envelope_tail()));
  return {net::make_chunk(std::move(head)), net::make_chunk(std::move(message)), tail};
}

// Four bytes of length, most significant first, then WatchEvent: type = 1, object = 2 (RawExtension: raw =
// 1).
std::string protobuf_event(std::string_view type, std::string_view object) {
  std::string raw, out(4, '\0');
  raw.reserve(object.size() + 8);
  out.reserve(object.size() + 32);
  api::append_bytes_field(raw, 1, object);
  api::append_bytes_field(out, 1, type);
  api::append_bytes_field(out, 2, raw);
  const size_t size = out.size() - 4;
  for (size_t i = 0; i < 4; ++i) out[i] = static_cast<char>(size >> (8 * (3 - i)));
  return out;
}

std::string protobuf_document(const api::Registry& kinds, std::string_view json) {
  auto value = base::parse_json(json);
  auto kind = value ? kinds.find_kind(api::api_version_of(*value), api::kind_of(*value)) : nullptr;
  if (!kind || !api::has_protobuf(*kind)) {
    throw std::runtime_error(fmt::format("no protobuf form is known of {}", json.substr(0, 200)));
  }
  return protobuf_object(*kind, {}, json);
}

}  // namespace server
