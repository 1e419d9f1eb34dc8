// Rules for Services: everything that needs no allocation and no look at other objects.
#include <fmt/format.h>

#include <set>

#include "api/meta.hpp"
#include "api/validate_rules.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr int64_t kAgentPort = 10250;
constexpr int64_t kMaxAffinitySeconds = 86400;
constexpr std::string_view kRangesAnnotation = "service.beta.kubernetes.io/load-balancer-source-ranges";

bool is_type(const Value& service, std::string_view type) { return service["spec"]["type"].as_string() == type; }

// The addresses, also when only the older single field is set.
std::vector<std::string> cluster_ips(const Value& service) {
  std::vector<std::string> out;
  for (const auto& ip : service["spec"]["clusterIPs"].as_array()) out.emplace_back(ip.as_string());
  if (auto ip = service["spec"]["clusterIP"].as_string(); out.empty() && !ip.empty()) out.emplace_back(ip);
  return out;
}

Value as_list(const std::vector<std::string>& texts) { return base::Array(texts.begin(), texts.end()); }

bool is_headless(const Value& service) {
  auto ips = cluster_ips(service);
  return ips.size() == 1 && ips[0] == "None";
}

bool is_external(const Value& service) {
  return is_type(service, "NodePort") || is_type(service, "LoadBalancer") ||
         (is_type(service, "ClusterIP") && !service["spec"]["externalIPs"].as_array().empty());
}

bool needs_health_check(const Value& service) {
  return is_type(service, "LoadBalancer") && service["spec"]["externalTrafficPolicy"].as_string() == "Local";
}

