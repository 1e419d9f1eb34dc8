// Defaults of networking, storage, devices and flow control.
//
// Source: the defaulting functions of the Kubernetes API, pkg/apis/*/v1/defaults.go.
#include <array>

#include "api/defaults_kinds.hpp"

namespace api {

using base::Object;
using base::Value;

namespace {

// Where absent counts, but "" is kept: in Go a pointer.
void set_if_absent(Object& object, std::string_view name, Value value) {
  if (const Value* there = object.find(name); !there || there->is_null()) object.set(name, std::move(value));
}
// Where zero is absent too.
void set_if_zero(Object& object, std::string_view name, Value value) {
  const Value* there = object.find(name);
  const bool zero = !there || there->is_null() || (there->is_string() && there->as_string().empty()) ||
                    (there->is_number() && there->as_int() == 0);
  if (zero) object.set(name, std::move(value));
}

template <class Each>
void for_each_object(Value& parent, std::string_view list, Each each) {
  Object* object = parent.if_object();
  Value* items = object ? object->find(list) : nullptr;
  if (!items || !items->is_array()) return;
  for (Value& item : items->array())
    if (item.is_object()) each(item);
}

Value* member(Value& parent, std::string_view name) {
  Object* object = parent.if_object();
  return object ? object->find(name) : nullptr;
}

// ---- networking
// ---------------------------------------------------------------------------------------------------

// The types of before 1.19: nobody wrote a path type then.
void default_legacy_ingress(Value& ingress) {
  Value* spec = member(ingress, "spec");
  if (!spec) return;
  for_each_object(*spec, "rules", [](Value& rule) {
    if (Value* http = member(rule, "http"); http && http->is_object())
      for_each_object(*http, "paths", [](Value& path) {
        set_if_absent(path.object(), "pathType", "ImplementationSpecific");
      });
  });
}

void default_ingress_class(Value& object) {
  Value* spec = member(object, "spec");
  Value* parameters = spec ? member(*spec, "parameters") : nullptr;
  if (parameters && parameters->is_object()) set_if_absent(parameters->object(), "scope", "Cluster");
}

void default_network_policy(Value& policy) {
  Object& spec = policy.make({"spec"}).object();
  for (const char* direction : {"ingress", "egress"})
    for_each_object(policy.object()["spec"], direction, [](Value& rule) {
      for_each_object(rule, "ports", [](Value& port) { set_if_absent(port.object(), "protocol", "TCP"); });
    });
  if (const Value* types = spec.find("policyTypes"); types && !types->as_array().empty()) return;
  base::Array types{"Ingress"};
  if (const Value* egress = spec.find("egress"); egress && !egress->as_array().empty())
    types.emplace_back("Egress");
  spec.set("policyTypes", std::move(types));
}

// ---- storage
// ------------------------------------------------------------------------------------------------------

void default_storage_class(Value& object) {
  set_if_absent(object.object(), "reclaimPolicy", "Delete");
  set_if_absent(object.object(), "volumeBindingMode", "Immediate");
}

void default_csi_driver(Value& driver) {
  Object& spec = driver.make({"spec"}).object();
  set_if_absent(spec, "attachRequired", true);
  for (const char* name : {"podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"})
    set_if_absent(spec, name, false);
  set_if_absent(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
  if (const Value* modes = spec.find("volumeLifecycleModes"); !modes || modes->as_array().empty())
    spec.set("volumeLifecycleModes", base::Array{"Persistent"});
}

// ---- flow control
// -------------------------------------------------------------------------------------------------

void default_flow_schema(Value& schema) {
  set_if_zero(schema.make({"spec"}).object(), "matchingPrecedence", 1000);
}

void default_priority_level(Value& level) {
  Object& spec = level.make({"spec"}).object();
  if (const Value* type = spec.find("type"); type && type->as_string() == "Exempt") {
    Value& exempt = spec["exempt"];
    if (exempt.is_null()) exempt = Object{};
    set_if_absent(exempt.object(), "nominalConcurrencyShares", 0);
    set_if_absent(exempt.object(), "lendablePercent", 0);
  }
  Value* limited = spec.find("limited");
  if (!limited || !limited->is_object()) return;
  set_if_absent(limited->object(), "nominalConcurrencyShares", 30);
  set_if_absent(limited->object(), "lendablePercent", 0);
  Value* response = member(*limited, "limitResponse");
  Value* queuing = response ? member(*response, "queuing") : nullptr;
  if (!queuing || !queuing->is_object()) return;
  set_if_zero(queuing->object(), "queues", 64);
  set_if_zero(queuing->object(), "handSize", 8);
  set_if_zero(queuing->object(), "queueLengthLimit", 50);
}

// ---- devices
// ------------------------------------------------------------------------------------------------------

void default_tolerations(Value& request) {
  for_each_object(request, "tolerations", [](Value& one) { set_if_zero(one.object(), "operator", "Equal"); });
}

void default_request(Value& request) {
  Object& object = request.object();
  set_if_zero(object, "allocationMode", "ExactCount");
  if (object["allocationMode"].as_string() == "ExactCount") set_if_zero(object, "count", 1);
  default_tolerations(request);
}

void default_claim_spec(Value& spec) {
  Value* devices = member(spec, "devices");
  if (!devices) return;
  for_each_object(*devices, "requests", [](Value& request) {
    if (Value* exactly = member(request, "exactly"); exactly && exactly->is_object())
      default_request(*exactly);
    for_each_object(request, "firstAvailable", default_request);
  });
}

void default_resource_claim(Value& claim) {
  if (Value* spec = member(claim, "spec")) default_claim_spec(*spec);
  Value* status = member(claim, "status");
  Value* allocation = status ? member(*status, "allocation") : nullptr;
  Value* devices = allocation ? member(*allocation, "devices") : nullptr;
  if (devices) for_each_object(*devices, "results", default_tolerations);
}

void default_claim_template(Value& object) {
  Value* outer = member(object, "spec");
  if (Value* spec = outer ? member(*outer, "spec") : nullptr) default_claim_spec(*spec);
}

constexpr std::array kPlatformDefaulters{
    Defaulter{"extensions", "Ingress", default_legacy_ingress},
    Defaulter{"networking.k8s.io", "IngressClass", default_ingress_class},
    Defaulter{"networking.k8s.io", "NetworkPolicy", default_network_policy},
    Defaulter{"storage.k8s.io", "StorageClass", default_storage_class},
    Defaulter{"storage.k8s.io", "CSIDriver", default_csi_driver},
    Defaulter{"flowcontrol.apiserver.k8s.io", "FlowSchema", default_flow_schema},
    Defaulter{"flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", default_priority_level},
    Defaulter{"resource.k8s.io", "ResourceClaim", default_resource_claim},
    Defaulter{"resource.k8s.io", "ResourceClaimTemplate", default_claim_template},
};

}  // namespace

std::span<const Defaulter> platform_defaulters() { return kPlatformDefaulters; }

}  // namespace api
