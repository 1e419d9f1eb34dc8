#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "api/meta.hpp"
#include "base/jsonpath.hpp"
#include "base/strings.hpp"
#include "base/time.hpp"
#include "cli/command.hpp"
#include "cli/follow.hpp"
#include "cli/output.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Value;

struct Goal {
  enum class Kind { created, deleted, condition, path } kind = Kind::condition;
  std::string name;   // of the condition, or the path
  std::string value;  // that it must have; of a path: any when empty
};

// "'{.status.phase}'=Running": quotes and braces may be left out.
base::Result<Goal> parse_path(const std::string& text, const std::string& whole) {
  Goal goal{.kind = Goal::Kind::path, .name = text, .value = ""};
  // The first = behind the expression's end; one in a filter is part of it.
  size_t close = text.rfind('}');
  size_t equals = text.find('=', close == std::string::npos ? 0 : close);
  if (equals != std::string::npos) {
    goal.name = text.substr(0, equals);
    goal.value = text.substr(equals + 1);
    if (goal.value.empty()) return usage("jsonpath wait value cannot be empty");
  }
  if (goal.name.empty())
    return usage(
        fmt::format("jsonpath wait format must be --for=jsonpath='{{.status.readyReplicas}}'=3 or "
                    "--for=jsonpath='{{.status.readyReplicas}}', not {}",
                    whole));
  auto strip = [](std::string& piece) {
    if (piece.size() >= 2 && (piece.front() == '\'' || piece.front() == '"') && piece.back() == piece.front())
      piece = piece.substr(1, piece.size() - 2);
  };
  strip(goal.name);
  strip(goal.value);
  goal.name = base::relaxed_jsonpath(goal.name);
  return goal;
}

base::Result<Goal> parse_goal(const std::string& text) {
  if (base::to_lower(text) == "delete") return Goal{.kind = Goal::Kind::deleted, .name = "", .value = ""};
  if (base::to_lower(text) == "create") return Goal{.kind = Goal::Kind::created, .name = "", .value = ""};
  if (text.starts_with("condition=")) {
    std::string name = text.substr(10);
    std::string value = "true";
    if (size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    return Goal{.kind = Goal::Kind::condition, .name = name, .value = value};
  }
  if (text.starts_with("jsonpath=")) return parse_path(text.substr(9), text);
  return usage(fmt::format("unrecognized condition: {}", base::quote(text)));
}

bool has_condition(const Goal& goal, const Value& object) {
  for (auto& condition : object.at({"status", "conditions"}).as_array()) {
    if (base::to_lower(condition["type"].as_string()) != base::to_lower(goal.name)) continue;
    // A condition of an older spec says nothing about this one.
    auto observed =
        condition["observedGeneration"].int_or(object.at({"status", "observedGeneration"}).int_or(-1));
    if (observed >= 0 && observed < api::generation_of(object)) return false;
    return base::to_lower(condition["status"].as_string()) == base::to_lower(goal.value);
  }
  return false;
}

base::Result<bool> is_there(const Goal& goal, const Value* object, const std::string& uid) {
  if (goal.kind == Goal::Kind::deleted) return !object || (!uid.empty() && api::uid_of(*object) != uid);
  if (!object) return false;
  if (goal.kind == Goal::Kind::created) return true;
  if (goal.kind == Goal::Kind::condition) return has_condition(goal, *object);
  auto values = base::select_jsonpath(goal.name, *object);
  if (!values || values->empty()) return false;
  if (goal.value.empty()) return true;
  if (values->size() > 1) return usage("given jsonpath expression matches more than one value");
  if (values->front().is_object() || values->front().is_array())
    return usage("jsonpath leads to a nested object or list, but only simple values can be compared");
  return base::jsonpath_text(values->front()) == goal.value;
}

int wait_for(Session& session, const Args& args, const Found& found, const Goal& goal,
             const Deadline& deadline) {
  const auto& resource = found.target.resource;
  const std::string uid(api::uid_of(found.object));
  Value last = found.object;
  auto done = follow_object(
      session, resource, found.namespace_, found.target.name, deadline,
      [&](const Value* object) -> base::Result<bool> {
        if (object) last = *object;
        if (!object && goal.kind != Goal::Kind::deleted && goal.kind != Goal::Kind::created &&
            !last.is_null())
          return base::fail(
              base::Reason::not_found,
              fmt::format("{} \"{}\" not found", resource.qualified_plural(), found.target.name));
        return is_there(goal, object, uid);
      });
  if (!done) return print_error(done.error());
  if (!*done)
    return fail(
        fmt::format("timed out waiting for the condition on {}/{}", resource.plural, found.target.name));
  int code = print_result(session, args, resource, last, "condition met", DryRun::none);
  std::fflush(stdout);
  return code;
}

// What is waited for need not be there yet, or no longer.
base::Result<FoundObjects> find_for(Session& session, const Args& args, const Goal& goal) {
  TRY(auto found, find_objects(session, args, args.operands));
  if (goal.kind == Goal::Kind::created || goal.kind == Goal::Kind::deleted) {
    std::erase_if(found.errors,
                  [](const base::Error& error) { return error.reason == base::Reason::not_found; });
  }
  return found;
}

int run_wait(Context& context) {
  const Args& args = context.args;
  auto goal = parse_goal(args.get("for"));
  if (!goal) return print_error(goal.error());
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto limit = base::parse_duration(args.get("timeout"));
  if (!limit)
    return fail(fmt::format("invalid argument {} for \"--timeout\" flag: time: invalid duration",
                            base::quote(args.get("timeout"))));
  // Zero: one look. Less: a week.
  auto time = limit->count() < 0 ? std::chrono::nanoseconds(std::chrono::hours(168)) : *limit;
  Deadline deadline = std::chrono::steady_clock::now() + time;
  auto found = find_for(**session, args, *goal);
  if (goal->kind == Goal::Kind::created && found && found->objects.empty()) {
    auto targets = parse_targets(**session, args.operands);
    if (!targets) return print_error(targets.error());
    for (auto& target : *targets) {
      if (!target.name.empty()) found->objects.push_back({target, (*session)->namespace_(), Value()});
    }
  }
  if (!found) return print_error(found.error());
  int code = 0;
  for (auto& one : found->objects) {
    if (int failed = wait_for(**session, args, one, *goal, deadline)) code = failed;
  }
  for (auto& error : found->errors) code = print_error(error);
  if (found->objects.empty() && found->errors.empty() && goal->kind != Goal::Kind::deleted)
    return fail("no matching resources found");
  return code;
}

}  // namespace

Command wait_command() {
  using Type = Flag::Type;
  return {.name = "wait",
          .aliases = {},
          .usage =
              "wait (TYPE NAME | TYPE/NAME | TYPE -l LABEL | -f FILE) "
              "--for=(create|delete|condition=NAME[=VALUE]|"
              "jsonpath=PATH[=VALUE])",
          .summary = "Wait until objects are as they should be",
          .flags = {{"for", Type::string, "create, delete, condition=NAME[=VALUE], jsonpath=PATH[=VALUE]"},
                    {"timeout", Type::string, "How long at most; 0: look once; negative: a week", 0, "30s"},
                    kFilenameFlag,
                    kRecursiveFlag,
                    kSelectorFlag,
                    kAllFlag,
                    kOutputFlag},
          .run = run_wait};
}

}  // namespace cli