void check_type(Problems& out, const Value& service) {
  const Value& spec = service["spec"];
  auto ips = cluster_ips(service);
  if (is_type(service, "LoadBalancer")) {
    const auto& ports = spec["ports"].as_array();
    for (size_t i = 0; i < ports.size(); ++i)
      if (ports[i]["port"].int_or(0) == kAgentPort)
        out.invalid(index("spec.ports", i), kAgentPort,
                    std::string("may not expose port 10250 externally since it is used by kubelet"));
  }
  for (std::string_view type : {"LoadBalancer", "NodePort"})
    if (is_type(service, type) && is_headless(service))
      out.invalid("spec.clusterIPs[0]", ips[0], fmt::format("may not be set to 'None' for {} services", type));
  if (is_type(service, "ExternalName")) {
    if (!ips.empty()) out.forbidden("spec.clusterIPs", "may not be set for ExternalName services");
    if (!spec["ipFamilies"].as_array().empty())
      out.forbidden("spec.ipFamilies", "may not be set for ExternalName services");
    if (!spec["ipFamilyPolicy"].is_null())
      out.forbidden("spec.ipFamilyPolicy", "may not be set for ExternalName services");
    std::string_view name = spec["externalName"].as_string();
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty()) out.required("spec.externalName");
    else out.dns_subdomain("spec.externalName", name);
  }
  out.one_of("spec.type", spec["type"], {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"});
}

void check_port(Problems& out, const Value& port, bool must_be_named, std::set<std::string>& names,
                const std::string& path) {
  std::string name(port["name"].as_string());
  if (must_be_named && name.empty()) {
    out.required(child(path, "name"));
  } else if (!name.empty()) {
    out.dns_label(child(path, "name"), name);
    if (!names.insert(name).second) out.duplicate(child(path, "name"), name);
  }
  out.port(child(path, "port"), port["port"]);
  out.one_of(child(path, "protocol"), port["protocol"], {"SCTP", "TCP", "UDP"});
  // Left out, or 0 as Go clients write it: the port itself.
  if (const Value& target = port["targetPort"]; !target.is_null() && target != Value(0))
    out.port_or_name(child(path, "targetPort"), target);
  if (const Value& app = port["appProtocol"]; app.is_string()) out.qualified_name(child(path, "appProtocol"), app);
  if (int64_t node = port["nodePort"].int_or(0); node < 0 || node > 65535)
    out.invalid(child(path, "nodePort"), node, std::string("must be between 1 and 65535, inclusive"));
}

// As upstream prints the pair that is there twice.
Value pair_value(const Value& protocol, const Value& port) {
  base::Object out;
  out.append("Name", "");
  out.append("Protocol", protocol.as_string());
  out.append("AppProtocol", nullptr);
  out.append("Port", port.int_or(0));
  out.append("TargetPort", 0);
  out.append("NodePort", 0);
  return out;
}

void check_ports(Problems& out, const Value& service) {
  const auto& ports = service["spec"]["ports"].as_array();
  if (ports.empty() && !is_headless(service) && !is_type(service, "ExternalName")) out.required("spec.ports");
  std::set<std::string> names;
  std::set<std::pair<std::string, int64_t>> pairs, node_pairs;
  for (size_t i = 0; i < ports.size(); ++i)
    check_port(out, ports[i], ports.size() > 1, names, index("spec.ports", i));
  for (size_t i = 0; i < ports.size(); ++i) {
    int64_t node = ports[i]["nodePort"].int_or(0);
    if (node == 0) continue;
    std::string at = child(index("spec.ports", i), "nodePort");
    if (is_type(service, "ClusterIP")) out.forbidden(at, "may not be used when `type` is 'ClusterIP'");
    if (!node_pairs.emplace(ports[i]["protocol"].as_string(), node).second) out.duplicate(at, node);
  }
  for (size_t i = 0; i < ports.size(); ++i)
    if (!pairs.emplace(ports[i]["protocol"].as_string(), ports[i]["port"].int_or(0)).second)
      out.duplicate(index("spec.ports", i), pair_value(ports[i]["protocol"], ports[i]["port"]));
}

void check_affinity(Problems& out, const Value& spec) {
  out.one_of("spec.sessionAffinity", spec["sessionAffinity"], {"ClientIP", "None"});
  const Value& config = spec["sessionAffinityConfig"];
  if (spec["sessionAffinity"].as_string() == "None" && config.is_object())
    out.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None");
  if (spec["sessionAffinity"].as_string() != "ClientIP") return;
  const std::string why = "when session affinity type is ClientIP";
  if (!config.is_object()) return out.required("spec.sessionAffinityConfig", why);
  if (!config["clientIP"].is_object()) return out.required("spec.sessionAffinityConfig.clientIP", why);
  const Value& timeout = config["clientIP"]["timeoutSeconds"];
  const std::string at = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
  if (timeout.is_null()) return out.required(at, why);
  if (timeout.int_or(0) <= 0 || timeout.int_or(0) > kMaxAffinitySeconds)
    out.invalid(at, timeout, fmt::format("must be greater than 0 and less than {}", kMaxAffinitySeconds));
}

void check_families(Problems& out, const Value& spec) {
  if (const Value& policy = spec["ipFamilyPolicy"]; !policy.is_null())
    out.one_of("spec.ipFamilyPolicy", policy, {"PreferDualStack", "RequireDualStack", "SingleStack"}, false);
  const Value& families = spec["ipFamilies"];
  std::set<std::string> seen;
  const auto& list = families.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    std::string at = index("spec.ipFamilies", i);
    out.one_of(at, list[i], {"IPv4", "IPv6"});
    if (!seen.emplace(list[i].as_string()).second) out.duplicate(at, list[i]);
  }
  if (list.size() > 2) out.invalid("spec.ipFamilies", families, std::string("may only hold up to 2 values"));
}

