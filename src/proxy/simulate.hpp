// What must happen to the first packet of a connection: the packet path's meaning in a page of code, against which
// every real one is tested. Pure; any thread.
#pragma once

#include <vector>

#include "proxy/table.hpp"

namespace proxy {

struct Networks {
  Network pods;
  Network services;
};

struct Packet {
  Address source = 0;
  Address destination = 0;
  Protocol protocol = Protocol::tcp;
  uint16_t port = 0;
  bool from_node = false;  // made by the node itself, with one of its own addresses
};

struct Verdict {
  enum class Kind { pass, forward, reset, unreachable, drop };
  Kind kind = Kind::pass;
  std::vector<Endpoint> choices;  // forward: any of them
  bool sticky = false;            // later connections of this client go where the first one went
};

Verdict simulate(const Table& table, const Networks& networks, const Packet& packet);
// Whether the chosen endpoint sees the node's address instead of the client's.
bool masquerades(const Networks& networks, const Packet& packet, const Endpoint& chosen);

}  // namespace proxy
