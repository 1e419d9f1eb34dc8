// What the garbage collector does with one object, once it is known which of its owners still exist. Pure functions;
// any thread.
//
// Source: upstream's garbage collector: attemptToDeleteItem, processDeletingDependentsItem, orphanDependents.
#pragma once

#include <string>
#include <vector>

#include "controllers/garbagecollector/graph.hpp"

namespace controllers {

enum class OwnerState {
  solid,    // exists
  absent,   // is gone: the reference dangles
  waiting,  // is being deleted in the foreground and waits for this dependent
};

struct Collect {
  enum class Action { keep, drop_owners, remove } action = Action::keep;
  std::vector<std::string> drop;  // UIDs of references to take away
  std::string propagation;        // for remove
  // Before it is removed: no reference of it may block its owner any more. Two objects that own each other would wait
  // for each other forever.
  bool unblock = false;
};

// `states` stand beside node.owners; `dependents` are those of the node.
Collect plan_collect(const GraphNode& node, const std::vector<OwnerState>& states,
                     const std::vector<const GraphNode*>& dependents);

// The dependents that a foreground deletion of `owner_uid` still waits for.
std::vector<const GraphNode*> blocking_dependents(const OwnerGraph& graph, const std::string& owner_uid);

}  // namespace controllers
