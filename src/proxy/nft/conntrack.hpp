// Makes the kernel forget UDP flows whose endpoint has gone: a client that keeps its port would otherwise go on sending
// into the void for as long as it sends. Acts on the network namespace of the calling thread.
//
// Source: ctnetlink (linux/netfilter/nfnetlink_conntrack.h); what kube-proxy cleans up since 1.32.
#pragma once

#include "base/result.hpp"
#include "proxy/simulate.hpp"

namespace proxy::nft {

// Deletes the UDP entries to cluster IPs that were translated to an endpoint which the table does not name there.
// Returns how many.
base::Result<int> forget_stale_udp(const Table& table, const Networks& networks);

// Whether `after` lacks a UDP endpoint that `before` had: only then is there something to forget.
bool lost_udp_endpoint(const Table& before, const Table& after);

}  // namespace proxy::nft
