#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "base/yaml.hpp"
#include "cli/command.hpp"
#include "cli/kubeconfig.hpp"
#include "cli/output.hpp"
#include "sys/fs.hpp"

namespace cli {
namespace {

using base::Object;
using base::Value;

// Without the folders that load_merged_kubeconfig remembers, and without secrets unless `raw`.
Value for_display(Value config, bool raw) {
  for (std::string_view list : {"clusters", "contexts", "users"}) {
    Value& items = config.object()[list];
    if (!items.is_array()) continue;
    for (Value& item : *items.if_array()) {
      Value& content = item.object()[list.substr(0, list.size() - 1)];
      if (!content.is_object()) continue;
      content.object().erase("__folder");
      if (raw) continue;
      for (const char* key : {"certificate-authority-data", "client-certificate-data", "client-key-data"}) {
        if (Value* data = content.object().find(key)) *data = "DATA+OMITTED";
      }
      if (Value* token = content.object().find("token")) *token = "REDACTED";
    }
  }
  return config;
}

bool has_context(const Value& config, std::string_view name) {
  for (auto& context : config["contexts"].as_array()) {
    if (context["name"].as_string() == name) return true;
  }
  return false;
}

// Changes the first file of the loading rules, as kubectl does for current-context.
int change_file(const std::string& path, const std::function<void(Value&)>& change) {
  auto text = sys::read_file(path);
  if (!text) return fail(text.error().message);
  auto config = base::parse_yaml(*text);
  if (!config) return fail(config.error().message);
  change(*config);
  auto written = sys::write_file_atomically(path, base::write_yaml(*config), 0600);
  return written ? 0 : fail(written.error().message);
}

int print_contexts(const Value& config, const Args& args) {
  std::string output = args.get("output");
  if (!output.empty() && output != "name")
    return fail(fmt::format("output must be one of '' or 'name': {}", output));
  std::vector<std::string> wanted(args.operands.begin() + 1, args.operands.end());
  TextTable table;
  if (output.empty() && !args.on("no-headers"))
    table.row({"CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"});
  for (auto& context : config["contexts"].as_array()) {
    std::string name(context["name"].as_string());
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    bool current = name == config["current-context"].as_string();
    const Value& content = context["context"];
    if (output == "name")
      table.row({name});
    else
      table.row({current ? "*" : "", name, std::string(content["cluster"].as_string()),
                 std::string(content["user"].as_string()), std::string(content["namespace"].as_string())});
  }
  fmt::print("{}", table.text());
  int code = 0;
  for (auto& name : wanted) {
    if (!has_context(config, name)) code = fail(fmt::format("context {} not found", name));
  }
  return code;
}

int print_names(const Value& config, std::string_view list) {
  fmt::print("NAME\n");
  for (auto& item : config[list].as_array()) fmt::print("{}\n", item["name"].as_string());
  return 0;
}

// The current context with its cluster and user only.
Value minify(Value config) {
  auto keep = [&config](std::string_view list, std::string_view name) {
    base::Array kept;
    for (auto& item : config[list].as_array()) {
      if (item["name"].as_string() == name) kept.push_back(item);
    }
    Value out = kept.empty() ? Value() : kept[0];
    config.object()[list] = std::move(kept);
    return out;
  };
  Value context = keep("contexts", config["current-context"].as_string());
  keep("clusters", context.at({"context", "cluster"}).as_string());
  keep("users", context.at({"context", "user"}).as_string());
  return config;
}

int view(const Value& config, const Args& args) {
  auto format = parse_output(args.given("output") ? args.get("output") : "yaml");
  if (!format) return print_error(format.error());
  Value shown = for_display(args.on("minify") ? minify(config) : config, args.on("raw"));
  auto text = format_object(*format, shown);
  if (!text) return print_error(text.error());
  fmt::print("{}", *text);
  return 0;
}

int set_context(const Args& args, const Value& config, const std::string& path) {
  std::string name = args.on("current")         ? std::string(config["current-context"].as_string())
                     : args.operands.size() > 1 ? args.operands[1]
                                                : "";
  if (name.empty()) return fail("you must specify a non-empty context name or --current");
  bool known = has_context(config, name);
  int code = change_file(path, [&](Value& file) {
    Value& contexts = file.object()["contexts"];
    if (!contexts.is_array()) contexts = base::Array{};
    if (!has_context(file, name)) contexts.array().push_back(Object{{"name", name}, {"context", Object{}}});
    for (Value& context : *contexts.if_array()) {
      if (context["name"].as_string() != name) continue;
      if (args.given("namespace")) context.make({"context", "namespace"}) = args.get("namespace");
      if (args.given("cluster")) context.make({"context", "cluster"}) = args.get("cluster");
      if (args.given("user")) context.make({"context", "user"}) = args.get("user");
    }
  });
  if (code == 0) fmt::print("Context \"{}\" {}.\n", name, known ? "modified" : "created");
  return code;
}

int run_config(Context& context) {
  const Args& args = context.args;
  std::string verb = args.operands.empty() ? "" : args.operands[0];
  std::string path;
  auto config = load_merged_kubeconfig(args, &path);
  if (!config) return print_error(config.error());
  if (verb == "current-context") {
    auto current = (*config)["current-context"].as_string();
    if (current.empty()) return fail("current-context is not set");
    fmt::print("{}\n", current);
    return 0;
  }
  if (verb == "get-contexts") return print_contexts(*config, args);
  if (verb == "get-clusters") return print_names(*config, "clusters");
  if (verb == "get-users") return print_names(*config, "users");
  if (verb == "view") return view(*config, args);
  if (verb == "use-context" || verb == "use") {
    if (args.operands.size() != 2) return fail("usage: kubectl config use-context NAME");
    const std::string& name = args.operands[1];
    if (!has_context(*config, name))
      return fail(fmt::format("no context exists with the name: \"{}\"", name));
    int code = change_file(path, [&](Value& file) { file.object().set("current-context", name); });
    if (code == 0) fmt::print("Switched to context \"{}\".\n", name);
    return code;
  }
  if (verb == "set-context") return set_context(args, *config, path);
  return fail(
      "usage: kubectl config (view | current-context | get-contexts | get-clusters | get-users | use-context "
      "NAME | set-context NAME [--namespace=NS])");
}

}  // namespace

Command config_command() {
  return {.name = "config",
          .aliases = {},
          .usage =
              "config (view | current-context | get-contexts | get-clusters | get-users | use-context NAME | "
              "set-context NAME|--current [--namespace=NS])",
          .summary = "Show or change the kubeconfig",
          .flags = {{"output", Flag::Type::string, "view: yaml, json, jsonpath=...; get-contexts: name", 'o'},
                    {"minify", Flag::Type::boolean, "view: the current context only"},
                    {"no-headers", Flag::Type::boolean, "get-contexts: no header line"},
                    {"raw", Flag::Type::boolean, "view: with certificates and tokens"},
                    {"current", Flag::Type::boolean, "set-context: the current one"}},
          .run = run_config};
}

}  // namespace cli
