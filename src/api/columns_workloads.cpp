// Source: what kubectl users see of deployments, jobs, autoscalers and the like; semantics of the upstream printers.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "api/columns_pod.hpp"
#include "api/matchers.hpp"
#include "api/meta.hpp"
#include "api/printing.hpp"
#include "base/strings.hpp"

namespace api::printing {

using base::Time;
using base::Value;

namespace {

std::string_view or_else(std::string_view text, std::string_view otherwise) { return text.empty() ? otherwise : text; }

std::string containers_text(const Value& pod_spec, std::string_view member) {
  std::vector<std::string> out;
  for (const auto& container : pod_spec["containers"].as_array()) out.emplace_back(container[member].as_string());
  return base::join(out, ",");
}

// "app=web,tier in (a,b)", sorted by key.
std::string selector_text(const Value& selector, std::string_view none) {
  auto matcher = LabelMatcher::from_object(selector);
  if (!matcher) return "<error>";
  return std::string(or_else(matcher->text(), none));
}

void add_wide(Cells& cells, const Value& pod_spec) {
  cells.emplace_back(containers_text(pod_spec, "name"));
  cells.emplace_back(containers_text(pod_spec, "image"));
}

const Value& pod_spec_of(const Value& object) { return object.at({"spec", "template", "spec"}); }

// ---- apps ---------------------------------------------------------------------------------------------------------

std::string ready_text(const Value& object) {
  return fmt::format("{}/{}", object["status"]["readyReplicas"].int_or(0), object["spec"]["replicas"].int_or(0));
}

Cells deployment_cells(const Value& object, Time now) {
  const Value& status = object["status"];
  Cells out{name_of(object), ready_text(object), status["updatedReplicas"].int_or(0),
            status["availableReplicas"].int_or(0), age(object, now)};
  add_wide(out, pod_spec_of(object));
  out.emplace_back(selector_text(object["spec"]["selector"], ""));
  return out;
}

Cells stateful_set_cells(const Value& object, Time now) {
  Cells out{name_of(object), ready_text(object), age(object, now)};
  add_wide(out, pod_spec_of(object));
  return out;
}

Cells daemon_set_cells(const Value& object, Time now) {
  Cells out{name_of(object)};
  for (const char* count : {"desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled",
                            "numberAvailable"})
    out.emplace_back(object["status"][count].int_or(0));
  out.emplace_back(map_text(pod_spec_of(object)["nodeSelector"]));
  out.emplace_back(age(object, now));
  add_wide(out, pod_spec_of(object));
  out.emplace_back(selector_text(object["spec"]["selector"], kNone));
  return out;
}

Cells controller_revision_cells(const Value& object, Time now) {
  std::string controller(kNone);
  if (const Value& owner = controller_of(object); owner.is_object()) {
    std::string_view version = owner["apiVersion"].as_string();
    const size_t slash = version.find('/');
    std::string kind(owner["kind"].as_string());
    if (slash != std::string_view::npos) kind += "." + std::string(version.substr(0, slash));
    controller = base::to_lower(kind) + "/" + std::string(owner["name"].as_string());
  }
  return {name_of(object), controller, object["revision"].int_or(0), age(object, now)};
}

// ---- batch --------------------------------------------------------------------------------------------------------

bool has_condition(const Value& object, std::string_view type) {
  for (const auto& condition : object["status"]["conditions"].as_array())
    if (condition["type"].as_string() == type) return condition["status"].as_string() == "True";
  return false;
}

std::string_view job_status_text(const Value& job) {
  if (has_condition(job, "Complete")) return "Complete";
  if (has_condition(job, "Failed")) return "Failed";
  if (is_being_deleted(job)) return "Terminating";
  if (has_condition(job, "Suspended")) return "Suspended";
  if (has_condition(job, "FailureTarget")) return "FailureTarget";
  if (has_condition(job, "SuccessCriteriaMet")) return "SuccessCriteriaMet";
  return "Running";
}

std::string completions_text(const Value& job) {
  const int64_t done = job["status"]["succeeded"].int_or(0), parallel = job["spec"]["parallelism"].int_or(0);
  if (auto wanted = job["spec"]["completions"].as_int()) return fmt::format("{}/{}", done, *wanted);
  return parallel > 1 ? fmt::format("{}/1 of {}", done, parallel) : fmt::format("{}/1", done);
}

std::string job_duration_text(const Value& job, Time now) {
  auto start = base::parse_time(job["status"]["startTime"].as_string());
  if (!start) return "";
  auto end = base::parse_time(job["status"]["completionTime"].as_string());
  return base::human_duration(end.value_or(now) - *start);
}

Cells job_cells(const Value& object, Time now) {
  Cells out{name_of(object), job_status_text(object), completions_text(object), job_duration_text(object, now),
            age(object, now)};
  add_wide(out, pod_spec_of(object));
  out.emplace_back(selector_text(object["spec"]["selector"], kNone));
  return out;
}

Cells cron_job_cells(const Value& object, Time now) {
  const Value &spec = object["spec"], &status = object["status"];
  const Value& suspend = spec["suspend"];
  const Value& job = spec["jobTemplate"]["spec"];
  std::string_view last = status["lastScheduleTime"].as_string();
  std::string suspended = suspend.is_bool() ? (suspend.as_bool() ? "True" : "False") : "<unset>";
  Cells out{name_of(object), spec["schedule"].as_string(), or_else(spec["timeZone"].as_string(), kNone), suspended,
            static_cast<int64_t>(status["active"].as_array().size()),
            last.empty() ? std::string(kNone) : age_since(last, now), age(object, now)};
  add_wide(out, job["template"]["spec"]);
  out.emplace_back(selector_text(job["selector"], kNone));
  return out;
}

// ---- autoscaling --------------------------------------------------------------------------------------------------

constexpr size_t kMaxMetrics = 2;

std::string quantity_text(const Value& value) {
  if (const auto* number = value.if_number()) return number->text;
  return value.is_null() ? "0" : std::string(value.as_string());
}

// Of pods, objects and external metrics.
std::string plain_metric_text(const Value& target, const Value& status, bool pods) {
  const Value& current = status["current"];
  const bool average = pods || !target["averageValue"].is_null();
  const char* member = average ? "averageValue" : "value";
  const bool seen = status.is_object() && (!average || pods || !current["averageValue"].is_null());
  return fmt::format("{}/{}{}", seen ? quantity_text(current[member]) : "<unknown>", quantity_text(target[member]),
                     average && !pods ? " (avg)" : "");
}

// Of cpu and memory.
std::string resource_metric_text(const Value& spec, const Value& status) {
  const Value &target = spec["target"], &current = status["current"];
  std::string_view name = spec["name"].as_string();
  if (!target["averageValue"].is_null()) {
    return fmt::format("{}: {}/{}", name, status.is_object() ? quantity_text(current["averageValue"]) : "<unknown>",
                       quantity_text(target["averageValue"]));
  }
  auto percent = [](const Value& value, const char* otherwise) {
    return value.is_null() ? std::string(otherwise) : fmt::format("{}%", value.int_or(0));
  };
  return fmt::format("{}: {}/{}", name, percent(current["averageUtilization"], "<unknown>"),
                     percent(target["averageUtilization"], "<auto>"));
}

std::string metric_text(const Value& spec, const Value& status) {
  std::string_view type = spec["type"].as_string();
  if (type == "External") return plain_metric_text(spec["external"]["target"], status["external"], false);
  if (type == "Pods") return plain_metric_text(spec["pods"]["target"], status["pods"], true);
  if (type == "Object") return plain_metric_text(spec["object"]["target"], status["object"], false);
  if (type == "Resource") return resource_metric_text(spec["resource"], status["resource"]);
  if (type == "ContainerResource") return resource_metric_text(spec["containerResource"], status["containerResource"]);
  return "<unknown type>";
}

std::string metrics_text(const Value& object) {
  const auto& specs = object["spec"]["metrics"].as_array();
  const auto& statuses = object["status"]["currentMetrics"].as_array();
  if (specs.empty()) return std::string(kNone);
  std::vector<std::string> shown;
  for (size_t i = 0; i < specs.size() && i < kMaxMetrics; ++i)
    shown.push_back(metric_text(specs[i], i < statuses.size() ? statuses[i] : Value()));
  std::string out = base::join(shown, ", ");
  if (specs.size() > kMaxMetrics) out += fmt::format(" + {} more...", specs.size() - kMaxMetrics);
  return out;
}

// v1 says no more of its metrics than the percentage.
std::string old_metrics_text(const Value& object) {
  const Value& target = object["spec"]["targetCPUUtilizationPercentage"];
  if (target.is_null()) return std::string(kNone);
  const Value& seen = object["status"]["currentCPUUtilizationPercentage"];
  return fmt::format("cpu: {}/{}%", seen.is_null() ? "<unknown>" : fmt::format("{}%", seen.int_or(0)), target.int_or(0));
}

Cells autoscaler_cells(const Value& object, Time now) {
  const Value& spec = object["spec"];
  const Value& target = spec["scaleTargetRef"];
  auto least = spec["minReplicas"].as_int();
  const bool old = object["apiVersion"].as_string() == "autoscaling/v1";
  return {name_of(object), fmt::format("{}/{}", target["kind"].as_string(), target["name"].as_string()),
          old ? old_metrics_text(object) : metrics_text(object), least ? std::to_string(*least) : "<unset>",
          spec["maxReplicas"].int_or(0), object["status"]["currentReplicas"].int_or(0), age(object, now)};
}

// ---- policy, scheduling -------------------------------------------------------------------------------------------

std::string number_or_percent(const Value& value) {
  if (value.is_null()) return "N/A";
  return value.is_number() ? std::to_string(value.int_or(0)) : std::string(value.as_string());
}

Cells disruption_budget_cells(const Value& object, Time now) {
  return {name_of(object), number_or_percent(object["spec"]["minAvailable"]),
          number_or_percent(object["spec"]["maxUnavailable"]), object["status"]["disruptionsAllowed"].int_or(0),
          age(object, now)};
}

Cells priority_class_cells(const Value& object, Time now) {
  return {name_of(object), object["value"].int_or(0), object["globalDefault"].as_bool(), age(object, now),
          object["preemptionPolicy"].as_string()};
}

// ---- volumes and quotas -------------------------------------------------------------------------------------------

std::string access_modes_text(const Value& modes) {
  std::vector<std::string> out;
  for (const char* mode : {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"}) {
    const auto& list = modes.as_array();
    const bool found = std::ranges::any_of(list, [&](const Value& one) { return one.as_string() == mode; });
    if (found) out.emplace_back(mode == std::string_view("ReadOnlyMany")    ? "ROX"
                                : mode == std::string_view("ReadWriteMany") ? "RWX"
                                : mode == std::string_view("ReadWriteOnce") ? "RWO"
                                                                            : "RWOP");
  }
  return base::join(out, ",");
}

std::string class_text(const Value& object) {
  std::string_view old = annotation_of(object, "volume.beta.kubernetes.io/storage-class");
  return std::string(old.empty() ? object["spec"]["storageClassName"].as_string() : old);
}

// "<unset>" where there is no such class at all.
std::string attributes_class_text(const Value& name) { return name.is_string() ? std::string(name.as_string()) : "<unset>"; }

std::string storage_text(const Value& capacity) {
  const Value& storage = capacity["storage"];
  return storage.is_null() ? "0" : quantity_text(storage);
}

Cells volume_cells(const Value& object, Time now) {
  const Value &spec = object["spec"], &claim = spec["claimRef"];
  std::string phase(object["status"]["phase"].as_string());
  if (is_being_deleted(object)) phase = "Terminating";
  std::string bound = claim.is_object() ? fmt::format("{}/{}", claim["namespace"].as_string(), claim["name"].as_string()) : "";
  return {name_of(object),
          storage_text(spec["capacity"]),
          access_modes_text(spec["accessModes"]),
          spec["persistentVolumeReclaimPolicy"].as_string(),
          phase,
          bound,
          class_text(object),
          attributes_class_text(spec["volumeAttributesClassName"]),
          object["status"]["reason"].as_string(),
          age(object, now),
          or_else(spec["volumeMode"].as_string(), "<unset>")};
}

Cells claim_cells(const Value& object, Time now) {
  const Value &spec = object["spec"], &status = object["status"];
  std::string phase(status["phase"].as_string());
  if (is_being_deleted(object)) phase = "Terminating";
  const bool bound = !spec["volumeName"].as_string().empty();
  return {name_of(object),
          phase,
          spec["volumeName"].as_string(),
          bound ? storage_text(status["capacity"]) : "",
          bound ? access_modes_text(status["accessModes"]) : "",
          class_text(object),
          attributes_class_text(spec["volumeAttributesClassName"]),
          age(object, now),
          or_else(spec["volumeMode"].as_string(), "<unset>")};
}

Cells pod_template_cells(const Value& object, Time) {
  const Value& pods = object["template"];
  return {name_of(object), containers_text(pods["spec"], "name"), containers_text(pods["spec"], "image"),
          map_text(pods["metadata"]["labels"])};
}

Cells limit_range_cells(const Value& object, Time) { return {name_of(object), creation_timestamp_of(object)}; }

Cells resource_quota_cells(const Value& object, Time now) {
  const Value& status = object["status"];
  std::vector<std::string> names, requests, limits;
  for (const auto& [name, amount] : status["hard"].as_object()) names.push_back(name);
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    auto& list = name.starts_with("limits.") ? limits : requests;
    list.push_back(fmt::format("{}: {}/{}", name, quantity_text(status["used"][name]), quantity_text(status["hard"][name])));
  }
  return {name_of(object), base::join(requests, ", "), base::join(limits, ", "), age(object, now)};
}

Cells component_status_cells(const Value& object, Time) {
  std::string status, message, error;
  for (const auto& condition : object["conditions"].as_array()) {
    if (condition["type"].as_string() != "Healthy") continue;
    std::string_view found = condition["status"].as_string();
    status = found == "True" ? "Healthy" : found == "False" ? "Unhealthy" : "Unknown";
    message = condition["message"].as_string();
    error = condition["error"].as_string();
  }
  return {name_of(object), status, message, error};
}

// ---- heads --------------------------------------------------------------------------------------------------------

Column containers_column() { return wide("Containers", "Names of the template's containers."); }
Column images_column() { return wide("Images", "Images of the template's containers."); }
Column selector_column() { return wide("Selector", "The labels of the pods that belong to it."); }

void add_apps(std::vector<Printer>& out) {
  out.push_back({"apps", "Deployment",
                 {name_column(), text("Ready", "Ready pods, of those wanted."),
                  text("Up-to-date", "Pods made from the present template."),
                  text("Available", "Pods that have been ready long enough."), age_column(), containers_column(),
                  images_column(), selector_column()},
                 deployment_cells});
  out.push_back({"apps", "StatefulSet",
                 {name_column(), text("Ready", "Ready pods, of those wanted."), age_column(), containers_column(),
                  images_column()},
                 stateful_set_cells});
  out.push_back({"apps", "DaemonSet",
                 {name_column(), number("Desired", "Nodes that should have a pod."),
                  number("Current", "Nodes that should and do."), number("Ready", "Nodes whose pod is ready."),
                  number("Up-to-date", "Nodes whose pod is made from the present template."),
                  number("Available", "Nodes whose pod has been ready long enough."),
                  text("Node Selector", "Labels of the nodes."), age_column(), containers_column(), images_column(),
                  selector_column()},
                 daemon_set_cells});
  out.push_back({"apps", "ControllerRevision",
                 {name_column(), text("Controller", "Whose state it keeps."), text("Revision", "Its number."), age_column()},
                 controller_revision_cells});
}

void add_batch(std::vector<Printer>& out) {
  out.push_back({"batch", "Job",
                 {name_column(), text("Status", "Complete, Failed, Running and the like."),
                  text("Completions", "Successes, of those needed."), text("Duration", "How long it took, or takes so far."),
                  age_column(), containers_column(), images_column(), selector_column()},
                 job_cells});
  out.push_back({"batch", "CronJob",
                 {name_column(), text("Schedule", "Times in cron form."), text("Timezone", "Time zone of the schedule."),
                  column("Suspend", "boolean", "Whether no new jobs are made."), number("Active", "Jobs that are running."),
                  text("Last Schedule", "How long ago a job was made last."), age_column(), containers_column(),
                  images_column(), selector_column()},
                 cron_job_cells});
}

void add_policies(std::vector<Printer>& out) {
  out.push_back({"autoscaling", "HorizontalPodAutoscaler",
                 {name_column(), text("Reference", "What is scaled."), text("Targets", "Metrics as seen, and as wanted."),
                  text("MinPods", "Fewest replicas."), text("MaxPods", "Most replicas."),
                  text("Replicas", "Replicas that there are."), age_column()},
                 autoscaler_cells});
  out.push_back({"policy", "PodDisruptionBudget",
                 {name_column(), text("Min Available", "Pods that must stay."), text("Max Unavailable", "Pods that may be missing."),
                  number("Allowed Disruptions", "Evictions that are allowed now."), age_column()},
                 disruption_budget_cells});
  out.push_back({"scheduling.k8s.io", "PriorityClass",
                 {name_column(), number("Value", "The priority."),
                  column("Global-Default", "boolean", "Whether pods without a class have this one."), age_column(),
                  text("PreemptionPolicy", "Whether its pods make room for themselves.")},
                 priority_class_cells});
}

void add_volumes(std::vector<Printer>& out) {
  out.push_back({"", "PersistentVolume",
                 {name_column(), text("Capacity", "How large it is."), text("Access Modes", "How it can be used."),
                  text("Reclaim Policy", "What happens when its claim goes."), text("Status", "Where it is in its life."),
                  text("Claim", "The claim that it is bound to."), text("StorageClass", "The class that it belongs to."),
                  text("VolumeAttributesClass", "The class of its changeable settings."),
                  text("Reason", "Why it is in this phase."), age_column(), wide("VolumeMode", "Filesystem or Block.")},
                 volume_cells});
  out.push_back({"", "PersistentVolumeClaim",
                 {name_column(), text("Status", "Pending, Bound or Lost."), text("Volume", "The volume that it is bound to."),
                  text("Capacity", "How large that is."), text("Access Modes", "How that can be used."),
                  text("StorageClass", "The class of the storage."),
                  text("VolumeAttributesClass", "The class of its changeable settings."), age_column(),
                  wide("VolumeMode", "Filesystem or Block.")},
                 claim_cells});
  out.push_back({"", "PodTemplate",
                 {name_column(), text("Containers", "Names of the template's containers."),
                  text("Images", "Images of the template's containers."), text("Pod Labels", "Labels of the pods.")},
                 pod_template_cells});
}

void add_quotas(std::vector<Printer>& out) {
  out.push_back({"", "LimitRange",
                 {name_column(), column("Created At", "date", "When the object was created.")}, limit_range_cells});
  out.push_back({"", "ResourceQuota",
                 {name_column(), text("Request", "Requests and counts: used, of those allowed."),
                  text("Limit", "Limits: used, of those allowed."), age_column()},
                 resource_quota_cells});
  out.push_back({"", "ComponentStatus",
                 {name_column(), text("Status", "Healthy, Unhealthy or Unknown."), text("Message", "Its answer."),
                  text("Error", "What went wrong when it was asked.")},
                 component_status_cells});
}

}  // namespace

void add_workload_printers(std::vector<Printer>& out) {
  add_apps(out);
  add_batch(out);
  add_policies(out);
  add_volumes(out);
  add_quotas(out);
}

}  // namespace api::printing
