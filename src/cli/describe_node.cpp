#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/meta.hpp"
#include "base/strings.hpp"
#include "cli/describe_kinds.hpp"
#include "cli/describe_parts.hpp"

namespace cli {
namespace {

using base::Array;
using base::Quantity;
using base::Value;

std::string roles_text(const Value& node) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  for (auto& label : api::labels_of(node).as_object()) {
    if (label.key.starts_with(kPrefix)) roles.insert(label.key.substr(kPrefix.size()));
    if (label.key == "kubernetes.io/role") roles.insert(text_of(label.value));
  }
  roles.erase("");
  std::vector<std::string> sorted(roles.begin(), roles.end());
  return sorted.empty() ? "<none>" : base::join(sorted, ",");
}

void put_taints(Page& page, const Value& taints) {
  page.put("Taints:");
  Array sorted = taints.as_array();
  if (sorted.empty()) return page.line(0, "\t<none>");
  auto key = [](const Value& taint) {
    return fmt::format("{},{}", text_of(taint["effect"]), text_of(taint["key"]));
  };
  std::stable_sort(sorted.begin(), sorted.end(), [&](auto& a, auto& b) { return key(a) < key(b); });
  for (const Value& taint : sorted) {
    std::string text = text_of(taint["key"]), value = text_of(taint["value"]),
                effect = text_of(taint["effect"]);
    // key=value:effect, key:effect, key=value:, key
    if (!value.empty())
      text += fmt::format("={}:", value);
    else if (!effect.empty())
      text += ":";
    text += effect;
    page.line(0, "\t" + text);
  }
}

void put_lease(Page& page, const base::Result<Value>& lease) {
  if (!lease) return page.field(0, "Lease", "Failed to get lease: " + lease.error().message);
  const Value& spec = (*lease)["spec"];
  auto time = [](const Value& value) { return value.is_null() ? std::string("<unset>") : local_time(value); };
  page.line(0, "Lease:");
  page.field(1, "HolderIdentity",
             spec["holderIdentity"].is_null() ? "<unset>" : text_of(spec["holderIdentity"]));
  page.field(1, "AcquireTime", time(spec["acquireTime"]));
  page.field(1, "RenewTime", time(spec["renewTime"]));
}

void put_conditions(Page& page, const Array& conditions) {
  if (conditions.empty()) return;
  page.line(0, "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage");
  page.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
  for (const Value& one : conditions)
    page.line(1, fmt::format("{} \t{} \t{} \t{} \t{} \t{}", text_of(one["type"]), text_of(one["status"]),
                             local_time(one["lastHeartbeatTime"]), local_time(one["lastTransitionTime"]),
                             text_of(one["reason"]), text_of(one["message"])));
}

void put_amounts(Page& page, std::string_view title, const Value& resources) {
  auto members = sorted_members(resources);
  if (!members.empty()) page.line(0, title);
  for (auto* one : members) page.field(1, one->key, quantity_text(one->value));
}

void put_system(Page& page, const Value& about) {
  page.line(0, "System Info:");
  for (auto [title, field] : {std::pair{"Machine ID", "machineID"},
                              {"System UUID", "systemUUID"},
                              {"Boot ID", "bootID"},
                              {"Kernel Version", "kernelVersion"},
                              {"OS Image", "osImage"},
                              {"Operating System", "operatingSystem"},
                              {"Architecture", "architecture"},
                              {"Container Runtime Version", "containerRuntimeVersion"},
                              {"Kubelet Version", "kubeletVersion"},
                              {"Kube-Proxy Version", "kubeProxyVersion"}})
    page.field(1, title, text_of(about[field]));
}

Quantity amount(const Quantities& all, const std::string& name) {
  auto it = all.find(name);
  return it == all.end() ? Quantity() : it->second;
}

// "250m (12%)": of what the node can give; 0% when it can give nothing.
std::string share(const std::string& name, const Quantities& used, const Quantities& allocatable) {
  Quantity have = amount(used, name), all = amount(allocatable, name);
  double part = name == "cpu" ? static_cast<double>(have.milli_value()) : static_cast<double>(have.value());
  double whole = name == "cpu" ? static_cast<double>(all.milli_value()) : static_cast<double>(all.value());
  return fmt::format("{} ({}%)", have.text(), whole == 0 ? 0 : static_cast<int64_t>(part / whole * 100));
}

void put_totals(Page& page, const PodResources& totals, const Quantities& allocatable) {
  page.line(0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)");
  page.line(1, "Resource\tRequests\tLimits");
  page.line(1, "--------\t--------\t------");
  auto put_share = [&](const std::string& name) {
    page.line(1, fmt::format("{}\t{}\t{}", name, share(name, totals.requests, allocatable),
                             share(name, totals.limits, allocatable)));
  };
  for (const char* name : {"cpu", "memory", "ephemeral-storage"}) put_share(name);
  for (auto& [name, quantity] : allocatable) {
    if (name.starts_with("hugepages-")) put_share(name);
  }
  for (auto& [name, quantity] : allocatable) {
    if (name == "cpu" || name == "memory" || name == "ephemeral-storage" || name == "pods" ||
        name.starts_with("hugepages-"))
      continue;
    page.line(1, fmt::format("{}\t{}\t{}", name, amount(totals.requests, name).text(),
                             amount(totals.limits, name).text()));
  }
}

void add(Quantities& to, const Quantities& more) {
  for (auto& [name, quantity] : more) {
    auto [it, is_new] = to.try_emplace(name, quantity);
    if (!is_new) it->second = it->second + quantity;
  }
}

void put_pods(Page& page, const Value& node, const Array& pods, base::Time now) {
  const Value& status = node["status"];
  Quantities allocatable =
      read_quantities(status["allocatable"].as_object().empty() ? status["capacity"] : status["allocatable"]);
  page.field(0, "Non-terminated Pods", fmt::format("({} in total)", pods.size()));
  page.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
  page.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---");
  PodResources totals;
  for (const Value& pod : pods) {
    PodResources own = resources_of_pod(pod);
    page.line(
        1, fmt::format("{}\t{}\t\t{}\t{}\t{}\t{}\t{}", api::namespace_of(pod), api::name_of(pod),
                       share("cpu", own.requests, allocatable), share("cpu", own.limits, allocatable),
                       share("memory", own.requests, allocatable), share("memory", own.limits, allocatable),
                       since(pod["metadata"]["creationTimestamp"], now)));
    add(totals.requests, own.requests);
    add(totals.limits, own.limits);
  }
  put_totals(page, totals, allocatable);
}

}  // namespace

