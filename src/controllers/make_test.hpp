// Objects for the tests of this folder, with the few members that they are about.
#pragma once

#include <memory>
#include <string>

#include "api/types.hpp"
#include "base/time.hpp"

namespace controllers {

inline base::Time at_second(int second) { return base::Time(std::chrono::seconds(1'700'000'000 + second)); }

struct PodShape {
  std::string name = "p";
  std::string ip = "10.244.0.1";
  bool ready = true;
  int ready_since = 0;
  std::string phase = "Running";
  std::string node = "n1";
  std::map<std::string, std::string> labels = {{"app", "kubia"}};
  bool deleting = false;
  std::string owner_uid = "";
};

inline api::Pod make(const PodShape& shape) {
  api::Pod pod;
  pod.metadata.name = shape.name;
  pod.metadata.namespace_ = "default";
  pod.metadata.uid = "uid-" + shape.name;
  pod.metadata.labels = shape.labels;
  pod.metadata.creation_timestamp = base::format_time(at_second(0));
  if (shape.deleting) pod.metadata.deletion_timestamp = base::format_time(at_second(0));
  pod.spec.node_name = shape.node;
  pod.status.phase = shape.phase;
  pod.status.pod_ip = shape.ip;
  if (!shape.ip.empty()) {
    api::PodIP ip;
    ip.ip = shape.ip;
    pod.status.pod_ips.push_back(ip);
  }
  api::PodCondition ready;
  ready.type = "Ready";
  ready.status = shape.ready ? "True" : "False";
  ready.last_transition_time = base::format_time(at_second(shape.ready_since));
  pod.status.conditions.push_back(ready);
  if (!shape.owner_uid.empty()) {
    api::OwnerReference owner;
    owner.api_version = "v1";
    owner.kind = "ReplicationController";
    owner.name = "kubia";
    owner.uid = shape.owner_uid;
    owner.controller = true;
    pod.metadata.owner_references.push_back(owner);
  }
  return pod;
}

inline std::shared_ptr<const api::Pod> share(api::Pod pod) { return std::make_shared<const api::Pod>(std::move(pod)); }
inline std::shared_ptr<const api::Pod> pod_of(const PodShape& shape) { return share(make(shape)); }

inline void add_port(api::Pod& pod, const std::string& name, int64_t number, const std::string& protocol = "TCP") {
  if (pod.spec.containers.empty()) pod.spec.containers.emplace_back();
  api::ContainerPort port;
  port.name = name;
  port.container_port = number;
  port.protocol = protocol;
  pod.spec.containers.front().ports.push_back(port);
}

inline api::Service make_service(const std::string& name = "kubia") {
  api::Service service;
  service.metadata.name = name;
  service.metadata.namespace_ = "default";
  service.metadata.uid = "uid-svc-" + name;
  service.metadata.creation_timestamp = base::format_time(at_second(0));
  service.spec.type = "ClusterIP";
  service.spec.cluster_ip = "10.96.0.7";
  service.spec.ip_families = {"IPv4"};
  service.spec.selector = {{"app", "kubia"}};
  api::ServicePort port;
  port.port = 80;
  port.protocol = "TCP";
  port.target_port = api::IntOrString(8080);
  service.spec.ports.push_back(port);
  return service;
}

}  // namespace controllers
