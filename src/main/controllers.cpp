#include "main/controllers.hpp"

namespace main_ {

std::vector<std::unique_ptr<controllers::Controller>> make_controllers(const ClientFor& client_for,
                                                                       const sys::Clock& clock,
                                                                       const std::string& api_address, int api_port,
                                                                       std::chrono::nanoseconds event_ttl,
                                                                       std::optional<std::vector<base::AddressSpan>> balancer_pool,
                                                                       std::pair<int, int> node_ports) {
  using namespace controllers;
  auto as = [&](const char* name) { return client_for("system:serviceaccount:kube-system:" + std::string(name)); };
  std::vector<std::unique_ptr<Controller>> all;
  all.push_back(make_apiserver_endpoints_controller(as("apiserver-endpoints"), clock, api_address, api_port));
  all.push_back(make_serviceaccount_controller(as("service-account-controller"), clock));
  all.push_back(make_replication_controller(as("replication-controller"), clock));
  all.push_back(make_replicaset_controller(as("replicaset-controller"), clock));
  all.push_back(make_deployment_controller(as("deployment-controller"), clock));
  all.push_back(make_endpointslice_controller(as("endpointslice-controller"), clock));
  all.push_back(make_endpointslicemirroring_controller(as("endpointslicemirroring-controller"), clock));
  all.push_back(make_endpoints_controller(as("endpoint-controller"), clock));
  if (balancer_pool) all.push_back(make_loadbalancer_controller(as("service-controller"), clock, std::move(*balancer_pool)));
  all.push_back(make_servicecidr_controller(as("service-cidrs-controller"), clock, node_ports.first, node_ports.second));
  all.push_back(make_namespace_controller(as("namespace-controller"), clock));
  all.push_back(make_crd_controller(as("crd-finalizer"), clock));
  all.push_back(make_event_ttl_controller(as("event-ttl-controller"), clock, event_ttl));
  all.push_back(make_garbage_collector(as("generic-garbage-collector"), clock));
  return all;
}

}  // namespace main_
