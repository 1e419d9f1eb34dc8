// Which dataplanes a proxy has, made from what it is told. Pure, but for make_dataplanes, which looks at the kernel.
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "proxy/config.hpp"
#include "proxy/dataplane.hpp"
#include "proxy/nft/layout.hpp"
#include "proxy/simulate.hpp"
#include "sys/clock.hpp"

namespace proxy {

base::Result<Networks> networks_of(const Config& config);
base::Result<nft::Layout> layout_of(const Config& config);
// What is told, and of the rest what the Node says.
base::Result<OwnNode> own_node_of(const Config& config);
OwnNode own_node_of(const OwnNode& given, const api::Node& node);

// By config.mode: eBPF at the sockets first, then nftables, which always holds the whole table: packets of others come
// by there.
base::Result<std::vector<std::unique_ptr<Dataplane>>> make_dataplanes(const Config& config, const sys::Clock& clock);

// The addresses of this network namespace on which node ports are served.
base::Result<std::set<Address>> node_addresses(const std::vector<Network>& node_ports_in);

}  // namespace proxy
