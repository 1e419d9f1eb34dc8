#include "scheduler/table.hpp"

#include <utility>

namespace scheduler {

std::string controller_uid(const api::Pod& pod) {
  for (const auto& owner : pod.metadata.owner_references) {
    if (owner.controller.value_or(false)) return owner.uid;
  }
  return "";
}

void NodeTable::put_node(std::shared_ptr<const api::Node> node) {
  NodeRow& row = rows_[node->metadata.name];
  row.allocatable = amounts_of(node->status.allocatable.empty() ? node->status.capacity : node->status.allocatable);
  row.node = std::move(node);
}

void NodeTable::remove_node(const std::string& name) {
  auto it = rows_.find(name);
  if (it == rows_.end()) return;
  if (it->second.pods == 0) rows_.erase(it);
  else it->second.node = nullptr;
}

void NodeTable::count(const Placed& pod, int sign) {
  NodeRow& row = rows_[pod.node];
  for (const auto& [name, amount] : pod.demand.requests) row.used[name] += sign * amount;
  row.pods += sign;
  row.scored_cpu += sign * pod.demand.scored_cpu;
  row.scored_memory += sign * pod.demand.scored_memory;
  for (const auto& port : pod.demand.ports) {
    if ((row.ports[port] += sign) <= 0) row.ports.erase(port);
  }
  if (!pod.owner.empty() && (row.by_owner[pod.owner] += sign) <= 0) row.by_owner.erase(pod.owner);
  if (row.pods == 0 && !row.node) rows_.erase(pod.node);
}

void NodeTable::place(const api::Pod& pod, const std::string& node, bool assumed) {
  Placed placed{.node = node, .owner = controller_uid(pod), .demand = demand_of(pod), .assumed = assumed};
  count(placed, 1);
  pods_[pod.metadata.uid] = std::move(placed);
}

void NodeTable::put_pod(const api::Pod& pod) {
  bool finished = pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
  auto it = pods_.find(pod.metadata.uid);
  if (it != pods_.end() && it->second.assumed && pod.spec.node_name.empty() && !finished) return;
  remove_pod(pod.metadata.uid);
  if (!pod.spec.node_name.empty() && !finished) place(pod, pod.spec.node_name, false);
}

void NodeTable::remove_pod(const std::string& uid) {
  auto it = pods_.find(uid);
  if (it == pods_.end()) return;
  Placed placed = std::move(it->second);
  pods_.erase(it);
  count(placed, -1);
}

void NodeTable::assume(const api::Pod& pod, const std::string& node) {
  remove_pod(pod.metadata.uid);
  place(pod, node, true);
}

void NodeTable::forget_assumed(const std::string& uid) {
  auto it = pods_.find(uid);
  if (it != pods_.end() && it->second.assumed) remove_pod(uid);
}

bool NodeTable::is_assumed(const std::string& uid) const {
  auto it = pods_.find(uid);
  return it != pods_.end() && it->second.assumed;
}

}  // namespace scheduler
