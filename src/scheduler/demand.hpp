// What a pod takes from a node and what a node has: amounts of resources and host ports. Pure values; any thread.
//
// Source: upstream's resource helpers: the larger of all containers together and of the largest init container.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "api/types.hpp"

namespace scheduler {

// Thousandths of a core for "cpu", whole units for all others.
using Amounts = std::map<std::string, int64_t>;

struct HostPort {
  std::string address;  // "0.0.0.0": all
  std::string protocol;
  int64_t port = 0;
  auto operator<=>(const HostPort&) const = default;
};

struct Demand {
  Amounts requests;  // without "pods"
  std::vector<HostPort> ports;
  // For scoring, containers that ask for nothing count as 100m and 200 MB, as upstream counts them.
  int64_t scored_cpu = 0;
  int64_t scored_memory = 0;
};

Demand demand_of(const api::Pod& pod);
Amounts amounts_of(const std::map<std::string, std::string>& quantities);
bool collide(const HostPort& a, const HostPort& b);

}  // namespace scheduler
