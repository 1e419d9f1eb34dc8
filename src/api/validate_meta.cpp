// Rules for metadata, which hold for every kind.
#include <fmt/format.h>

#include <algorithm>

#include "api/meta.hpp"
#include "api/validate_rules.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr size_t kMaxAnnotationBytes = 256u << 10;

void check_annotations(Problems& out, const Value& annotations) {
  size_t total = 0;
  for (const auto& [name, value] : annotations.as_object()) {
    out.invalid("metadata.annotations", name, base::check_qualified_name(base::to_lower(name)));
    total += name.size() + value.as_string().size();
  }
  if (total > kMaxAnnotationBytes) out.add(too_long_field("metadata.annotations", kMaxAnnotationBytes));
}

bool is_api_version(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return !text.empty();
  return slash > 0 && slash + 1 < text.size() && text.find('/', slash + 1) == std::string_view::npos;
}

// Counts values down from `budget`; false when there are more.
bool is_within(const Value& value, size_t& budget) {
  if (budget-- == 0) return false;
  for (const auto& one : value.as_array())
    if (!is_within(one, budget)) return false;
  for (const auto& member : value.as_object())
    if (!is_within(member.value, budget)) return false;
  return true;
}

void check_owners(Problems& out, const Value& owners) {
  const std::string path = "metadata.ownerReferences";
  std::string controller;
  const auto& list = owners.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const Value& owner = list[i];
    const std::string at = index(path, i);
    std::string_view version = owner["apiVersion"].as_string();
    if (version.empty()) out.required(child(at, "apiVersion"), "must not be empty");
    else if (!is_api_version(version))
      out.invalid(child(at, "apiVersion"), version, std::string("must be <group>/<version> or <version>"));
    for (const char* member : {"kind", "name", "uid"})
      if (owner[member].as_string().empty()) out.required(child(at, member), "must not be empty");
    if (version == "v1" && owner["kind"].as_string() == "Event")
      out.invalid(at, owner, std::string("/v1, Kind=Event is disallowed from being an owner"));
    if (!owner["controller"].as_bool()) continue;
    std::string name = fmt::format("{}/{}", owner["kind"].as_string(), owner["name"].as_string());
    if (controller.empty()) controller = name;
    else
      out.invalid(path, brief(owners),
                  fmt::format("Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
                              controller, name));
  }
}

void check_finalizers(Problems& out, const Value& finalizers) {
  bool orphan = false, foreground = false;
  for (const auto& one : finalizers.as_array()) {
    out.invalid("metadata.finalizers", one, base::check_qualified_name(one.as_string()));
    orphan = orphan || one.as_string() == "orphan";
    foreground = foreground || one.as_string() == "foregroundDeletion";
  }
  if (orphan && foreground)
    out.invalid("metadata.finalizers", finalizers,
                std::string("finalizer orphan and foregroundDeletion cannot be both set"));
}

void check_common(Problems& out, const Value& object) {
  const Value& meta = object["metadata"];
  out.labels("metadata.labels", meta["labels"]);
  check_annotations(out, meta["annotations"]);
  check_owners(out, meta["ownerReferences"]);
}

// With the trailing dashes that a generated suffix will follow taken off.
std::string_view generated_stem(std::string_view name) {
  while (name.size() > 1 && name.back() == '-') name.remove_suffix(1);
  return name;
}

// A member that the server sets: it may be left out, but not changed.
void check_kept(Problems& out, const Value& fresh, const Value& old, std::string_view member) {
  const Value& now = fresh["metadata"][member];
  if (!now.is_null() && now != old["metadata"][member])
    out.invalid(child("metadata", member), now, std::string("field is immutable"));
}

}  // namespace

Value brief(const Value& value) {
  size_t budget = 500;
  if (is_within(value, budget)) return value;
  return fmt::format("{} of {}", value.kind_name(), value.as_array().size() + value.as_object().size());
}

std::vector<std::string> check_path_segment(std::string_view name) {
  if (name == "." || name == "..") return {fmt::format("may not be '{}'", name)};
  std::vector<std::string> out;
  for (char c : {'/', '%'})
    if (name.find(c) != std::string_view::npos) out.push_back(fmt::format("may not contain '{}'", c));
  return out;
}

void check_metadata(Problems& out, const Kind& kind, const Value& object, NameCheck check_name) {
  if (auto stem = generate_name_of(object); !stem.empty())
    out.invalid("metadata.generateName", stem, check_name(generated_stem(stem)));
  auto name = name_of(object);
  if (name.empty()) out.required("metadata.name", "name or generateName is required");
  else out.invalid("metadata.name", name, check_name(name));
  auto space = namespace_of(object);
  if (kind.namespaced) {
    if (space.empty()) out.required("metadata.namespace");
    else out.invalid("metadata.namespace", space, base::check_dns1123_label(space));
  } else if (!space.empty()) {
    out.forbidden("metadata.namespace", "not allowed on this type");
  }
  out.nonnegative("metadata.generation", object["metadata"]["generation"]);
  check_common(out, object);
  check_finalizers(out, object["metadata"]["finalizers"]);
}

void check_metadata_update(Problems& out, const Value& fresh, const Value& old) {
  if (is_being_deleted(old)) {
    std::vector<std::string> before = finalizers_of(old), more;
    for (const auto& one : finalizers_of(fresh))
      if (std::ranges::find(before, one) == before.end()) more.push_back(base::quote(one));
    std::sort(more.begin(), more.end());
    if (!more.empty())
      out.forbidden("metadata.finalizers",
                    fmt::format("no new finalizers can be added if the object is being deleted, found new finalizers "
                                "[]string{{{}}}", base::join(more, ", ")));
  }
  if (generation_of(fresh) != 0 && generation_of(fresh) < generation_of(old))
    out.invalid("metadata.generation", generation_of(fresh), std::string("must not be decremented"));
  for (const char* member : {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
                             "deletionGracePeriodSeconds"})
    check_kept(out, fresh, old, member);
  check_common(out, fresh);
  check_finalizers(out, fresh["metadata"]["finalizers"]);
}

}  // namespace api::rules
