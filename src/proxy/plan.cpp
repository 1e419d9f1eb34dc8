// Which endpoints a Service port has for whom.
#include <algorithm>

#include "base/strings.hpp"
#include "proxy/table.hpp"

namespace proxy {

namespace {

constexpr int64_t kDefaultAffinitySeconds = 10'800;

struct Candidate {
  Endpoint endpoint;
  bool ready = false;
  bool serving = false;
  bool terminating = false;
  const api::EndpointHints* hints = nullptr;
};

std::optional<uint32_t> weight_in(const api::ObjectMeta& metadata) {
  auto it = metadata.annotations.find(std::string(kWeightAnnotation));
  if (it == metadata.annotations.end()) return std::nullopt;
  auto number = base::parse_int(it->second);
  if (!number || *number < 1) return std::nullopt;
  return static_cast<uint32_t>(std::min<int64_t>(*number, kLargestWeight));
}

// The port by name and protocol that a slice has for a port of the Service; 0: it has none.
uint16_t port_in_slice(const api::EndpointSlice& slice, std::string_view name, Protocol protocol) {
  for (const auto& port : slice.ports) {
    auto number = std::optional<int64_t>(port.port).value_or(0);
    if (port.name == name && parse_protocol(port.protocol) == protocol && number > 0 && number < 65'536)
      return static_cast<uint16_t>(number);
  }
  return 0;
}

std::vector<Candidate> candidates_of(const Slices& slices, const api::ServicePort& service_port, Protocol protocol,
                                     Family family, uint32_t default_weight, const Place& place) {
  std::map<std::pair<Address, uint16_t>, Candidate> found;
  for (const auto& slice : slices) {
    if (slice->address_type != (family == Family::v4 ? "IPv4" : "IPv6")) continue;
    uint16_t port = port_in_slice(*slice, service_port.name, protocol);
    if (port == 0) continue;
    uint32_t weight = weight_in(slice->metadata).value_or(default_weight);
    for (const auto& e : slice->endpoints) {
      if (e.addresses.empty()) continue;
      auto address = parse_address(e.addresses[0]);
      // The API refuses the unroutable ones; whoever gets one past it must not reach the node's own loopback by it.
      if (!address || address->family() != family || !address->is_routable()) continue;
      Candidate c;
      c.endpoint = {*address, port, !place.node_name.empty() && e.node_name == place.node_name, weight};
      c.ready = !e.conditions || e.conditions->ready.value_or(true);
      c.serving = !e.conditions || e.conditions->serving.value_or(true);
      c.terminating = e.conditions && e.conditions->terminating.value_or(false);
      c.hints = e.hints ? &*e.hints : nullptr;
      // The same endpoint may stand in two slices while it moves: the better state counts.
      auto [it, fresh] = found.try_emplace({*address, port}, c);
      if (!fresh && c.ready && !it->second.ready) it->second = c;
    }
  }
  std::vector<Candidate> out;
  for (auto& [key, c] : found) out.push_back(c);
  return out;
}

template <class Hints>
bool names(const Hints& hints, std::string_view wanted) {
  return std::any_of(hints.begin(), hints.end(), [&](const auto& h) { return h.name == wanted; });
}

// Hints count only when every ready endpoint has them and one is for us.
template <class HintsOf>
bool hints_apply(const std::vector<Candidate>& all, std::string_view wanted, HintsOf hints_of) {
  bool ours = false;
  for (const auto& c : all) {
    if (!c.ready) continue;
    if (!c.hints || hints_of(*c.hints).empty()) return false;
    ours |= names(hints_of(*c.hints), wanted);
  }
  return ours && !wanted.empty();
}

Targets choose(const std::vector<Candidate>& all, bool only_local, const Place& place) {
  Targets out;
  auto nodes = [](const api::EndpointHints& h) -> const auto& { return h.for_nodes; };
  auto zones = [](const api::EndpointHints& h) -> const auto& { return h.for_zones; };
  bool by_node = !only_local && hints_apply(all, place.node_name, nodes);
  bool by_zone = !only_local && !by_node && hints_apply(all, place.zone, zones);
  for (const auto& c : all) {
    if (!c.ready || (only_local && !c.endpoint.local)) continue;
    if (by_node && !names(c.hints->for_nodes, place.node_name)) continue;
    if (by_zone && !names(c.hints->for_zones, place.zone)) continue;
    out.endpoints.push_back(c.endpoint);
  }
  if (!out.endpoints.empty()) return out;
  auto last_resort = [](const Candidate& c) { return c.serving && c.terminating; };
  for (const auto& c : all)
    if (last_resort(c) && (!only_local || c.endpoint.local)) out.endpoints.push_back(c.endpoint);
  auto usable = [&](const Candidate& c) { return c.ready || last_resort(c); };
  out.drop_when_empty = only_local && out.endpoints.empty() && std::any_of(all.begin(), all.end(), usable);
  return out;
}

uint32_t affinity_of(const api::ServiceSpec& spec) {
  if (spec.session_affinity != "ClientIP") return 0;
  int64_t seconds = kDefaultAffinitySeconds;
  if (spec.session_affinity_config && spec.session_affinity_config->client_ip)
    seconds = spec.session_affinity_config->client_ip->timeout_seconds.value_or(seconds);
  return static_cast<uint32_t>(std::clamp<int64_t>(seconds, 1, 86'400));
}

Balance balance_of(const api::Service& service) {
  auto it = service.metadata.annotations.find(std::string(kBalanceAnnotation));
  if (it == service.metadata.annotations.end()) return Balance::random;
  if (it->second == "round-robin") return Balance::round_robin;
  if (it->second == "least-connections") return Balance::least_connections;
  if (it->second == "maglev") return Balance::maglev;
  return Balance::random;
}

std::vector<Address> addresses_of(const std::vector<std::string>& texts, Family family) {
  std::vector<Address> out;
  for (const auto& text : texts)
    if (auto a = parse_address(base::trim(text)); a && a->family() == family) out.push_back(*a);
  return out;
}

// Networks of the family; one that names the whole world is no limit. As kube-proxy does it, no network of a family is
// no limit for that family.
std::vector<Network> sources_of(const api::Service& service, Family family) {
  std::vector<std::string> texts = service.spec.load_balancer_source_ranges;
  auto old = service.metadata.annotations.find(std::string(kSourceRangesAnnotation));
  if (texts.empty() && old != service.metadata.annotations.end())
    for (auto part : base::split(old->second, ',')) texts.emplace_back(part);
  std::vector<Network> out;
  for (const auto& text : texts) {
    auto network = parse_network(base::trim(text));
    if (!network || network->family() != family) continue;
    if (network->bits == 0) return {};
    out.push_back(*network);
  }
  return without_nested(std::move(out));
}

// All of one Service in one family.
class Planner {
 public:
  Planner(const api::Service& service, const Slices& slices, const Place& place, Family family, Planned& out)
      : service_(service), spec_(service.spec), slices_(slices), place_(place), family_(family), out_(out) {}

  void plan() {
    auto ips = spec_.cluster_ips;
    if (ips.empty()) ips.push_back(spec_.cluster_ip);
    cluster_ips_ = addresses_of(ips, family_);  // "" and "None" are none
    if (cluster_ips_.empty()) return;
    external_ips_ = addresses_of(spec_.external_ips, family_);
    if (spec_.type == "LoadBalancer" && service_.status.load_balancer) {
      for (const auto& ingress : service_.status.load_balancer->ingress) {
        // Proxy: the balancer ends connections itself and its address must be reached, not short-cut.
        if (ingress.ip_mode == "Proxy") continue;
        auto found = addresses_of({ingress.ip}, family_);
        load_balancer_ips_.insert(load_balancer_ips_.end(), found.begin(), found.end());
      }
    }
    auto weight = weight_in(service_.metadata).value_or(1);
    for (const auto& port : spec_.ports) {
      auto protocol = parse_protocol(port.protocol);
      if (!protocol || port.port < 1 || port.port > 65'535) continue;
      plan_port(port, *protocol, candidates_of(slices_, port, *protocol, family_, weight, place_));
    }
  }

 private:
  void plan_port(const api::ServicePort& port, Protocol protocol, const std::vector<Candidate>& all) {
    Route route;
    route.name = service_.metadata.namespace_ + "/" + service_.metadata.name + (port.name.empty() ? "" : ":" + port.name);
    route.affinity_seconds = affinity_of(spec_);
    route.balance = balance_of(service_);
    static_cast<Targets&>(route) = choose(all, spec_.internal_traffic_policy == "Local", place_);
    auto number = static_cast<uint16_t>(port.port);
    for (const auto& ip : cluster_ips_) out_.routes.emplace_back(ServiceKey{ip, protocol, number}, route);

    // From here on the internal policy does not count: it is for cluster IPs.
    static_cast<Targets&>(route) = choose(all, false, place_);
    if (spec_.external_traffic_policy == "Local") route.outside = choose(all, true, place_);
    route.scope = Scope::external_ip;
    for (const auto& ip : external_ips_) out_.routes.emplace_back(ServiceKey{ip, protocol, number}, route);
    auto node_port = std::optional<int64_t>(port.node_port).value_or(0);
    if ((spec_.type == "NodePort" || spec_.type == "LoadBalancer") && node_port > 0 && node_port < 65'536) {
      route.scope = Scope::node_port;
      out_.node_ports.emplace_back(NodePortKey{family_, protocol, static_cast<uint16_t>(node_port)}, route);
    }
    route.scope = Scope::load_balancer;
    route.sources = sources_of(service_, family_);
    for (const auto& ip : load_balancer_ips_) out_.routes.emplace_back(ServiceKey{ip, protocol, number}, route);
  }

  const api::Service& service_;
  const api::ServiceSpec& spec_;
  const Slices& slices_;
  const Place& place_;
  Family family_;
  Planned& out_;
  std::vector<Address> cluster_ips_, external_ips_, load_balancer_ips_;
};

}  // namespace

Planned plan_service(const api::Service& service, const Slices& slices, const Place& place) {
  Planned out;
  if (service.spec.type == "ExternalName" || service.metadata.labels.contains(std::string(kProxyNameLabel))) return out;
  for (auto family : {Family::v4, Family::v6}) Planner(service, slices, place, family, out).plan();
  return out;
}

}  // namespace proxy
