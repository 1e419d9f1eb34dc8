// Rules for Ingress, IngressClass, NetworkPolicy, ServiceCIDR and IPAddress.
#include <fmt/format.h>

#include <algorithm>

#include "api/meta.hpp"
#include "api/validate_platform.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr size_t kMaxController = 250;
constexpr std::string_view kImmutable = "field is immutable";
constexpr std::string_view kClassAnnotation = "kubernetes.io/ingress.class";

// The create rules see every version of an object; a new one has no revision.
bool is_new(const Value& object) { return resource_version_of(object).empty(); }

std::vector<std::string> check_wildcard(std::string_view host) {
  std::vector<std::string> out;
  if (host.size() > 253) out.emplace_back("must be no more than 253 characters");
  if (!host.starts_with("*.") || !is_dns_subdomain(host.substr(2)))
    out.emplace_back(
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
        "consist of "
        "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. "
        "'*.example.com', "
        "regex used for validation is "
        "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
  return out;
}

std::vector<std::string> check_host(std::string_view host) {
  return host.find('*') == std::string_view::npos ? base::check_dns1123_subdomain(host)
                                                  : check_wildcard(host);
}

// ---- ingresses
// ----------------------------------------------------------------------------------------------------

void check_typed_reference(Problems& out, const Value& reference, const std::string& path) {
  if (const Value& group = reference["apiGroup"]; group.is_string())
    out.dns_subdomain(child(path, "apiGroup"), group);
  check_url_name(out, child(path, "kind"), reference["kind"]);
  check_url_name(out, child(path, "name"), reference["name"]);
}

void check_service_backend(Problems& out, const Value& service, const std::string& path) {
  const std::string at = child(path, "service");
  if (service["name"].as_string().empty())
    out.required(child(at, "name"));
  else
    out.dns_label(child(at, "name"), service["name"]);
  std::string_view name = service["port"]["name"].as_string();
  const int64_t number = service["port"]["number"].int_or(0);
  if (!name.empty() && number != 0)
    out.invalid(path, "", std::string("cannot set both port name & port number"));
  else if (!name.empty())
    out.invalid(child(at, "port.name"), name, base::check_port_name(name));
  else if (number != 0)
    out.port(child(at, "port.number"), number);
  else
    out.required(path, "port name or number is required");
}

void check_backend(Problems& out, const Value& backend, const std::string& path) {
  const bool resource = backend["resource"].is_object(), service = backend["service"].is_object();
  if (resource && service)
    out.invalid(path, "", std::string("cannot set both resource and service backends"));
  else if (resource)
    check_typed_reference(out, backend["resource"], child(path, "resource"));
  else if (service)
    check_service_backend(out, backend["service"], path);
  else
    out.invalid(path, "", std::string("resource or service backend is required"));
}

void check_exact_path(Problems& out, std::string_view path, const std::string& at) {
  for (std::string_view bad : {"//", "/./", "/../", "%2f", "%2F"})
    if (path.find(bad) != std::string_view::npos)
      out.invalid(at, path, fmt::format("must not contain '{}'", bad));
  for (std::string_view bad : {"/..", "/."})
    if (path.ends_with(bad)) out.invalid(at, path, fmt::format("cannot end with '{}'", bad));
}

void check_path(Problems& out, const Value& path, const std::string& at) {
  if (!path["pathType"].is_string()) {
    out.required(child(at, "pathType"), "pathType must be specified");
    return;
  }
  std::string_view type = path["pathType"].as_string(), text = path["path"].as_string();
  const bool strict = type == "Exact" || type == "Prefix";
  if (strict || type == "ImplementationSpecific") {
    if (!text.starts_with('/') && (strict || !text.empty()))
      out.invalid(child(at, "path"), text, std::string("must be an absolute path"));
    if (strict) check_exact_path(out, text, child(at, "path"));
  } else {
    out.unsupported(child(at, "pathType"), type, {"Exact", "ImplementationSpecific", "Prefix"});
  }
  check_backend(out, path["backend"], child(at, "backend"));
}

void check_rules(Problems& out, const Value& rules) {
  const auto& list = rules.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index("spec.rules", i);
    if (std::string_view host = list[i]["host"].as_string(); !host.empty()) {
      if (parse_address(host))
        out.invalid(child(at, "host"), host, std::string("must be a DNS name, not an IP address"));
      out.invalid(child(at, "host"), host, check_host(host));
    }
    if (!list[i]["http"].is_object()) continue;
    const std::string paths_at = child(at, "http.paths");
    const auto& paths = list[i]["http"]["paths"].as_array();
    if (paths.empty()) out.required(paths_at);
    for (size_t j = 0; j < paths.size(); ++j) check_path(out, paths[j], index(paths_at, j));
  }
}

