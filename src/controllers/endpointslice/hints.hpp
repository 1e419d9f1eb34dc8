// Hints: which zones and nodes an endpoint shall serve first, by the Service's trafficDistribution, or by its annotation
// topology-mode in proportion to the zones' CPUs. Pure functions; any thread.
//
// Source: KEP-4444 and KEP-3015 (PreferSameZone, PreferSameNode; PreferClose is the first's old name), KEP-2433 (Auto).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/types.hpp"

namespace controllers {

// What endpoints need to know of a node.
struct Place {
  std::string zone;
  int64_t cpu_milli = 0;
  bool counts = true;  // for the zones' shares: it is ready and has no control plane
  bool operator==(const Place&) const = default;
};
using Places = std::map<std::string, Place, std::less<>>;  // by node name

Place place_of(const api::Node& node);

// The annotation service.kubernetes.io/topology-mode (or its older name) says Auto. It goes before trafficDistribution.
bool wants_auto_hints(const api::Service& service);

// The hints of one endpoint by trafficDistribution; only ready ones have any.
std::optional<api::EndpointHints> hints_for(const api::Service& service, const api::Endpoint& endpoint);

// A ready endpoint: the zone where it is, and the one that its hint named so far.
struct Candidate {
  std::string zone;
  std::string hinted;
};
struct AutoHints {
  std::vector<std::string> zones;  // of each candidate; empty when there is a problem
  std::string problem;             // why there can be no hints, in upstream's words
};
// Each zone gets endpoints for its share of the CPUs, overloaded by 20 % at most, and as few hints change as can be.
// `places`: all nodes.
AutoHints plan_auto_hints(const std::vector<Candidate>& ready, const Places& places);

}  // namespace controllers
