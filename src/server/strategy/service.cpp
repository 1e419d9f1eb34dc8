#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "api/meta.hpp"
#include "api/status.hpp"
#include "server/strategy/addresses.hpp"
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

bool same_list(const base::Value& a, const base::Value& b) { return a.as_array() == b.as_array(); }
bool reduced(const base::Value& now, const base::Value& before) {
  return now.as_array().size() == 1 && before.as_array().size() == 2;
}
std::string_view other_family(std::string_view family) { return family == "IPv4" ? "IPv6" : "IPv4"; }
bool contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// One settling of ipFamilyPolicy, ipFamilies and clusterIPs, as upstream does it before it allocates; its texts too.
class Families {
 public:
  Families(const std::vector<std::string>& configured, const base::Value& service, base::Value& spec,
           const base::Value* old)
      : configured_(configured), service_(service), spec_(spec), old_(old) {}

  base::Result<void> settle() {
    if (type_of(spec_) == "ExternalName" || stays_as_it_is()) return {};
    settle_policy();
    if (old_) settle_against_old();
    check_single();
    infer_from_addresses();
    CHECK_OK(result());
    bool open_headless = headless(spec_) && spec_["selector"].as_object().empty();
    if (!open_headless) check_configured();
    CHECK_OK(result());
    auto families = texts_of(spec_["ipFamilies"]);
    if (families.empty()) families.push_back(configured_.front());
    if (policy() != "SingleStack" && families.size() == 1 && (open_headless || configured_.size() == 2)) {
      families.emplace_back(other_family(families[0]));
    }
    set_families(families);
    return {};
  }

 private:
  std::string_view policy() const { return spec_["ipFamilyPolicy"].as_string(); }
  void set_families(const std::vector<std::string>& families) { spec_.object().set("ipFamilies", to_array(families)); }
  void blame(std::string path, base::Value value, std::string why) {
    errors_.push_back(api::invalid_field(std::move(path), std::move(value), std::move(why)));
  }
  void blame_policy(std::string why) { blame("spec.ipFamilyPolicy", spec_["ipFamilyPolicy"], std::move(why)); }
  base::Result<void> result() {
    if (errors_.empty()) return {};
    return std::unexpected(api::invalid("", "Service", api::name_of(service_), std::move(errors_)));
  }

  // A PreferDualStack Service neither gains nor loses an address because the cluster changed.
  bool stays_as_it_is() const {
    if (!old_ || type_of(*old_) == "ExternalName") return false;
    return policy() == "PreferDualStack" && (*old_)["ipFamilyPolicy"].as_string() == "PreferDualStack" &&
           same_list(spec_["clusterIPs"], (*old_)["clusterIPs"]) && same_list(spec_["ipFamilies"], (*old_)["ipFamilies"]);
  }

  void settle_policy() {
    if (!policy().empty()) return;
    bool open_headless = headless(spec_) && spec_["selector"].as_object().empty();
    spec_.object().set("ipFamilyPolicy", open_headless ? "RequireDualStack" : "SingleStack");
  }

  void settle_against_old() {
    if (policy() == "SingleStack") {
      // The lists as they were under a policy of one: the second goes.
      for (std::string_view member : {"clusterIPs", "ipFamilies"}) {
        auto list = texts_of(spec_[member]);
        if (list.size() > 1 && same_list(spec_[member], (*old_)[member])) {
          spec_.object().set(member, to_array({list[0]}));
        }
      }
      return;
    }
    if (reduced(spec_["clusterIPs"], (*old_)["clusterIPs"])) {
      blame_policy("must be 'SingleStack' to release the secondary cluster IP");
    }
    if (reduced(spec_["ipFamilies"], (*old_)["ipFamilies"])) {
      blame_policy("must be 'SingleStack' to release the secondary IP family");
    }
  }

  void check_single() {
    if (policy() != "SingleStack") return;
    if (spec_["clusterIPs"].as_array().size() == 2) {
      blame_policy("must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified");
    }
    if (spec_["ipFamilies"].as_array().size() == 2) {
      blame_policy("must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified");
    }
  }

