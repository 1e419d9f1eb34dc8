// /openapi/v3, one document per group version, and /openapi/v2, all in one: made when first asked for, kept
// compressed.
#include <fmt/format.h>

#include <algorithm>

#include "api/openapi.hpp"
#include "api/openapi_v2.hpp"
#include "base/gzip.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "server/discovery.hpp"

namespace server {

namespace {

constexpr int kLevel = 5;

bool covers_json(const MediaRange& range) {
  return range.type == "application/json" || range.type == "application/*" || range.type == "*/*";
}

bool is_v2_protobuf(const MediaRange& range) {
  return range.type == api::kOpenApiV2Protobuf || range.type == api::kOpenApiV2ProtobufOld;
}

std::string path_of(const std::string& group, const std::string& version) {
  return group.empty() ? "api/" + version : fmt::format("apis/{}/{}", group, version);
}

// v3 is written as JSON alone: who takes only its protobuf form is told so.
bool takes_json(const ExchangePtr& exchange) {
  auto ranges = parse_accept(exchange->request.headers.get("Accept"));
  if (std::ranges::any_of(ranges, covers_json)) return true;
  exchange->fail(
      {base::Reason::not_acceptable, "only the following media types are accepted: application/json", {}});
  return false;
}

}  // namespace

Documents::Packed Documents::packed(const std::string& name, const std::string& stamp,
                                    const std::function<std::string()>& make) {
  {
    auto documents = packed_.lock();
    auto found = documents->find(name);
    if (found != documents->end() && found->second.stamp == stamp) return found->second;
  }
  std::string text = make();
  Packed document{net::make_chunk(base::gzip(text, kLevel)), hash_text(text), stamp};
  packed_.lock()->insert_or_assign(name, document);
  return document;
}

Documents::Packed Documents::packed_v3(const Catalog& catalog, const std::string& group,
                                       const std::string& version) {
  return packed("v3/" + join_group_version(group, version), catalog.stamp(group, version), [&] {
    return base::write_json(api::make_openapi_v3(catalog.registry(), group, version)) + "\n";
  });
}

void Documents::send_packed(const ExchangePtr& exchange, const Packed& document,
                            std::string_view content_type, net::Headers extra) {
  extra.add("Vary", "Accept, Accept-Encoding");
  if (accepts_gzip(exchange->request)) {
    extra.add("Content-Encoding", "gzip");
    return send_tagged(exchange, document.hash, content_type, document.gzip, std::move(extra));
  }
  auto text = base::gunzip(*document.gzip);
  if (!text) return exchange->fail(text.error());
  send_tagged(exchange, document.hash, content_type, net::make_chunk(std::move(*text)), std::move(extra));
}

void Documents::serve_openapi_index(const ExchangePtr& exchange) {
  if (!takes_json(exchange)) return;
  base::Object paths;
  auto catalog = core_.catalog();
  for (const auto& group : groups_of(catalog->registry())) {
    for (const auto& version : group.versions) {
      std::string path = path_of(group.group, version);
      std::string url =
          fmt::format("/openapi/v3/{}?hash={}", path, packed_v3(*catalog, group.group, version).hash);
      paths.set(path, base::Object{{"serverRelativeURL", url}});
    }
  }
  auto bytes = net::make_chunk(base::write_json(base::Object{{"paths", std::move(paths)}}) + "\n");
  send_tagged(exchange, hash_text(*bytes), "application/json", bytes, {{"Vary", "Accept"}});
}

void Documents::serve_openapi_document(const ExchangePtr& exchange) {
  const auto& route = exchange->route;
  auto catalog = core_.catalog();
  auto groups = groups_of(catalog->registry());
  bool known = std::ranges::any_of(groups, [&](const GroupVersions& group) {
    return group.group == route.group &&
           std::ranges::find(group.versions, route.version) != group.versions.end();
  });
  if (!known) return exchange->not_found_plain();
  if (!takes_json(exchange)) return;
  auto document = packed_v3(*catalog, route.group, route.version);
  net::Headers extra;
  // A URL with the right hash never changes what it means; one with another hash has moved on.
  if (auto hash = exchange->request.query.get("hash"); hash == document.hash) {
    extra.add("Cache-Control", "public, immutable");
  } else if (!hash.empty()) {
    return exchange->send(301, "text/plain; charset=utf-8", {},
                          {{"Location", fmt::format("/openapi/v3/{}?hash={}",
                                                    path_of(route.group, route.version), document.hash)}});
  }
  send_packed(exchange, document, "application/json", std::move(extra));
}

void Documents::serve_openapi_v2(const ExchangePtr& exchange) {
  auto catalog = core_.catalog();
  auto stamp = std::to_string(catalog->generation());
  for (const auto& range : parse_accept(exchange->request.headers.get("Accept"))) {
    bool protobuf = is_v2_protobuf(range);
    if (!protobuf && !covers_json(range)) continue;
    auto form = protobuf ? api::OpenApiForm::protobuf : api::OpenApiForm::json;
    auto document = packed(protobuf ? "v2.pb" : "v2.json", stamp, [&] {
      return api::make_openapi_v2(catalog->registry(), form, core_.config.git_version);
    });
    return send_packed(exchange, document, protobuf ? api::kOpenApiV2ProtobufOld : "application/json", {});
  }
  exchange->fail({base::Reason::not_acceptable,
                  fmt::format("only the following media types are accepted: application/json, {}, {}",
                              api::kOpenApiV2ProtobufOld, api::kOpenApiV2Protobuf),
                  {}});
}

}  // namespace server
