// Rules for Endpoints and EndpointSlices.
#include <fmt/format.h>

#include <map>
#include <set>

#include "api/validate_rules.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr size_t kMaxEndpoints = 1000;
constexpr size_t kMaxAddresses = 100;
constexpr size_t kMaxPorts = 20000;
constexpr size_t kMaxHints = 8;

// ---- Endpoints ----------------------------------------------------------------------------------------------------

void check_subset_address(Problems& out, const Value& address, const std::string& path) {
  Problems one;
  one.ip(child(path, "ip"), address["ip"]);
  if (!address["hostname"].as_string().empty()) one.dns_label(child(path, "hostname"), address["hostname"]);
  if (!address["nodeName"].is_null()) one.dns_subdomain(child(path, "nodeName"), address["nodeName"]);
  if (one.empty()) one.ordinary_ip(child(path, "ip"), address["ip"]);
  for (auto& error : std::move(one).take()) out.add(std::move(error));
}

void check_subset_port(Problems& out, const Value& port, bool must_be_named, const std::string& path) {
  if (!port["name"].as_string().empty()) out.dns_label(child(path, "name"), port["name"]);
  else if (must_be_named) out.required(child(path, "name"));
  out.port(child(path, "port"), port["port"]);
  out.one_of(child(path, "protocol"), port["protocol"], {"SCTP", "TCP", "UDP"});
  if (const Value& app = port["appProtocol"]; app.is_string()) out.qualified_name(child(path, "appProtocol"), app);
}

void each_address(const Value& endpoints, const std::function<void(const Value&, const std::string&)>& visit) {
  const auto& subsets = endpoints["subsets"].as_array();
  for (size_t i = 0; i < subsets.size(); ++i) {
    for (const char* list : {"addresses", "notReadyAddresses"}) {
      const auto& addresses = subsets[i][list].as_array();
      for (size_t j = 0; j < addresses.size(); ++j)
        visit(addresses[j], index(child(index("subsets", i), list), j));
    }
  }
}

// ---- EndpointSlice ------------------------------------------------------------------------------------------------

void check_slice_address(Problems& out, const Value& address, std::string_view type, const std::string& at) {
  if (type == "FQDN") {
    std::string_view name = address.as_string();
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.find('.') == std::string_view::npos)
      out.invalid(at, address, std::string("should be a domain with at least two segments separated by dots"));
    out.dns_subdomain(at, name);
    return;
  }
  auto parsed = parse_address(address.as_string());
  if (!out.ip(at, address)) {
    // ::ffff:127.0.0.1 must not get through as a name for 127.0.0.1 either.
    if (parsed) out.ordinary_ip(at, address);
    return;
  }
  if (type == "IPv4" && parsed->v6) out.invalid(at, address, std::string("must be a valid IPv4 address"));
  if (type == "IPv6" && !parsed->v6) out.invalid(at, address, std::string("must be a valid IPv6 address"));
  out.ordinary_ip(at, address);
}

void check_hints(Problems& out, const Value& hints, const std::string& path) {
  for (const char* list : {"forZones", "forNodes"}) {
    const auto& names = hints[list].as_array();
    std::string at = child(path, list);
    if (names.size() > kMaxHints) out.too_many(at, names.size(), kMaxHints);
    std::set<std::string> seen;
    for (size_t i = 0; i < names.size(); ++i) {
      std::string name(names[i]["name"].as_string());
      if (!seen.insert(name).second) out.duplicate(child(index(at, i), "name"), name);
      out.invalid(child(index(at, i), "name"), name,
                  std::string_view(list) == "forZones" ? base::check_label_value(name)
                                                       : base::check_dns1123_subdomain(name));
    }
  }
}

