// Stored objects in the forms that readers may ask for: as they are, as rows of a Table, as
// PartialObjectMetadata; one or a list of them. Pure; any thread.
#pragma once

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

// The object of a watch event in the format's encoding: JSON, or protobuf in its envelope. `columns`: whether a Table names its columns.
std::string shape_for_event(const api::Kind& kind, const RenderStyle& style, std::string_view bytes,
                            bool columns);
// What a bookmark carries: nothing but the revision (and annotations, as JSON, "" for none).
std::string make_bookmark_object(const api::Kind& kind, const RenderStyle& style, int64_t revision,
                                 std::string_view annotations);
// One event of a watch: a line of JSON or a frame of protobuf, around an object in that encoding.
std::string frame_event(const Format& format, std::string_view type, std::string_view object);

}  // namespace server
