#include "cli/apply_server.hpp"

#include <algorithm>

#include "api/managed_fields.hpp"
#include "cli/write_flags.hpp"

namespace cli {

using base::Array;
using base::Object;
using base::Result;
using base::Value;

namespace {

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::string_view kClientSide = "kubectl-client-side-apply";
// Owns the annotation, so that the next apply, which does not name it, leaves it alone.
constexpr std::string_view kAnnotationManager = "kubectl-last-applied";
constexpr int kTries = 5;  // others may write in between

Result<Value> send(Session& session, const std::string& path, const Value& object, const net::Query& query) {
  return session.call("PATCH", path, query, with_sorted_members(object), "application/apply-patch+yaml");
}

}  // namespace

Value migrate_managers_patch(const Value& object, const std::string& manager) {
  auto entries = api::read_managed_fields(object.at({"metadata", "managedFields"}));
  if (!entries) return {};
  auto is_client_side = [](const api::ManagedEntry& e) {
    return e.manager == kClientSide && !e.applied && e.subresource.empty();
  };
  if (std::ranges::none_of(*entries, is_client_side)) return {};
  auto own = std::ranges::find_if(*entries, [&](const api::ManagedEntry& e) {
    return e.manager == manager && e.applied && e.subresource.empty();
  });
  api::ManagedEntry merged;
  if (own != entries->end()) {
    merged = *own;
    entries->erase(own);
  }
  for (const auto& entry : *entries) {
    if (!is_client_side(entry)) continue;
    merged.fields.add(entry.fields);
    if (merged.api_version.empty()) merged.api_version = entry.api_version;
    if (merged.time.empty()) merged.time = entry.time;
  }
  merged.manager = manager;
  merged.applied = true;
  std::erase_if(*entries, is_client_side);
  api::FieldSet annotation{api::field_path({"metadata", "annotations", kLastApplied})};
  if (merged.fields.remove(annotation)) {
    api::ManagedEntry keeper;
    keeper.manager = kAnnotationManager;
    keeper.applied = true;
    keeper.api_version = merged.api_version;
    keeper.time = merged.time;
    keeper.fields = std::move(annotation);
    std::erase_if(*entries, [&](const api::ManagedEntry& e) { return e.same_manager(keeper); });
    entries->push_back(std::move(keeper));
  }
  if (!merged.fields.empty()) entries->push_back(std::move(merged));
  return Array{Object{{"op", "replace"},
                      {"path", "/metadata/managedFields"},
                      {"value", api::write_managed_fields(std::move(*entries))}},
               Object{{"op", "replace"},
                      {"path", "/metadata/resourceVersion"},
                      {"value", object.at({"metadata", "resourceVersion"})}}};
}

Result<Value> apply_on_server(Session& session, const ApiResource& resource, const std::string& ns,
                              const Value& object, const net::Query& query, bool dry_run) {
  std::string path = Session::path_of(resource, ns, std::string(object.at({"metadata", "name"}).as_string()));
  TRY(Value applied, send(session, path, object, query));
  if (dry_run) return applied;
  std::string manager(query.get("fieldManager"));
  for (int i = 0; i < kTries; ++i) {
    Value patch = migrate_managers_patch(applied, manager);
    if (patch.is_null()) return applied;
    auto migrated = session.call("PATCH", path, {}, patch, "application/json-patch+json");
    if (!migrated && migrated.error().reason != base::Reason::conflict)
      return std::unexpected(std::move(migrated).error());
    if (migrated) return send(session, path, object, query);
    TRY(applied, session.call("GET", path));
  }
  return base::fail(base::Reason::conflict,
                    "the object changes too often for its managers to be rewritten: try again");
}

}  // namespace cli
