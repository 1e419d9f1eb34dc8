// The table of rules for networking, storage, runtime classes, devices and flow control, and what their files
// share.
#include "api/validate_platform.hpp"

#include <fmt/format.h>

#include "base/quantity.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

void check_runtime_class(Problems& out, const Value& object) {
  out.dns_label("handler", object["handler"].as_string());
  for (const auto& [name, amount] : object["overhead"]["podFixed"].as_object()) {
    auto quantity = base::Quantity::parse(amount.as_string());
    if (quantity && quantity->negative())
      out.invalid(key("overhead.limits", name), amount, std::string("must be greater than or equal to 0"));
  }
  out.labels("scheduling.nodeSelector", object["scheduling"]["nodeSelector"]);
  check_tolerations(out, object["scheduling"]["tolerations"], "scheduling.tolerations");
}

void check_runtime_class_update(Problems& out, const Value& fresh, const Value& old) {
  out.immutable("handler", fresh["handler"], old["handler"]);
}

constexpr std::string_view kNetworking = "networking.k8s.io", kStorage = "storage.k8s.io",
                           kFlow = "flowcontrol.apiserver.k8s.io", kDevices = "resource.k8s.io";

constexpr KindRules kPlatformRules[] = {
    {kNetworking, "Ingress", nullptr, check_ingress, nullptr, check_ingress_status},
    {kNetworking, "IngressClass", nullptr, check_ingress_class, check_ingress_class_update},
    {kNetworking, "NetworkPolicy", nullptr, check_network_policy},
    {kNetworking, "ServiceCIDR", nullptr, check_service_cidr, check_service_cidr_update},
    {kNetworking, "IPAddress", check_address_name, check_ip_address, check_ip_address_update},
    {kStorage, "StorageClass", nullptr, check_storage_class, check_storage_class_update},
    {kStorage, "VolumeAttachment", nullptr, check_volume_attachment, check_volume_attachment_update,
     check_volume_attachment_status},
    {kStorage, "CSIDriver", nullptr, check_csi_driver, check_csi_driver_update},
    {kStorage, "CSINode", nullptr, check_csi_node, check_csi_node_update},
    {kStorage, "CSIStorageCapacity", nullptr, check_storage_capacity, check_storage_capacity_update},
    {kStorage, "VolumeAttributesClass", nullptr, check_volume_attributes_class,
     check_volume_attributes_class_update},
    {"node.k8s.io", "RuntimeClass", nullptr, check_runtime_class, check_runtime_class_update},
    {kFlow, "FlowSchema", nullptr, check_flow_schema, nullptr, check_flow_status},
    {kFlow, "PriorityLevelConfiguration", nullptr, check_priority_level, nullptr, check_flow_status},
    {kDevices, "DeviceClass", nullptr, check_device_class},
    {kDevices, "ResourceClaim", nullptr, check_resource_claim, check_resource_claim_update,
     check_resource_claim_status},
    {kDevices, "ResourceClaimTemplate", nullptr, check_claim_template, check_resource_claim_update},
    {kDevices, "ResourceSlice", nullptr, check_resource_slice, check_resource_slice_update},
};

void check_term(Problems& out, const Value& expressions, const std::string& path, bool by_field) {
  const auto& list = expressions.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index(path, i);
    const size_t values = list[i]["values"].as_array().size();
    std::string_view op = list[i]["operator"].as_string();
    if (by_field) {
      if (op != "In" && op != "NotIn")
        out.invalid(child(at, "operator"), op, std::string("not a valid selector operator"));
      else if (values != 1)
        out.required(child(at, "values"),
                     "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
      if (list[i]["key"].as_string() != "metadata.name")
        out.invalid(child(at, "key"), list[i]["key"], std::string("not a valid field selector key"));
      continue;
    }
    if (op == "In" || op == "NotIn") {
      if (values == 0)
        out.required(child(at, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (values > 0)
        out.forbidden(child(at, "values"),
                      "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (op == "Gt" || op == "Lt") {
      if (values != 1)
        out.required(child(at, "values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
      out.invalid(child(at, "operator"), op, std::string("not a valid selector operator"));
    }
    out.qualified_name(child(at, "key"), list[i]["key"].as_string());
  }
}

}  // namespace

std::span<const KindRules> platform_rules() { return kPlatformRules; }

bool is_dns_subdomain(std::string_view text) { return base::check_dns1123_subdomain(text).empty(); }

void check_too_long(Problems& out, const std::string& path, std::string_view text, size_t max) {
  if (text.size() > max) out.add(too_long_field(path, max));
}

void check_driver_name(Problems& out, const std::string& path, const Value& name) {
  std::string_view text = name.as_string();
  if (text.empty()) {
    out.required(path);
    return;
  }
  check_too_long(out, path, text, 63);
  out.invalid(path, text, base::check_dns1123_subdomain(base::to_lower(text)));
}

void check_url_name(Problems& out, const std::string& path, const Value& name) {
  if (name.as_string().empty())
    out.required(path);
  else
    out.invalid(path, name, check_path_segment(name.as_string()));
}

void check_node_terms(Problems& out, const Value& selector, const std::string& path) {
  const std::string at = child(path, "nodeSelectorTerms");
  const auto& terms = selector["nodeSelectorTerms"].as_array();
  if (terms.empty()) out.required(at, "must have at least one node selector term");
  for (size_t i = 0; i < terms.size(); ++i) {
    check_term(out, terms[i]["matchExpressions"], child(index(at, i), "matchExpressions"), false);
    check_term(out, terms[i]["matchFields"], child(index(at, i), "matchFields"), true);
  }
}

}  // namespace api::rules
