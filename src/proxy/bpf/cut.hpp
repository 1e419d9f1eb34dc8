// Ends sockets that are connected to an endpoint which is no more: their programs get an error and connect again,
// instead of sending into the void. Acts on the network namespace of the calling thread.
//
// Source: sock_diag (linux/sock_diag.h, linux/inet_diag.h), which also tells what a program keeps with a socket.
#pragma once

#include <functional>
#include <vector>

#include "base/result.hpp"
#include "proxy/address.hpp"
#include "proxy/bpf/abi.h"

namespace proxy::bpf {

// The maps `sockets` and `udp_flows`, open.
struct SocketMaps {
  int sockets = -1;
  int udp_flows = -1;
};

// Ends the sockets of that protocol which the programs connected to an endpoint for which `is_lost` holds; returns how
// many.
base::Result<int> cut_sockets(const SocketMaps& maps, Protocol protocol,
                              const std::function<bool(uint32_t endpoint, uint32_t serial)>& is_lost);

// Whether a route leads to this very address, as to every pod that is there. Of /proc/thread-self/net.
bool has_host_route(const Address& address);

}  // namespace proxy::bpf
