// A pod's network: a namespace of its own with one routed address, no bridge and no pause process. Any
// thread.
//
// eth0 has the pod's IP/32; everything goes to 169.254.1.1, which the other end of the veth answers for with
// a fixed MAC address; that end lies in the network namespace of this process, with a route to the pod.
#pragma once

#include <string>

#include "base/result.hpp"

namespace node {

struct SandboxNetwork {
  std::string netns;  // path of the namespace's file
  std::string veth;   // name of this end
  std::string ip;
  std::string node_ip;  // preferred source of packets from the node, when it is an address of ours
};

base::Result<void> make_sandbox_network(const SandboxNetwork& network);
base::Result<void> remove_sandbox_network(const std::string& netns,
                                          const std::string& veth);  // nothing there: fine
std::string veth_name(const std::string& pod_uid);
// Lets this process's network namespace forward between pods.
base::Result<void> enable_forwarding();

}  // namespace node
