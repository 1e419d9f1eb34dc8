#include "server/negotiate.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/strings.hpp"

namespace server {

namespace {

struct Weighted {
  MediaRange range;
  double weight = 1.0;
};

Weighted parse_range(std::string_view text) {
  Weighted result;
  auto pieces = base::split(text, ';');
  result.range.type = base::to_lower(base::trim(pieces[0]));
  for (size_t i = 1; i < pieces.size(); ++i) {
    std::string_view piece = base::trim(pieces[i]);
    size_t equals = piece.find('=');
    if (equals == std::string_view::npos) continue;
    std::string name = base::to_lower(base::trim(piece.substr(0, equals)));
    std::string value(base::trim(piece.substr(equals + 1)));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    if (name == "q") {
      result.weight = std::strtod(value.c_str(), nullptr);
    } else {
      result.range.parameters.emplace_back(std::move(name), std::move(value));
    }
  }
  return result;
}

bool wants_pretty(const net::Request& request) {
  if (request.query.has("pretty")) {
    auto value = request.query.get("pretty");
    return value.empty() || value == "1" || base::equal_ignoring_case(value, "true");
  }
  // A person at a terminal or a browser, as upstream guesses it.
  auto agent = request.headers.get("User-Agent");
  return agent.starts_with("curl/") || agent.starts_with("Wget/") || agent.starts_with("Mozilla/5.0");
}

// The shape that `as=` asks for, if it can be given here. False: try the next range.
bool choose_shape(const MediaRange& range, Answering answering, Format& format) {
  auto as = range.parameter("as");
  if (as.empty()) return true;
  auto version = range.parameter("v");
  if (range.parameter("g") != "meta.k8s.io" || (version != "v1" && version != "v1beta1")) return false;
  format.meta_version = std::string(version);
  if (as == "Table") {
    format.shape = Format::Shape::table;
    return true;
  }
  bool list = answering == Answering::list;
  if ((as == "PartialObjectMetadata" && !list) || (as == "PartialObjectMetadataList" && list)) {
    format.shape = Format::Shape::partial;
    return true;
  }
  return false;
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
      auto lighter = [](double weight, const Weighted& other) { return weight > other.weight; };
      ranges.insert(std::upper_bound(ranges.begin(), ranges.end(), range.weight, lighter), range);
    }
  } else {
    ranges.push_back({{"*/*", {}}, 1.0});
  }
  std::vector<MediaRange> result;
  for (auto& range : ranges) result.push_back(std::move(range.range));
  return result;
}

base::Result<Format> negotiate(const net::Request& request, Answering answering) {
  std::string_view converting;
  auto ranges = parse_accept(request.headers.get("Accept"));
  for (const auto& range : ranges) {
    Format format;
    format.pretty = wants_pretty(request) && answering != Answering::watch;
    bool json = range.type == "application/json" || range.type == "*/*" || range.type == "application/*";
    bool yaml = range.type == "application/yaml" && answering != Answering::watch;
    if (!range.parameter("as").empty()) converting = range.parameter("as");
    if (!json && !yaml) continue;
    if (yaml) format.encoding = Format::Encoding::yaml;
    if (choose_shape(range, answering, format)) return format;
  }
  std::string types =
      answering == Answering::watch ? "application/json" : "application/json, application/yaml";
  if (!converting.empty()) {
    return base::fail(base::Reason::not_acceptable,
                      "only the following media types are accepted when converting to " +
                          std::string(converting) + ": " + types);
  }
  return base::fail(base::Reason::not_acceptable, "only the following media types are accepted: " + types);
}

Format negotiate_or_json(const net::Request& request) {
  Format format;
  auto ranges = parse_accept(request.headers.get("Accept"));
  if (!ranges.empty() && ranges.front().type == "application/yaml") format.encoding = Format::Encoding::yaml;
  format.pretty = wants_pretty(request);
  return format;
}

bool query_flag(const net::Query& query, std::string_view name) {
  if (!query.has(name)) return false;
  auto value = query.get(name);
  return value != "0" && !base::equal_ignoring_case(value, "false");  // as upstream: anything else is a yes
}

}  // namespace server
