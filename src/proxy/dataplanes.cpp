#include "proxy/dataplanes.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "proxy/bpf/dataplane.hpp"
#include "proxy/nft/dataplane.hpp"

namespace proxy {

namespace {

base::Result<std::vector<Network>> read_networks(std::string_view text, std::string_view what) {
  std::vector<Network> out;
  for (const auto& part : base::split(text, ',')) {
    auto one = base::trim(part);
    if (one.empty()) continue;
    auto network = parse_network(one);
    if (!network)
      return base::fail(base::Reason::invalid,
                        fmt::format("the {} network '{}' is none: write it like 10.96.0.0/16 or fd00:10:96::/112", what, one));
    out.push_back(*network);
  }
  return out;
}

base::Result<std::unique_ptr<Dataplane>> make_bpf(const Config& config, const Networks& networks,
                                                  const sys::Clock& clock) {
  bpf::Place place;
  place.kernel.pins = config.bpf_pins;
  place.services = networks.services;
  for (const auto& text : config.pod_namespaces) {
    auto slash = text.rfind('/');
    if (!text.ends_with('*') || slash == std::string::npos) place.pods.push_back({text});
    else place.pods.push_back({text.substr(0, slash), text.substr(slash + 1, text.size() - slash - 2)});
  }
  return bpf::make_dataplane(place, clock);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

}  // namespace

base::Result<Networks> networks_of(const Config& config) {
  Networks out;
  TRY(out.pods, read_networks(config.pod_cidr, "pod"));
  TRY(out.services, read_networks(config.service_cidr, "service"));
  return out;
}

base::Result<nft::Layout> layout_of(const Config& config) {
  nft::Layout layout;
  layout.table = config.table;
  TRY(layout.networks, networks_of(config));
  TRY(layout.node_ports_in, read_networks(joined(config.node_port_addresses), "node port"));
  // A kernel without IPv6 has no table for it either.
  if (::access("/proc/net/if_inet6", R_OK) != 0) layout.families = {Family::v4};
  return layout;
}

base::Result<OwnNode> own_node_of(const Config& config) {
  OwnNode out;
  for (const auto& text : config.node_addresses) {
    if (text.empty()) continue;
    auto address = parse_address(text);
    if (!address)
      return base::fail(base::Reason::invalid, fmt::format("the node's address '{}' is no IP address", text));
    auto& mine = address->is_v4() ? out.v4 : out.v6;
    if (!mine) mine = address;
  }
  TRY(out.pods, read_networks(config.node_pod_cidr, "node's pod"));
  return out;
}

OwnNode own_node_of(const OwnNode& given, const api::Node& node) {
  OwnNode out = given;
  for (const auto& a : node.status.addresses) {
    auto address = a.type == "InternalIP" ? parse_address(a.address) : std::nullopt;
    if (!address) continue;
    auto& mine = address->is_v4() ? out.v4 : out.v6;
    if (!mine) mine = address;
  }
  if (!out.pods.empty()) return out;
  auto cidrs = node.spec.pod_cidrs;
  if (cidrs.empty()) cidrs.push_back(node.spec.pod_cidr);
  for (const auto& text : cidrs)
    if (auto network = parse_network(text)) out.pods.push_back(*network);
  return out;
}

base::Result<std::vector<std::unique_ptr<Dataplane>>> make_dataplanes(const Config& config, const sys::Clock& clock) {
  std::vector<std::unique_ptr<Dataplane>> out;
  if (config.mode != "auto" && config.mode != "bpf" && config.mode != "nftables")
    return base::fail(base::Reason::invalid,
                      fmt::format("the proxy mode '{}' is unknown: it is auto, bpf or nftables", config.mode));
  TRY(auto layout, layout_of(config));
  if (config.mode != "nftables") {
    auto sockets = make_bpf(config, layout.networks, clock);
    if (sockets) out.push_back(std::move(*sockets));
    else if (config.mode == "bpf") return std::unexpected(std::move(sockets).error().wrap("proxy mode bpf"));
    else base::log_warning("proxy", "no eBPF at the sockets, nftables does it alone: {}", sockets.error().message);
  }
  TRY(auto rules, nft::make_dataplane(std::move(layout)));
  out.push_back(std::move(rules));
  return out;
}

base::Result<std::set<Address>> node_addresses(const std::vector<Network>& node_ports_in) {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return std::unexpected(base::errno_error("read the node's addresses", errno));
  std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(all, ::freeifaddrs);
  std::set<Address> out;
  for (auto* one = all; one; one = one->ifa_next) {
    if (!one->ifa_addr) continue;
    Address address;
    if (one->ifa_addr->sa_family == AF_INET) {
      address = Address::from_v4(ntohl(reinterpret_cast<sockaddr_in*>(one->ifa_addr)->sin_addr.s_addr));
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      std::memcpy(address.bytes.data(), &reinterpret_cast<sockaddr_in6*>(one->ifa_addr)->sin6_addr, address.bytes.size());
    } else {
      continue;
    }
    if (!address.is_loopback() && !address.is_routable()) continue;  // link-local: of one link only
    // Of load balancers: see announce.hpp.
    if (!address.is_loopback() && std::string_view(one->ifa_name) == "lo") continue;
    auto same_family = [&](const Network& n) { return n.family() == address.family(); };
    bool limited = std::any_of(node_ports_in.begin(), node_ports_in.end(), same_family);
    if (!limited || contains(node_ports_in, address)) out.insert(address);
  }
  return out;
}

}  // namespace proxy
