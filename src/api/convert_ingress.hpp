// The Ingress of older manifests (extensions/v1beta1) as networking.k8s.io/v1 and back: backend, serviceName
// and servicePort have other names and places there. Pure functions; any thread.
//
// Source: Kubernetes' conversion of v1beta1 Ingresses; what both forms know survives a round trip.
#pragma once

#include "api/kinds.hpp"
#include "base/value.hpp"

namespace api {

// Whether the two are the old and the new Ingress, in either order.
bool converts_ingress(const Kind& from, const Kind& to);
// The object as one of `to`, members in its order.
base::Value convert_ingress(const Kind& from, const Kind& to, base::Value object);

}  // namespace api
