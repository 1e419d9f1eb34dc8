#include "cli/create_workloads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <regex>

#include "base/ids.hpp"
#include "base/strings.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Array;
using base::Object;
using base::Value;

// "registry/path/name:tag@digest" -> "name"; what no container may be called gets dashes and a random end.
std::string container_name(std::string_view image) {
  std::string name(image.substr(image.rfind('/') + 1));
  name = name.substr(0, name.find(':'));
  name = name.substr(0, name.find('@'));
  if (name.find_first_of("_.") == std::string::npos) return name;
  std::replace_if(name.begin(), name.end(), [](char c) { return c == '_' || c == '.'; }, '-');
  return name + "-" + base::make_name_suffix();
}

base::Result<Value> parse_backend(std::string_view text, std::string_view whole) {
  size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size())
    return usage(fmt::format("{} is an invalid backend: it must be SERVICE:PORT", whole));
  std::string port(text.substr(colon + 1));
  auto number = base::parse_int(port);
  return Value(
      Object{{"service", Object{{"name", text.substr(0, colon)},
                                {"port", number ? Object{{"number", *number}} : Object{{"name", port}}}}}});
}

struct Rule {
  std::string host;
  Value path;
  bool tls = false;
  std::string secret;
};

// "foo.com/bar*=svc:8080,tls=secret"
base::Result<Rule> parse_rule(const std::string& text) {
  static const std::regex kForm(R"(^([^/=,]*)(/[^=,]*)=([^,:]+:[^,]+)(,tls(=([^,]+))?)?$)");
  std::smatch match;
  if (!std::regex_match(text, match, kForm)) {
    return usage(fmt::format(
        "rule {} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]", text));
  }
  Rule rule;
  rule.host = match[1];
  std::string path = match[2];
  std::string type = "Exact";
  if (path.ends_with('*')) {
    path.pop_back();
    type = "Prefix";
  }
  TRY(Value backend, parse_backend(match[3].str(), text));
  rule.path = Object{{"backend", std::move(backend)}, {"path", path}, {"pathType", type}};
  rule.tls = match[4].matched;
  rule.secret = match[6];
  return rule;
}

void add_rules(Value& ingress, std::vector<Rule> rules) {
  Array out;
  std::map<std::string, size_t> place_of;
  std::vector<std::pair<std::string, std::vector<std::string>>> tls;  // by secret, in the order of the flags
  for (auto& rule : rules) {
    auto [place, fresh] = place_of.try_emplace(rule.host, out.size());
    if (fresh) {
      Value entry = Object{};
      if (!rule.host.empty()) entry.object().set("host", rule.host);
      entry.make({"http", "paths"}) = Array{};
      out.push_back(std::move(entry));
    }
    out[place->second].make({"http", "paths"}).array().push_back(std::move(rule.path));
    if (!rule.tls) continue;
    auto known =
        std::ranges::find(tls, rule.secret, &std::pair<std::string, std::vector<std::string>>::first);
    if (known == tls.end()) known = tls.insert(tls.end(), {rule.secret, {}});
    if (!rule.host.empty() && std::ranges::find(known->second, rule.host) == known->second.end())
      known->second.push_back(rule.host);
  }
  if (!out.empty()) ingress.make({"spec", "rules"}) = std::move(out);
  Array secrets;
  for (auto& [secret, hosts] : tls) {
    Value entry = Object{};
    if (!hosts.empty()) {
      Array list;
      for (auto& host : hosts) list.emplace_back(host);
      entry.object().set("hosts", std::move(list));
    }
    if (!secret.empty()) entry.object().set("secretName", secret);
    secrets.push_back(std::move(entry));
  }
  if (!secrets.empty()) ingress.make({"spec", "tls"}) = std::move(secrets);
}

}  // namespace

base::Result<Value> make_deployment(const Args& args, const std::string& name) {
  auto images = args.all("image");
  if (images.empty()) return usage("required flag(s) \"image\" not set");
  if (images.size() > 1 && !args.after_dashes.empty())
    return usage("cannot specify multiple --image options and command");
  Array containers;
  for (auto& image : images) {
    containers.push_back(Object{{"name", container_name(image)}, {"image", image}, {"resources", Object{}}});
  }
  if (!args.after_dashes.empty()) {
    Array command;
    for (auto& word : args.after_dashes) command.emplace_back(word);
    containers.front().object().set("command", std::move(command));
  }
  if (auto port = args.number("port"); port && *port > 0)
    containers.front().object().set("ports", Array{Object{{"containerPort", *port}}});
  Value deployment = make_object("apps/v1", "Deployment", name);
  deployment.make({"metadata", "labels", "app"}) = name;
  deployment.make({"spec", "replicas"}) = args.number("replicas").value_or(1);
  deployment.make({"spec", "selector", "matchLabels", "app"}) = name;
  deployment.make({"spec", "strategy"}) = Object{};
  deployment.make({"spec", "template", "metadata", "labels", "app"}) = name;
  deployment.make({"spec", "template", "spec", "containers"}) = std::move(containers);
  deployment.make({"status"}) = Object{};
  return deployment;
}

base::Result<Value> make_ingress(const Args& args, const std::string& name) {
  if (!args.given("rule") && !args.given("default-backend"))
    return usage(
        "not enough information provided: every ingress has to either specify a default-backend (which "
        "catches all traffic) or a list of rules (which catch specific paths)");
  Value ingress = make_object("networking.k8s.io/v1", "Ingress", name);
  for (auto& annotation : args.all("annotation")) {
    size_t equals = annotation.find('=');
    if (equals == std::string::npos || equals == 0)
      return usage(fmt::format("annotation {} is invalid and should be in format key=[value]", annotation));
    ingress.make({"metadata", "annotations", annotation.substr(0, equals)}) = annotation.substr(equals + 1);
  }
  ingress.make({"spec"}) = Object{};
  if (args.given("class")) ingress.make({"spec", "ingressClassName"}) = args.get("class");
  if (args.given("default-backend")) {
    TRY(ingress.make({"spec", "defaultBackend"}),
        parse_backend(args.get("default-backend"), args.get("default-backend")));
  }
  std::vector<Rule> rules;
  for (auto& text : args.all("rule")) {
    TRY(auto rule, parse_rule(text));
    rules.push_back(std::move(rule));
  }
  add_rules(ingress, std::move(rules));
  ingress.make({"status", "loadBalancer"}) = Object{};
  return ingress;
}

}  // namespace cli