std::string describe_node(const Value& node, const NodeParts& parts, base::Time now) {
  Page page;
  const Value& spec = node["spec"];
  const Value& status = node["status"];
  page.field(0, "Name", api::name_of(node));
  page.field(0, "Roles", roles_text(node));
  put_labels(page, "Labels", api::labels_of(node));
  put_annotations(page, "Annotations", api::annotations_of(node));
  page.field(0, "CreationTimestamp", local_time(node["metadata"]["creationTimestamp"]));
  put_taints(page, spec["taints"]);
  page.field(0, "Unschedulable", bool_text(spec["unschedulable"]));
  put_lease(page, parts.lease);
  put_conditions(page, status["conditions"].as_array());
  page.line(0, "Addresses:");
  for (const Value& address : status["addresses"].as_array())
    page.field(1, text_of(address["type"]), text_of(address["address"]));
  put_amounts(page, "Capacity:", status["capacity"]);
  put_amounts(page, "Allocatable:", status["allocatable"]);
  put_system(page, status["nodeInfo"]);
  if (std::string cidr = text_of(spec["podCIDR"]); !cidr.empty()) page.field(0, "PodCIDR", cidr);
  if (std::string cidrs = joined(spec["podCIDRs"], ","); !cidrs.empty()) page.field(0, "PodCIDRs", cidrs);
  if (std::string id = text_of(spec["providerID"]); !id.empty()) page.field(0, "ProviderID", id);
  if (parts.pods) {
    put_pods(page, node, *parts.pods, now);
  } else {
    page.field(0, "Pods", "not authorized");
  }
  put_events(page, parts.events, now);
  return page.text();
}

}  // namespace cli
