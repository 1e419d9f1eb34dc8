// Source: the defaults of the Kubernetes API v1.36 for apps, batch, autoscaling, policy, scheduling and the core's
// volumes and limits.
#include <array>
#include <string>

#include "api/defaults_kinds.hpp"
#include "api/defaults_pod.hpp"

namespace api {

using base::Array;
using base::Object;
using base::Value;

namespace {

bool is_blank(const Value* value) {
  return value == nullptr || value->is_null() || (value->is_string() && value->as_string().empty());
}

void set_if_blank(Object& object, std::string_view name, Value value) {
  if (is_blank(object.find(name))) object.set(name, std::move(value));
}

Object& spec_of(Value& object) { return object.make({"spec"}).object(); }

void default_template(Object& spec) {
  Value& pods = spec["template"];
  if (pods.is_null()) pods = Object{};
  if (pods.is_object()) default_pod_spec(pods, PodPlace::of_template);
}

// The member as an object, made when it is not there; null when it is something else.
Object* object_at(Object& parent, std::string_view name) {
  Value& value = parent[name];
  if (value.is_null()) value = Object{};
  return value.if_object();
}

// `strategy`: {type, rollingUpdate}. The steps get their defaults when the type is RollingUpdate.
void default_rolling(Object& spec, std::string_view strategy, const Value& unavailable, const Value& surge) {
  Object* plan = object_at(spec, strategy);
  if (plan == nullptr) return;
  set_if_blank(*plan, "type", "RollingUpdate");
  if ((*plan)["type"].as_string() != "RollingUpdate") return;
  Object* steps = object_at(*plan, "rollingUpdate");
  if (steps == nullptr) return;
  set_if_blank(*steps, "maxUnavailable", unavailable);
  set_if_blank(*steps, "maxSurge", surge);
}

void default_deployment(Value& object) {
  Object& spec = spec_of(object);
  set_if_blank(spec, "replicas", 1);
  default_rolling(spec, "strategy", "25%", "25%");
  set_if_blank(spec, "revisionHistoryLimit", 10);
  set_if_blank(spec, "progressDeadlineSeconds", 600);
  default_template(spec);
}

void default_replica_set(Value& object) {
  Object& spec = spec_of(object);
  set_if_blank(spec, "replicas", 1);
  default_template(spec);
}

void default_daemon_set(Value& object) {
  Object& spec = spec_of(object);
  default_rolling(spec, "updateStrategy", 1, 0);
  set_if_blank(spec, "revisionHistoryLimit", 10);
  default_template(spec);
}

void default_claim_spec(Object& spec) { set_if_blank(spec, "volumeMode", "Filesystem"); }

void default_claim(Value& object) {
  set_if_blank(object.make({"status"}).object(), "phase", "Pending");
  default_claim_spec(spec_of(object));
}

void default_stateful_set(Value& object) {
  Object& spec = spec_of(object);
  set_if_blank(spec, "podManagementPolicy", "OrderedReady");
  if (Object* plan = object_at(spec, "updateStrategy"); plan != nullptr) {
    if (is_blank(plan->find("type"))) {
      plan->set("type", "RollingUpdate");
      object_at(*plan, "rollingUpdate");
    }
    Value* steps = plan->find("rollingUpdate");
    Object* rolling = steps == nullptr ? nullptr : steps->if_object();
    if ((*plan)["type"].as_string() == "RollingUpdate" && rolling != nullptr) {
      set_if_blank(*rolling, "partition", 0);
      set_if_blank(*rolling, "maxUnavailable", 1);
    }
  }
  if (Object* retention = object_at(spec, "persistentVolumeClaimRetentionPolicy"); retention != nullptr) {
    set_if_blank(*retention, "whenDeleted", "Retain");
    set_if_blank(*retention, "whenScaled", "Retain");
  }
  set_if_blank(spec, "replicas", 1);
  set_if_blank(spec, "revisionHistoryLimit", 10);
  default_template(spec);
  Value& claims = spec["volumeClaimTemplates"];
  if (auto* list = claims.if_array()) {
    for (Value& claim : *list) {
      if (!claim.is_object()) continue;
      set_if_blank(claim.object(), "apiVersion", "v1");
      set_if_blank(claim.object(), "kind", "PersistentVolumeClaim");
      default_claim(claim);
    }
  } else {
    spec.erase("volumeClaimTemplates");
  }
}

void default_failure_policy(Object& spec) {
  Value* policy = spec.find("podFailurePolicy");
  if (policy == nullptr || !policy->is_object()) return;
  Value* rules = policy->object().find("rules");
  if (rules == nullptr || !rules->is_array()) return;
  for (Value& rule : rules->array()) {
    Object* members = rule.if_object();
    Value* patterns = members == nullptr ? nullptr : members->find("onPodConditions");
    if (patterns == nullptr || !patterns->is_array()) continue;
    for (Value& pattern : patterns->array()) {
      if (pattern.is_object()) set_if_blank(pattern.object(), "status", "True");
    }
  }
}

// What the jobs of a CronJob have as well.
void default_job_spec(Object& spec) {
  const bool parallel = !is_blank(spec.find("parallelism"));
  if (!parallel && is_blank(spec.find("completions"))) spec.set("completions", 1);
  if (!parallel) spec.set("parallelism", 1);
  const bool by_index = !is_blank(spec.find("backoffLimitPerIndex"));
  set_if_blank(spec, "backoffLimit", by_index ? INT32_MAX : 6);
  set_if_blank(spec, "completionMode", "NonIndexed");
  set_if_blank(spec, "suspend", false);
  const bool judged = !is_blank(spec.find("podFailurePolicy"));
  set_if_blank(spec, "podReplacementPolicy", judged ? "Failed" : "TerminatingOrFailed");
  set_if_blank(spec, "manualSelector", false);
  default_failure_policy(spec);
}

void default_job(Value& object) {
  Object& spec = spec_of(object);
  default_template(spec);
  default_job_spec(spec);
  const Value labels = object.at({"spec", "template", "metadata", "labels"});
  if (labels.as_object().empty()) return;
  Value& own = object.make({"metadata", "labels"});
  if (own.as_object().empty()) own = labels;
}

void default_cron_job(Value& object) {
  Object& spec = spec_of(object);
  set_if_blank(spec, "concurrencyPolicy", "Allow");
  set_if_blank(spec, "suspend", false);
  set_if_blank(spec, "successfulJobsHistoryLimit", 3);
  set_if_blank(spec, "failedJobsHistoryLimit", 1);
  Object* jobs = object_at(spec, "jobTemplate");
  Object* job = jobs == nullptr ? nullptr : object_at(*jobs, "spec");
  if (job == nullptr) return;
  default_template(*job);
  default_failure_policy(*job);
}

void default_pod_template(Value& object) { default_template(object.object()); }

void default_volume(Value& object) {
  set_if_blank(object.make({"status"}).object(), "phase", "Pending");
  Object& spec = spec_of(object);
  set_if_blank(spec, "persistentVolumeReclaimPolicy", "Retain");
  set_if_blank(spec, "volumeMode", "Filesystem");
  if (Value* host = spec.find("hostPath"); host != nullptr && host->is_object() && (*host)["type"].is_null())
    host->object().set("type", "");
}

// A limit on containers: what has a maximum has a default, what has a default limit has a default request.
void default_limit_range(Value& object) {
  Value& limits = spec_of(object)["limits"];
  if (!limits.is_array()) return;
  for (Value& item : limits.array()) {
    if (item["type"].as_string() != "Container") continue;
    Value& highest = item.make({"default"});
    for (const auto& [name, amount] : item["max"].as_object()) {
      if (highest.is_null()) highest = Object{};
      if (!highest.object().contains(name)) highest.object().set(name, amount);
    }
    const Value found = highest;
    Value& requests = item.make({"defaultRequest"});
    for (const Value& source : {found, item["min"]}) {
      for (const auto& [name, amount] : source.as_object()) {
        if (requests.is_null()) requests = Object{};
        if (!requests.object().contains(name)) requests.object().set(name, amount);
      }
    }
    if (requests.is_null()) item.object().erase("defaultRequest");
    if (item["default"].is_null()) item.object().erase("default");
  }
}

Value policy_of(const char* type, int value) { return Object{{"type", type}, {"value", value}, {"periodSeconds", 15}}; }

void default_behavior(Object& spec) {
  Value* behavior = spec.find("behavior");
  if (behavior == nullptr || !behavior->is_object()) return;
  if (Object* up = object_at(behavior->object(), "scaleUp"); up != nullptr) {
    set_if_blank(*up, "stabilizationWindowSeconds", 0);
    set_if_blank(*up, "selectPolicy", "Max");
    set_if_blank(*up, "policies", Array{policy_of("Pods", 4), policy_of("Percent", 100)});
  }
  if (Object* down = object_at(behavior->object(), "scaleDown"); down != nullptr) {
    set_if_blank(*down, "selectPolicy", "Max");
    set_if_blank(*down, "policies", Array{policy_of("Percent", 100)});
  }
}

void default_autoscaler(Value& object) {
  Object& spec = spec_of(object);
  set_if_blank(spec, "minReplicas", 1);
  if (object["apiVersion"].as_string() == "autoscaling/v1") return;  // the conversion to v2 does the rest
  if (spec["metrics"].as_array().empty()) {
    Value metric = Object{{"type", "Resource"}};
    metric.make({"resource", "name"}) = "cpu";
    metric.make({"resource", "target", "type"}) = "Utilization";
    metric.make({"resource", "target", "averageUtilization"}) = 80;
    spec.set("metrics", Array{std::move(metric)});
  }
  default_behavior(spec);
}

void default_priority_class(Value& object) { set_if_blank(object.object(), "preemptionPolicy", "PreemptLowerPriority"); }

constexpr std::array kDefaulters{
    Defaulter{"apps", "Deployment", default_deployment},
    Defaulter{"apps", "ReplicaSet", default_replica_set},
    Defaulter{"apps", "StatefulSet", default_stateful_set},
    Defaulter{"apps", "DaemonSet", default_daemon_set},
    Defaulter{"batch", "Job", default_job},
    Defaulter{"batch", "CronJob", default_cron_job},
    Defaulter{"", "PodTemplate", default_pod_template},
    Defaulter{"", "PersistentVolume", default_volume},
    Defaulter{"", "PersistentVolumeClaim", default_claim},
    Defaulter{"", "LimitRange", default_limit_range},
    Defaulter{"autoscaling", "HorizontalPodAutoscaler", default_autoscaler},
    Defaulter{"scheduling.k8s.io", "PriorityClass", default_priority_class},
};

}  // namespace

std::span<const Defaulter> workload_defaulters() { return kDefaulters; }

}  // namespace api
