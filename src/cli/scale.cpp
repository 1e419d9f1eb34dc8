#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/targets.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Object;
using base::Value;

int scale_one(Session& session, const Args& args, const Target& target, int64_t replicas) {
  std::string path = Session::path_of(target.resource, session.namespace_(), target.name, "scale");
  auto dry_run = parse_dry_run(args);
  auto query = write_query(args, "kubectl-scale");
  if (!dry_run || !query) return print_error(dry_run ? query.error() : dry_run.error());
  if (auto wanted = args.number("current-replicas"); wanted && *wanted >= 0) {
    auto scale = session.call("GET", path);
    if (!scale) return print_error(scale.error());
    if (int64_t now = scale->at({"spec", "replicas"}).int_or(0); now != *wanted)
      return print_error(base::Error{base::Reason::unknown, fmt::format("Expected replicas to be {}, was {}", *wanted, now), nullptr});
  }
  if (*dry_run != DryRun::client) {
    auto done = session.call("PATCH", path, *query, Value(Object{{"spec", Object{{"replicas", replicas}}}}), "application/merge-patch+json");
    if (!done) return print_error(done.error());
  }
  auto object = session.call("GET", Session::path_of(target.resource, session.namespace_(), target.name));
  if (!object) return print_error(object.error());
  return print_result(args, target.resource, *object, "scaled", *dry_run);
}

int run_scale(Context& context) {
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto replicas = context.args.number("replicas");
  if (!replicas || *replicas < 0)
    return print_error(base::Error{base::Reason::unknown, "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0", nullptr});
  std::vector<Target> targets;
  if (context.args.given("filename")) {
    auto manifests = read_manifests(context.args.all("filename"), context.args.on("recursive"));
    if (!manifests) return print_error(manifests.error());
    for (auto& manifest : *manifests) {
      auto resource = (*session)->find_kind(manifest.object["apiVersion"].as_string(), manifest.object["kind"].as_string());
      if (!resource) return print_error(resource.error());
      targets.push_back({*resource, std::string(manifest.object.at({"metadata", "name"}).as_string())});
    }
  } else {
    auto parsed = parse_targets(**session, context.args.operands);
    if (!parsed) return print_error(parsed.error());
    targets = std::move(*parsed);
  }
  int code = 0;
  for (auto& target : targets) {
    if (target.name.empty()) return print_error(base::Error{base::Reason::unknown, "resource(s) were provided, but no name was specified", nullptr});
    if (int failed = scale_one(**session, context.args, target, *replicas)) code = failed;
  }
  return code;
}

}  // namespace

Command scale_command() {
  using Type = Flag::Type;
  return {.name = "scale", .aliases = {}, .usage = "scale --replicas=COUNT (TYPE NAME | TYPE/NAME | -f FILE) [--current-replicas=COUNT]",
          .summary = "Set how many pods a replication controller keeps",
          .flags = {{"replicas", Type::integer, "The new number of pods"},
                    {"current-replicas", Type::integer, "Only when it has this many now"},
                    kFilenameFlag, kRecursiveFlag, kDryRunFlag, kOutputFlag},
          .run = run_scale};
}

}  // namespace cli
