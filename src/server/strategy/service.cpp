#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "api/meta.hpp"
#include "api/status.hpp"
#include "server/strategy/strategy.hpp"

namespace server {

namespace {

std::string_view type_of(const base::Value& spec) { return spec["type"].as_string(); }
bool needs_address(const base::Value& spec) {
  auto type = type_of(spec);
  return type == "ClusterIP" || type == "NodePort" || type == "LoadBalancer";
}
bool needs_node_ports(const base::Value& spec) {
  return type_of(spec) == "NodePort" ||
         (type_of(spec) == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"].as_bool(true));
}
// Types that keep node ports which are set, whether or not they are handed out unasked.
bool may_have_node_ports(const base::Value& spec) {
  return type_of(spec) == "NodePort" || type_of(spec) == "LoadBalancer";
}
bool needs_health_port(const base::Value& spec) {
  return type_of(spec) == "LoadBalancer" && spec["externalTrafficPolicy"].as_string() == "Local";
}
bool externally_accessible(const base::Value& spec) {
  return may_have_node_ports(spec) ||
         (type_of(spec) == "ClusterIP" && !spec["externalIPs"].as_array().empty());
}
bool headless(const base::Value& spec) { return spec["clusterIP"].as_string() == "None"; }

std::vector<std::string> texts_of(const base::Value& list) {
  std::vector<std::string> texts;
  for (const auto& item : list.as_array()) texts.emplace_back(item.as_string());
  return texts;
}

base::Array to_array(const std::vector<std::string>& texts) {
  base::Array array;
  for (const auto& text : texts) array.emplace_back(text);
  return array;
}

std::multiset<int64_t> node_ports_of(const base::Value& spec) {
  std::multiset<int64_t> ports;
  for (const auto& port : spec["ports"].as_array()) {
    if (int64_t n = port["nodePort"].int_or(0); n != 0) ports.insert(n);
  }
  return ports;
}

std::unexpected<base::Error> refuse(const base::Value& service, api::FieldError error) {
  return std::unexpected(api::invalid("", "Service", api::name_of(service), {std::move(error)}));
}

std::string port_path(size_t i) { return fmt::format("spec.ports[{}].nodePort", i); }

// clusterIPs follows clusterIP where the client gave only the latter.
void normalize_addresses(base::Value& spec, const base::Value* old) {
  std::string ip(spec["clusterIP"].as_string());
  auto ips = texts_of(spec["clusterIPs"]);
  if (!old) {
    if (!ip.empty() && ips.empty()) spec.object().set("clusterIPs", to_array({ip}));
    return;
  }
  std::string old_ip((*old)["clusterIP"].as_string());
  auto old_ips = texts_of((*old)["clusterIPs"]);
  if (ip == old_ip || ips != old_ips) return;
  if (ip.empty()) {
    spec.object().erase("clusterIPs");
  } else {
    spec.object().set("clusterIPs", to_array({ip}));
  }
}

// What the client left out of an update although it was allocated before.
void keep_allocated(base::Value& spec, const base::Value& old) {
  if (needs_address(old) && needs_address(spec)) {
    if (spec["clusterIP"].as_string().empty()) spec.object().set("clusterIP", old["clusterIP"]);
    if (spec["clusterIPs"].as_array().empty() && spec["clusterIP"] == old["clusterIP"]) {
      spec.object().set("clusterIPs", old["clusterIPs"]);
    }
    for (std::string_view member : {"ipFamilies", "ipFamilyPolicy"}) {
      if (spec[member].is_null() && !old[member].is_null()) spec.object().set(member, old[member]);
    }
  }
  if (needs_node_ports(old) && needs_node_ports(spec) && spec["ports"].is_array()) {
    auto used = node_ports_of(spec);
    for (auto& port : spec.make({"ports"}).array()) {
      if (port["nodePort"].int_or(0) != 0) continue;
      for (const auto& before : old["ports"].as_array()) {
        int64_t n = before["nodePort"].int_or(0);
        if (n == 0 || before["name"].as_string() != port["name"].as_string() || used.contains(n)) continue;
        port.object().set("nodePort", n);
        break;
      }
    }
  }
  if (needs_health_port(old) && needs_health_port(spec) && spec["healthCheckNodePort"].int_or(0) == 0) {
    spec.object().set("healthCheckNodePort", old["healthCheckNodePort"]);
  }
}

// A change of type takes away what only the old type had, unless the client changed it too.
void drop_what_the_type_had(base::Value& spec, const base::Value& old) {
  auto drop_same = [&](std::string_view member) {
    if (spec[member] == old[member]) spec.object().erase(member);
  };
  if (needs_address(old) && !needs_address(spec)) {
    for (std::string_view member : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"})
      drop_same(member);
    drop_same("internalTrafficPolicy");
  }
  if (may_have_node_ports(old) && !may_have_node_ports(spec) && node_ports_of(old) == node_ports_of(spec) &&
      spec["ports"].is_array()) {
    for (auto& port : spec.make({"ports"}).array()) port.object().erase("nodePort");
  }
  if (needs_health_port(old) && !needs_health_port(spec)) drop_same("healthCheckNodePort");
  if (externally_accessible(old) && !externally_accessible(spec)) drop_same("externalTrafficPolicy");
  if (type_of(old) == "LoadBalancer" && type_of(spec) != "LoadBalancer") {
    drop_same("allocateLoadBalancerNodePorts");
    drop_same("loadBalancerClass");
  }
}

// Families of a cluster that has IPv4 alone. Upstream's texts.
base::Result<void> settle_families(const base::Value& service, base::Value& spec) {
  if (type_of(spec) == "ExternalName") return {};
  bool open_headless = headless(spec) && spec["selector"].as_object().empty();
  std::string policy(spec["ipFamilyPolicy"].as_string());
  if (policy.empty()) {
    policy = open_headless ? "RequireDualStack" : "SingleStack";
    spec.object().set("ipFamilyPolicy", policy);
  }
  auto families = texts_of(spec["ipFamilies"]);
  if (open_headless) {
    if (families.empty()) families.emplace_back("IPv4");
    if (families.size() == 1 && policy != "SingleStack")
      families.emplace_back(families[0] == "IPv4" ? "IPv6" : "IPv4");
    spec.object().set("ipFamilies", to_array(families));
    return {};
  }
  if (policy == "SingleStack" && families.size() == 2) {
    return refuse(service,
                  api::invalid_field("spec.ipFamilyPolicy", policy,
                                     "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP "
                                     "families are specified"));
  }
  if (policy == "SingleStack" && spec["clusterIPs"].as_array().size() == 2) {
    return refuse(service,
                  api::invalid_field("spec.ipFamilyPolicy", policy,
                                     "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster "
                                     "IPs are specified"));
  }
  if (policy == "RequireDualStack") {
    return refuse(service, api::invalid_field("spec.ipFamilyPolicy", policy,
                                              "this cluster is not configured for dual-stack services"));
  }
  const auto& addresses = spec["clusterIPs"].as_array();
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (addresses[i].as_string().find(':') == std::string_view::npos) continue;
    return refuse(service, api::invalid_field(fmt::format("spec.clusterIPs[{}]", i), spec["clusterIPs"],
                                              "IPv6 is not configured on this cluster"));
  }
  for (size_t i = 0; i < families.size(); ++i) {
    if (families[i] == "IPv4") continue;
    return refuse(service, api::invalid_field(fmt::format("spec.ipFamilies[{}]", i), families[i],
                                              "not configured on this cluster"));
  }
  if (families.empty()) spec.object().set("ipFamilies", to_array({"IPv4"}));
  return {};
}

base::Result<void> take_addresses(WriteContext& context, const base::Value& service, base::Value& spec,
                                  const std::vector<std::string>& had) {
  if (!needs_address(spec) || headless(spec)) return {};
  auto addresses = texts_of(spec["clusterIPs"]);
  if (addresses.empty()) addresses.emplace_back();
  for (auto& address : addresses) {
    if (std::find(had.begin(), had.end(), address) != had.end()) continue;
    if (address.empty()) {
      TRY(address, context.allocations.next_address());
    } else if (auto taken = context.allocations.take_address(address); !taken) {
      return refuse(service, api::invalid_field("spec.clusterIPs", spec["clusterIPs"],
                                                fmt::format("failed to allocate IP {}: {}", address,
                                                            taken.error().message)));
    }
  }
  spec.object().set("clusterIP", addresses[0]);
  spec.object().set("clusterIPs", to_array(addresses));
  return {};
}

// Ports that were had before stay; TCP and UDP of one Service may share a number.
base::Result<void> take_node_ports(WriteContext& context, const base::Value& service, base::Value& spec,
                                   const std::multiset<int64_t>& had) {
  if (!may_have_node_ports(spec) || !spec["ports"].is_array()) return {};
  bool hand_out = needs_node_ports(spec);
  std::set<int64_t> ours(had.begin(), had.end());
  auto& ports = spec.make({"ports"}).array();
  for (size_t i = 0; i < ports.size(); ++i) {  // wishes first, so that none is handed out to another port
    int64_t n = ports[i]["nodePort"].int_or(0);
    if (n == 0 || ours.contains(n)) continue;
    if (auto taken = context.allocations.take_port(static_cast<int>(n)); !taken) {
      return refuse(service, api::invalid_field(port_path(i), n, taken.error().message));
    }
    ours.insert(n);
  }
  for (size_t i = 0; hand_out && i < ports.size(); ++i) {
    if (ports[i]["nodePort"].int_or(0) != 0) continue;
    std::optional<int64_t> shared;
    for (const auto& other : ports) {
      if (other["port"] == ports[i]["port"] && other["protocol"] != ports[i]["protocol"] &&
          other["nodePort"].int_or(0) != 0) {
        shared = other["nodePort"].int_or(0);
      }
    }
    if (!shared) {
      TRY(shared, context.allocations.next_port());
    }
    ports[i].object().set("nodePort", *shared);
  }
  return {};
}

base::Result<void> take_health_port(WriteContext& context, const base::Value& service, base::Value& spec,
                                    int64_t had) {
  if (!needs_health_port(spec)) return {};
  int64_t wanted = spec["healthCheckNodePort"].int_or(0);
  if (wanted != 0 && wanted == had) return {};
  if (wanted == 0) {
    TRY(int port, context.allocations.next_port());
    spec.object().set("healthCheckNodePort", port);
    return {};
  }
  if (auto taken = context.allocations.take_port(static_cast<int>(wanted)); !taken) {
    return refuse(service, api::invalid_field("spec.healthCheckNodePort", wanted, taken.error().message));
  }
  return {};
}

class ServiceStrategy final : public Strategy {
 public:
  void prepare_create(WriteContext&, base::Value& service) const override {
    service.object().set("status", base::Value(base::Object{{"loadBalancer", base::Object{}}}));
    auto& spec = service.make({"spec"});
    if (spec.is_object()) normalize_addresses(spec, nullptr);
  }

  void prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_update(context, fresh, old);
    auto& spec = fresh.make({"spec"});
    if (!spec.is_object()) return;
    normalize_addresses(spec, &old["spec"]);
    keep_allocated(spec, old["spec"]);
    drop_what_the_type_had(spec, old["spec"]);
    if (type_of(old["spec"]) == "LoadBalancer" && type_of(spec) != "LoadBalancer") {
      fresh.make({"status", "loadBalancer"}) = base::Object{};
    }
  }

  base::Result<void> admit_create(WriteContext& context, base::Value& service) const override {
    auto& spec = service.make({"spec"});
    CHECK_OK(settle_families(service, spec));
    CHECK_OK(take_addresses(context, service, spec, {}));
    CHECK_OK(take_node_ports(context, service, spec, {}));
    return take_health_port(context, service, spec, 0);
  }

  base::Result<void> admit_update(WriteContext& context, base::Value& fresh,
                                  const base::Value& old) const override {
    auto& spec = fresh.make({"spec"});
    const auto& before = old["spec"];
    CHECK_OK(settle_families(fresh, spec));
    auto old_addresses = needs_address(before) ? texts_of(before["clusterIPs"]) : std::vector<std::string>();
    CHECK_OK(take_addresses(context, fresh, spec, old_addresses));
    auto old_ports = node_ports_of(before);
    CHECK_OK(take_node_ports(context, fresh, spec, old_ports));
    int64_t old_health = before["healthCheckNodePort"].int_or(0);
    CHECK_OK(take_health_port(context, fresh, spec, old_health));

    auto new_addresses = texts_of(spec["clusterIPs"]);
    for (const auto& address : old_addresses) {
      if (std::find(new_addresses.begin(), new_addresses.end(), address) == new_addresses.end()) {
        context.allocations.release_address(address);
      }
    }
    auto new_ports = node_ports_of(spec);
    int64_t new_health = spec["healthCheckNodePort"].int_or(0);
    if (new_health != 0) new_ports.insert(new_health);
    if (old_health != 0) old_ports.insert(old_health);
    for (int64_t port : std::set<int64_t>(old_ports.begin(), old_ports.end())) {
      if (!new_ports.contains(port)) context.allocations.release_port(static_cast<int>(port));
    }
    return {};
  }

  void release(WriteContext& context, const base::Value& service) const override {
    const auto& spec = service["spec"];
    for (const auto& address : texts_of(spec["clusterIPs"])) context.allocations.release_address(address);
    auto ports = node_ports_of(spec);
    if (int64_t n = spec["healthCheckNodePort"].int_or(0); n != 0) ports.insert(n);
    for (int64_t port : std::set<int64_t>(ports.begin(), ports.end())) {
      context.allocations.release_port(static_cast<int>(port));
    }
  }

  bool allows_create_on_update() const override { return true; }
  bool returns_deleted_object() const override { return true; }
};

}  // namespace

std::unique_ptr<Strategy> make_service_strategy() { return std::make_unique<ServiceStrategy>(); }

}  // namespace server
