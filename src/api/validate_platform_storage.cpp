// Rules for storage classes, volume attachments, CSI drivers, CSI nodes and storage capacities.
#include <fmt/format.h>

#include <set>
#include <unordered_set>

#include "api/validate_platform.hpp"
#include "base/json.hpp"
#include "base/quantity.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr size_t kMaxParameters = 512, kMaxParameterBytes = 256u << 10, kMaxMetadataBytes = 256u << 10;
constexpr size_t kMaxMessage = 1024, kMaxNodeId = 192;

void check_plugin_name(Problems& out, const std::string& path, const Value& name) {
  if (name.as_string().empty()) {
    out.required(path);
    return;
  }
  const std::string lower = base::to_lower(name.as_string());
  out.invalid(path, lower, base::check_qualified_name(lower));
}

size_t bytes_in(const Value& map) {
  size_t total = 0;
  for (const auto& [name, value] : map.as_object()) total += name.size() + value.as_string().size();
  return total;
}

void check_parameters(Problems& out, const Value& parameters, bool may_be_empty) {
  const auto& all = parameters.as_object();
  if (all.size() > kMaxParameters) {
    out.add(too_long_field("parameters", kMaxParameters));
    return;
  }
  for (const auto& [name, value] : all)
    if (name.empty()) out.invalid("parameters", name, std::string("field can not be empty."));
  if (bytes_in(parameters) > kMaxParameterBytes) out.add(too_long_field("parameters", kMaxParameterBytes));
  if (!may_be_empty && all.empty()) out.required("parameters", "must contain at least one key/value pair");
}

void check_topology_term(Problems& out, const Value& term, const std::string& path) {
  const std::string expressions_at = child(path, "matchLabelExpressions");
  std::set<std::string, std::less<>> keys;
  const auto& expressions = term["matchLabelExpressions"].as_array();
  for (size_t i = 0; i < expressions.size(); ++i) {
    const std::string at = index(expressions_at, i);
    const auto& values = expressions[i]["values"].as_array();
    std::set<std::string, std::less<>> seen;
    if (values.empty()) out.forbidden(child(at, "values"), "must specify as least one topology value");
    for (size_t j = 0; j < values.size(); ++j)
      if (!seen.emplace(values[j].as_string()).second)
        out.duplicate(index(child(at, "values"), j), values[j]);
    out.qualified_name(child(at, "key"), expressions[i]["key"].as_string());
    if (!keys.emplace(expressions[i]["key"].as_string()).second)
      out.duplicate(child(at, "key"), expressions[i]["key"]);
  }
}

void check_volume_error(Problems& out, const Value& error, const std::string& path) {
  if (!error.is_object()) return;
  if (error["message"].as_string().size() > kMaxMessage)
    out.add(too_long_field(child(path, "message"), kMaxMetadataBytes));
  if (error["errorCode"].int_or(0) < 0)
    out.invalid(child(path, "errorCode"), error["errorCode"],
                std::string("must be between 0 and 2147483647, inclusive"));
}

void check_attachment_status(Problems& out, const Value& status) {
  if (bytes_in(status["attachmentMetadata"]) > kMaxMetadataBytes)
    out.add(too_long_field("status.attachmentMetadata", kMaxMetadataBytes));
  check_volume_error(out, status["attachError"], "status.attachError");
  check_volume_error(out, status["detachError"], "status.detachError");
}

void check_attachment_source(Problems& out, const Value& source) {
  const std::string at = "spec.source";
  const bool inline_volume = source["inlineVolumeSpec"].is_object();
  const Value& name = source["persistentVolumeName"];
  const std::string one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
  if (!inline_volume && !name.is_string())
    out.required(at, one);
  else if (inline_volume && name.is_string())
    out.forbidden(at, one);
  else if (name.is_string() && name.as_string().empty())
    out.required(child(at, "persistentVolumeName"), "must specify non empty persistentVolumeName");
  else if (name.is_string())
    out.dns_subdomain(child(at, "persistentVolumeName"), name);
}

void check_token_requests(Problems& out, const Value& requests) {
  std::set<std::string, std::less<>> audiences;
  const auto& list = requests.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index("spec.tokenRequests", i);
    if (!audiences.emplace(list[i]["audience"].as_string()).second) {
      out.duplicate(child(at, "audience"), list[i]["audience"].as_string());
      continue;
    }
    const Value& seconds = list[i]["expirationSeconds"];
    if (seconds.is_null()) continue;
    if (seconds.int_or(0) < 600)
      out.invalid(child(at, "expirationSeconds"), seconds,
                  std::string("may not specify a duration less than 10 minutes"));
    if (seconds.int_or(0) > int64_t{1} << 32)
      out.invalid(child(at, "expirationSeconds"), seconds,
                  std::string("may not specify a duration larger than 2^32 seconds"));
  }
}

void check_csi_node_driver(Problems& out, const Value& driver, const std::string& at,
                           std::set<std::string>& names) {
  check_driver_name(out, child(at, "name"), driver["name"]);
  std::string_view id = driver["nodeID"].as_string();
  if (id.empty()) out.required(child(at, "nodeID"));
  if (id.size() > kMaxNodeId)
    out.invalid(child(at, "nodeID"), id, fmt::format("must be {} characters or less", kMaxNodeId));
  out.nonnegative(child(at, "allocatable.count"), driver["allocatable"]["count"]);
  if (!names.emplace(driver["name"].as_string()).second) out.duplicate(child(at, "name"), driver["name"]);
  std::set<std::string, std::less<>> keys;
  for (const auto& topology_key : driver["topologyKeys"].as_array()) {
    std::string_view text = topology_key.as_string();
    if (text.empty()) out.required(at);
    if (!keys.emplace(text).second) out.duplicate(at, topology_key);
    out.qualified_name(at, topology_key);
  }
}

