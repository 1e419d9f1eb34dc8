#include <fmt/format.h>

#include <map>

#include "api/meta.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "base/quantity.hpp"
#include "server/encoding.hpp"
#include "server/strategy/strategy.hpp"

namespace server {

namespace {

constexpr int64_t kTolerationSeconds = 300;

using Amounts = std::map<std::string, base::Quantity, std::less<>>;

// Sums cpu and memory of one container into `total`; false when one of the two is missing or zero.
bool add_amounts(const base::Value& list, Amounts& total) {
  int found = 0;
  for (std::string_view resource : {"cpu", "memory"}) {
    const auto& value = list[resource];
    std::string text(value.is_string() ? value.as_string() : std::string_view());
    if (const auto* number = value.if_number()) text = number->text;
    auto quantity = base::Quantity::parse(text);
    if (!quantity || *quantity <= base::Quantity()) continue;
    auto& sum = total[std::string(resource)];
    sum = sum + *quantity;
    ++found;
  }
  return found == 2;
}

// v1.PodQOSClass: Guaranteed when every container limits cpu and memory and requests as much.
std::string_view qos_class(const base::Value& spec) {
  Amounts requests, limits;
  bool guaranteed = true;
  for (std::string_view list : {"containers", "initContainers"}) {
    for (const auto& container : spec[list].as_array()) {
      add_amounts(container.at({"resources", "requests"}), requests);
      if (!add_amounts(container.at({"resources", "limits"}), limits)) guaranteed = false;
    }
  }
  if (requests.empty() && limits.empty()) return "BestEffort";
  return guaranteed && requests == limits ? "Guaranteed" : "Burstable";
}

// As the admission plugin DefaultTolerationSeconds: five minutes on a node that is away.
void add_default_tolerations(base::Value& spec) {
  for (std::string_view key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    bool tolerated = false;
    for (const auto& t : spec["tolerations"].as_array()) {
      bool key_fits = t["key"].as_string() == key || t["key"].as_string().empty();
      bool effect_fits = t["effect"].as_string() == "NoExecute" || t["effect"].as_string().empty();
      if (key_fits && effect_fits) tolerated = true;
    }
    if (tolerated) continue;
    auto& list = spec.make({"tolerations"});
    if (!list.is_array()) list = base::Array{};
    list.array().emplace_back(base::Object{{"key", key},
                                           {"operator", "Exists"},
                                           {"effect", "NoExecute"},
                                           {"tolerationSeconds", kTolerationSeconds}});
  }
}

void set_if_absent(base::Value& spec, std::string_view member, base::Value value) {
  auto& slot = spec.make({member});
  if (slot.is_null()) slot = std::move(value);
}

void take_member(base::Value& to, const base::Value& from, std::string_view member) {
  if (const auto* value = from.as_object().find(member)) {
    to.object().set(member, *value);
  } else {
    to.object().erase(member);
  }
}

// Of containers that `pod` has, what they are to have from now on.
void take_resources(base::Value& pod, const base::Value& fresh) {
  for (std::string_view list : {"containers", "initContainers"}) {
    base::Value& own = pod.make({"spec", list});
    if (!own.is_array()) {
      pod.make({"spec"}).object().erase(list);
      continue;
    }
    for (base::Value& container : own.array()) {
      for (const base::Value& wanted : fresh["spec"][list].as_array()) {
        if (wanted["name"] != container["name"]) continue;
        take_member(container, wanted, "resources");
        take_member(container, wanted, "resizePolicy");
      }
    }
  }
}

class PodStrategy final : public Strategy {
 public:
  void prepare_create(WriteContext& context, base::Value& pod) const override {
    auto& spec = pod.make({"spec"});
    if (!spec.is_object()) return;  // validation says so
    if (spec["serviceAccountName"].as_string().empty()) {
      auto old_name = spec["serviceAccount"].as_string();
      spec.object().set("serviceAccountName", std::string(old_name.empty() ? "default" : old_name));
    }
    spec.object().set("serviceAccount", spec["serviceAccountName"]);
    add_default_tolerations(spec);
    base::Object status{{"phase", "Pending"}, {"qosClass", qos_class(spec)}};
    if (!spec["schedulingGates"].as_array().empty()) {
      status.set("conditions",
                 base::Array{base::Object{{"type", "PodScheduled"},
                                          {"status", "False"},
                                          {"reason", "SchedulingGated"},
                                          {"lastTransitionTime", base::format_time(context.now)},
                                          {"message",
                                           "Scheduling is blocked due to non-empty "
                                           "scheduling gates"}}});
    }
    pod.object().set("status", std::move(status));
  }

