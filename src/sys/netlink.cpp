#include "sys/netlink.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>

namespace sys {
namespace {

constexpr size_t kBufferSize = 8192;

struct Message {
  alignas(nlmsghdr) char bytes[kBufferSize] = {};
  nlmsghdr* header = mnl_nlmsg_put_header(bytes);

  Message(uint16_t type, uint16_t flags) {
    header->nlmsg_type = type;
    header->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  }
  template <class T>
  T* extra() {
    return static_cast<T*>(mnl_nlmsg_put_extra_header(header, sizeof(T)));
  }
};

// An address of either family, as the kernel reads it.
struct Ip {
  unsigned char family = AF_INET;
  size_t size = sizeof(in_addr);
  unsigned char bytes[sizeof(in6_addr)] = {};
};

base::Result<Ip> parse_ip(const std::string& text) {
  Ip ip;
  if (::inet_pton(AF_INET, text.c_str(), ip.bytes) == 1) return ip;
  if (::inet_pton(AF_INET6, text.c_str(), ip.bytes) != 1) {
    return base::fail(base::Reason::invalid, "\"" + text + "\" is no IP address");
  }
  ip.family = AF_INET6;
  ip.size = sizeof(in6_addr);
  return ip;
}

void put_ip(nlmsghdr* header, uint16_t attribute, const Ip& ip) { mnl_attr_put(header, attribute, ip.size, ip.bytes); }

}  // namespace

void CloseNetlink::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

base::Result<NetlinkSocket> open_netlink(int family, const std::string& what) {
  NetlinkSocket socket(mnl_socket_open2(family, SOCK_CLOEXEC));
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
    return std::unexpected(base::errno_error("open a netlink socket for " + what, errno));
  return socket;
}

Netlink::Netlink(NetlinkSocket socket) : socket_(std::move(socket)) {}
Netlink::Netlink(Netlink&&) noexcept = default;
Netlink& Netlink::operator=(Netlink&&) noexcept = default;
Netlink::~Netlink() = default;

base::Result<Netlink> Netlink::open() {
  TRY(auto socket, open_netlink(NETLINK_ROUTE, "links and routes"));
  return Netlink(std::move(socket));
}

base::Result<void> Netlink::talk(nlmsghdr* message, const std::string& what) {
  message->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0) {
    return std::unexpected(base::errno_error(what, errno));
  }
  char buffer[kBufferSize];
  const unsigned port = mnl_socket_get_portid(socket_.get());
  for (;;) {
    const ssize_t n = mnl_socket_recvfrom(socket_.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(base::errno_error(what, errno));
    const int state = mnl_cb_run(buffer, static_cast<size_t>(n), sequence_, port, nullptr, nullptr);
    if (state < 0) return std::unexpected(base::errno_error(what, errno));
    if (state == MNL_CB_STOP) return {};
  }
}

base::Result<int> Netlink::link_index(const std::string& name) {
  const unsigned index = ::if_nametoindex(name.c_str());
  if (index == 0) return std::unexpected(base::errno_error("link " + name, errno == ENODEV ? ENOENT : errno));
  return static_cast<int>(index);
}

base::Result<void> Netlink::make_veth(const std::string& name, const Mac& mac, const std::string& peer_name,
                                      const Mac& peer_mac, int peer_netns, int mtu) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  auto* link = message.extra<ifinfomsg>();
  link->ifi_family = AF_UNSPEC;
  nlmsghdr* header = message.header;
  mnl_attr_put_strz(header, IFLA_IFNAME, name.c_str());
  mnl_attr_put(header, IFLA_ADDRESS, mac.size(), mac.data());
  if (mtu > 0) mnl_attr_put_u32(header, IFLA_MTU, static_cast<uint32_t>(mtu));
  nlattr* info = mnl_attr_nest_start(header, IFLA_LINKINFO);
  mnl_attr_put_str(header, IFLA_INFO_KIND, "veth");
  nlattr* data = mnl_attr_nest_start(header, IFLA_INFO_DATA);
  nlattr* peer = mnl_attr_nest_start(header, VETH_INFO_PEER);
  message.extra<ifinfomsg>();
  mnl_attr_put_strz(header, IFLA_IFNAME, peer_name.c_str());
  mnl_attr_put(header, IFLA_ADDRESS, peer_mac.size(), peer_mac.data());
  if (mtu > 0) mnl_attr_put_u32(header, IFLA_MTU, static_cast<uint32_t>(mtu));
  mnl_attr_put_u32(header, IFLA_NET_NS_FD, static_cast<uint32_t>(peer_netns));
  mnl_attr_nest_end(header, peer);
  mnl_attr_nest_end(header, data);
  mnl_attr_nest_end(header, info);
  return talk(header, "make veth " + name);
}

base::Result<void> Netlink::delete_link(const std::string& name) {
  auto index = link_index(name);
  if (!index) {
    if (index.error().reason == base::Reason::not_found) return {};
    return std::unexpected(index.error());
  }
  Message message(RTM_DELLINK, 0);
  auto* link = message.extra<ifinfomsg>();
  link->ifi_family = AF_UNSPEC;
  link->ifi_index = *index;
  return talk(message.header, "delete link " + name);
}

