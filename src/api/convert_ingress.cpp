#include "api/convert_ingress.hpp"

#include "api/decode.hpp"
#include "api/meta.hpp"

namespace api {

using base::Object;
using base::Value;

namespace {

constexpr std::string_view kOld = "extensions", kNew = "networking.k8s.io";

void to_new_backend(Value& backend) {
  Object& object = backend.object();
  const Value name = backend["serviceName"], port = backend["servicePort"];
  object.erase("serviceName");
  object.erase("servicePort");
  const bool port_is_set = port.is_string() || port.int_or(0) != 0;
  if (name.as_string().empty() && !port_is_set) return;
  Object number_or_name;
  if (port.is_string())
    number_or_name.set("name", port);
  else if (port_is_set)
    number_or_name.set("number", port);
  object.set("service", Object{{"name", name.as_string()}, {"port", std::move(number_or_name)}});
}

void to_old_backend(Value& backend) {
  Object& object = backend.object();
  const Value service = backend["service"];
  object.erase("service");
  if (!service.is_object()) return;
  object.set("serviceName", service["name"].as_string());
  const Value& port = service["port"];
  if (auto name = port["name"].as_string(); !name.empty())
    object.set("servicePort", name);
  else
    object.set("servicePort", port["number"].int_or(0));
}

void rename(Object& object, std::string_view from, std::string_view to) {
  Value* value = object.find(from);
  if (!value) return;
  Value moved = std::move(*value);
  object.erase(from);
  object.set(to, std::move(moved));
}

template <class Each>
void for_each_path(Object& spec, Each each) {
  Value* rules = spec.find("rules");
  if (!rules || !rules->is_array()) return;
  for (Value& rule : rules->array()) {
    Value* http = rule.is_object() ? rule.object().find("http") : nullptr;
    Value* paths = http && http->is_object() ? http->object().find("paths") : nullptr;
    if (!paths || !paths->is_array()) continue;
    for (Value& path : paths->array())
      if (path.is_object()) each(path.object());
  }
}

}  // namespace

bool converts_ingress(const Kind& from, const Kind& to) {
  return from.kind == "Ingress" && to.kind == "Ingress" &&
         ((from.group == kOld && to.group == kNew) || (from.group == kNew && to.group == kOld));
}

Value convert_ingress(const Kind& from, const Kind& to, Value object) {
  const bool newer = from.group == kOld;
  set_type(object, to);
  if (!object["spec"].is_object()) return object;
  Object& spec = object.object()["spec"].object();
  if (newer) rename(spec, "backend", "defaultBackend");
  const auto convert_backend = newer ? to_new_backend : to_old_backend;
  if (Value* backend = spec.find("defaultBackend"); backend && backend->is_object())
    convert_backend(*backend);
  if (!newer) rename(spec, "defaultBackend", "backend");
  for_each_path(spec, [&](Object& path) {
    if (Value* backend = path.find("backend"); backend && backend->is_object()) convert_backend(*backend);
    if (newer && !path.contains("pathType")) path.set("pathType", "ImplementationSpecific");
  });
  order_members(*to.schema, object);
  return object;
}

}  // namespace api
