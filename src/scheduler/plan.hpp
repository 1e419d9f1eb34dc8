// On which node a pod should run: filter the nodes that can take it, score those, take the best. Pure functions; any
// thread.
//
// Source: upstream's scheduler plugins: NodeUnschedulable, TaintToleration, NodeAffinity, NodePorts, NodeResourcesFit
// (LeastAllocated), NodeResourcesBalancedAllocation, and spreading by owner. Messages are upstream's.
#pragma once

#include <string>
#include <vector>

#include "scheduler/table.hpp"

namespace scheduler {

struct Decision {
  std::string node;     // "": none fits
  std::string message;  // why not: `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`
};

Decision plan_node(const api::Pod& pod, const NodeTable& table);

// Why the pod cannot run there; empty when it can. Several reasons only for several missing resources.
std::vector<std::string> refusals(const api::Pod& pod, const Demand& demand, const NodeRow& row);

// Higher is better.
double score(const api::Pod& pod, const Demand& demand, const NodeRow& row);

bool matches_term(const api::NodeSelectorTerm& term, const api::Node& node);
bool tolerates(const std::vector<api::Toleration>& tolerations, const api::Taint& taint);

}  // namespace scheduler
