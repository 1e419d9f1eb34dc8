// Makes the kernel forget UDP flows whose endpoint has gone, or that began before there was one: a client that keeps its
// port would otherwise go on sending into the void for as long as it sends. Acts on the network namespace of the calling
// thread.
//
// Source: ctnetlink (linux/netfilter/nfnetlink_conntrack.h); what kube-proxy cleans up since 1.32.
#pragma once

#include <functional>
#include <set>

#include "base/result.hpp"
#include "proxy/simulate.hpp"

namespace proxy::nft {

// The two ends of a UDP flow that matter here: where the client sent it, and who answers.
struct Flow {
  Address destination;
  uint16_t port = 0;
  Address server;
  uint16_t server_port = 0;
  bool translated() const { return server != destination || server_port != port; }
};

// What a change has taken away: places that no table names any more.
struct Lost {
  std::set<std::pair<Address, uint16_t>> places;
  std::set<std::pair<Family, uint16_t>> node_ports;
  bool endpoints = false;  // some endpoint has gone from a place that is still there, or a place is new
  bool any() const { return endpoints || !places.empty() || !node_ports.empty(); }
};
Lost lost_udp(const Change& change);

// Whether that flow is where the table would not send it. `lost` is null where it is not known what was before: then
// every flow into the pod network that the table does not name is stale.
bool is_stale(const Table& table, const Networks& networks, const Lost* lost, const Flow& flow);

// Deletes the stale flows of both families. Returns how many.
base::Result<int> forget_stale_udp(const Table& table, const Networks& networks, const Lost* lost);

}  // namespace proxy::nft
