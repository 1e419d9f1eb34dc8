#include "server/strategy/strategy.hpp"

namespace server {

Strategies::Strategies() : default_(make_default_strategy()), custom_(make_custom_strategy()) {
  // clang-format off
  add("",                    "services",               make_service_strategy());
  add("",                    "pods",                   make_pod_strategy());
  add("",                    "namespaces",             make_namespace_strategy());
  add("",                    "nodes",                  make_node_strategy());
  add("",                    "replicationcontrollers", make_replication_controller_strategy());
  add("discovery.k8s.io",    "endpointslices",         make_endpointslice_strategy());
  add("apiextensions.k8s.io", "customresourcedefinitions", make_definition_strategy());
  //                                                              create by PUT, DELETE answers the object
  add("",                    "endpoints",              make_plain_strategy(true,  false));
  add("",                    "events",                 make_plain_strategy(true,  false));
  add("coordination.k8s.io", "leases",                 make_plain_strategy(true,  false, false));
  add("",                    "serviceaccounts",        make_plain_strategy(false, true));
  add("",                    "resourcequotas",         make_plain_strategy(false, true));
  // clang-format on
  add_workload_strategies(*this);
  add_platform_strategies(*this);
  add_access_strategies(*this);
  add_address_strategies(*this);
}

void Strategies::add(std::string_view group, std::string_view plural, std::unique_ptr<Strategy> strategy) {
  rows_.push_back({group, plural, std::move(strategy)});
}

const Strategy& Strategies::of(const api::Kind& kind) const {
  for (const auto& row : rows_) {
    if (row.group == kind.group && row.plural == kind.plural) return *row.strategy;
  }
  return *default_;
}

}  // namespace server
