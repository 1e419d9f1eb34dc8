// Every node with what its pods take, kept up to date pod by pod, so that a decision looks at nodes only. A plain value
// of one thread; the scheduler guards it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "scheduler/demand.hpp"

namespace scheduler {

struct NodeRow {
  std::shared_ptr<const api::Node> node;  // null: pods are bound to a node that is not known (any more)
  Amounts allocatable;
  Amounts used;
  int64_t pods = 0;
  int64_t scored_cpu = 0;
  int64_t scored_memory = 0;
  std::map<HostPort, int> ports;          // with how often each is taken
  std::map<std::string, int> by_owner;    // pods of one controller: owner's UID -> count
};

class NodeTable {
 public:
  void put_node(std::shared_ptr<const api::Node> node);
  void remove_node(const std::string& name);
  // A pod as the API has it: counted when it is bound and not finished.
  void put_pod(const api::Pod& pod);
  void remove_pod(const std::string& uid);
  // Counts a pod on the node to which it is about to be bound. Until the API has it bound or deleted, older news of
  // the pod do not undo that.
  void assume(const api::Pod& pod, const std::string& node);
  void forget_assumed(const std::string& uid);
  bool is_assumed(const std::string& uid) const;

  const std::map<std::string, NodeRow>& rows() const { return rows_; }

 private:
  struct Placed {
    std::string node;
    std::string owner;
    Demand demand;
    bool assumed = false;
  };
  void count(const Placed& pod, int sign);
  void place(const api::Pod& pod, const std::string& node, bool assumed);

  std::map<std::string, NodeRow> rows_;
  std::map<std::string, Placed> pods_;  // by UID
};

// The UID of the pod's controller, or "".
std::string controller_uid(const api::Pod& pod);

}  // namespace scheduler
