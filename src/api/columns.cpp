#include "api/columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "api/columns_pod.hpp"
#include "api/custom/definition.hpp"
#include "api/meta.hpp"
#include "api/printing.hpp"
#include "base/strings.hpp"

namespace api {

namespace {

using base::Time;
using base::Value;
using printing::age;
using printing::age_column;
using printing::Cells;
using printing::column;
using printing::kNone;
using printing::map_text;
using printing::name_column;
using printing::number;
using printing::Printer;
using printing::ShortList;
using printing::strings_text;
using printing::text;
using printing::wide;

constexpr std::string_view kUnset = "<unset>";

std::string_view or_else(std::string_view text, std::string_view otherwise) {
  return text.empty() ? otherwise : text;
}

int64_t members_in(const Value& map) { return static_cast<int64_t>(map.as_object().size()); }

std::string host_port(std::string_view host, int64_t port) {
  bool v6 = host.find(':') != std::string_view::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

// ---- services -----------------------------------------------------------------------------------------------------

std::string load_balancer_text(const Value& service) {
  std::set<std::string> addresses;
  for (const auto& ingress : service["status"]["loadBalancer"]["ingress"].as_array()) {
    auto ip = ingress["ip"].as_string();
    auto host = ingress["hostname"].as_string();
    if (!ip.empty()) addresses.emplace(ip);
    else if (!host.empty()) addresses.emplace(host);
  }
  std::vector<std::string> sorted(addresses.begin(), addresses.end());
  return base::join(sorted, ",");
}

std::string external_ip_text(const Value& service) {
  const Value& spec = service["spec"];
  std::string_view type = spec["type"].as_string();
  std::string own = strings_text(spec["externalIPs"]);
  if (type == "ExternalName") return std::string(spec["externalName"].as_string());
  if (type == "ClusterIP" || type == "NodePort") return own.empty() ? std::string(kNone) : own;
  if (type != "LoadBalancer") return "<unknown>";
  std::string balanced = load_balancer_text(service);
  if (!own.empty()) return balanced.empty() ? own : balanced + "," + own;
  return balanced.empty() ? "<pending>" : balanced;
}

std::string service_ports_text(const Value& ports) {
  std::vector<std::string> out;
  for (const auto& port : ports.as_array()) {
    auto number = port["port"].int_or(0), node = port["nodePort"].int_or(0);
    auto protocol = port["protocol"].as_string();
    out.push_back(node > 0 ? fmt::format("{}:{}/{}", number, node, protocol) : fmt::format("{}/{}", number, protocol));
  }
  return out.empty() ? std::string(kNone) : base::join(out, ",");
}

Cells service_cells(const Value& object, Time now) {
  const Value& spec = object["spec"];
  const auto& ips = spec["clusterIPs"].as_array();
  std::string_view ip = ips.empty() ? spec["clusterIP"].as_string() : ips[0].as_string();
  return {name_of(object), spec["type"].as_string(), or_else(ip, kNone), external_ip_text(object),
          service_ports_text(spec["ports"]), age(object, now), map_text(spec["selector"])};
}

// ---- endpoints ----------------------------------------------------------------------------------------------------

Cells endpoints_cells(const Value& object, Time now) {
  const auto& subsets = object["subsets"].as_array();
  ShortList list;
  for (const auto& subset : subsets) {
    const auto& ports = subset["ports"].as_array();
    const auto& addresses = subset["addresses"].as_array();
    if (ports.empty())
      for (const auto& address : addresses) list.add(std::string(address["ip"].as_string()));
    for (const auto& port : ports)
      for (const auto& address : addresses)
        list.add(host_port(address["ip"].as_string(), port["port"].int_or(0)));
  }
  return {name_of(object), subsets.empty() ? std::string(kNone) : list.text(), age(object, now)};
}

Cells endpointslice_cells(const Value& object, Time now) {
  ShortList ports, addresses;
  for (const auto& port : object["ports"].as_array()) {
    auto number = port["port"].as_int();
    auto name = port["name"].as_string();
    ports.add(number ? std::to_string(*number) : std::string(or_else(name, "*")));
  }
  for (const auto& endpoint : object["endpoints"].as_array())
    for (const auto& address : endpoint["addresses"].as_array()) addresses.add(std::string(address.as_string()));
  return {name_of(object), object["addressType"].as_string(), ports.empty() ? std::string(kUnset) : ports.text(),
          addresses.empty() ? std::string(kUnset) : addresses.text(), age(object, now)};
}

// ---- workloads ----------------------------------------------------------------------------------------------------

std::string container_member(const Value& pod_spec, std::string_view member) {
  std::vector<std::string> out;
  for (const auto& container : pod_spec["containers"].as_array()) out.emplace_back(container[member].as_string());
  return base::join(out, ",");
}

std::string selector_text(const Value& selector) {
  return map_text(selector["matchLabels"].is_object() || selector["matchExpressions"].is_array()
                      ? selector["matchLabels"]
                      : selector);
}

Cells replicas_cells(const Value& object, Time now) {
  const Value& spec = object["spec"];
  const Value& status = object["status"];
  const Value& pod = spec["template"]["spec"];
  return {name_of(object),
          spec["replicas"].int_or(0),
          status["replicas"].int_or(0),
          status["readyReplicas"].int_or(0),
          age(object, now),
          container_member(pod, "name"),
          container_member(pod, "image"),
          selector_text(spec["selector"])};
}

// ---- nodes --------------------------------------------------------------------------------------------------------

std::string node_status_text(const Value& node) {
  std::string out = "Unknown";
  for (const auto& condition : node["status"]["conditions"].as_array())
    if (condition["type"].as_string() == "Ready")
      out = condition["status"].as_string() == "True" ? "Ready" : "NotReady";
  if (node["spec"]["unschedulable"].as_bool()) out += ",SchedulingDisabled";
  return out;
}

std::string node_roles_text(const Value& node) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  for (const auto& [key, value] : labels_of(node).as_object()) {
    if (key.size() > kPrefix.size() && key.starts_with(kPrefix)) roles.insert(key.substr(kPrefix.size()));
    if (key == "kubernetes.io/role" && !value.as_string().empty()) roles.emplace(value.as_string());
  }
  std::vector<std::string> sorted(roles.begin(), roles.end());
  return sorted.empty() ? std::string(kNone) : base::join(sorted, ",");
}

std::string_view node_address(const Value& node, std::string_view type) {
  for (const auto& address : node["status"]["addresses"].as_array())
    if (address["type"].as_string() == type) return address["address"].as_string();
  return kNone;
}

Cells node_cells(const Value& object, Time now) {
  const Value& info = object["status"]["nodeInfo"];
  return {name_of(object),
          node_status_text(object),
          node_roles_text(object),
          age(object, now),
          info["kubeletVersion"].as_string(),
          node_address(object, "InternalIP"),
          node_address(object, "ExternalIP"),
          or_else(info["osImage"].as_string(), "<unknown>"),
          or_else(info["kernelVersion"].as_string(), "<unknown>"),
          or_else(info["containerRuntimeVersion"].as_string(), "<unknown>")};
}

// ---- events -------------------------------------------------------------------------------------------------------

std::string joined(std::string_view a, std::string_view b) {
  std::string out(a);
  if (!a.empty() && !b.empty()) out += ", ";
  return out + std::string(b);
}

// The member that is there, in the core or in the events.k8s.io spelling.
const Value& either(const Value& object, const char* core, const char* newer) {
  return object[core].is_null() ? object[newer] : object[core];
}

Cells event_cells(const Value& object, Time now) {
  const Value& about = either(object, "involvedObject", "regarding");
  const Value& source = either(object, "source", "deprecatedSource");
  std::string_view first_time = either(object, "firstTimestamp", "deprecatedFirstTimestamp").as_string();
  std::string_view last_time = either(object, "lastTimestamp", "deprecatedLastTimestamp").as_string();
  std::string first = age_since(or_else(first_time, object["eventTime"].as_string()), now);
  std::string last = last_time.empty() ? first : age_since(last_time, now);
  int64_t count = either(object, "count", "deprecatedCount").int_or(0);
  if (const Value& series = object["series"]; series.is_object()) {
    last = age_since(series["lastObservedTime"].as_string(), now);
    count = series["count"].int_or(0);
  } else if (count == 0) {
    count = 1;
  }
  std::string target = base::to_lower(about["kind"].as_string());
  if (auto name = about["name"].as_string(); !name.empty()) target += "/" + std::string(name);
  std::string_view component = either(object, "reportingComponent", "reportingController").as_string();
  std::string from = joined(or_else(source["component"].as_string(), component),
                            or_else(source["host"].as_string(), object["reportingInstance"].as_string()));
  return {last,
          object["type"].as_string(),
          object["reason"].as_string(),
          target,
          about["fieldPath"].as_string(),
          from,
          base::trim(either(object, "message", "note").as_string()),
          first,
          count,
          name_of(object)};
}

// ---- small ones ---------------------------------------------------------------------------------------------------

Cells namespace_cells(const Value& object, Time now) {
  return {name_of(object), object["status"]["phase"].as_string(), age(object, now)};
}
Cells secret_cells(const Value& object, Time now) {
  return {name_of(object), object["type"].as_string(), members_in(object["data"]), age(object, now)};
}
Cells configmap_cells(const Value& object, Time now) {
  return {name_of(object), members_in(object["data"]) + members_in(object["binaryData"]), age(object, now)};
}
Cells serviceaccount_cells(const Value& object, Time now) { return {name_of(object), age(object, now)}; }
Cells lease_cells(const Value& object, Time now) {
  return {name_of(object), object["spec"]["holderIdentity"].as_string(), age(object, now)};
}

Cells other_cells(const Value& object, Time) { return {name_of(object), creation_timestamp_of(object)}; }

// ---- the table ----------------------------------------------------------------------------------------------------

std::vector<Column> pod_columns() {
  return {name_column(),
          text("Ready", "Containers that are ready, of all that should be."),
          text("Status", "What the pod is doing, or why it does not."),
          text("Restarts", "How often containers were started again, and when last."),
          age_column(),
          wide("IP", "The pod's own address."),
          wide("Node", "The node that runs the pod."),
          wide("Nominated Node", "The node that is being freed for the pod."),
          wide("Readiness Gates", "Readiness gates that are true, of all.")};
}

std::vector<Column> replicas_columns() {
  return {name_column(),
          number("Desired", "How many pods there should be."),
          number("Current", "How many pods there are."),
          number("Ready", "How many of them are ready."),
          age_column(),
          wide("Containers", "Names of the template's containers."),
          wide("Images", "Images of the template's containers."),
          wide("Selector", "The labels of the pods that belong to it.")};
}

std::vector<Column> node_columns() {
  return {name_column(),
          text("Status", "Whether the node can run pods."),
          text("Roles", "What the node is labelled to be for."),
          age_column(),
          text("Version", "Version of the node's agent."),
          wide("Internal-IP", "The node's address inside of the cluster's network."),
          wide("External-IP", "The node's address for the rest of the world."),
          wide("OS-Image", "The node's operating system."),
          wide("Kernel-Version", "The node's kernel."),
          wide("Container-Runtime", "What runs the node's containers.")};
}

std::vector<Column> event_columns() {
  return {text("Last Seen", "How long ago it happened last."),
          text("Type", "Normal or Warning."),
          text("Reason", "Why it happened, as one word for programs."),
          text("Object", "What it is about."),
          wide("Subobject", "The part of the object that it is about."),
          wide("Source", "Who reports it."),
          text("Message", "What happened, for people."),
          wide("First Seen", "How long ago it happened first."),
          column("Count", "integer", "How often it happened.", 1),
          wide("Name", "The event's own name.")};
}

std::vector<Printer> make_printers() {
  std::vector<Printer> out;
  out.push_back({"", "Pod", pod_columns(), pod_cells});
  out.push_back({"", "Service",
                 {name_column(), text("Type", "How the service is reached: ClusterIP, NodePort, LoadBalancer or ExternalName."),
                  text("Cluster-IP", "The address inside of the cluster."),
                  text("External-IP", "Addresses or names for clients outside."),
                  text("Port(s)", "Ports, node ports and protocols."), age_column(),
                  wide("Selector", "The labels of the pods behind the service.")},
                 service_cells});
  out.push_back({"", "Endpoints",
                 {name_column(), text("Endpoints", "Addresses and ports that are ready."), age_column()},
                 endpoints_cells});
  out.push_back({"discovery.k8s.io", "EndpointSlice",
                 {name_column(), text("AddressType", "IPv4, IPv6 or FQDN."), text("Ports", "Ports of all endpoints."),
                  text("Endpoints", "Addresses of the endpoints."), age_column()},
                 endpointslice_cells});
  out.push_back({"", "ReplicationController", replicas_columns(), replicas_cells});
  out.push_back({"apps", "ReplicaSet", replicas_columns(), replicas_cells});
  out.push_back({"", "Node", node_columns(), node_cells});
  out.push_back({"", "Event", event_columns(), event_cells});
  out.push_back({"events.k8s.io", "Event", event_columns(), event_cells});
  out.push_back({"", "Namespace",
                 {name_column(), text("Status", "Active, or Terminating while it is emptied."), age_column()},
                 namespace_cells});
  out.push_back({"", "Secret",
                 {name_column(), text("Type", "What the secret is for."), number("Data", "How many entries it has."),
                  age_column()},
                 secret_cells});
  out.push_back({"", "ConfigMap",
                 {name_column(), number("Data", "How many entries it has."), age_column()}, configmap_cells});
  out.push_back({"", "ServiceAccount", {name_column(), age_column()}, serviceaccount_cells});
  out.push_back({"coordination.k8s.io", "Lease",
                 {name_column(), text("Holder", "Who holds the lease."), age_column()}, lease_cells});
  printing::add_workload_printers(out);
  printing::add_platform_printers(out);
  printing::add_access_printers(out);
  out.push_back({"", "",
                 {name_column(), column("Created At", "date", "When the object was created.")}, other_cells});
  return out;
}

const Printer& printer_of(const Kind& kind) {
  static const std::vector<Printer> kPrinters = make_printers();
  for (const auto& printer : kPrinters)
    if (printer.group == kind.group && printer.kind == kind.kind) return printer;
  return kPrinters.back();
}

}  // namespace

std::vector<Column> columns_of(const Kind& kind) {
  if (!kind.custom) return printer_of(kind).columns;
  std::vector<Column> out{name_column()};
  out.insert(out.end(), kind.columns.begin(), kind.columns.end());
  return out;
}

std::vector<Value> table_cells(const Kind& kind, const Value& object, Time now) {
  if (kind.custom) {
    Cells out = custom_cells(kind, object, now);
    out.insert(out.begin(), Value(name_of(object)));
    return out;
  }
  return printer_of(kind).cells(object, now);
}

}  // namespace api