void check_tls(Problems& out, const Value& tls) {
  const auto& list = tls.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index("spec.tls", i);
    const auto& hosts = list[i]["hosts"].as_array();
    for (size_t j = 0; j < hosts.size(); ++j)
      out.invalid(index(child(at, "hosts"), j), hosts[j], check_host(hosts[j].as_string()));
    if (!list[i]["secretName"].as_string().empty())
      out.dns_subdomain(child(at, "secretName"), list[i]["secretName"]);
  }
}

// ---- network policies
// ---------------------------------------------------------------------------------------------

void check_policy_port(Problems& out, const Value& port, const std::string& at) {
  if (const Value& protocol = port["protocol"]; protocol.is_string())
    out.one_of(child(at, "protocol"), protocol, {"TCP", "UDP", "SCTP"});
  const Value& number = port["port"];
  const Value& end = port["endPort"];
  if (number.is_null()) {
    if (!end.is_null())
      out.invalid(child(at, "endPort"), end,
                  std::string("may not be specified when `port` is not specified"));
    return;
  }
  if (number.is_string() && !end.is_null())
    out.invalid(child(at, "endPort"), end, std::string("may not be specified when `port` is non-numeric"));
  out.port_or_name(child(at, "port"), number);
  if (number.is_string() || end.is_null()) return;
  if (end.int_or(0) < number.int_or(0))
    out.invalid(child(at, "endPort"), end, std::string("must be greater than or equal to `port`"));
  out.port(child(at, "endPort"), end);
}

struct Range {
  Address address;
  int64_t prefix = 0;
};

std::optional<Range> parse_range(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto address = parse_address(text.substr(0, slash));
  auto prefix = base::parse_int(text.substr(slash + 1));
  if (!address || !prefix || *prefix < 0 || *prefix > (address->v6 ? 128 : 32)) return std::nullopt;
  return Range{*address, *prefix};
}

bool same_bit(const Address& a, const Address& b, int64_t bit) {
  return ((a.bytes[bit / 8] ^ b.bytes[bit / 8]) & (0x80 >> (bit % 8))) == 0;
}

bool is_strictly_inside(const Range& inner, const Range& outer) {
  if (inner.address.v6 != outer.address.v6 || inner.prefix <= outer.prefix) return false;
  for (int64_t bit = 0; bit < outer.prefix; ++bit)
    if (!same_bit(inner.address, outer.address, bit)) return false;
  return true;
}

void check_ip_block(Problems& out, const Value& block, const std::string& at) {
  if (block["cidr"].as_string().empty()) {
    out.required(child(at, "cidr"));
    return;
  }
  out.cidr(child(at, "cidr"), block["cidr"]);
  auto range = parse_range(block["cidr"].as_string());
  if (!range) return;
  const auto& except = block["except"].as_array();
  for (size_t i = 0; i < except.size(); ++i) {
    const std::string path = index(child(at, "except"), i);
    out.cidr(path, except[i]);
    auto part = parse_range(except[i].as_string());
    if (part && !is_strictly_inside(*part, *range))
      out.invalid(path, except[i], std::string("must be a strict subset of `cidr`"));
  }
}

