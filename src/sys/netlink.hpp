// Links, addresses, routes and neighbours of both families by rtnetlink. Every call acts on the network namespace of the
// calling thread (see inside_netns); a Netlink has one owner.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"

struct mnl_socket;
struct nlmsghdr;

namespace sys {

struct CloseNetlink {
  void operator()(mnl_socket* socket) const;
};
using NetlinkSocket = std::unique_ptr<mnl_socket, CloseNetlink>;
// A bound socket of that family (NETLINK_ROUTE, ...). `what` it is for, should it fail.
base::Result<NetlinkSocket> open_netlink(int family, const std::string& what);

using Mac = std::array<uint8_t, 6>;

class Netlink {
 public:
  static base::Result<Netlink> open();
  Netlink(Netlink&&) noexcept;
  Netlink& operator=(Netlink&&) noexcept;
  ~Netlink();

  // The index of that link; not_found.
  base::Result<int> link_index(const std::string& name);
  // A veth pair: `name` here, `peer_name` in the other namespace.
  base::Result<void> make_veth(const std::string& name, const Mac& mac, const std::string& peer_name,
                               const Mac& peer_mac, int peer_netns, int mtu = 0);
  base::Result<void> delete_link(const std::string& name);  // nothing there: fine
  base::Result<void> set_up(int index);
  // No fe80:: address when it comes up, and so no packets of its own accord. Before set_up; an error without IPv6.
  base::Result<void> no_link_local(int index);
  // IPv6 addresses are usable at once: without duplicate address detection.
  base::Result<void> add_address(int index, const std::string& ip, int prefix);
  base::Result<void> remove_address(int index, const std::string& ip, int prefix);
  struct Route {
    std::string destination;  // "" is the default route
    int prefix = 0;
    std::string gateway;  // "" is a route on the link
    int index = 0;
    std::string source;  // preferred source address, may be ""
    bool onlink = false;
  };
  base::Result<void> replace_route(const Route& route);
  base::Result<void> set_neighbour(int index, const std::string& ip, const Mac& mac);  // permanent
  // Whether the link answers for the address as if it had it (the link's proxy_ndp switch must be on for IPv6).
  base::Result<void> set_proxied(int index, const std::string& ip, bool proxied);

 private:
  explicit Netlink(NetlinkSocket socket);
  base::Result<void> talk(nlmsghdr* message, const std::string& what);

  NetlinkSocket socket_;
  uint32_t sequence_ = 0;
};

}  // namespace sys
