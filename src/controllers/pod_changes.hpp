// From a changed pod to the Services whose endpoints it may change. The functions are pure but for the queue; they run
// on the pod informer's thread.
#pragma once

#include "api/types.hpp"
#include "base/result.hpp"
#include "client/informer.hpp"
#include "client/workqueue.hpp"

namespace controllers {

// Keeps of a pod what endpoints are made of: labels, ports, addresses, conditions.
void trim_pod_for_endpoints(api::Pod& pod);
// Whether any of that differs.
bool endpoint_changed(const api::Pod& before, const api::Pod& after);
// Adds the keys of all Services that select the pod as it was or as it is (either may be null).
void enqueue_services(const client::Informer<api::Service>& services, client::WorkQueue& queue, const api::Pod* before,
                      const api::Pod* after);
// A create that was refused because the namespace is being deleted: nothing to do any more.
bool is_namespace_going(const base::Error& error);

}  // namespace controllers
