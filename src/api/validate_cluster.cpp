// Rules for nodes, leases, events and scales.
#include <set>

#include "api/meta.hpp"
#include "api/validate_rules.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

void check_taints(Problems& out, const Value& taints) {
  std::set<std::pair<std::string, std::string>> seen;
  const auto& list = taints.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    std::string at = index("spec.taints", i);
    const Value& taint = list[i];
    out.qualified_name(child(at, "key"), taint["key"].as_string());
    out.invalid(child(at, "value"), taint["value"].as_string(), base::check_label_value(taint["value"].as_string()));
    out.one_of(child(at, "effect"), taint["effect"], {"NoSchedule", "PreferNoSchedule", "NoExecute"});
    if (!seen.emplace(taint["key"].as_string(), taint["effect"].as_string()).second) {
      FieldError twice = duplicate_field(at, taint);
      twice.detail = "taints must be unique by key and effect pair";
      out.add(std::move(twice));
    }
  }
}

}  // namespace

void check_node(Problems& out, const Value& node) {
  const Value& spec = node["spec"];
  check_taints(out, spec["taints"]);
  const auto& cidrs = spec["podCIDRs"].as_array();
  for (size_t i = 0; i < cidrs.size(); ++i) out.cidr(index("spec.podCIDRs", i), cidrs[i]);
  if (cidrs.size() > 2)
    out.invalid("spec.podCIDRs", spec["podCIDRs"], std::string("may specify no more than one CIDR for each IP family"));
}

void check_node_update(Problems& out, const Value& fresh, const Value& old) {
  const Value& now = fresh["spec"];
  const Value& before = old["spec"];
  if (!before["providerID"].as_string().empty() && now["providerID"] != before["providerID"])
    out.forbidden("spec.providerID", "node updates may not change providerID except from \"\" to valid");
  if (!before["podCIDR"].as_string().empty() && now["podCIDR"] != before["podCIDR"])
    out.forbidden("spec.podCIDRs", "node updates may not change podCIDR except from \"\" to valid");
}

void check_lease(Problems& out, const Value& lease) {
  const Value& spec = lease["spec"];
  if (const Value& holder = spec["holderIdentity"]; holder.is_string() && holder.as_string().empty())
    out.invalid("spec.holderIdentity", holder, std::string("must not be empty"));
  if (const Value& seconds = spec["leaseDurationSeconds"]; seconds.is_number() && seconds.int_or(0) <= 0)
    out.invalid("spec.leaseDurationSeconds", seconds, std::string("must be greater than 0"));
  out.nonnegative("spec.leaseTransitions", spec["leaseTransitions"]);
}

void check_event(Problems& out, const Value& event) {
  const bool newer = event["involvedObject"].is_null() && event["regarding"].is_object();
  const char* member = newer ? "regarding" : "involvedObject";
  std::string_view about = event[member]["namespace"].as_string(), own = namespace_of(event);
  // Events about cluster-wide objects are kept in "default".
  bool fits = about == own || (about.empty() && (own == "default" || own == "kube-system" || own.empty()));
  if (!fits) out.invalid(child(member, "namespace"), about, std::string("does not match event.namespace"));
  if (newer && event["reportingController"].as_string().empty()) out.required("reportingController");
  if (newer && event["action"].as_string().empty()) out.required("action");
}

void check_scale(Problems& out, const Value& scale) { out.nonnegative("spec.replicas", scale["spec"]["replicas"]); }

}  // namespace api::rules
