// Rules for the kinds of apps, and the table of this part.
#include "api/validate_workloads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/matchers.hpp"
#include "api/meta.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr std::string_view kPercentForm =
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')";
constexpr std::string_view kStatefulSetMayChange =
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

std::optional<int64_t> percent_of(const Value& value) {
  std::string_view text = value.as_string();
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  return base::parse_int(text);
}

// Pods of a controller run for ever.
void check_always(Problems& out, const Value& pods, const std::string& path, std::string_view kind) {
  const Value& policy = pods["spec"]["restartPolicy"];
  if (!policy.is_null() && policy.as_string() != "Always")
    out.unsupported(child(path, "spec.restartPolicy"), policy, {"Always"});
  if (!pods["spec"]["activeDeadlineSeconds"].is_null())
    out.forbidden(child(path, "spec.activeDeadlineSeconds"),
                  fmt::format("activeDeadlineSeconds in {} is not Supported", kind));
}

void check_not_above(Problems& out, const Value& status, const char* member, const char* limit, std::string_view name) {
  if (status[member].int_or(0) > status[limit].int_or(0))
    out.invalid(child("status", member), status[member], fmt::format("cannot be greater than {}", name));
}

void check_collisions(Problems& out, const Value& fresh, const Value& old) {
  const Value &now = fresh["status"]["collisionCount"], &before = old["status"]["collisionCount"];
  if (!before.is_null() && now.int_or(0) < before.int_or(0))
    out.invalid("status.collisionCount", now.int_or(0), std::string("cannot be decremented"));
}

// ---- deployments and replica sets ---------------------------------------------------------------------------------

void check_deployment_strategy(Problems& out, const Value& strategy) {
  const std::string path = "spec.strategy", steps_path = "spec.strategy.rollingUpdate";
  std::string_view type = strategy["type"].as_string();
  const Value& steps = strategy["rollingUpdate"];
  if (type == "Recreate") {
    if (steps.is_object())
      out.forbidden(steps_path, "may not be specified when strategy `type` is 'Recreate'");
    return;
  }
  if (type != "RollingUpdate") return out.unsupported(child(path, "type"), type, {"Recreate", "RollingUpdate"});
  if (!steps.is_object()) return out.required(steps_path, "this should be defaulted and never be nil");
  check_int_or_percent(out, child(steps_path, "maxUnavailable"), steps["maxUnavailable"]);
  check_int_or_percent(out, child(steps_path, "maxSurge"), steps["maxSurge"]);
  if (is_zero_int_or_percent(steps["maxUnavailable"]) && is_zero_int_or_percent(steps["maxSurge"]))
    out.invalid(child(steps_path, "maxUnavailable"), steps["maxUnavailable"],
                std::string("may not be 0 when `maxSurge` is 0"));
  check_not_more_than_100_percent(out, child(steps_path, "maxUnavailable"), steps["maxUnavailable"]);
}

void check_deployment(Problems& out, const Value& object) {
  const Value& spec = object["spec"];
  out.nonnegative("spec.replicas", spec["replicas"]);
  check_template_selector(out, spec, "spec", "deployment");
  check_pod_template(out, spec["template"], "spec.template");
  check_always(out, spec["template"], "spec.template", "ReplicaSet");
  check_deployment_strategy(out, spec["strategy"]);
  out.nonnegative("spec.minReadySeconds", spec["minReadySeconds"]);
  out.nonnegative("spec.revisionHistoryLimit", spec["revisionHistoryLimit"]);
  const Value& deadline = spec["progressDeadlineSeconds"];
  if (deadline.is_null()) return;
  out.nonnegative("spec.progressDeadlineSeconds", deadline);
  if (deadline.int_or(0) <= spec["minReadySeconds"].int_or(0))
    out.invalid("spec.progressDeadlineSeconds", deadline, std::string("must be greater than minReadySeconds"));
}

