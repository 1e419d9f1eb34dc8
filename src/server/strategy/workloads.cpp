// Strategies of apps, batch, autoscaling, policy, scheduling and the core's volumes, quotas and templates.
//
// Source: the strategies of pkg/registry/{apps,batch,autoscaling,policy,scheduling,core}.
#include <fmt/format.h>

#include "api/meta.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "base/time.hpp"
#include "server/encoding.hpp"
#include "server/strategy/strategy.hpp"

namespace server {

namespace {

constexpr std::string_view kScheduling = "scheduling.k8s.io";

void take_member(base::Value& to, const base::Value& from, std::string_view member) {
  if (const auto* value = from.as_object().find(member)) {
    to.object().set(member, *value);
  } else {
    to.object().erase(member);
  }
}

// The stored objects of a cluster-wide kind, until `each` returns false.
void each_stored(const WriteContext& context, std::string_view group, std::string_view plural,
                 const std::function<bool(const base::Value&)>& each) {
  context.txn.scan(key_prefix(group, plural), [&](const store::EntryPtr& entry) {
    auto object = base::parse_json(entry->value);
    return !object || each(*object);
  });
}

// A spec that users write, a status that controllers write: it starts as `empty` and counts generations of the spec.
class WorkloadStrategy : public Strategy {
 public:
  explicit WorkloadStrategy(base::Value empty_status, bool returns_deleted = false)
      : empty_status_(std::move(empty_status)), returns_deleted_(returns_deleted) {}

  void prepare_create(WriteContext&, base::Value& object) const override {
    object.object().set("status", empty_status_);
  }
  // Only the spec is kept from those who write a status.
  void prepare_status(WriteContext&, base::Value& fresh, const base::Value& old) const override {
    base::Value result = old;
    take_member(result, fresh, "status");
    for (std::string_view member : {"labels", "annotations", "finalizers", "ownerReferences"})
      take_member(result.make({"metadata"}), fresh["metadata"], member);
    fresh = std::move(result);
  }
  bool returns_deleted_object() const override { return returns_deleted_; }

 private:
  base::Value empty_status_;
  bool returns_deleted_;
};

// Its generation also counts changes of annotations; its labels are not changed with the status.
class DeploymentStrategy final : public WorkloadStrategy {
 public:
  DeploymentStrategy() : WorkloadStrategy(base::Object{}) {}
  void prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_update(context, fresh, old);
    const bool differs = fresh["spec"] != old["spec"] || api::annotations_of(fresh) != api::annotations_of(old);
    api::set_generation(fresh, api::generation_of(old) + (differs ? 1 : 0));
  }
  void prepare_create(WriteContext& context, base::Value& object) const override {
    WorkloadStrategy::prepare_create(context, object);
    api::set_generation(object, 1);
  }
  void prepare_status(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    WorkloadStrategy::prepare_status(context, fresh, old);
    take_member(fresh.make({"metadata"}), old["metadata"], "labels");
  }
  bool tracks_generation(const api::Kind&) const override { return false; }
};

// Whoever does not bring a selector gets one that no other job has: the job's own uid.
class JobStrategy final : public WorkloadStrategy {
 public:
  JobStrategy() : WorkloadStrategy(base::Object{}) {}
  void prepare_create(WriteContext& context, base::Value& job) const override {
    WorkloadStrategy::prepare_create(context, job);
    auto& spec = job.make({"spec"});
    if (!spec.is_object() || spec["manualSelector"].as_bool() || !may_label(spec)) return;
    const std::pair<const char*, std::string_view> labels[] = {
        {"job-name", api::name_of(job)},
        {"batch.kubernetes.io/job-name", api::name_of(job)},
        {"controller-uid", api::uid_of(job)},
        {"batch.kubernetes.io/controller-uid", api::uid_of(job)}};
    // What the user wrote stays: validation says whether it fits.
    for (const auto& [name, value] : labels) set_if_absent(spec.make({"template", "metadata", "labels"}), name, value);
    set_if_absent(spec.make({"selector", "matchLabels"}), labels[3].first, labels[3].second);
    // As the default says, that saw a template without labels.
    if (api::labels_of(job).as_object().empty()) job.make({"metadata", "labels"}) = spec["template"]["metadata"]["labels"];
  }
  // batch/v1 is older than cascading deletion: without a policy the pods stay.
  bool orphans_by_default() const override { return true; }

