#include "proxy/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/strings.hpp"

namespace proxy {

namespace {

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool equal_bits(const Address& a, const Address& b, int bits) {
  auto whole = static_cast<size_t>(bits / 8);
  if (std::memcmp(a.bytes.data(), b.bytes.data(), whole) != 0) return false;
  int rest = bits % 8;
  return rest == 0 || ((a.bytes[whole] ^ b.bytes[whole]) >> (8 - rest)) == 0;
}

}  // namespace

Address Address::from_v4(uint32_t host_order) {
  Address a;
  std::copy(kMapped.begin(), kMapped.end(), a.bytes.begin());
  uint32_t wire = htonl(host_order);
  std::memcpy(a.bytes.data() + 12, &wire, 4);
  return a;
}

bool Address::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), bytes.begin()); }

uint32_t Address::v4() const {
  uint32_t wire;
  std::memcpy(&wire, bytes.data() + 12, 4);
  return ntohl(wire);
}

bool Address::is_loopback() const {
  static const Address one = *parse_address("::1");
  return is_v4() ? bytes[12] == 127 : *this == one;
}

bool Address::is_routable() const {
  if (is_loopback()) return false;
  if (is_v4()) return bytes[12] != 0 && bytes[12] < 224 && !(bytes[12] == 169 && bytes[13] == 254);
  return *this != Address{} && bytes[0] != 0xff && !(bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
}

std::optional<Address> parse_address(std::string_view text) {
  std::string copy(text);
  in_addr four{};
  if (inet_pton(AF_INET, copy.c_str(), &four) == 1) return Address::from_v4(ntohl(four.s_addr));
  Address six;
  if (inet_pton(AF_INET6, copy.c_str(), six.bytes.data()) != 1 || six.is_v4()) return std::nullopt;
  return six;
}

std::string format_address(const Address& a) {
  char text[INET6_ADDRSTRLEN];
  if (a.is_v4()) return inet_ntop(AF_INET, a.bytes.data() + 12, text, sizeof text);
  return inet_ntop(AF_INET6, a.bytes.data(), text, sizeof text);
}

Address plus(Address address, uint32_t n) {
  uint64_t carry = n;
  for (size_t i = 16; i-- > 0 && carry;) {
    carry += address.bytes[i];
    address.bytes[i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  return address;
}

bool Network::contains(const Address& a) const {
  if (a.family() != family()) return false;
  return equal_bits(a, address, family() == Family::v4 ? 96 + bits : bits);
}

std::optional<Network> parse_network(std::string_view text) {
  auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto address = parse_address(text.substr(0, slash));
  auto bits = base::parse_int(text.substr(slash + 1));
  if (!address || !bits || *bits < 0 || *bits > (address->is_v4() ? 32 : 128)) return std::nullopt;
  int first_free = static_cast<int>(*bits) + (address->is_v4() ? 96 : 0);
  for (int i = first_free; i < 128; ++i)
    if (address->bytes[static_cast<size_t>(i / 8)] & (0x80 >> (i % 8))) return std::nullopt;
  return Network{*address, static_cast<int>(*bits)};
}

std::string format_network(const Network& network) {
  return fmt::format("{}/{}", format_address(network.address), network.bits);
}

bool contains(const std::vector<Network>& networks, const Address& address) {
  return std::any_of(networks.begin(), networks.end(), [&](const Network& n) { return n.contains(address); });
}

std::vector<Network> without_nested(std::vector<Network> networks) {
  // By address, then by bits: a network stands before all that lie in it.
  std::sort(networks.begin(), networks.end());
  std::vector<Network> out;
  for (const auto& n : networks)
    if (out.empty() || !out.back().contains(n)) out.push_back(n);
  return out;
}

std::string_view protocol_name(Protocol protocol) {
  switch (protocol) {
    case Protocol::icmp: return "icmp";
    case Protocol::tcp: return "tcp";
    case Protocol::udp: return "udp";
    case Protocol::sctp: return "sctp";
  }
  return "unknown";
}

std::optional<Protocol> parse_protocol(std::string_view api_name) {
  if (api_name.empty() || api_name == "TCP") return Protocol::tcp;
  if (api_name == "UDP") return Protocol::udp;
  if (api_name == "SCTP") return Protocol::sctp;
  return std::nullopt;
}

}  // namespace proxy
