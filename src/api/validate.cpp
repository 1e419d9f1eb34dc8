#include "api/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/custom/definition.hpp"
#include "api/meta.hpp"
#include "api/validate_platform.hpp"
#include "api/validate_rules.hpp"
#include "base/strings.hpp"

namespace api {

using base::Result;
using base::Value;

namespace rules {

namespace {

constexpr KindRules kRules[] = {
    {"", "Service", base::check_dns1123_label, check_service, check_service_update, check_service_status},
    {"", "Pod", nullptr, check_pod, check_pod_update, check_pod_status},
    {"", "ReplicationController", nullptr, check_replication_controller},
    {"", "Endpoints", nullptr, check_endpoints, check_endpoints_update},
    {"discovery.k8s.io", "EndpointSlice", nullptr, check_endpoint_slice, check_endpoint_slice_update},
    {"", "ConfigMap", nullptr, check_config_map, check_config_map_update},
    {"", "Secret", nullptr, check_secret, check_secret_update},
    {"", "Namespace", base::check_dns1123_label},
    {"", "Node", nullptr, check_node, check_node_update},
    {"", "ServiceAccount", nullptr, check_service_account},
    {"", "Event", nullptr, check_event},
    {"events.k8s.io", "Event", nullptr, check_event},
    {"coordination.k8s.io", "Lease", nullptr, check_lease},
    {"autoscaling", "Scale", nullptr, check_scale},
};

const KindRules& rules_of(const Kind& kind) {
  static constexpr KindRules kOther;
  for (std::span<const KindRules> list : {std::span<const KindRules>(kRules), workload_rules(), platform_rules(), access_rules()}) {
    for (const auto& entry : list)
      if (entry.group == kind.group && entry.kind == kind.kind) return entry;
  }
  return kOther;
}

// ---- what the schema itself says ----------------------------------------------------------------------------------

class SchemaWalk {
 public:
  explicit SchemaWalk(Problems& out) : out_(out) {
    for (const auto& error : out.errors()) known_.insert(error.field);
  }

  void look_at(const Schema& schema, const Value& value, const std::string& path, int depth) {
    if (depth > kMaxDepth) return;
    if (const auto* text = value.if_string()) {
      if (!text->empty() && !schema.enum_values.empty() &&
          std::ranges::find(schema.enum_values, *text) == schema.enum_values.end() && !known_.contains(path))
        out_.add(unsupported_field(path, value, schema.enum_values));
      return;
    }
    if (const auto* list = value.if_array(); list != nullptr && schema.items) {
      for (size_t i = 0; i < list->size(); ++i) look_at(*schema.items, (*list)[i], index(path, i), depth + 1);
      return;
    }
    const auto* object = value.if_object();
    if (object == nullptr) return;
    if (schema.type == Schema::Type::map && schema.items) {
      for (const auto& [name, inner] : *object) look_at(*schema.items, inner, key(path, name), depth + 1);
      return;
    }
    for (const auto& name : schema.required) look_for(schema, *object, name, path);
    for (const auto& property : schema.properties) {
      if (path.empty() && (property.name == "status" || property.name == "metadata")) continue;
      const Value* inner = object->find(property.name);
      if (inner != nullptr && property.schema) look_at(*property.schema, *inner, child(path, property.name), depth + 1);
    }
  }

 private:
  static constexpr int kMaxDepth = 64;

  // A Go client leaves out what is zero: only a name or a text that is not there at all is an error.
  void look_for(const Schema& schema, const base::Object& object, const std::string& name, const std::string& path) {
    const auto* property = schema.find(name);
    if (property == nullptr || !property->schema) return;
    auto type = property->schema->type;
    if (type != Schema::Type::string && type != Schema::Type::int_or_string) return;
    const Value* value = object.find(name);
    std::string at = child(path, name);
    if ((value == nullptr || value->is_null()) && !known_.contains(at)) out_.required(at);
  }