void check_peer(Problems& out, const Value& peer, const std::string& at) {
  int selectors = 0;
  for (const char* member : {"podSelector", "namespaceSelector"}) {
    if (!peer[member].is_object()) continue;
    ++selectors;
    out.label_selector(child(at, member), peer[member]);
  }
  const bool block = peer["ipBlock"].is_object();
  if (block) check_ip_block(out, peer["ipBlock"], child(at, "ipBlock"));
  if (selectors == 0 && !block)
    out.required(at, "must specify a peer");
  else if (selectors > 0 && block)
    out.forbidden(at, "may not specify both ipBlock and another peer");
}

void check_policy_rules(Problems& out, const Value& rules, const std::string& path,
                        const char* peers_member) {
  const auto& list = rules.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index(path, i);
    const auto& ports = list[i]["ports"].as_array();
    for (size_t j = 0; j < ports.size(); ++j) check_policy_port(out, ports[j], index(child(at, "ports"), j));
    const auto& peers = list[i][peers_member].as_array();
    for (size_t j = 0; j < peers.size(); ++j) check_peer(out, peers[j], index(child(at, peers_member), j));
  }
}

void check_domain_path(Problems& out, const std::string& path, std::string_view text) {
  constexpr std::string_view kAllowed = "/-._~%!$&'()*+,;=:";
  size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == text.size()) {
    out.invalid(path, text, std::string("must be a domain-prefixed path (such as \"acme.io/foo\")"));
    return;
  }
  out.invalid(path, text.substr(0, slash), base::check_dns1123_subdomain(text.substr(0, slash)));
  std::string_view rest = text.substr(slash + 1);
  const bool fits = std::ranges::all_of(rest, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kAllowed.find(c) != std::string_view::npos;
  });
  if (!fits)
    out.invalid(
        path, rest,
        std::string("Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"));
}

void check_scope(Problems& out, const Value& parameters, const std::string& at) {
  const Value& scope = parameters["scope"];
  const Value& space = parameters["namespace"];
  if (!scope.is_string()) {
    out.required(child(at, "scope"));
  } else if (scope.as_string() == "Namespace") {
    if (!space.is_string())
      out.required(child(at, "namespace"), "`parameters.scope` is set to 'Namespace'");
    else
      out.dns_label(child(at, "namespace"), space);
  } else if (scope.as_string() == "Cluster") {
    if (!space.is_null()) out.forbidden(child(at, "namespace"), "`parameters.scope` is set to 'Cluster'");
  } else {
    out.unsupported(child(at, "scope"), scope, {"Cluster", "Namespace"});
  }
}

}  // namespace

std::vector<std::string> network_warnings(const Kind& kind, const Value& object) {
  if (kind.kind != "Ingress" || !is_new(object)) return {};
  if (!annotations_of(object)[kClassAnnotation].is_string() || object["spec"]["ingressClassName"].is_string())
    return {};
  return {fmt::format("annotation {} is deprecated, please use 'spec.ingressClassName' instead",
                      base::quote(kClassAnnotation))};
}

void check_ingress(Problems& out, const Value& ingress) {
  const Value& spec = ingress["spec"];
  const bool has_default = spec["defaultBackend"].is_object();
  if (spec["rules"].as_array().empty() && !has_default)
    out.invalid("spec", spec["rules"], std::string("either `defaultBackend` or `rules` must be specified"));
  if (has_default) check_backend(out, spec["defaultBackend"], "spec.defaultBackend");
  check_rules(out, spec["rules"]);
  check_tls(out, spec["tls"]);
  const Value& name = spec["ingressClassName"];
  if (!name.is_string()) return;
  out.dns_subdomain("spec.ingressClassName", name);
  const Value& annotation = annotations_of(ingress)[kClassAnnotation];
  if (annotation.is_string() && annotation != name && is_new(ingress))
    out.invalid("annotations.kubernetes.io/ingress.class", annotation,
                std::string("must match `ingressClassName` when both are specified"));
}

void check_ingress_status(Problems& out, const Value& fresh, const Value&) {
  const auto& list = fresh["status"]["loadBalancer"]["ingress"].as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index("status.loadBalancer.ingress", i);
    if (!list[i]["ip"].as_string().empty()) out.ip(child(at, "ip"), list[i]["ip"]);
    std::string_view host = list[i]["hostname"].as_string();
    if (host.empty()) continue;
    out.dns_subdomain(child(at, "hostname"), host);
    if (parse_address(host))
      out.invalid(child(at, "hostname"), host, std::string("must be a DNS name, not an IP address"));
  }
}

