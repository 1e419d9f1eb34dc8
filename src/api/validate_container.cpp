// Rules for the containers of a pod: names, images, ports, environment, probes, mounts, resources.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/validate_rules.hpp"
#include "base/quantity.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

struct PodNames {
  std::set<std::string, std::less<>> containers;
  std::set<std::string, std::less<>> volumes;
  std::set<std::string> host_ports;
  bool host_network = false;
};

enum class Role : uint8_t { main, init, ephemeral };

void check_ports(Problems& out, const Value& ports, const std::string& path, PodNames& names) {
  std::set<std::string> port_names;
  const auto& list = ports.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const Value& port = list[i];
    std::string at = index(path, i);
    if (std::string name(port["name"].as_string()); !name.empty()) {
      auto wrong = base::check_port_name(name);
      out.invalid(child(at, "name"), name, wrong);
      if (wrong.empty() && !port_names.insert(name).second) out.duplicate(child(at, "name"), name);
    }
    int64_t number = port["containerPort"].int_or(0), host = port["hostPort"].int_or(0);
    if (number == 0) out.required(child(at, "containerPort"));
    else out.port(child(at, "containerPort"), number);
    if (host != 0) {
      out.port(child(at, "hostPort"), host);
      if (names.host_network && host != number)
        out.invalid(child(at, "containerPort"), number,
                    std::string("must match `hostPort` when `hostNetwork` is true"));
      std::string pair = fmt::format("{}/{}/{}", port["protocol"].as_string(), port["hostIP"].as_string(), host);
      if (!names.host_ports.insert(pair).second) out.duplicate(child(at, "hostPort"), pair);
    }
    if (const Value& ip = port["hostIP"]; !ip.as_string().empty()) out.ip(child(at, "hostIP"), ip);
    out.one_of(child(at, "protocol"), port["protocol"], {"SCTP", "TCP", "UDP"});
  }
}

bool is_env_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~' && c != '='; });
}

void check_value_from(Problems& out, const Value& env, const std::string& at) {
  const Value& from = env["valueFrom"];
  if (!from.is_object()) return;
  if (!env["value"].as_string().empty())
    out.invalid(at, "", std::string("may not be specified when `value` is not empty"));
  int sources = 0;
  for (const char* source : {"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"})
    sources += from[source].is_object() ? 1 : 0;
  if (sources == 0)
    out.invalid(at, "",
                std::string("must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"));
  if (sources > 1) out.invalid(at, "", std::string("may not have more than one field specified at a time"));
  for (const char* source : {"configMapKeyRef", "secretKeyRef"}) {
    const Value& ref = from[source];
    if (!ref.is_object()) continue;
    std::string ref_at = child(at, source);
    if (ref["name"].as_string().empty()) out.required(child(ref_at, "name"));
    if (ref["key"].as_string().empty()) out.required(child(ref_at, "key"));
    else out.invalid(child(ref_at, "key"), ref["key"], check_config_key(ref["key"].as_string()));
  }
  if (from["fieldRef"].is_object() && from["fieldRef"]["fieldPath"].as_string().empty())
    out.required(child(at, "fieldRef.fieldPath"));
  if (from["resourceFieldRef"].is_object() && from["resourceFieldRef"]["resource"].as_string().empty())
    out.required(child(at, "resourceFieldRef.resource"));
}

void check_env(Problems& out, const Value& container, const std::string& path) {
  const auto& env = container["env"].as_array();
  for (size_t i = 0; i < env.size(); ++i) {
    std::string at = index(child(path, "env"), i);
    std::string_view name = env[i]["name"].as_string();
    if (name.empty()) out.required(child(at, "name"));
    else if (!is_env_name(name))
      out.invalid(child(at, "name"), name,
                  std::string("a valid environment variable name must consist only of printable ASCII characters "
                              "other than '='"));
    check_value_from(out, env[i], child(at, "valueFrom"));
  }
  const auto& from = container["envFrom"].as_array();
  for (size_t i = 0; i < from.size(); ++i) {
    std::string at = index(child(path, "envFrom"), i);
    bool map = from[i]["configMapRef"].is_object(), secret = from[i]["secretRef"].is_object();
    if (!map && !secret) out.invalid(at, "", std::string("must specify one of: `configMapRef` or `secretRef`"));
    if (map && secret) out.invalid(at, "", std::string("may not have more than one field specified at a time"));
    for (const char* source : {"configMapRef", "secretRef"})
      if (from[i][source].is_object() && from[i][source]["name"].as_string().empty())
        out.required(child(child(at, source), "name"));
  }
}