  Problems& out_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace

void check_schema(Problems& out, const Schema& schema, const Value& object) {
  SchemaWalk(out).look_at(schema, object, "", 0);
}

}  // namespace rules

namespace {

Result<void> result_of(const Kind& kind, const Value& object, const std::vector<FieldError>& errors) {
  if (errors.empty()) return {};
  return std::unexpected(invalid(kind.group, kind.kind, name_of(object), errors));
}

// Definitions of custom kinds have rules for all of them, and mistakes that are older than the rules are forgiven.
bool is_definition(const Kind& kind) {
  return kind.kind == "CustomResourceDefinition" && kind.group == "apiextensions.k8s.io";
}

}  // namespace

std::vector<FieldError> check_create(const Kind& kind, const Value& object) {
  const auto& entry = rules::rules_of(kind);
  rules::Problems out;
  if (kind.stored)
    rules::check_metadata(out, kind, object, entry.name != nullptr ? entry.name : base::check_dns1123_subdomain);
  if (kind.custom || is_definition(kind)) {
    for (auto& error : kind.custom ? check_custom(kind, object) : check_definition(object)) out.add(std::move(error));
    return std::move(out).take();
  }
  if (entry.create != nullptr) entry.create(out, object);
  if (kind.schema) rules::check_schema(out, *kind.schema, object);
  return std::move(out).take();
}

std::vector<FieldError> check_update(const Kind& kind, const Value& fresh, const Value& old,
                                     std::string_view subresource) {
  const auto& entry = rules::rules_of(kind);
  rules::Problems out;
  rules::check_metadata_update(out, fresh, old);
  if (kind.custom) {
    for (auto& error : check_custom_update(kind, fresh, old)) out.add(std::move(error));
    return std::move(out).take();
  }
  if (is_definition(kind)) {
    if (subresource.empty())
      for (auto& error : check_definition_update(fresh, old)) out.add(std::move(error));
    return std::move(out).take();
  }
  if (subresource == "status") {
    if (entry.status_update != nullptr) entry.status_update(out, fresh, old);
    return std::move(out).take();
  }
  if (subresource == "binding") return std::move(out).take();
  if (subresource == "approval") {
    rules::check_signing_request_approval(out, fresh, old);
    return std::move(out).take();
  }
  if (subresource == "resize" || subresource == "ephemeralcontainers") {
    if (entry.create != nullptr) entry.create(out, fresh);
    subresource == "resize" ? rules::check_pod_resize(out, fresh, old) : rules::check_pod_ephemeral(out, fresh, old);
    return std::move(out).take();
  }
  if (entry.create != nullptr) entry.create(out, fresh);
  if (entry.update != nullptr) entry.update(out, fresh, old);
  if (kind.schema) rules::check_schema(out, *kind.schema, fresh);
  return std::move(out).take();
}

Result<void> validate_create(const Kind& kind, const Value& object) {
  return result_of(kind, object, check_create(kind, object));
}

Result<void> validate_update(const Kind& kind, const Value& fresh, const Value& old, std::string_view subresource) {
  return result_of(kind, fresh, check_update(kind, fresh, old, subresource));
}

std::vector<std::string> warnings_for(const Kind& kind, const Value& object) {
  std::vector<std::string> out;
  if (kind.group == "networking.k8s.io") return rules::network_warnings(kind, object);
  if (is_definition(kind) && object.at({"spec", "conversion", "strategy"}).as_string() == "Webhook")
    out.emplace_back("spec.conversion: webhooks are not called yet: only the storage version is served");
  if (!kind.group.empty()) return out;
  const Value& spec = object["spec"];
  if (kind.kind == "Endpoints") out.emplace_back("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
  if (kind.kind != "Service") return out;
  if (!spec["externalIPs"].as_array().empty())
    out.emplace_back("spec.externalIPs is deprecated and may no longer be implemented in some clusters");
  if (spec["trafficDistribution"].as_string() == "PreferClose")
    out.emplace_back("spec.trafficDistribution: PreferClose is deprecated; use PreferSameZone");
  bool external = spec["type"].as_string() == "ExternalName";
  if (!external && !spec["externalName"].as_string().empty())
    out.emplace_back("spec.externalName is ignored when spec.type is not \"ExternalName\"");
  if (external && !spec["selector"].as_object().empty())
    out.emplace_back("spec.selector is ignored when spec.type is \"ExternalName\"");
  if (spec["clusterIP"].as_string() == "None" && !spec["loadBalancerIP"].as_string().empty())
    out.emplace_back("spec.loadBalancerIP is ignored when spec.clusterIP is set to \"None\"");
  return out;
}

}  // namespace api
