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

std::string list_head(const api::Kind& kind, const RenderStyle& style, const ListMeta& meta) {
  if (style.format.shape == Format::Shape::table) return table_head(kind, style, list_meta_json(meta), true);
  if (style.format.shape == Format::Shape::partial) {
    return fmt::format("{{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/{}\",\"metadata\":{},\"items\":[",
                       style.format.meta_version, list_meta_json(meta));
  }
  return fmt::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{},\"items\":[",
                     kind.list_kind.empty() ? kind.kind + "List" : kind.list_kind, kind.api_version(), list_meta_json(meta));
}

class JsonList final : public ListSource {
 public:
  JsonList(api::KindPtr kind, RenderStyle style, ListMeta meta, std::vector<store::EntryPtr> entries)
      : kind_(std::move(kind)), style_(std::move(style)), meta_(std::move(meta)), entries_(std::move(entries)) {}

  bool next(std::string& out) override {
    const size_t before = out.size();
    if (at_ == 0) out += list_head(*kind_, style_, meta_);
    for (; at_ < entries_.size() && out.size() - before < kPiece; ++at_) {
      if (at_ != 0) out += ',';
      append_item(out, std::exchange(entries_[at_], nullptr)->value);
    }
    if (at_ < entries_.size()) return true;
    out += "]}\n";
    return false;
  }

 private:
  void append_item(std::string& out, const std::string& bytes) {
    if (style_.format.shape == Format::Shape::table) {
      append_row(out, *kind_, style_, bytes);
    } else if (style_.format.shape == Format::Shape::partial) {
      append_partial(out, style_.format.meta_version, bytes);
    } else {
      out += bytes;
    }
  }

  static constexpr size_t kPiece = 64u << 10;
  api::KindPtr kind_;
  RenderStyle style_;
  ListMeta meta_;
  std::vector<store::EntryPtr> entries_;
  size_t at_ = 0;
};

// YAML and indented JSON are written from the whole document.
class WholeList final : public ListSource {
 public:
  WholeList(std::unique_ptr<ListSource> json, Format format) : json_(std::move(json)), format_(std::move(format)) {}
  bool next(std::string& out) override {
    if (json_->next(text_)) return true;
    out += *encode_document(format_, net::make_chunk(std::move(text_)));
    return false;
  }

 private:
  std::unique_ptr<ListSource> json_;
  Format format_;
  std::string text_;
};

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
  std::vector<net::Chunk> body;
  if (!style.format.verbatim()) {
    auto source = make_list_source(api::KindPtr(api::KindPtr(), &kind), style, meta,
                                   {entries.begin(), entries.end()}, std::make_shared<ListRoom>(INT64_MAX));
    for (bool more = true; more;) {
      std::string piece;
      more = source->next(piece);
      piece.shrink_to_fit();
      if (!piece.empty()) body.push_back(net::make_chunk(std::move(piece)));
    }
    return body;
  }
  body.reserve(entries.size() * 2 + 2);
  body.push_back(net::make_chunk(list_head(kind, style, meta)));
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i != 0) body.push_back(comma());
    body.push_back(value_chunk(entries[i]));
  }
  body.push_back(net::make_chunk("]}\n"));
  return body;
}

std::unique_ptr<ListSource> make_list_source(api::KindPtr kind, RenderStyle style, ListMeta meta,
                                             std::vector<store::EntryPtr> entries, std::shared_ptr<ListRoom> room) {
  if (style.format.encoding == Format::Encoding::protobuf)
    return make_protobuf_list(std::move(kind), style.format, meta, std::move(entries), std::move(room));
  const Format format = style.format;
  auto json = std::make_unique<JsonList>(std::move(kind), std::move(style), std::move(meta), std::move(entries));
  if (format.encoding == Format::Encoding::json && !format.pretty) return json;
  return std::make_unique<WholeList>(std::move(json), format);
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
