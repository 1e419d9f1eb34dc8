#include "server/discovery.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/status.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace server {

namespace {

// Whether discovery names the kind.
bool is_listed(const api::Kind& kind) { return is_resource(kind) && !kind.hidden; }

// The version that clients prefer comes first: v2 before v1, v1 before v1beta2 before v1beta1 before
// v1alpha1.
struct VersionRank {
  int stage = 0;  // 3: stable, 2: beta, 1: alpha, 0: no version of Kubernetes' own form
  int64_t major = 0;
  int64_t minor = 0;
  auto operator<=>(const VersionRank&) const = default;
};

VersionRank rank_of(std::string_view version) {
  size_t digits = 1;
  while (digits < version.size() && version[digits] >= '0' && version[digits] <= '9') ++digits;
  if (!version.starts_with('v') || digits == 1) return {};
  VersionRank rank{3, base::parse_int(version.substr(1, digits - 1)).value_or(0), 0};
  auto rest = version.substr(digits);
  if (rest.empty()) return rank;
  for (auto [stage, name] : {std::pair{2, std::string_view("beta")}, {1, std::string_view("alpha")}}) {
    if (!rest.starts_with(name)) continue;
    auto minor = base::parse_int(rest.substr(name.size()));
    if (minor) return {stage, rank.major, *minor};
  }
  return {};
}

bool comes_first(const std::string& a, const std::string& b) {
  auto x = rank_of(a), y = rank_of(b);
  if (x != y) return x > y;
  return x.stage == 0 && a < b;
}

}  // namespace

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
  for (auto& group : groups) std::stable_sort(group.versions.begin(), group.versions.end(), comes_first);
  return groups;
}

std::string join_group_version(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

namespace {

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

// In the form that was negotiated, with the tag of that form.
void send_document(const ExchangePtr& exchange, net::Chunk json) {
  auto bytes = encode_document(exchange->format, std::move(json));
  send_tagged(exchange, hash_text(*bytes), exchange->format.content_type(), bytes, {{"Vary", "Accept"}});
}

}  // namespace

void send_tagged(const ExchangePtr& exchange, std::string_view hash, std::string_view content_type,
                 net::Chunk bytes, net::Headers extra) {
  std::string tag = fmt::format("\"{}\"", hash);
  extra.set("ETag", tag);
  for (const auto& known : base::split(exchange->request.headers.get("If-None-Match"), ',')) {
    auto text = base::trim(known);
    if (text.starts_with("W/")) text.remove_prefix(2);
    if (text == tag || text == "*") return exchange->send(304, content_type, {}, std::move(extra));
  }
  exchange->send(200, content_type, {std::move(bytes)}, std::move(extra));
}

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
    send_tagged(exchange, document.hash,
                fmt::format("application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList", version),
                document.bytes, {{"Vary", "Accept"}, {"Cache-Control", "public"}});
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
  send_document(exchange, document.bytes);
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
  send_document(exchange, document.bytes);
}

void Documents::serve_group(const ExchangePtr& exchange) {
  auto catalog = core_.catalog();
  for (const auto& group : groups_of(catalog->registry())) {
    if (group.group != exchange->route.group) continue;
    if (!choose_document_format(exchange)) return;
    return send_document(exchange, net::make_chunk(base::write_json(make_api_group(group, true)) + "\n"));
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
  send_document(exchange, net::make_chunk(base::write_json(std::move(list)) + "\n"));
}

void Documents::serve_root(const ExchangePtr& exchange) {
  std::vector<std::string> paths{"/api", "/api/v1", "/apis"};
  auto catalog = core_.catalog();
  for (const auto& group : groups_of(catalog->registry())) {
    if (group.group.empty()) continue;
    paths.push_back("/apis/" + group.group);
    for (const auto& version : group.versions) paths.push_back(fmt::format("/apis/{}/{}", group.group, version));
  }
  for (std::string_view path : {"/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"})
    paths.emplace_back(path);
  std::sort(paths.begin(), paths.end());
  exchange->format = {};
  exchange->send_document(
      200, net::make_chunk(base::write_json_pretty(base::Object{{"paths", texts(paths)}}, 2) + "\n"));
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

}  // namespace server
