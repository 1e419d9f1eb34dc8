// POST, PUT and PATCH: the body is read on the caller's thread, a large one on a worker; the decision falls as said in
// server/writing.hpp.
#include <fmt/format.h>

#include "api/meta.hpp"
#include "api/patch.hpp"
#include "api/status.hpp"
#include "api/strategic.hpp"
#include "base/strings.hpp"
#include "server/ownership.hpp"
#include "server/versions.hpp"
#include "server/writing.hpp"

namespace server {

namespace {

// 400 when the body speaks of another object than the URL. An absent name or namespace is taken from the URL.
base::Result<void> match_url(const Exchange& exchange, const api::Kind& kind, base::Value& object,
                             bool with_name) {
  const auto& route = exchange.route;
  if (with_name) {
    auto name = api::name_of(object);
    if (name.empty()) {
      api::set_name(object, route.name);
    } else if (name != route.name) {
      return std::unexpected(api::bad_request(fmt::format(
          "the name of the object ({}) does not match the name on the URL ({})", name, route.name)));
    }
  }
  auto space = api::namespace_of(object);
  if (!kind.namespaced || space.empty() || space == route.namespace_) return {};
  if (with_name) {
    return std::unexpected(api::bad_request(
        fmt::format("the namespace of the object ({}) does not match the namespace on the request ({})",
                    space, route.namespace_)));
  }
  return std::unexpected(api::bad_request(
      "the namespace of the provided object does not match the namespace sent on the request"));
}

base::Result<base::Value> apply_patch(PatchKind kind, const base::Value& original, const base::Value& patch,
                                      const api::Schema* schema) {
  switch (kind) {
    case PatchKind::json:
      return api::apply_json_patch(original, patch);
    case PatchKind::merge:
      return api::apply_merge_patch(original, patch);
    case PatchKind::strategic:
      break;
  }
  if (!schema) return api::apply_merge_patch(original, patch);
  return api::apply_strategic_merge_patch(original, patch, *schema);
}

}  // namespace

base::Result<PatchKind> patch_kind_of(const Exchange& exchange, const api::Kind& target) {
  auto type = exchange.request.headers.get("Content-Type");
  type = base::trim(type.substr(0, type.find(';')));
  if (type == "application/json-patch+json") return PatchKind::json;
  if (type == "application/merge-patch+json") return PatchKind::merge;
  if (type == "application/strategic-merge-patch+json" && !target.custom) return PatchKind::strategic;
  return base::fail(base::Reason::unsupported_media_type,
                    fmt::format("the body of the request was in an unknown format - accepted media types include: "
                                "application/json-patch+json, application/merge-patch+json{}, application/apply-patch+yaml",
                                target.custom ? "" : ", application/strategic-merge-patch+json"));
}

base::Result<void> check_patch(PatchKind kind, const base::Value& patch) {
  if (kind == PatchKind::json) {
    if (!patch.is_array())
      return std::unexpected(api::bad_request("a JSON patch must be an array of operations"));
    size_t count = patch.as_array().size();
    if (count > api::kMaxPatchOperations) {
      return base::fail(
          base::Reason::request_entity_too_large,
          fmt::format("Request entity too large: The allowed maximum operations in a JSON patch is {}, "
                      "got {}",
                      api::kMaxPatchOperations, count));
    }
  } else if (!patch.is_object()) {
    return std::unexpected(api::bad_request("a merge patch must be an object"));
  }
  return {};
}

void serve_create(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  if (post_large(core, exchange, resource, serve_create)) return;
  auto prepared = [&]() -> base::Result<std::pair<WriteOptions, base::Value>> {
    TRY(auto options, parse_write_options(exchange->request.query, "CreateOptions"));
    TRY(auto body, read_body(*resource.kind, *exchange));
    keep_reset(body.value);
    std::vector<std::string> warnings;
    TRY(auto object, read_object(core, *resource.kind, std::move(body), options.validation, warnings));
    exchange->warn(warnings);
    CHECK_OK(match_url(*exchange, *resource.kind, object, false));
    if (!api::resource_version_of(object).empty()) {
      return std::unexpected(api::bad_request("resourceVersion should not be set on objects to be created"));
    }
    if (api::name_of(object).empty() && api::generate_name_of(object).empty()) {
      return std::unexpected(
          api::invalid(resource.kind->group, resource.kind->kind, "",
                       {api::required_field("metadata.name", "name or generateName is required")}));
    }
    return std::pair(std::move(options), std::move(object));
  }();
  if (!prepared) return exchange->fail(prepared.error());
  auto object = std::make_shared<base::Value>(std::move(prepared->second));
  submit_write(core, exchange, resource, prepared->first.dry_run,
               [object, space = exchange->route.namespace_](Writing& writing) -> base::Result<Answer> {
                 TRY(auto stored, to_stored(writing.resource, take(writing, *object)));
                 return create_object(writing, space, std::move(stored));
               });
}

void serve_update(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  if (post_large(core, exchange, resource, serve_update)) return;
  auto prepared = [&]() -> base::Result<std::pair<WriteOptions, base::Value>> {
    TRY(auto options, parse_write_options(exchange->request.query, "UpdateOptions"));
    TRY(auto body, read_body(*resource.kind, *exchange));
    keep_reset(body.value);
    std::vector<std::string> warnings;
    TRY(auto object, read_object(core, *resource.kind, std::move(body), options.validation, warnings));
    exchange->warn(warnings);
    CHECK_OK(match_url(*exchange, *resource.kind, object, true));
    return std::pair(std::move(options), std::move(object));
  }();
  if (!prepared) return exchange->fail(prepared.error());
  auto given = std::make_shared<base::Value>(std::move(prepared->second));
  submit_write(core, exchange, resource, prepared->first.dry_run,
               [given, route = exchange->route](Writing& writing) -> base::Result<Answer> {
                 TRY(auto fresh, to_stored(writing.resource, take(writing, *given)));
                 std::string key = writing.resource.key(route.namespace_, route.name);
                 if (route.subresource.empty() && writing.resource.strategy->allows_create_on_update() &&
                     !writing.context.txn.get(key) && api::resource_version_of(fresh).empty() &&
                     api::uid_of(fresh).empty()) {
                   return create_object(writing, route.namespace_, std::move(fresh));
                 }
                 TRY(auto entry, current_of(writing, key, route.name));
                 TRY(auto old, parse_stored(*entry));
                 CHECK_OK(check_preconditions(writing, *entry, old, fresh));
                 return replace_object(writing, entry, old, std::move(fresh), route.subresource);
               });
}

void serve_patch(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  if (is_apply(*exchange)) return serve_apply(core, exchange, resource);
  if (post_large(core, exchange, resource, serve_patch)) return;
  struct Prepared {
    WriteOptions options;
    PatchKind kind;
    base::Value patch;
  };
  auto prepared = [&]() -> base::Result<Prepared> {
    TRY(auto kind, patch_kind_of(*exchange, *resource.kind));
    TRY(auto options, parse_write_options(exchange->request.query, "PatchOptions"));
    TRY(auto patch, read_patch_body(*resource.kind, *exchange));
    CHECK_OK(check_patch(kind, patch));
    return Prepared{std::move(options), kind, std::move(patch)};
  }();
  if (!prepared) return exchange->fail(prepared.error());
  bool dry_run = prepared->options.dry_run;
  auto shared = std::make_shared<Prepared>(std::move(*prepared));
  submit_write(
      core, exchange, resource, dry_run, [shared, exchange](Writing& writing) -> base::Result<Answer> {
        const auto& route = exchange->route;
        const auto& kind = *writing.resource.kind;
        TRY(auto entry, current_of(writing, writing.resource.key(route.namespace_, route.name), route.name));
        TRY(auto old, parse_stored(*entry));
        TRY(auto served, to_served(writing.resource, old));
        TRY(auto patched, apply_patch(shared->kind, served, shared->patch, kind.schema.get()));
        keep_reset(patched);
        TRY(auto fresh, read_object(writing.core, kind, {std::move(patched), {}}, shared->options.validation,
                                    writing.context.warnings));
        CHECK_OK(match_url(*exchange, kind, fresh, true));
        TRY(fresh, to_stored(writing.resource, std::move(fresh)));
        CHECK_OK(check_preconditions(writing, *entry, old, fresh));
        return replace_object(writing, entry, old, std::move(fresh), route.subresource);
      });
}

}  // namespace server
