// Services at the socket, behind the proxy's Dataplane: the eBPF programs of sockets.bpf.c, kept equal to the table.
// What they cannot do (SCTP, traffic from elsewhere, source ranges) is left to the packet rules.
//
// Threading: as Dataplane says. Destroying it leaves pinned programs at work; without pins they end with it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "proxy/bpf/kernel.hpp"
#include "proxy/bpf/namespaces.hpp"
#include "proxy/dataplane.hpp"
#include "sys/clock.hpp"

namespace proxy::bpf {

struct Place {
  Options kernel = {};
  std::vector<Network> services = {};  // addresses in these that no Service has are refused
  int node_namespace = -1;             // -1: the one of the calling thread
  std::vector<NamespaceFolder> pods = {};  // where the namespaces of the pods lie
};

// The error says what the machine lacks; nothing is attached before the first rebuild().
base::Result<std::unique_ptr<Dataplane>> make_dataplane(const Place& place, const sys::Clock& clock);

}  // namespace proxy::bpf
