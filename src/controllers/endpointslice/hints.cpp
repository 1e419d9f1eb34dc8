#include "controllers/endpointslice/hints.hpp"

namespace controllers {

Place place_of(const api::Node& node) {
  auto zone = node.metadata.labels.find("topology.kubernetes.io/zone");
  return {.zone = zone == node.metadata.labels.end() ? std::string() : zone->second};
}

std::optional<api::EndpointHints> hints_for(const api::Service& service, const api::Endpoint& endpoint) {
  const auto& wish = service.spec.traffic_distribution;
  bool same_node = wish == "PreferSameNode";
  if (!same_node && wish != "PreferSameZone" && wish != "PreferClose") return std::nullopt;
  if (!endpoint.conditions || !endpoint.conditions->ready.value_or(false)) return std::nullopt;
  api::EndpointHints hints;
  if (!endpoint.zone.empty()) hints.for_zones.emplace_back().name = endpoint.zone;
  if (same_node && !endpoint.node_name.empty()) hints.for_nodes.emplace_back().name = endpoint.node_name;
  if (hints.for_zones.empty() && hints.for_nodes.empty()) return std::nullopt;
  return hints;
}

}  // namespace controllers
