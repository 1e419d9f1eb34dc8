#include "api/defaults.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "api/custom/definition.hpp"
#include "api/custom/rules.hpp"
#include "api/decode.hpp"
#include "api/defaults_kinds.hpp"
#include "api/defaults_pod.hpp"
#include "base/strings.hpp"

namespace api {

using base::Object;
using base::Value;

namespace {

bool is_blank(const Value& value) {
  return value.is_null() || (value.is_string() && value.as_string().empty());
}

void set_if_blank(Object& object, std::string_view name, std::string_view text) {
  if (const Value* value = object.find(name); !value || is_blank(*value)) object.set(name, text);
}

// What the schema says, at all depths. An object that a default makes gets the defaults of its own fields.
void apply_schema(const Schema& schema, Value& value) {
  if (schema.type == Schema::Type::array && value.is_array()) {
    for (Value& item : value.array()) apply_schema(*schema.items, item);
  }
  if (schema.type == Schema::Type::map && value.is_object()) {
    for (auto& [name, member] : value.object()) apply_schema(*schema.items, member);
  }
  if (schema.type != Schema::Type::object || !value.is_object()) return;
  Object& object = value.object();
  for (const Schema::Property& property : schema.properties) {
    Value* member = object.find(property.name);
    const Value& wanted =
        property.default_value.is_null() ? property.schema->default_value : property.default_value;
    if (!member && !wanted.is_null()) member = &object.append(property.name, wanted);
    if (member) apply_schema(*property.schema, *member);
  }
}

// A zero or empty target port is none: the port itself is meant.
void default_service_port(Object& port) {
  set_if_blank(port, "protocol", "TCP");
  const Value* target = port.find("targetPort");
  const bool none = !target || is_blank(*target) || target->as_int() == 0;
  if (none && port.contains("port")) port.set("targetPort", Value(*port.find("port")));
}

void default_session_affinity(Object& spec) {
  set_if_blank(spec, "sessionAffinity", "None");
  const std::string_view affinity = spec.find("sessionAffinity")->as_string();
  if (affinity == "None") spec.erase("sessionAffinityConfig");
  if (affinity != "ClientIP") return;
  Value& config = spec["sessionAffinityConfig"];
  Value& timeout = config.make({"clientIP", "timeoutSeconds"});
  if (timeout.is_null()) timeout = 10'800;
}

void default_service(Value& service) {
  Object& spec = service.make({"spec"}).object();
  default_session_affinity(spec);
  set_if_blank(spec, "type", "ClusterIP");
  if (Value* ports = spec.find("ports")) {
    for (Value& port : ports->array()) default_service_port(port.object());
  }
  const std::string type(spec.find("type")->as_string());
  const bool balanced = type == "LoadBalancer";
  const bool external =
      balanced || type == "NodePort" ||
      (type == "ClusterIP" && spec.contains("externalIPs") && !spec["externalIPs"].as_array().empty());
  if (external) set_if_blank(spec, "externalTrafficPolicy", "Cluster");
  if (balanced || type == "NodePort" || type == "ClusterIP")
    set_if_blank(spec, "internalTrafficPolicy", "Cluster");
  if (!balanced) return;
  if (!spec.contains("allocateLoadBalancerNodePorts")) spec.set("allocateLoadBalancerNodePorts", true);
  Value* addresses = service.make({"status", "loadBalancer"}).object().find("ingress");
  if (!addresses) return;
  for (Value& ingress : addresses->array()) {
    if (!is_blank(ingress["ip"])) set_if_blank(ingress.object(), "ipMode", "VIP");
  }
}

void default_replication_controller(Value& controller) {
  Object& spec = controller.make({"spec"}).object();
  const Value* template_value = spec.find("template");
  if (!template_value || !template_value->is_object()) return;
  const Value labels = template_value->at({"metadata", "labels"});
  if (!labels.as_object().empty()) {
    if (!spec.contains("selector") || spec["selector"].as_object().empty()) spec.set("selector", labels);
    Value& own = controller.make({"metadata", "labels"});
    if (own.as_object().empty()) own = labels;
  }
  default_pod_spec(controller.make({"spec", "template"}), PodPlace::of_template);
}

void default_endpoints(Value& endpoints) {
  if (!endpoints["subsets"].is_array()) return;
  for (Value& subset : endpoints.object()["subsets"].array()) {
    if (!subset["ports"].is_array()) continue;
    for (Value& port : subset.object()["ports"].array()) set_if_blank(port.object(), "protocol", "TCP");
  }
}

void default_endpoint_slice(Value& slice) {
  if (!slice["ports"].is_array()) return;
  for (Value& port : slice.object()["ports"].array()) {
    if (!port.object().contains("name")) port.object().set("name", "");
    set_if_blank(port.object(), "protocol", "TCP");
  }
}

// stringData is for writing only: it ends up in data, in base64, and wins over what stands there.
void default_secret(Value& secret) {
  Object& object = secret.object();
  set_if_blank(object, "type", "Opaque");
  const Value* texts = object.find("stringData");
  if (!texts) return;
  const Object entries = texts->as_object();
  object.erase("stringData");
  if (entries.empty()) return;
  Object& data = object["data"].object();
  for (const auto& [name, text] : entries) data.set(name, base::base64_encode(text.as_string()));
}

void default_node(Value& node) {
  if (!node.at({"status", "allocatable"}).is_null()) return;
  const Value capacity = node.at({"status", "capacity"});
  if (capacity.is_object()) node.make({"status", "allocatable"}) = capacity;
}

constexpr std::array kCoreDefaulters{
    Defaulter{"", "Service", default_service},
    Defaulter{"", "Pod", [](Value& pod) { default_pod_spec(pod, PodPlace::of_pod); }},
    Defaulter{"", "ReplicationController", default_replication_controller},
    Defaulter{"", "Endpoints", default_endpoints},
    Defaulter{"discovery.k8s.io", "EndpointSlice", default_endpoint_slice},
    Defaulter{"", "Secret", default_secret},
    Defaulter{"", "Node", default_node},
    Defaulter{"apiextensions.k8s.io", "CustomResourceDefinition", default_definition},
};

}  // namespace

void apply_defaults(const Kind& kind, Value& object) {
  if (!object.is_object()) return;
  if (kind.custom) return apply_custom_defaults(*kind.schema, object);  // members stay as they were written
  apply_schema(*kind.schema, object);
  for (std::span<const Defaulter> list : {std::span<const Defaulter>(kCoreDefaulters), workload_defaulters(),
                                          platform_defaulters(), access_defaulters()}) {
    for (const Defaulter& defaulter : list) {
      if (defaulter.group == kind.group && defaulter.kind == kind.kind) defaulter.apply(object);
    }
  }
  order_members(*kind.schema, object);
}

}  // namespace api
