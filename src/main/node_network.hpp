// The node's own side of the network: a namespace named sampan-NAME with eth0, and the road of cluster IPs into the
// packet path. Blocking netlink calls; one caller at a time.
#pragma once

#include <string>

#include "base/result.hpp"
#include "main/cluster.hpp"

namespace main_ {

// Makes the namespace with lo and eth0 when it is not there. Isolated: eth0's other end stays in the same namespace, so
// nothing leads out. Otherwise it is on the host, with an address of the same /24 (and /64 of IPv6).
base::Result<void> make_node_network(const ClusterPaths& paths, const ClusterSettings& settings);
// Removes the namespace (and with it every veth in it). Missing: no error.
base::Result<void> remove_node_network(const ClusterPaths& paths);
// In the server: the given address, or eth0's.
base::Result<std::string> node_address(const std::string& given);
// eth0's IPv6 address, "" when it has none.
std::string second_node_address();
// What the one node gets of "10.244.0.0/16,fd00:10:244::/56": a /24 and a /64.
base::Result<std::string> first_node_part(const std::string& cluster_cidr);
// What load balancers get where nobody says it: .64 to .254 (and ::64 to ::fe) of the link network that `up` makes, "" for
// a node that is on any other network.
std::string default_balancer_addresses(const std::string& address, const std::string& second_address);
// Without the IPv6 ones where the kernel has no IPv6 and others are left: what they promise cannot be kept there.
std::string usable_ranges(const std::string& cidrs);
// In the server: routes cluster IPs of either family to eth0, so that the node's own connections to them reach the packet path at all.
base::Result<void> route_service_cidr(const std::string& cidr);

}  // namespace main_
