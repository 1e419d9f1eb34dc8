// Hints: which zones and nodes an endpoint shall serve first, by the Service's trafficDistribution. Pure functions; any
// thread.
//
// Source: KEP-4444 and KEP-3015 (PreferSameZone, PreferSameNode; PreferClose is the first's old name).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "api/types.hpp"

namespace controllers {

// What endpoints need to know of a node.
struct Place {
  std::string zone;
  bool operator==(const Place&) const = default;
};
using Places = std::map<std::string, Place, std::less<>>;  // by node name

Place place_of(const api::Node& node);

// The hints of one endpoint; only ready ones have any.
std::optional<api::EndpointHints> hints_for(const api::Service& service, const api::Endpoint& endpoint);

}  // namespace controllers