  // As the admission plugin Priority.
  base::Result<void> admit_create(WriteContext& context, base::Value& pod) const override {
    if (!pod.at({"spec", "ephemeralContainers"}).as_array().empty()) {
      return std::unexpected(
          api::invalid("", "Pod", api::name_of(pod),
                       {api::forbidden_field("spec.ephemeralContainers", "cannot be set on create")}));
    }
    auto& spec = pod.make({"spec"});
    std::string name(spec["priorityClassName"].as_string());
    int64_t priority = 0;
    std::string preemption = "PreemptLowerPriority";
    if (name == "system-cluster-critical") {
      priority = 2'000'000'000;
    } else if (name == "system-node-critical") {
      priority = 2'000'001'000;
    } else if (!name.empty()) {
      auto entry = context.txn.get(key_prefix("scheduling.k8s.io", "priorityclasses") + name);
      auto found = entry ? base::parse_json(entry->value) : base::Result<base::Value>(base::Value());
      if (!entry || !found) {
        return std::unexpected(api::forbidden("pods", api::name_of(pod),
                                              fmt::format("no PriorityClass with name {} was found", name)));
      }
      priority = (*found)["value"].int_or(0);
      if (!(*found)["preemptionPolicy"].as_string().empty())
        preemption = (*found)["preemptionPolicy"].as_string();
    }
    const auto& wanted = spec["priority"];
    if (!wanted.is_null() && wanted.int_or(0) != priority) {
      return std::unexpected(api::forbidden(
          "pods", api::name_of(pod),
          fmt::format(
              "the integer value of priority ({}) must not be provided in pod spec; priority admission "
              "controller computed {} from the given PriorityClass name",
              wanted.int_or(0), priority)));
    }
    spec.object().set("priority", priority);
    set_if_absent(spec, "preemptionPolicy", preemption);
    return {};
  }

  void prepare_status(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    base::Value qos = old.at({"status", "qosClass"});
    Strategy::prepare_status(context, fresh, old);
    if (fresh["status"].is_object() && fresh.at({"status", "qosClass"}).as_string().empty() &&
        !qos.is_null()) {
      fresh.make({"status", "qosClass"}) = std::move(qos);
    }
  }

  base::Result<void> prepare_part(WriteContext&, std::string_view part, base::Value& fresh,
                                  const base::Value& old) const override {
    base::Value result = old;
    if (part == "ephemeralcontainers") {
      take_member(result.make({"spec"}), fresh["spec"], "ephemeralContainers");
    } else if (part == "resize") {
      take_resources(result, fresh);
      if (qos_class(result["spec"]) != qos_class(old["spec"])) {
        return std::unexpected(
            api::invalid("", "Pod", api::name_of(old),
                         {api::invalid_field("spec", qos_class(result["spec"]),
                                             "Pod QOS Class may not change as a result of resizing")}));
      }
    }
    fresh = std::move(result);
    return {};
  }

  std::optional<int64_t> grace_seconds(const base::Value& pod, std::optional<int64_t> wanted) const override {
    int64_t seconds = wanted.value_or(pod.at({"spec", "terminationGracePeriodSeconds"}).int_or(0));
    auto phase = pod.at({"status", "phase"}).as_string();
    if (pod.at({"spec", "nodeName"}).as_string().empty() || phase == "Failed" || phase == "Succeeded")
      return 0;
    return seconds < 0 ? 1 : seconds;
  }

  bool returns_deleted_object() const override { return true; }
};

}  // namespace

std::unique_ptr<Strategy> make_pod_strategy() { return std::make_unique<PodStrategy>(); }

}  // namespace server
