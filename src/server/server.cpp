#include "server/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <future>
#include <set>

#include "api/status.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "server/access.hpp"
#include "server/bulk.hpp"
#include "server/core.hpp"
#include "server/definitions.hpp"
#include "server/discovery.hpp"
#include "server/inflight_traits.hpp"
#include "server/watch.hpp"
#include "server/workers.hpp"

namespace server {

namespace {

constexpr std::string_view kEndpointsWarning =
    "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";

base::Error no_such_resource() {
  return {base::Reason::not_found, "the server could not find the requested resource",
          std::make_shared<base::ErrorDetails>()};
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
  Server(std::unique_ptr<Core> core, std::shared_ptr<Metrics> metrics, std::shared_ptr<AuditLog> audit);
  ~Server() override;

  net::Handler handler() override {
    return [this](net::Request request, std::shared_ptr<net::Responder> responder) {
      auto inflight = inflight_.begin(request, std::move(responder));
      serve(std::make_shared<Exchange>(std::move(request), inflight), inflight);
    };
  }
  Health& health() override { return health_; }
  Metrics& metrics() override { return *metrics_; }

 private:
  void serve(const ExchangePtr& exchange, const InflightPtr& inflight);
  // Who asks and for what; false when it has been answered already.
  bool admit(const ExchangePtr& exchange, const InflightPtr& inflight, std::chrono::nanoseconds& timeout);
  void dispatch(const ExchangePtr& exchange);
  void dispatch_resource(const ExchangePtr& exchange);
  void dispatch_main(const ExchangePtr& exchange, const Resource& resource, const std::string& verb);
  void dispatch_subresource(const ExchangePtr& exchange, const Resource& resource, const std::string& verb);
  void serve_watch(const ExchangePtr& exchange, const Resource& resource);
  void serve_health(const ExchangePtr& exchange);
  void refuse_verb(const ExchangePtr& exchange, const Resource& resource, const std::string& verb,
                   const std::vector<std::string>& verbs);

  void serve_metrics(const ExchangePtr& exchange);
  void append_objects(std::string& page);

  std::unique_ptr<Core> core_;
  std::shared_ptr<Metrics> metrics_;
  Health health_;
  Inflight inflight_;
  struct Counted {
    std::string text;
    std::chrono::steady_clock::time_point at{};
  };
  base::Guarded<Counted> objects_;
};

Server::Server(std::unique_ptr<Core> core, std::shared_ptr<Metrics> metrics, std::shared_ptr<AuditLog> audit)
    : core_(std::move(core)),
      metrics_(std::move(metrics)),
      inflight_(core_->config.limits, metrics_, std::move(audit), core_->clock) {
  health_.add({.name = "store", .check = [this] { return core_->store.healthy(); }});
  metrics_->add_source([this](std::string& page) { append_objects(page); });
}

// The root of every request: whatever goes wrong below ends here, not the server.
void Server::serve(const ExchangePtr& exchange, const InflightPtr& inflight) {
  exchange->builtin = &core_->builtin;
  try {
    std::chrono::nanoseconds timeout{};
    if (!admit(exchange, inflight, timeout)) return;
    dispatch(exchange);
    inflight_.limit_time(inflight, timeout);
  } catch (const std::exception& e) {
    base::log_error("server", "{} {} failed unexpectedly: {}", exchange->request.method,
                    exchange->request.path, e.what());
    exchange->fail(
        {base::Reason::internal_error, "Internal error occurred: the request could not be served", {}});
  }
}

// Paths that anybody may ask for. Single checks are not among them: what they answer names what is wrong.
bool is_open(const Route& route) {
  if (route.type == Route::Type::version) return true;
  return route.type == Route::Type::health && route.check.find('/') == std::string::npos;
}

bool Server::admit(const ExchangePtr& exchange, const InflightPtr& inflight, std::chrono::nanoseconds& timeout) {
  exchange->route = parse_route(exchange->request.path);
  const auto& route = exchange->route;
  auto user = authenticate(exchange->request.peer);
  if (user) exchange->user = std::move(*user);
  // Of who may ask nothing, nothing is looked up.
  if (user && route.type == Route::Type::resource) {
    exchange->resource = core_->find(route.group, route.version, route.resource);
  }
  inflight->describe(make_traits(*exchange, inflight_.audits()), exchange->request);
  if (!user && !is_open(route)) {
    inflight->forbid();
    exchange->fail({base::Reason::unauthorized, "Unauthorized", {}});
    return false;
  }
  if (!inflight->admit()) return false;
  if (user) {
    auto own = refuse_impersonation(exchange->user, exchange->request.headers);
    if (!own) {
      inflight->forbid();
      exchange->fail(own.error());
      return false;
    }
  }
  if (inflight->long_running()) return true;
  auto wanted = inflight_.timeout_of(exchange->request);
  if (!wanted) {
    exchange->fail(wanted.error());
    return false;
  }
  timeout = *wanted;
  return true;
}

void Server::dispatch(const ExchangePtr& exchange) {
  const auto& route = exchange->route;
  const auto& method = exchange->request.method;
  if (route.type == Route::Type::resource) return dispatch_resource(exchange);
  if (route.type != Route::Type::unknown && method != "GET" && method != "HEAD") {
    return exchange->fail({base::Reason::method_not_allowed,
                           "the server does not allow this method on the requested resource",
                           {}});
  }
  auto allowed = authorize(exchange->user, {.verb = "get", .path = exchange->request.path});
  if (!allowed && !is_open(route)) return exchange->fail(allowed.error());
  auto& documents = *core_->documents;
  switch (route.type) {
    case Route::Type::health:
      return serve_health(exchange);
    case Route::Type::root:
      return documents.serve_root(exchange);
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
  if (exchange->request.path == "/metrics") return serve_metrics(exchange);
  if (route.under_api) return exchange->fail(no_such_resource());
  exchange->not_found_plain();
}

void Server::serve_metrics(const ExchangePtr& exchange) {
  exchange->send(200, "text/plain; version=0.0.4; charset=utf-8", {net::make_chunk(metrics_->page())});
}

// How many objects there are of each kind. Counting looks at all of them: at most once a minute.
void Server::append_objects(std::string& page) {
  constexpr std::chrono::seconds kFresh{60};
  auto counted = objects_.lock();
  auto now = core_->clock.steady_now();
  if (counted->text.empty() || now - counted->at >= kFresh) {
    std::string by_name, by_group;
    auto catalog = core_->catalog();
    std::set<std::string> seen;
    for (const auto& kind : catalog->registry().all()) {
      auto resource = catalog->find(kind->group, kind->version, kind->plural);
      if (!resource || !resource->kind->stored || resource->is_view() || !seen.insert(resource->prefix).second) continue;
      auto count = static_cast<double>(core_->store.list(resource->prefix).entries.size());
      std::string name, group;
      append_label(name, "resource", resource->qualified);
      append_sample(by_name, "apiserver_storage_objects", name, count);
      append_label(group, "group", kind->group);
      append_label(group, "resource", kind->plural);
      append_sample(by_group, "apiserver_resource_objects", group, count);
    }
    counted->text.clear();
    append_family(counted->text, "apiserver_storage_objects", "gauge", "Objects that are stored, by resource.");
    counted->text += by_name;
    append_family(counted->text, "apiserver_resource_objects", "gauge", "Objects that are stored, by group and resource.");
    counted->text += by_group;
    counted->at = now;
  }
  page += counted->text;
}

void Server::serve_health(const ExchangePtr& exchange) {
  auto answer = health_.answer(exchange->route.check, exchange->request.query);
  exchange->send(answer.status, "text/plain; charset=utf-8", {net::make_chunk(std::move(answer.text))},
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
  auto resource = exchange->resource;
  if (!resource) return exchange->fail(no_such_resource());
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
  core_->bulk.reset();
  // Writes on their way still refer to the core: the last of them must be answered first.
  core_->workers->close();
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
  bulk = std::make_unique<Bulk>(clock);
  workers = std::make_unique<Workers>();
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
  auto metrics = std::make_shared<Metrics>(core->config.git_version);
  std::shared_ptr<AuditLog> audit;
  if (!core->config.audit.path.empty()) {
    TRY(audit, AuditLog::open(core->config.audit, metrics));
  }
  return std::make_unique<Server>(std::move(core), std::move(metrics), std::move(audit));
}

}  // namespace server