void check_selector_update(Problems& out, const Value& fresh, const Value& old) {
  out.immutable("spec.selector", fresh["spec"]["selector"], old["spec"]["selector"]);
}

void check_deployment_status(Problems& out, const Value& fresh, const Value& old) {
  const Value& status = fresh["status"];
  check_counts(out, status, {"observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
                             "unavailableReplicas", "terminatingReplicas", "collisionCount"});
  for (const char* member : {"updatedReplicas", "readyReplicas", "availableReplicas"})
    check_not_above(out, status, member, "replicas", "status.replicas");
  check_not_above(out, status, "availableReplicas", "readyReplicas", "readyReplicas");
  check_collisions(out, fresh, old);
}

void check_replica_set(Problems& out, const Value& object) {
  const Value& spec = object["spec"];
  out.nonnegative("spec.replicas", spec["replicas"]);
  out.nonnegative("spec.minReadySeconds", spec["minReadySeconds"]);
  check_template_selector(out, spec, "spec", "deployment");  // upstream's text says so
  check_pod_template(out, spec["template"], "spec.template");
  check_always(out, spec["template"], "spec.template", "ReplicaSet");
}

void check_replica_set_status(Problems& out, const Value& fresh, const Value& /*old*/) {
  const Value& status = fresh["status"];
  check_counts(out, status, {"replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas",
                             "observedGeneration", "terminatingReplicas"});
  for (const char* member : {"fullyLabeledReplicas", "readyReplicas", "availableReplicas"})
    check_not_above(out, status, member, "replicas", "status.replicas");
  check_not_above(out, status, "availableReplicas", "readyReplicas", "readyReplicas");
}

// ---- stateful sets ------------------------------------------------------------------------------------------------

void check_stateful_set_strategy(Problems& out, const Value& strategy) {
  const std::string path = "spec.updateStrategy", steps_path = "spec.updateStrategy.rollingUpdate";
  std::string_view type = strategy["type"].as_string();
  const Value& steps = strategy["rollingUpdate"];
  if (type.empty()) return out.required(path);
  if (type == "OnDelete") {
    if (steps.is_object())
      out.invalid(steps_path, steps, std::string("only allowed for updateStrategy 'RollingUpdate'"));
    return;
  }
  if (type != "RollingUpdate") return out.invalid(path, strategy, std::string("must be 'RollingUpdate' or 'OnDelete'"));
  out.nonnegative(child(steps_path, "partition"), steps["partition"]);
  const Value& missing = steps["maxUnavailable"];
  if (missing.is_null()) return;
  const std::string at = child(steps_path, "maxUnavailable");
  check_int_or_percent(out, at, missing);
  if (is_zero_int_or_percent(missing)) out.invalid(at, missing, std::string("cannot be 0"));
  check_not_more_than_100_percent(out, at, missing);
}

void check_stateful_set(Problems& out, const Value& object) {
  const Value& spec = object["spec"];
  std::string_view management = spec["podManagementPolicy"].as_string();
  if (management.empty()) {
    out.required("spec.podManagementPolicy");
  } else if (management != "OrderedReady" && management != "Parallel") {
    out.invalid("spec.podManagementPolicy", management, std::string("must be 'OrderedReady' or 'Parallel'"));
  }
  check_stateful_set_strategy(out, spec["updateStrategy"]);
  const Value& retention = spec["persistentVolumeClaimRetentionPolicy"];
  for (const char* when : {"whenDeleted", "whenScaled"})
    out.one_of(child("spec.persistentVolumeClaimRetentionPolicy", when), retention[when], {"Retain", "Delete"}, false);
  out.nonnegative("spec.replicas", spec["replicas"]);
  out.nonnegative("spec.minReadySeconds", spec["minReadySeconds"]);
  out.nonnegative("spec.revisionHistoryLimit", spec["revisionHistoryLimit"]);
  out.nonnegative("spec.ordinals.start", spec["ordinals"]["start"]);
  if (std::string_view service = spec["serviceName"].as_string(); !service.empty())
    out.dns_label("spec.serviceName", service);
  check_template_selector(out, spec, "spec", "statefulset");
  // The spec of the pods is not looked at: volumes of the claim templates are not in it yet.
  out.labels("spec.template.labels", spec["template"]["metadata"]["labels"]);
  check_always(out, spec["template"], "spec.template", "StatefulSet");
}

