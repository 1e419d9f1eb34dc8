// The EndpointSlices that say the same as hand-made Endpoints of a Service without a selector, and the smallest set of
// writes from those that exist. Pure functions; any thread.
//
// Source: upstream's EndpointSlice mirroring controller (KEP-0752): one slice per family and set of ports.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "api/types.hpp"
#include "controllers/endpointslice/plan.hpp"

namespace controllers {

constexpr size_t kMaxMirroredPerSubset = 1000;
constexpr std::string_view kMirrorManager = "endpointslicemirroring-controller.k8s.io";

struct MirrorPlan {
  std::vector<api::EndpointSlice> create;
  std::vector<api::EndpointSlice> update;
  std::vector<SlicePtr> remove;
  size_t invalid = 0;  // addresses that are none
  size_t skipped = 0;  // addresses above the limit
};

// Whether these Endpoints want to be mirrored (their Service is another question): not with the skip-mirror label or the
// annotation of a leader election.
bool wants_mirror(const api::Endpoints& endpoints);

// `existing`: mirrored slices of that Service.
MirrorPlan plan_mirror(const api::Endpoints& endpoints, const std::vector<SlicePtr>& existing);

}  // namespace controllers
