#include "proxy/nft/elements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace proxy::nft {

namespace {

std::string address_and_port(const Address& address, uint16_t port) {
  return fmt::format("{} . {}", format_address(address), port);
}

// What names an endpoint among those of one Service port for as long as it lives, also over a restart of the proxy:
// remembered clients are kept by it. Never 0.
uint32_t endpoint_id(const Endpoint& endpoint) {
  uint64_t x = endpoint.port;
  for (size_t i = 0; i < 16; i += 8) {
    for (size_t j = i; j < i + 8; ++j) x = (x << 8 | x >> 56) ^ endpoint.address.bytes[j];
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    x ^= x >> 31;
  }
  auto id = static_cast<uint32_t>(x ^ (x >> 32));
  return id ? id : 1;
}
// nft spells the scratch register (meta priority) as major:minor.
std::string id_text(uint32_t id) { return fmt::format("{:x}:{:x}", id >> 16, id & 0xffff); }

// Ids of all endpoints of a route; two that hash alike get different ones.
std::map<Endpoint, uint32_t> ids_of(const Route& route) {
  std::set<Endpoint> sorted(route.endpoints.begin(), route.endpoints.end());
  if (route.outside) sorted.insert(route.outside->endpoints.begin(), route.outside->endpoints.end());
  std::set<uint32_t> used;
  std::map<Endpoint, uint32_t> ids;
  for (const auto& e : sorted) {
    uint32_t id = endpoint_id(e);
    while (id == 0 || !used.insert(id).second) ++id;
    ids[e] = id;
  }
  return ids;
}

// Which endpoint each slot has: as many slots as its weight, all divided by what they have in common.
std::vector<size_t> slots_of(const Targets& targets) {
  uint32_t divisor = 0;
  for (const auto& e : targets.endpoints) divisor = std::gcd(divisor, e.weight);
  std::vector<size_t> out;
  for (size_t i = 0; i < targets.endpoints.size(); ++i)
    out.insert(out.end(), targets.endpoints[i].weight / divisor, i);
  if (out.size() < kOutsideSlots) return out;
  out.resize(std::min(targets.endpoints.size(), kOutsideSlots - 1));  // too many for weights
  std::iota(out.begin(), out.end(), size_t{0});
  return out;
}

Way::Draw draw_of(const Route& route) {
  if (route.affinity_seconds > 0) return Way::Draw::sticky;
  if (route.balance == Balance::round_robin) return Way::Draw::turn;
  if (route.balance == Balance::maglev) return Way::Draw::hash;
  return Way::Draw::random;  // nftables counts no connections
}

Way way_of(const Route& route, const Targets& targets, bool outside, bool node_port) {
  return {draw_of(route), outside, node_port, slots_of(targets).size()};
}

std::string verdict_of(const Route& route, const Targets& targets, bool outside, bool node_port) {
  if (!targets.endpoints.empty()) return "goto " + way_name(way_of(route, targets, outside, node_port));
  return targets.drop_when_empty ? "drop" : "goto refuse";
}

struct Names {
  std::string prefix;       // of the maps: "" or "node_"
  std::string full;         // the key with its protocol
  std::string place;        // the key without it
  std::string protocol;
};

void add_targets(Elements& out, const Names& names, const Route& route, const Targets& targets, bool outside) {
  bool sticky = route.affinity_seconds > 0;
  auto slots = slots_of(targets);
  auto ids = sticky ? ids_of(route) : std::map<Endpoint, uint32_t>();
  size_t first = outside ? kOutsideSlots : 0;
  for (size_t slot = 0; slot < slots.size(); ++slot) {
    const auto& e = targets.endpoints[slots[slot]];
    std::string target = address_and_port(e.address, e.port);
    if (!sticky) {
      out[names.protocol + "_" + names.prefix + "endpoints"][fmt::format("{} . {}", first + slot, names.place)] = target;
      continue;
    }
    std::string id = id_text(ids.at(e));
    out[names.prefix + "sticky_slots"][fmt::format("{} . {}", first + slot, names.full)] = id;
    out[names.prefix + "sticky_live"][fmt::format("{} . {}", id, names.full)] =
        "goto " + remember_name(route.affinity_seconds, !names.prefix.empty());
    out[names.protocol + "_" + names.prefix + "sticky"][fmt::format("{} . {}", id, names.place)] = target;
  }
}

void add_route(Elements& out, const Names& names, const Route& route) {
  bool node_port = !names.prefix.empty();
  add_targets(out, names, route, route, false);
  if (!route.outside) return;
  out[names.prefix + "outside"][names.full] = verdict_of(route, *route.outside, true, node_port);
  add_targets(out, names, route, *route.outside, true);
}

template <class Key>
void bump(std::map<Key, int>& counts, std::map<Key, bool>& touched, const Key& key, int by) {
  touched.try_emplace(key, counts.contains(key));
  auto it = counts.try_emplace(key, 0).first;
  it->second += by;
  if (it->second == 0) counts.erase(it);
}

void count_route(Shared& shared, Touched& touched, const Route& route, bool node_port, int by) {
  auto one = [&](const Targets& targets, bool outside) {
    if (targets.endpoints.empty()) return;
    bump(shared.ways, touched.ways, way_of(route, targets, outside, node_port), by);
    if (route.affinity_seconds > 0) bump(shared.timeouts, touched.timeouts, {route.affinity_seconds, node_port}, by);
    for (const auto& e : targets.endpoints)
      if (e.local) bump(shared.local, touched.local, e.address, by);
  };
  one(route, false);
  if (route.outside) one(*route.outside, true);
}

}  // namespace

