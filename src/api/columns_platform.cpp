// The tables of networking, storage, runtime classes, devices and flow control.
#include <fmt/format.h>

#include <set>

#include "api/matchers.hpp"
#include "api/meta.hpp"
#include "api/printing.hpp"
#include "base/quantity.hpp"
#include "base/strings.hpp"

namespace api::printing {

namespace {

using base::Time;
using base::Value;

constexpr std::string_view kUnset = "<unset>";
constexpr size_t kMaxHosts = 3;

Value or_else(const Value& value, Value otherwise) { return value.is_null() ? std::move(otherwise) : value; }

Column yes_or_no(std::string name, std::string description) {
  return column(std::move(name), "boolean", std::move(description));
}

std::string name_or_default(const Value& object, std::initializer_list<std::string_view> annotations) {
  std::string name(name_of(object));
  for (auto annotation : annotations)
    if (annotation_of(object, annotation) == "true") return name + " (default)";
  return name;
}

// ---- networking
// ---------------------------------------------------------------------------------------------------

std::string hosts_text(const Value& rules) {
  std::vector<std::string> hosts;
  bool more = false;
  for (const auto& rule : rules.as_array()) {
    if (hosts.size() == kMaxHosts)
      more = true;
    else if (auto host = rule["host"].as_string(); !host.empty())
      hosts.emplace_back(host);
  }
  if (hosts.empty()) return "*";
  std::string out = base::join(hosts, ",");
  if (more) out += fmt::format(" + {} more...", rules.as_array().size() - kMaxHosts);
  return out;
}

std::string addresses_text(const Value& ingress) {
  std::set<std::string> addresses;
  for (const auto& one : ingress["status"]["loadBalancer"]["ingress"].as_array()) {
    auto ip = one["ip"].as_string(), host = one["hostname"].as_string();
    if (!ip.empty() || !host.empty()) addresses.emplace(ip.empty() ? host : ip);
  }
  std::vector<std::string> sorted(addresses.begin(), addresses.end());
  return base::join(sorted, ",");
}

Cells ingress_cells(const Value& object, Time now) {
  const Value& spec = object["spec"];
  return {
      name_of(object),        or_else(spec["ingressClassName"], kNone),          hosts_text(spec["rules"]),
      addresses_text(object), spec["tls"].as_array().empty() ? "80" : "80, 443", age(object, now)};
}

Cells ingress_class_cells(const Value& object, Time now) {
  std::string parameters(kNone);
  if (const Value& of = object["spec"]["parameters"]; of.is_object()) {
    parameters = of["kind"].as_string();
    if (of["apiGroup"].is_string()) parameters += fmt::format(".{}", of["apiGroup"].as_string());
    parameters += fmt::format("/{}", of["name"].as_string());
  }
  return {name_of(object), object["spec"]["controller"].as_string(), parameters, age(object, now)};
}

Cells network_policy_cells(const Value& object, Time now) {
  auto matcher = LabelMatcher::from_object(object["spec"]["podSelector"]);
  std::string text = matcher ? matcher->text() : "<error>";
  return {name_of(object), text.empty() ? std::string(kNone) : text, age(object, now)};
}

Cells service_cidr_cells(const Value& object, Time now) {
  return {name_of(object), strings_text(object["spec"]["cidrs"]), age(object, now)};
}

Cells ip_address_cells(const Value& object, Time) {
  const Value& parent = object["spec"]["parentRef"];
  if (!parent.is_object()) return {name_of(object), kNone};
  std::string text(parent["resource"].as_string());
  for (const char* member : {"group", "namespace", "name"}) {
    auto part = parent[member].as_string();
    if (!part.empty() || member == std::string_view("name"))
      text += (member[0] == 'g' ? "." : "/") + std::string(part);
  }
  return {name_of(object), text};
}

// ---- storage
// ------------------------------------------------------------------------------------------------------

Cells storage_class_cells(const Value& object, Time now) {
  return {name_or_default(object, {"storageclass.kubernetes.io/is-default-class",
                                   "storageclass.beta.kubernetes.io/is-default-class"}),
          object["provisioner"].as_string(),
          or_else(object["reclaimPolicy"], "Delete"),
          or_else(object["volumeBindingMode"], "Immediate"),
          object["allowVolumeExpansion"].as_bool(),
          age(object, now)};
}

Cells volume_attachment_cells(const Value& object, Time now) {
  const Value& spec = object["spec"];
  return {name_of(object),
          spec["attacher"].as_string(),
          spec["source"]["persistentVolumeName"].as_string(),
          spec["nodeName"].as_string(),
          object["status"]["attached"].as_bool(),
          age(object, now)};
}

Cells csi_driver_cells(const Value& object, Time now) {
  const Value& spec = object["spec"];
  std::string tokens(kUnset);
  if (spec["tokenRequests"].is_array()) {
    std::vector<std::string> audiences;
    for (const auto& one : spec["tokenRequests"].as_array())
      audiences.emplace_back(one["audience"].as_string());
    tokens = base::join(audiences, ",");
  }
  std::string modes = strings_text(spec["volumeLifecycleModes"]);
  return {name_of(object),
          spec["attachRequired"].as_bool(true),
          spec["podInfoOnMount"].as_bool(),
          spec["storageCapacity"].as_bool(),
          tokens,
          spec["requiresRepublish"].as_bool(),
          modes.empty() ? std::string(kNone) : modes,
          age(object, now)};
}

Cells csi_node_cells(const Value& object, Time now) {
  return {name_of(object), static_cast<int64_t>(object["spec"]["drivers"].as_array().size()),
          age(object, now)};
}

Cells csi_storage_capacity_cells(const Value& object, Time) {
  auto capacity = base::Quantity::parse(object["capacity"].as_string());
  return {name_of(object), object["storageClassName"].as_string(),
          capacity ? capacity->text() : std::string(kUnset)};
}

Cells volume_attributes_class_cells(const Value& object, Time now) {
  return {name_or_default(object, {"volumeattributesclass.kubernetes.io/is-default-class"}),
          object["driverName"].as_string(), age(object, now)};
}

// ---- the others
// ---------------------------------------------------------------------------------------------------

Cells runtime_class_cells(const Value& object, Time now) {
  return {name_of(object), object["handler"].as_string(), age(object, now)};
}

Cells flow_schema_cells(const Value& object, Time now) {
  const Value& spec = object["spec"];
  std::string_view missing = "?";
  for (const auto& condition : object["status"]["conditions"].as_array())
    if (condition["type"].as_string() == "Dangling") {
      missing = condition["status"].as_string();
      break;
    }
  return {name_of(object),
          spec["priorityLevelConfiguration"]["name"].as_string(),
          spec["matchingPrecedence"].int_or(0),
          or_else(spec["distinguisherMethod"]["type"], kNone),
          age(object, now),
          missing};
}

Cells priority_level_cells(const Value& object, Time now) {
  const Value& spec = object["spec"];
  const Value& queuing = spec["limited"]["limitResponse"]["queuing"];
  Cells out{name_of(object), spec["type"].as_string(),
            or_else(spec["limited"]["nominalConcurrencyShares"], kNone)};
  for (const char* member : {"queues", "handSize", "queueLengthLimit"})
    out.push_back(queuing.is_object() ? Value(queuing[member].int_or(0)) : Value(kNone));
  out.push_back(age(object, now));
  return out;
}

Cells resource_claim_cells(const Value& object, Time now) {
  std::vector<std::string> states;
  const bool deleted = is_being_deleted(object);
  if (deleted) states.emplace_back("deleted");
  if (object["status"]["allocation"].is_null()) {
    if (!deleted) states.emplace_back("pending");
  } else {
    states.emplace_back("allocated");
    if (!object["status"]["reservedFor"].as_array().empty()) states.emplace_back("reserved");
  }
  return {name_of(object), base::join(states, ","), age(object, now)};
}

Cells resource_slice_cells(const Value& object, Time now) {
  const Value& spec = object["spec"];
  return {name_of(object), or_else(spec["nodeName"], ""), spec["driver"].as_string(),
          spec["pool"]["name"].as_string(), age(object, now)};
}

Cells name_and_age(const Value& object, Time now) { return {name_of(object), age(object, now)}; }

// ---- the table
// ----------------------------------------------------------------------------------------------------

std::vector<Column> ingress_columns() {
  return {name_column(),
          text("Class", "The ingress class that serves it."),
          text("Hosts", "Host names of the rules; * when any will do."),
          text("Address", "Where the ingress controller takes requests."),
          text("Ports", "Ports that are open: 80, and 443 with TLS."),
          age_column()};
}

std::vector<Column> volume_attachment_columns() {
  std::vector<Column> out{name_column(),
                          text("Attacher", "Who attaches the volume."),
                          text("PV", "The volume."),
                          text("Node", "The node that the volume is for."),
                          yes_or_no("Attached", "Whether the volume is attached."),
                          age_column()};
  out[1].format = "name";
  return out;
}

std::vector<Column> csi_driver_columns() {
  return {name_column(),
          yes_or_no("AttachRequired", "Whether volumes must be attached before they are mounted."),
          yes_or_no("PodInfoOnMount", "Whether the driver is told of the pod."),
          yes_or_no("StorageCapacity", "Whether the scheduler looks at the room that is left."),
          text("TokenRequests", "Audiences of the tokens that the driver gets."),
          yes_or_no("RequiresRepublish", "Whether volumes are published again and again."),
          text("Modes", "Kinds of volumes that the driver makes."),
          age_column()};
}

void add_network_printers(std::vector<Printer>& out) {
  const std::string_view group = "networking.k8s.io";
  out.push_back({group, "Ingress", ingress_columns(), ingress_cells});
  out.push_back({"extensions", "Ingress", ingress_columns(), ingress_cells});
  out.push_back({group,
                 "IngressClass",
                 {name_column(), text("Controller", "Who serves ingresses of the class."),
                  text("Parameters", "The object with the controller's settings."), age_column()},
                 ingress_class_cells});
  out.push_back({group,
                 "NetworkPolicy",
                 {name_column(), text("Pod-Selector", "Labels of the pods that it is for."), age_column()},
                 network_policy_cells});
  out.push_back({group,
                 "ServiceCIDR",
                 {name_column(), text("CIDRs", "Ranges of Service addresses."), age_column()},
                 service_cidr_cells});
  out.push_back(
      {group, "IPAddress", {name_column(), text("ParentRef", "What uses the address.")}, ip_address_cells});
}

void add_storage_printers(std::vector<Printer>& out) {
  const std::string_view group = "storage.k8s.io";
  out.push_back({group,
                 "StorageClass",
                 {name_column(), text("Provisioner", "Who makes the volumes."),
                  text("ReclaimPolicy", "What happens to volumes after their claims."),
                  text("VolumeBindingMode", "When volumes are made."),
                  text("AllowVolumeExpansion", "Whether claims may grow."), age_column()},
                 storage_class_cells});
  out.push_back({group, "VolumeAttachment", volume_attachment_columns(), volume_attachment_cells});
  out.push_back({group, "CSIDriver", csi_driver_columns(), csi_driver_cells});
  out.push_back({group,
                 "CSINode",
                 {name_column(), number("Drivers", "How many drivers the node has."), age_column()},
                 csi_node_cells});
  out.push_back({group,
                 "CSIStorageCapacity",
                 {name_column(), text("StorageClassName", "The storage class that is meant."),
                  text("Capacity", "Room that is left.")},
                 csi_storage_capacity_cells});
  out.push_back({group,
                 "VolumeAttributesClass",
                 {name_column(), text("DriverName", "The driver that the attributes are for."), age_column()},
                 volume_attributes_class_cells});
}

void add_flow_printers(std::vector<Printer>& out) {
  const std::string_view group = "flowcontrol.apiserver.k8s.io";
  out.push_back({group,
                 "FlowSchema",
                 {name_column(), text("PriorityLevel", "The level that the requests get."),
                  text("MatchingPrecedence", "Which schema is tried first: the lowest."),
                  text("DistinguisherMethod", "How requests are told apart."), age_column(),
                  text("MissingPL", "Whether the priority level does not exist.")},
                 flow_schema_cells});
  out.push_back({group,
                 "PriorityLevelConfiguration",
                 {name_column(), text("Type", "Exempt or Limited."),
                  text("NominalConcurrencyShares", "Share of the server's seats."),
                  text("Queues", "How many queues."), text("HandSize", "How many queues a flow may use."),
                  text("QueueLengthLimit", "How many requests may wait in a queue."), age_column()},
                 priority_level_cells});
}

}  // namespace

void add_platform_printers(std::vector<Printer>& out) {
  add_network_printers(out);
  add_storage_printers(out);
  add_flow_printers(out);
  out.push_back({"node.k8s.io",
                 "RuntimeClass",
                 {name_column(), text("Handler", "Its name in the nodes' configuration."), age_column()},
                 runtime_class_cells});
  const std::string_view group = "resource.k8s.io";
  out.push_back({group, "DeviceClass", {name_column(), age_column()}, name_and_age});
  out.push_back({group,
                 "ResourceClaim",
                 {name_column(), text("State", "pending, allocated, reserved, deleted."), age_column()},
                 resource_claim_cells});
  out.push_back({group, "ResourceClaimTemplate", {name_column(), age_column()}, name_and_age});
  out.push_back({group,
                 "ResourceSlice",
                 {name_column(), text("Node", "The node that has the devices."),
                  text("Driver", "The devices' driver."), text("Pool", "The devices' pool."), age_column()},
                 resource_slice_cells});
}

}  // namespace api::printing