void check_cluster_ips(Problems& out, const Value& service) {
  const Value& spec = service["spec"];
  if (is_type(service, "ExternalName")) return;
  check_families(out, spec);
  auto ips = cluster_ips(service);
  auto primary = spec["clusterIP"].as_string();
  if (!ips.empty() && !spec["clusterIPs"].as_array().empty() && ips[0] != primary)
    out.invalid("spec.clusterIPs", as_list(ips), std::string("first value must match `clusterIP`"));
  bool bad = false;
  for (size_t i = 0; i < ips.size(); ++i) {
    if (i == 0 && ips[0] == "None") {
      if (ips.size() > 1) {
        out.invalid("spec.clusterIPs", as_list(ips), std::string("'None' must be the first and only value"));
        bad = true;
      }
      continue;
    }
    bad = !out.ip(index("spec.clusterIPs", i), ips[i]) || bad;
  }
  if (ips.size() > 2) out.invalid("spec.clusterIPs", as_list(ips), std::string("may only hold up to 2 values"));
  if (bad || is_headless(service)) return;
  if (ips.size() == 2 && is_v6(ips[0]) == is_v6(ips[1]))
    out.invalid("spec.clusterIPs", as_list(ips), std::string("may specify no more than one IP for each IP family"));
  const auto& families = spec["ipFamilies"].as_array();
  for (size_t i = 0; i < std::min(ips.size(), families.size()); ++i) {
    std::string_view family = families[i].as_string();
    if ((family == "IPv4" && is_v6(ips[i])) || (family == "IPv6" && !is_v6(ips[i])))
      out.invalid(index("spec.clusterIPs", i), ips[i],
                  fmt::format("expected an {} value as indicated by `ipFamilies[{}]`", family, i));
  }
}

void check_external_ips(Problems& out, const Value& spec) {
  const auto& ips = spec["externalIPs"].as_array();
  for (size_t i = 0; i < ips.size(); ++i) {
    std::string at = index("spec.externalIPs", i);
    if (out.ip(at, ips[i])) out.ordinary_ip(at, ips[i]);
  }
}

void check_source_ranges(Problems& out, const Value& service) {
  const auto& ranges = service["spec"]["loadBalancerSourceRanges"].as_array();
  const Value& annotation = annotations_of(service)[kRangesAnnotation];
  if (ranges.empty() && annotation.is_null()) return;
  const bool in_spec = !ranges.empty();
  const std::string path =
      in_spec ? "spec.loadBalancerSourceRanges" : key("metadata.annotations", kRangesAnnotation);
  if (!is_type(service, "LoadBalancer")) out.forbidden(path, "may only be used when `type` is 'LoadBalancer'");
  for (size_t i = 0; i < ranges.size(); ++i)
    out.cidr(index(path, i), std::string(base::trim(ranges[i].as_string())));
  if (in_spec) return;
  std::string text(base::trim(annotation.as_string()));
  if (text.empty()) return;
  for (const auto& range : base::split(text, ',')) {
    Problems one;
    one.cidr(path, std::string(base::trim(range)));
    if (one.empty()) continue;
    out.invalid(path, annotation, std::string("must be a list of IP ranges. For example, 10.240.0.0/24,10.250.0.0/24"));
    return;
  }
}

void check_load_balancer(Problems& out, const Value& service) {
  const Value& spec = service["spec"];
  const std::string only = "may only be used when `type` is 'LoadBalancer'";
  bool balanced = is_type(service, "LoadBalancer");
  if (!balanced && !spec["allocateLoadBalancerNodePorts"].is_null())
    out.forbidden("spec.allocateLoadBalancerNodePorts", only);
  if (const Value& name = spec["loadBalancerClass"]; !name.is_null()) {
    if (!balanced) out.forbidden("spec.loadBalancerClass", only);
    else out.qualified_name("spec.loadBalancerClass", name);
  }
  check_source_ranges(out, service);
}

void check_traffic(Problems& out, const Value& service) {
  const Value& spec = service["spec"];
  const Value& external = spec["externalTrafficPolicy"];
  if (!is_external(service)) {
    if (!external.as_string().empty())
      out.invalid("spec.externalTrafficPolicy", external,
                  std::string("may only be set for externally-accessible services"));
  } else {
    out.one_of("spec.externalTrafficPolicy", external, {"Cluster", "Local"}, false);
  }
  int64_t health = spec["healthCheckNodePort"].int_or(0);
  if (health != 0 && !needs_health_check(service))
    out.invalid("spec.healthCheckNodePort", health,
                std::string("may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"));
  else if (health != 0)
    out.port("spec.healthCheckNodePort", health);
  if (const Value& internal = spec["internalTrafficPolicy"]; !internal.is_null())
    out.one_of("spec.internalTrafficPolicy", internal, {"Cluster", "Local"}, false);
  if (const Value& distribution = spec["trafficDistribution"]; !distribution.is_null())
    out.one_of("spec.trafficDistribution", distribution, {"PreferClose", "PreferSameNode", "PreferSameZone"}, true);
}

