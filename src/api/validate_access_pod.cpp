// Rules for pods/resize and pods/ephemeralcontainers: what may change there.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "api/meta.hpp"
#include "api/validate_rules.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr std::string_view kMirror = "kubernetes.io/config.mirror";
constexpr std::string_view kOnlyCpuAndMemory = "only cpu and memory resources are mutable";

const Value& named(const Value& list, std::string_view name) {
  static const Value kNone;
  for (const Value& one : list.as_array())
    if (one["name"].as_string() == name) return one;
  return kNone;
}

// Whether anything but cpu and memory differs.
bool others_differ(const Value& fresh, const Value& old) {
  const auto without = [](Value list) {
    if (!list.is_object()) return Value(base::Object{});
    list.object().erase("cpu");
    list.object().erase("memory");
    return list;
  };
  return without(fresh) != without(old);
}

void check_resources(Problems& out, const Value& fresh, const Value& old, const std::string& path) {
  for (const char* list : {"limits", "requests"}) {
    const std::string at = child(child(path, "resources"), list);
    const Value &now = fresh["resources"][list], &before = old["resources"][list];
    for (const char* resource : {"cpu", "memory"}) {
      if (!before[resource].is_null() && now[resource].is_null())
        out.forbidden(at, fmt::format("resource {} cannot be removed", list));
    }
    if (others_differ(now, before)) out.forbidden("spec", std::string(kOnlyCpuAndMemory));
  }
  if (fresh["resources"]["claims"] != old["resources"]["claims"]) out.forbidden("spec", std::string(kOnlyCpuAndMemory));
}

// A node that resizes containers reports what they have.
bool node_resizes(const Value& pod) {
  for (const Value& status : pod.at({"status", "containerStatuses"}).as_array()) {
    if (status.at({"state", "running"}).is_object()) return status["resources"].is_object();
  }
  return true;
}

}  // namespace

void check_pod_resize(Problems& out, const Value& fresh, const Value& old) {
  if (annotations_of(old)[kMirror].is_string()) return out.forbidden("", "static pods cannot be resized");
  if (old.at({"spec", "os", "name"}).as_string() == "windows")
    return out.forbidden("", "windows pods cannot be resized");
  if (!node_resizes(old)) out.forbidden("spec", "Pod running on node without support for resize");
  for (const char* list : {"containers", "initContainers"}) {
    const Value &now = fresh["spec"][list], &before = old["spec"][list];
    for (size_t i = 0; i < now.as_array().size(); ++i) {
      const Value& one = now.as_array()[i];
      check_resources(out, one, named(before, one["name"].as_string()), index(child("spec", list), i));
    }
  }
}

void check_pod_ephemeral(Problems& out, const Value& fresh, const Value& old) {
  const std::string path = "spec.ephemeralContainers";
  if (annotations_of(old)[kMirror].is_string())
    return out.forbidden("", "static pods do not support ephemeral containers");
  for (const Value& before : old.at({"spec", "ephemeralContainers"}).as_array()) {
    const std::string_view name = before["name"].as_string();
    const Value& now = named(fresh.at({"spec", "ephemeralContainers"}), name);
    if (now.is_null())
      out.forbidden(path, fmt::format("existing ephemeral containers {} may not be removed\n", base::quote(name)));
    else if (now != before)
      out.forbidden(path, fmt::format("existing ephemeral containers {} may not be changed\n", base::quote(name)));
  }
}

}  // namespace api::rules
