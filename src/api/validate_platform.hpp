// What the validate_platform*.cpp files share: a list of rules each, and the checks that several need.
// Internal to src/api; pure; any thread.
#pragma once

#include "api/validate_rules.hpp"

namespace api::rules {

// ---- shared (validate_platform.cpp)

// Required, at most 63 bytes, a DNS subdomain whatever its case.
void check_driver_name(Problems& out, const std::string& path, const Value& name);
// A required name that may stand in a URL.
void check_url_name(Problems& out, const std::string& path, const Value& name);
void check_too_long(Problems& out, const std::string& path, std::string_view text, size_t max);
// Terms of a core NodeSelector.
void check_node_terms(Problems& out, const Value& selector, const std::string& path);
bool is_dns_subdomain(std::string_view text);

// ---- networking (validate_platform_network.cpp)
std::vector<std::string> network_warnings(const Kind& kind, const Value& object);
void check_ingress(Problems& out, const Value& ingress);
void check_ingress_status(Problems& out, const Value& fresh, const Value& old);
void check_ingress_class(Problems& out, const Value& object);
void check_ingress_class_update(Problems& out, const Value& fresh, const Value& old);
void check_network_policy(Problems& out, const Value& policy);
void check_service_cidr(Problems& out, const Value& object);
void check_service_cidr_update(Problems& out, const Value& fresh, const Value& old);
std::vector<std::string> check_address_name(std::string_view name);
void check_ip_address(Problems& out, const Value& object);
void check_ip_address_update(Problems& out, const Value& fresh, const Value& old);

// ---- storage (validate_platform_storage.cpp)
void check_storage_class(Problems& out, const Value& object);
void check_storage_class_update(Problems& out, const Value& fresh, const Value& old);
void check_volume_attachment(Problems& out, const Value& object);
void check_volume_attachment_update(Problems& out, const Value& fresh, const Value& old);
void check_volume_attachment_status(Problems& out, const Value& fresh, const Value& old);
void check_csi_driver(Problems& out, const Value& driver);
void check_csi_driver_update(Problems& out, const Value& fresh, const Value& old);
void check_csi_node(Problems& out, const Value& node);
void check_csi_node_update(Problems& out, const Value& fresh, const Value& old);
void check_storage_capacity(Problems& out, const Value& object);
void check_storage_capacity_update(Problems& out, const Value& fresh, const Value& old);
void check_volume_attributes_class(Problems& out, const Value& object);
void check_volume_attributes_class_update(Problems& out, const Value& fresh, const Value& old);

// ---- flow control (validate_platform_flow.cpp)
void check_flow_schema(Problems& out, const Value& schema);
void check_flow_status(Problems& out, const Value& fresh, const Value& old);
void check_priority_level(Problems& out, const Value& level);

// ---- devices (validate_platform_devices.cpp, validate_platform_slices.cpp)
void check_device_class(Problems& out, const Value& object);
void check_resource_claim(Problems& out, const Value& claim);
void check_resource_claim_update(Problems& out, const Value& fresh, const Value& old);
void check_resource_claim_status(Problems& out, const Value& fresh, const Value& old);
void check_claim_template(Problems& out, const Value& object);
void check_resource_slice(Problems& out, const Value& slice);
void check_resource_slice_update(Problems& out, const Value& fresh, const Value& old);
void check_pool_name(Problems& out, const std::string& path, const Value& name);
// A name with or without a domain in front: example.com/model. With `needs_domain` the domain must be there.
void check_attribute_name(Problems& out, const std::string& path, std::string_view name, bool needs_domain);
void check_binding_conditions(Problems& out, const Value& of, const std::string& path);

}  // namespace api::rules
