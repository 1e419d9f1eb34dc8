#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "base/time.hpp"
#include "cli/command.hpp"
#include "cli/targets.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using namespace std::chrono_literals;
using base::Object;
using base::Value;

struct Doomed {
  Target target;
  std::string namespace_;
  std::string uid;
  std::string file;  // of -f
};

base::Result<std::vector<Doomed>> collect(Session& session, const Args& args) {
  std::vector<Doomed> out;
  if (args.given("filename")) {
    TRY(auto manifests, read_manifests(args.all("filename"), args.on("recursive")));
    for (auto& manifest : manifests) {
      auto found =
          session.find_kind(manifest.object["apiVersion"].as_string(), manifest.object["kind"].as_string());
      if (!found)
        return usage(
            fmt::format("resource mapping not found for name: \"{}\" namespace: \"{}\" from \"{}\": "
                        "{}\nensure CRDs are installed first",
                        manifest.object.at({"metadata", "name"}).as_string(),
                        manifest.object.at({"metadata", "namespace"}).as_string(), manifest.source,
                        found.error().message));
      ApiResource resource = std::move(*found);
      TRY(std::string ns, namespace_for(session, resource, manifest.object));
      out.push_back({{resource, std::string(manifest.object.at({"metadata", "name"}).as_string())},
                     ns,
                     "",
                     manifest.source});
    }
    return out;
  }
  TRY(auto targets, parse_targets(session, args.operands));
  for (auto& target : targets) {
    std::string ns = target.resource.namespaced ? session.namespace_() : "";
    if (!target.name.empty()) {
      if (args.on("all") || args.given("selector") || args.given("field-selector"))
        return usage("name cannot be provided when a selector is specified");
      out.push_back({target, ns, "", ""});
      continue;
    }
    if (!args.on("all") && !args.given("selector") && !args.given("field-selector"))
      return usage("resource(s) were provided, but no name was specified");
    net::Query query;
    if (args.given("selector")) query.add("labelSelector", args.get("selector"));
    if (args.given("field-selector")) query.add("fieldSelector", args.get("field-selector"));
    std::string where = args.on("all-namespaces") ? "" : ns;
    auto list = session.call("GET", Session::path_of(target.resource, where), query);
    if (!list)
      return std::unexpected(explain_list_error(std::move(list).error(), target.resource,
                                                args.get("selector"), args.get("field-selector")));
    for (auto& item : (*list)["items"].as_array()) {
      out.push_back({{target.resource, std::string(item.at({"metadata", "name"}).as_string())},
                     std::string(item.at({"metadata", "namespace"}).as_string()),
                     "",
                     ""});
    }
  }
  return out;
}

base::Result<Value> delete_options(const Args& args) {
  Object options;
  std::string cascade = args.get("cascade");
  if (cascade == "background" || cascade == "true")
    options.set("propagationPolicy", "Background");
  else if (cascade == "foreground")
    options.set("propagationPolicy", "Foreground");
  else if (cascade == "orphan" || cascade == "false")
    options.set("propagationPolicy", "Orphan");
  else
    return usage(fmt::format(
        "invalid cascade value ({}). Must be \"background\", \"foreground\", or \"orphan\"", cascade));
  int64_t grace = args.number("grace-period").value_or(-1);
  if (args.on("now")) grace = 1;
  if (args.on("force") && grace < 0) grace = 0;
  if (grace == 0 && !args.on("force")) grace = 1;  // as kubectl: 0 only with --force
  if (grace >= 0) options.set("gracePeriodSeconds", grace);
  return Value(std::move(options));
}

// Until the object is gone, or another one has its name.
int wait_gone(Session& session, const Doomed& doomed, std::chrono::steady_clock::time_point end) {
  auto pause = 10ms;
  while (true) {
    auto object =
        session.call("GET", Session::path_of(doomed.target.resource, doomed.namespace_, doomed.target.name));
    if (!object) return object.error().reason == base::Reason::not_found ? 0 : print_error(object.error());
    if (!doomed.uid.empty() && object->at({"metadata", "uid"}).as_string() != doomed.uid) return 0;
    if (std::chrono::steady_clock::now() >= end)
      return print_error(base::Error{base::Reason::unknown,
                                     fmt::format("timed out waiting for the condition on {}/{}",
                                                 doomed.target.resource.plural, doomed.target.name),
                                     nullptr});
    std::this_thread::sleep_for(pause);
    pause = std::min<std::chrono::milliseconds>(pause * 2, 500ms);
  }
}

