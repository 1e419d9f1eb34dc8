#include <fmt/format.h>

#include "base/strings.hpp"
#include "cli/command.hpp"
#include "cli/expose.hpp"
#include "cli/targets.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Array;
using base::Object;
using base::Value;

base::Result<Object> selector_of(const Value& object, const Args& args) {
  if (args.given("selector")) return parse_pairs(base::split(args.get("selector"), ','));
  std::string_view kind = object["kind"].as_string();
  const Value* selector = nullptr;
  if (kind == "Pod")
    selector = &object.at({"metadata", "labels"});
  else if (kind == "Service" || kind == "ReplicationController")
    selector = &object.at({"spec", "selector"});
  else if (kind == "Deployment" || kind == "ReplicaSet")
    selector = &object.at({"spec", "selector", "matchLabels"});
  if (!selector) return usage(fmt::format("cannot expose a {}", kind));
  if (selector->as_object().empty()) {
    if (kind == "Pod") return usage("the pod has no labels and cannot be exposed");
    return usage("couldn't retrieve selectors via --selector flag or introspection: the object has none");
  }
  return selector->as_object();
}

// Ports that the object's containers, or the Service itself, declare: (port, protocol).
std::vector<std::pair<int64_t, std::string>> declared_ports(const Value& object) {
  std::vector<std::pair<int64_t, std::string>> out;
  auto protocol_of = [](const Value& port) {
    auto text = port["protocol"].as_string();
    return std::string(text.empty() ? "TCP" : text);
  };
  if (object["kind"].as_string() == "Service") {
    for (auto& port : object.at({"spec", "ports"}).as_array())
      out.emplace_back(port["port"].int_or(0), protocol_of(port));
    return out;
  }
  const Value& spec =
      object["kind"].as_string() == "Pod" ? object["spec"] : object.at({"spec", "template", "spec"});
  for (auto& container : spec["containers"].as_array()) {
    for (auto& port : container["ports"].as_array())
      out.emplace_back(port["containerPort"].int_or(0), protocol_of(port));
  }
  return out;
}

base::Result<Array> make_ports(const Value& object, const Args& args) {
  std::vector<std::pair<int64_t, std::string>> wanted;
  if (args.given("port")) {
    for (auto& text : base::split(args.get("port"), ',')) {
      auto number = base::parse_int(text);
      if (!number) return usage(fmt::format("strconv.Atoi: parsing {}: invalid syntax", base::quote(text)));
      std::string protocol = args.get("protocol");
      for (auto& [port, declared] : declared_ports(object)) {
        if (protocol.empty() && port == *number) protocol = declared;
      }
      wanted.emplace_back(*number, protocol.empty() ? "TCP" : protocol);
    }
  } else {
    wanted = declared_ports(object);
    if (wanted.empty()) return usage("couldn't find port via --port flag or introspection");
  }
  Array ports;
  for (size_t i = 0; i < wanted.size(); ++i) {
    Value port = Object{{"port", wanted[i].first}, {"protocol", wanted[i].second}};
    if (wanted.size() > 1) port.object().set("name", fmt::format("port-{}", i + 1));
    Value target = wanted[i].first;
    if (auto given = args.get("target-port"); !given.empty()) {
      auto number = base::parse_int(given);
      target = number ? Value(*number) : Value(given);
    }
    port.object().set("targetPort", target);
    ports.push_back(std::move(port));
  }
  return ports;
}

int run_expose(Context& context) {
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto found = find_objects(**session, context.args, context.args.operands);
  if (!found) return print_error(found.error());
  int code = 0;
  for (auto& one : found->objects) {
    auto service = make_exposing_service(one.object, context.args);
    int failed = service
                     ? create_and_print(**session, context.args, *service, "exposed", "kubectl-expose", false)
                     : print_error(service.error());
    if (failed) code = failed;
  }
  for (auto& error : found->errors) code = print_error(error);
  return code;
}

}  // namespace

base::Result<Value> make_exposing_service(const Value& object, const Args& args) {
  std::string name =
      args.given("name") ? args.get("name") : std::string(object.at({"metadata", "name"}).as_string());
  if (auto affinity = args.get("session-affinity");
      !affinity.empty() && affinity != "None" && affinity != "ClientIP")
    return usage(fmt::format("unknown session affinity: {}", affinity));
  Value service = make_object("v1", "Service", name);
  if (args.given("labels")) {
    TRY(Object labels, parse_pairs(base::split(args.get("labels"), ',')));
    service.make({"metadata", "labels"}) = std::move(labels);
  } else if (const Value& labels = object.at({"metadata", "labels"}); !labels.as_object().empty()) {
    service.make({"metadata", "labels"}) = labels;
  }
  TRY(Array ports, make_ports(object, args));
  service.make({"spec", "ports"}) = std::move(ports);
  TRY(Object selector, selector_of(object, args));
  service.make({"spec", "selector"}) = std::move(selector);
  if (args.given("type")) service.make({"spec", "type"}) = args.get("type");
  if (args.given("cluster-ip")) service.make({"spec", "clusterIP"}) = args.get("cluster-ip");
  if (args.given("session-affinity"))
    service.make({"spec", "sessionAffinity"}) = args.get("session-affinity");
  if (args.given("load-balancer-ip") && args.get("type") == "LoadBalancer")
    service.make({"spec", "loadBalancerIP"}) = args.get("load-balancer-ip");
  if (args.given("external-ip")) service.make({"spec", "externalIPs"}) = Array{args.get("external-ip")};
  service.make({"status", "loadBalancer"}) = Object{};
  return service;
}

Command expose_command() {
  using Type = Flag::Type;
  return {
      .name = "expose",
      .aliases = {},
      .usage =
          "expose (TYPE NAME | TYPE/NAME) [--port=PORT] [--target-port=PORT-OR-NAME] [--name=NAME] "
          "[--type=TYPE]",
      .summary = "Make a Service for a replication controller, Service, pod, deployment or replica set",
      .flags = {{"port", Type::string, "Port of the Service (default: the ports that the object declares)"},
                {"target-port", Type::string, "Port or port name of the pods (default: --port)"},
                {"name", Type::string, "Name of the Service (default: that of the object)"},
                {"type", Type::string, "ClusterIP, NodePort, LoadBalancer or ExternalName"},
                {"protocol", Type::string, "TCP, UDP or SCTP"},
                {"selector", Type::string, "Labels of the pods (default: those of the object)"},
                {"labels", Type::string, "Labels of the Service (default: those of the object)", 'l'},
                {"cluster-ip", Type::string, "Cluster IP to use, None for a headless Service"},
                {"session-affinity", Type::string, "None or ClientIP"},
                {"external-ip", Type::string, "A further address that the Service accepts"},
                {"load-balancer-ip", Type::string, "Address to ask the load balancer for"},
                kFilenameFlag,
                kRecursiveFlag,
                kDryRunFlag,
                kOutputFlag},
      .run = run_expose};
}

}  // namespace cli
