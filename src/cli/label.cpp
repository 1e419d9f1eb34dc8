#include <fmt/format.h>

#include <cstdio>

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
  std::string_view member;   // labels, annotations
  std::string_view done;     // labeled
  std::string_view undone;   // unlabeled
  std::string_view manager;  // kubectl-label
};

struct Changes {
  Object set;
  std::vector<std::string> remove;
};

struct Parsed {
  std::vector<std::string> operands;
  Changes changes;
};

// "app=web" sets, "app-" removes, what stands before is the object.
base::Result<Parsed> parse_changes(const Args& args) {
  Parsed parsed;
  for (auto& word : args.operands) {
    size_t equals = word.find('=');
    bool removal = word.ends_with('-') && equals == std::string::npos;
    bool is_change = equals != std::string::npos || (removal && !parsed.operands.empty());
    if (!is_change) {
      if (!parsed.changes.set.empty() || !parsed.changes.remove.empty())
        return base::fail(base::Reason::unknown, fmt::format("all resources must be specified before label changes: {}", word));
      parsed.operands.push_back(word);
    } else if (removal) {
      parsed.changes.remove.push_back(word.substr(0, word.size() - 1));
    } else {
      parsed.changes.set.set(word.substr(0, equals), word.substr(equals + 1));
    }
  }
  if (parsed.changes.set.empty() && parsed.changes.remove.empty() && !args.on("list"))
    return base::fail(base::Reason::unknown, "at least one label update is required");
  return parsed;
}

// The merge patch, empty when nothing would change.
base::Result<Object> plan_patch(const Value& object, const Changes& changes, std::string_view member, bool overwrite) {
  const Value& current = object.at({"metadata", member});
  Object patch;
  for (auto& entry : changes.set) {
    const Value* old = current.as_object().find(entry.key);
    if (old && *old == entry.value) continue;
    if (old && !overwrite)
      return base::fail(base::Reason::unknown, fmt::format("'{}' already has a value ({}), and --overwrite is false", entry.key, old->as_string()));
    patch.set(entry.key, entry.value);
  }
  for (auto& key : changes.remove) {
    if (current.as_object().contains(key)) patch.set(key, nullptr);
    else fmt::print("label \"{}\" not found.\n", key);
  }
  return patch;
}

int change_one(Session& session, const Args& args, const Words& words, const Target& target, const Value& object, const Changes& changes) {
  if (args.on("list")) {
    for (auto& label : object.at({"metadata", words.member}).as_object()) fmt::print("{}={}\n", label.key, label.value.as_string());
    return 0;
  }
  auto patch = plan_patch(object, changes, words.member, args.on("overwrite"));
  if (!patch) return print_error(patch.error());
  auto dry_run = parse_dry_run(args);
  if (!dry_run) return print_error(dry_run.error());
  if (patch->empty()) return print_result(args, target.resource, object, fmt::format("not {}", words.done), *dry_run);
  std::string verb(changes.set.empty() ? words.undone : words.done);
  Value body = Object{{"metadata", Object{{words.member, std::move(*patch)}}}};
  if (*dry_run == DryRun::client) return print_result(args, target.resource, object, verb, *dry_run);
  auto query = write_query(args, words.manager);
  if (!query) return print_error(query.error());
  auto changed = session.call("PATCH", Session::path_of(target.resource, object.at({"metadata", "namespace"}).as_string(), target.name),
                              *query, body, "application/merge-patch+json");
  if (!changed) return print_error(changed.error());
  return print_result(args, target.resource, *changed, verb, *dry_run);
}

int run_change(Context& context, const Words& words) {
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto parsed = parse_changes(context.args);
  if (!parsed) return print_error(parsed.error());
  auto targets = parse_targets(**session, parsed->operands);
  if (!targets) return print_error(targets.error());
  int code = 0;
  for (auto& target : *targets) {
    if (!target.name.empty()) {
      auto object = (*session)->call("GET", Session::path_of(target.resource, (*session)->namespace_(), target.name));
      int failed = object ? change_one(**session, context.args, words, target, *object, parsed->changes) : print_error(object.error());
      if (failed) code = failed;
      continue;
    }
    if (!context.args.on("all") && !context.args.given("selector"))
      return print_error(base::Error{base::Reason::unknown, "one or more resources must be specified as <resource> <name> or <resource>/<name>", nullptr});
    net::Query query;
    if (context.args.given("selector")) query.add("labelSelector", context.args.get("selector"));
    auto list = (*session)->call("GET", Session::path_of(target.resource, (*session)->namespace_()), query);
    if (!list) return print_error(list.error());
    for (auto& item : (*list)["items"].as_array()) {
      Target one{target.resource, std::string(item.at({"metadata", "name"}).as_string())};
      if (int failed = change_one(**session, context.args, words, one, item, parsed->changes)) code = failed;
    }
  }
  return code;
}

std::vector<Flag> change_flags() {
  return {kOverwriteFlag, kAllFlag, kSelectorFlag, kDryRunFlag, kOutputFlag,
          {"list", Flag::Type::boolean, "Print what is there instead of changing it"}};
}

int run_label(Context& context) { return run_change(context, {"labels", "labeled", "unlabeled", "kubectl-label"}); }
int run_annotate(Context& context) { return run_change(context, {"annotations", "annotated", "annotated", "kubectl-annotate"}); }

}  // namespace

Command label_command() {
  return {.name = "label", .aliases = {}, .usage = "label (TYPE NAME | TYPE/NAME) KEY=VALUE ... KEY- ... [--overwrite]",
          .summary = "Set or remove labels", .flags = change_flags(), .run = run_label};
}

Command annotate_command() {
  return {.name = "annotate", .aliases = {}, .usage = "annotate (TYPE NAME | TYPE/NAME) KEY=VALUE ... KEY- ... [--overwrite]",
          .summary = "Set or remove annotations", .flags = change_flags(), .run = run_annotate};
}

}  // namespace cli
