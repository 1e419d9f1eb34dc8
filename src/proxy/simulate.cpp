#include "proxy/simulate.hpp"

#include <algorithm>

namespace proxy {

namespace {

using Kind = Verdict::Kind;

Verdict refused(const Packet& packet) {
  return {.kind = packet.protocol == Protocol::tcp ? Kind::reset : Kind::unreachable, .choices = {}};
}

// One who has endpoints answers pings at each of his addresses.
bool answers(const Table& table, const Address& address) {
  for (auto it = table.routes.lower_bound({address, Protocol{}, 0}); it != table.routes.end(); ++it) {
    if (it->first.address != address) return false;
    if (!it->second->endpoints.empty()) return true;
  }
  return false;
}

}  // namespace

RoutePtr find_route(const Table& table, const Address& destination, Protocol protocol, uint16_t port) {
  auto it = table.routes.find({destination, protocol, port});
  if (it != table.routes.end()) return it->second;
  if (!table.node_addresses.contains(destination)) return nullptr;
  auto node_port = table.node_ports.find({destination.family(), protocol, port});
  return node_port == table.node_ports.end() ? nullptr : node_port->second;
}

Verdict simulate(const Table& table, const Networks& networks, const Packet& packet) {
  bool service_network = contains(networks.services, packet.destination);
  if (packet.protocol == Protocol::icmp) {
    if ((packet.destination.is_v4() ? table.own.v4 : table.own.v6) && answers(table, packet.destination)) return {.kind = Kind::answer, .choices = {}};
    return service_network ? refused(packet) : Verdict{};
  }
  auto route = find_route(table, packet.destination, packet.protocol, packet.port);
  if (!route) return service_network ? refused(packet) : Verdict{};
  if (!route->sources.empty() && !contains(route->sources, packet.source)) return {.kind = Kind::drop, .choices = {}};
  bool inside = packet.from_node || contains(networks.pods, packet.source);
  const Targets& targets = !inside && route->outside ? *route->outside : *route;
  if (!targets.endpoints.empty()) return {Kind::forward, targets.endpoints, route->affinity_seconds > 0, route};
  if (targets.drop_when_empty) return {.kind = Kind::drop, .choices = {}};
  return refused(packet);
}

bool masquerades(const Table& table, const Networks& networks, const Packet& packet, const Route& route,
                 const Endpoint& chosen) {
  // Nobody accepts a packet from itself that comes by the wire.
  if (packet.source == chosen.address) return chosen.local;
  // The answer of an endpoint must come back through this node: those to its own pods and itself do anyhow, those of
  // endpoints on this node too.
  if (packet.from_node || route.outside) return false;
  return !contains(route.scope == Scope::cluster_ip ? networks.pods : table.own.pods, packet.source);
}

}  // namespace proxy
