// Networking, storage, runtime classes, devices and flow control.
//
// Source: the strategies of pkg/registry/{networking,storage,node,resource,flowcontrol}.
#include <initializer_list>

#include "api/defaults.hpp"
#include "api/meta.hpp"
#include "server/strategy/strategy.hpp"

namespace server {

namespace {

struct Traits {
  bool generation = false;       // counts changes of spec, from 1
  bool unconditional = false;    // an update needs no resourceVersion
  bool returns_deleted = false;  // DELETE answers the object
  bool status_metadata = false;  // a write of the status may also change what clients own of the metadata
};

class PlatformStrategy : public Strategy {
 public:
  explicit PlatformStrategy(Traits traits) : traits_(traits) {}

  // A status that was reset is there nevertheless, with what it always has.
  void prepare_create(WriteContext& context, base::Value& object) const override {
    Strategy::prepare_create(context, object);
    api::apply_defaults(context.kind, object);
  }
  void prepare_status(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    const base::Value sent = traits_.status_metadata ? fresh["metadata"] : base::Value();
    Strategy::prepare_status(context, fresh, old);
    if (traits_.status_metadata) keep_sent_metadata(fresh, sent);
  }
  bool tracks_generation(const api::Kind&) const override { return traits_.generation; }
  bool allows_unconditional_update() const override { return traits_.unconditional; }
  bool returns_deleted_object() const override { return traits_.returns_deleted; }

 private:
  Traits traits_;
};

// Its generation is absent until the first change.
class CsiDriverStrategy final : public PlatformStrategy {
 public:
  CsiDriverStrategy() : PlatformStrategy({.returns_deleted = true}) {}
  void prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_update(context, fresh, old);
    if (fresh["spec"] != old["spec"]) api::set_generation(fresh, api::generation_of(old) + 1);
  }
};

}  // namespace

void add_platform_strategies(Strategies& table) {
  const auto add = [&](std::string_view group, std::string_view plural, Traits traits) {
    table.add(group, plural, std::make_unique<PlatformStrategy>(traits));
  };
  const std::string_view networking = "networking.k8s.io", storage = "storage.k8s.io";
  const std::string_view devices = "resource.k8s.io", flow = "flowcontrol.apiserver.k8s.io";
  const Traits counted{.generation = true, .unconditional = true};
  const Traits deleted{.unconditional = true, .returns_deleted = true};
  const Traits deleted_strict{.returns_deleted = true};
  const Traits ingress{.generation = true, .unconditional = true, .status_metadata = true};
  // clang-format off
  add(networking,    "ingresses",                   ingress);
  add("extensions",  "ingresses",                   ingress);
  add(networking,    "ingressclasses",              counted);
  add(networking,    "networkpolicies",             counted);
  add(storage,       "storageclasses",              deleted);
  add(storage,       "volumeattachments",           deleted_strict);
  add(storage,       "csinodes",                    deleted_strict);
  add(storage,       "csistoragecapacities",        deleted_strict);
  add(storage,       "volumeattributesclasses",     deleted);
  add("node.k8s.io", "runtimeclasses",              {});
  add(devices,       "resourceclaims",              deleted);
  add(devices,       "resourceclaimtemplates",      deleted);
  add(devices,       "resourceslices",              {.generation = true, .unconditional = true, .returns_deleted = true});
  add(devices,       "deviceclasses",               {.generation = true, .unconditional = true, .returns_deleted = true});
  add(flow,          "flowschemas",                 {.generation = true});
  add(flow,          "prioritylevelconfigurations", {.generation = true});
  // clang-format on
  table.add(storage, "csidrivers", std::make_unique<CsiDriverStrategy>());
}

}  // namespace server
