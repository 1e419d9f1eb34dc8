#include <fmt/format.h>

#include "api/strategic.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "cli/apply_server.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Object;
using base::Value;

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

// The manifest as it is sent: with itself, without that annotation, in the annotation.
Value with_last_applied(const Value& manifest, const std::string& ns) {
  Value object = manifest;
  if (!ns.empty()) object.make({"metadata", "namespace"}) = ns;
  Value& annotations = object.make({"metadata", "annotations"});
  if (!annotations.is_object()) annotations = Object{};
  annotations.object().erase(kLastApplied);
  std::string text = base::write_json(with_sorted_members(object)) + "\n";
  annotations.object().set(kLastApplied, text);
  return with_sorted_members(object);
}

struct Applying {
  Session& session;
  const Args& args;
  DryRun dry_run;
  net::Query query;
  base::Array* collected;  // what -o yaml and -o json print in the end

  int show(const ApiResource& resource, const Value& object, std::string_view verb) const {
    std::string output = args.get("output");
    if (output.empty() || output == "name")
      return print_result(session, args, resource, object, verb, dry_run);
    collected->push_back(object);
    return 0;
  }
};

// `Resource: ..., GroupVersionKind: ...` and `Name: ..., Namespace: ...`, as kubectl puts it into errors.
std::string identity(const ApiResource& resource, const std::string& ns, std::string_view name) {
  return fmt::format(
      "Resource: \"{0}/{1}, Resource={2}\", GroupVersionKind: \"{0}/{1}, Kind={3}\"\nName: \"{4}\", "
      "Namespace: \"{5}\"",
      resource.group, resource.version, resource.plural, resource.kind, name, ns);
}

int apply_new(const Applying& apply, const ApiResource& resource, const std::string& ns, const Value& object,
              const std::string& where) {
  Value shown = object;
  if (apply.dry_run != DryRun::client) {
    auto created = apply.session.call("POST", Session::path_of(resource, ns), apply.query, object);
    if (!created) return print_error(created.error(), "error when creating \"" + where + "\"");
    shown = std::move(*created);
  }
  return apply.show(resource, shown, "created");
}

int apply_existing(const Applying& apply, const ApiResource& resource, const std::string& ns,
                   const Value& object, const Value& current, const std::string& where) {
  std::string name(object.at({"metadata", "name"}).as_string());
  if (apply.dry_run == DryRun::client) return apply.show(resource, current, "configured");
  Value last;
  if (auto text = current.at({"metadata", "annotations", kLastApplied}).as_string(); !text.empty()) {
    if (auto parsed = base::parse_json(text)) last = std::move(*parsed);
  } else {
    fmt::print(stderr,
               "Warning: resource {}/{} is missing the {} annotation which is required by kubectl apply. "
               "kubectl apply should only be "
               "used on resources created declaratively by either kubectl create --save-config or kubectl "
               "apply. The missing "
               "annotation will be patched automatically.\n",
               resource.qualified_plural(), name, kLastApplied);
  }
  auto kind = apply.session.builtin_kind(resource);
  base::Result<Value> patch = kind && kind->schema
                                  ? api::three_way_merge_patch(last, object, current, *kind->schema)
                                  : api::three_way_json_merge_patch(last, object, current);
  if (!patch) return print_error(patch.error(), "error when creating patch with \"" + where + "\"");
  if (patch->as_object().empty()) return apply.show(resource, current, "unchanged");
  Value body = with_sorted_members(*patch);
  auto changed =
      apply.session.call("PATCH", Session::path_of(resource, ns, name), apply.query, body,
                         kind ? "application/strategic-merge-patch+json" : "application/merge-patch+json");
  if (!changed)
    return print_error(
        changed.error(),
        fmt::format("error when applying patch:\n{}\nto:\n{}\nfor: \"{}\": error when patching \"{}\"",
                    base::write_json(body), identity(resource, ns, name), where, where));
  return apply.show(resource, *changed, "configured");
}

int apply_by_server(const Applying& apply, const ApiResource& resource, const std::string& ns,
                    const Value& manifest) {
  Value object = manifest;
  if (!ns.empty()) object.make({"metadata", "namespace"}) = ns;
  auto applied =
      apply_on_server(apply.session, resource, ns, object, apply.query, apply.dry_run == DryRun::server);
  if (applied) return apply.show(resource, *applied, "serverside-applied");
  auto error = applied.error();
  if (error.reason == base::Reason::conflict && error.details && !error.details->causes.empty() &&
      error.details->causes[0].reason == "FieldManagerConflict") {
    error.reason = base::Reason::unknown;
    error.details = nullptr;  // as kubectl has it: "error: ...", without a server
    error.message +=
        "\nOthers own these fields. Either\n"
        "* take the fields over: run the command again with --force-conflicts, or\n"
        "* leave them to their owners: take them out of your manifest, or\n"
        "* share them: write the values that they have now.";
  }
  return print_error(error);
}

