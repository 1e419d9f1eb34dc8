// `kubectl rollout history` and `undo` of Deployments: their ReplicaSets are the history.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <map>

#include "api/matchers.hpp"
#include "api/meta.hpp"
#include "base/strings.hpp"
#include "cli/describe_parts.hpp"
#include "cli/rollout.hpp"

namespace cli {
namespace {

using base::Array;
using base::Object;
using base::Value;

constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";
constexpr std::string_view kHash = "pod-template-hash";
constexpr std::string_view kCause = "kubernetes.io/change-cause";

using History = std::map<int64_t, Value>;  // ReplicaSets by revision

base::Result<History> read_history(Session& session, const Found& found) {
  TRY(auto resource, session.find_kind("apps/v1", "ReplicaSet"));
  TRY(auto selector, api::LabelMatcher::from_object(found.object.at({"spec", "selector"})));
  net::Query query;
  query.add("labelSelector", selector.text());
  TRY(Value list, session.call("GET", Session::path_of(resource, found.namespace_), query));
  History history;
  for (auto& set : list["items"].as_array()) {
    if (api::controller_of(set)["uid"].as_string() != api::uid_of(found.object)) continue;
    auto revision = base::parse_int(api::annotation_of(set, kRevision));
    if (revision) history[*revision] = set;
  }
  return history;
}

// The template as the user wrote it: the hash is the controller's.
Value template_of(const Value& set) {
  Value pod_template = set.at({"spec", "template"});
  auto& metadata = pod_template.make({"metadata"}).object();
  if (auto* labels = metadata.find("labels")) labels->object().erase(kHash);
  return pod_template;
}

std::string template_text(const Value& set) {
  Value pod_template = set.at({"spec", "template"});
  if (auto cause = api::annotation_of(set, kCause); !cause.empty())
    pod_template.make({"metadata", "annotations", kCause}) = cause;
  Page page;
  put_pod_template(page, pod_template);
  return page.raw();
}

bool is_kept(std::string_view annotation) {
  static constexpr std::array<std::string_view, 6> kKept = {
      "kubectl.kubernetes.io/last-applied-configuration",
      kRevision,
      "deployment.kubernetes.io/revision-history",
      "deployment.kubernetes.io/desired-replicas",
      "deployment.kubernetes.io/max-replicas",
      "deprecated.deployment.rollback.to"};
  return std::ranges::find(kKept, annotation) != kKept.end();
}

// The Deployment's own annotations stay, all others are those of the set.
Object annotations_for(const Value& deployment, const Value& set) {
  Object out;
  for (auto& member : api::annotations_of(deployment).as_object()) {
    if (is_kept(member.key)) out.set(member.key, member.value);
  }
  for (auto& member : api::annotations_of(set).as_object()) {
    if (!is_kept(member.key)) out.set(member.key, member.value);
  }
  return out;
}

// The set to go back to.
base::Result<const Value*> choose(const History& history, const Found& found, int64_t revision) {
  if (revision < 0 || revision > std::numeric_limits<int32_t>::max() ||
      (revision && !history.contains(revision)))
    return usage(fmt::format("unable to find specified revision {} in history", revision));
  if (revision) return &history.at(revision);
  if (history.size() < 2)
    return usage(fmt::format("no rollout history found for deployment \"{}\"", found.target.name));
  return &std::next(history.rbegin())->second;
}

}  // namespace

int show_history(Session& session, const Args& args, const Found& found) {
  const auto& resource = found.target.resource;
  if (resource.kind != "Deployment" || resource.group != "apps")
    return fail(fmt::format("no history viewer has been implemented for \"{}{}{}\"", resource.kind,
                            resource.group.empty() ? "" : ".", resource.group));
  auto history = read_history(session, found);
  if (!history) return print_error(history.error());
  const int64_t revision = args.number("revision").value_or(0);
  if (revision < 0) return fail(fmt::format("revision must be a positive integer: {}", revision));
  std::string name = display_name(resource, found.target.name);
  if (revision > 0) {
    auto it = history->find(revision);
    if (it == history->end()) return fail("unable to find the specified revision");
    fmt::print("{} with revision #{}\n{}\n", name, revision, template_text(it->second));
    return 0;
  }
  std::string text = "REVISION\tCHANGE-CAUSE\n";
  for (auto& [number, set] : *history) {
    auto cause = api::annotation_of(set, kCause);
    text += fmt::format("{}\t{}\n", number, cause.empty() ? "<none>" : escape_terminal(cause));
  }
  if (history->empty()) text = "No rollout history found.";
  fmt::print("{} \n{}\n", name, align_columns(text));
  return 0;
}

int undo_rollout(Session& session, const Args& args, const Found& found) {
  const auto& resource = found.target.resource;
  if (resource.kind != "Deployment" || resource.group != "apps")
    return fail(fmt::format("no rollbacker has been implemented for \"{}{}{}\"", resource.kind,
                            resource.group.empty() ? "" : ".", resource.group));
  auto history = read_history(session, found);
  if (!history) return print_error(history.error());
  auto set = choose(*history, found, args.number("to-revision").value_or(0));
  if (!set) return print_error(set.error());
  auto dry_run = parse_dry_run(args);
  auto query = write_query(args, "kubectl-rollout");
  if (!dry_run || !query) return print_error(dry_run ? query.error() : dry_run.error());
  std::string name = display_name(resource, found.target.name);
  if (*dry_run == DryRun::client) {
    fmt::print("{} {} (dry run)\n", name, template_text(**set));
    return 0;
  }
  if (found.object.at({"spec", "paused"}).as_bool())
    return fail(
        "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try "
        "again");
  Value pod_template = template_of(**set);
  if (pod_template == found.object.at({"spec", "template"})) {
    fmt::print("{} skipped rollback (current template already matches revision {})\n", name,
               args.number("to-revision").value_or(0));
    return 0;
  }
  Value patch =
      Array{Object{{"op", "replace"}, {"path", "/spec/template"}, {"value", std::move(pod_template)}},
            Object{{"op", "replace"},
                   {"path", "/metadata/annotations"},
                   {"value", annotations_for(found.object, **set)}}};
  auto changed = session.call("PATCH", Session::path_of(resource, found.namespace_, found.target.name),
                              *query, patch, "application/json-patch+json");
  if (!changed)
    return fail("failed restoring revision " + std::to_string(args.number("to-revision").value_or(0)) + ": " +
                changed.error().message);
  fmt::print("{} rolled back{}\n", name, dry_run_suffix(*dry_run));
  return 0;
}

}  // namespace cli