void check_stateful_set_update(Problems& out, const Value& fresh, const Value& old) {
  Value now = fresh["spec"], before = old["spec"];
  for (Value* spec : {&now, &before}) {
    if (!spec->is_object()) continue;
    for (const char* member : {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
                               "persistentVolumeClaimRetentionPolicy", "minReadySeconds"})
      spec->object().erase(member);
  }
  if (now != before) out.forbidden("spec", std::string(kStatefulSetMayChange));
}

void check_stateful_set_status(Problems& out, const Value& fresh, const Value& old) {
  const Value& status = fresh["status"];
  check_counts(out, status, {"replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas",
                             "observedGeneration", "collisionCount"});
  for (const char* member : {"readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"})
    check_not_above(out, status, member, "replicas", "status.replicas");
  check_not_above(out, status, "availableReplicas", "readyReplicas", "status.readyReplicas");
  check_collisions(out, fresh, old);
}

// ---- daemon sets and revisions ------------------------------------------------------------------------------------

void check_daemon_set_steps(Problems& out, const Value& steps, const std::string& path) {
  const Value &missing = steps["maxUnavailable"], &extra = steps["maxSurge"];
  for (const char* member : {"maxUnavailable", "maxSurge"}) {
    check_int_or_percent(out, child(path, member), steps[member]);
    check_not_more_than_100_percent(out, child(path, member), steps[member]);
  }
  const bool none_missing = missing.is_null() || is_zero_int_or_percent(missing);
  const bool none_extra = extra.is_null() || is_zero_int_or_percent(extra);
  if (!none_missing && !none_extra)
    out.invalid(child(path, "maxSurge"), extra, std::string("may not be set when maxUnavailable is non-zero"));
  if (none_missing && none_extra) out.required(child(path, "maxUnavailable"), "cannot be 0 when maxSurge is 0");
}

void check_daemon_set(Problems& out, const Value& object) {
  const Value& spec = object["spec"];
  check_template_selector(out, spec, "spec", "daemonset");
  check_pod_template(out, spec["template"], "spec.template");
  check_always(out, spec["template"], "spec.template", "DaemonSet");
  out.nonnegative("spec.minReadySeconds", spec["minReadySeconds"]);
  const Value& strategy = spec["updateStrategy"];
  std::string_view type = strategy["type"].as_string();
  if (type == "RollingUpdate") {
    const std::string path = "spec.updateStrategy.rollingUpdate";
    if (strategy["rollingUpdate"].is_object()) check_daemon_set_steps(out, strategy["rollingUpdate"], path);
    else out.required(path);
  } else if (type != "OnDelete") {
    out.unsupported("spec.updateStrategy.type", type, {"RollingUpdate", "OnDelete"});
  }
  out.nonnegative("spec.revisionHistoryLimit", spec["revisionHistoryLimit"]);
}

void check_daemon_set_status(Problems& out, const Value& fresh, const Value& old) {
  check_counts(out, fresh["status"],
               {"currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
                "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount"});
  check_collisions(out, fresh, old);
}

void check_controller_revision(Problems& out, const Value& object) {
  if (object["data"].is_null()) out.required("data", "data is mandatory");
  out.nonnegative("revision", object["revision"]);
}

void check_controller_revision_update(Problems& out, const Value& fresh, const Value& old) {
  out.immutable("data", fresh["data"], old["data"]);
}

void check_template_object(Problems& out, const Value& object) { check_pod_template(out, object["template"], "template"); }