void print_deleted(const Args& args, const Doomed& doomed, DryRun dry_run) {
  if (args.get("output") == "name") {
    fmt::print("{}\n", display_name(doomed.target.resource, doomed.target.name));
    return;
  }
  fmt::print("{} \"{}\" {}{}{}\n", doomed.target.resource.qualified_singular(), doomed.target.name,
             args.on("force") ? "force deleted" : "deleted",
             doomed.namespace_.empty() ? "" : fmt::format(" from {} namespace", doomed.namespace_),
             dry_run_suffix(dry_run));
  std::fflush(stdout);
}

base::Result<void> check_flags(const Args& args) {
  int64_t grace = args.number("grace-period").value_or(-1);
  if (args.on("all") && (args.given("selector") || args.given("field-selector")))
    return usage("setting 'all' parameter but found a non empty selector. ");
  if (args.on("now") && grace != -1) return usage("--now and --grace-period cannot be specified together");
  if (args.on("force") && grace > 0)
    return usage("--force and --grace-period greater than 0 cannot be specified together");
  if (auto output = args.get("output"); !output.empty() && output != "name")
    return usage(fmt::format("unexpected -o output mode: {}. We only support '-o name'", output));
  return {};
}

int run_delete(Context& context) {
  const Args& args = context.args;
  if (auto checked = check_flags(args); !checked) return print_error(checked.error());
  auto session = context.session();
  if (!session) return print_error(session.error());
  if (args.on("force")) {
    fmt::print(stderr,
               "Warning: Immediate deletion does not wait for confirmation that the running resource has "
               "been terminated. The "
               "resource may continue to run on the cluster indefinitely.\n");
  }
  auto doomed = collect(**session, args);
  auto options = delete_options(args);
  auto dry_run = parse_dry_run(args);
  if (!doomed) return print_error(doomed.error());
  if (!options) return print_error(options.error());
  if (!dry_run) return print_error(dry_run.error());
  if (doomed->empty()) {
    fmt::print("No resources found\n");
    return 0;
  }
  int code = 0;
  std::vector<Doomed> waiting;
  for (auto& one : *doomed) {
    if (*dry_run == DryRun::client) {
      print_deleted(args, one, *dry_run);
      continue;
    }
    net::Query query;
    if (*dry_run == DryRun::server) query.add("dryRun", "All");
    auto answer = (*session)->call(
        "DELETE", Session::path_of(one.target.resource, one.namespace_, one.target.name), query, *options);
    if (!answer) {
      if (answer.error().reason == base::Reason::not_found && args.on("ignore-not-found")) continue;
      code = print_error(answer.error(),
                         one.file.empty() ? "" : fmt::format("error when deleting \"{}\"", one.file));
      continue;
    }
    std::string_view uid = (*answer)["kind"].as_string() == "Status"
                               ? answer->at({"details", "uid"}).as_string()
                               : answer->at({"metadata", "uid"}).as_string();
    one.uid = uid;
    print_deleted(args, one, *dry_run);
    if (*dry_run == DryRun::none) waiting.push_back(one);
  }
  if (args.get("wait") == "false" || args.on("force")) return code;
  auto limit = base::parse_duration(args.get("timeout"));
  auto end = std::chrono::steady_clock::now() +
             (limit && limit->count() > 0 ? *limit : std::chrono::nanoseconds(24h * 7));
  for (auto& one : waiting) {
    if (int failed = wait_gone(**session, one, end)) code = failed;
  }
  return code;
}

}  // namespace

Command delete_command() {
  using Type = Flag::Type;
  return {.name = "delete",
          .aliases = {},
          .usage = "delete (TYPE NAME... | TYPE/NAME... | TYPE --all | TYPE -l LABEL | -f FILE)",
          .summary = "Delete objects",
          .flags = {kFilenameFlag,
                    kRecursiveFlag,
                    kSelectorFlag,
                    kAllFlag,
                    kDryRunFlag,
                    kOutputFlag,
                    {"field-selector", Type::string, "Only objects with these field values"},
                    {"all-namespaces", Type::boolean, "With --all or -l: in all namespaces", 'A'},
                    {"force", Type::boolean, "Take it out of the API at once, without waiting for the node"},
                    {"grace-period", Type::integer, "Seconds that a pod gets to end; -1: what the pod says",
                     0, "-1"},
                    {"now", Type::boolean, "The same as --grace-period=1"},
                    {"cascade", Type::string, "background, foreground or orphan: what becomes of dependents",
                     0, "background", "background"},
                    {"ignore-not-found", Type::boolean, "A missing object is no error"},
                    {"wait", Type::boolean, "Wait until it is gone (default true)", 0, "true"},
                    {"timeout", Type::string, "How long to wait: 30s; 0: as long as it takes", 0, "0s"}},
          .run = run_delete};
}

}  // namespace cli
