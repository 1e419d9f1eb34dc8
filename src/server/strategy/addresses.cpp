#include "server/strategy/addresses.hpp"

#include "api/defaults.hpp"
#include "api/meta.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/time.hpp"
#include "server/encoding.hpp"

namespace server {

namespace {

constexpr std::string_view kGroup = "networking.k8s.io";
constexpr std::string_view kManager = "ipallocator.k8s.io";

std::string key_of(std::string_view address) { return key_prefix(kGroup, "ipaddresses") + std::string(address); }

bool belongs_to(const base::Value& object, std::string_view namespace_, std::string_view name) {
  const auto& parent = object.at({"spec", "parentRef"});
  return parent["group"].as_string().empty() && parent["resource"].as_string() == "services" &&
         parent["namespace"].as_string() == namespace_ && parent["name"].as_string() == name;
}

// Whether the Service that the IPAddress names has the address now.
bool in_use(const WriteContext& context, const base::Value& object) {
  const auto& parent = object.at({"spec", "parentRef"});
  if (!parent["group"].as_string().empty() || parent["resource"].as_string() != "services") return false;
  auto entry = context.txn.get(key_prefix("", "services") + std::string(parent["namespace"].as_string()) + "/" +
                               std::string(parent["name"].as_string()));
  if (!entry) return false;
  auto service = base::parse_json(entry->value);
  if (!service) return true;
  for (const auto& address : service->at({"spec", "clusterIPs"}).as_array()) {
    if (address.as_string() == api::name_of(object)) return true;
  }
  return false;
}

// An address that somebody claims by hand is taken for Services too.
class IpAddressStrategy final : public Strategy {
 public:
  bool allocates() const override { return true; }
  base::Result<void> admit_create(WriteContext& context, base::Value& object) const override {
    context.allocations.hold_address(api::name_of(object));
    return {};
  }
  void release(WriteContext& context, const base::Value& object) const override {
    if (!in_use(context, object)) context.allocations.release_address(api::name_of(object));
  }
  bool tracks_generation(const api::Kind&) const override { return false; }
};

class ServiceCidrStrategy final : public Strategy {
 public:
  bool allocates() const override { return true; }
  void prepare_create(WriteContext& context, base::Value& object) const override {
    Strategy::prepare_create(context, object);
    api::apply_defaults(context.kind, object);
    context.allocations.ranges_change();
  }
  void prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_update(context, fresh, old);
    context.allocations.ranges_change();
  }
  // The finalizer is written so.
  void prepare_status(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    const base::Value sent = fresh["metadata"];
    Strategy::prepare_status(context, fresh, old);
    keep_sent_metadata(fresh, sent);
    context.allocations.ranges_change();
  }
  void release(WriteContext& context, const base::Value&) const override { context.allocations.ranges_change(); }
  bool tracks_generation(const api::Kind&) const override { return false; }
};

}  // namespace

void put_ip_address(WriteContext& context, const base::Value& service, std::string_view address) {
  const std::string key = key_of(address);
  auto kind = context.builtin.find_resource(kGroup, "v1", "ipaddresses");
  if (context.dry_run || !kind || context.txn.get(key)) return;
  const bool v6 = address.find(':') != std::string_view::npos;
  base::Value object = base::Object{
      {"kind", "IPAddress"},
      {"apiVersion", "networking.k8s.io/v1"},
      {"metadata",
       base::Object{{"name", address},
                    {"uid", base::make_uid()},
                    {"resourceVersion", std::to_string(context.txn.revision())},
                    {"creationTimestamp", base::format_time(context.now)},
                    {"labels", base::Object{{"ipaddress.kubernetes.io/ip-family", v6 ? "IPv6" : "IPv4"},
                                            {"ipaddress.kubernetes.io/managed-by", kManager}}}}},
      {"spec", base::Object{{"parentRef", base::Object{{"resource", "services"},
                                                       {"namespace", api::namespace_of(service)},
                                                       {"name", api::name_of(service)}}}}}};
  auto bytes = encode_object(object);
  context.txn.put(key, std::move(bytes), parse_entry(*kind, object));
}

void erase_ip_address(WriteContext& context, const base::Value& service, std::string_view address) {
  const std::string key = key_of(address);
  auto kind = context.builtin.find_resource(kGroup, "v1", "ipaddresses");
  auto entry = context.txn.get(key);
  if (context.dry_run || !kind || !entry) return;
  auto object = base::parse_json(entry->value);
  if (!object || !belongs_to(*object, api::namespace_of(service), api::name_of(service))) return;
  api::set_resource_version(*object, std::to_string(context.txn.revision()));
  auto bytes = encode_object(*object);
  context.txn.erase(key, std::move(bytes), parse_entry(*kind, *object));
}

void add_address_strategies(Strategies& table) {
  table.add(kGroup, "ipaddresses", std::make_unique<IpAddressStrategy>());
  table.add(kGroup, "servicecidrs", std::make_unique<ServiceCidrStrategy>());
}

}  // namespace server
