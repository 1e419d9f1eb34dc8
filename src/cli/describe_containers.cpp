#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/strings.hpp"
#include "cli/describe_parts.hpp"

namespace cli {
namespace {

using base::Array;
using base::Value;

std::string ports_text(const Value& ports, const char* field) {
  std::vector<std::string> all;
  for (const Value& port : ports.as_array())
    all.push_back(fmt::format("{}/{}", port[field].int_or(0), port["protocol"].as_string()));
  return base::join(all, ", ");
}

void put_ports(Page& page, std::string_view title, const std::string& text) {
  if (text.find(',') != std::string::npos) {
    page.field(2, fmt::format("{}s", title), text);
  } else {
    page.field(2, title, text.empty() ? "<none>" : text);
  }
}

// One line per piece: scripts in `sh -c` have many.
void put_words(Page& page, std::string_view title, const Value& words) {
  if (words.as_array().empty()) return;
  page.line(2, title);
  for (const Value& word : words.as_array()) {
    for (auto& piece : base::split(word.as_string(), '\n')) page.line(3, piece);
  }
}

void put_seccomp(Page& page, const Value& profile) {
  if (!profile.is_object()) return;
  page.field(2, "SeccompProfile", text_of(profile["type"]));
  if (profile["type"].as_string() == "Localhost")
    page.field(3, "LocalhostProfile", text_of(profile["localhostProfile"]));
}

void put_state(Page& page, std::string_view title, const Value& state) {
  if (const Value& running = state["running"]; running.is_object()) {
    page.field(2, title, "Running");
    page.field(3, "Started", local_time(running["startedAt"]));
    return;
  }
  const Value& ended = state["terminated"];
  const Value& waiting = state["waiting"];
  bool is_ended = ended.is_object() && !waiting.is_object();
  page.field(2, title, is_ended ? "Terminated" : "Waiting");
  if (auto reason = text_of((is_ended ? ended : waiting)["reason"]); !reason.empty())
    page.field(3, "Reason", reason);
  if (!is_ended) return;
  if (auto message = text_of(ended["message"]); !message.empty()) page.field(3, "Message", message);
  page.field(3, "Exit Code", ended["exitCode"].int_or(0));
  if (int64_t signal = ended["signal"].int_or(0); signal > 0) page.field(3, "Signal", signal);
  page.field(3, "Started", local_time(ended["startedAt"]));
  page.field(3, "Finished", local_time(ended["finishedAt"]));
}

// As Go's net/url writes a path.
std::string escape_path(std::string_view path) {
  std::string out;
  for (char c : path) {
    bool kept = std::isalnum(static_cast<unsigned char>(c)) ||
                std::string_view("-_.~$&+,/:;=@").find(c) != std::string_view::npos;
    out += kept ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out == "%2A" ? "*" : out;
}

std::string http_probe_url(const Value& get) {
  std::string host = text_of(get["host"]), port = text_or(get["port"], "0"), path = text_of(get["path"]);
  if (host.find(':') != std::string::npos) host = fmt::format("[{}]", host);
  std::string scheme = base::to_lower(get["scheme"].as_string());
  if (!path.empty() && !path.starts_with('/')) path = "/" + path;
  return fmt::format("{}{}//{}:{}{}", scheme, scheme.empty() ? "" : ":", host, port, escape_path(path));
}

std::string probe_text(const Value& probe) {
  std::string timing = fmt::format("delay={}s timeout={}s period={}s #success={} #failure={}",
                                   probe["initialDelaySeconds"].int_or(0), probe["timeoutSeconds"].int_or(0),
                                   probe["periodSeconds"].int_or(0), probe["successThreshold"].int_or(0),
                                   probe["failureThreshold"].int_or(0));
  if (const Value& exec = probe["exec"]; exec.is_object())
    return fmt::format("exec [{}] {}", joined(exec["command"], " "), timing);
  if (const Value& get = probe["httpGet"]; get.is_object())
    return fmt::format("http-get {} {}", http_probe_url(get), timing);
  if (const Value& tcp = probe["tcpSocket"]; tcp.is_object())
    return fmt::format("tcp-socket {}:{} {}", text_of(tcp["host"]), text_or(tcp["port"], "0"), timing);
  if (const Value& grpc = probe["grpc"]; grpc.is_object())
    return fmt::format("grpc <pod>:{} {} {}", grpc["port"].int_or(0), text_of(grpc["service"]), timing);
  return "unknown " + timing;
}

// kubectl itself only knows these two; the others it leaves empty.
std::string field_value(const Value& pod, const Value& ref) {
  auto path = ref["fieldPath"].as_string();
  if (path == "metadata.name" || path == "metadata.namespace")
    return text_of(pod["metadata"][path.substr(9)]);
  return "";
}

// "limits.cpu" in units of the divisor, rounded up.
std::string resource_value(const Value& container, const Value& ref) {
  std::string resource = text_of(ref["resource"]);
  size_t dot = resource.find('.');
  if (dot == std::string::npos) return "";
  std::string which = resource.substr(0, dot), name = resource.substr(dot + 1);
  bool known =
      name == "cpu" || name == "memory" || name == "ephemeral-storage" || name.starts_with("hugepages-");
  if (!known || (which != "limits" && which != "requests")) return "";
  auto amount =
      base::Quantity::parse(text_or(container["resources"][which][name], "0")).value_or(base::Quantity());
  auto divisor = base::Quantity::parse(text_or(ref["divisor"], "0")).value_or(base::Quantity());
  if (divisor == base::Quantity()) divisor = base::Quantity::from_int(1);
  int64_t have = name == "cpu" ? amount.milli_value() : amount.value(),
          unit = name == "cpu" ? divisor.milli_value() : divisor.value();
  std::string text = fmt::format(
      "{}", static_cast<int64_t>(std::ceil(static_cast<double>(have) / static_cast<double>(unit))));
  bool of_node = text == "0" && (resource == "limits.cpu" || resource == "limits.memory");
  return of_node ? "node allocatable" : text;
}

void put_environment_sources(Page& page, const Value& sources) {
  if (sources.as_array().empty()) return;
  page.line(2, "Environment Variables from:");
  for (const Value& source : sources.as_array()) {
    bool is_map = source["configMapRef"].is_object();
    const Value& ref = is_map ? source["configMapRef"] : source["secretRef"];
    std::string from = is_map ? "ConfigMap" : ref.is_object() ? "Secret" : "";
    if (auto prefix = source["prefix"].as_string(); !prefix.empty())
      from += fmt::format(" with prefix '{}'", prefix);
    page.line(3, fmt::format("{}\t{}\tOptional: {}", text_of(ref["name"]), from, bool_text(ref["optional"])));
  }
}

void put_environment(Page& page, const Value& container, const Value& pod) {
  const Array& all = container["env"].as_array();
  page.line(2, all.empty() ? "Environment:\t<none>" : "Environment:");
  for (const Value& one : all) {
    std::string name = text_of(one["name"]);
    const Value& from = one["valueFrom"];
    if (!from.is_object()) {
      auto lines = base::split(one["value"].as_string(), '\n');
      for (size_t i = 0; i < lines.size(); ++i)
        page.line(3, fmt::format("{}\t{}", i ? "" : name + ":", lines[i]));
    } else if (const Value& field = from["fieldRef"]; field.is_object()) {
      page.field(3, name,
                 fmt::format("{} ({}:{})", field_value(pod, field), text_of(field["apiVersion"]),
                             text_of(field["fieldPath"])));
    } else if (const Value& resource = from["resourceFieldRef"]; resource.is_object()) {
      page.field(3, name,
                 fmt::format("{} ({})", resource_value(container, resource), text_of(resource["resource"])));
    } else if (const Value& secret = from["secretKeyRef"]; secret.is_object()) {
      page.field(3, name,
                 fmt::format("<set to the key '{}' in secret '{}'>\tOptional: {}", text_of(secret["key"]),
                             text_of(secret["name"]), bool_text(secret["optional"])));
    } else if (const Value& map = from["configMapKeyRef"]; map.is_object()) {
      page.field(3, name,
                 fmt::format("<set to the key '{}' of config map '{}'>\tOptional: {}", text_of(map["key"]),
                             text_of(map["name"]), bool_text(map["optional"])));
    }
  }
}

std::vector<const Value*> sorted_by(const Value& array, const char* field) {
  std::vector<const Value*> out;
  for (const Value& one : array.as_array()) out.push_back(&one);
  std::stable_sort(out.begin(), out.end(),
                   [field](auto* a, auto* b) { return (*a)[field].as_string() < (*b)[field].as_string(); });
  return out;
}

void put_mounts(Page& page, const Value& container) {
  auto mounts = sorted_by(container["volumeMounts"], "mountPath");
  page.line(2, mounts.empty() ? "Mounts:\t<none>" : "Mounts:");
  for (auto* mount : mounts) {
    std::string flags = (*mount)["readOnly"].as_bool() ? "ro" : "rw";
    if (auto path = (*mount)["subPath"].as_string(); !path.empty()) flags += ",path=" + base::quote(path);
    page.line(
        3, fmt::format("{} from {} ({})", text_of((*mount)["mountPath"]), text_of((*mount)["name"]), flags));
  }
  auto devices = sorted_by(container["volumeDevices"], "devicePath");
  if (!devices.empty())
    page.line(2, mounts.empty() ? "Devices:\t<none>" : "Devices:");  // kubectl's slip, kept
  for (auto* device : devices)
    page.line(3, fmt::format("{} from {}", text_of((*device)["devicePath"]), text_of((*device)["name"])));
}

void put_container(Page& page, const ContainerList& list, const Value& container, const Value* status) {
  page.line(1, fmt::format("{}{}:", list.indent.empty() ? "" : " ", text_of(container["name"])));
  if (status) page.field(2, "Container ID", text_of((*status)["containerID"]));
  page.field(2, "Image", text_of(container["image"]));
  if (status) page.field(2, "Image ID", text_of((*status)["imageID"]));
  put_ports(page, "Port", ports_text(container["ports"], "containerPort"));
  put_ports(page, "Host Port", ports_text(container["ports"], "hostPort"));
  put_seccomp(page, container.at({"securityContext", "seccompProfile"}));
  put_words(page, "Command:", container["command"]);
  put_words(page, "Args:", container["args"]);
  if (status) {
    put_state(page, "State", (*status)["state"]);
    if ((*status)["lastState"]["terminated"].is_object())
      put_state(page, "Last State", (*status)["lastState"]);
    page.field(2, "Ready", (*status)["ready"].as_bool() ? "True" : "False");
    page.field(2, "Restart Count", (*status)["restartCount"].int_or(0));
  }
  put_resources(page, 2, container["resources"]);
  for (auto [title, field] : {std::pair{"Liveness", "livenessProbe"},
                              {"Readiness", "readinessProbe"},
                              {"Startup", "startupProbe"}}) {
    if (const Value& probe = container[field]; probe.is_object()) page.field(2, title, probe_text(probe));
  }
  put_environment_sources(page, container["envFrom"]);
  put_environment(page, container, list.pod);
  put_mounts(page, container);
}

}  // namespace

void put_containers(Page& page, const ContainerList& list) {
  const Array& containers = list.containers.as_array();
  page.line(0, fmt::format("{}{}:{}", list.indent, list.title, containers.empty() ? " <none>" : ""));
  for (const Value& container : containers) {
    const Value* status = nullptr;
    for (const Value& one : list.statuses.as_array()) {
      if (one["name"].as_string() == container["name"].as_string()) status = &one;
    }
    put_container(page, list, container, status);
  }
}

}  // namespace cli
