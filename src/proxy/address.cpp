#include "proxy/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/strings.hpp"

namespace proxy {

std::optional<Address> parse_address(std::string_view text) {
  in_addr raw{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &raw) != 1) return std::nullopt;
  return ntohl(raw.s_addr);
}

std::string format_address(Address a) {
  return fmt::format("{}.{}.{}.{}", a >> 24, (a >> 16) & 255, (a >> 8) & 255, a & 255);
}

std::optional<Network> parse_network(std::string_view text) {
  auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto address = parse_address(text.substr(0, slash));
  auto bits = base::parse_int(text.substr(slash + 1));
  if (!address || !bits || *bits < 0 || *bits > 32) return std::nullopt;
  Address host_part = *bits == 32 ? 0 : (*bits == 0 ? ~0u : (1u << (32 - *bits)) - 1);
  if (*address & host_part) return std::nullopt;
  return Network{*address, static_cast<int>(*bits)};
}

std::string format_network(const Network& network) {
  return fmt::format("{}/{}", format_address(network.address), network.bits);
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