base::Result<void> Netlink::set_up(int index) {
  Message message(RTM_NEWLINK, 0);
  auto* link = message.extra<ifinfomsg>();
  link->ifi_family = AF_UNSPEC;
  link->ifi_index = index;
  link->ifi_flags = IFF_UP;
  link->ifi_change = IFF_UP;
  return talk(message.header, "set link " + std::to_string(index) + " up");
}

base::Result<void> Netlink::no_link_local(int index) {
  Message message(RTM_SETLINK, 0);
  auto* link = message.extra<ifinfomsg>();
  link->ifi_family = AF_UNSPEC;
  link->ifi_index = index;
  nlattr* families = mnl_attr_nest_start(message.header, IFLA_AF_SPEC);
  nlattr* six = mnl_attr_nest_start(message.header, AF_INET6);
  mnl_attr_put_u8(message.header, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  mnl_attr_nest_end(message.header, six);
  mnl_attr_nest_end(message.header, families);
  return talk(message.header, "no link-local address on link " + std::to_string(index));
}

base::Result<void> Netlink::add_address(int index, const std::string& ip, int prefix) {
  TRY(auto address, parse_ip(ip));
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  auto* info = message.extra<ifaddrmsg>();
  info->ifa_family = address.family;
  info->ifa_prefixlen = static_cast<uint8_t>(prefix);
  info->ifa_scope = RT_SCOPE_UNIVERSE;
  info->ifa_index = static_cast<uint32_t>(index);
  put_ip(message.header, IFA_LOCAL, address);
  put_ip(message.header, IFA_ADDRESS, address);
  // Usable at once: duplicate address detection would take a second, and nobody else gives out these addresses.
  if (address.family == AF_INET6) mnl_attr_put_u32(message.header, IFA_FLAGS, IFA_F_NODAD | IFA_F_PERMANENT);
  return talk(message.header, "add address " + ip);
}

base::Result<void> Netlink::remove_address(int index, const std::string& ip, int prefix) {
  TRY(auto address, parse_ip(ip));
  Message message(RTM_DELADDR, 0);
  auto* info = message.extra<ifaddrmsg>();
  info->ifa_family = address.family;
  info->ifa_prefixlen = static_cast<uint8_t>(prefix);
  info->ifa_index = static_cast<uint32_t>(index);
  put_ip(message.header, IFA_LOCAL, address);
  return talk(message.header, "remove address " + ip);
}

base::Result<void> Netlink::replace_route(const Route& route) {
  TRY(auto family_of, parse_ip(!route.destination.empty() ? route.destination
                               : route.gateway.empty()    ? "0.0.0.0"
                                                          : route.gateway));
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  auto* info = message.extra<rtmsg>();
  info->rtm_family = family_of.family;
  info->rtm_dst_len = static_cast<uint8_t>(route.prefix);
  info->rtm_table = RT_TABLE_MAIN;
  info->rtm_protocol = RTPROT_STATIC;
  bool on_link = route.gateway.empty() && family_of.family == AF_INET;
  info->rtm_scope = on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  info->rtm_type = RTN_UNICAST;
  if (route.onlink) info->rtm_flags = RTNH_F_ONLINK;
  if (!route.destination.empty()) put_ip(message.header, RTA_DST, family_of);
  if (!route.gateway.empty()) {
    TRY(auto gateway, parse_ip(route.gateway));
    put_ip(message.header, RTA_GATEWAY, gateway);
  }
  if (!route.source.empty()) {
    TRY(auto source, parse_ip(route.source));
    put_ip(message.header, RTA_PREFSRC, source);
  }
  mnl_attr_put_u32(message.header, RTA_OIF, static_cast<uint32_t>(route.index));
  return talk(message.header, "add route to " + (route.destination.empty() ? "anywhere" : route.destination));
}

base::Result<void> Netlink::set_neighbour(int index, const std::string& ip, const Mac& mac) {
  TRY(auto address, parse_ip(ip));
  Message message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  auto* info = message.extra<ndmsg>();
  info->ndm_family = address.family;
  info->ndm_ifindex = index;
  info->ndm_state = NUD_PERMANENT;
  put_ip(message.header, NDA_DST, address);
  mnl_attr_put(message.header, NDA_LLADDR, mac.size(), mac.data());
  return talk(message.header, "set neighbour " + ip);
}

base::Result<void> Netlink::set_proxied(int index, const std::string& ip, bool proxied) {
  TRY(auto address, parse_ip(ip));
  Message message(proxied ? RTM_NEWNEIGH : RTM_DELNEIGH, proxied ? NLM_F_CREATE | NLM_F_REPLACE : 0);
  auto* info = message.extra<ndmsg>();
  info->ndm_family = address.family;
  info->ndm_ifindex = index;
  info->ndm_state = NUD_PERMANENT;
  info->ndm_flags = NTF_PROXY;
  put_ip(message.header, NDA_DST, address);
  auto done = talk(message.header, (proxied ? "answer for " : "no longer answer for ") + ip);
  if (!done && !proxied && done.error().reason == base::Reason::not_found) return {};
  return done;
}

}  // namespace sys
