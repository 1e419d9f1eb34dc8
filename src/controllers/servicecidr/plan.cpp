#include "controllers/servicecidr/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace controllers {

namespace {

std::vector<base::Cidr> ranges_of(const api::ServiceCIDR& object) {
  std::vector<base::Cidr> out;
  for (const auto& text : object.spec.cidrs) {
    if (auto cidr = base::Cidr::parse(text)) out.push_back(*cidr);
  }
  return out;
}

bool contains(const api::ServiceCIDR& object, const base::Address& address) {
  return std::ranges::any_of(ranges_of(object), [&](const auto& range) { return range.contains(address); });
}

bool names_service(const api::IPAddress& address) {
  return address.spec.parent_ref.group.empty() && address.spec.parent_ref.resource == "services";
}

std::string label_of(const api::IPAddress& address, std::string_view key) {
  auto it = address.metadata.labels.find(std::string(key));
  return it == address.metadata.labels.end() ? std::string() : it->second;
}

bool has_address(const api::Service& service, const std::string& address) {
  return std::ranges::find(service.spec.cluster_ips, address) != service.spec.cluster_ips.end();
}

Finding check_one(const api::Service& service, const base::Address& ip, const std::vector<CidrPtr>& cidrs,
                  const AddressLookup& address_of, const ServiceLookup& service_of) {
  const std::string text = ip.text();
  const auto family = ip.family();
  const auto& meta = service.metadata;
  if (std::ranges::none_of(cidrs, [&](const auto& cidr) { return contains(*cidr, ip); })) {
    return {Finding::Act::none, text, "ClusterIPOutOfRange",
            fmt::format("Cluster IP [{}]: {} is not within any configured Service CIDR; please recreate service", family, text)};
  }
  auto object = address_of(text);
  if (!object) {
    return {Finding::Act::create, text, "ClusterIPNotAllocated",
            fmt::format("Cluster IP [{}]: {} is not allocated; repairing", family, text)};
  }
  const Finding wrong{Finding::Act::replace, text, "ClusterIPNotAllocated",
                      fmt::format("the ClusterIP [{}]: {} for Service {}/{} has a wrong reference; repairing", family, text,
                                  meta.namespace_, meta.name)};
  if (!names_service(*object)) return wrong;
  const auto& parent = object->spec.parent_ref;
  if (parent.namespace_ != meta.namespace_ || parent.name != meta.name) {
    auto other = service_of(parent.namespace_, parent.name);
    if (!other || !has_address(*other, text)) return wrong;
    return {Finding::Act::none, text, "ClusterIPAlreadyAllocated",
            fmt::format("Cluster IP [{}]:{} was assigned to multiple services; please recreate service", family, text)};
  }
  if (label_of(*object, kAddressManagerLabel) != kAddressManager || label_of(*object, kAddressFamilyLabel) != family) {
    return {Finding::Act::replace, text, "", ""};
  }
  return {};
}

}  // namespace

api::IPAddress make_ip_address(const std::string& address, const api::Service& service) {
  api::IPAddress out;
  out.metadata.name = address;
  out.metadata.labels[std::string(kAddressFamilyLabel)] = address.find(':') == std::string::npos ? "IPv4" : "IPv6";
  out.metadata.labels[std::string(kAddressManagerLabel)] = std::string(kAddressManager);
  out.spec.parent_ref.resource = "services";
  out.spec.parent_ref.namespace_ = service.metadata.namespace_;
  out.spec.parent_ref.name = service.metadata.name;
  return out;
}

std::vector<Finding> check_service_addresses(const api::Service& service, const std::vector<CidrPtr>& cidrs,
                                             const AddressLookup& address_of, const ServiceLookup& service_of) {
  std::vector<Finding> out;
  if (service.spec.type == "ExternalName" || service.spec.cluster_ip == "None") return out;
  for (const auto& text : service.spec.cluster_ips) {
    auto ip = base::Address::parse(text);
    Finding found{Finding::Act::none, text, "ClusterIPNotValid",
                  fmt::format("Cluster IP {} is not a valid IP; please recreate Service", text)};
    if (ip) found = check_one(service, *ip, cidrs, address_of, service_of);
    if (found.act != Finding::Act::none || !found.reason.empty()) out.push_back(std::move(found));
  }
  return out;
}

Finding check_ip_address(const api::IPAddress& address, const ServiceLookup& service_of) {
  if (label_of(address, kAddressManagerLabel) != kAddressManager) return {};
  const auto& name = address.metadata.name;
  const auto& parent = address.spec.parent_ref;
  if (!names_service(address)) {
    return {Finding::Act::remove, name, "IPAddressNotAllocated",
            fmt::format("IPAddress {} appears to have been modified, not referencing a Service {}/{}: cleaning up", name,
                        parent.resource, parent.name)};
  }
  auto service = service_of(parent.namespace_, parent.name);
  if (!service) {
    return {Finding::Act::remove, name, "IPAddressNotAllocated",
            fmt::format("IPAddress: {} for Service {}/{} appears to have leaked: cleaning up", name, parent.namespace_, parent.name)};
  }
  if (has_address(*service, name)) return {};
  return {Finding::Act::remove, name, "IPAddressWrongReference",
          fmt::format("IPAddress: {} for Service {}/{} has a wrong reference; cleaning up", name, parent.namespace_, parent.name)};
}

std::vector<int64_t> node_ports_of(const api::Service& service) {
  std::set<int64_t> ports;
  for (const auto& port : service.spec.ports) ports.insert(port.node_port.value_or(0));
  ports.insert(service.spec.health_check_node_port.value_or(0));
  ports.erase(0);
  return {ports.begin(), ports.end()};
}

std::vector<Finding> check_node_ports(const api::Service& service, PortRange range,
                                      const std::function<bool(int64_t port)>& is_shared) {
  std::vector<Finding> out;
  for (int64_t port : node_ports_of(service)) {
    if (port < range.first || port > range.last) {
      out.push_back({Finding::Act::none, "", "PortOutOfRange",
                     fmt::format("Port {} is not within the port range {}-{}; please recreate service", port, range.first, range.last)});
    } else if (is_shared(port)) {
      out.push_back({Finding::Act::none, "", "PortAlreadyAllocated",
                     fmt::format("Port {} was assigned to multiple services; please recreate service", port)});
    }
  }
  return out;
}

bool may_remove(const api::ServiceCIDR& cidr, const std::vector<CidrPtr>& all, const std::vector<AddressPtr>& addresses) {
  auto others_contain = [&](const base::Address& address) {
    return std::ranges::any_of(all, [&](const CidrPtr& other) {
      return other->metadata.name != cidr.metadata.name && other->metadata.deletion_timestamp.empty() &&
             contains(*other, address);
    });
  };
  return std::ranges::none_of(addresses, [&](const AddressPtr& object) {
    if (label_of(*object, kAddressManagerLabel) != kAddressManager) return false;
    auto address = base::Address::parse(object->metadata.name);
    return address && contains(cidr, *address) && !others_contain(*address);
  });
}

}  // namespace controllers
