#include "server/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <future>

#include "api/status.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "server/access.hpp"
#include "server/core.hpp"
#include "server/definitions.hpp"
#include "server/discovery.hpp"
#include "server/watch.hpp"

namespace server {

namespace {

constexpr std::string_view kEndpointsWarning =
    "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";

base::Error no_such_resource() {
  return {base::Reason::not_found, "the server could not find the requested resource",
          std::make_shared<base::ErrorDetails>()};
}

// The verb of the API that the request stands for; "" when the method means nothing here.
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

bool has(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

std::string allowed_methods(const std::vector<std::string>& verbs, bool named) {
  std::vector<std::string> methods;
  auto add = [&](std::string_view verb, std::string_view method) {
    if (has(verbs, verb) && !has(methods, method)) methods.emplace_back(method);
  };
  add(named ? "get" : "list", "GET");
  if (!named) add("create", "POST");
  if (named) add("update", "PUT");
  if (named) add("patch", "PATCH");
  add(named ? "delete" : "deletecollection", "DELETE");
  return base::join(methods, ", ");
}

class Server final : public ApiServer {
 public:
  explicit Server(std::unique_ptr<Core> core) : core_(std::move(core)) {}
  ~Server() override;

  net::Handler handler() override {
    return [this](net::Request request, std::shared_ptr<net::Responder> responder) {
      serve(std::make_shared<Exchange>(std::move(request), std::move(responder)));
    };
  }

 private:
  void serve(const ExchangePtr& exchange);
  void dispatch(const ExchangePtr& exchange);
  void dispatch_resource(const ExchangePtr& exchange);
  void dispatch_main(const ExchangePtr& exchange, const Resource& resource, const std::string& verb);
  void dispatch_subresource(const ExchangePtr& exchange, const Resource& resource, const std::string& verb);
  void serve_watch(const ExchangePtr& exchange, const Resource& resource);
  void serve_health(const ExchangePtr& exchange);
  void refuse_verb(const ExchangePtr& exchange, const Resource& resource, const std::string& verb,
                   const std::vector<std::string>& verbs);

  std::unique_ptr<Core> core_;
};

// The root of every request: whatever goes wrong below ends here, not the server.
void Server::serve(const ExchangePtr& exchange) {
  exchange->builtin = &core_->builtin;
  try {
    dispatch(exchange);
  } catch (const std::exception& e) {
    base::log_error("server", "{} {} failed unexpectedly: {}", exchange->request.method,
                    exchange->request.path, e.what());
    exchange->fail(
        {base::Reason::internal_error, "Internal error occurred: the request could not be served", {}});
  }
}

void Server::dispatch(const ExchangePtr& exchange) {
  exchange->route = parse_route(exchange->request.path);
  const auto& route = exchange->route;
  bool open = route.type == Route::Type::health || route.type == Route::Type::version;
  auto user = authenticate(exchange->request.peer);
  if (!user && !open) return exchange->fail({base::Reason::unauthorized, "Unauthorized", {}});
  if (user) {
    exchange->user = std::move(*user);
    auto own = refuse_impersonation(exchange->user, exchange->request.headers);
    if (!own) return exchange->fail(own.error());
  }

  const auto& method = exchange->request.method;
  if (route.type == Route::Type::resource) return dispatch_resource(exchange);
  if (route.type != Route::Type::unknown && method != "GET" && method != "HEAD") {
    return exchange->fail({base::Reason::method_not_allowed,
                           "the server does not allow this method on the requested resource",
                           {}});
  }
  auto allowed = authorize(exchange->user, {.verb = "get", .path = exchange->request.path});
  if (!allowed && !open) return exchange->fail(allowed.error());
  auto& documents = *core_->documents;
  switch (route.type) {
    case Route::Type::health:
      return serve_health(exchange);
    case Route::Type::version:
      return documents.serve_version(exchange);
    case Route::Type::core_versions:
      return documents.serve_core_versions(exchange);
    case Route::Type::groups:
      return documents.serve_groups(exchange);
    case Route::Type::group:
      return documents.serve_group(exchange);
    case Route::Type::group_version:
      return documents.serve_group_version(exchange);
    case Route::Type::openapi_index:
      return documents.serve_openapi_index(exchange);
    case Route::Type::openapi_document:
      return documents.serve_openapi_document(exchange);
    case Route::Type::openapi_v2:
      return documents.serve_openapi_v2(exchange);
    case Route::Type::resource:
    case Route::Type::unknown:
      break;
  }
  if (route.under_api) return exchange->fail(no_such_resource());
  exchange->not_found_plain();
}

void Server::serve_health(const ExchangePtr& exchange) {
  auto pieces = base::split(exchange->route.check, '/');
  const std::vector<std::string> kChecks = {"ping", "log", "store"};
  bool single = pieces.size() == 2;
  if (pieces.size() > 2 || (single && !has(kChecks, pieces[1]))) return exchange->not_found_plain();
  std::string text = "ok";
  if (!single && exchange->request.query.has("verbose")) {
    text.clear();
    for (const auto& check : kChecks) text += fmt::format("[+]{} ok\n", check);
    text += pieces[0] + " check passed\n";
  }
  exchange->send(200, "text/plain; charset=utf-8", {net::make_chunk(std::move(text))},
                 {{"X-Content-Type-Options", "nosniff"}});
}

void Server::refuse_verb(const ExchangePtr& exchange, const Resource& resource, const std::string& verb,
                         const std::vector<std::string>& verbs) {
  auto error = verb.empty() ? base::Error{base::Reason::method_not_allowed,
                                          "the server does not allow this method on the requested resource",
                                          {}}
                            : api::method_not_supported(resource.qualified, verb);
  exchange->fail(error, {{"Allow", allowed_methods(verbs, !exchange->route.name.empty())}});
}

void Server::dispatch_resource(const ExchangePtr& exchange) {
  const auto& route = exchange->route;
  auto resource = core_->find(route.group, route.version, route.resource);
  if (!resource) return exchange->fail(no_such_resource());
  exchange->resource = resource;
  const auto& kind = *resource->kind;
  // A cluster-scoped kind has no place in a namespace, nor has one object of a namespaced kind a place
  // outside.
  bool misplaced =
      kind.namespaced ? route.namespace_.empty() && !route.name.empty() : !route.namespace_.empty();
  if (misplaced || !route.rest.empty()) return exchange->fail(no_such_resource());
  std::string verb = verb_of(*exchange);
  auto allowed = authorize(exchange->user, {.verb = verb,
                                            .group = route.group,
                                            .resource = route.resource,
                                            .subresource = route.subresource,
                                            .namespace_ = route.namespace_,
                                            .name = route.name,
                                            .path = exchange->request.path});
  if (!allowed) return exchange->fail(allowed.error());
  if (kind.group.empty() && kind.kind == "Endpoints") exchange->warn(std::string(kEndpointsWarning));
  if (!kind.deprecation.empty()) exchange->warn(kind.deprecation);
  if (!route.subresource.empty()) return dispatch_subresource(exchange, *resource, verb);
  if (verb.empty() || !has(kind.verbs, verb) || (verb == "create" && !route.name.empty()) ||
      ((verb == "update" || verb == "patch") && route.name.empty())) {
    return refuse_verb(exchange, *resource, verb, kind.verbs);
  }
  if (kind.namespaced && route.namespace_.empty() && (verb == "create" || verb == "deletecollection")) {
    return refuse_verb(exchange, *resource, verb, {"list", "watch"});
  }
  if (resource->closing && verb == "create") {
    return exchange->fail({base::Reason::method_not_allowed,
                           "create not allowed while custom resource definition is terminating",
                           {}});
  }
  dispatch_main(exchange, *resource, verb);
}

void Server::dispatch_main(const ExchangePtr& exchange, const Resource& resource, const std::string& verb) {
  auto answering = verb == "watch"                                ? Answering::watch
                   : verb == "list" || verb == "deletecollection" ? Answering::list
                                                                  : Answering::object;
  auto format = negotiate(exchange->request, answering, protobuf_of(*resource.kind));
  if (!format) return exchange->fail(format.error());
  exchange->format = std::move(*format);
  if (!resource.kind->stored) return serve_virtual(*core_, exchange, resource, verb);
  if (verb == "get") return serve_get(*core_, exchange, resource);
  if (verb == "list") return serve_list(*core_, exchange, resource);
  if (verb == "watch") return serve_watch(exchange, resource);
  if (verb == "create") return serve_create(*core_, exchange, resource);
  if (verb == "update") return serve_update(*core_, exchange, resource);
  if (verb == "patch") return serve_patch(*core_, exchange, resource);
  if (verb == "delete") return serve_delete(*core_, exchange, resource);
  serve_delete_collection(*core_, exchange, resource);
}

void Server::dispatch_subresource(const ExchangePtr& exchange, const Resource& resource,
                                  const std::string& verb) {
  const auto& sub = exchange->route.subresource;
  const auto* known = resource.kind->find_subresource(sub);
  bool finalize = resource.kind->group.empty() && resource.kind->plural == "namespaces" && sub == "finalize";
  bool pod = resource.kind->group.empty() && resource.kind->plural == "pods";
  if (!serves_subresource(*resource.kind, sub) || (!known && !finalize))
    return exchange->fail(no_such_resource());
  auto verbs = known ? known->verbs : std::vector<std::string>{"update"};
  // Logs are text and exec is a stream: neither is negotiated as an object.
  if (pod && sub == "log" && verb == "get") return serve_log(*core_, exchange, resource);
  if (pod && sub == "exec" && (verb == "get" || verb == "create"))
    return serve_exec(*core_, exchange, resource);
  auto format = negotiate(exchange->request, Answering::object,
                          sub == "scale" ? Protobuf::all : protobuf_of(*resource.kind));
  if (!format) return exchange->fail(format.error());
  exchange->format = std::move(*format);
  if (sub == "status") {
    if (verb == "get") return serve_get(*core_, exchange, resource);
    if (verb == "update") return serve_update(*core_, exchange, resource);
    if (verb == "patch") return serve_patch(*core_, exchange, resource);
  } else if (sub == "scale") {
    if (verb == "get") return serve_get_scale(*core_, exchange, resource);
    if (verb == "update") return serve_update_scale(*core_, exchange, resource);
    if (verb == "patch") return serve_patch_scale(*core_, exchange, resource);
  } else if (pod && sub == "binding" && verb == "create") {
    return serve_binding(*core_, exchange, resource);
  } else if (pod && sub == "eviction" && verb == "create") {
    return serve_eviction(*core_, exchange, resource);
  } else if (pod && (sub == "resize" || sub == "ephemeralcontainers")) {
    if (verb == "get") return serve_get(*core_, exchange, resource);
    if (verb == "update" || verb == "patch") return serve_pod_part(*core_, exchange, resource);
  } else if (sub == "approval") {
    if (verb == "get") return serve_get(*core_, exchange, resource);
    if (verb == "update" || verb == "patch") return serve_approval(*core_, exchange, resource);
  } else if (finalize && verb == "update") {
    return serve_finalize(*core_, exchange, resource);
  }
  refuse_verb(exchange, resource, verb, verbs);
}

void Server::serve_watch(const ExchangePtr& exchange, const Resource& resource) {
  auto& query = exchange->request.query;
  if (!query_flag(query, "watch")) query.add("watch", "true");
  auto options = parse_list_options(query, resource);
  if (!options) return exchange->fail(options.error());
  const auto& name = exchange->route.name;
  if (!name.empty()) {
    auto wanted = options->filter.fields.required_value("metadata.name");
    if (wanted && *wanted != name) {
      return exchange->fail(api::bad_request("the name in the field selector is not the one on the URL"));
    }
    auto fields = api::FieldSelector::parse("metadata.name=" + name);
    if (!fields) return exchange->fail(fields.error());
    options->filter.fields = std::move(*fields);
  }
  core_->watches->start(exchange, resource, *options);
}

Server::~Server() {
  core_->definitions.reset();
  core_->watches.reset();
  // Writes on their way still refer to the core: the last of them must be answered first.
  auto promise = std::make_shared<std::promise<void>>();
  auto future = promise->get_future();
  core_->store.submit([](store::Txn&) -> base::Result<void> { return {}; },
                      [promise](base::Result<store::Revision>) { promise->set_value(); });
  future.wait();
}

}  // namespace

Core::Core(Config c, const api::Registry& r, store::Store& s, const sys::Clock& k, NodeConnector n,
           Allocators a)
    : config(std::move(c)), builtin(r), store(s), clock(k), nodes(std::move(n)), allocators(std::move(a)) {
  set_catalog(std::make_shared<const Catalog>(builtin, strategies));
  documents = std::make_unique<Documents>(*this);
}

Core::~Core() = default;

bool serves_subresource(const api::Kind& kind, std::string_view sub) {
  if (sub == "status" || sub == "scale") return kind.find_subresource(sub) != nullptr;
  if (kind.group == "certificates.k8s.io") return sub == "approval";
  if (!kind.group.empty()) return false;
  if (kind.plural == "namespaces") return sub == "finalize";
  constexpr std::array<std::string_view, 6> kOfPods = {"binding",  "log",    "exec",
                                                       "eviction", "resize", "ephemeralcontainers"};
  return kind.plural == "pods" && std::find(kOfPods.begin(), kOfPods.end(), sub) != kOfPods.end();
}

base::Result<std::unique_ptr<ApiServer>> ApiServer::make(Config config, const api::Registry& registry,
                                                         store::Store& store, const sys::Clock& clock,
                                                         NodeConnector nodes) {
  TRY(auto allocators, Allocators::make(config.service_cidr, config.node_port_first, config.node_port_last));
  auto core = std::make_unique<Core>(std::move(config), registry, store, clock, std::move(nodes),
                                     std::move(allocators));
  CHECK_OK(create_bootstrap_objects(*core));
  core->watches = std::make_unique<Watches>(*core);
  TRY(core->definitions, Definitions::make(*core));
  return std::make_unique<Server>(std::move(core));
}

}  // namespace server
