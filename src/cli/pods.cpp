#include "cli/pods.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/strings.hpp"
#include "cli/targets.hpp"

namespace cli {
namespace {

using base::Value;

constexpr std::string_view kDefaultContainer = "kubectl.kubernetes.io/default-container";

base::Result<std::vector<Value>> pods_of(Session& session, const std::string& selector) {
  TRY(auto resource, session.find_resource("pods"));
  net::Query query;
  query.add("labelSelector", selector);
  TRY(Value list, session.call("GET", Session::path_of(resource, session.namespace_()), query));
  return list["items"].as_array();
}

const Value& ready_condition(const Value& pod) {
  static const Value kNone;
  for (auto& condition : pod.at({"status", "conditions"}).as_array()) {
    if (condition["type"].as_string() == "Ready" && condition["status"].as_string() == "True")
      return condition;
  }
  return kNone;
}

// kubectl's order of preference: on a node, running, ready, ready for longest, older.
bool is_better(const Value& a, const Value& b) {
  auto worse_than_running = [](const Value& pod) {
    auto phase = pod.at({"status", "phase"}).as_string();
    return phase == "Pending" ? 2 : phase == "Unknown" ? 1 : 0;
  };
  auto later = [](std::string_view x, std::string_view y) {
    return x.empty() ? !y.empty() : !y.empty() && x > y;
  };
  bool a_assigned = !a.at({"spec", "nodeName"}).as_string().empty();
  bool b_assigned = !b.at({"spec", "nodeName"}).as_string().empty();
  if (a_assigned != b_assigned) return a_assigned;
  if (worse_than_running(a) != worse_than_running(b)) return worse_than_running(a) < worse_than_running(b);
  const Value &a_ready = ready_condition(a), &b_ready = ready_condition(b);
  if (a_ready.is_null() != b_ready.is_null()) return b_ready.is_null();
  auto a_since = a_ready["lastTransitionTime"].as_string(),
       b_since = b_ready["lastTransitionTime"].as_string();
  if (a_since != b_since) return later(b_since, a_since);
  return later(b.at({"metadata", "creationTimestamp"}).as_string(),
               a.at({"metadata", "creationTimestamp"}).as_string());
}

// "app=kubia,tier=web" of a Service's or controller's selector.
std::string selector_text(const Value& object) {
  const Value& selector = object.at({"spec", "selector"});
  const Value& labels = selector["matchLabels"].is_object() ? selector["matchLabels"] : selector;
  std::vector<std::string> pieces;
  for (auto& label : labels.as_object())
    pieces.push_back(label.key + "=" + std::string(label.value.as_string()));
  return base::join(pieces, ",");
}

base::Result<std::string> selector_of(const PodRequest& request, const Target& target, const Value& object) {
  const std::string& kind = target.resource.kind;
  bool selects = kind == "Service" || kind == "ReplicationController" || target.resource.group == "apps" ||
                 target.resource.group == "batch";
  if (!selects)
    return base::fail(base::Reason::unknown,
                      fmt::format("cannot {} *{}.{}: selector for *{}.{} not implemented", request.purpose,
                                  target.resource.version, kind, target.resource.version, kind));
  std::string text = selector_text(object);
  if (text.empty())
    return base::fail(
        base::Reason::unknown,
        fmt::format("cannot {} *{}.{}: invalid {} '{}': {} is defined without a selector", request.purpose,
                    target.resource.version, kind, base::to_lower(kind), target.name, kind));
  return text;
}

}  // namespace

base::Result<std::vector<Value>> find_pods(Session& session, const PodRequest& request) {
  if (!request.selector.empty()) return pods_of(session, request.selector);
  std::string words[] = {request.operand};
  TRY(Target target, parse_one_target(session, words, "pods"));
  TRY(Value object,
      session.call("GET", Session::path_of(target.resource, session.namespace_(), target.name)));
  if (target.resource.plural == "pods") return std::vector<Value>{std::move(object)};
  TRY(std::string text, selector_of(request, target, object));
  auto end = std::chrono::steady_clock::now() + request.wait;
  while (true) {
    TRY(auto pods, pods_of(session, text));
    if (!pods.empty()) {
      std::stable_sort(pods.begin(), pods.end(), is_better);
      return pods;
    }
    if (std::chrono::steady_clock::now() >= end)
      return base::fail(base::Reason::unknown, "timed out waiting for the condition");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

base::Result<Value> find_pod(Session& session, const PodRequest& request) {
  TRY(auto pods, find_pods(session, request));
  return std::move(pods.front());
}

std::string default_container(const Value& pod, bool quiet) {
  const auto& containers = pod.at({"spec", "containers"}).as_array();
  std::string name(pod.at({"metadata", "annotations", kDefaultContainer}).as_string());
  if (!name.empty() || containers.empty()) return name;
  name = containers[0]["name"].as_string();
  if (containers.size() > 1 && !quiet) {
    std::vector<std::string> names;
    for (auto& container : containers) names.emplace_back(container["name"].as_string());
    for (auto& container : pod.at({"spec", "initContainers"}).as_array())
      names.push_back(std::string(container["name"].as_string()) + " (init)");
    fmt::print(stderr, "Defaulted container \"{}\" out of: {}\n", name, base::join(names, ", "));
  }
  return name;
}

}  // namespace cli