 private:
  static bool may_label(const base::Value& spec) {
    auto fits = [](const base::Value& value) { return value.is_null() || value.is_object(); };
    return fits(spec["template"]) && fits(spec["template"]["metadata"]) &&
           fits(spec["template"]["metadata"]["labels"]) && fits(spec["selector"]) &&
           fits(spec["selector"]["matchLabels"]);
  }
  static void set_if_absent(base::Value& map, std::string_view name, std::string_view value) {
    if (!map.object().contains(name)) map.object().set(name, value);
  }
};

class AutoscalerStrategy final : public WorkloadStrategy {
 public:
  AutoscalerStrategy() : WorkloadStrategy(base::Object{{"desiredReplicas", 0}}) {}
  bool tracks_generation(const api::Kind&) const override { return false; }
};

class DisruptionBudgetStrategy final : public WorkloadStrategy {
 public:
  DisruptionBudgetStrategy()
      : WorkloadStrategy(base::Object{
            {"disruptionsAllowed", 0}, {"currentHealthy", 0}, {"desiredHealthy", 0}, {"expectedPods", 0}}) {}
  bool allows_unconditional_update() const override { return false; }
};

// Its generation counts changes of the template.
class PodTemplateStrategy final : public Strategy {
 public:
  void prepare_create(WriteContext&, base::Value& object) const override { api::set_generation(object, 1); }
  void prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_update(context, fresh, old);
    const bool differs = fresh["template"] != old["template"];
    api::set_generation(fresh, api::generation_of(old) + (differs ? 1 : 0));
  }
  bool returns_deleted_object() const override { return true; }
};

class VolumeStrategy final : public Strategy {
 public:
  void prepare_create(WriteContext& context, base::Value& volume) const override {
    volume.object().set("status", base::Object{{"phase", "Pending"},
                                               {"lastPhaseTransitionTime", base::format_time(context.now)}});
  }
  void prepare_status(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_status(context, fresh, old);
    const base::Value &now = fresh["status"], &before = old["status"];
    if (!now.is_object() || now["phase"] == before["phase"]) return;
    const base::Value& changed = now["lastPhaseTransitionTime"];
    if (changed.is_null() || changed == before["lastPhaseTransitionTime"])
      fresh.make({"status", "lastPhaseTransitionTime"}) = base::format_time(context.now);
  }
  bool returns_deleted_object() const override { return true; }
};

class ClaimStrategy final : public Strategy {
 public:
  void prepare_create(WriteContext&, base::Value& claim) const override {
    claim.object().set("status", base::Object{{"phase", "Pending"}});
    if (auto& spec = claim.make({"spec"}); spec.is_object()) align_sources(spec);
  }
  void prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_update(context, fresh, old);
    if (auto& spec = fresh.make({"spec"}); spec.is_object()) align_sources(spec);
  }
  // As the admission plugin DefaultStorageClass: the newest class that says that it is the default.
  base::Result<void> admit_create(WriteContext& context, base::Value& claim) const override {
    if (!claim["spec"]["storageClassName"].is_null()) return {};
    if (api::annotations_of(claim).as_object().contains("volume.beta.kubernetes.io/storage-class")) return {};
    std::string found, created;
    each_stored(context, "storage.k8s.io", "storageclasses", [&](const base::Value& one) {
      const bool is_default = api::annotation_of(one, "storageclass.kubernetes.io/is-default-class") == "true" ||
                              api::annotation_of(one, "storageclass.beta.kubernetes.io/is-default-class") == "true";
      // Scanned by name: of two that are as old the first one stays.
      if (is_default && (found.empty() || api::creation_timestamp_of(one) > created)) {
        found = api::name_of(one);
        created = api::creation_timestamp_of(one);
      }
      return true;
    });
    if (!found.empty()) claim.make({"spec", "storageClassName"}) = found;
    return {};
  }
  bool returns_deleted_object() const override { return true; }

 private:
  // dataSource and dataSourceRef say the same, unless the latter names another namespace.
  static void align_sources(base::Value& spec) {
    const base::Value source = spec["dataSource"], reference = spec["dataSourceRef"];
    if (source.is_object() && reference.is_null()) {
      spec.object().set("dataSourceRef", source);
    } else if (reference.is_object() && source.is_null() && reference["namespace"].as_string().empty()) {
      base::Value copy = reference;
      copy.object().erase("namespace");
      spec.object().set("dataSource", std::move(copy));
    }
  }
};

