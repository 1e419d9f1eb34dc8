#include "server/discovery.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/openapi.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace server {

namespace {

struct GroupVersions {
  std::string group;
  std::vector<std::string> versions;
};

// Whether discovery names the kind.
bool is_listed(const api::Kind& kind) { return is_resource(kind) && !kind.hidden; }

// Groups in the registry's order; core, "", is one of them.
std::vector<GroupVersions> groups_of(const api::Registry& registry) {
  std::vector<GroupVersions> groups;
  for (const auto& kind : registry.all()) {
    if (!is_listed(*kind)) continue;
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const GroupVersions& g) { return g.group == kind->group; });
    if (group == groups.end()) group = groups.insert(groups.end(), {kind->group, {}});
    auto& versions = group->versions;
    if (std::find(versions.begin(), versions.end(), kind->version) == versions.end()) {
      versions.push_back(kind->version);
    }
  }
  return groups;
}

std::string join_group_version(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

base::Array texts(const std::vector<std::string>& list) {
  base::Array array;
  for (const auto& text : list) array.emplace_back(text);
  return array;
}

void set_texts(base::Object& object, std::string_view member, const std::vector<std::string>& list) {
  if (!list.empty()) object.set(member, texts(list));
}

base::Value make_api_group(const GroupVersions& group, bool typed) {
  base::Array versions;
  for (const auto& version : group.versions) {
    versions.emplace_back(
        base::Object{{"groupVersion", join_group_version(group.group, version)}, {"version", version}});
  }
  base::Object object;
  if (typed) {
    object.set("kind", "APIGroup");
    object.set("apiVersion", "v1");
  }
  object.set("name", group.group);
  base::Value preferred = versions.front();
  object.set("versions", std::move(versions));
  object.set("preferredVersion", std::move(preferred));
  return object;
}

// The entries of a kind in an APIResourceList: itself and its subresources.
void append_resources(base::Array& resources, const api::Kind& kind) {
  base::Object main{{"name", kind.plural},
                    {"singularName", kind.singular},
                    {"namespaced", kind.namespaced},
                    {"kind", kind.kind},
                    {"verbs", texts(kind.verbs)}};
  set_texts(main, "shortNames", kind.short_names);
  set_texts(main, "categories", kind.categories);
  resources.emplace_back(std::move(main));
  for (const auto& sub : kind.subresources) {
    if (!serves_subresource(kind, sub.name)) continue;
    base::Object object{
        {"name", kind.plural + "/" + sub.name}, {"singularName", ""}, {"namespaced", kind.namespaced}};
    if (!sub.version.empty() && (sub.group != kind.group || sub.version != kind.version)) {
      object.set("group", sub.group);
      object.set("version", sub.version);
    }
    object.set("kind", sub.kind.empty() ? kind.kind : sub.kind);
    object.set("verbs", texts(sub.verbs));
    resources.emplace_back(std::move(object));
  }
}

base::Value make_response_kind(std::string_view group, std::string_view version, std::string_view kind) {
  return base::Object{{"group", group}, {"version", version}, {"kind", kind}};
}

base::Value make_aggregated_resource(const api::Kind& kind) {
  base::Object object{{"resource", kind.plural},
                      {"responseKind", make_response_kind(kind.group, kind.version, kind.kind)},
                      {"scope", kind.namespaced ? "Namespaced" : "Cluster"},
                      {"singularResource", kind.singular},
                      {"verbs", texts(kind.verbs)}};
  set_texts(object, "shortNames", kind.short_names);
  set_texts(object, "categories", kind.categories);
  base::Array subresources;
  for (const auto& sub : kind.subresources) {
    if (!serves_subresource(kind, sub.name)) continue;
    bool own = sub.version.empty();
    subresources.emplace_back(base::Object{
        {"subresource", sub.name},
        {"responseKind", make_response_kind(own ? kind.group : sub.group, own ? kind.version : sub.version,
                                            sub.kind.empty() ? kind.kind : sub.kind)},
        {"verbs", texts(sub.verbs)}});
  }
  if (!subresources.empty()) object.set("subresources", std::move(subresources));
  return object;
}

base::Value make_aggregated(const api::Registry& registry, bool core_group, std::string_view meta_version) {
  base::Array items;
  for (const auto& group : groups_of(registry)) {
    if (group.group.empty() != core_group) continue;
    base::Array versions;
    for (const auto& version : group.versions) {
      base::Array resources;
      for (const auto& kind : registry.all()) {
        if (is_listed(*kind) && kind->group == group.group && kind->version == version) {
          resources.push_back(make_aggregated_resource(*kind));
        }
      }
      versions.emplace_back(
          base::Object{{"version", version}, {"resources", std::move(resources)}, {"freshness", "Current"}});
    }
    base::Object metadata;
    if (!group.group.empty()) metadata.set("name", group.group);
    metadata.set("creationTimestamp", nullptr);
    items.emplace_back(base::Object{{"metadata", std::move(metadata)}, {"versions", std::move(versions)}});
  }
  return base::Object{{"kind", "APIGroupDiscoveryList"},
                      {"apiVersion", fmt::format("apidiscovery.k8s.io/{}", meta_version)},
                      {"metadata", base::Object{}},
                      {"items", std::move(items)}};
}

// Discovery answers plain documents alone: JSON or YAML.
bool choose_document_format(const ExchangePtr& exchange) {
  auto format = negotiate(exchange->request, Answering::object);
  if (!format) {
    exchange->fail(format.error());
    return false;
  }
  exchange->format = std::move(*format);
  exchange->format.shape = Format::Shape::plain;
  return true;
}

}  // namespace

