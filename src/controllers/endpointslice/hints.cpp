#include "controllers/endpointslice/hints.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/quantity.hpp"

namespace controllers {
namespace {

constexpr double kOverload = 0.20;

struct Share {
  double wanted = 0;
  int least = 0;
  int have = 0;
};
using Shares = std::map<std::string, Share>;

std::string annotation_of(const api::Service& service) {
  const auto& all = service.metadata.annotations;
  for (const char* name : {"service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"}) {
    if (auto it = all.find(name); it != all.end()) return it->second;
  }
  return "";
}

// The shares of the zones, or why there are none.
std::string find_shares(int endpoints, const Places& places, Shares& shares) {
  int64_t total = 0;
  std::map<std::string, int64_t> cpus;
  for (const auto& [name, place] : places) {
    if (!place.counts) continue;
    if (place.zone.empty() || place.cpu_milli == 0) {
      return "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes";
    }
    cpus[place.zone] += place.cpu_milli;
    total += place.cpu_milli;
  }
  if (cpus.size() < 2) return "Nodes only ready in one zone";
  int zones = static_cast<int>(cpus.size());
  auto counted = [&](std::string_view text) { return fmt::format("{} ({} endpoints, {} zones)", text, endpoints, zones); };
  if (zones > endpoints) return counted("Insufficient number of endpoints");
  int least = 0;
  for (const auto& [zone, cpu] : cpus) {
    Share& share = shares[zone];
    share.wanted = static_cast<double>(cpu) / static_cast<double>(total) * endpoints;
    share.least = static_cast<int>(std::ceil(share.wanted / (1 + kOverload)));
    share.wanted = std::max(share.wanted, static_cast<double>(share.least));
    least += share.least;
  }
  if (least <= endpoints) return "";
  return counted("Unable to allocate minimum required endpoints to each zone without exceeding overload threshold");
}

// From the zone with the most to spare to the one that lacks most; who has no more than its least has nothing to spare.
// False when no zone lacks any, or none can give. Each move makes what is lacking less, so there is an end.
bool move_one(const std::vector<Candidate>& ready, Shares& shares, std::vector<std::string>& zones) {
  auto spare = [](const auto& item) {
    const Share& share = item.second;
    return share.have > share.least ? share.have - share.wanted : -std::numeric_limits<double>::infinity();
  };
  auto to = std::ranges::max_element(shares, {}, [](const auto& item) { return item.second.least - item.second.have; });
  if (to->second.have >= to->second.least) return false;
  auto from = std::ranges::max_element(shares, {}, spare);
  if (from->second.have <= from->second.least) return false;
  size_t chosen = zones.size();
  for (size_t i = 0; i < zones.size(); ++i) {
    if (zones[i] != from->first) continue;
    chosen = i;
    if (ready[i].zone == to->first) break;
  }
  if (chosen == zones.size()) return false;
  zones[chosen] = to->first;
  --from->second.have;
  ++to->second.have;
  return true;
}

}  // namespace

Place place_of(const api::Node& node) {
  Place place;
  const auto& labels = node.metadata.labels;
  if (auto zone = labels.find("topology.kubernetes.io/zone"); zone != labels.end()) place.zone = zone->second;
  if (auto cpu = node.status.allocatable.find("cpu"); cpu != node.status.allocatable.end()) {
    if (auto quantity = base::Quantity::parse(cpu->second)) place.cpu_milli = quantity->milli_value();
  }
  bool ready = std::ranges::any_of(node.status.conditions,
                                   [](const auto& one) { return one.type == "Ready" && one.status == "True"; });
  place.counts = ready && !labels.contains("node-role.kubernetes.io/control-plane") &&
                 !labels.contains("node-role.kubernetes.io/master");
  return place;
}

bool wants_auto_hints(const api::Service& service) {
  std::string mode = annotation_of(service);
  return mode == "Auto" || mode == "auto";
}

std::optional<api::EndpointHints> hints_for(const api::Service& service, const api::Endpoint& endpoint) {
  const auto& wish = service.spec.traffic_distribution;
  bool same_node = wish == "PreferSameNode";
  if (!same_node && wish != "PreferSameZone" && wish != "PreferClose") return std::nullopt;
  bool ready = endpoint.conditions && endpoint.conditions->ready.value_or(false);
  if (!ready || wants_auto_hints(service)) return std::nullopt;
  api::EndpointHints hints;
  if (!endpoint.zone.empty()) hints.for_zones.emplace_back().name = endpoint.zone;
  if (same_node && !endpoint.node_name.empty()) hints.for_nodes.emplace_back().name = endpoint.node_name;
  if (hints.for_zones.empty() && hints.for_nodes.empty()) return std::nullopt;
  return hints;
}

AutoHints plan_auto_hints(const std::vector<Candidate>& ready, const Places& places) {
  AutoHints out;
  Shares shares;
  out.problem = find_shares(static_cast<int>(ready.size()), places, shares);
  if (!out.problem.empty()) return out;
  for (const auto& one : ready) {
    if (one.zone.empty()) return {.zones = {}, .problem = "One or more endpoints do not have a zone specified"};
    // In a zone of which no node counts it serves its own all the same, as upstream has it.
    out.zones.push_back(shares.contains(one.hinted) ? one.hinted : one.zone);
    if (auto share = shares.find(out.zones.back()); share != shares.end()) ++share->second.have;
  }
  while (move_one(ready, shares, out.zones)) {
  }
  return out;
}

}  // namespace controllers
