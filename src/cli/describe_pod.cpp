#include <fmt/format.h>

#include <algorithm>

#include "api/meta.hpp"
#include "cli/describe_kinds.hpp"
#include "cli/describe_parts.hpp"

namespace cli {

using base::Array;
using base::Quantity;
using base::Value;

namespace {

void put_if_any(Page& page, std::string_view name, const Value& value) {
  if (std::string text = text_of(value); !text.empty()) page.field(0, name, text);
}

void put_status(Page& page, const Value& pod, base::Time now) {
  const Value& status = pod["status"];
  auto phase = status["phase"].as_string();
  if (api::is_being_deleted(pod) && phase != "Failed" && phase != "Succeeded") {
    page.field(0, "Status",
               fmt::format("Terminating (lasts {})", since(pod["metadata"]["deletionTimestamp"], now)));
    page.field(0, "Termination Grace Period",
               fmt::format("{}s", api::deletion_grace_seconds_of(pod).value_or(0)));
  } else {
    page.field(0, "Status", phase);
  }
  put_if_any(page, "Reason", status["reason"]);
  put_if_any(page, "Message", status["message"]);
}

void put_addresses(Page& page, const Value& status) {
  page.field(0, "IP", text_of(status["podIP"]));
  const Array& ips = status["podIPs"].as_array();
  page.line(0, ips.empty() ? "IPs:\t<none>" : "IPs:");
  for (const Value& ip : ips) page.field(1, "IP", text_of(ip["ip"]));
}

void put_conditions(Page& page, const Value& pod) {
  const Array& conditions = pod["status"]["conditions"].as_array();
  const Array& gates = pod["spec"]["readinessGates"].as_array();
  if (!gates.empty()) page.line(0, "Readiness Gates:\n  Type\tStatus");
  for (const Value& gate : gates) {
    auto found = std::find_if(conditions.begin(), conditions.end(),
                              [&](auto& c) { return c["type"] == gate["conditionType"]; });
    page.line(1, fmt::format("{} \t{} ", text_of(gate["conditionType"]),
                             found == conditions.end() ? "<none>" : text_of((*found)["status"])));
  }
  if (!conditions.empty()) page.line(0, "Conditions:\n  Type\tStatus");
  for (const Value& condition : conditions)
    page.line(1, fmt::format("{} \t{} ", text_of(condition["type"]), text_of(condition["status"])));
}

void add(Quantities& to, const Quantities& more) {
  for (auto& [name, quantity] : more) {
    auto [it, is_new] = to.try_emplace(name, quantity);
    if (!is_new) it->second = it->second + quantity;
  }
}

void raise(Quantities& to, const Quantities& least) {
  for (auto& [name, quantity] : least) {
    auto [it, is_new] = to.try_emplace(name, quantity);
    if (!is_new && quantity > it->second) it->second = quantity;
  }
}

// A resize in place counts with the larger of what is wanted and what is given, until it is refused.
Quantities requests_of(const Value& pod, const Value& container) {
  Quantities wanted = read_quantities(container["resources"]["requests"]);
  for (const char* list : {"containerStatuses", "initContainerStatuses"}) {
    for (const Value& status : pod["status"][list].as_array()) {
      if (status["name"] != container["name"] || !status["resources"].is_object()) continue;
      const Array& conditions = pod["status"]["conditions"].as_array();
      bool refused = std::any_of(conditions.begin(), conditions.end(), [](auto& c) {
        return c["type"].as_string() == "PodResizePending" && c["reason"].as_string() == "Infeasible";
      });
      if (refused) wanted.clear();
      raise(wanted, read_quantities(status["resources"]["requests"]));
      raise(wanted, read_quantities(status["allocatedResources"]));
    }
  }
  return wanted;
}

template <class Needs>
Quantities sum_up(const Value& spec, Needs needs) {
  Quantities all, sidecars, largest;
  for (const Value& container : spec["containers"].as_array()) add(all, needs(container));
  for (const Value& container : spec["initContainers"].as_array()) {
    Quantities needed = needs(container);
    if (container["restartPolicy"].as_string() == "Always") {
      add(all, needed);
      add(sidecars, needed);
      needed = sidecars;
    } else {
      add(needed, sidecars);
    }
    raise(largest, needed);
  }
  raise(all, largest);
  return all;
}

}  // namespace

Quantities read_quantities(const Value& resource_list) {
  Quantities out;
  for (auto& member : resource_list.as_object()) {
    if (auto quantity = Quantity::parse(text_of(member.value))) out[member.key] = *quantity;
  }
  return out;
}

PodResources resources_of_pod(const Value& pod) {
  const Value& spec = pod["spec"];
  Quantities overhead = read_quantities(spec["overhead"]);
  PodResources out;
  out.requests = sum_up(spec, [&](const Value& c) { return requests_of(pod, c); });
  add(out.requests, overhead);
  out.limits = sum_up(spec, [](const Value& c) { return read_quantities(c["resources"]["limits"]); });
  for (auto& [name, quantity] : overhead) {
    if (auto it = out.limits.find(name); it != out.limits.end() && it->second != Quantity())
      it->second = it->second + quantity;
  }
  return out;
}

std::string qos_class(const Value& pod) {
  if (std::string given = text_of(pod["status"]["qosClass"]); !given.empty()) return given;
  Quantities requests, limits;
  bool guaranteed = true;
  auto take = [&](const Value& resources) {
    auto counted = [&](const char* field) {
      Quantities all = read_quantities(resources[field]);
      std::erase_if(all, [](auto& item) {
        return (item.first != "cpu" && item.first != "memory") || !(item.second > Quantity());
      });
      return all;
    };
    add(requests, counted("requests"));
    Quantities own_limits = counted("limits");
    if (own_limits.size() < 2) guaranteed = false;
    add(limits, own_limits);
  };
  if (pod["spec"]["resources"].is_object()) {
    take(pod["spec"]["resources"]);
  } else {
    for (const char* list : {"containers", "initContainers"}) {
      for (const Value& container : pod["spec"][list].as_array()) take(container["resources"]);
    }
  }
  if (requests.empty() && limits.empty()) return "BestEffort";
  return guaranteed && requests == limits ? "Guaranteed" : "Burstable";
}

std::string describe_pod(const Value& pod, const Array* events, base::Time now) {
  Page page;
  const Value& spec = pod["spec"];
  const Value& status = pod["status"];
  put_name(page, pod);
  put_if_any(page, "Priority", spec["priority"]);
  put_if_any(page, "Priority Class Name", spec["priorityClassName"]);
  put_if_any(page, "Runtime Class Name", spec["runtimeClassName"]);
  put_if_any(page, "Service Account", spec["serviceAccountName"]);
  std::string node = text_of(spec["nodeName"]);
  page.field(0, "Node", node.empty() ? "<none>" : fmt::format("{}/{}", node, text_of(status["hostIP"])));
  if (status["startTime"].is_string()) page.field(0, "Start Time", local_time(status["startTime"]));
  put_labels(page, "Labels", api::labels_of(pod));
  put_annotations(page, "Annotations", api::annotations_of(pod));
  put_status(page, pod, now);
  if (const Value& profile = spec["securityContext"]["seccompProfile"]; profile.is_object()) {
    page.field(0, "SeccompProfile", text_of(profile["type"]));
    if (profile["type"].as_string() == "Localhost")
      page.field(0, "LocalhostProfile", text_of(profile["localhostProfile"]));
  }
  put_addresses(page, status);
  if (std::string controller = controller_text(pod); !controller.empty())
    page.field(0, "Controlled By", controller);
  put_if_any(page, "NominatedNodeName", status["nominatedNodeName"]);
  if (spec["resources"].is_object()) {
    page.line(0, "Resources:");
    put_resources(page, 1, spec["resources"]);
  }
  if (!spec["initContainers"].as_array().empty())
    put_containers(page,
                   {"Init Containers", spec["initContainers"], status["initContainerStatuses"], pod, ""});
  put_containers(page, {"Containers", spec["containers"], status["containerStatuses"], pod, ""});
  if (!spec["ephemeralContainers"].as_array().empty())
    put_containers(page, {"Ephemeral Containers", spec["ephemeralContainers"],
                          status["ephemeralContainerStatuses"], pod, ""});
  put_conditions(page, pod);
  put_volumes(page, "", spec["volumes"]);
  page.field(0, "QoS Class", qos_class(pod));
  put_labels(page, "Node-Selectors", spec["nodeSelector"]);
  put_tolerations(page, "Tolerations", spec["tolerations"]);
  put_spread_constraints(page, "", spec["topologySpreadConstraints"]);
  put_events(page, events, now);
  return page.text();
}

void put_pod_template(Page& page, const Value& pod_template) {
  const Value& spec = pod_template["spec"];
  const Value none;
  page.line(0, "Pod Template:");
  if (pod_template.is_null()) return page.put("  <unset>");
  put_labels(page, "  Labels", api::labels_of(pod_template));
  if (!api::annotations_of(pod_template).as_object().empty())
    put_annotations(page, "  Annotations", api::annotations_of(pod_template));
  if (std::string account = text_of(spec["serviceAccountName"]); !account.empty())
    page.field(1, "Service Account", account);
  if (!spec["initContainers"].as_array().empty())
    put_containers(page, {"Init Containers", spec["initContainers"], none, none, "  "});
  put_containers(page, {"Containers", spec["containers"], none, none, "  "});
  put_volumes(page, "  ", spec["volumes"]);
  put_spread_constraints(page, "  ", spec["topologySpreadConstraints"]);
  if (std::string name = text_of(spec["priorityClassName"]); !name.empty())
    page.field(1, "Priority Class Name", name);
  put_labels(page, "  Node-Selectors", spec["nodeSelector"]);
  put_tolerations(page, "  Tolerations", spec["tolerations"]);
}

}  // namespace cli