void check_ingress_class(Problems& out, const Value& object) {
  const Value& spec = object["spec"];
  if (std::string_view controller = spec["controller"].as_string(); controller.empty()) {
    out.required("spec.controller");
  } else {
    check_too_long(out, "spec.controller", controller, kMaxController);
    check_domain_path(out, "spec.controller", controller);
  }
  if (!spec["parameters"].is_object()) return;
  check_typed_reference(out, spec["parameters"], "spec.parameters");
  check_scope(out, spec["parameters"], "spec.parameters");
}

void check_ingress_class_update(Problems& out, const Value& fresh, const Value& old) {
  out.immutable("spec.controller", fresh["spec"]["controller"], old["spec"]["controller"]);
}

void check_network_policy(Problems& out, const Value& policy) {
  const Value& spec = policy["spec"];
  out.label_selector("spec.podSelector", spec["podSelector"]);
  check_policy_rules(out, spec["ingress"], "spec.ingress", "from");
  check_policy_rules(out, spec["egress"], "spec.egress", "to");
  const auto& types = spec["policyTypes"].as_array();
  if (types.size() > 2) {
    out.invalid("spec.policyTypes", spec["policyTypes"],
                std::string("may not specify more than two policyTypes"));
    return;
  }
  for (size_t i = 0; i < types.size(); ++i)
    if (types[i].as_string() != "Ingress" && types[i].as_string() != "Egress")
      out.unsupported(index("spec.policyTypes", i), types[i], {"Ingress", "Egress"});
}

void check_service_cidr(Problems& out, const Value& object) {
  const std::string path = "spec.cidrs";
  const Value& cidrs = object["spec"]["cidrs"];
  const auto& list = cidrs.as_array();
  if (list.empty()) {
    out.required(path, "at least one CIDR required");
  } else if (list.size() > 2) {
    out.invalid(path, object["spec"], std::string("may only hold up to 2 values"));
  } else {
    for (size_t i = 0; i < list.size(); ++i) out.cidr(index(path, i), list[i]);
    if (list.size() < 2) return;
    auto first = parse_range(list[0].as_string()), second = parse_range(list[1].as_string());
    if (first && second && first->address.v6 == second->address.v6)
      out.invalid(
          path, cidrs,
          std::string(
              "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"));
  }
}

// A second family may be added; nothing else changes.
void check_service_cidr_update(Problems& out, const Value& fresh, const Value& old) {
  const auto& now = fresh["spec"]["cidrs"].as_array();
  const auto& before = old["spec"]["cidrs"].as_array();
  if (now.size() != before.size() && !(now.size() == 2 && before.size() == 1)) {
    out.invalid("spec.cidrs", fresh["spec"]["cidrs"], std::string(kImmutable));
    return;
  }
  for (size_t i = 0; i < before.size(); ++i) out.immutable(index("spec.cidrs", i), now[i], before[i]);
}

std::vector<std::string> check_address_name(std::string_view name) {
  Problems found;
  found.ip("", name);
  std::vector<std::string> out;
  for (const auto& error : found.errors()) out.push_back(error.detail);
  return out;
}

void check_ip_address(Problems& out, const Value& object) {
  const std::string at = "spec.parentRef";
  const Value& parent = object["spec"]["parentRef"];
  if (!parent.is_object()) {
    out.required(at);
    return;
  }
  if (!parent["group"].as_string().empty()) out.dns_subdomain(child(at, "group"), parent["group"]);
  check_url_name(out, child(at, "resource"), parent["resource"]);
  check_url_name(out, child(at, "name"), parent["name"]);
  if (!parent["namespace"].as_string().empty())
    check_url_name(out, child(at, "namespace"), parent["namespace"]);
}

void check_ip_address_update(Problems& out, const Value& fresh, const Value& old) {
  out.immutable("spec.parentRef", fresh["spec"]["parentRef"], old["spec"]["parentRef"]);
}

}  // namespace api::rules
