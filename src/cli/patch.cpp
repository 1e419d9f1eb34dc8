#include "api/patch.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "api/strategic.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/yaml.hpp"
#include "cli/command.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Value;

struct Patch {
  std::string type;
  Value value;
  std::string media_type() const {
    if (type == "json") return "application/json-patch+json";
    return type == "merge" ? "application/merge-patch+json" : "application/strategic-merge-patch+json";
  }
};

base::Result<Patch> read_patch(const Args& args) {
  Patch patch;
  patch.type = args.get("type");
  if (patch.type != "json" && patch.type != "merge" && patch.type != "strategic")
    return usage(
        fmt::format("--type must be one of [json merge strategic], not {}", base::quote(patch.type)));
  std::string text = args.get("patch");
  if (args.given("patch") && args.given("patch-file"))
    return usage("cannot specify --patch and --patch-file together");
  if (args.given("patch-file")) {
    std::ifstream in(args.get("patch-file"), std::ios::binary);
    if (!in)
      return usage(fmt::format("unable to read patch file: open {}: no such file or directory",
                               args.get("patch-file")));
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  if (text.empty()) return usage("must specify --patch or --patch-file containing the contents of the patch");
  auto value = base::parse_json(text);
  if (!value) value = base::parse_yaml(text);
  if (!value) return usage(fmt::format("unable to parse {}: {}", base::quote(text), value.error().message));
  patch.value = std::move(*value);
  return patch;
}

base::Result<Value> apply_here(Session& session, const ApiResource& resource, const Value& object,
                               const Patch& patch) {
  if (patch.type == "json") return api::apply_json_patch(object, patch.value);
  if (patch.type == "merge") return api::apply_merge_patch(object, patch.value);
  auto kind = session.builtin_kind(resource);
  if (!kind)
    return usage(fmt::format("strategic merge patch is not supported for {}, use --type=merge",
                             resource.qualified_plural()));
  return api::apply_strategic_merge_patch(object, patch.value, *kind->schema);
}

int patch_one(Session& session, const Args& args, const Found& found, const Patch& patch) {
  const auto& resource = found.target.resource;
  auto dry_run = parse_dry_run(args);
  auto query = write_query(args, "kubectl-patch");
  if (!dry_run || !query) return print_error(dry_run ? query.error() : dry_run.error());
  auto changed = *dry_run == DryRun::client || args.on("local")
                     ? apply_here(session, resource, found.object, patch)
                     : session.call("PATCH",
                                    Session::path_of(resource, found.namespace_, found.target.name,
                                                     args.get("subresource")),
                                    *query, patch.value, patch.media_type());
  if (!changed) return print_error(changed.error());
  std::string_view verb = *changed == found.object ? "patched (no change)" : "patched";
  // A rehearsal is not called one here: kubectl 1.33 does not.
  return print_result(session, args, resource, *changed, verb, DryRun::none);
}

int run_patch(Context& context) {
  const Args& args = context.args;
  auto patch = read_patch(args);
  if (!patch) return print_error(patch.error());
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto found = find_objects(**session, args, args.operands);
  if (!found) return print_error(found.error());
  if (found->objects.empty() && found->errors.empty()) return fail("no objects passed to patch");
  int code = 0;
  for (auto& one : found->objects) {
    if (int failed = patch_one(**session, args, one, *patch)) code = failed;
  }
  for (auto& error : found->errors) code = print_error(error);
  return code;
}

}  // namespace

Command patch_command() {
  using Type = Flag::Type;
  return {.name = "patch",
          .aliases = {},
          .usage = "patch (TYPE NAME | TYPE/NAME | -f FILE) (-p PATCH | --patch-file FILE) [--type=TYPE]",
          .summary = "Change fields of an object",
          .flags = {{"patch", Type::string, "The patch, as JSON or YAML", 'p'},
                    {"patch-file", Type::string, "A file with the patch"},
                    {"type", Type::string, "strategic, merge or json", 0, "strategic"},
                    {"subresource", Type::string, "status, scale, ..."},
                    {"local", Type::boolean, "Only here: show what would come of it"},
                    kFilenameFlag,
                    kRecursiveFlag,
                    kDryRunFlag,
                    kOutputFlag},
          .run = run_patch};
}

}  // namespace cli
