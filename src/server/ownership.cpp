#include "server/ownership.hpp"

#include <algorithm>

#include "api/convert.hpp"
#include "api/meta.hpp"
#include "server/versions.hpp"

namespace server {

namespace {

using api::field_path;
using api::FieldSet;

constexpr size_t kMaxManager = 128;

// What the strategies put back to what it was, whoever writes it through that part.
const FieldSet* reset_fields(const api::Kind& kind, std::string_view subresource) {
  static const FieldSet kStatus{field_path({"status"})};
  static const FieldSet kSpec{field_path({"spec"})};
  static const FieldSet kCustomSpec{field_path({"apiVersion"}), field_path({"kind"}),
                                    field_path({"metadata"}), field_path({"spec"})};
  static const FieldSet kDeploymentSpec{field_path({"spec"}), field_path({"metadata", "labels"})};
  static const FieldSet kPodSpec{field_path({"spec"}), field_path({"metadata", "deletionTimestamp"}),
                                 field_path({"metadata", "ownerReferences"})};
  if (subresource == "status") {
    if (kind.custom) return &kCustomSpec;
    if (kind.kind == "Pod" && kind.group.empty()) return &kPodSpec;
    if (kind.kind == "Deployment") return &kDeploymentSpec;
    return &kSpec;
  }
  if (subresource == "finalize") return &kStatus;
  return subresource.empty() && kind.find_subresource("status") ? &kStatus : nullptr;
}

bool same_metadata(const base::Value& a, const base::Value& b) {
  const auto &x = a.as_object(), &y = b.as_object();
  auto ignored = [](std::string_view name) { return name == "resourceVersion" || name == "managedFields"; };
  auto count = [&](const base::Object& o) {
    return std::ranges::count_if(o, [&](const base::Member& member) { return !ignored(member.key); });
  };
  if (count(x) != count(y)) return false;
  for (const auto& [name, value] : x) {
    if (ignored(name)) continue;
    const auto* other = y.find(name);
    if (!other || *other != value) return false;
  }
  return true;
}

}  // namespace

std::string field_manager_of(const net::Request& request) {
  if (auto given = request.query.get("fieldManager"); !given.empty()) return std::string(given);
  auto agent = request.headers.get("User-Agent");
  agent = agent.substr(0, agent.find('/'));
  std::string name;
  for (char c : agent) {
    if (name.size() == kMaxManager) break;
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) name += c;
  }
  return name;
}

api::FieldRules field_rules(const CatalogPtr& catalog, const Resource& resource,
                            std::string_view subresource) {
  api::FieldRules rules;
  rules.kind = resource.kind.get();
  rules.reset = reset_fields(*resource.kind, subresource);
  rules.find = [catalog, kind = resource.kind](std::string_view api_version) -> api::KindPtr {
    if (api_version == kind->api_version()) return kind;
    return catalog->registry().find_kind(api_version, kind->kind);
  };
  rules.convert = [stored = resource.stored](const api::Kind& from, const api::Kind& to,
                                             const base::Value& object) -> base::Result<base::Value> {
    TRY(auto middle, api::convert(from, *stored, object));
    return api::convert(*stored, to, std::move(middle));
  };
  return rules;
}

void track_write(const CatalogPtr& catalog, const Resource& resource, const api::FieldWriter& writer,
                 const base::Value& old, base::Value& fresh) {
  auto rules = field_rules(catalog, resource, writer.subresource);
  if (!resource.is_view()) return api::track_update(rules, writer, old, fresh);
  auto served_old = old.is_object() ? to_served(resource, old) : base::Result<base::Value>(base::Value());
  auto served = to_served(resource, fresh);
  if (served_old && served) {
    api::track_update(rules, writer, *served_old, *served);
    api::set_managed_fields(fresh, (*served)["metadata"]["managedFields"]);
  } else {
    api::set_managed_fields(fresh, old["metadata"]["managedFields"]);
  }
}

void keep_reset(base::Value& body) {
  const auto* list = body["metadata"]["managedFields"].if_array();
  if (list && list->empty()) body.make({"metadata", "managedFields"}) = base::Array{base::Object()};
}

bool same_object(const base::Value& a, const base::Value& b) {
  return same_without_managers(a, b) &&
         api::same_but_times(a["metadata"]["managedFields"], b["metadata"]["managedFields"]);
}

bool same_without_managers(const base::Value& a, const base::Value& b) {
  const auto &x = a.as_object(), &y = b.as_object();
  if (x.size() != y.size()) return false;
  return std::ranges::all_of(x, [&](const base::Member& member) {
    const auto* other = y.find(member.key);
    return other && (member.key == "metadata" ? same_metadata(member.value, *other) : member.value == *other);
  });
}

}  // namespace server
