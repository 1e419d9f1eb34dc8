#include "proxy/table.hpp"

#include <algorithm>

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

std::optional<Address> cluster_ip_of(const api::Service& service) {
  for (const auto& ip : service.spec.cluster_ips)
    if (auto address = parse_address(ip)) return address;
  return parse_address(service.spec.cluster_ip);  // "" and "None" are none
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

std::vector<Candidate> candidates_of(const Slices& slices, std::string_view port_name, Protocol protocol,
                                     const Place& place) {
  std::map<std::pair<Address, uint16_t>, Candidate> found;
  for (const auto& slice : slices) {
    if (slice->address_type != "IPv4") continue;
    uint16_t port = port_in_slice(*slice, port_name, protocol);
    if (port == 0) continue;
    for (const auto& e : slice->endpoints) {
      if (e.addresses.empty()) continue;
      auto address = parse_address(e.addresses[0]);
      if (!address) continue;
      Candidate c;
      c.endpoint = {*address, port, !place.node_name.empty() && e.node_name == place.node_name};
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

void choose(const std::vector<Candidate>& all, bool only_local, const Place& place, std::vector<Endpoint>& out) {
  auto nodes = [](const api::EndpointHints& h) -> const auto& { return h.for_nodes; };
  auto zones = [](const api::EndpointHints& h) -> const auto& { return h.for_zones; };
  bool by_node = !only_local && hints_apply(all, place.node_name, nodes);
  bool by_zone = !only_local && !by_node && hints_apply(all, place.zone, zones);
  for (const auto& c : all) {
    if (!c.ready || (only_local && !c.endpoint.local)) continue;
    if (by_node && !names(c.hints->for_nodes, place.node_name)) continue;
    if (by_zone && !names(c.hints->for_zones, place.zone)) continue;
    out.push_back(c.endpoint);
  }
  if (!out.empty()) return;
  for (const auto& c : all)
    if (c.serving && c.terminating && (!only_local || c.endpoint.local)) out.push_back(c.endpoint);
}

uint32_t affinity_of(const api::ServiceSpec& spec) {
  if (spec.session_affinity != "ClientIP") return 0;
  int64_t seconds = kDefaultAffinitySeconds;
  if (spec.session_affinity_config && spec.session_affinity_config->client_ip)
    seconds = spec.session_affinity_config->client_ip->timeout_seconds.value_or(seconds);
  return static_cast<uint32_t>(std::clamp<int64_t>(seconds, 1, 86'400));
}

}  // namespace

Planned plan_service(const api::Service& service, const Slices& slices, const Place& place) {
  Planned out;
  const auto& spec = service.spec;
  if (spec.type == "ExternalName" || service.metadata.labels.contains(std::string(kProxyNameLabel))) return out;
  auto address = cluster_ip_of(service);
  if (!address) return out;
  bool only_local = spec.internal_traffic_policy == "Local";
  for (const auto& port : spec.ports) {
    auto protocol = parse_protocol(port.protocol);
    if (!protocol || port.port < 1 || port.port > 65'535) continue;
    Route route;
    route.name = service.metadata.namespace_ + "/" + service.metadata.name + (port.name.empty() ? "" : ":" + port.name);
    route.affinity_seconds = affinity_of(spec);
    auto all = candidates_of(slices, port.name, *protocol, place);
    choose(all, only_local, place, route.endpoints);
    auto usable = [](const Candidate& c) { return c.ready || (c.serving && c.terminating); };
    route.drop_when_empty = only_local && route.endpoints.empty() && std::any_of(all.begin(), all.end(), usable);
    out.emplace_back(ServiceKey{*address, *protocol, static_cast<uint16_t>(port.port)}, std::move(route));
  }
  return out;
}

void keep_places(const Route& before, Route& route) {
  std::set<Endpoint> fresh(route.endpoints.begin(), route.endpoints.end());
  std::vector<Endpoint> placed(route.endpoints.size());
  std::vector<bool> taken(placed.size());
  std::vector<Endpoint> moved;  // survivors whose place is beyond the new end
  for (size_t i = 0; i < before.endpoints.size(); ++i) {
    if (!fresh.erase(before.endpoints[i])) continue;
    if (i < placed.size()) {
      placed[i] = before.endpoints[i];
      taken[i] = true;
    } else {
      moved.push_back(before.endpoints[i]);
    }
  }
  moved.insert(moved.end(), fresh.begin(), fresh.end());
  auto next = moved.begin();
  for (size_t i = 0; i < placed.size() && next != moved.end(); ++i)
    if (!taken[i]) placed[i] = *next++;
  route.endpoints = std::move(placed);
}

void TableBuilder::set(const std::string& service, Planned planned) {
  std::map<ServiceKey, RoutePtr> before;
  if (auto it = planned_.find(service); it != planned_.end()) before = it->second;
  release(service);
  if (planned.empty()) return;
  auto& mine = planned_[service];
  for (auto& [key, route] : planned) {
    RoutePtr next;
    if (auto old = before.find(key); old != before.end()) {
      keep_places(*old->second, route);
      if (*old->second == route) next = old->second;
    }
    if (!next) next = std::make_shared<const Route>(std::move(route));
    if (!mine.emplace(key, next).second) continue;  // the same port twice: the first one counts
    auto& claims = claims_[key];
    claims.insert(service);
    if (*claims.begin() == service) table_.routes[key] = next;
  }
}

void TableBuilder::release(const std::string& service) {
  auto it = planned_.find(service);
  if (it == planned_.end()) return;
  for (const auto& [key, route] : it->second) {
    auto claims = claims_.find(key);
    bool had = *claims->second.begin() == service;
    claims->second.erase(service);
    if (claims->second.empty()) {
      claims_.erase(claims);
      table_.routes.erase(key);
    } else if (had) {
      table_.routes[key] = planned_[*claims->second.begin()].at(key);
    }
  }
  planned_.erase(it);
}

std::set<std::string> TableBuilder::services() const {
  std::set<std::string> out;
  for (const auto& [name, routes] : planned_) out.insert(name);
  return out;
}

}  // namespace proxy