constexpr std::array kRules{
    KindRules{"apps", "Deployment", nullptr, check_deployment, check_selector_update, check_deployment_status},
    KindRules{"apps", "ReplicaSet", nullptr, check_replica_set, check_selector_update, check_replica_set_status},
    KindRules{"apps", "StatefulSet", nullptr, check_stateful_set, check_stateful_set_update, check_stateful_set_status},
    KindRules{"apps", "DaemonSet", nullptr, check_daemon_set, check_selector_update, check_daemon_set_status},
    KindRules{"apps", "ControllerRevision", nullptr, check_controller_revision, check_controller_revision_update},
    KindRules{"batch", "Job", nullptr, check_job, check_job_update, check_job_status},
    KindRules{"batch", "CronJob", nullptr, check_cron_job},
    KindRules{"autoscaling", "HorizontalPodAutoscaler", nullptr, check_autoscaler, nullptr, check_autoscaler_status},
    KindRules{"policy", "PodDisruptionBudget", nullptr, check_disruption_budget, nullptr, check_disruption_budget_status},
    KindRules{"scheduling.k8s.io", "PriorityClass", nullptr, check_priority_class, check_priority_class_update},
    KindRules{"", "PodTemplate", nullptr, check_template_object},
    KindRules{"", "PersistentVolume", nullptr, check_persistent_volume, check_persistent_volume_update},
    KindRules{"", "PersistentVolumeClaim", nullptr, check_claim, check_claim_update, check_claim_status},
    KindRules{"", "LimitRange", nullptr, check_limit_range},
    KindRules{"", "ResourceQuota", nullptr, check_resource_quota, check_resource_quota_update, check_resource_quota_status},
};

}  // namespace

void check_int_or_percent(Problems& out, const std::string& path, const Value& value) {
  if (value.is_string() && !percent_of(value)) out.invalid(path, value, std::string(kPercentForm));
  out.nonnegative(path, value);
}

void check_not_more_than_100_percent(Problems& out, const std::string& path, const Value& value) {
  if (percent_of(value).value_or(0) > 100) out.invalid(path, value, std::string("must not be greater than 100%"));
}

bool is_zero_int_or_percent(const Value& value) {
  return value.is_number() ? value.int_or(1) == 0 : percent_of(value).value_or(1) == 0;
}

void check_counts(Problems& out, const Value& status, std::initializer_list<const char*> members) {
  for (const char* member : members) out.nonnegative(child("status", member), status[member]);
}

void check_pod_template(Problems& out, const Value& pods, const std::string& path) {
  out.labels(child(path, "labels"), pods["metadata"]["labels"]);
  for (const auto& [name, value] : pods["metadata"]["annotations"].as_object())
    out.invalid(child(path, "annotations"), name, base::check_qualified_name(base::to_lower(name)));
  check_pod_spec(out, pods["spec"], child(path, "spec"));
  if (!pods["spec"]["ephemeralContainers"].as_array().empty())
    out.forbidden(child(path, "spec.ephemeralContainers"), "ephemeral containers not allowed in pod template");
}

void check_template_selector(Problems& out, const Value& spec, const std::string& path, std::string_view kind) {
  const std::string at = child(path, "selector");
  const Value& selector = spec["selector"];
  if (!selector.is_object()) return out.required(at);
  out.label_selector(at, selector);
  if (selector["matchLabels"].as_object().empty() && selector["matchExpressions"].as_array().empty())
    return out.invalid(at, selector, fmt::format("empty selector is invalid for {}", kind));
  const auto matcher = LabelMatcher::from_object(selector);
  if (!matcher) {
    if (kind == "deployment") out.invalid(at, selector, std::string("invalid label selector"));
    return;
  }
  const Value& labels = spec["template"]["metadata"]["labels"];
  if (!matcher->matches(labels))
    out.invalid(child(path, "template.metadata.labels"), labels.is_null() ? Value(base::Object{}) : labels,
                std::string("`selector` does not match template `labels`"));
}

std::span<const KindRules> workload_rules() { return kRules; }

}  // namespace api::rules
