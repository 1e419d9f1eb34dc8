// IPv4 addresses, networks and protocols as the packet path compares them. Values; any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proxy {

using Address = uint32_t;  // host byte order
std::optional<Address> parse_address(std::string_view text);
std::string format_address(Address address);

struct Network {
  Address address = 0;
  int bits = 32;
  bool contains(Address a) const { return bits == 0 || ((a ^ address) >> (32 - bits)) == 0; }
};
std::optional<Network> parse_network(std::string_view text);  // "10.96.0.0/16"; no bits set after the prefix
std::string format_network(const Network& network);

enum class Protocol : uint8_t { icmp = 1, tcp = 6, udp = 17, sctp = 132 };
std::string_view protocol_name(Protocol protocol);                      // "tcp", as nft spells it
std::optional<Protocol> parse_protocol(std::string_view api_name);      // "TCP", "UDP", "SCTP"; "" is TCP

}  // namespace proxy
