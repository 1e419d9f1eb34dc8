#include "controllers/pod_changes.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "controllers/pods.hpp"

namespace controllers {
namespace {

void trim_containers(std::vector<api::Container>& containers) {
  for (auto& container : containers) {
    api::Container kept;
    kept.name = std::move(container.name);
    kept.ports = std::move(container.ports);
    kept.restart_policy = std::move(container.restart_policy);
    container = std::move(kept);
  }
}

bool same_ips(const std::vector<api::PodIP>& a, const std::vector<api::PodIP>& b) {
  return std::ranges::equal(a, b, {}, &api::PodIP::ip, &api::PodIP::ip);
}

}  // namespace

void trim_pod_for_endpoints(api::Pod& pod) {
  api::PodSpec spec;
  spec.containers = std::move(pod.spec.containers);
  trim_containers(spec.containers);
  spec.init_containers = std::move(pod.spec.init_containers);
  trim_containers(spec.init_containers);
  spec.node_name = std::move(pod.spec.node_name);
  spec.hostname = std::move(pod.spec.hostname);
  spec.subdomain = std::move(pod.spec.subdomain);
  pod.spec = std::move(spec);
  api::PodStatus status;
  status.phase = std::move(pod.status.phase);
  status.pod_ip = std::move(pod.status.pod_ip);
  status.pod_ips = std::move(pod.status.pod_ips);
  status.conditions = std::move(pod.status.conditions);
  std::erase_if(status.conditions, [](const api::PodCondition& condition) { return condition.type != "Ready"; });
  pod.status = std::move(status);
  pod.metadata.annotations.clear();
  pod.metadata.owner_references.clear();
}

bool endpoint_changed(const api::Pod& before, const api::Pod& after) {
  const auto state = [](const api::Pod& pod) {
    return std::tuple(pod.metadata.deletion_timestamp.empty(), is_terminal(pod), is_ready(pod));
  };
  return before.metadata.labels != after.metadata.labels || before.metadata.uid != after.metadata.uid ||
         state(before) != state(after) || before.status.pod_ip != after.status.pod_ip ||
         before.spec.node_name != after.spec.node_name || !same_ips(before.status.pod_ips, after.status.pod_ips);
}

void enqueue_services(const client::Informer<api::Service>& services, client::WorkQueue& queue, const api::Pod* before,
                      const api::Pod* after) {
  const api::Pod* any = after ? after : before;
  if (!any) return;
  for (const auto& service : services.list(any->metadata.namespace_)) {
    const auto& selector = service->spec.selector;
    if (selector.empty()) continue;
    bool concerned = (before && selects(selector, before->metadata.labels)) ||
                     (after && selects(selector, after->metadata.labels));
    if (concerned) queue.add(client::object_key(service->metadata.namespace_, service->metadata.name));
  }
}

bool is_namespace_going(const base::Error& error) {
  if (!error.details) return false;
  return std::ranges::any_of(error.details->causes,
                             [](const base::Cause& cause) { return cause.reason == "NamespaceTerminating"; });
}

}  // namespace controllers
