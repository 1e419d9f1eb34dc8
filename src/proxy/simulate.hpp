// What must happen to the first packet of a connection: the packet path's meaning in a page of code, against which
// every real one is tested. Pure; any thread.
#pragma once

#include <vector>

#include "proxy/table.hpp"

namespace proxy {

// Of both families together.
struct Networks {
  std::vector<Network> pods;      // of the whole cluster
  std::vector<Network> services;  // none: not known, then nothing but what the table names is refused
};

struct Packet {
  Address source;
  Address destination;
  Protocol protocol = Protocol::tcp;  // icmp: an echo request
  uint16_t port = 0;
  bool from_node = false;  // made by the node itself, with one of its own addresses
};

struct Verdict {
  // answer: the node itself answers the ping.
  enum class Kind { pass, forward, reset, unreachable, drop, answer };
  Kind kind = Kind::pass;
  std::vector<Endpoint> choices;  // forward: any of them
  bool sticky = false;            // later connections of this client go where the first one went
  RoutePtr route = {};            // forward: by which
};

// The route that a packet to that place takes; null: none.
RoutePtr find_route(const Table& table, const Address& destination, Protocol protocol, uint16_t port);

Verdict simulate(const Table& table, const Networks& networks, const Packet& packet);
// Whether the chosen endpoint sees the node's address instead of the client's.
bool masquerades(const Table& table, const Networks& networks, const Packet& packet, const Route& route,
                 const Endpoint& chosen);

}  // namespace proxy
