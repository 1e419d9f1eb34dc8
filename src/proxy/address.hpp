// Addresses of both families, networks and protocols as the packet path compares them. Values; any thread.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy {

enum class Family : uint8_t { v4, v6 };

// 16 bytes as on the wire; IPv4 is ::ffff:a.b.c.d, as sockets of both families see it.
struct Address {
  std::array<uint8_t, 16> bytes{};

  static Address from_v4(uint32_t host_order);
  bool is_v4() const;
  uint32_t v4() const;  // host byte order; only where is_v4()
  Family family() const { return is_v4() ? Family::v4 : Family::v6; }
  bool is_loopback() const;
  // One that can be somebody's: not loopback, link-local, multicast or unspecified.
  bool is_routable() const;
  auto operator<=>(const Address&) const = default;
};
std::optional<Address> parse_address(std::string_view text);  // not "::ffff:1.2.3.4": that is two names for one
std::string format_address(const Address& address);
Address plus(Address address, uint32_t n);  // the n-th after it

struct Network {
  Address address;
  int bits = 0;  // of its own family: at most 32 or 128
  Family family() const { return address.family(); }
  bool contains(const Address& a) const;
  bool contains(const Network& n) const { return n.bits >= bits && contains(n.address); }
  auto operator<=>(const Network&) const = default;
};
std::optional<Network> parse_network(std::string_view text);  // "10.96.0.0/16"; no bits set after the prefix
std::string format_network(const Network& network);
bool contains(const std::vector<Network>& networks, const Address& address);
// Without those that lie in another one, sorted.
std::vector<Network> without_nested(std::vector<Network> networks);

enum class Protocol : uint8_t { icmp = 1, tcp = 6, udp = 17, sctp = 132 };  // icmp: of either family
std::string_view protocol_name(Protocol protocol);                  // "tcp", as nft spells it
std::optional<Protocol> parse_protocol(std::string_view api_name);  // "TCP", "UDP", "SCTP"; "" is TCP

}  // namespace proxy
