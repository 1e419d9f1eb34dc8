#include "server/negotiate.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "api/protobuf.hpp"
#include "base/strings.hpp"

namespace server {

namespace {

using Encoding = Format::Encoding;
using Shape = Format::Shape;

struct Weighted {
  MediaRange range;
  double weight = 1.0;
  int vague = 0;  // 2 for */*, 1 for application/*
};

Weighted parse_range(std::string_view text) {
  Weighted result;
  auto pieces = base::split(text, ';');
  result.range.type = base::to_lower(base::trim(pieces[0]));
  if (result.range.type == "*") result.range.type = "*/*";
  result.vague = result.range.type == "*/*" ? 2 : result.range.type.ends_with("/*") ? 1 : 0;
  for (size_t i = 1; i < pieces.size(); ++i) {
    std::string_view piece = base::trim(pieces[i]);
    size_t equals = piece.find('=');
    if (equals == std::string_view::npos) continue;
    std::string name = base::to_lower(base::trim(piece.substr(0, equals)));
    std::string value(base::trim(piece.substr(equals + 1)));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    if (name == "q") {
      char* end = nullptr;
      result.weight = std::strtod(value.c_str(), &end);
      if (end == value.c_str()) result.weight = 1.0;
    } else {
      result.range.parameters.emplace_back(std::move(name), std::move(value));
    }
  }
  return result;
}

// strconv.ParseBool: what is neither is a no.
bool is_true(std::string_view text) {
  return text == "1" || text == "t" || text == "T" || text == "true" || text == "True" || text == "TRUE";
}

bool wants_pretty(const net::Request& request) {
  auto value = request.query.get("pretty");
  if (!value.empty()) return is_true(value);
  // A person at a terminal or a browser, as upstream guesses it.
  auto agent = request.headers.get("User-Agent");
  return agent.starts_with("curl") || agent.starts_with("Wget") || agent.starts_with("Mozilla/5.0");
}

struct Offer {
  Encoding encoding;
  std::string_view type;
};
// In the order in which a wildcard takes them.
constexpr std::array<Offer, 3> kOffers = {{{Encoding::json, "application/json"},
                                           {Encoding::yaml, "application/yaml"},
                                           {Encoding::protobuf, "application/vnd.kubernetes.protobuf"}}};

bool covers(const MediaRange& range, std::string_view type) {
  return range.type == type || range.type == "*/*" || range.type == "application/*";
}

bool converts(const MediaRange& range) {
  return std::ranges::any_of(range.parameters, [](const auto& parameter) {
    return parameter.first == "as" || parameter.first == "g" || parameter.first == "v";
  });
}

// Parameters that rule the range out for this encoding.
bool excluded(const MediaRange& range, Encoding encoding) {
  auto stream = range.parameter("stream");
  if (!stream.empty() && (stream != "watch" || encoding == Encoding::yaml)) return true;
  auto version = range.parameter("sv");
  return !version.empty() && version != "v1";
}

// The shape that `as=` asks for, if it can be given here. False: try the next offer.
bool choose_shape(const MediaRange& range, Protobuf protobuf, Format& format) {
  bool proto = format.encoding == Encoding::protobuf;
  if (!converts(range)) return !proto || protobuf == Protobuf::all;
  auto version = range.parameter("v");
  if (range.parameter("g") != "meta.k8s.io" || (version != "v1" && version != "v1beta1")) return false;
  format.meta_version = std::string(version);
  auto as = range.parameter("as");
  if (as == "Table") {
    format.shape = Shape::table;
    return !proto;  // a Table has no protobuf form
  }
  format.shape = Shape::partial;
  if (as != "PartialObjectMetadata" && as != "PartialObjectMetadataList") return false;
  return !proto || protobuf != Protobuf::none;
}

base::Error not_acceptable(std::string_view converting, Answering answering, Protobuf protobuf) {
  std::string types;
  for (const auto& offer : kOffers) {
    if (offer.encoding == Encoding::protobuf && (protobuf == Protobuf::none || converting == "Table" ||
                                                 (protobuf == Protobuf::metadata && converting.empty())))
      continue;
    if (offer.encoding == Encoding::yaml && answering == Answering::watch) continue;
    if (!types.empty()) types += ", ";
    types += offer.type;
    if (answering == Answering::watch) types += ";stream=watch";
  }
  std::string message = "only the following media types are accepted";
  if (!converting.empty()) message += " when converting to " + std::string(converting);
  return {base::Reason::not_acceptable, message + ": " + types, {}};
}

// PartialObjectMetadata of a list and its opposite are a mistake of the client's, not a matter of taste.
base::Result<void> check_partial(const MediaRange& range, Answering answering) {
  auto as = range.parameter("as");
  if (as == "PartialObjectMetadata" && answering == Answering::list) {
    return base::fail(base::Reason::not_acceptable,
                      "you requested PartialObjectMetadata, but the requested object is a list");
  }
  if (as == "PartialObjectMetadataList" && answering == Answering::object) {
    return base::fail(base::Reason::not_acceptable,
                      "you requested PartialObjectMetadataList, but the requested object is not a list");
  }
  return {};
}

}  // namespace

std::string_view MediaRange::parameter(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  return {};
}

std::vector<MediaRange> parse_accept(std::string_view accept) {
  std::vector<Weighted> ranges;
  if (!base::trim(accept).empty()) {
    for (const auto& piece : base::split(accept, ',')) {
      if (base::trim(piece).empty()) continue;
      auto range = parse_range(piece);
      if (range.weight <= 0) continue;
      auto before = [](const Weighted& a, const Weighted& b) {
        return a.weight != b.weight ? a.weight > b.weight : a.vague < b.vague;
      };
      ranges.insert(std::upper_bound(ranges.begin(), ranges.end(), range, before), range);
    }
  } else {
    ranges.push_back({{"*/*", {}}, 1.0, 2});
  }
  std::vector<MediaRange> result;
  for (auto& range : ranges) result.push_back(std::move(range.range));
  return result;
}

Protobuf protobuf_of(const api::Kind& kind) {
  if (api::has_protobuf(kind)) return Protobuf::all;
  const auto* metadata = kind.schema ? kind.schema->find("metadata") : nullptr;
  return metadata && metadata->schema && api::has_protobuf(*metadata->schema) ? Protobuf::metadata
                                                                              : Protobuf::none;
}

base::Result<Format> negotiate(const net::Request& request, Answering answering, Protobuf protobuf) {
  std::string converting;
  for (const auto& range : parse_accept(request.headers.get("Accept"))) {
    if (converting.empty()) converting = range.parameter("as");
    for (const auto& offer : kOffers) {
      if (!covers(range, offer.type) || excluded(range, offer.encoding)) continue;
      Format format;
      format.encoding = offer.encoding;
      if (!choose_shape(range, protobuf, format)) continue;
      // YAML has no stream: as upstream, a client that wants it most gets no watch.
      if (offer.encoding == Encoding::yaml && answering == Answering::watch)
        return std::unexpected(not_acceptable({}, answering, protobuf));
      if (format.shape == Shape::partial) CHECK_OK(check_partial(range, answering));
      format.pretty =
          answering != Answering::watch && (wants_pretty(request) || range.parameter("pretty") == "1");
      return format;
    }
  }
  return std::unexpected(not_acceptable(converting, answering, protobuf));
}

Format negotiate_or_json(const net::Request& request) {
  Format format;
  for (const auto& range : parse_accept(request.headers.get("Accept"))) {
    auto offer = std::ranges::find_if(kOffers, [&](const Offer& each) {
      return covers(range, each.type) && !excluded(range, each.encoding) && !converts(range);
    });
    if (offer == kOffers.end()) continue;
    format.encoding = offer->encoding;
    break;
  }
  format.pretty = wants_pretty(request);
  return format;
}

bool accepts_gzip(const net::Request& request) {
  for (auto header : request.headers.all("Accept-Encoding")) {
    for (const auto& piece : base::split(header, ',')) {
      auto coding = parse_range(piece);
      if (coding.range.type == "gzip" && coding.weight > 0) return true;
    }
  }
  return false;
}

bool query_flag(const net::Query& query, std::string_view name) {
  if (!query.has(name)) return false;
  auto value = query.get(name);
  return value != "0" && !base::equal_ignoring_case(value, "false");  // as upstream: anything else is a yes
}

}  // namespace server
