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

// The envelope says how long the message is: so all items are made once before the first byte goes out. They are kept for
// that, as long as there is room; then they are made again.
class ProtobufList final : public ListSource {
 public:
  ProtobufList(api::KindPtr kind, const Format& format, const ListMeta& meta, std::vector<store::EntryPtr> entries,
               std::shared_ptr<ListRoom> room)
      : kind_(std::move(kind)), format_(format), meta_(meta), entries_(std::move(entries)), room_(std::move(room)) {}
  ~ProtobufList() override { forget(); }

  bool next(std::string& out) override {
    if (measured_) return write(out);
    measure();
    return true;
  }

 private:
  static constexpr size_t kPiece = 64u << 10;
  bool partial() const { return format_.shape == Format::Shape::partial; }
  // meta.k8s.io/v1beta1 has its two fields the other way round.
  bool swapped() const { return partial() && format_.meta_version == "v1beta1"; }

  // One piece more.
  void append_items(std::string& out) {
    const size_t before = out.size();
    for (; at_ < entries_.size() && out.size() - before < kPiece; ++at_) {
      const std::string& json = entries_[at_]->value;
      const int number = swapped() ? 1 : 2;
      if (partial()) {
        item_.clear();
        append_partial_message(item_, *kind_, json);
        api::append_bytes_field(out, number, item_);
      } else if (!kind_->schema || !api::append_message_field(out, number, *kind_->schema, json)) {
        broken(*kind_, json);
      }
    }
  }
  void measure() {
    std::string piece;
    if (at_ == 0) api::append_bytes_field(piece, swapped() ? 2 : 1, list_meta_message(meta_));
    append_items(piece);
    size_ += piece.size();
    if (keeping_ && room_->take(piece.size())) {
      taken_ += piece.size();
      piece.shrink_to_fit();
      kept_.push_back(std::move(piece));
    } else {
      keeping_ = false;
      forget();
    }
    if (at_ < entries_.size()) return;
    measured_ = true;
    at_ = 0;
    if (!kept_.empty()) entries_.clear();
  }
  void forget() {
    kept_.clear();
    room_->give(std::exchange(taken_, 0));
  }
  bool write(std::string& out) {
    if (!std::exchange(begun_, true)) {
      out += partial() ? api::envelope_head(meta_group_version(format_), "PartialObjectMetadataList", size_)
                       : api::envelope_head(kind_->api_version(),
                                            kind_->list_kind.empty() ? kind_->kind + "List" : kind_->list_kind, size_);
      if (kept_.empty()) api::append_bytes_field(out, swapped() ? 2 : 1, list_meta_message(meta_));
    }
    if (next_kept_ < kept_.size()) {
      std::string piece = std::move(kept_[next_kept_++]);
      taken_ -= piece.size();
      room_->give(piece.size());
      if (out.empty()) out = std::move(piece);
      else out += piece;
    } else {
      append_items(out);
    }
    if (next_kept_ < kept_.size() || at_ < entries_.size()) return true;
    out += api::envelope_tail();
    return false;
  }

  api::KindPtr kind_;
  Format format_;
  ListMeta meta_;
  std::vector<store::EntryPtr> entries_;
  std::shared_ptr<ListRoom> room_;
  size_t taken_ = 0;  // of the room
  bool keeping_ = true;
  size_t at_ = 0;
  std::string item_;
  bool measured_ = false;
  bool begun_ = false;
  size_t size_ = 0;
  std::vector<std::string> kept_;
  size_t next_kept_ = 0;
};

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

std::unique_ptr<ListSource> make_protobuf_list(api::KindPtr kind, const Format& format, const ListMeta& meta,
                                               std::vector<store::EntryPtr> entries, std::shared_ptr<ListRoom> room) {
  return std::make_unique<ProtobufList>(std::move(kind), format, meta, std::move(entries), std::move(room));
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
