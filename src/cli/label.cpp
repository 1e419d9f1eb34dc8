#include <fmt/format.h>

#include <cstdio>

#include "api/patch.hpp"
#include "base/strings.hpp"
#include "cli/command.hpp"
#include "cli/targets.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Object;
using base::Value;

// `label` and `annotate` differ in where they write and in what they call it.
struct Words {
  std::string_view one;      // label, annotation
  std::string_view member;   // labels, annotations
  std::string_view done;     // labeled
  std::string_view undone;   // unlabeled
  std::string_view manager;  // kubectl-label
  bool labels() const { return one == "label"; }
};

struct Changes {
  Object set;
  std::vector<std::string> remove;
};

struct Parsed {
  std::vector<std::string> operands;
  Changes changes;
};

base::Result<void> add_change(const Words& words, const std::string& word, Changes& changes) {
  size_t equals = word.find('=');
  if (equals == std::string::npos) {
    changes.remove.push_back(word.substr(0, word.size() - 1));
    return {};
  }
  std::string value = word.substr(equals + 1);
  if (words.labels()) {
    if (value.find('=') != std::string::npos) return usage(fmt::format("invalid label spec: {}", word));
    if (auto problems = base::check_label_value(value); !problems.empty())
      return usage(fmt::format("invalid label value: {}: {}", base::quote(word), base::join(problems, ";")));
  }
  changes.set.set(word.substr(0, equals), value);
  return {};
}

// "app=web" sets, "app-" removes, what stands before is the object.
base::Result<Parsed> parse_changes(const Words& words, const Args& args) {
  std::vector<std::string> all = args.operands;
  all.insert(all.end(), args.after_dashes.begin(), args.after_dashes.end());
  Parsed parsed;
  bool any = false;
  for (auto& word : all) {
    size_t equals = word.find('=');
    bool is_change = (equals != std::string::npos && equals > 0) ||
                     (word.ends_with('-') && word != "-" && equals == std::string::npos);
    if (is_change) {
      any = true;
      CHECK_OK(add_change(words, word, parsed.changes));
    } else if (any) {
      return usage(fmt::format("all resources must be specified before {} changes: {}", words.one, word));
    } else {
      parsed.operands.push_back(word);
    }
  }
  std::vector<std::string> both;
  for (auto& key : parsed.changes.remove) {
    if (parsed.changes.set.contains(key)) both.push_back(key);
  }
  if (!both.empty() && words.labels())
    return usage("can not both modify and remove a label in the same command");
  if (args.on("all") && args.given("selector"))
    return usage("cannot set --all and --selector at the same time");
  if (parsed.operands.empty() && !args.given("filename"))
    return usage("one or more resources must be specified as <resource> <name> or <resource>/<name>");
  if (!any && !args.on("list")) return usage(fmt::format("at least one {} update is required", words.one));
  if (!both.empty())
    return usage("can not both modify and remove the following annotation(s) in the same command: " +
                 base::join(both, ", "));
  return parsed;
}

base::Result<void> check_overwrites(const Words& words, const Value& current, const Object& set) {
  std::vector<std::string> problems;
  for (auto& entry : set) {
    const Value* old = current.as_object().find(entry.key);
    if (!old || *old == entry.value) continue;
    std::string problem = fmt::format("'{}' already has a value ({})", entry.key, old->as_string());
    problems.push_back(words.labels() ? problem + ", and --overwrite is false" : problem);
  }
  if (problems.empty()) return {};
  if (!words.labels())
    return usage("--overwrite is false but found the following declared annotation(s): " +
                 base::join(problems, "; "));
  return usage(problems.size() == 1 ? problems[0] : "[" + base::join(problems, ", ") + "]");
}

// What changes among the labels or annotations; empty when nothing does.
Object plan_patch(const Words& words, const Value& current, const Changes& changes) {
  Object patch;
  for (auto& entry : changes.set) {
    const Value* old = current.as_object().find(entry.key);
    if (!old || *old != entry.value) patch.set(entry.key, entry.value);
  }
  for (auto& key : changes.remove) {
    if (current.as_object().contains(key))
      patch.set(key, nullptr);
    else if (words.labels())
      fmt::print("label \"{}\" not found.\n", key);
  }
  return patch;
}

int change_one(Session& session, const Args& args, const Words& words, const Found& found,
               const Changes& changes) {
  const Value& current = found.object.at({"metadata", words.member});
  if (args.on("list")) {
    for (auto& label : current.as_object()) fmt::print("{}={}\n", label.key, label.value.as_string());
    return 0;
  }
  if (!args.on("overwrite")) {
    if (auto checked = check_overwrites(words, current, changes.set); !checked)
      return print_error(checked.error());
  }
  Object patch = plan_patch(words, current, changes);
  auto dry_run = parse_dry_run(args);
  auto query = write_query(args, words.manager);
  if (!dry_run || !query) return print_error(dry_run ? query.error() : dry_run.error());
  std::string verb(changes.set.empty() ? words.undone : words.done);
  if (patch.empty() && words.labels()) verb = "not labeled";
  Value body = Object{};
  if (!patch.empty()) body = Object{{"metadata", Object{{words.member, std::move(patch)}}}};
  if (*dry_run == DryRun::client)
    return print_result(session, args, found.target.resource,
                        with_sorted_members(api::apply_merge_patch(found.object, body)), verb, *dry_run);
  if (args.given("resource-version"))
    body.make({"metadata", "resourceVersion"}) = args.get("resource-version");
  // Also when there is nothing to change: the server may have a warning to give.
  auto changed =
      session.call("PATCH", Session::path_of(found.target.resource, found.namespace_, found.target.name),
                   *query, body, "application/merge-patch+json");
  if (!changed) return print_error(changed.error());
  return print_result(session, args, found.target.resource, *changed, verb, *dry_run);
}

int run_change(Context& context, const Words& words) {
  auto parsed = parse_changes(words, context.args);
  if (!parsed) return print_error(parsed.error());
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto found = find_objects(**session, context.args, parsed->operands);
  if (!found) return print_error(found.error());
  int code = 0;
  for (auto& one : found->objects) {
    if (int failed = change_one(**session, context.args, words, one, parsed->changes)) code = failed;
  }
  for (auto& error : found->errors) code = print_error(error);
  return code;
}

std::vector<Flag> change_flags() {
  return {kFilenameFlag,
          kRecursiveFlag,
          kOverwriteFlag,
          kAllFlag,
          kSelectorFlag,
          kDryRunFlag,
          kOutputFlag,
          {"resource-version", Flag::Type::string, "Only when the object has this version"},
          {"list", Flag::Type::boolean, "Print what is there instead of changing it"}};
}

int run_label(Context& context) {
  return run_change(context, {"label", "labels", "labeled", "unlabeled", "kubectl-label"});
}
int run_annotate(Context& context) {
  return run_change(context, {"annotation", "annotations", "annotated", "annotated", "kubectl-annotate"});
}

}  // namespace

Command label_command() {
  return {.name = "label",
          .aliases = {},
          .usage = "label (TYPE NAME | TYPE/NAME) KEY=VALUE ... KEY- ... [--overwrite]",
          .summary = "Set or remove labels",
          .flags = change_flags(),
          .run = run_label};
}

Command annotate_command() {
  return {.name = "annotate",
          .aliases = {},
          .usage = "annotate (TYPE NAME | TYPE/NAME) KEY=VALUE ... KEY- ... [--overwrite]",
          .summary = "Set or remove annotations",
          .flags = change_flags(),
          .run = run_annotate};
}

}  // namespace cli
