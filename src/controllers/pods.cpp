#include "controllers/pods.hpp"

#include <algorithm>

namespace controllers {

bool selects(const Labels& selector, const Labels& labels) {
  return std::ranges::all_of(selector, [&](const auto& pair) {
    auto it = labels.find(pair.first);
    return it != labels.end() && it->second == pair.second;
  });
}

const api::OwnerReference* controller_of(const api::ObjectMeta& metadata) {
  for (const auto& reference : metadata.owner_references) {
    if (reference.controller.value_or(false)) return &reference;
  }
  return nullptr;
}

api::OwnerReference controlled_by(std::string api_version, std::string kind, const api::ObjectMeta& owner) {
  api::OwnerReference reference;
  reference.api_version = std::move(api_version);
  reference.kind = std::move(kind);
  reference.name = owner.name;
  reference.uid = owner.uid;
  reference.controller = true;
  reference.block_owner_deletion = true;
  return reference;
}

bool is_terminal(const api::Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }

bool is_active(const api::Pod& pod) { return !is_terminal(pod) && pod.metadata.deletion_timestamp.empty(); }

const api::PodCondition* ready_condition(const api::Pod& pod) {
  for (const auto& condition : pod.status.conditions) {
    if (condition.type == "Ready") return &condition;
  }
  return nullptr;
}

bool is_ready(const api::Pod& pod) {
  const auto* condition = ready_condition(pod);
  return condition && condition->status == "True";
}

std::optional<base::Time> available_at(const api::Pod& pod, int64_t min_ready_seconds) {
  if (!is_ready(pod)) return std::nullopt;
  auto since = base::parse_time(ready_condition(pod)->last_transition_time);
  if (min_ready_seconds <= 0) return since.value_or(base::Time{});
  if (!since) return std::nullopt;
  return *since + std::chrono::seconds(min_ready_seconds);
}

namespace {

std::optional<int64_t> find_in(const std::vector<api::ContainerPort>& ports, std::string_view name,
                               std::string_view protocol) {
  for (const auto& port : ports) {
    std::string_view its = port.protocol.empty() ? std::string_view("TCP") : std::string_view(port.protocol);
    if (port.name == name && its == protocol) return port.container_port;
  }
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> find_container_port(const api::Pod& pod, std::string_view name, std::string_view protocol) {
  for (const auto& container : pod.spec.containers) {
    if (auto port = find_in(container.ports, name, protocol)) return port;
  }
  for (const auto& container : pod.spec.init_containers) {
    if (container.restart_policy != "Always") continue;
    if (auto port = find_in(container.ports, name, protocol)) return port;
  }
  return std::nullopt;
}

}  // namespace controllers