void check_handler(Problems& out, const Value& handler, const std::string& path, bool may_grpc) {
  int handlers = 0;
  for (const char* kind : {"exec", "httpGet", "tcpSocket", "grpc", "sleep"}) {
    if (!handler[kind].is_object() || (std::string_view(kind) == "grpc" && !may_grpc)) continue;
    if (++handlers > 1) out.forbidden(child(path, kind), "may not specify more than 1 handler type");
  }
  if (handlers == 0) out.required(path, "must specify a handler type");
  if (const Value& exec = handler["exec"]; exec.is_object() && exec["command"].as_array().empty())
    out.required(child(path, "exec.command"));
  if (const Value& get = handler["httpGet"]; get.is_object()) {
    std::string at = child(path, "httpGet");
    if (get["path"].as_string().empty()) out.required(child(at, "path"));
    out.port_or_name(child(at, "port"), get["port"]);
    out.one_of(child(at, "scheme"), get["scheme"], {"HTTP", "HTTPS"}, false);
  }
  if (const Value& tcp = handler["tcpSocket"]; tcp.is_object())
    out.port_or_name(child(path, "tcpSocket.port"), tcp["port"]);
  if (const Value& grpc = handler["grpc"]; may_grpc && grpc.is_object()) out.port(child(path, "grpc.port"), grpc["port"]);
}

void check_probe(Problems& out, const Value& probe, const std::string& path, bool once) {
  if (!probe.is_object()) return;
  check_handler(out, probe, path, true);
  for (const char* member : {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold",
                             "failureThreshold"})
    out.nonnegative(child(path, member), probe[member]);
  if (const Value& grace = probe["terminationGracePeriodSeconds"]; grace.is_number() && grace.int_or(0) <= 0)
    out.invalid(child(path, "terminationGracePeriodSeconds"), grace, std::string("must be greater than 0"));
  if (const Value& success = probe["successThreshold"]; once && success.is_number() && success.int_or(1) > 1)
    out.invalid(child(path, "successThreshold"), success, std::string("must be 1"));
}

void check_mounts(Problems& out, const Value& mounts, const std::string& path, const PodNames& names) {
  std::set<std::string> places;
  const auto& list = mounts.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    std::string at = index(path, i);
    std::string_view name = list[i]["name"].as_string(), place = list[i]["mountPath"].as_string();
    std::string_view sub = list[i]["subPath"].as_string();
    if (name.empty()) out.required(child(at, "name"));
    else if (!names.volumes.contains(name)) out.not_found(child(at, "name"), name);
    if (place.empty()) out.required(child(at, "mountPath"));
    else if (!places.emplace(place).second) out.invalid(child(at, "mountPath"), place, std::string("must be unique"));
    if (sub.starts_with('/')) out.invalid(child(at, "subPath"), sub, std::string("must be a relative path"));
    for (const auto& step : base::split(sub, '/'))
      if (step == "..") out.invalid(child(at, "subPath"), sub, std::string("must not contain '..'"));
  }
}

void check_resources(Problems& out, const Value& resources, const std::string& path) {
  for (const char* list : {"limits", "requests"}) {
    for (const auto& [name, amount] : resources[list].as_object()) {
      std::string at = key(child(path, list), name);
      out.invalid(at, name, base::check_qualified_name(name));
      auto quantity = base::Quantity::parse(amount.is_number() ? amount.if_number()->text : amount.as_string());
      if (!quantity) out.invalid(at, amount, std::string("must be a quantity, such as 100m or 64Mi"));
      else if (quantity->negative()) out.invalid(at, amount, std::string("must be greater than or equal to 0"));
    }
  }
  for (const auto& [name, amount] : resources["requests"].as_object()) {
    const Value& limit = resources["limits"][name];
    auto text = [](const Value& v) { return v.is_number() ? v.if_number()->text : std::string(v.as_string()); };
    auto wanted = base::Quantity::parse(text(amount)), most = base::Quantity::parse(text(limit));
    if (!limit.is_null() && wanted && most && *wanted > *most)
      out.invalid(child(path, "requests"), amount,
                  fmt::format("must be less than or equal to {} limit of {}", name, text(limit)));
  }
}

