// The status of a pod as the API shows it, made from what the agent remembers of its containers. Pure; any
// thread.
//
// Source: the phases and conditions as the kubelet computes them.
#pragma once

#include <map>
#include <string>

#include "api/types.hpp"
#include "base/time.hpp"
#include "node/record.hpp"

namespace node {

struct StatusInputs {
  std::string node_ip;
  std::string second_node_ip;
  std::string runtime;  // "crun": the scheme of container ids
  base::Time now{};
  std::map<std::string, bool> probed_ready;    // containers with a readiness probe
  std::map<std::string, bool> probed_started;  // containers with a startup probe
};

// Parts that others own (PodScheduled, readiness gates, qosClass) are kept from the pod.
api::PodStatus make_pod_status(const api::Pod& pod, const PodRecord& record, const StatusInputs& inputs);
// What is patched into the API: null where a member of the old status has gone.
base::Value status_patch(const api::Pod& pod, const api::PodStatus& status);

bool is_sidecar(const api::Container& container);
// The policy of one container: its own, or the pod's.
std::string restart_policy_of(const api::Pod& pod, const api::Container& container, bool init);

}  // namespace node