Documents::Document Documents::cached(const std::string& name, const std::string& stamp,
                                      const std::function<base::Value()>& make) {
  {
    auto documents = documents_.lock();
    auto found = documents->find(name);
    if (found != documents->end() && found->second.stamp == stamp) return found->second;
  }
  Document document;
  document.bytes = net::make_chunk(base::write_json(make()) + "\n");
  document.hash = hash_text(*document.bytes);
  document.stamp = stamp;
  documents_.lock()->insert_or_assign(name, document);
  return document;
}

bool Documents::try_serve_aggregated(const ExchangePtr& exchange, bool core_group) {
  for (const auto& range : parse_accept(exchange->request.headers.get("Accept"))) {
    bool json = range.type == "application/json" || range.type == "*/*" || range.type == "application/*";
    if (!json) continue;
    if (range.parameter("as") != "APIGroupDiscoveryList") return false;
    std::string version(range.parameter("v"));
    if (range.parameter("g") != "apidiscovery.k8s.io" || (version != "v2" && version != "v2beta1")) continue;
    auto catalog = core_.catalog();
    auto document = cached(fmt::format("aggregated/{}/{}", core_group ? "api" : "apis", version),
                           std::to_string(catalog->generation()),
                           [&] { return make_aggregated(catalog->registry(), core_group, version); });
    std::string etag = '"' + document.hash + '"';
    net::Headers extra{{"ETag", etag}, {"Vary", "Accept"}, {"Cache-Control", "public"}};
    std::string type =
        fmt::format("application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList", version);
    if (exchange->request.headers.get("If-None-Match") == etag) {
      exchange->send(304, type, {}, std::move(extra));
    } else {
      exchange->send(200, type, {document.bytes}, std::move(extra));
    }
    return true;
  }
  return false;
}

void Documents::serve_core_versions(const ExchangePtr& exchange) {
  if (try_serve_aggregated(exchange, true) || !choose_document_format(exchange)) return;
  auto document = cached("core_versions", "", [&] {
    base::Array addresses;
    if (!core_.config.advertise_address.empty()) {
      addresses.emplace_back(
          base::Object{{"clientCIDR", "0.0.0.0/0"},
                       {"serverAddress",
                        fmt::format("{}:{}", core_.config.advertise_address, core_.config.advertise_port)}});
    }
    return base::Value(base::Object{{"kind", "APIVersions"},
                                    {"versions", base::Array{"v1"}},
                                    {"serverAddressByClientCIDRs", std::move(addresses)}});
  });
  exchange->send_document(200, document.bytes);
}

void Documents::serve_groups(const ExchangePtr& exchange) {
  if (try_serve_aggregated(exchange, false) || !choose_document_format(exchange)) return;
  auto catalog = core_.catalog();
  auto document = cached("groups", std::to_string(catalog->generation()), [&] {
    base::Array groups;
    for (const auto& group : groups_of(catalog->registry())) {
      if (!group.group.empty()) groups.push_back(make_api_group(group, false));
    }
    return base::Value(
        base::Object{{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}});
  });
  exchange->send_document(200, document.bytes);
}

void Documents::serve_group(const ExchangePtr& exchange) {
  auto catalog = core_.catalog();
  for (const auto& group : groups_of(catalog->registry())) {
    if (group.group != exchange->route.group) continue;
    if (!choose_document_format(exchange)) return;
    return exchange->send_document(200,
                                   net::make_chunk(base::write_json(make_api_group(group, true)) + "\n"));
  }
  exchange->not_found_plain();
}