void check_lifecycle(Problems& out, const Value& lifecycle, const std::string& path) {
  for (const char* hook : {"postStart", "preStop"})
    if (lifecycle[hook].is_object()) check_handler(out, lifecycle[hook], child(path, hook), false);
}

void check_probes(Problems& out, const Value& container, const std::string& path, Role role) {
  bool sidecar = role == Role::init && container["restartPolicy"].as_string() == "Always";
  if (role == Role::main || sidecar) {
    check_lifecycle(out, container["lifecycle"], child(path, "lifecycle"));
    check_probe(out, container["livenessProbe"], child(path, "livenessProbe"), true);
    check_probe(out, container["readinessProbe"], child(path, "readinessProbe"), false);
    check_probe(out, container["startupProbe"], child(path, "startupProbe"), true);
    return;
  }
  for (const char* member : {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"})
    if (container[member].is_object())
      out.forbidden(child(path, member), role == Role::init
                                             ? "may not be set for init containers without restartPolicy=Always"
                                             : "cannot be set for an Ephemeral Container");
}

void check_container(Problems& out, const Value& container, const std::string& path, Role role, PodNames& names) {
  std::string name(container["name"].as_string());
  if (name.empty()) {
    out.required(child(path, "name"));
  } else {
    out.dns_label(child(path, "name"), name);
    if (!names.containers.insert(name).second) out.duplicate(child(path, "name"), name);
  }
  std::string_view image = container["image"].as_string();
  if (image.empty()) out.required(child(path, "image"));
  else if (base::trim(image) != image)
    out.invalid(child(path, "image"), image, std::string("must not have leading or trailing whitespace"));
  out.one_of(child(path, "imagePullPolicy"), container["imagePullPolicy"], {"Always", "IfNotPresent", "Never"}, false);
  out.one_of(child(path, "terminationMessagePolicy"), container["terminationMessagePolicy"],
             {"FallbackToLogsOnError", "File"}, false);
  if (const Value& restart = container["restartPolicy"]; role == Role::init && !restart.is_null())
    out.one_of(child(path, "restartPolicy"), restart, {"Always"});
  if (role == Role::ephemeral && !container["ports"].as_array().empty())
    out.forbidden(child(path, "ports"), "cannot be set for an Ephemeral Container");
  else
    check_ports(out, container["ports"], child(path, "ports"), names);
  check_env(out, container, path);
  check_probes(out, container, path, role);
  check_mounts(out, container["volumeMounts"], child(path, "volumeMounts"), names);
  check_resources(out, container["resources"], child(path, "resources"));
}

}  // namespace

void check_containers(Problems& out, const Value& spec, const std::string& path) {
  PodNames names;
  names.host_network = spec["hostNetwork"].as_bool();
  for (const auto& volume : spec["volumes"].as_array()) names.volumes.emplace(volume["name"].as_string());
  const auto& containers = spec["containers"].as_array();
  if (containers.empty()) out.required(child(path, "containers"));
  for (size_t i = 0; i < containers.size(); ++i)
    check_container(out, containers[i], index(child(path, "containers"), i), Role::main, names);
  // An init container that ends gives its host ports back; so they are compared only with those of its own.
  std::set<std::string> main_ports = names.host_ports;
  const auto& inits = spec["initContainers"].as_array();
  for (size_t i = 0; i < inits.size(); ++i) {
    names.host_ports = inits[i]["restartPolicy"].as_string() == "Always" ? main_ports : std::set<std::string>();
    check_container(out, inits[i], index(child(path, "initContainers"), i), Role::init, names);
  }
  const auto& ephemerals = spec["ephemeralContainers"].as_array();
  for (size_t i = 0; i < ephemerals.size(); ++i)
    check_container(out, ephemerals[i], index(child(path, "ephemeralContainers"), i), Role::ephemeral, names);
}

}  // namespace api::rules
