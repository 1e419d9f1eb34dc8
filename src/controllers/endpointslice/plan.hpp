// Which EndpointSlices a Service should have, and the smallest set of writes from those that it has. Who decides that a
// pod is a ready endpoint, decides it here. Pure functions; any thread.
//
// Source: upstream's EndpointSlice reconciler: at most 100 endpoints a slice; changed slices are filled up first; slices
// that would go are used again for those that would come.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/types.hpp"
#include "base/time.hpp"
#include "controllers/endpointslice/hints.hpp"

namespace controllers {

using SlicePtr = std::shared_ptr<const api::EndpointSlice>;

constexpr size_t kMaxEndpointsPerSlice = 100;
constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
constexpr std::string_view kSliceManagedByLabel = "endpointslice.kubernetes.io/managed-by";
constexpr std::string_view kSliceManager = "endpointslice-controller.k8s.io";
constexpr std::string_view kHeadlessLabel = "service.kubernetes.io/headless";
constexpr std::string_view kTriggerTimeAnnotation = "endpoints.kubernetes.io/last-change-trigger-time";

// One slice holds endpoints that have the same ports.
using PortsKey = std::vector<std::tuple<std::string, std::string, int64_t, std::string>>;
PortsKey ports_key_of(const std::vector<api::EndpointSlicePort>& ports);

struct SlicePlan {
  std::vector<api::EndpointSlice> create;
  std::vector<api::EndpointSlice> update;
  std::vector<SlicePtr> remove;
  // What the user should hear: a targetPort name that no container has, hints that cannot be.
  struct Warning {
    std::string reason;
    std::string text;
    bool operator==(const Warning&) const = default;
  };
  std::vector<Warning> warnings;
};

// Whether the controller has anything to do with the Service: it selects pods and is no ExternalName.
bool has_managed_endpoints(const api::Service& service);
bool is_headless(const api::Service& service);
// Its endpoints are ready whatever their pods say: publishNotReadyAddresses, or the annotation of its early days.
bool publishes_unready(const api::Service& service);
// As annotations have it: RFC 3339, with fractions of a second only where there are any.
std::string trigger_text(base::Time time);

// `pods`: those that the Service selects. `existing`: its slices that are ours and are not being deleted. A pod whose
// node is unknown is left out, unless the Service wants addresses that are not ready, too. `places`: nodes of the pods; all nodes where
// wants_auto_hints() says so.
SlicePlan plan_slices(const api::Service& service, const std::vector<std::shared_ptr<const api::Pod>>& pods,
                      const std::vector<SlicePtr>& existing, const Places& places);

// The ports of one pod for the Service: names looked up, in the Service's order. A port that the pod does not have is
// left out and, where `missing` is given, named there.
std::vector<api::EndpointSlicePort> resolve_ports(const api::Service& service, const api::Pod& pod,
                                                  std::vector<const api::ServicePort*>* missing = nullptr);

}  // namespace controllers
