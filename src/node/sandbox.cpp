#include "node/sandbox.hpp"

#include <fcntl.h>

#include <algorithm>

#include "node/layer.hpp"
#include "sys/fs.hpp"
#include "sys/namespaces.hpp"
#include "sys/netlink.hpp"

namespace node {
namespace {

constexpr const char* kGateway = "169.254.1.1";
constexpr const char* kGateway6 = "fe80::1";
constexpr const char* kForward = "/proc/sys/net/ipv4/ip_forward";
constexpr const char* kForward6 = "/proc/sys/net/ipv6/conf/all/forwarding";
constexpr sys::Mac kGatewayMac = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee};

// A locally administered address that follows from the IP.
sys::Mac pod_mac(const std::string& ip) {
  const std::string digest = bytes_digest(ip);
  sys::Mac mac = {0x0a, 0x58, 0, 0, 0, 0};
  for (size_t i = 2; i < mac.size(); ++i) {
    mac[i] = static_cast<uint8_t>(std::stoi(digest.substr(7 + i * 2, 2), nullptr, 16));
  }
  return mac;
}

bool is_v6(const std::string& ip) { return ip.find(':') != std::string::npos; }
int whole(const std::string& ip) { return is_v6(ip) ? 128 : 32; }

// Inside the new namespace, before anybody sees it.
base::Result<void> set_up_inside(const SandboxNetwork& network, int outside) {
  TRY(auto netlink, sys::Netlink::open());
  CHECK_OK(netlink.make_veth("eth0", pod_mac(network.ips.at(0)), network.veth, kGatewayMac, outside));
  TRY(auto loopback, netlink.link_index("lo"));
  CHECK_OK(netlink.set_up(loopback));
  TRY(auto eth0, netlink.link_index("eth0"));
  for (const auto& ip : network.ips) CHECK_OK(netlink.add_address(eth0, ip, whole(ip)));
  CHECK_OK(netlink.set_up(eth0));
  for (const auto& ip : network.ips) {
    const char* gateway = is_v6(ip) ? kGateway6 : kGateway;
    CHECK_OK(netlink.set_neighbour(eth0, gateway, kGatewayMac));
    if (!is_v6(ip)) {
      CHECK_OK(netlink.replace_route(
          {.destination = gateway, .prefix = 32, .gateway = "", .index = eth0, .source = ""}));
    }
    CHECK_OK(netlink.replace_route(
        {.destination = "", .prefix = 0, .gateway = gateway, .index = eth0, .source = "", .onlink = true}));
  }
  return {};
}

base::Result<void> set_up_outside(const SandboxNetwork& network) {
  TRY(auto netlink, sys::Netlink::open());
  TRY(auto index, netlink.link_index(network.veth));
  if (std::ranges::any_of(network.ips, is_v6)) CHECK_OK(netlink.no_link_local(index));
  CHECK_OK(netlink.set_up(index));
  for (const auto& ip : network.ips) {
    CHECK_OK(netlink.set_neighbour(index, ip, pod_mac(network.ips.at(0))));
    auto node_ip = std::ranges::find(network.node_ips, is_v6(ip), is_v6);
    sys::Netlink::Route route{.destination = ip,
                              .prefix = whole(ip),
                              .gateway = "",
                              .index = index,
                              .source = node_ip == network.node_ips.end() ? "" : *node_ip};
    auto added = netlink.replace_route(route);
    if (!added && !route.source.empty()) {
      // The node's address may lie outside of this namespace: then the kernel chooses the source.
      route.source.clear();
      added = netlink.replace_route(route);
    }
    CHECK_OK(added);
  }
  return {};
}

}  // namespace

std::string veth_name(const std::string& pod_uid) {
  std::string name = "veth";
  for (const char c : pod_uid) {
    if (c != '-' && name.size() < 15) name += c;
  }
  return name;
}

base::Result<void> make_sandbox_network(const SandboxNetwork& network) {
  CHECK_OK(remove_sandbox_network(network.netns, network.veth));
  TRY(auto outside, sys::open_file("/proc/thread-self/ns/net", O_RDONLY));
  CHECK_OK(sys::make_netns(network.netns, [&] { return set_up_inside(network, outside.get()); }));
  return set_up_outside(network);
}

base::Result<void> remove_sandbox_network(const std::string& netns, const std::string& veth) {
  TRY(auto netlink, sys::Netlink::open());
  auto link = netlink.delete_link(veth);
  auto removed = sys::remove_netns(netns);
  if (!link) return link;
  return removed;
}

base::Result<void> enable_forwarding() {
  for (const char* file : {kForward, kForward6}) {
    if (file == kForward6 && !has_ipv6()) continue;
    TRY(auto now, sys::read_file(file, 16));
    if (!now.starts_with('1')) CHECK_OK(sys::write_existing(file, "1"));
  }
  return {};
}

bool has_ipv6() {
  for (const char* which : {"all", "default"}) {
    auto disabled = sys::read_file(std::string("/proc/sys/net/ipv6/conf/") + which + "/disable_ipv6", 16);
    if (!disabled || !disabled->starts_with('0')) return false;
  }
  return true;
}

}  // namespace node
