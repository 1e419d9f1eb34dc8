#include "cli/rollout.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "api/meta.hpp"
#include "api/patch.hpp"
#include "base/strings.hpp"
#include "base/time.hpp"
#include "cli/command.hpp"
#include "cli/follow.hpp"
#include "cli/targets.hpp"

namespace cli {
namespace {

using base::Object;
using base::Value;

std::string qualified(const Found& found) {
  return fmt::format("{} \"{}\"", found.target.resource.qualified_plural(), found.target.name);
}

bool is_deployment(const Found& found) {
  return found.target.resource.kind == "Deployment" && found.target.resource.group == "apps";
}
bool is_rolled(const ApiResource& resource) {
  return resource.group == "apps" &&
         (resource.kind == "Deployment" || resource.kind == "DaemonSet" || resource.kind == "StatefulSet");
}

// ---- status
// --------------------------------------------------------------------------------------------------

base::Result<RolloutState> deployment_state(const Value& object, int64_t revision) {
  const Value& spec = object["spec"];
  const Value& status = object["status"];
  auto name = api::name_of(object);
  if (revision > 0) {
    auto running =
        base::parse_int(api::annotation_of(object, "deployment.kubernetes.io/revision")).value_or(0);
    if (running != revision) {
      return usage(fmt::format("desired revision ({}) is different from the running revision ({})", revision,
                               running));
    }
  }
  if (api::generation_of(object) > status["observedGeneration"].int_or(0)) {
    return RolloutState{"Waiting for deployment spec update to be observed...\n", false};
  }
  for (auto& condition : status["conditions"].as_array()) {
    if (condition["type"].as_string() == "Progressing" &&
        condition["reason"].as_string() == "ProgressDeadlineExceeded")
      return usage(fmt::format("deployment \"{}\" exceeded its progress deadline", name));
  }
  int64_t wanted = spec["replicas"].int_or(0);
  int64_t updated = status["updatedReplicas"].int_or(0);
  int64_t all = status["replicas"].int_or(0);
  int64_t available = status["availableReplicas"].int_or(0);
  auto waiting = [&](std::string what) {
    return RolloutState{fmt::format("Waiting for deployment \"{}\" rollout to finish: {}...\n", name, what),
                        false};
  };
  if (updated < wanted)
    return waiting(fmt::format("{} out of {} new replicas have been updated", updated, wanted));
  if (all > updated) return waiting(fmt::format("{} old replicas are pending termination", all - updated));
  if (available < updated)
    return waiting(fmt::format("{} of {} updated replicas are available", available, updated));
  return RolloutState{fmt::format("deployment \"{}\" successfully rolled out\n", name), true};
}

base::Result<RolloutState> daemon_set_state(const Value& object) {
  if (object.at({"spec", "updateStrategy", "type"}).as_string() != "RollingUpdate")
    return usage("rollout status is only available for RollingUpdate strategy type");
  const Value& status = object["status"];
  auto name = api::name_of(object);
  if (api::generation_of(object) > status["observedGeneration"].int_or(0))
    return RolloutState{"Waiting for daemon set spec update to be observed...\n", false};
  int64_t wanted = status["desiredNumberScheduled"].int_or(0);
  int64_t updated = status["updatedNumberScheduled"].int_or(0);
  int64_t available = status["numberAvailable"].int_or(0);
  if (updated < wanted) {
    return RolloutState{
        fmt::format(
            "Waiting for daemon set \"{}\" rollout to finish: {} out of {} new pods have been updated...\n",
            name, updated, wanted),
        false};
  }
  if (available < wanted) {
    return RolloutState{
        fmt::format(
            "Waiting for daemon set \"{}\" rollout to finish: {} of {} updated pods are available...\n", name,
            available, wanted),
        false};
  }
  return RolloutState{fmt::format("daemon set \"{}\" successfully rolled out\n", name), true};
}

base::Result<RolloutState> stateful_set_state(const Value& object) {
  const Value& spec = object["spec"];
  const Value& status = object["status"];
  if (spec.at({"updateStrategy", "type"}).as_string() != "RollingUpdate")
    return usage("rollout status is only available for RollingUpdate strategy type");
  if (status["observedGeneration"].int_or(0) == 0 ||
      api::generation_of(object) > status["observedGeneration"].int_or(0))
    return RolloutState{"Waiting for statefulset spec update to be observed...\n", false};
  int64_t wanted = spec["replicas"].int_or(0);
  int64_t ready = status["readyReplicas"].int_or(0);
  int64_t updated = status["updatedReplicas"].int_or(0);
  if (ready < wanted)
    return RolloutState{fmt::format("Waiting for {} pods to be ready...\n", wanted - ready), false};
  if (int64_t partition = spec.at({"updateStrategy", "rollingUpdate", "partition"}).int_or(0);
      partition > 0) {
    if (updated < wanted - partition) {
      return RolloutState{
          fmt::format("Waiting for partitioned roll out to finish: {} out of {} new pods have been "
                      "updated...\n",
                      updated, wanted - partition),
          false};
    }
    return RolloutState{
        fmt::format("partitioned roll out complete: {} new pods have been updated...\n", updated), true};
  }
  auto target = status["updateRevision"].as_string();
  if (target != status["currentRevision"].as_string()) {
    return RolloutState{
        fmt::format("waiting for statefulset rolling update to complete {} pods at revision {}...\n", updated,
                    target),
        false};
  }
  return RolloutState{fmt::format("statefulset rolling update complete {} pods at revision {}...\n",
                                  status["currentReplicas"].int_or(0), status["currentRevision"].as_string()),
                      true};
}

int show_status(Session& session, const Args& args, const Found& found) {
  const ApiResource& resource = found.target.resource;
  if (!is_rolled(resource)) return fail(fmt::format("no status viewer has been implemented for {}", resource.kind));
  Deadline deadline;
  auto limit = base::parse_duration(args.get("timeout"));
  if (limit && limit->count() > 0) deadline = std::chrono::steady_clock::now() + *limit;
  const bool once = args.get("watch") == "false";
  const int64_t revision = args.number("revision").value_or(0);
  auto done = follow_object(session, resource, found.namespace_, found.target.name, deadline,
                            [&](const Value* object) -> base::Result<bool> {
                              if (!object) return usage("object has been deleted");
                              TRY(auto state, rollout_state(*object, revision));
                              fmt::print("{}", state.text);
                              std::fflush(stdout);
                              return state.done || once;
                            });
  if (!done) return print_error(done.error());
  if (!*done) return fail("timed out waiting for the condition");
  return 0;
}

// ---- pause, resume, restart
// ----------------------------------------------------------------------------------

int change(Session& session, const Args& args, const Found& found, const Value& patch,
           std::string_view verb) {
  auto dry_run = parse_dry_run(args);
  auto query = write_query(args, "kubectl-rollout");
  if (!dry_run || !query) return print_error(dry_run ? query.error() : dry_run.error());
  Value object = found.object;
  if (*dry_run != DryRun::client) {
    auto changed =
        session.call("PATCH", Session::path_of(found.target.resource, found.namespace_, found.target.name),
                     *query, patch, "application/strategic-merge-patch+json");
    if (!changed) return fail("failed to patch: " + changed.error().message);
    object = std::move(*changed);
  }
  return print_result(session, args, found.target.resource, object, verb, *dry_run);
}

int refuse(const Found& found, std::string_view why) {
  return fail(fmt::format("{} {}", qualified(found), why));
}

int set_paused(Session& session, const Args& args, const Found& found, bool paused) {
  if (!is_deployment(found))
    return refuse(found, paused ? "pausing is not supported" : "resuming is not supported");
  const bool is = found.object.at({"spec", "paused"}).as_bool();
  if (is == paused) return refuse(found, paused ? "is already paused" : "is not paused");
  Value patch = Object{{"spec", Object{{"paused", paused ? Value(true) : Value()}}}};
  return change(session, args, found, patch, paused ? "paused" : "resumed");
}

int pause_rollout(Session& session, const Args& args, const Found& found) {
  return set_paused(session, args, found, true);
}
int resume_rollout(Session& session, const Args& args, const Found& found) {
  return set_paused(session, args, found, false);
}

int restart_rollout(Session& session, const Args& args, const Found& found) {
  if (!is_rolled(found.target.resource)) return refuse(found, "restarting is not supported");
  if (found.object.at({"spec", "paused"}).as_bool())
    return refuse(found, "can't restart paused deployment (run rollout resume first)");
  Value patch;
  auto now = std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
  patch.make({"spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"}) =
      base::format_time(now);
  return change(session, args, found, patch, "restarted");
}

// ---- the command
// ---------------------------------------------------------------------------------------------

struct Verb {
  std::string_view name;
  int (*run)(Session&, const Args&, const Found&);
};
constexpr Verb kVerbs[] = {{"history", show_history},  {"pause", pause_rollout}, {"restart", restart_rollout},
                           {"resume", resume_rollout}, {"status", show_status},  {"undo", undo_rollout}};

int run_rollout(Context& context) {
  const Args& args = context.args;
  if (args.operands.empty()) {
    fmt::print(
        "Manage the rollout of one or many resources.\n\nUsage:\n  kubectl rollout "
        "(history|pause|restart|resume|status|undo) (TYPE NAME | TYPE/NAME | -f FILE)\n");
    return 0;
  }
  const Verb* verb = nullptr;
  for (const Verb& known : kVerbs) {
    if (args.operands[0] == known.name) verb = &known;
  }
  if (!verb) return usage_error("rollout", fmt::format("unknown command \"{}\"", args.operands[0]));
  std::span<const std::string> operands(args.operands);
  operands = operands.subspan(1);
  if (operands.empty() && !args.given("filename"))
    return fail("required resource not specified");
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto found = find_objects(**session, args, operands, true);
  if (!found) return print_error(found.error());
  int code = 0;
  for (auto& one : found->objects) {
    if (int failed = verb->run(**session, args, one)) code = failed;
  }
  for (auto& error : found->errors) code = print_error(error);
  return code;
}

}  // namespace

base::Result<RolloutState> rollout_state(const Value& object, int64_t revision) {
  auto kind = api::kind_of(object);
  if (kind == "DaemonSet") return daemon_set_state(object);
  if (kind == "StatefulSet") return stateful_set_state(object);
  return deployment_state(object, revision);
}

Command rollout_command() {
  using Type = Flag::Type;
  return {.name = "rollout",
          .aliases = {},
          .usage = "rollout (history|pause|restart|resume|status|undo) (TYPE NAME | TYPE/NAME | -f FILE)",
          .summary = "Follow and steer the rollout of a deployment",
          .flags = {kFilenameFlag,
                    kRecursiveFlag,
                    kSelectorFlag,
                    kDryRunFlag,
                    kOutputFlag,
                    {"watch", Type::boolean, "Of status: until it is done (default true)", 'w', "true"},
                    {"timeout", Type::string, "Of status: how long at most: 30s; 0: as long as it takes", 0,
                     "0s"},
                    {"revision", Type::integer, "Of history and status: this revision", 0, "0"},
                    {"to-revision", Type::integer, "Of undo: to this revision; 0: to the last one", 0, "0"}},
          .run = run_rollout};
}

}  // namespace cli
