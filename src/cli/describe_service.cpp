#include <fmt/format.h>

#include "base/strings.hpp"
#include "cli/describe_kinds.hpp"
#include "cli/describe_parts.hpp"

namespace cli {
namespace {

using base::Array;
using base::Value;

std::string host_port(std::string_view host, int64_t port) {
  return host.find(':') == std::string_view::npos ? fmt::format("{}:{}", host, port)
                                                  : fmt::format("[{}]:{}", host, port);
}

bool is_ready(const Value& endpoint) { return endpoint.at({"conditions", "ready"}).as_bool(true); }

// The first three addresses of one port, and how many more there are.
std::string endpoints_text(const Array& slices, std::string_view port_name) {
  if (slices.empty()) return "<none>";
  constexpr size_t kShown = 3;
  std::vector<std::string> shown;
  size_t count = 0, seen_when_full = 0;
  auto add = [&](const Value& endpoint, const Value* port) {
    // kubectl says "more" when anything follows the third, ready or not.
    if (shown.size() == kShown) ++seen_when_full;
    if (!is_ready(endpoint) || endpoint["addresses"].as_array().empty()) return;
    ++count;
    if (shown.size() == kShown) return;
    std::string address(endpoint["addresses"].as_array()[0].as_string());
    shown.push_back(port ? host_port(address, (*port)["port"].int_or(0)) : address);
  };
  for (const Value& slice : slices) {
    if (slice["ports"].as_array().empty()) {
      for (const Value& endpoint : slice["endpoints"].as_array()) add(endpoint, nullptr);
    }
    for (const Value& port : slice["ports"].as_array()) {
      if (port["name"].as_string() != port_name) continue;
      for (const Value& endpoint : slice["endpoints"].as_array()) add(endpoint, &port);
    }
  }
  std::string text = base::join(shown, ",");
  return seen_when_full ? fmt::format("{} + {} more...", text, count - kShown) : text;
}

std::string ingress_text(const Value& ingress) {
  std::vector<std::string> all;
  for (const Value& one : ingress.as_array()) {
    std::string text = text_of(one["ip"]);
    if (text.empty())
      text = text_of(one["hostname"]);
    else if (one["ipMode"].is_string())
      text += fmt::format(" ({})", one["ipMode"].as_string());
    all.push_back(text);
  }
  return base::join(all, ", ");
}

void put_optional(Page& page, std::string_view name, const std::string& text) {
  if (!text.empty()) page.field(0, name, text);
}

void put_ports(Page& page, const Value& service, const Array& slices) {
  for (const Value& port : service.at({"spec", "ports"}).as_array()) {
    std::string name = text_or(port["name"], "<unset>"), protocol = text_of(port["protocol"]);
    page.field(0, "Port", fmt::format("{}\t{}/{}", name, port["port"].int_or(0), protocol));
    std::string target = port["targetPort"].is_null() ? "0" : text_of(port["targetPort"]);
    page.field(0, "TargetPort", fmt::format("{}/{}", target, protocol));
    if (port["nodePort"].int_or(0))
      page.field(0, "NodePort", fmt::format("{}\t{}/{}", name, port["nodePort"].int_or(0), protocol));
    page.field(0, "Endpoints", endpoints_text(slices, port["name"].as_string()));
  }
}

void put_port_table(Page& page, int level, const Value& ports) {
  page.line(level, "Name\tPort\tProtocol");
  page.line(level, "----\t----\t--------");
  for (const Value& port : ports.as_array())
    page.line(level, fmt::format("{}\t{}\t{}", text_or(port["name"], "<unset>"),
                                 text_or(port["port"], "<unset>"), text_of(port["protocol"])));
}

std::string addresses_text(const Value& addresses) {
  std::vector<std::string> all;
  for (const Value& address : addresses.as_array()) all.push_back(text_of(address["ip"]));
  std::string text = base::join(all, ",");
  return text.empty() ? "<none>" : text;
}

std::string text_or_unset(const Value& value) { return value.is_null() ? "<unset>" : text_of(value); }

}  // namespace

std::string describe_service(const Value& service, const Array& slices, const Array* events, base::Time now) {
  Page page;
  const Value& spec = service["spec"];
  put_metadata(page, service);
  page.field(0, "Selector", labels_text(spec["selector"]));
  page.field(0, "Type", text_of(spec["type"]));
  put_optional(page, "IP Family Policy", text_of(spec["ipFamilyPolicy"]));
  std::string families = joined(spec["ipFamilies"], ","), ips = joined(spec["clusterIPs"], ",");
  page.field(0, "IP Families", families.empty() ? "<none>" : families);
  page.field(0, "IP", text_of(spec["clusterIP"]));
  page.field(0, "IPs", ips.empty() ? "<none>" : ips);
  put_optional(page, "External IPs", joined(spec["externalIPs"], ","));
  put_optional(page, "Desired LoadBalancer IP", text_of(spec["loadBalancerIP"]));
  put_optional(page, "External Name", text_of(spec["externalName"]));
  put_optional(page, "LoadBalancer Ingress", ingress_text(service.at({"status", "loadBalancer", "ingress"})));
  put_ports(page, service, slices);
  page.field(0, "Session Affinity", text_of(spec["sessionAffinity"]));
  put_optional(page, "External Traffic Policy", text_of(spec["externalTrafficPolicy"]));
  put_optional(page, "Internal Traffic Policy", text_of(spec["internalTrafficPolicy"]));
  if (int64_t port = spec["healthCheckNodePort"].int_or(0)) page.field(0, "HealthCheck NodePort", port);
  put_optional(page, "LoadBalancer Source Ranges", joined(spec["loadBalancerSourceRanges"], ","));
  put_events(page, events, now);
  return page.text();
}

std::string describe_endpoints(const Value& endpoints, const Array* events, base::Time now) {
  Page page;
  put_metadata(page, endpoints);
  page.line(0, "Subsets:");
  for (const Value& subset : endpoints["subsets"].as_array()) {
    page.field(1, "Addresses", addresses_text(subset["addresses"]));
    page.field(1, "NotReadyAddresses", addresses_text(subset["notReadyAddresses"]));
    if (!subset["ports"].as_array().empty()) {
      page.line(1, "Ports:");
      put_port_table(page, 2, subset["ports"]);
    }
    page.line(0, "");
  }
  put_events(page, events, now);
  return page.text();
}

std::string describe_endpoint_slice(const Value& slice, const Array* events, base::Time now) {
  Page page;
  put_metadata(page, slice);
  page.field(0, "AddressType", text_of(slice["addressType"]));
  if (slice["ports"].as_array().empty()) {
    page.line(0, "Ports: <unset>");
  } else {
    page.line(0, "Ports:");
    put_port_table(page, 1, slice["ports"]);
  }
  page.line(0, slice["endpoints"].as_array().empty() ? "Endpoints: <none>" : "Endpoints:");
  for (const Value& endpoint : slice["endpoints"].as_array()) {
    std::string addresses = joined(endpoint["addresses"], ", ");
    page.field(1, "- Addresses", addresses.empty() ? "<none>" : addresses);
    page.line(2, "Conditions:");
    page.field(3, "Ready", text_or_unset(endpoint.at({"conditions", "ready"})));
    page.field(2, "Hostname", text_or_unset(endpoint["hostname"]));
    if (const Value& target = endpoint["targetRef"]; target.is_object())
      page.field(2, "TargetRef", fmt::format("{}/{}", text_of(target["kind"]), text_of(target["name"])));
    page.field(2, "NodeName", text_or_unset(endpoint["nodeName"]));
    page.field(2, "Zone", text_or_unset(endpoint["zone"]));
  }
  put_events(page, events, now);
  return page.text();
}

}  // namespace cli
