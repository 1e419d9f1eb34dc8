#include "proxy/health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "base/time.hpp"

namespace proxy {

namespace {

constexpr std::chrono::seconds kPatience{60};

double seconds_of(const std::optional<base::Time>& time) {
  return time ? std::chrono::duration<double>(time->time_since_epoch()).count() : 0;
}

net::Response response(int status, std::string_view type, std::string body) {
  net::Response out;
  out.status = status;
  out.headers = {{"Content-Type", std::string(type)}, {"X-Content-Type-Options", "nosniff"}};
  out.body.push_back(net::make_chunk(std::move(body)));
  return out;
}

std::string quoted(const std::string& text) { return base::write_json(base::Value(text)); }

// A label's value.
std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') out += "\\n";
    else out += c;
  }
  return out;
}

class Text {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(std::back_inserter(text_), "# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }
  template <class Value>
  void line(std::string_view name, std::string_view labels, Value value) {
    if (labels.empty()) fmt::format_to(std::back_inserter(text_), "{} {}\n", name, value);
    else fmt::format_to(std::back_inserter(text_), "{}{{{}}} {}\n", name, labels, value);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void write_counts(Text& out, const std::vector<Count>& counts) {
  if (counts.empty()) return;
  auto all = [&](std::string_view name, std::string_view type, std::string_view help, auto value_of) {
    out.family(name, type, help);
    for (const auto& c : counts) {
      auto value = value_of(c);
      if (value < 0) continue;
      auto labels = fmt::format("service=\"{}\"", escaped(c.service));
      if (!c.endpoint.empty()) labels += fmt::format(",endpoint=\"{}\"", escaped(c.endpoint));
      out.line(name, labels, value);
    }
  };
  all("sampan_service_connections_total", "counter", "Connections by Service port, and by endpoint.",
      [](const Count& c) { return static_cast<int64_t>(c.connections); });
  all("sampan_service_refused_total", "counter", "Connections refused because nobody served them.",
      [](const Count& c) { return c.endpoint.empty() ? static_cast<int64_t>(c.refused) : -1; });
  all("sampan_service_connections_in_flight", "gauge", "Connections that are open now, as far as the kernel tells.",
      [](const Count& c) { return c.in_flight; });
}

}  // namespace

void ProxyStatus::queued() {
  auto syncs = syncs_.lock();
  syncs->last_queued = clock_.now();
  if (!syncs->waiting_since) syncs->waiting_since = syncs->last_queued;
}

void ProxyStatus::synced(double seconds, size_t services, size_t slices) {
  auto syncs = syncs_.lock();
  auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  ++syncs->counts[static_cast<size_t>(bound - kBounds.begin())];
  syncs->sum += seconds;
  syncs->service_changes += services;
  syncs->slice_changes += slices;
  syncs->waiting_since.reset();
  syncs->last_synced = clock_.now();
}

void ProxyStatus::failed() { ++syncs_.lock()->failures; }

bool ProxyStatus::healthy() const {
  auto syncs = syncs_.lock();
  return !syncs->waiting_since || clock_.now() - *syncs->waiting_since <= kPatience;
}

std::string ProxyStatus::healthz() const {
  auto now = clock_.now();
  // Nothing new is as good as just done.
  auto updated = healthy() ? now : syncs_.lock()->last_synced.value_or(base::Time{});
  return fmt::format(R"({{"lastUpdated": "{}","currentTime": "{}", "nodeEligible": {}}})", base::format_nano_time(updated),
                     base::format_nano_time(now), eligible());
}

std::string ProxyStatus::metrics(const std::vector<Count>& counts) const {
  Text out;
  auto syncs = *syncs_.lock();
  std::string_view duration = "kubeproxy_sync_proxy_rules_duration_seconds";
  out.family(duration, "histogram", "How long it takes to bring changes into the kernel.");
  uint64_t so_far = 0;
  for (size_t i = 0; i < kBounds.size(); ++i)
    out.line(fmt::format("{}_bucket", duration), fmt::format("le=\"{}\"", kBounds[i]), so_far += syncs.counts[i]);
  so_far += syncs.counts.back();
  out.line(fmt::format("{}_bucket", duration), "le=\"+Inf\"", so_far);
  out.line(fmt::format("{}_sum", duration), "", syncs.sum);
  out.line(fmt::format("{}_count", duration), "", so_far);
  auto one = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    out.family(name, type, help);
    out.line(name, "", value);
  };
  one("kubeproxy_sync_proxy_rules_last_timestamp_seconds", "gauge", "When changes last reached the kernel.",
      seconds_of(syncs.last_synced));
  one("kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", "gauge", "When a change was last heard of.",
      seconds_of(syncs.last_queued));
  one("kubeproxy_sync_proxy_rules_service_changes_total", "counter", "Changes of Services in the kernel.", syncs.service_changes);
  one("kubeproxy_sync_proxy_rules_endpoint_changes_total", "counter", "Changes of EndpointSlices in the kernel.",
      syncs.slice_changes);
  one("kubeproxy_sync_proxy_rules_nftables_sync_failures_total", "counter", "Changes that the kernel refused.", syncs.failures);
  std::string_view healthz_total = "kubeproxy_proxy_healthz_total";
  out.family(healthz_total, "counter", "Answers of /healthz by status.");
  out.line(healthz_total, "code=\"200\"", ok_.load());
  out.line(healthz_total, "code=\"503\"", unavailable_.load());
  write_counts(out, counts);
  return out.take();
}

std::optional<ServiceHealth> plan_health(const api::Service& service, const Slices& slices, const Place& place) {
  const auto& spec = service.spec;
  auto port = spec.health_check_node_port.value_or(0);
  if (port < 1 || port > 65'535 || spec.type != "LoadBalancer" || spec.external_traffic_policy != "Local") return std::nullopt;
  std::map<std::string, std::set<std::string>> ready;  // by family: a pod of two counts once
  for (const auto& slice : slices) {
    for (const auto& e : slice->endpoints) {
      bool is_ready = !e.conditions || e.conditions->ready.value_or(true);
      if (is_ready && !e.addresses.empty() && !place.node_name.empty() && e.node_name == place.node_name)
        ready[slice->address_type].insert(e.addresses[0]);
    }
  }
  size_t most = 0;
  for (const auto& [family, addresses] : ready) most = std::max(most, addresses.size());
  return ServiceHealth{static_cast<uint16_t>(port), service.metadata.namespace_, service.metadata.name, most};
}

net::Response health_answer(const ServiceHealth& health, bool proxy_healthy) {
  auto body = fmt::format(
      "{{\n\t\"service\": {{\n\t\t\"namespace\": {},\n\t\t\"name\": {}\n\t}},\n\t\"localEndpoints\": {},\n\t\"serviceProxyHealthy\": "
      "{}\n}}",
      quoted(health.namespace_), quoted(health.name), health.local_endpoints, proxy_healthy);
  auto out = response(health.local_endpoints > 0 && proxy_healthy ? 200 : 503, "application/json", std::move(body));
  out.headers.add("X-Load-Balancing-Endpoint-Weight", std::to_string(health.local_endpoints));
  return out;
}

struct HealthPorts::Port {
  base::Guarded<ServiceHealth> health;
  uint16_t number = 0;
  std::unique_ptr<net::Server> server;
};

void HealthPorts::set(const std::string& service, std::optional<ServiceHealth> health) {
  auto known = ports_.find(service);
  if (known != ports_.end() && (!health || known->second->number != health->port)) {
    known->second->server->stop();
    ports_.erase(known);
    known = ports_.end();
  }
  if (!health) return;
  if (known != ports_.end()) {
    *known->second->health.lock() = std::move(*health);
    return;
  }
  auto port = std::make_shared<Port>();
  port->number = health->port;
  *port->health.lock() = *health;
  // The port owns the server, whose handler must not keep the port.
  // The first takes both families, where there are two.
  auto server = serve_status(fmt::format("[::]:{}", health->port), fmt::format("0.0.0.0:{}", health->port),
                             [this, weak = std::weak_ptr(port)](net::Request, const std::shared_ptr<net::Responder>& responder) {
                               auto self = weak.lock();
                               if (self) responder->send(health_answer(*self->health.lock(), status_.healthy()));
                               else responder->send(response(503, "text/plain", "the Service is gone"));
                             });
  if (!server) {
    base::log_warning("proxy", "the health check port of {} is not served: {}", service, server.error().message);
    return;
  }
  port->server = std::move(*server);
  ports_.emplace(service, std::move(port));
}

void HealthPorts::clear() {
  for (auto& [service, port] : ports_) port->server->stop();
  ports_.clear();
}

base::Result<std::unique_ptr<net::Server>> serve_status(const std::string& healthz_address, const std::string& metrics_address,
                                                        net::Handler handler) {
  // Small, and of two connections at most at a time in good days.
  TRY(auto server, net::make_server({.max_body = 1024, .max_header_bytes = 8192, .max_connections = 64,
                                     .max_connections_per_client = 16, .idle_seconds = 10},
                                    std::move(handler)));
  base::Error last;
  int listening = 0;
  for (const auto& where : {healthz_address, metrics_address}) {
    if (where.empty()) continue;
    auto colon = where.rfind(':');
    auto port = base::parse_int(std::string_view(where).substr(colon == std::string::npos ? where.size() : colon + 1));
    auto host = where.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (!port || *port < 1 || *port > 65'535)
      return base::fail(base::Reason::invalid, fmt::format("'{}' is no address with a port: write it like 0.0.0.0:10256", where));
    auto fd = net::listen_tcp(host, static_cast<int>(*port));
    if (fd) server->add_listener(*fd), ++listening;
    else last = std::move(fd).error();
  }
  if (listening == 0) return std::unexpected(last);
  server->start();
  return server;
}

net::Response status_answer(const net::Request& request, ProxyStatus& status, const std::vector<Count>& counts,
                            const std::string& mode) {
  const auto& peer = request.peer.address;
  bool here = peer.starts_with("127.") || peer.starts_with("[::1]") || peer.starts_with("[::ffff:127.");
  if (request.path == "/healthz" || request.path == "/livez") {
    // A node that is about to go is alive, and gets no new connections.
    int code = status.healthy() && (request.path == "/livez" || status.eligible()) ? 200 : 503;
    if (request.path == "/healthz") status.answered(code);
    return response(code, "application/json", status.healthz());
  }
  if (here && request.path == "/metrics") return response(200, "text/plain; version=0.0.4; charset=utf-8", status.metrics(counts));
  if (here && request.path == "/proxyMode") return response(200, "text/plain; charset=utf-8", mode);
  return response(404, "text/plain; charset=utf-8", "404 page not found\n");
}

}  // namespace proxy
