#include "controllers/namespace/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/strings.hpp"

namespace controllers {
namespace {

struct Verdict {
  std::string type;
  bool bad = false;
  std::string reason;
  std::string message;
};

std::vector<Verdict> judge(const NamespaceContent& content) {
  std::vector<std::string> resources;
  for (const auto& [resource, count] : content.remaining) {
    resources.push_back(fmt::format("{} has {} resource instances", resource, count));
  }
  std::vector<std::string> finalizers;
  for (const auto& [finalizer, count] : content.finalizers) {
    finalizers.push_back(fmt::format("{} in {} resource instances", finalizer, count));
  }
  std::vector<Verdict> out;
  if (content.discovery_failure.empty()) {
    out.push_back({"NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
                   "All resources successfully discovered"});
  } else {
    out.push_back({"NamespaceDeletionDiscoveryFailure", true, "DiscoveryFailed", content.discovery_failure});
  }
  if (content.version_failure.empty()) {
    out.push_back({"NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
                   "All legacy kube types successfully parsed"});
  } else {
    out.push_back({"NamespaceDeletionGroupVersionParsingFailure", true, "GroupVersionParsingFailed",
                   content.version_failure});
  }
  if (content.failures.empty()) {
    out.push_back({"NamespaceDeletionContentFailure", false, "ContentDeleted",
                   "All content successfully deleted, may be waiting on finalization"});
  } else {
    auto failures = content.failures;
    std::ranges::sort(failures);
    out.push_back({"NamespaceDeletionContentFailure", true, "ContentDeletionFailed",
                   "Failed to delete all resource types, " + std::to_string(content.failures.size()) +
                       " remaining: " + base::join(failures, ", ")});
  }
  if (resources.empty()) {
    out.push_back({"NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed"});
  } else {
    out.push_back({"NamespaceContentRemaining", true, "SomeResourcesRemain",
                   "Some resources are remaining: " + base::join(resources, ", ")});
  }
  if (finalizers.empty()) {
    out.push_back({"NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers",
                   "All content-preserving finalizers finished"});
  } else {
    out.push_back({"NamespaceFinalizersRemaining", true, "SomeFinalizersRemain",
                   "Some content in the namespace has finalizers remaining: " + base::join(finalizers, ", ")});
  }
  return out;
}

}  // namespace

std::vector<std::vector<client::ResourceKind>> plan_deletion_steps(const std::vector<client::ResourceKind>& kinds) {
  std::vector<client::ResourceKind> pods, others, events;
  for (const auto& kind : kinds) {
    if (!kind.namespaced || !kind.preferred || !kind.has_verb("list") || !kind.has_verb("delete")) continue;
    if (kind.group == "extensions") continue;  // shows objects that other groups have
    if (kind.kind == "Event" && (kind.group.empty() || kind.group == "events.k8s.io")) {
      if (events.empty()) events.push_back(kind);  // both groups show the same objects
    } else if (kind.group.empty() && kind.plural == "pods") {
      pods.push_back(kind);
    } else {
      others.push_back(kind);
    }
  }
  std::vector<std::vector<client::ResourceKind>> steps;
  if (!pods.empty()) steps.push_back(std::move(pods));
  others.insert(others.end(), events.begin(), events.end());
  if (!others.empty()) steps.push_back(std::move(others));
  return steps;
}

std::vector<api::NamespaceCondition> plan_namespace_conditions(const std::vector<api::NamespaceCondition>& before,
                                                               const NamespaceContent& content, base::Time now) {
  auto out = before;
  for (auto& verdict : judge(content)) {
    auto it = std::ranges::find(out, verdict.type, &api::NamespaceCondition::type);
    if (it == out.end()) {
      out.emplace_back();
      it = std::prev(out.end());
      it->type = verdict.type;
    }
    std::string status = verdict.bad ? "True" : "False";
    if (it->status != status) it->last_transition_time = base::format_time(now);
    it->status = std::move(status);
    it->reason = std::move(verdict.reason);
    it->message = std::move(verdict.message);
  }
  return out;
}

bool same_conditions(const std::vector<api::NamespaceCondition>& a, const std::vector<api::NamespaceCondition>& b) {
  auto fields = [](const api::NamespaceCondition& c) { return std::tie(c.type, c.status, c.reason, c.message); };
  return std::ranges::equal(a, b, {}, fields, fields);
}

}  // namespace controllers
