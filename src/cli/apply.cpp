#include <fmt/format.h>

#include "api/strategic.hpp"
#include "base/json.hpp"
#include "cli/command.hpp"
#include "cli/targets.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Object;
using base::Value;

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

Value sorted(const Value& value) {
  Value copy = value;
  if (auto* object = copy.if_object()) {
    object->sort();
    for (auto& member : *object) member.value = sorted(member.value);
  } else if (auto* array = copy.if_array()) {
    for (auto& item : *array) item = sorted(item);
  }
  return copy;
}

// The manifest as it is sent: with itself, without that annotation, in the annotation.
Value with_last_applied(const Value& manifest, const std::string& ns) {
  Value object = manifest;
  if (!ns.empty()) object.make({"metadata", "namespace"}) = ns;
  Value& annotations = object.make({"metadata", "annotations"});
  if (!annotations.is_object()) annotations = Object{};
  annotations.object().erase(kLastApplied);
  std::string text = base::write_json(sorted(object)) + "\n";
  annotations.object().set(kLastApplied, text);
  return object;
}

struct Applying {
  Session& session;
  const Args& args;
  DryRun dry_run;
  net::Query query;
};

int apply_new(const Applying& apply, const ApiResource& resource, const std::string& ns, const Value& object, const std::string& where) {
  Value shown = object;
  if (apply.dry_run != DryRun::client) {
    auto created = apply.session.call("POST", Session::path_of(resource, ns), apply.query, object);
    if (!created) return print_error(created.error(), "error when creating \"" + where + "\"");
    shown = std::move(*created);
  }
  return print_result(apply.args, resource, shown, "created", apply.dry_run);
}

int apply_existing(const Applying& apply, const ApiResource& resource, const std::string& ns, const Value& object,
                   const Value& current, const std::string& where) {
  std::string name(object.at({"metadata", "name"}).as_string());
  Value last;
  if (auto text = current.at({"metadata", "annotations", kLastApplied}).as_string(); !text.empty()) {
    if (auto parsed = base::parse_json(text)) last = std::move(*parsed);
  } else {
    fmt::print(stderr,
               "Warning: resource {}/{} is missing the {} annotation which is required by kubectl apply. kubectl apply should only be "
               "used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing "
               "annotation will be patched automatically.\n", resource.qualified_plural(), name, kLastApplied);
  }
  auto kind = apply.session.builtin_kind(resource);
  base::Result<Value> patch = kind && kind->schema ? api::three_way_merge_patch(last, object, current, *kind->schema)
                                                   : api::three_way_json_merge_patch(last, object, current);
  if (!patch) return print_error(patch.error(), "error when creating patch with \"" + where + "\"");
  if (patch->as_object().empty()) return print_result(apply.args, resource, current, "unchanged", apply.dry_run);
  Value shown = current;
  if (apply.dry_run != DryRun::client) {
    auto changed = apply.session.call("PATCH", Session::path_of(resource, ns, name), apply.query, *patch,
                                      kind ? "application/strategic-merge-patch+json" : "application/merge-patch+json");
    if (!changed) return print_error(changed.error(), "error when applying patch to \"" + where + "\"");
    shown = std::move(*changed);
  }
  // A patch that changed nothing on the server counts as unchanged.
  bool same = shown.at({"metadata", "resourceVersion"}) == current.at({"metadata", "resourceVersion"}) && apply.dry_run == DryRun::none;
  return print_result(apply.args, resource, shown, same ? "unchanged" : "configured", apply.dry_run);
}

int apply_one(const Applying& apply, const Manifest& manifest) {
  auto resource = apply.session.find_kind(manifest.object["apiVersion"].as_string(), manifest.object["kind"].as_string());
  if (!resource) {
    fmt::print(stderr, "error: resource mapping not found for name: \"{}\" namespace: \"{}\" from \"{}\": {}\nensure CRDs are installed first\n",
               manifest.object.at({"metadata", "name"}).as_string(), manifest.object.at({"metadata", "namespace"}).as_string(),
               manifest.source, resource.error().message);
    return 1;
  }
  auto ns = namespace_for(apply.session, *resource, manifest.object);
  if (!ns) return print_error(ns.error());
  std::string name(manifest.object.at({"metadata", "name"}).as_string());
  if (name.empty())
    return print_error(base::Error{base::Reason::unknown, fmt::format("from {}: cannot use generate name with apply", manifest.source), nullptr});
  Value object = with_last_applied(manifest.object, *ns);
  auto current = apply.session.call("GET", Session::path_of(*resource, *ns, name));
  if (current) return apply_existing(apply, *resource, *ns, object, *current, manifest.source);
  if (current.error().reason != base::Reason::not_found) return print_error(current.error());
  return apply_new(apply, *resource, *ns, object, manifest.source);
}

int run_apply(Context& context) {
  auto session = context.session();
  if (!session) return print_error(session.error());
  if (context.args.on("server-side"))
    return print_error(base::Error{base::Reason::unknown, "apply --server-side is not supported yet: use apply without it", nullptr});
  auto manifests = read_manifests(context.args.all("filename"), context.args.on("recursive"));
  if (!manifests) return print_error(manifests.error());
  auto dry_run = parse_dry_run(context.args);
  if (!dry_run) return print_error(dry_run.error());
  auto query = write_query(context.args, "kubectl-client-side-apply", true);
  if (!query) return print_error(query.error());
  Applying apply{**session, context.args, *dry_run, *query};
  int code = 0;
  for (auto& manifest : *manifests) {
    if (int failed = apply_one(apply, manifest)) code = failed;
  }
  return code;
}

}  // namespace

Command apply_command() {
  return {.name = "apply", .aliases = {}, .usage = "apply -f FILE [--dry-run=client|server]",
          .summary = "Create objects from files, or change them to what the files say",
          .flags = {kFilenameFlag, kRecursiveFlag, kDryRunFlag, kOutputFlag, kValidateFlag,
                    {"server-side", Flag::Type::boolean, "Not supported yet"}},
          .run = run_apply};
}

}  // namespace cli
