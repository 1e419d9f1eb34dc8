// `kubectl describe` of what keeps pods: replication controllers, replica sets, deployments.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "api/meta.hpp"
#include "base/strings.hpp"
#include "cli/describe_kinds.hpp"
#include "cli/describe_parts.hpp"

namespace cli {
namespace {

using base::Array;
using base::Value;

void put_conditions(Page& page, const Value& object) {
  const Array& conditions = object["status"]["conditions"].as_array();
  if (!conditions.empty()) page.line(0, "Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------");
  for (const Value& one : conditions) {
    page.line(
        1, fmt::format("{} \t{}\t{}", text_of(one["type"]), text_of(one["status"]), text_of(one["reason"])));
  }
}

std::string phases_text(const Value& controller, const Array& pods) {
  int running = 0, waiting = 0, succeeded = 0, failed = 0;
  for (const Value& pod : pods) {
    if (api::controller_of(pod)["uid"].as_string() != api::uid_of(controller)) continue;
    auto phase = pod["status"]["phase"].as_string();
    running += phase == "Running";
    waiting += phase == "Pending";
    succeeded += phase == "Succeeded";
    failed += phase == "Failed";
  }
  return fmt::format("{} Running / {} Waiting / {} Succeeded / {} Failed", running, waiting, succeeded,
                     failed);
}

std::string describe_keeper(const Value& object, const std::string& selector, const std::string& owner,
                            const Array& pods, const Array* events, base::Time now) {
  Page page;
  put_name(page, object);
  page.field(0, "Selector", selector);
  put_labels(page, "Labels", api::labels_of(object));
  put_annotations(page, "Annotations", api::annotations_of(object));
  if (!owner.empty()) page.field(0, "Controlled By", owner);
  page.field(0, "Replicas",
             fmt::format("{} current / {} desired", object["status"]["replicas"].int_or(0),
                         object["spec"]["replicas"].int_or(0)));
  page.field(0, "Pods Status", phases_text(object, pods));
  put_pod_template(page, object["spec"]["template"]);
  put_conditions(page, object);
  put_events(page, events, now);
  return page.text();
}

// Without the label that the controller adds.
Value template_of(const Value& set) {
  Value pod_template = set.at({"spec", "template"});
  if (auto* metadata = pod_template.object().find("metadata"); metadata && metadata->is_object()) {
    if (auto* labels = metadata->object().find("labels"); labels && labels->is_object())
      labels->object().erase("pod-template-hash");
  }
  return pod_template;
}

std::string sets_text(const std::vector<const Value*>& sets) {
  std::vector<std::string> texts;
  for (const Value* set : sets) {
    texts.push_back(fmt::format("{} ({}/{} replicas created)", api::name_of(*set),
                                (*set)["status"]["replicas"].int_or(0),
                                (*set)["spec"]["replicas"].int_or(0)));
  }
  return texts.empty() ? "<none>" : base::join(texts, ", ");
}

void put_sets(Page& page, const Value& deployment, const Array& all) {
  std::vector<const Value*> sets;
  for (const Value& set : all) {
    if (api::controller_of(set)["uid"].as_string() == api::uid_of(deployment)) sets.push_back(&set);
  }
  std::ranges::sort(sets, {}, [](const Value* set) {
    return std::tuple(api::creation_timestamp_of(*set), api::name_of(*set));
  });
  auto current = std::ranges::find_if(
      sets, [&](const Value* set) { return template_of(*set) == deployment.at({"spec", "template"}); });
  std::vector<const Value*> newest;
  if (current != sets.end()) {
    newest.push_back(*current);
    sets.erase(current);
  }
  page.field(0, "OldReplicaSets", sets_text(sets));
  page.field(0, "NewReplicaSet", sets_text(newest));
}

}  // namespace

std::string describe_replication_controller(const Value& controller, const Array& pods, const Array* events,
                                            base::Time now) {
  return describe_keeper(controller, labels_text(controller["spec"]["selector"]), "", pods, events, now);
}

std::string describe_replica_set(const Value& set, const Array& pods, const Array* events, base::Time now) {
  return describe_keeper(set, selector_text(set["spec"]["selector"]), controller_text(set), pods, events,
                         now);
}

std::string describe_deployment(const Value& deployment, const Array& sets, const Array* events,
                                base::Time now) {
  Page page;
  const Value& spec = deployment["spec"];
  const Value& status = deployment["status"];
  put_name(page, deployment);
  page.field(0, "CreationTimestamp", local_time(deployment["metadata"]["creationTimestamp"]));
  put_labels(page, "Labels", api::labels_of(deployment));
  put_annotations(page, "Annotations", api::annotations_of(deployment));
  page.field(0, "Selector", selector_text(spec["selector"]));
  page.field(0, "Replicas",
             fmt::format("{} desired | {} updated | {} total | {} available | {} unavailable",
                         spec["replicas"].int_or(0), status["updatedReplicas"].int_or(0),
                         status["replicas"].int_or(0), status["availableReplicas"].int_or(0),
                         status["unavailableReplicas"].int_or(0)));
  page.field(0, "StrategyType", text_of(spec["strategy"]["type"]));
  page.field(0, "MinReadySeconds", spec["minReadySeconds"].int_or(0));
  if (const Value& rolling = spec["strategy"]["rollingUpdate"]; rolling.is_object()) {
    page.field(0, "RollingUpdateStrategy",
               fmt::format("{} max unavailable, {} max surge", text_of(rolling["maxUnavailable"]),
                           text_of(rolling["maxSurge"])));
  }
  put_pod_template(page, spec["template"]);
  put_conditions(page, deployment);
  put_sets(page, deployment, sets);
  put_events(page, events, now);
  return page.text();
}

}  // namespace cli
