#include "main/node_network.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/address.hpp"
#include "base/strings.hpp"
#include "node/sandbox.hpp"
#include "sys/fs.hpp"
#include "sys/namespaces.hpp"
#include "sys/netlink.hpp"

namespace main_ {
namespace {

constexpr const char* kNodeLink = "eth0";

// 10.243.INDEX.1 and fd00:10:243:INDEX::1 are the host's end, .2 and ::2 the node.
std::string link_address(int index, int host) { return fmt::format("10.243.{}.{}", index, host); }
std::string link_address6(int index, int host) { return fmt::format("fd00:10:243:{:x}::{}", index, host); }
std::string host_link(int index) { return fmt::format("sampan{}", index); }
sys::Mac mac_of(int index, int host) {
  return {0x02, 0x53, 0x4d, 0x50, static_cast<uint8_t>(index), static_cast<uint8_t>(host)};
}

// `host` is the end: 1 or 2. IPv6 only where the kernel has it.
base::Result<void> add_link_addresses(sys::Netlink& netlink, int link, int index, int host) {
  CHECK_OK(netlink.add_address(link, link_address(index, host), 24));
  if (!node::has_ipv6()) return {};
  return netlink.add_address(link, link_address6(index, host), 64);
}

// Runs inside the new namespace. `peer_netns` is where eth0's other end goes.
base::Result<void> make_links(int index, const std::string& peer_name, int peer_netns, bool peer_is_here) {
  TRY(auto netlink, sys::Netlink::open());
  TRY(int lo, netlink.link_index("lo"));
  CHECK_OK(netlink.set_up(lo));
  CHECK_OK(netlink.make_veth(kNodeLink, mac_of(index, 2), peer_name, mac_of(index, 1), peer_netns));
  TRY(int eth0, netlink.link_index(kNodeLink));
  CHECK_OK(add_link_addresses(netlink, eth0, index, 2));
  CHECK_OK(netlink.set_up(eth0));
  if (peer_is_here) {
    TRY(int peer, netlink.link_index(peer_name));
    CHECK_OK(netlink.set_up(peer));
  }
  return {};
}

}  // namespace

base::Result<void> make_node_network(const ClusterPaths& paths, const ClusterSettings& settings) {
  if (sys::open_netns(paths.netns_path)) return {};
  CHECK_OK(sys::make_dirs("/run/netns", 0755));
  if (settings.isolated) {
    return sys::make_netns(paths.netns_path, [&]() -> base::Result<void> {
      TRY(auto self, sys::open_netns("/proc/thread-self/ns/net"));
      return make_links(settings.index, "uplink", self.get(), true);
    });
  }
  TRY(auto host, sys::open_netns("/proc/self/ns/net"));
  std::string peer = host_link(settings.index);
  CHECK_OK(sys::make_netns(paths.netns_path, [&] { return make_links(settings.index, peer, host.get(), false); }));
  TRY(auto netlink, sys::Netlink::open());
  TRY(int link, netlink.link_index(peer));
  CHECK_OK(add_link_addresses(netlink, link, settings.index, 1));
  return netlink.set_up(link);
}

base::Result<void> remove_node_network(const ClusterPaths& paths) { return sys::remove_netns(paths.netns_path); }

base::Result<std::string> node_address(const std::string& given) {
  if (!given.empty()) {
    in_addr address;
    if (::inet_pton(AF_INET, given.c_str(), &address) != 1)
      return base::fail(base::Reason::bad_request, fmt::format("--address \"{}\" is no IPv4 address", given));
    return given;
  }
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return std::unexpected(base::errno_error("getifaddrs", errno));
  std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(all, ::freeifaddrs);
  for (ifaddrs* one = all; one; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || std::string_view(one->ifa_name) != kNodeLink) continue;
    char text[INET_ADDRSTRLEN];
    auto* address = reinterpret_cast<sockaddr_in*>(one->ifa_addr);
    return std::string(::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text));
  }
  return base::fail(base::Reason::bad_request, "there is no eth0 with an IPv4 address here: say the node's IP with --address");
}

std::string second_node_address() {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return "";
  std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(all, ::freeifaddrs);
  for (ifaddrs* one = all; one; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET6 || std::string_view(one->ifa_name) != kNodeLink) continue;
    auto* address = reinterpret_cast<sockaddr_in6*>(one->ifa_addr);
    if (IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr)) continue;
    auto* mask = reinterpret_cast<sockaddr_in6*>(one->ifa_netmask);
    if (mask && mask->sin6_addr.s6_addr[15] == 0xff) continue;  // a load balancer's (proxy/announce)
    char text[INET6_ADDRSTRLEN];
    return ::inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
  }
  return "";
}

base::Result<std::string> first_node_part(const std::string& cluster_cidr) {
  TRY(auto ranges, base::parse_cidrs(cluster_cidr));
  if (ranges.size() > 2 || (ranges.size() == 2 && ranges[0].first.v6 == ranges[1].first.v6)) {
    return base::fail(base::Reason::bad_request,
                      fmt::format("--cluster-cidr \"{}\": give one range, or one of IPv4 and one of IPv6", cluster_cidr));
  }
  std::vector<std::string> parts;
  for (auto& range : ranges) {
    range.prefix = std::max(range.prefix, range.first.v6 ? 64 : 24);
    parts.push_back(range.text());
  }
  return base::join(parts, ",");
}

std::string default_balancer_addresses(const std::string& address, const std::string& second_address) {
  std::string out;
  if (address.starts_with("10.243.") && address.ends_with(".2")) {
    const std::string net = address.substr(0, address.rfind('.'));
    out = fmt::format("{0}.64-{0}.254", net);
  }
  if (second_address.starts_with("fd00:10:243:") && second_address.ends_with("::2")) {
    const std::string net = second_address.substr(0, second_address.rfind(':'));
    out += fmt::format("{1}{0}:64-{0}:fe", net, out.empty() ? "" : ",");
  }
  return out;
}

std::string usable_ranges(const std::string& cidrs) {
  if (node::has_ipv6()) return cidrs;
  auto pieces = base::split(cidrs, ',');
  std::erase_if(pieces, [](const std::string& piece) { return piece.find(':') != std::string::npos; });
  return pieces.empty() ? cidrs : base::join(pieces, ",");
}

base::Result<void> route_service_cidr(const std::string& cidr) {
  bool v6 = cidr.find(':') != std::string::npos;
  if (v6 && !node::has_ipv6()) return {};
  size_t slash = cidr.find('/');
  TRY(auto netlink, sys::Netlink::open());
  TRY(int eth0, netlink.link_index(kNodeLink));
  sys::Netlink::Route route;
  route.destination = cidr.substr(0, slash);
  route.prefix = slash == std::string::npos ? (v6 ? 128 : 32) : std::stoi(cidr.substr(slash + 1));
  route.index = eth0;
  return netlink.replace_route(route);
}

}  // namespace main_