  void infer_from_addresses() {
    if (headless(spec_)) return;
    auto families = texts_of(spec_["ipFamilies"]);
    auto addresses = texts_of(spec_["clusterIPs"]);
    for (size_t i = families.size(); i < addresses.size(); ++i) {
      std::string family = addresses[i].find(':') == std::string::npos ? "IPv4" : "IPv6";
      if (contains(configured_, family)) {
        families.push_back(family);
      } else {
        blame(fmt::format("spec.clusterIPs[{}]", i), spec_["clusterIPs"], family + " is not configured on this cluster");
      }
    }
    if (!families.empty()) set_families(families);
  }

  void check_configured() {
    if (policy() == "RequireDualStack" && configured_.size() < 2) {
      blame_policy("this cluster is not configured for dual-stack services");
    }
    const auto families = texts_of(spec_["ipFamilies"]);
    for (size_t i = 0; i < families.size(); ++i) {
      if (!contains(configured_, families[i])) {
        blame(fmt::format("spec.ipFamilies[{}]", i), families[i], "not configured on this cluster");
      }
    }
  }

  const std::vector<std::string>& configured_;
  const base::Value& service_;
  base::Value& spec_;
  const base::Value* old_;  // its spec; null on creation
  std::vector<api::FieldError> errors_;
};

// One address per family: those that it had stay, those that it names are taken, the others are handed out.
base::Result<void> take_addresses(WriteContext& context, const base::Value& service, base::Value& spec,
                                  const std::vector<std::string>& had) {
  if (!needs_address(spec) || headless(spec)) return {};
  const auto families = texts_of(spec["ipFamilies"]);
  auto addresses = texts_of(spec["clusterIPs"]);
  addresses.resize(std::max(addresses.size(), families.size()));
  for (size_t i = 0; i < addresses.size(); ++i) {
    auto& address = addresses[i];
    if (!address.empty() && contains(had, address)) continue;
    if (address.empty()) {
      TRY(address, context.allocations.next_address(families.at(i)));
    } else if (auto taken = context.allocations.take_address(address); !taken) {
      return refuse(service, api::invalid_field("spec.clusterIPs", spec["clusterIPs"],
                                                fmt::format("failed to allocate IP {}: {}", address,
                                                            taken.error().message)));
    }
    put_ip_address(context, service, address);
  }
  spec.object().set("clusterIP", addresses[0]);
  spec.object().set("clusterIPs", to_array(addresses));
  return {};
}

void give_back(WriteContext& context, const base::Value& service, std::string_view address) {
  context.allocations.release_address(address);
  erase_ip_address(context, service, address);
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
  bool allocates() const override { return true; }
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
    CHECK_OK(Families(context.allocations.families(), service, spec, nullptr).settle());
    CHECK_OK(take_addresses(context, service, spec, {}));
    CHECK_OK(take_node_ports(context, service, spec, {}));
    return take_health_port(context, service, spec, 0);
  }

  base::Result<void> admit_update(WriteContext& context, base::Value& fresh,
                                  const base::Value& old) const override {
    auto& spec = fresh.make({"spec"});
    const auto& before = old["spec"];
    CHECK_OK(Families(context.allocations.families(), fresh, spec, &before).settle());
    auto old_addresses = needs_address(before) ? texts_of(before["clusterIPs"]) : std::vector<std::string>();
    CHECK_OK(take_addresses(context, fresh, spec, old_addresses));
    auto old_ports = node_ports_of(before);
    CHECK_OK(take_node_ports(context, fresh, spec, old_ports));
    int64_t old_health = before["healthCheckNodePort"].int_or(0);
    CHECK_OK(take_health_port(context, fresh, spec, old_health));

    auto new_addresses = texts_of(spec["clusterIPs"]);
    for (const auto& address : old_addresses) {
      if (std::find(new_addresses.begin(), new_addresses.end(), address) == new_addresses.end()) {
        give_back(context, old, address);
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
    for (const auto& address : texts_of(spec["clusterIPs"])) give_back(context, service, address);
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
