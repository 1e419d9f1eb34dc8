// Every controller as main sees it: started once, stopped once, one thread inside. The list is in main/controllers.cpp.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "client/client.hpp"
#include "sys/clock.hpp"

namespace controllers {

class Controller {
 public:
  virtual ~Controller() = default;
  virtual std::string_view name() const = 0;
  virtual void start() = 0;
  virtual void stop() = 0;
};

std::unique_ptr<Controller> make_replication_controller(client::Client client, const sys::Clock& clock);
std::unique_ptr<Controller> make_replicaset_controller(client::Client client, const sys::Clock& clock);
std::unique_ptr<Controller> make_deployment_controller(client::Client client, const sys::Clock& clock);
std::unique_ptr<Controller> make_endpointslice_controller(client::Client client, const sys::Clock& clock);
// Hand-made Endpoints of Services without a selector, as EndpointSlices.
std::unique_ptr<Controller> make_endpointslicemirroring_controller(client::Client client, const sys::Clock& clock);
std::unique_ptr<Controller> make_endpoints_controller(client::Client client, const sys::Clock& clock);
// default/kubernetes: its Endpoints and EndpointSlice follow the API server's address.
std::unique_ptr<Controller> make_apiserver_endpoints_controller(client::Client client, const sys::Clock& clock,
                                                                std::string address, int port);
// Namespace deletion: empties a terminating namespace, then takes its finalizer away.
std::unique_ptr<Controller> make_namespace_controller(client::Client client, const sys::Clock& clock);
// Objects whose owners are gone are deleted (background), and the "orphan" policy honoured.
std::unique_ptr<Controller> make_garbage_collector(client::Client client, const sys::Clock& clock);
// Custom objects go with the definition of their kind.
std::unique_ptr<Controller> make_crd_controller(client::Client client, const sys::Clock& clock);
// Events go a fixed time after their last update.
std::unique_ptr<Controller> make_event_ttl_controller(client::Client client, const sys::Clock& clock,
                                                      std::chrono::nanoseconds ttl);
// Addresses of the pool for Services of type LoadBalancer.
std::unique_ptr<Controller> make_loadbalancer_controller(client::Client client, const sys::Clock& clock,
                                                         std::vector<base::AddressSpan> pool);
// ServiceCIDRs are guarded while they are used; Services and IPAddresses that differ are repaired; node ports beyond the
// range, or of two Services, are told.
std::unique_ptr<Controller> make_servicecidr_controller(client::Client client, const sys::Clock& clock,
                                                        int first_node_port, int last_node_port);
// The ServiceAccount "default" of each namespace.
std::unique_ptr<Controller> make_serviceaccount_controller(client::Client client, const sys::Clock& clock);

}  // namespace controllers