void check_slice_endpoint(Problems& out, const Value& endpoint, std::string_view type, const std::string& path) {
  const auto& addresses = endpoint["addresses"].as_array();
  std::string at = child(path, "addresses");
  if (addresses.empty()) out.required(at, "must contain at least 1 address");
  else if (addresses.size() > kMaxAddresses) out.too_many(at, addresses.size(), kMaxAddresses);
  for (size_t i = 0; i < addresses.size() && i < kMaxAddresses; ++i)
    check_slice_address(out, addresses[i], type, index(at, i));
  if (const Value& node = endpoint["nodeName"]; !node.is_null()) out.dns_subdomain(child(path, "nodeName"), node);
  if (const Value& host = endpoint["hostname"]; !host.is_null()) out.dns_label(child(path, "hostname"), host);
  check_hints(out, endpoint["hints"], child(path, "hints"));
}

void check_slice_ports(Problems& out, const Value& ports) {
  const auto& list = ports.as_array();
  if (list.size() > kMaxPorts) return out.too_many("ports", list.size(), kMaxPorts);
  std::set<std::string> names;
  for (size_t i = 0; i < list.size(); ++i) {
    std::string at = index("ports", i);
    std::string name(list[i]["name"].as_string());
    if (!name.empty()) out.dns_label(child(at, "name"), name);
    if (!names.insert(name).second) out.duplicate(child(at, "name"), name);
    out.one_of(child(at, "protocol"), list[i]["protocol"], {"SCTP", "TCP", "UDP"}, false);
    if (const Value& port = list[i]["port"]; !port.is_null()) out.port(child(at, "port"), port);
    if (const Value& app = list[i]["appProtocol"]; app.is_string()) out.qualified_name(child(at, "appProtocol"), app);
  }
}

}  // namespace

void check_endpoints(Problems& out, const Value& endpoints) {
  const auto& subsets = endpoints["subsets"].as_array();
  for (size_t i = 0; i < subsets.size(); ++i)
    if (subsets[i]["addresses"].as_array().empty() && subsets[i]["notReadyAddresses"].as_array().empty())
      out.required(index("subsets", i), "must specify `addresses` or `notReadyAddresses`");
  each_address(endpoints, [&](const Value& address, const std::string& at) { check_subset_address(out, address, at); });
  for (size_t i = 0; i < subsets.size(); ++i) {
    const auto& ports = subsets[i]["ports"].as_array();
    for (size_t j = 0; j < ports.size(); ++j)
      check_subset_port(out, ports[j], ports.size() > 1, index(child(index("subsets", i), "ports"), j));
  }
}

void check_endpoints_update(Problems& out, const Value& fresh, const Value& old) {
  std::map<std::string, std::string, std::less<>> nodes;
  each_address(old, [&](const Value& address, const std::string&) {
    if (!address["nodeName"].is_null())
      nodes.emplace(address["ip"].as_string(), address["nodeName"].as_string());
  });
  each_address(fresh, [&](const Value& address, const std::string& at) {
    auto before = nodes.find(address["ip"].as_string());
    if (before == nodes.end() || address["nodeName"].is_null()) return;
    if (before->second != address["nodeName"].as_string())
      out.forbidden(child(at, "nodeName"), fmt::format("Cannot change NodeName for {} to {}", address["ip"].as_string(),
                                                       address["nodeName"].as_string()));
  });
}

void check_endpoint_slice(Problems& out, const Value& slice) {
  const Value& type = slice["addressType"];
  const auto& endpoints = slice["endpoints"].as_array();
  if (endpoints.size() > kMaxEndpoints) {
    out.too_many("endpoints", endpoints.size(), kMaxEndpoints);
  } else {
    for (size_t i = 0; i < endpoints.size(); ++i)
      check_slice_endpoint(out, endpoints[i], type.as_string(), index("endpoints", i));
  }
  check_slice_ports(out, slice["ports"]);
  out.one_of("addressType", type, {"FQDN", "IPv4", "IPv6"});
}

void check_endpoint_slice_update(Problems& out, const Value& fresh, const Value& old) {
  out.immutable("addressType", fresh["addressType"], old["addressType"]);
}

}  // namespace api::rules
