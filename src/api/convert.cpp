#include "api/convert.hpp"

#include <fmt/format.h>

#include "api/convert_ingress.hpp"
#include "api/convert_kinds.hpp"
#include "api/decode.hpp"
#include "api/meta.hpp"

namespace api {

namespace {

constexpr std::string_view kEvents = "events.k8s.io", kAutoscaling = "autoscaling";

bool is_event(const Kind& kind) { return kind.kind == "Event" && (kind.group.empty() || kind.group == kEvents); }
bool is_autoscaler(const Kind& kind) { return kind.kind == "HorizontalPodAutoscaler" && kind.group == kAutoscaling; }
base::Result<base::Value> convert_members(const Kind& from, const Kind& to, base::Value object) {
  if (from.custom && to.custom) return object;
  if (is_event(from) && is_event(to))
    return to.group.empty() ? event_to_core(std::move(object)) : event_from_core(std::move(object));
  if (is_autoscaler(from) && is_autoscaler(to)) {
    if (to.version == "v2") return autoscaler_to_v2(std::move(object));
    return autoscaler_from_v2(std::move(object));
  }
  if (converts_ingress(from, to)) return convert_ingress(from, to, std::move(object));
  return base::fail(base::Reason::internal_error,
                    fmt::format("no conversion from {} {} to {}", from.api_version(), from.kind, to.api_version()));
}

}  // namespace

base::Result<base::Value> convert(const Kind& from, const Kind& to, base::Value object) {
  if (!object.is_object())
    return base::fail(base::Reason::internal_error, "only an object can be converted to another version");
  if (from.group == to.group && from.version == to.version && from.kind == to.kind) return object;
  TRY(base::Value out, convert_members(from, to, std::move(object)));
  set_type(out, to);
  if (to.schema) order_members(*to.schema, out);
  return out;
}

std::string convert_field(const Kind& from, const Kind& to, std::string_view field) {
  if (is_event(from) && is_event(to) && from.group != to.group) return event_field_name(field, to.group.empty());
  return std::string(field);
}

}  // namespace api
