#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/yaml.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"

namespace cli {
namespace {

using base::Object;
using base::Value;

constexpr std::string_view kClientVersion = "v1.36.0+sampan";

int run_version(Context& context) {
  const Args& args = context.args;
  Value both = Object{
      {"clientVersion",
       Object{{"major", "1"}, {"minor", "36"}, {"gitVersion", kClientVersion}, {"platform", "linux/amd64"}}}};
  int code = 0;
  if (!args.on("client")) {
    auto session = context.session();
    if (!session) return print_error(session.error());
    auto server = (*session)->call("GET", "/version");
    if (server)
      both.object().set("serverVersion", std::move(*server));
    else
      code = print_error(server.error());
  }
  if (args.get("output") == "json") {
    fmt::print("{}\n", base::write_json_pretty(both, 2));
  } else if (args.get("output") == "yaml") {
    fmt::print("{}", base::write_yaml(both));
  } else {
    fmt::print("Client Version: {}\n", kClientVersion);
    if (both["serverVersion"].is_object())
      fmt::print("Server Version: {}\n", both.at({"serverVersion", "gitVersion"}).as_string());
  }
  return code;
}

int run_cluster_info(Context& context) {
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto services = (*session)->find_resource("services");
  if (!services) return print_error(services.error());
  net::Query query;
  query.add("labelSelector", "kubernetes.io/cluster-service=true");
  auto list = (*session)->call("GET", Session::path_of(*services, "kube-system"), query);
  if (!list) return print_error(list.error());
  const std::string& server = (*session)->connection().server;
  bool colour = ::isatty(STDOUT_FILENO) != 0 && !std::getenv("NO_COLOR");
  auto line = [colour](std::string_view what, std::string_view url) {
    if (colour)
      fmt::print("\033[0;32m{}\033[0m is running at \033[0;33m{}\033[0m\n", what, url);
    else
      fmt::print("{} is running at {}\n", what, url);
  };
  line("Kubernetes control plane", server);
  for (auto& item : (*list)["items"].as_array()) {
    auto name = item.at({"metadata", "labels", "kubernetes.io/name"}).as_string();
    line(name.empty() ? item.at({"metadata", "name"}).as_string() : name,
         fmt::format("{}/api/v1/namespaces/kube-system/services/{}/proxy", server,
                     item.at({"metadata", "name"}).as_string()));
  }
  fmt::print("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n");
  return 0;
}

bool has_all(const std::vector<std::string>& there, const std::vector<std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [&](auto& one) { return std::find(there.begin(), there.end(), one) != there.end(); });
}

int run_api_resources(Context& context) {
  const Args& args = context.args;
  auto fail = [](std::string message) {
    return print_error(base::Error{base::Reason::unknown, std::move(message), nullptr});
  };
  if (auto output = args.get("output"); !output.empty() && output != "wide" && output != "name")
    return fail(fmt::format("--output {} is not available", output));
  if (auto by = args.get("sort-by"); !by.empty() && by != "name" && by != "kind")
    return fail("--sort-by accepts only name or kind");
  if (!args.operands.empty())
    return usage_error("api-resources",
                       fmt::format("unexpected arguments: [{}]", base::join(args.operands, " ")));
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto all = (*session)->resources();
  if (!all) return print_error(all.error());
  std::vector<ApiResource> shown;
  std::set<std::pair<std::string, std::string>> seen;
  for (auto& resource : **all) {
    // Discovery names the preferred version first: of a kind with several, that one alone is shown.
    if (!seen.emplace(resource.group, resource.plural).second) continue;
    if (args.given("api-group") && resource.group != args.get("api-group")) continue;
    if (args.given("namespaced") && resource.namespaced != args.on("namespaced")) continue;
    if (resource.verbs.empty() || !has_all(resource.verbs, args.all("verbs")) ||
        !has_all(resource.categories, args.all("categories")))
      continue;
    shown.push_back(resource);
  }
  std::string by = args.get("sort-by");
  std::stable_sort(shown.begin(), shown.end(), [&by](auto& a, auto& b) {
    if (by == "kind") return a.kind < b.kind;
    if (by == "name") return a.plural < b.plural;
    return a.group != b.group ? a.group < b.group : a.plural < b.plural;
  });
  if (args.get("output") == "name") {
    for (auto& resource : shown) fmt::print("{}\n", resource.qualified_plural());
    return 0;
  }
  bool wide = args.get("output") == "wide";
  TextTable table;
  if (!args.on("no-headers")) {
    std::vector<std::string> header{"NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"};
    if (wide) header.insert(header.end(), {"VERBS", "CATEGORIES"});
    table.row(header);
  }
  for (auto& resource : shown) {
    std::vector<std::string> cells{resource.plural, base::join(resource.short_names, ","),
                                   resource.api_version(), resource.namespaced ? "true" : "false",
                                   resource.kind};
    if (wide) {
      auto verbs = resource.verbs;
      std::sort(verbs.begin(), verbs.end());
      cells.push_back(base::join(verbs, ","));
      cells.push_back(base::join(resource.categories, ","));
    }
    table.row(std::move(cells));
  }
  fmt::print("{}", table.text());
  return 0;
}

}  // namespace

Command version_command() {
  return {.name = "version",
          .aliases = {},
          .usage = "version [--client] [-o json|yaml]",
          .summary = "Print the versions of client and server",
          .flags = {{"client", Flag::Type::boolean, "The client's only, no server is asked"},
                    {"output", Flag::Type::string, "json or yaml", 'o'}},
          .run = run_version};
}

Command cluster_info_command() {
  return {.name = "cluster-info",
          .aliases = {},
          .usage = "cluster-info",
          .summary = "Where the control plane and the cluster's services are",
          .flags = {},
          .run = run_cluster_info};
}

Command api_resources_command() {
  using Type = Flag::Type;
  return {.name = "api-resources",
          .aliases = {},
          .usage = "api-resources [-o wide|name] [--namespaced] [--api-group=GROUP]",
          .summary = "The kinds that the server knows",
          .flags = {{"output", Type::string, "wide or name", 'o'},
                    {"namespaced", Type::boolean, "Only those in namespaces, or (=false) only the others"},
                    {"api-group", Type::string, "Only those of this group"},
                    {"no-headers", Type::boolean, "No header line"},
                    {"verbs", Type::list, "Only those with these verbs"},
                    {"categories", Type::list, "Only those in these categories"},
                    {"sort-by", Type::string, "name or kind"},
                    {"cached", Type::boolean, "Ignored: discovery is not cached"}},
          .run = run_api_resources};
}

}  // namespace cli
