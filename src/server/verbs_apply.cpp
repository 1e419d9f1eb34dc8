// PATCH with application/apply-patch+yaml: server-side apply of an object, its status or its scale.
#include <fmt/format.h>

#include "api/apply.hpp"
#include "api/meta.hpp"
#include "api/status.hpp"
#include "api/validate.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/yaml.hpp"
#include "server/ownership.hpp"
#include "server/versions.hpp"
#include "server/writing.hpp"

namespace server {

namespace {

struct Applying {
  WriteOptions options;
  bool force = false;
  base::Value config;
};

base::Result<void> check_apply_options(const net::Query& query, Applying& out) {
  net::Query others;
  for (const auto& [name, value] : query.items())
    if (name != "force") others.add(name, value);
  std::vector<api::FieldError> errors;
  if (query.get("fieldManager").empty())
    errors.push_back(api::required_field("fieldManager", "is required for apply patch"));
  if (!errors.empty()) return std::unexpected(api::invalid("meta.k8s.io", "PatchOptions", "", errors));
  TRY(out.options, parse_write_options(others, "PatchOptions"));
  out.force = query_flag(query, "force");
  return {};
}

// The configuration is YAML, or JSON, which is YAML too.
base::Result<base::Value> read_config(const Exchange& exchange, api::FieldValidation validation,
                                      std::vector<std::string>& warnings) {
  const auto& body = exchange.request.body;
  auto fail = [](std::string_view why) {
    return std::unexpected(api::bad_request(fmt::format("error decoding YAML: {}", why)));
  };
  size_t start = body.find_first_not_of(" \t\r\n");
  if (start == std::string::npos) return fail("the body is empty");
  if (body[start] != '{') {
    auto parsed = base::parse_yaml(body);
    if (!parsed) return fail(parsed.error().message);
    return std::move(*parsed);
  }
  auto parsed = base::parse_json_strictly(body);
  if (!parsed) return fail(parsed.error().message);
  if (!parsed->duplicate_keys.empty() && validation != api::FieldValidation::ignore) {
    auto text = fmt::format("key {} already set in map", base::quote(parsed->duplicate_keys.front()));
    if (validation == api::FieldValidation::strict)
      return std::unexpected(api::bad_request("error strict decoding YAML: " + text));
    warnings.push_back(std::move(text));
  }
  return std::move(parsed->value);
}

base::Result<void> match_name(const Route& route, const api::Kind& kind, base::Value& object) {
  auto name = api::name_of(object);
  if (name.empty()) {
    api::set_name(object, route.name);
  } else if (name != route.name) {
    return std::unexpected(api::bad_request(fmt::format(
        "the name of the object ({}) does not match the name on the URL ({})", name, route.name)));
  }
  auto space = api::namespace_of(object);
  if (!kind.namespaced || space.empty() || space == route.namespace_) return {};
  return std::unexpected(api::bad_request(
      "the namespace of the provided object does not match the namespace sent on the request"));
}

base::Result<Answer> apply_new(Writing& writing, const Route& route, base::Value object) {
  if (auto uid = api::uid_of(object); !uid.empty()) {
    return std::unexpected(api::conflict(
        writing.resource.qualified, route.name,
        fmt::format("uid mismatch: the provided object specified uid {}, and no existing object was found",
                    uid)));
  }
  if (!api::resource_version_of(object).empty()) {
    return std::unexpected(api::bad_request("resourceVersion should not be set on objects to be created"));
  }
  return create_object(writing, route.namespace_, std::move(object));
}

// What a configuration of the scale says of the object itself.
base::Result<base::Value> config_of_scale(const api::Kind& kind, const base::Value& scale) {
  if (api::api_version_of(scale) != "autoscaling/v1" || api::kind_of(scale) != "Scale")
    return std::unexpected(api::bad_request("the configuration must be a Scale of autoscaling/v1"));
  base::Value config = base::Object{{"metadata", scale["metadata"]}};
  api::set_type(config, kind);
  const auto& replicas = scale.at({"spec", "replicas"});
  if (replicas.is_null()) return config;
  if (!replicas.as_int() || replicas.int_or(0) < 0)
    return std::unexpected(api::bad_request("Scale: spec.replicas must be a whole number, zero or more"));
  CHECK_OK(set_replicas(kind, config, replicas.int_or(0)));
  return config;
}

// As api::apply_config, on an object that is taken apart meanwhile and whole again afterwards.
base::Result<api::Applied> lay_over(const api::FieldRules& rules, const api::FieldWriter& writer, base::Value& live,
                                    const base::Value& config, bool force) {
  base::Value managed = api::take_managed_fields(live);
  auto applied = api::apply_config(rules, writer, live, managed, config, force);
  api::set_managed_fields(live, std::move(managed));
  return applied;
}

Answer unchanged(Writing& writing, const Route& route, const store::Entry& entry, const base::Value& object) {
  if (route.subresource.empty()) {
    for (auto& warning : api::warnings_for(*writing.resource.stored, object))
      writing.context.warnings.push_back(std::move(warning));
  }
  return Answer{200, entry.value};
}

base::Result<Answer> apply(Writing& writing, const Route& route, const Applying& applying) {
  const auto& kind = *writing.resource.kind;
  const bool scale = route.subresource == "scale", converts = writing.resource.converts();
  base::Value of_scale;
  if (scale) {
    TRY(of_scale, config_of_scale(kind, applying.config));
  }
  const auto& config = scale ? of_scale : applying.config;
  auto catalog = writing.core.catalog();
  auto entry = writing.context.txn.get(writing.resource.key(route.namespace_, route.name));
  if (!entry && !route.subresource.empty())
    return std::unexpected(api::not_found(writing.resource.qualified, route.name));
  base::Value old, converted;
  if (entry) {
    TRY(old, parse_stored(*entry));
    if (converts) {
      TRY(converted, to_served(writing.resource, old));
    }
  }
  api::FieldWriter writer{writing.manager, route.subresource, writing.context.now};
  auto rules = field_rules(catalog, writing.resource, route.subresource);
  TRY(auto applied, lay_over(rules, writer, converts ? converted : old, config, applying.force));
  // Name, uid and version are among what is as it was.
  if (applied.unchanged && !scale && !converts) return unchanged(writing, route, *entry, old);
  if (applied.unchanged) {
    const auto& served = converts ? converted : old;
    applied.managed_fields = served["metadata"]["managedFields"];
    applied.object = served;
    api::set_managed_fields(applied.object, {});
  }
  TRY(auto fresh, read_object(writing.core, kind, {std::move(applied.object), {}},
                              api::FieldValidation::ignore, writing.context.warnings));
  CHECK_OK(match_name(route, kind, fresh));
  TRY(fresh, to_stored(writing.resource, std::move(fresh)));
  writing.applied_fields = std::move(applied.managed_fields);
  if (!entry) return apply_new(writing, route, std::move(fresh));
  CHECK_OK(check_preconditions(writing, *entry, old, fresh));
  // Defaults made it what it was.
  if (applied.same_owners && !scale && same_without_managers(fresh, old)) return unchanged(writing, route, *entry, old);
  TRY(auto answer, replace_object(writing, entry, old, std::move(fresh), route.subresource));
  if (!scale) return answer;
  TRY(auto stored, base::parse_json(answer.json));
  TRY(auto result, make_scale(kind, stored));
  return Answer{200, base::write_json(result), true};
}

}  // namespace

bool is_apply(const Exchange& exchange) {
  auto type = exchange.request.headers.get("Content-Type");
  return base::trim(type.substr(0, type.find(';'))) == "application/apply-patch+yaml";
}

void serve_apply(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  if (post_large(core, exchange, resource, serve_apply)) return;
  auto applying = std::make_shared<Applying>();
  auto prepared = [&]() -> base::Result<void> {
    CHECK_OK(check_apply_options(exchange->request.query, *applying));
    CHECK_OK(check_body_size(*exchange));
    std::vector<std::string> warnings;
    TRY(applying->config, read_config(*exchange, applying->options.validation, warnings));
    exchange->warn(warnings);
    return {};
  }();
  if (!prepared) return exchange->fail(prepared.error());
  submit_write(core, exchange, resource, applying->options.dry_run,
               [applying, exchange](Writing& writing) { return apply(writing, exchange->route, *applying); });
}

}  // namespace server
