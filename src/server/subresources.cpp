// Subresources that write in their own way: scale, pods/binding, namespaces/finalize.
#include <fmt/format.h>

#include "api/custom/definition.hpp"
#include "api/meta.hpp"
#include "api/patch.hpp"
#include "api/selectors.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "server/writing.hpp"

namespace server {

base::Result<base::Value> make_scale(const api::Kind& kind, const base::Value& object) {
  if (kind.custom) return api::scale_of(kind, object);
  base::Object metadata;
  for (std::string_view member : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    if (const auto& value = object["metadata"][member]; !value.is_null()) metadata.set(member, value);
  }
  base::Object spec;
  if (int64_t replicas = object.at({"spec", "replicas"}).int_or(0); replicas != 0)
    spec.set("replicas", replicas);
  base::Object status{{"replicas", object.at({"status", "replicas"}).int_or(0)}};
  const auto& selector = object.at({"spec", "selector"});
  std::string text;
  if (selector["matchLabels"].is_object() || selector["matchExpressions"].is_array()) {
    if (auto parsed = api::LabelSelector::from_object(selector)) text = parsed->text();
  } else {
    text = api::LabelSelector::from_map(selector).text();
  }
  if (!text.empty()) status.set("selector", text);
  return base::Object{{"kind", "Scale"},
                      {"apiVersion", "autoscaling/v1"},
                      {"metadata", std::move(metadata)},
                      {"spec", std::move(spec)},
                      {"status", std::move(status)}};
}

base::Result<void> set_replicas(const api::Kind& kind, base::Value& object, int64_t replicas) {
  if (kind.custom) return api::set_scale(kind, object, replicas);
  object.make({"spec", "replicas"}) = replicas;
  return {};
}

namespace {

base::Result<void> check_scale_type(const base::Value& scale) {
  auto kind = api::kind_of(scale);
  auto version = api::api_version_of(scale);
  if ((kind.empty() || kind == "Scale") && (version.empty() || version == "autoscaling/v1")) return {};
  return std::unexpected(api::bad_request(
      fmt::format("{} in version {} cannot be handled as a Scale: expected Scale of autoscaling/v1", kind,
                  base::quote(version))));
}

// Writes spec.replicas of `scale` into the object.
base::Result<Answer> store_scale(Writing& writing, const store::EntryPtr& entry, const base::Value& old,
                                 const base::Value& scale) {
  auto name = api::name_of(old);
  auto given = api::name_of(scale);
  if (!given.empty() && given != name) {
    return std::unexpected(api::bad_request(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", given, name)));
  }
  CHECK_OK(check_preconditions(writing, *entry, old, scale));
  const auto& replicas = scale.at({"spec", "replicas"});
  if (!replicas.is_null() && !replicas.as_int()) {
    return std::unexpected(api::bad_request("Scale: spec.replicas must be a whole number"));
  }
  if (replicas.int_or(0) < 0) {
    return std::unexpected(
        api::invalid("autoscaling", "Scale", name,
                     {api::invalid_field("spec.replicas", replicas, "must be greater than or equal to 0")}));
  }
  base::Value fresh = old;
  const auto& kind = *writing.resource.kind;
  CHECK_OK(set_replicas(kind, fresh, replicas.int_or(0)));
  TRY(auto answer, replace_object(writing, entry, old, std::move(fresh), "scale"));
  TRY(auto stored, base::parse_json(answer.json));
  TRY(auto result, make_scale(kind, stored));
  return Answer{200, base::write_json(result), true};
}

struct ScaleWrite {
  WriteOptions options;
  base::Value body;
  bool json_patch = false;
};

void submit_scale(Core& core, const ExchangePtr& exchange, const Resource& resource, ScaleWrite write,
                  bool patch) {
  auto shared = std::make_shared<ScaleWrite>(std::move(write));
  bool dry_run = shared->options.dry_run;
  submit_write(core, exchange, resource, dry_run,
               [shared, patch, route = exchange->route](Writing& writing) -> base::Result<Answer> {
                 TRY(auto entry,
                     current_of(writing, writing.resource.key(route.namespace_, route.name), route.name));
                 TRY(auto old, parse_stored(*entry));
                 if (!patch) return store_scale(writing, entry, old, shared->body);
                 TRY(auto scale, make_scale(*writing.resource.kind, old));
                 if (shared->json_patch) {
                   TRY(scale, api::apply_json_patch(scale, shared->body));
                 } else {
                   scale = api::apply_merge_patch(std::move(scale), shared->body);
                 }
                 CHECK_OK(check_scale_type(scale));
                 return store_scale(writing, entry, old, scale);
               });
}

// Sets or adds the condition of that type.
void set_condition(base::Value& pod, std::string_view type, base::Value condition) {
  auto& list = pod.make({"status", "conditions"});
  if (!list.is_array()) list = base::Array{};
  for (auto& known : list.array()) {
    if (known["type"].as_string() != type) continue;
    known = std::move(condition);
    return;
  }
  list.array().push_back(std::move(condition));
}

base::Result<Answer> bind_pod(Writing& writing, const Route& route, const base::Value& binding) {
  TRY(auto entry, current_of(writing, writing.resource.key(route.namespace_, route.name), route.name));
  TRY(auto pod, parse_stored(*entry));
  auto conflict = [&](std::string why) {
    return std::unexpected(api::conflict("pods/binding", route.name, why));
  };
  auto uid = api::uid_of(binding);
  if (!uid.empty() && uid != api::uid_of(pod)) {
    return conflict(fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", uid,
                                api::uid_of(pod)));
  }
  if (api::is_being_deleted(pod)) {
    return conflict(fmt::format("pod {} is being deleted, cannot be assigned to a host", route.name));
  }
  auto bound = pod.at({"spec", "nodeName"}).as_string();
  if (!bound.empty()) {
    return conflict(fmt::format("pod {} is already assigned to node {}", route.name, base::quote(bound)));
  }
  if (!pod.at({"spec", "schedulingGates"}).as_array().empty()) {
    return conflict(fmt::format("pod {} has non-empty .spec.schedulingGates", route.name));
  }
  pod.make({"spec", "nodeName"}) = binding.at({"target", "name"});
  const base::Value& extra_annotations = api::annotations_of(binding);
  for (const auto& [key, value] : extra_annotations.as_object()) {
    api::set_annotation(pod, key, value.as_string());
  }
  set_condition(pod, "PodScheduled",
                base::Object{{"type", "PodScheduled"},
                             {"status", "True"},
                             {"lastTransitionTime", base::format_time(writing.context.now)}});
  put_object(writing, entry->key, std::move(pod));
  base::Object status{{"kind", "Status"},
                      {"apiVersion", "v1"},
                      {"metadata", base::Object{}},
                      {"status", "Success"},
                      {"code", 201}};
  return Answer{201, base::write_json(std::move(status)), true};
}

}  // namespace

void serve_get_scale(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  auto entry = core.store.get(resource.key(exchange->route.namespace_, exchange->route.name));
  if (!entry) return exchange->fail(api::not_found(resource.qualified, exchange->route.name));
  auto object = parse_stored(*entry);
  if (!object) return exchange->fail(object.error());
  // A Scale has no columns of its own: the table of a kind without any, Name and Created At, is what kubectl
  // gets.
  auto kind = core.builtin.find_kind("autoscaling/v1", "Scale");
  auto scale = make_scale(*resource.kind, *object);
  if (!scale) return exchange->fail(scale.error());
  auto bytes = net::make_chunk(base::write_json(*scale));
  if (!kind) return exchange->send_document(200, std::move(bytes));
  RenderStyle style{exchange->format, IncludeObject::metadata, core.clock.now()};
  exchange->send(200, exchange->format.content_type(), render_object(*kind, style, std::move(bytes)));
}

void serve_update_scale(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  auto options = parse_write_options(exchange->request.query, "UpdateOptions");
  if (!options) return exchange->fail(options.error());
  auto body = read_helper_body(core, *exchange, "autoscaling/v1", "Scale");
  if (!body) return exchange->fail(body.error());
  if (auto type = check_scale_type(*body); !type) return exchange->fail(type.error());
  submit_scale(core, exchange, resource, {std::move(*options), std::move(*body), false}, false);
}

void serve_patch_scale(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  if (is_apply(*exchange)) return serve_apply(core, exchange, resource);
  auto options = parse_write_options(exchange->request.query, "PatchOptions");
  if (!options) return exchange->fail(options.error());
  auto kind = patch_kind_of(*exchange, *resource.kind);
  if (!kind) return exchange->fail(kind.error());
  auto body = read_patch_body(*resource.kind, *exchange);
  if (!body) return exchange->fail(body.error());
  if (auto checked = check_patch(*kind, *body); !checked) return exchange->fail(checked.error());
  bool json_patch = *kind == PatchKind::json;
  submit_scale(core, exchange, resource, {std::move(*options), std::move(*body), json_patch}, true);
}

void serve_binding(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  auto options = parse_write_options(exchange->request.query, "CreateOptions");
  if (!options) return exchange->fail(options.error());
  auto body = read_helper_body(core, *exchange, "v1", "Binding");
  if (!body) return exchange->fail(body.error());
  const auto& binding = *body;
  auto target = binding.at({"target", "kind"}).as_string();
  if (!target.empty() && target != "Node") {
    return exchange->fail(
        api::invalid("", "Binding", exchange->route.name,
                     {api::unsupported_field("target.kind", std::string(target), {"Node", ""})}));
  }
  if (binding.at({"target", "name"}).as_string().empty()) {
    return exchange->fail(
        api::invalid("", "Binding", exchange->route.name, {api::required_field("target.name", "")}));
  }
  auto name = api::name_of(binding);
  if (!name.empty() && name != exchange->route.name) {
    return exchange->fail(api::bad_request(fmt::format(
        "the name of the object ({}) does not match the name on the URL ({})", name, exchange->route.name)));
  }
  auto shared = std::make_shared<base::Value>(std::move(*body));
  submit_write(
      core, exchange, resource, options->dry_run,
      [shared, route = exchange->route](Writing& writing) { return bind_pod(writing, route, *shared); });
}

void serve_finalize(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  auto options = parse_write_options(exchange->request.query, "UpdateOptions");
  if (!options) return exchange->fail(options.error());
  auto body = read_body(*resource.kind, *exchange);
  if (!body) return exchange->fail(body.error());
  if (!body->value.is_object()) return exchange->fail(api::bad_request("the body must be a Namespace"));
  auto shared = std::make_shared<base::Value>(std::move(body->value));
  submit_write(core, exchange, resource, options->dry_run,
               [shared, name = exchange->route.name](Writing& writing) -> base::Result<Answer> {
                 TRY(auto entry, current_of(writing, writing.resource.key("", name), name));
                 TRY(auto old, parse_stored(*entry));
                 CHECK_OK(check_preconditions(writing, *entry, old, *shared));
                 base::Value fresh = old;
                 const auto& finalizers = shared->at({"spec", "finalizers"});
                 if (finalizers.as_array().empty()) {
                   api::remove_member(fresh, "spec", "finalizers");
                 } else {
                   fresh.make({"spec", "finalizers"}) = finalizers;
                 }
                 return replace_object(writing, entry, old, std::move(fresh), "finalize");
               });
}

}  // namespace server
