// Deployments and ReplicaSets for the tests of this folder.
#pragma once

#include <memory>
#include <string>

#include "controllers/deployment/sets.hpp"
#include "controllers/make_test.hpp"

namespace controllers {

inline api::Deployment make_deployment(int64_t replicas, const std::string& image = "kubia:v1") {
  api::Deployment deployment;
  deployment.metadata.name = "kubia";
  deployment.metadata.namespace_ = "default";
  deployment.metadata.uid = "uid-deployment";
  deployment.metadata.generation = 3;
  deployment.spec.replicas = replicas;
  deployment.spec.selector.match_labels = {{"app", "kubia"}};
  deployment.spec.template_.metadata.labels = {{"app", "kubia"}};
  auto& container = deployment.spec.template_.spec.containers.emplace_back();
  container.name = "c";
  container.image = image;
  deployment.spec.revision_history_limit = 10;
  deployment.spec.progress_deadline_seconds = 600;
  return deployment;
}

inline void set_limits(api::Deployment& deployment, api::IntOrString surge, api::IntOrString unavailable) {
  auto& strategy = deployment.spec.strategy.emplace();
  strategy.type = "RollingUpdate";
  strategy.rolling_update.emplace();
  strategy.rolling_update->max_surge = std::move(surge);
  strategy.rolling_update->max_unavailable = std::move(unavailable);
}

struct SetShape {
  std::string image = "kubia:v1";
  int64_t size = 0;
  int64_t replicas = -1;  // of the status; -1: all of them
  int64_t available = -1;
  int64_t revision = 1;
  int created = 0;
  int64_t desired = -1;  // annotations; -1: none
  int64_t most = -1;
};

inline api::ReplicaSet make_replica_set(const SetShape& shape) {
  api::ReplicaSet set = make_set(make_deployment(shape.size, shape.image), shape.revision, shape.size, 0);
  set.metadata.uid = "uid-" + set.metadata.name;
  set.metadata.generation = 1;
  set.metadata.creation_timestamp = base::format_time(at_second(shape.created));
  set.status.observed_generation = 1;
  set.status.replicas = shape.replicas < 0 ? shape.size : shape.replicas;
  set.status.available_replicas = shape.available < 0 ? set.status.replicas : shape.available;
  set.status.ready_replicas = set.status.available_replicas;
  set.metadata.annotations.erase(kDesiredReplicas);
  set.metadata.annotations.erase(kMaxReplicas);
  if (shape.desired >= 0) set.metadata.annotations[kDesiredReplicas] = std::to_string(shape.desired);
  if (shape.most >= 0) set.metadata.annotations[kMaxReplicas] = std::to_string(shape.most);
  return set;
}

inline SetPtr share_set(api::ReplicaSet set) {
  return std::make_shared<const api::ReplicaSet>(std::move(set));
}
inline SetPtr set_of(const SetShape& shape) { return share_set(make_replica_set(shape)); }

}  // namespace controllers