// The primary address stays as long as the Service has one; the secondary one may come and go (what policy that needs,
// the server says where it allocates).
void check_cluster_ips_update(Problems& out, const Value& fresh, const Value& old) {
  if (is_type(fresh, "ExternalName") || is_type(old, "ExternalName")) return;
  auto now = cluster_ips(fresh), before = cluster_ips(old);
  if (before.empty() || (is_headless(fresh) && is_headless(old))) return;
  if (now.empty()) {
    out.invalid("spec.clusterIPs[0]", as_list(now), std::string("primary clusterIP can not be unset"));
    return;
  }
  for (size_t i = 0; i < std::min(now.size(), before.size()); ++i)
    if (now[i] != before[i])
      out.invalid(index("spec.clusterIPs", i), as_list(now), std::string("may not change once set"));
}

void check_families_update(Problems& out, const Value& fresh, const Value& old) {
  if (is_type(fresh, "ExternalName") || is_type(old, "ExternalName")) return;
  const Value& now = fresh["spec"]["ipFamilies"];
  const auto& before = old["spec"]["ipFamilies"].as_array();
  if (before.empty()) return;
  if (now.as_array().empty())
    out.invalid("spec.ipFamilies[0]", base::Array{}, std::string("primary ipFamily can not be unset"));
  else if (now.as_array()[0] != before[0])
    out.invalid("spec.ipFamilies[0]", now, std::string("may not change once set"));
}

}  // namespace

void check_service(Problems& out, const Value& service) {
  const Value& spec = service["spec"];
  check_type(out, service);
  check_ports(out, service);
  out.labels("spec.selector", spec["selector"]);
  check_affinity(out, spec);
  check_cluster_ips(out, service);
  check_external_ips(out, spec);
  check_load_balancer(out, service);
  check_traffic(out, service);
}

void check_service_update(Problems& out, const Value& fresh, const Value& old) {
  check_cluster_ips_update(out, fresh, old);
  check_families_update(out, fresh, old);
  const Value& now = fresh["spec"];
  const Value& before = old["spec"];
  if (is_type(fresh, "LoadBalancer") && is_type(old, "LoadBalancer") &&
      now["loadBalancerClass"] != before["loadBalancerClass"])
    out.invalid("spec.loadBalancerClass", now["loadBalancerClass"], std::string("may not change once set"));
  if (needs_health_check(fresh) && needs_health_check(old) && before["healthCheckNodePort"].int_or(0) != 0 &&
      now["healthCheckNodePort"].int_or(0) != before["healthCheckNodePort"].int_or(0))
    out.forbidden("spec.healthCheckNodePort", "field is immutable");
}

void check_service_status(Problems& out, const Value& fresh, const Value&) {
  const auto& ingress = fresh["status"]["loadBalancer"]["ingress"].as_array();
  const std::string path = "status.loadBalancer.ingress";
  if (!ingress.empty() && !is_type(fresh, "LoadBalancer"))
    out.forbidden(path, "may only be used when `spec.type` is \"LoadBalancer\"");
  for (size_t i = 0; i < ingress.size(); ++i) {
    std::string at = index(path, i);
    const Value& ip = ingress[i]["ip"];
    const Value& mode = ingress[i]["ipMode"];
    bool has_ip = !ip.as_string().empty();
    if (has_ip) out.ip(child(at, "ip"), ip);
    if (!has_ip && !mode.is_null()) out.forbidden(child(at, "ipMode"), "may not be specified when `ip` is not set");
    if (has_ip && mode.is_null()) out.required(child(at, "ipMode"), "must be specified when `ip` is set");
    if (has_ip && !mode.is_null()) out.one_of(child(at, "ipMode"), mode, {"Proxy", "VIP"});
    const Value& host = ingress[i]["hostname"];
    if (host.as_string().empty()) continue;
    out.dns_subdomain(child(at, "hostname"), host);
    if (parse_address(host.as_string()))
      out.invalid(child(at, "hostname"), host, std::string("must be a DNS name, not an IP address"));
  }
}

}  // namespace api::rules
