#include "controllers/garbagecollector/plan.hpp"

#include <algorithm>

namespace controllers {

Collect plan_collect(const GraphNode& node, const std::vector<OwnerState>& states,
                     const std::vector<const GraphNode*>& dependents) {
  Collect plan;
  // An object that waits for its own dependents goes when they have gone; others that are going need no help.
  if (node.deleting || node.owners.empty()) return plan;
  bool solid = std::ranges::find(states, OwnerState::solid) != states.end();
  bool waiting = std::ranges::find(states, OwnerState::waiting) != states.end();
  if (solid) {
    for (size_t i = 0; i < states.size(); ++i) {
      if (states[i] != OwnerState::solid) plan.drop.push_back(node.owners[i].uid);
    }
    if (!plan.drop.empty()) plan.action = Collect::Action::drop_owners;
    return plan;
  }
  plan.action = Collect::Action::remove;
  if (waiting && !dependents.empty()) {
    plan.propagation = "Foreground";
    plan.unblock = std::ranges::any_of(dependents, [](const GraphNode* one) { return one->deleting && one->foreground; });
  }
  else if (node.orphan) plan.propagation = "Orphan";
  else if (node.foreground) plan.propagation = "Foreground";
  else plan.propagation = "Background";
  return plan;
}

std::vector<const GraphNode*> blocking_dependents(const OwnerGraph& graph, const std::string& owner_uid) {
  auto dependents = graph.dependents_of(owner_uid);
  std::erase_if(dependents, [&](const GraphNode* node) {
    return std::ranges::none_of(node->owners,
                                [&](const Owner& owner) { return owner.uid == owner_uid && owner.blocks; });
  });
  return dependents;
}

}  // namespace controllers
