// The Endpoints object of a Service: the older form of its EndpointSlices. Pure functions; any thread.
//
// Source: upstream's endpoints controller and RepackSubsets: ports that share the same addresses share one subset.
#pragma once

#include <memory>
#include <vector>

#include "api/types.hpp"

namespace controllers {

constexpr size_t kMaxAddresses = 1000;

// The object with its labels, annotations and subsets, on top of `before` (null: a new one).
api::Endpoints plan_endpoints(const api::Service& service, const std::vector<std::shared_ptr<const api::Pod>>& pods,
                              const api::Endpoints* before);

// Subsets that say the same with the fewest of them, in a fixed order.
std::vector<api::EndpointSubset> repack_subsets(const std::vector<api::EndpointSubset>& subsets);

// Cuts to 1000 addresses, ready ones first, evenly over the subsets. True when something was cut.
bool truncate_subsets(std::vector<api::EndpointSubset>& subsets);

// Whether a write is needed to get from one to the other.
bool same_endpoints(const api::Endpoints& a, const api::Endpoints& b);

}  // namespace controllers