int apply_one(const Applying& apply, const Manifest& manifest) {
  if (int failed = check_typed(manifest)) return failed;
  auto resource =
      apply.session.find_kind(manifest.object["apiVersion"].as_string(), manifest.object["kind"].as_string());
  if (!resource) {
    fmt::print(stderr,
               "error: resource mapping not found for name: \"{}\" namespace: \"{}\" from \"{}\": {}\nensure "
               "CRDs are installed first\n",
               manifest.object.at({"metadata", "name"}).as_string(),
               manifest.object.at({"metadata", "namespace"}).as_string(), manifest.source,
               resource.error().message);
    return 1;
  }
  auto ns = namespace_for(apply.session, *resource, manifest.object);
  if (!ns) return print_error(ns.error());
  std::string name(manifest.object.at({"metadata", "name"}).as_string()),
      generate(manifest.object.at({"metadata", "generateName"}).as_string());
  if (name.empty())
    return print_error(base::Error{
        base::Reason::unknown,
        generate.empty() ? fmt::format("error when retrieving current configuration of:\n{}\nfrom server "
                                       "for: \"{}\": resource name may not be empty",
                                       identity(*resource, *ns, ""), manifest.source)
                         : fmt::format("from {}: cannot use generate name with apply", generate),
        nullptr});
  if (apply.args.on("server-side")) return apply_by_server(apply, *resource, *ns, manifest.object);
  Value object = with_last_applied(manifest.object, *ns);
  auto current = apply.session.call("GET", Session::path_of(*resource, *ns, name));
  if (current) return apply_existing(apply, *resource, *ns, object, *current, manifest.source);
  if (current.error().reason != base::Reason::not_found) return print_error(current.error());
  return apply_new(apply, *resource, *ns, object, manifest.source);
}

base::Result<void> check_server_side(const Args& args) {
  auto wrong = [](std::string what) { return base::fail(base::Reason::unknown, std::move(what)); };
  if (!args.on("server-side")) {
    if (args.on("force-conflicts")) return wrong("--force-conflicts only works with --server-side");
    return {};
  }
  auto dry_run = parse_dry_run(args);
  if (dry_run && *dry_run == DryRun::client)
    return wrong("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)");
  return {};
}

int run_apply(Context& context) {
  if (!context.args.operands.empty())
    return usage_error("apply", fmt::format("Unexpected args: [{}]", base::join(context.args.operands, " ")));
  auto session = context.session();
  if (!session) return print_error(session.error());
  const bool by_server = context.args.on("server-side");
  if (auto wrong = check_server_side(context.args); !wrong) return print_error(wrong.error());
  auto manifests = read_manifests(context.args.all("filename"), context.args.on("recursive"), "apply");
  if (!manifests) return print_error(manifests.error());
  auto dry_run = parse_dry_run(context.args);
  if (!dry_run) return print_error(dry_run.error());
  std::string manager = context.args.get("field-manager");
  if (manager.empty()) manager = by_server ? "kubectl" : "kubectl-client-side-apply";
  auto query = write_query(context.args, manager, true);
  if (!query) return print_error(query.error());
  if (by_server) query->add("force", context.args.on("force-conflicts") ? "true" : "false");
  base::Array collected;
  Applying apply{**session, context.args, *dry_run, *query, &collected};
  int code = 0;
  for (auto& manifest : *manifests) {
    if (int failed = apply_one(apply, manifest)) code = failed;
  }
  if (collected.empty()) return code;
  Value shown =
      collected.size() == 1
          ? collected[0]
          : Value(
                Object{{"apiVersion", "v1"}, {"items", collected}, {"kind", "List"}, {"metadata", Object{}}});
  auto format = parse_output(context.args.get("output"));
  auto text =
      format ? format_object(*format, shown) : base::Result<std::string>(std::unexpected(format.error()));
  if (!text) return print_error(text.error());
  fmt::print("{}", *text);
  return code;
}

}  // namespace

Command apply_command() {
  return {.name = "apply",
          .aliases = {},
          .usage = "apply -f FILE [--server-side [--force-conflicts]] [--dry-run=client|server]",
          .summary = "Create objects from files, or change them to what the files say",
          .flags = {kFilenameFlag,
                    kRecursiveFlag,
                    kDryRunFlag,
                    kOutputFlag,
                    kValidateFlag,
                    {"server-side", Flag::Type::boolean,
                     "The server merges, field by field, and keeps who owns which"},
                    {"force-conflicts", Flag::Type::boolean, "Take fields over that others own"},
                    {"field-manager", Flag::Type::string, "The name under which the fields are owned"}},
          .run = run_apply};
}

}  // namespace cli