Value without_allocatable(Value driver) {
  driver.object().erase("allocatable");
  return driver;
}

}  // namespace

void check_storage_class(Problems& out, const Value& object) {
  check_plugin_name(out, "provisioner", object["provisioner"]);
  check_parameters(out, object["parameters"], true);
  out.one_of("reclaimPolicy", object["reclaimPolicy"], {"Delete", "Retain"}, false);
  if (object["volumeBindingMode"].is_null())
    out.required("volumeBindingMode");
  else if (auto mode = object["volumeBindingMode"].as_string();
           mode != "Immediate" && mode != "WaitForFirstConsumer")
    out.unsupported("volumeBindingMode", mode, {"Immediate", "WaitForFirstConsumer"});
  const auto& topologies = object["allowedTopologies"].as_array();
  std::unordered_set<std::string> seen;
  for (size_t i = 0; i < topologies.size(); ++i) {
    const std::string at = index("allowedTopologies", i);
    check_topology_term(out, topologies[i], at);
    if (!seen.insert(base::write_json(topologies[i])).second) out.duplicate(child(at, "matchLabelExpressions"), "");
  }
}

void check_storage_class_update(Problems& out, const Value& fresh, const Value& old) {
  const auto parameters_of = [](const Value& object) { return object["parameters"].as_object(); };
  if (!(parameters_of(fresh) == parameters_of(old)))
    out.forbidden("parameters", "updates to parameters are forbidden.");
  for (const char* member : {"provisioner", "reclaimPolicy"})
    if (fresh[member] != old[member])
      out.forbidden(member, fmt::format("updates to {} are forbidden.", member));
  out.immutable("volumeBindingMode", fresh["volumeBindingMode"], old["volumeBindingMode"]);
}

void check_volume_attachment(Problems& out, const Value& object) {
  const Value& spec = object["spec"];
  check_driver_name(out, "spec.attacher", spec["attacher"]);
  check_attachment_source(out, spec["source"]);
  out.dns_subdomain("spec.nodeName", spec["nodeName"].as_string());
  check_attachment_status(out, object["status"]);
}

void check_volume_attachment_update(Problems& out, const Value& fresh, const Value& old) {
  out.immutable("spec", fresh["spec"], old["spec"]);
}

void check_volume_attachment_status(Problems& out, const Value& fresh, const Value&) {
  check_attachment_status(out, fresh["status"]);
}

void check_csi_driver(Problems& out, const Value& driver) {
  const Value& spec = driver["spec"];
  if (spec["attachRequired"].is_null()) out.required("spec.attachedRequired");
  for (const char* member : {"podInfoOnMount", "storageCapacity"})
    if (spec[member].is_null()) out.required(child("spec", member));
  if (spec["fsGroupPolicy"].is_string())
    out.one_of("spec.fsGroupPolicy", spec["fsGroupPolicy"], {"File", "None", "ReadWriteOnceWithFSType"});
  check_token_requests(out, spec["tokenRequests"]);
  for (const auto& mode : spec["volumeLifecycleModes"].as_array())
    if (mode.as_string() != "Persistent" && mode.as_string() != "Ephemeral")
      out.unsupported("spec.volumeLifecycleModes", mode, {"Persistent", "Ephemeral"});
  if (spec["seLinuxMount"].is_null()) out.required("spec.seLinuxMount");
  const Value& period = spec["nodeAllocatableUpdatePeriodSeconds"];
  if (period.is_number() && period.int_or(0) < 10)
    out.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period,
                std::string("must be greater than or equal to 10 seconds"));
}

void check_csi_driver_update(Problems& out, const Value& fresh, const Value& old) {
  out.immutable("spec.attachedRequired", fresh["spec"]["attachRequired"], old["spec"]["attachRequired"]);
  out.immutable("spec.volumeLifecycleModes", fresh["spec"]["volumeLifecycleModes"],
                old["spec"]["volumeLifecycleModes"]);
}

void check_csi_node(Problems& out, const Value& node) {
  std::set<std::string> names;
  const auto& drivers = node["spec"]["drivers"].as_array();
  for (size_t i = 0; i < drivers.size(); ++i)
    check_csi_node_driver(out, drivers[i], index("spec.drivers", i), names);
}

void check_csi_node_update(Problems& out, const Value& fresh, const Value& old) {
  for (const auto& before : old["spec"]["drivers"].as_array())
    for (const auto& now : fresh["spec"]["drivers"].as_array())
      if (now["name"] == before["name"])
        out.immutable("spec.drivers", without_allocatable(now), without_allocatable(before));
}

void check_storage_capacity(Problems& out, const Value& object) {
  if (object["nodeTopology"].is_object()) out.label_selector("nodeTopology", object["nodeTopology"]);
  out.dns_subdomain("storageClassName", object["storageClassName"].as_string());
  auto capacity = base::Quantity::parse(object["capacity"].as_string());
  if (capacity && capacity->negative())
    out.invalid("capacity", object["capacity"], std::string("must be greater than or equal to 0"));
}

void check_storage_capacity_update(Problems& out, const Value& fresh, const Value& old) {
  for (const char* member : {"nodeTopology", "storageClassName"})
    out.immutable(member, fresh[member], old[member]);
}

void check_volume_attributes_class(Problems& out, const Value& object) {
  check_plugin_name(out, "driverName", object["driverName"]);
  check_parameters(out, object["parameters"], false);
}

void check_volume_attributes_class_update(Problems& out, const Value& fresh, const Value& old) {
  for (const char* member : {"driverName", "parameters"})
    if (fresh[member] != old[member])
      out.forbidden(member, fmt::format("updates to {} are forbidden.", member));
}

}  // namespace api::rules
