#include "node/node_status.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace node {
namespace {

constexpr int64_t kMemoryReserve = int64_t{100} << 20;

void add_condition(std::vector<api::NodeCondition>& list, const api::Node* old, base::Time now,
                   const std::string& type, bool value, const std::string& reason,
                   const std::string& message) {
  api::NodeCondition condition;
  condition.type = type;
  condition.status = value ? "True" : "False";
  condition.reason = reason;
  condition.message = message;
  condition.last_heartbeat_time = base::format_time(now);
  condition.last_transition_time = condition.last_heartbeat_time;
  if (old != nullptr) {
    for (const auto& before : old->status.conditions) {
      if (before.type == type && before.status == condition.status)
        condition.last_transition_time = before.last_transition_time;
    }
  }
  list.push_back(std::move(condition));
}

}  // namespace

std::map<std::string, std::string> node_capacity(const Config& config, const MachineFacts& facts,
                                                 const Pressure& pressure) {
  return {{"cpu", std::to_string(facts.cpus)},
          {"memory", std::to_string(facts.memory_bytes / 1024) + "Ki"},
          {"ephemeral-storage", std::to_string(pressure.disk_total / 1024) + "Ki"},
          {"pods", std::to_string(config.max_pods)}};
}

api::Node make_node(const Config& config, const NodeInputs& inputs, const api::Node* old) {
  api::Node node;
  if (old != nullptr) node = *old;
  node.metadata.name = config.name;
  const std::string arch = machine_architecture();
  for (const char* prefix : {"kubernetes.io/", "beta.kubernetes.io/"}) {
    node.metadata.labels[std::string(prefix) + "os"] = "linux";
    node.metadata.labels[std::string(prefix) + "arch"] = arch;
  }
  node.metadata.labels["kubernetes.io/hostname"] = config.name;
  if (node.spec.pod_cidr.empty()) {
    node.spec.pod_cidrs = base::split(config.pod_cidr, ',');
    node.spec.pod_cidr = node.spec.pod_cidrs.front();
  }
  auto& status = node.status;
  status.capacity = node_capacity(config, inputs.facts, inputs.pressure);
  status.allocatable = status.capacity;
  status.allocatable["memory"] =
      std::to_string(std::max<int64_t>(inputs.facts.memory_bytes - kMemoryReserve, 0) / 1024) + "Ki";
  status.allocatable["ephemeral-storage"] = std::to_string(inputs.pressure.disk_total / 10 * 9);
  status.addresses.clear();
  for (const auto& ip : config.addresses()) status.addresses.push_back({.type = "InternalIP", .address = ip});
  status.addresses.push_back({.type = "Hostname", .address = config.name});
  api::NodeSystemInfo system;
  system.machine_id = inputs.facts.machine_id;
  system.system_uuid = inputs.facts.system_uuid;
  system.boot_id = inputs.facts.boot_id;
  system.kernel_version = inputs.facts.kernel_version;
  system.os_image = inputs.facts.os_image;
  system.container_runtime_version = inputs.runtime_version;
  system.kubelet_version = kKubeletVersion;
  system.operating_system = "linux";
  system.architecture = arch;
  status.node_info = system;
  status.images.clear();
  for (const auto& image : inputs.images) {
    api::ContainerImage shown;
    shown.names = {image.name};
    shown.size_bytes = image.size;
    status.images.push_back(std::move(shown));
  }
  const auto& p = inputs.pressure;
  const bool memory = p.memory_total > 0 && p.memory_available < int64_t{100} << 20;
  const bool disk = (p.disk_total > 0 && p.disk_available < p.disk_total / 10) ||
                    (p.inodes_total > 0 && p.inodes_free < p.inodes_total / 20);
  const bool pids = p.max_processes > 0 && p.processes > p.max_processes * 9 / 10;
  std::vector<api::NodeCondition> conditions;
  add_condition(conditions, old, inputs.now, "MemoryPressure", memory,
                memory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
                memory ? "the node has less than 100 MiB of memory available"
                       : "kubelet has sufficient memory available");
  add_condition(
      conditions, old, inputs.now, "DiskPressure", disk,
      disk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
      disk ? "less than 10 % of the disk or 5 % of its inodes are free" : "kubelet has no disk pressure");
  add_condition(
      conditions, old, inputs.now, "PIDPressure", pids,
      pids ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
      pids ? "more than 90 % of the process ids are taken" : "kubelet has sufficient PID available");
  add_condition(conditions, old, inputs.now, "Ready", true, "KubeletReady", inputs.ready_message);
  for (const auto& before : status.conditions) {
    const bool ours = std::any_of(conditions.begin(), conditions.end(),
                                  [&](const auto& c) { return c.type == before.type; });
    if (!ours) conditions.push_back(before);
  }
  status.conditions = std::move(conditions);
  return node;
}

}  // namespace node
