#include "server/tables.hpp"

#include <fmt/format.h>

#include <utility>

#include "api/columns.hpp"
#include "base/json.hpp"
#include "server/exchange.hpp"
#include "server/protobuf_forms.hpp"

namespace server {

namespace {

const net::Chunk& comma() {
  static const net::Chunk chunk = net::make_chunk(",");
  return chunk;
}

std::string list_meta_json(const ListMeta& meta) {
  std::string out = fmt::format("{{\"resourceVersion\":\"{}\"", meta.revision);
  if (!meta.continue_.empty()) out += ",\"continue\":" + base::write_json(base::Value(meta.continue_));
  if (meta.remaining) out += fmt::format(",\"remainingItemCount\":{}", *meta.remaining);
  return out + "}";
}

void append_partial(std::string& out, std::string_view version, std::string_view bytes) {
  auto metadata = metadata_bytes(bytes);
  fmt::format_to(std::back_inserter(out),
                 "{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/{}\",\"metadata\":{}}}",
                 version, metadata.empty() ? std::string_view("{}") : metadata);
}

void append_columns(std::string& out, const api::Kind& kind) {
  base::Array columns;
  for (const auto& column : api::columns_of(kind)) {
    columns.emplace_back(base::Object{{"name", column.name},
                                      {"type", column.type},
                                      {"format", column.format},
                                      {"description", column.description},
                                      {"priority", column.priority}});
  }
  base::append_json(out, base::Value(std::move(columns)));
}

void append_row(std::string& out, const api::Kind& kind, const RenderStyle& style, std::string_view bytes) {
  base::Array cells;
  // Only a custom kind's columns may name managedFields.
  auto object = kind.custom ? base::parse_json(bytes) : base::parse_json(without_managed_fields(bytes));
  if (object) cells = api::table_cells(kind, *object, style.now);
  out += "{\"cells\":";
  base::append_json(out, base::Value(std::move(cells)));
  if (style.include == IncludeObject::metadata) {
    out += ",\"object\":";
    append_partial(out, style.format.meta_version, bytes);
  } else if (style.include == IncludeObject::object) {
    out += ",\"object\":";
    out += bytes;
  } else {
    out += ",\"object\":null";
  }
  out += '}';
}

std::string table_head(const api::Kind& kind, const RenderStyle& style, std::string_view metadata,
                       bool columns) {
  std::string out = fmt::format("{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/{}\",\"metadata\":{}",
                                style.format.meta_version, metadata);
  out += ",\"columnDefinitions\":";
  if (columns) {
    append_columns(out, kind);
  } else {
    out += "[]";
  }
  out += ",\"rows\":[";
  return out;
}

std::string revision_metadata(std::string_view bytes) {
  auto metadata = base::parse_json(metadata_bytes(bytes));
  std::string_view version = metadata ? (*metadata)["resourceVersion"].as_string() : std::string_view();
  return fmt::format("{{\"resourceVersion\":\"{}\"}}", version);
}

// A list that is made from its entries, in pieces: as one text it would be copied, and its memory taken, twice as it grows.
class Pieces {
 public:
  explicit Pieces(std::string head) : text_(std::move(head)) {}
  // Where the next item goes.
  std::string& next() {
    if (text_.size() >= kPiece) cut();
    if (!std::exchange(first_, false)) text_ += ',';
    return text_;
  }
  std::vector<net::Chunk> finish(const Format& format) {
    text_ += "]}\n";
    cut();
    if (format.encoding == Format::Encoding::json && !format.pretty) return std::move(pieces_);
    std::string whole;
    for (const auto& piece : pieces_) whole += *piece;
    return {encode_document(format, net::make_chunk(std::move(whole)))};
  }

