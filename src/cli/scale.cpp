#include <fmt/format.h>

#include "base/strings.hpp"
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
      return print_error(base::Error{
          base::Reason::unknown, fmt::format("Expected replicas to be {}, was {}", *wanted, now), nullptr});
  }
  if (*dry_run != DryRun::client) {
    auto done = session.call("PATCH", path, *query, Value(Object{{"spec", Object{{"replicas", replicas}}}}),
                             "application/merge-patch+json");
    if (!done) return print_error(done.error());
  }
  auto object = session.call("GET", Session::path_of(target.resource, session.namespace_(), target.name));
  if (!object) return print_error(object.error());
  return print_result(session, args, target.resource, *object, "scaled", *dry_run);
}

int run_scale(Context& context) {
  const Args& args = context.args;
  auto fail = [](std::string message) {
    return print_error(base::Error{base::Reason::unknown, std::move(message), nullptr});
  };
  if (!args.given("replicas")) return fail("required flag(s) \"replicas\" not set");
  auto replicas = args.number("replicas");
  if (!replicas || *replicas < 0)
    return fail("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0");
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto found = find_objects(**session, args, args.operands);
  if (!found) return print_error(found.error());
  if (found->objects.empty()) {
    std::vector<std::string> messages;
    for (auto& error : found->errors) messages.push_back(error.message);
    std::string all = base::join(messages, ", ");
    return fail("no objects passed to scale" + (messages.empty()       ? ""
                                                : messages.size() == 1 ? " " + all
                                                                       : " [" + all + "]"));
  }
  int code = 0;
  for (auto& one : found->objects) {
    if (int failed = scale_one(**session, args, one.target, *replicas)) code = failed;
  }
  for (auto& error : found->errors) code = print_error(error);
  return code;
}

}  // namespace

Command scale_command() {
  using Type = Flag::Type;
  return {.name = "scale",
          .aliases = {},
          .usage = "scale --replicas=COUNT (TYPE NAME | TYPE/NAME | -f FILE) [--current-replicas=COUNT]",
          .summary = "Set how many pods a deployment, replica set or replication controller keeps",
          .flags = {{"replicas", Type::integer, "The new number of pods"},
                    {"current-replicas", Type::integer, "Only when it has this many now"},
                    kFilenameFlag,
                    kRecursiveFlag,
                    kSelectorFlag,
                    kAllFlag,
                    kDryRunFlag,
                    kOutputFlag},
          .run = run_scale};
}

}  // namespace cli
