#include "server/inflight_traits.hpp"

#include <algorithm>
#include <array>

#include "base/strings.hpp"
#include "server/catalog.hpp"

namespace server {

namespace {

constexpr std::string_view kMasters = "system:masters";
constexpr std::array<std::string_view, 5> kStreams = {"log", "exec", "attach", "portforward", "proxy"};

bool is_stream(std::string_view subresource) { return std::ranges::find(kStreams, subresource) != kStreams.end(); }

// As upstream's metrics spell verbs.
std::string metric_verb(const std::string& verb, const Exchange& exchange, bool resource) {
  if (!resource) {
    const auto& method = exchange.request.method;
    for (std::string_view known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}) {
      if (method == known) return method;
    }
    return "other";
  }
  if (is_stream(exchange.route.subresource) && exchange.route.subresource != "log") return "CONNECT";
  if (verb == "get") return "GET";
  if (verb == "list") return "LIST";
  if (verb == "watch") return "WATCH";
  if (verb == "create") return "POST";
  if (verb == "update") return "PUT";
  if (verb == "delete") return "DELETE";
  if (verb == "deletecollection") return "DELETECOLLECTION";
  if (verb != "patch") return "other";
  bool apply = exchange.request.headers.get("Content-Type").find("apply-patch") != std::string_view::npos;
  return apply ? "APPLY" : "PATCH";
}

std::string path_label(const Exchange& exchange) {
  switch (exchange.route.type) {
    case Route::Type::health: return "/" + exchange.route.check.substr(0, exchange.route.check.find('/'));
    case Route::Type::version: return "/version";
    case Route::Type::core_versions: return "/api";
    case Route::Type::groups: return "/apis";
    case Route::Type::openapi_v2: return "/openapi/v2";
    case Route::Type::openapi_index:
    case Route::Type::openapi_document: return "/openapi/v3";
    default: return exchange.request.path == "/metrics" ? "/metrics" : "";
  }
}

bool dry_run(const Exchange& exchange) { return exchange.request.query.get("dryRun") == "All"; }

}  // namespace

std::string verb_of(const Exchange& exchange) {
  const auto& method = exchange.request.method;
  const auto& route = exchange.route;
  bool watch = route.watch || query_flag(exchange.request.query, "watch");
  if (method == "GET" || method == "HEAD") {
    if (route.name.empty()) return watch ? "watch" : "list";
    return watch && route.subresource.empty() ? "watch" : "get";
  }
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return route.name.empty() ? "deletecollection" : "delete";
  return "";
}

RequestTraits make_traits(const Exchange& exchange, bool audited) {
  const auto& route = exchange.route;
  const auto& request = exchange.request;
  bool resource = route.type == Route::Type::resource;
  std::string verb = resource ? verb_of(exchange) : base::to_lower(request.method);
  RequestTraits traits;
  traits.read_only = verb == "get" || verb == "list" || verb == "watch" || verb == "head";
  traits.long_running = resource && (verb == "watch" || is_stream(route.subresource));
  // Upstream serves its masters always; the components of this process are few, and the cluster lives by them.
  traits.exempt = request.peer.address == "in-process" || std::ranges::find(exchange.user.groups, kMasters) != exchange.user.groups.end();
  auto& labels = traits.labels;
  labels.verb = metric_verb(verb, exchange, resource);
  labels.dry_run = dry_run(exchange);
  if (exchange.resource) {
    const auto& kind = *exchange.resource->kind;
    labels.group = kind.group;
    labels.version = kind.version;
    labels.resource = kind.plural;
    bool known = !route.subresource.empty() && kind.find_subresource(route.subresource);
    if (known) labels.subresource = route.subresource;
    labels.scope = !route.name.empty() || verb == "create" ? "resource" : !route.namespace_.empty() ? "namespace" : "cluster";
  } else if (!resource) {
    labels.subresource = path_label(exchange);
  }
  if (!audited) return traits;
  auto& facts = traits.audit;
  facts.api_version = route.version;
  if (exchange.resource && route.subresource.empty()) facts.kind = exchange.resource->kind;
  if (exchange.builtin) facts.status_kind = exchange.builtin->find_kind("v1", "Status");
  facts.subject.user = exchange.user.name;
  facts.subject.groups = exchange.user.groups;
  facts.subject.verb = verb.empty() ? base::to_lower(request.method) : verb;
  if (resource) {
    facts.subject.group = route.group;
    facts.subject.resource = route.resource;
    facts.subject.subresource = route.subresource;
    facts.subject.namespace_ = route.namespace_;
    facts.subject.name = route.name;
  } else {
    facts.subject.path = request.path;
  }
  return traits;
}

}  // namespace server