 private:
  static constexpr size_t kPiece = 64u << 10;
  void cut() {
    pieces_.push_back(net::make_chunk(std::exchange(text_, {})));
    text_.reserve(kPiece + kPiece / 8);
  }
  std::string text_;
  bool first_ = true;
  std::vector<net::Chunk> pieces_;
};

std::vector<net::Chunk> render_table(const api::Kind& kind, const RenderStyle& style, const ListMeta& meta,
                                     std::span<const store::EntryPtr> entries) {
  Pieces pieces(table_head(kind, style, list_meta_json(meta), true));
  for (const auto& entry : entries) append_row(pieces.next(), kind, style, entry->value);
  return pieces.finish(style.format);
}

std::vector<net::Chunk> render_partial_list(const RenderStyle& style, const ListMeta& meta,
                                            std::span<const store::EntryPtr> entries) {
  Pieces pieces(fmt::format(
      "{{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/"
      "{}\",\"metadata\":{},\"items\":[",
      style.format.meta_version, list_meta_json(meta)));
  for (const auto& entry : entries) append_partial(pieces.next(), style.format.meta_version, entry->value);
  return pieces.finish(style.format);
}

}  // namespace

std::vector<net::Chunk> render_object(const api::Kind& kind, const RenderStyle& style, net::Chunk bytes) {
  if (style.format.encoding == Format::Encoding::protobuf) {
    return {net::make_chunk(protobuf_object(kind, style.format, *bytes))};
  }
  if (style.format.shape != Format::Shape::plain) {
    bytes = net::make_chunk(shape_for_event(kind, style, *bytes, true));
  }
  return {encode_document(style.format, std::move(bytes))};
}

std::vector<net::Chunk> render_list(const api::Kind& kind, const RenderStyle& style, const ListMeta& meta,
                                    std::span<const store::EntryPtr> entries) {
  if (style.format.encoding == Format::Encoding::protobuf)
    return protobuf_list(kind, style.format, meta, entries);
  if (style.format.shape == Format::Shape::table) {
    return render_table(kind, style, meta, entries);
  }
  if (style.format.shape == Format::Shape::partial) {
    return render_partial_list(style, meta, entries);
  }
  std::vector<net::Chunk> body;
  body.reserve(entries.size() * 2 + 2);
  std::string list_kind = kind.list_kind.empty() ? kind.kind + "List" : kind.list_kind;
  body.push_back(
      net::make_chunk(fmt::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{},\"items\":[",
                                  list_kind, kind.api_version(), list_meta_json(meta))));
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i != 0) body.push_back(comma());
    body.push_back(value_chunk(entries[i]));
  }
  body.push_back(net::make_chunk("]}\n"));
  if (style.format.verbatim()) return body;
  std::string whole;
  for (const auto& chunk : body) whole += *chunk;
  return {encode_document(style.format, net::make_chunk(std::move(whole)))};
}

std::string shape_for_event(const api::Kind& kind, const RenderStyle& style, std::string_view bytes,
                            bool columns) {
  if (style.format.encoding == Format::Encoding::protobuf) return protobuf_object(kind, style.format, bytes);
  if (style.format.shape == Format::Shape::table) {
    std::string out = table_head(kind, style, revision_metadata(bytes), columns);
    append_row(out, kind, style, bytes);
    return out + "]}";
  }
  std::string out;
  if (style.format.shape == Format::Shape::partial) {
    append_partial(out, style.format.meta_version, bytes);
  } else {
    out = bytes;
  }
  return out;
}

std::string make_bookmark_object(const api::Kind& kind, const RenderStyle& style, int64_t revision,
                                 std::string_view annotations) {
  std::string metadata = fmt::format("{{\"resourceVersion\":\"{}\",\"creationTimestamp\":null", revision);
  if (!annotations.empty()) fmt::format_to(std::back_inserter(metadata), ",\"annotations\":{}", annotations);
  metadata += '}';
  if (style.format.encoding == Format::Encoding::protobuf) {
    return protobuf_object(kind, style.format, "{\"metadata\":" + metadata + "}");
  }
  if (style.format.shape == Format::Shape::table) {
    return fmt::format(
        "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/{}\",\"metadata\":{{\"resourceVersion\":\"{}\"}},"
        "\"columnDefinitions\":[],\"rows\":[{{\"cells\":[],\"object\":{{\"kind\":\"PartialObjectMetadata\","
        "\"apiVersion\":\"meta.k8s.io/{}\",\"metadata\":{}}}}}]}}",
        style.format.meta_version, revision, style.format.meta_version, metadata);
  }
  if (style.format.shape == Format::Shape::partial) {
    return fmt::format(
        "{{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/{}\",\"metadata\":{}}}",
        style.format.meta_version, metadata);
  }
  return fmt::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{}}}", kind.kind,
                     kind.api_version(), metadata);
}

std::string frame_event(const Format& format, std::string_view type, std::string_view object) {
  if (format.encoding == Format::Encoding::protobuf) return protobuf_event(type, object);
  std::string line;
  line.reserve(object.size() + 40);
  line += "{\"type\":\"";
  line += type;
  line += "\",\"object\":";
  line += object;
  line += "}\n";
  return line;
}

}  // namespace server
