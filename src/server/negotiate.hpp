// In which form the client wants its answer: the Accept header against what the server can write. Pure; any
// thread.
//
// Source: apiserver's content negotiation: the most wanted media type that can be written wins, types and
// conversions that cannot are passed over, and when none is left the answer is 406.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/kinds.hpp"
#include "base/result.hpp"
#include "net/http.hpp"

namespace server {

struct MediaRange {
  std::string type;                                             // lower case: "application/json", "*/*"
  std::vector<std::pair<std::string, std::string>> parameters;  // without q
  std::string_view parameter(std::string_view name) const;
};

// The ranges of an Accept header, the most wanted first; an empty header is */*.
std::vector<MediaRange> parse_accept(std::string_view accept);

struct Format {
  enum class Encoding { json, yaml, protobuf };
  enum class Shape { plain, table, partial };
  Encoding encoding = Encoding::json;
  Shape shape = Shape::plain;
  std::string meta_version = "v1";  // of Table and PartialObjectMetadata
  bool pretty = false;

  std::string content_type() const {
    return encoding == Encoding::json   ? "application/json"
           : encoding == Encoding::yaml ? "application/yaml"
                                        : "application/vnd.kubernetes.protobuf";
  }
  // Of a watch: JSON frames itself, protobuf says how its frames are made.
  std::string stream_type() const {
    return encoding == Encoding::protobuf ? content_type() + ";stream=watch" : content_type();
  }
  // The stored bytes can be sent as they are.
  bool verbatim() const { return encoding == Encoding::json && shape == Shape::plain && !pretty; }
};

enum class Answering { object, list, watch };

// What can be written in protobuf: of custom kinds their metadata alone, of discovery documents nothing.
enum class Protobuf { none, metadata, all };
Protobuf protobuf_of(const api::Kind& kind);

// not_acceptable when nothing that the client takes can be written.
base::Result<Format> negotiate(const net::Request& request, Answering answering,
                               Protobuf protobuf = Protobuf::none);
// For Status answers: never fails, never a Table.
Format negotiate_or_json(const net::Request& request);

// Whether the client takes gzip.
bool accepts_gzip(const net::Request& request);

// Whether ?NAME stands for true: "", "true", "1" do, as in Go's query decoding.
bool query_flag(const net::Query& query, std::string_view name);

}  // namespace server
