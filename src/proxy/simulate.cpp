#include "proxy/simulate.hpp"

namespace proxy {

Verdict simulate(const Table& table, const Networks& networks, const Packet& packet) {
  using Kind = Verdict::Kind;
  auto it = table.routes.find({packet.destination, packet.protocol, packet.port});
  if (it != table.routes.end()) {
    const Route& route = *it->second;
    if (!route.endpoints.empty()) return {Kind::forward, route.endpoints, route.affinity_seconds > 0};
    if (route.drop_when_empty) return {.kind = Kind::drop, .choices = {}};
  }
  if (!networks.services.contains(packet.destination)) return {};
  return {.kind = packet.protocol == Protocol::tcp ? Kind::reset : Kind::unreachable, .choices = {}};
}

bool masquerades(const Networks& networks, const Packet& packet, const Endpoint& chosen) {
  // Nobody accepts a packet from itself that comes by the wire.
  if (packet.source == chosen.address) return chosen.local;
  // The answer of an endpoint must come back through this node: pods' and the node's own do anyhow.
  return !packet.from_node && !networks.pods.contains(packet.source);
}

}  // namespace proxy
