// What each route is in the flat maps of the nftables tables. Pure; any thread.
#pragma once

#include <array>
#include <map>
#include <string>

#include "proxy/nft/render.hpp"

namespace proxy::nft {

// map -> key -> value ("" in a set); by family.
using Elements = std::map<std::string, std::map<std::string, std::string>>;
using BothElements = std::array<Elements, 2>;

inline constexpr std::array kProtocols = {Protocol::tcp, Protocol::udp, Protocol::sctp};
// Slots of the targets for those outside begin here.
inline constexpr size_t kOutsideSlots = 32'768;

std::string way_name(const Way& way);           // of the chain: "pick_3", "stick_2_node_outside"
std::string remember_name(uint32_t seconds, bool node_port);

void add_elements(BothElements& out, const Layout& layout, const ServiceKey& key, const Route& route);
void add_elements(BothElements& out, const NodePortKey& key, const Route& route);

// Whose counts were altered, and whether there were any before.
struct Touched {
  std::map<Way, bool> ways;
  std::map<std::pair<uint32_t, bool>, bool> timeouts;
  std::map<Address, bool> local, answered;
};
// Adds what the route needs to the counts (or takes it off, with by = -1).
void count(Shared& shared, Touched& touched, const ServiceKey& key, const Route& route, int by);
void count(Shared& shared, Touched& touched, const NodePortKey& key, const Route& route, int by);

}  // namespace proxy::nft