// As the admission plugin Priority: one class at most is the default.
class PriorityClassStrategy final : public Strategy {
 public:
  void prepare_create(WriteContext&, base::Value& object) const override { api::set_generation(object, 1); }
  base::Result<void> admit_create(WriteContext& context, base::Value& object) const override {
    return check_default(context, object);
  }
  base::Result<void> admit_update(WriteContext& context, base::Value& fresh, const base::Value&) const override {
    return check_default(context, fresh);
  }
  base::Result<void> check_delete(const api::Kind& kind, std::string_view name) const override {
    if (name != "system-cluster-critical" && name != "system-node-critical") return {};
    return std::unexpected(api::forbidden(fmt::format("{}.{}", kind.plural, kind.group), name,
                                          "this is a system priority class and cannot be deleted"));
  }

 private:
  static base::Result<void> check_default(const WriteContext& context, const base::Value& object) {
    if (!object["globalDefault"].as_bool()) return {};
    std::string other;
    each_stored(context, kScheduling, "priorityclasses", [&](const base::Value& one) {
      if (one["globalDefault"].as_bool() && api::name_of(one) != api::name_of(object)) other = api::name_of(one);
      return other.empty();
    });
    if (other.empty()) return {};
    return std::unexpected(
        api::forbidden("priorityclasses.scheduling.k8s.io", api::name_of(object),
                       fmt::format("PriorityClass {} is already marked as default. Only one default can exist", other)));
  }
};

std::unique_ptr<Strategy> make_workload_strategy(base::Object empty_status, bool returns_deleted = false) {
  return std::make_unique<WorkloadStrategy>(std::move(empty_status), returns_deleted);
}

}  // namespace

void add_workload_strategies(Strategies& table) {
  table.add("apps", "deployments", std::make_unique<DeploymentStrategy>());
  table.add("apps", "replicasets", make_workload_strategy({{"replicas", 0}}));
  table.add("apps", "statefulsets", make_workload_strategy({{"replicas", 0}, {"availableReplicas", 0}}));
  table.add("apps", "daemonsets",
            make_workload_strategy({{"currentNumberScheduled", 0},
                                    {"numberMisscheduled", 0},
                                    {"desiredNumberScheduled", 0},
                                    {"numberReady", 0}}));
  table.add("batch", "jobs", std::make_unique<JobStrategy>());
  table.add("batch", "cronjobs", make_workload_strategy({}));
  table.add("autoscaling", "horizontalpodautoscalers", std::make_unique<AutoscalerStrategy>());
  table.add("policy", "poddisruptionbudgets", std::make_unique<DisruptionBudgetStrategy>());
  table.add(kScheduling, "priorityclasses", std::make_unique<PriorityClassStrategy>());
  table.add("", "podtemplates", std::make_unique<PodTemplateStrategy>());
  table.add("", "persistentvolumes", std::make_unique<VolumeStrategy>());
  table.add("", "persistentvolumeclaims", std::make_unique<ClaimStrategy>());
}

}  // namespace server
