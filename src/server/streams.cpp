// pods/log and pods/exec: finds the pod's node and container, then hands the client over to the node's agent.
#include <fmt/format.h>

#include <algorithm>

#include "api/meta.hpp"
#include "api/status.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "server/writing.hpp"

namespace server {

namespace {

std::vector<std::string> names_in(const base::Value& spec, std::string_view list) {
  std::vector<std::string> names;
  for (const auto& container : spec[list].as_array()) names.emplace_back(container["name"].as_string());
  return names;
}

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string bracketed(const std::vector<std::string>& names) { return "[" + base::join(names, " ") + "]"; }

// The container that is meant; upstream's texts when it is none or may be several.
base::Result<std::string> choose_container(const base::Value& pod, std::string_view wanted) {
  const auto& spec = pod["spec"];
  auto containers = names_in(spec, "containers");
  auto init = names_in(spec, "initContainers");
  auto ephemeral = names_in(spec, "ephemeralContainers");
  auto name = api::name_of(pod);
  if (!wanted.empty()) {
    if (has(containers, wanted) || has(init, wanted) || has(ephemeral, wanted)) return std::string(wanted);
    return std::unexpected(
        api::bad_request(fmt::format("container {} is not valid for pod {}", wanted, name)));
  }
  auto preferred = api::annotation_of(pod, "kubectl.kubernetes.io/default-container");
  if (!preferred.empty() && has(containers, preferred)) return std::string(preferred);
  if (containers.size() == 1) return containers[0];
  if (containers.empty()) {
    return std::unexpected(
        api::bad_request(fmt::format("a container name must be specified for pod {}", name)));
  }
  std::string message = fmt::format("a container name must be specified for pod {}, choose one of: {}", name,
                                    bracketed(containers));
  if (!init.empty()) message += fmt::format(" or one of the init containers: {}", bracketed(init));
  if (!ephemeral.empty())
    message += fmt::format(" or one of the ephemeral containers: {}", bracketed(ephemeral));
  return std::unexpected(api::bad_request(std::move(message)));
}

struct Target {
  std::string node;
  std::string path;  // /NAMESPACE/POD/CONTAINER
};

base::Result<Target> find_target(Core& core, const Exchange& exchange, const Resource& resource) {
  const auto& route = exchange.route;
  auto entry = core.store.get(resource.key(route.namespace_, route.name));
  if (!entry) return std::unexpected(api::not_found(resource.qualified, route.name));
  TRY(auto pod, parse_stored(*entry));
  TRY(auto container, choose_container(pod, exchange.request.query.get("container")));
  Target target;
  target.node = std::string(pod.at({"spec", "nodeName"}).as_string());
  target.path = fmt::format("/{}/{}/{}", route.namespace_, route.name, container);
  return target;
}

void pass_on(Core& core, const ExchangePtr& exchange, const Target& target, std::string_view what,
             std::initializer_list<std::string_view> parameters) {
  if (!core.nodes) {
    return exchange->fail({base::Reason::service_unavailable, "this API server has no way to the nodes", {}});
  }
  net::Request request = exchange->request;
  request.path = fmt::format("/{}{}", what, target.path);
  request.query = {};
  for (auto name : parameters) {
    for (auto value : exchange->request.query.all(name))
      request.query.add(std::string(name), std::string(value));
  }
  core.nodes(target.node, std::move(request), exchange->release());
}

// Numbers that the node would have to guess about otherwise.
base::Result<void> check_log_options(const net::Query& query) {
  std::vector<api::FieldError> errors;
  struct Rule {
    std::string_view name;
    int64_t least;
    std::string_view detail;
  };
  for (const auto& rule :
       {Rule{"tailLines", 0, "must be greater than or equal to 0"},
        Rule{"limitBytes", 1, "must be greater than 0"}, Rule{"sinceSeconds", 1, "must be greater than 0"}}) {
    auto text = query.get(rule.name);
    if (text.empty()) continue;
    auto number = base::parse_int(text);
    if (!number) {
      return std::unexpected(api::bad_request(
          fmt::format("{}: Invalid value: {}: must be a whole number", rule.name, base::quote(text))));
    }
    if (*number < rule.least) {
      errors.push_back(api::invalid_field(std::string(rule.name), *number, std::string(rule.detail)));
    }
  }
  if (query.has("sinceSeconds") && query.has("sinceTime")) {
    errors.push_back(
        api::forbidden_field("", "at most one of `sinceTime` or `sinceSeconds` may be specified"));
  }
  if (!errors.empty()) return std::unexpected(api::invalid("", "PodLogOptions", "", errors));
  return {};
}

}  // namespace

void serve_log(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  if (auto checked = check_log_options(exchange->request.query); !checked)
    return exchange->fail(checked.error());
  auto target = find_target(core, *exchange, resource);
  if (!target) return exchange->fail(target.error());
  if (target->node.empty()) {
    // Not bound to a node: there is no log yet, and that is no error.
    return exchange->send(200, "text/plain", {});
  }
  pass_on(
      core, exchange, *target, "containerLogs",
      {"follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream"});
}

void serve_exec(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  auto target = find_target(core, *exchange, resource);
  if (!target) return exchange->fail(target.error());
  const auto& route = exchange->route;
  if (target->node.empty()) {
    return exchange->fail(api::bad_request(fmt::format("pod {} does not have a host assigned", route.name)));
  }
  const auto& query = exchange->request.query;
  if (route.subresource == "exec" && query.all("command").empty()) {
    return exchange->fail(api::bad_request("you must specify at least one command for the container"));
  }
  // The kubelet's own names of the streams; "1" is what it takes for true.
  net::Query streams;
  for (auto [ours, theirs] : {std::pair{"stdin", "input"}, {"stdout", "output"}, {"stderr", "error"}}) {
    if (query_flag(query, ours)) streams.add(theirs, "1");
  }
  for (const auto& [name, value] : streams.items()) exchange->request.query.add(name, value);
  pass_on(core, exchange, *target, route.subresource,
          {"command", "stdin", "stdout", "stderr", "input", "output", "error", "tty"});
}

}  // namespace server
