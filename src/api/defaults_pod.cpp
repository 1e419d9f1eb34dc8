#include "api/defaults_pod.hpp"

#include <map>
#include <string>
#include <string_view>

#include "base/quantity.hpp"

namespace api {

using base::Object;
using base::Value;

namespace {

void set_if_absent(Object& object, std::string_view name, Value value) {
  const Value* found = object.find(name);
  const bool absent = !found || found->is_null() || (found->is_string() && found->as_string().empty());
  if (absent) object.set(name, std::move(value));
}

void set_if_zero(Object& object, std::string_view name, int64_t value) {
  const Value* found = object.find(name);
  if (!found || found->int_or(0) == 0) object.set(name, value);
}

// Calls f(Object&) for every object in the list of that name.
template <class F>
void each(Object& parent, std::string_view name, F&& f) {
  Value* list = parent.find(name);
  if (!list || !list->is_array()) return;
  for (Value& item : list->array()) {
    if (auto* object = item.if_object()) f(*object);
  }
}

// Calls f(Object&) for the object of that name, when there is one.
template <class F>
void with(Object& parent, std::string_view name, F&& f) {
  Value* value = parent.find(name);
  if (auto* object = value ? value->if_object() : nullptr) f(*object);
}

// Images that may change under their name are pulled again each time: those without a tag and a digest, or
// with :latest.
std::string_view pull_policy_for(std::string_view image) {
  if (image.empty()) return "IfNotPresent";
  if (image.contains('@')) {
    const std::string_view before = image.substr(0, image.find('@'));
    return before.ends_with(":latest") ? "Always" : "IfNotPresent";
  }
  const size_t slash = image.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? image : image.substr(slash + 1);
  const size_t colon = last.find(':');
  return colon == std::string_view::npos || last.substr(colon + 1) == "latest" ? "Always" : "IfNotPresent";
}

void default_handler(Object& handler) {
  with(handler, "httpGet", [](Object& get) {
    set_if_absent(get, "path", "/");
    set_if_absent(get, "scheme", "HTTP");
  });
}

void default_probe(Object& probe) {
  set_if_zero(probe, "timeoutSeconds", 1);
  set_if_zero(probe, "periodSeconds", 10);
  set_if_zero(probe, "successThreshold", 1);
  set_if_zero(probe, "failureThreshold", 3);
  default_handler(probe);
}

// What is limited and not requested is requested up to its limit.
void requests_from_limits(Object& container) {
  with(container, "resources", [](Object& resources) {
    const Value* limits = resources.find("limits");
    if (!limits || limits->as_object().empty()) return;
    const Object wanted = limits->as_object();
    Object& requests = resources["requests"].object();
    for (const auto& [name, limit] : wanted) {
      if (!requests.contains(name)) requests.set(name, limit);
    }
  });
}

void default_container(Object& container) {
  const Value* image = container.find("image");
  set_if_absent(container, "imagePullPolicy", pull_policy_for(image ? image->as_string() : ""));
  set_if_absent(container, "terminationMessagePath", "/dev/termination-log");
  set_if_absent(container, "terminationMessagePolicy", "File");
  for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"})
    with(container, probe, default_probe);
  with(container, "lifecycle", [](Object& lifecycle) {
    with(lifecycle, "postStart", default_handler);
    with(lifecycle, "preStop", default_handler);
  });
  each(container, "env", [](Object& variable) {
    with(variable, "valueFrom", [](Object& source) {
      with(source, "fieldRef", [](Object& field) { set_if_absent(field, "apiVersion", "v1"); });
    });
  });
}

void default_downward_items(Object& source) {
  each(source, "items", [](Object& item) {
    with(item, "fieldRef", [](Object& field) { set_if_absent(field, "apiVersion", "v1"); });
  });
}

void default_projection(Object& source) {
  with(source, "serviceAccountToken", [](Object& token) {
    if (!token.contains("expirationSeconds")) token.set("expirationSeconds", 3'600);
  });
  with(source, "podCertificate", [](Object& certificate) {
    if (!certificate.contains("maxExpirationSeconds")) certificate.set("maxExpirationSeconds", 86'400);
  });
  with(source, "downwardAPI", default_downward_items);
}

void default_volume(Object& volume) {
  if (volume.size() <= 1 && (volume.empty() || volume.contains("name"))) volume.set("emptyDir", Object());
  for (const char* files : {"secret", "configMap", "downwardAPI", "projected"}) {
    with(volume, files, [](Object& source) {
      if (!source.contains("defaultMode")) source.set("defaultMode", 0644);
    });
  }
  with(volume, "downwardAPI", default_downward_items);
  with(volume, "projected", [](Object& projected) { each(projected, "sources", default_projection); });
  with(volume, "hostPath", [](Object& path) {
    if (!path.contains("type")) path.set("type", "");
  });
  with(volume, "image", [](Object& image) {
    const Value* reference = image.find("reference");
    set_if_absent(image, "pullPolicy", pull_policy_for(reference ? reference->as_string() : ""));
  });
  with(volume, "ephemeral", [](Object& ephemeral) {
    with(ephemeral, "volumeClaimTemplate", [](Object& claim) {
      with(claim, "spec", [](Object& spec) { set_if_absent(spec, "volumeMode", "Filesystem"); });
    });
  });
}

bool counts_for_pods(std::string_view resource) {
  return resource == "cpu" || resource == "memory" || resource.starts_with("hugepages-");
}

using Amounts = std::map<std::string, base::Quantity, std::less<>>;

Amounts requests_of(const Value& container) {
  Amounts out;
  for (const auto& [name, text] : container.at({"resources", "requests"}).as_object()) {
    if (auto amount = base::Quantity::parse(text.as_string()); amount && counts_for_pods(name))
      out[name] = *amount;
  }
  return out;
}

void add_to(Amounts& sum, const Amounts& more) {
  for (const auto& [name, amount] : more) {
    auto [place, is_new] = sum.try_emplace(name, amount);
    if (!is_new) place->second = place->second + amount;
  }
}

void raise_to(Amounts& sum, const Amounts& least) {
  for (const auto& [name, amount] : least) {
    auto [place, is_new] = sum.try_emplace(name, amount);
    if (!is_new && place->second < amount) place->second = amount;
  }
}

// What the containers ask for together: all that run side by side, or one init container beside the sidecars
// before it.
Amounts requests_of_containers(const Object& spec) {
  Amounts sum, sidecars, start;
  if (const Value* containers = spec.find("containers")) {
    for (const Value& container : containers->as_array()) add_to(sum, requests_of(container));
  }
  if (const Value* containers = spec.find("initContainers")) {
    for (const Value& container : containers->as_array()) {
      Amounts now = requests_of(container);
      if (container["restartPolicy"].as_string() == "Always") {
        add_to(sum, now);
        add_to(sidecars, now);
        now = sidecars;
      } else {
        add_to(now, sidecars);
      }
      raise_to(start, now);
    }
  }
  raise_to(sum, start);
  return sum;
}

// A pod with limits of its own: requests are what the containers ask for, else the limit.
void default_pod_requests(Object& spec) {
  Value* resources = spec.find("resources");
  if (!resources || (*resources)["limits"].as_object().empty()) return;
  const Object limits = (*resources)["limits"].as_object();
  Object& requests = resources->object()["requests"].object();
  for (const auto& [name, amount] : requests_of_containers(spec)) {
    if (!requests.contains(name)) requests.set(name, amount.text());
  }
  for (const auto& [name, limit] : limits) {
    if (!requests.contains(name) && counts_for_pods(name)) requests.set(name, limit);
  }
  if (requests.empty()) resources->object().erase("requests");
}

// On the host's own network a container port is a host port.
void default_host_ports(Object& spec) {
  for (const char* list : {"containers", "initContainers"}) {
    each(spec, list, [](Object& container) {
      each(container, "ports", [](Object& port) {
        const Value* number = port.find("containerPort");
        const Value* host = port.find("hostPort");
        if (number && (!host || host->int_or(0) == 0)) port.set("hostPort", Value(*number));
      });
    });
  }
}

}  // namespace

void default_pod_spec(Value& holder, PodPlace place) {
  Object& spec = holder.make({"spec"}).object();
  for (const char* list : {"containers", "initContainers", "ephemeralContainers"})
    each(spec, list, default_container);
  each(spec, "volumes", default_volume);
  set_if_absent(spec, "dnsPolicy", "ClusterFirst");
  set_if_absent(spec, "restartPolicy", "Always");
  set_if_absent(spec, "securityContext", Object());
  set_if_absent(spec, "schedulerName", "default-scheduler");
  if (!spec.contains("terminationGracePeriodSeconds")) spec.set("terminationGracePeriodSeconds", 30);
  if (place == PodPlace::of_template) return;
  for (const char* list : {"containers", "initContainers"}) each(spec, list, requests_from_limits);
  default_pod_requests(spec);
  if (!spec.contains("enableServiceLinks")) spec.set("enableServiceLinks", true);
  const Value* host_network = spec.find("hostNetwork");
  if (host_network && host_network->as_bool()) default_host_ports(spec);
}

}  // namespace api
