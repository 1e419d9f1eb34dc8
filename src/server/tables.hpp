// Stored objects in the forms that readers may ask for: as they are, as rows of a Table, as
// PartialObjectMetadata; one or a list of them. Pure; any thread. A ListSource has one owner.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "api/kinds.hpp"
#include "base/time.hpp"
#include "net/http.hpp"
#include "server/negotiate.hpp"
#include "server/options.hpp"

namespace server {

struct RenderStyle {
  Format format;
  IncludeObject include = IncludeObject::metadata;
  base::Time now;
};

// metadata of a list.
struct ListMeta {
  int64_t revision = 0;
  std::string continue_;
  std::optional<int64_t> remaining;
};

// One object, given as its canonical bytes.
std::vector<net::Chunk> render_object(const api::Kind& kind, const RenderStyle& style, net::Chunk bytes);
// Plain JSON shares the bytes of the entries.
std::vector<net::Chunk> render_list(const api::Kind& kind, const RenderStyle& style, const ListMeta& meta,
                                    std::span<const store::EntryPtr> entries);

// A list that is made bit by bit.
class ListSource {
 public:
  virtual ~ListSource() = default;
  // Appends the next piece to `out`: about 64 KiB, or nothing when there was only something to prepare. False: that was
  // the last one.
  virtual bool next(std::string& out) = 0;
};
// Bytes that lists may hold on to, of all of them together. Any thread.
class ListRoom {
 public:
  explicit ListRoom(size_t bytes) : left_(static_cast<int64_t>(bytes)) {}
  bool take(size_t bytes) {
    if (left_.fetch_sub(static_cast<int64_t>(bytes)) >= static_cast<int64_t>(bytes)) return true;
    give(bytes);
    return false;
  }
  void give(size_t bytes) { left_.fetch_add(static_cast<int64_t>(bytes)); }

 private:
  std::atomic<int64_t> left_;
};
// Protobuf wants the length first: what has been made is kept as long as there is room, else it is made twice.
std::unique_ptr<ListSource> make_list_source(api::KindPtr kind, RenderStyle style, ListMeta meta,
                                             std::vector<store::EntryPtr> entries, std::shared_ptr<ListRoom> room);

// The object of a watch event in the format's encoding: JSON, or protobuf in its envelope. `columns`: whether a Table names its columns.
std::string shape_for_event(const api::Kind& kind, const RenderStyle& style, std::string_view bytes,
                            bool columns);
// What a bookmark carries: nothing but the revision (and annotations, as JSON, "" for none).
std::string make_bookmark_object(const api::Kind& kind, const RenderStyle& style, int64_t revision,
                                 std::string_view annotations);
// One event of a watch: a line of JSON or a frame of protobuf, around an object in that encoding.
std::string frame_event(const Format& format, std::string_view type, std::string_view object);

}  // namespace server