void Documents::serve_group_version(const ExchangePtr& exchange) {
  const auto& route = exchange->route;
  base::Array resources;
  auto catalog = core_.catalog();
  for (const auto& kind : catalog->registry().all()) {
    if (is_listed(*kind) && kind->group == route.group && kind->version == route.version)
      append_resources(resources, *kind);
  }
  if (resources.empty()) return exchange->not_found_plain();
  if (!choose_document_format(exchange)) return;
  base::Object list{{"kind", "APIResourceList"}};
  if (!route.group.empty()) list.set("apiVersion", "v1");
  list.set("groupVersion", join_group_version(route.group, route.version));
  list.set("resources", std::move(resources));
  exchange->send_document(200, net::make_chunk(base::write_json(std::move(list)) + "\n"));
}

void Documents::serve_version(const ExchangePtr& exchange) {
  const auto& version = core_.config.git_version;  // v1.36.0+...
  auto pieces = base::split(version, '.');
  std::string major = pieces.empty() ? "" : pieces[0];
  if (major.starts_with('v')) major.erase(0, 1);
  base::Object object{{"major", major},           {"minor", pieces.size() > 1 ? pieces[1] : ""},
                      {"gitVersion", version},    {"gitCommit", ""},
                      {"gitTreeState", ""},       {"buildDate", ""},
                      {"goVersion", ""},          {"compiler", "clang"},
#if defined(__aarch64__)
                      {"platform", "linux/arm64"}};
#else
                      {"platform", "linux/amd64"}};
#endif
  exchange->format = {};
  exchange->send_document(200, net::make_chunk(base::write_json_pretty(std::move(object), 2) + "\n"));
}

std::string Documents::openapi_hash(const Catalog& catalog, const std::string& group, const std::string& version) {
  std::string name = join_group_version(group, version);
  std::string stamp = catalog.stamp(group, version);
  {
    auto hashes = openapi_hashes_.lock();
    auto found = hashes->find(name);
    if (found != hashes->end() && found->second.first == stamp) return found->second.second;
  }
  // Only the hash is kept: the index alone must not pin megabytes of documents.
  std::string hash = hash_text(base::write_json(api::make_openapi_v3(catalog.registry(), group, version)) + "\n");
  (*openapi_hashes_.lock())[name] = {stamp, hash};
  return hash;
}

void Documents::serve_openapi_index(const ExchangePtr& exchange) {
  base::Object paths;
  auto catalog = core_.catalog();
  for (const auto& group : groups_of(catalog->registry())) {
    for (const auto& version : group.versions) {
      std::string path =
          group.group.empty() ? "api/" + version : fmt::format("apis/{}/{}", group.group, version);
      std::string url = fmt::format("/openapi/v3/{}?hash={}", path, openapi_hash(*catalog, group.group, version));
      paths.set(path, base::Object{{"serverRelativeURL", url}});
    }
  }
  exchange->send(200, "application/json",
                 {net::make_chunk(base::write_json(base::Object{{"paths", std::move(paths)}}) + "\n")});
}

void Documents::serve_openapi_document(const ExchangePtr& exchange) {
  const auto& route = exchange->route;
  auto catalog = core_.catalog();
  auto groups = groups_of(catalog->registry());
  bool known = std::any_of(groups.begin(), groups.end(), [&](const GroupVersions& group) {
    const auto& v = group.versions;
    return group.group == route.group && std::find(v.begin(), v.end(), route.version) != v.end();
  });
  if (!known) return exchange->not_found_plain();
  auto document = cached("openapi/" + join_group_version(route.group, route.version),
                         catalog->stamp(route.group, route.version),
                         [&] { return api::make_openapi_v3(catalog->registry(), route.group, route.version); });
  net::Headers extra{{"ETag", '"' + document.hash + '"'}};
  // A URL with the right hash never changes what it means.
  if (exchange->request.query.get("hash") == document.hash) extra.add("Cache-Control", "public, immutable");
  if (exchange->request.headers.get("If-None-Match") == '"' + document.hash + '"') {
    return exchange->send(304, "application/json", {}, std::move(extra));
  }
  exchange->send(200, "application/json", {document.bytes}, std::move(extra));
}

// kubectl 1.27 and 1.28 insist on the protobuf form of v2 before they validate; an empty document says that
// v2 describes nothing, which makes them ask v3.
void Documents::serve_openapi_v2(const ExchangePtr& exchange) {
  for (const auto& range : parse_accept(exchange->request.headers.get("Accept"))) {
    if (range.type.starts_with("application/com.github.proto-openapi.spec.v2")) {
      return exchange->send(200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", {});
    }
  }
  exchange->fail({base::Reason::not_acceptable,
                  "only the following media types are accepted: "
                  "application/com.github.proto-openapi.spec.v2.v1.0+protobuf; OpenAPI v3 is at /openapi/v3",
                  {}});
}

}  // namespace server