std::string way_name(const Way& way) {
  static constexpr std::array kDraws = {"pick", "turn", "hash", "stick"};
  return fmt::format("{}_{}{}{}", kDraws[static_cast<size_t>(way.draw)], way.count, way.node_port ? "_node" : "",
                     way.outside ? "_outside" : "");
}

std::string remember_name(uint32_t seconds, bool node_port) {
  return fmt::format("remember_{}{}", seconds, node_port ? "_node" : "");
}

void add_elements(BothElements& both, const Layout& layout, const ServiceKey& key, const Route& route) {
  auto& out = both[static_cast<size_t>(key.address.family())];
  std::string protocol(protocol_name(key.protocol));
  Names names{"", fmt::format("{} . {} . {}", format_address(key.address), protocol, key.port),
              address_and_port(key.address, key.port), protocol};
  bool cluster = route.scope == Scope::cluster_ip;
  // Whatever else goes to the service network is refused there.
  bool refused_anyhow = route.endpoints.empty() && !route.drop_when_empty && contains(layout.networks.services, key.address);
  if (!refused_anyhow) out["services"][names.full] = verdict_of(route, route, false, false);
  add_route(out, names, route);
  if (!cluster) out["masked"][names.full] = route.outside ? "return" : "goto mask_outside";
  else if (!contains(layout.networks.services, key.address)) out["masked"][names.full] = "goto mask_cluster";
  if (route.sources.empty()) return;
  out["guarded"][names.full] = "";
  for (const auto& n : route.sources) out["allowed"][fmt::format("{} . {}", names.full, format_network(n))] = "";
}

void add_elements(BothElements& both, const NodePortKey& key, const Route& route) {
  auto& out = both[static_cast<size_t>(key.family)];
  std::string protocol(protocol_name(key.protocol));
  Names names{"node_", fmt::format("{} . {}", protocol, key.port), std::to_string(key.port), protocol};
  out["node_ports"][names.full] = verdict_of(route, route, false, true);
  add_route(out, names, route);
  out["node_masked"][names.full] = route.outside ? "return" : "goto mask_outside";
}

void count(Shared& shared, Touched& touched, const ServiceKey& key, const Route& route, int by) {
  count_route(shared, touched, route, false, by);
  if (!route.endpoints.empty()) bump(shared.answered, touched.answered, key.address, by);
}
void count(Shared& shared, Touched& touched, const NodePortKey&, const Route& route, int by) {
  count_route(shared, touched, route, true, by);
}

}  // namespace proxy::nft
