// A pod's network: a namespace of its own with one routed address of each family, no bridge and no pause process. Any
// thread.
//
// eth0 has the pod's IP/32 and IP/128; everything goes to 169.254.1.1 and fe80::1, for which the other end of the veth
// stands with a fixed MAC address; that end lies in the network namespace of this process, with routes to the pod.
// Neighbours are written down on both ends, so no packet waits for ARP, NDP or duplicate address detection.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace node {

struct SandboxNetwork {
  std::string netns;  // path of the namespace's file
  std::string veth;   // name of this end
  std::vector<std::string> ips;       // of the pod, at most one per family
  std::vector<std::string> node_ips;  // preferred sources of packets from the node, when they are addresses of ours
};

base::Result<void> make_sandbox_network(const SandboxNetwork& network);
base::Result<void> remove_sandbox_network(const std::string& netns,
                                          const std::string& veth);  // nothing there: fine
std::string veth_name(const std::string& pod_uid);
// Lets this process's network namespace forward between pods; IPv6 where there is any.
base::Result<void> enable_forwarding();
// Whether this process's network namespace can have IPv6 addresses.
bool has_ipv6();

}  // namespace node
