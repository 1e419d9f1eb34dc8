#include "node/environment.hpp"

#include <algorithm>

#include "base/quantity.hpp"
#include "base/strings.hpp"

namespace node {
namespace {

// Variables by name, in the order in which they were first set.
class Variables {
 public:
  void set(const std::string& name, std::string value) { put(name, std::move(value), true); }
  // Of the image and the runtime: $(NAME) does not see it.
  void set_hidden(const std::string& name, std::string value) { put(name, std::move(value), false); }
  const std::string* find(std::string_view name) const {
    const auto found = index_.find(name);
    return found == index_.end() || !list_[found->second].seen ? nullptr : &list_[found->second].value;
  }
  Environment finish() const {
    Environment out;
    for (const auto& one : list_) {
      out.all.push_back(one.name + "=" + one.value);
      if (one.seen) out.own.push_back(out.all.back());
    }
    return out;
  }

 private:
  struct Variable {
    std::string name;
    std::string value;
    bool seen;
  };
  void put(const std::string& name, std::string value, bool seen) {
    const auto [at, is_new] = index_.try_emplace(name, list_.size());
    if (is_new) list_.push_back({name, std::move(value), seen});
    else list_[at->second] = {name, std::move(value), seen};
  }
  std::map<std::string, size_t, std::less<>> index_;
  std::vector<Variable> list_;
};

template <class Find>
std::string expand(std::string_view text, const Find& find) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const auto close = text[i + 1] == '(' ? text.find(')', i) : std::string_view::npos;
    if (close == std::string_view::npos) {
      out += '$';
      continue;
    }
    const std::string* value = find(text.substr(i + 2, close - i - 2));
    if (value != nullptr) {
      out += *value;
    } else {
      out += text.substr(i, close - i + 1);
    }
    i = close;
  }
  return out;
}

std::string variable_name(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c == '-' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
  return out;
}

base::Result<std::string> keyed_value(const base::Result<std::map<std::string, std::string>>& data,
                                      bool optional, const std::string& key, const std::string& what,
                                      const std::string& full_name, bool& present) {
  present = false;
  if (!data) {
    if (optional && data.error().reason == base::Reason::not_found) return std::string();
    return std::unexpected(data.error());
  }
  const auto found = data->find(key);
  if (found == data->end()) {
    if (optional) return std::string();
    return base::fail(base::Reason::not_found, "couldn't find key " + key + " in " + what + " " + full_name);
  }
  present = true;
  return found->second;
}

int64_t divide_up(int64_t value, int64_t by) { return by <= 0 ? value : (value + by - 1) / by; }

base::Result<std::string> resource_value(const api::Pod& pod, const api::Container& own,
                                         const api::ResourceFieldSelector& selector,
                                         const EnvironmentSources& sources) {
  const api::Container* container = &own;
  if (!selector.container_name.empty()) {
    for (const auto& other : pod.spec.containers) {
      if (other.name == selector.container_name) container = &other;
    }
  }
  const auto dot = selector.resource.find('.');
  const std::string kind = selector.resource.substr(0, dot);
  const std::string name = dot == std::string::npos ? "" : selector.resource.substr(dot + 1);
  if ((kind != "limits" && kind != "requests") || name.empty()) {
    return base::fail(base::Reason::invalid, "resourceFieldRef " + selector.resource + " is not supported");
  }
  std::string text = "0";
  const auto take = [&](const std::map<std::string, std::string>& values) {
    const auto found = values.find(name);
    if (found == values.end()) return false;
    text = found->second;
    return true;
  };
  const bool set = container->resources &&
                   take(kind == "limits" ? container->resources->limits : container->resources->requests);
  if (!set && kind == "limits") take(sources.allocatable);
  const auto quantity = base::Quantity::parse(text);
  const auto divisor =
      base::Quantity::parse(selector.divisor.empty() || selector.divisor == "0" ? "1" : selector.divisor);
  if (!quantity || !divisor)
    return base::fail(base::Reason::invalid, "resourceFieldRef " + selector.resource + " is no quantity");
  if (name == "cpu") return std::to_string(divide_up(quantity->milli_value(), divisor->milli_value()));
  return std::to_string(divide_up(quantity->value(), divisor->value()));
}

base::Result<void> add_env_from(const api::Container& container, const EnvironmentSources& sources,
                                Variables& all) {
  for (const auto& from : container.env_from) {
    base::Result<std::map<std::string, std::string>> data;
    bool optional = false;
    if (from.config_map_ref) {
      data = sources.config_map(from.config_map_ref->name);
      optional = from.config_map_ref->optional.value_or(false);
    } else if (from.secret_ref) {
      data = sources.secret(from.secret_ref->name);
      optional = from.secret_ref->optional.value_or(false);
    } else {
      continue;
    }
    if (!data) {
      if (optional && data.error().reason == base::Reason::not_found) continue;
      return std::unexpected(data.error());
    }
    for (const auto& [key, value] : *data) {
      const std::string name = from.prefix + key;
      const bool valid = !name.empty() && name.find_first_of(std::string_view("=\0", 2)) == std::string::npos;
      if (valid) all.set(name, value);
    }
  }
  return {};
}

base::Result<void> add_env(const api::Pod& pod, const api::Container& container,
                           const EnvironmentSources& sources, Variables& all) {
  const auto find = [&](std::string_view name) { return all.find(name); };
  for (const auto& variable : container.env) {
    if (!variable.value_from) {
      all.set(variable.name, expand(variable.value, find));
      continue;
    }
    const auto& from = *variable.value_from;
    bool present = true;
    std::string value;
    if (from.field_ref) {
      TRY(value, field_value(pod, from.field_ref->field_path, sources));
    } else if (from.resource_field_ref) {
      TRY(value, resource_value(pod, container, *from.resource_field_ref, sources));
    } else if (from.config_map_key_ref) {
      const auto& ref = *from.config_map_key_ref;
      TRY(value, keyed_value(sources.config_map(ref.name), ref.optional.value_or(false), ref.key, "ConfigMap",
                             pod.metadata.namespace_ + "/" + ref.name, present));
    } else if (from.secret_key_ref) {
      const auto& ref = *from.secret_key_ref;
      TRY(value, keyed_value(sources.secret(ref.name), ref.optional.value_or(false), ref.key, "Secret",
                             pod.metadata.namespace_ + "/" + ref.name, present));
    } else {
      return base::fail(base::Reason::invalid,
                        "env " + variable.name + ": this kind of valueFrom is not supported");
    }
    if (present) all.set(variable.name, std::move(value));
  }
  return {};
}

}  // namespace

base::Result<std::string> field_value(const api::Pod& pod, std::string_view path,
                                      const EnvironmentSources& sources) {
  const auto map_key = [&](std::string_view prefix, const std::map<std::string, std::string>& map,
                           std::string& out) {
    if (!path.starts_with(prefix) || !path.ends_with("']")) return false;
    const auto found = map.find(std::string(path.substr(prefix.size(), path.size() - prefix.size() - 2)));
    out = found == map.end() ? "" : found->second;
    return true;
  };
  std::string value;
  if (path == "metadata.name") return pod.metadata.name;
  if (path == "metadata.namespace") return pod.metadata.namespace_;
  if (path == "metadata.uid") return pod.metadata.uid;
  if (path == "spec.nodeName") return sources.node_name;
  if (path == "spec.serviceAccountName") return pod.spec.service_account_name;
  const auto first = [](const std::vector<std::string>& ips) { return ips.empty() ? std::string() : ips.front(); };
  if (path == "status.hostIP") return first(sources.host_ips);
  if (path == "status.hostIPs") return base::join(sources.host_ips, ",");
  if (path == "status.podIP") return first(sources.pod_ips);
  if (path == "status.podIPs") return base::join(sources.pod_ips, ",");
  if (map_key("metadata.labels['", pod.metadata.labels, value)) return value;
  if (map_key("metadata.annotations['", pod.metadata.annotations, value)) return value;
  return base::fail(base::Reason::invalid, "fieldRef " + std::string(path) + " is not supported");
}

std::vector<std::pair<std::string, std::string>> service_variables(
    const std::vector<std::shared_ptr<const api::Service>>& services, std::string_view namespace_,
    bool service_links) {
  // A Service of the pod's own namespace named "kubernetes" wins over the one of the cluster.
  std::map<std::string, std::shared_ptr<const api::Service>> chosen;
  for (const auto& service : services) {
    const auto& spec = service->spec;
    if (spec.type == "ExternalName" || spec.cluster_ip.empty() || spec.cluster_ip == "None" ||
        spec.ports.empty())
      continue;
    const bool cluster = service->metadata.namespace_ == "default" && service->metadata.name == "kubernetes";
    const bool own = service->metadata.namespace_ == namespace_;
    if (own && service_links) {
      chosen[service->metadata.name] = service;
    } else if (cluster) {
      chosen.try_emplace(service->metadata.name, service);
    }
  }
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [name, service] : chosen) {
    const std::string prefix = variable_name(name);
    const auto& ports = service->spec.ports;
    const std::string& ip = service->spec.cluster_ip;
    const std::string host = ip.find(':') == std::string::npos ? ip : "[" + ip + "]";
    out.emplace_back(prefix + "_SERVICE_HOST", ip);
    out.emplace_back(prefix + "_SERVICE_PORT", std::to_string(ports[0].port));
    for (const auto& port : ports) {
      if (!port.name.empty())
        out.emplace_back(prefix + "_SERVICE_PORT_" + variable_name(port.name), std::to_string(port.port));
    }
    for (size_t i = 0; i < ports.size(); ++i) {
      const std::string protocol = ports[i].protocol.empty() ? "TCP" : ports[i].protocol;
      const std::string number = std::to_string(ports[i].port);
      const std::string url = base::to_lower(protocol) + "://" + host + ":" + number;
      const std::string port_prefix = prefix + "_PORT_" + number + "_" + protocol;
      if (i == 0) out.emplace_back(prefix + "_PORT", url);
      out.emplace_back(port_prefix, url);
      out.emplace_back(port_prefix + "_PROTO", base::to_lower(protocol));
      out.emplace_back(port_prefix + "_PORT", number);
      out.emplace_back(port_prefix + "_ADDR", ip);
    }
  }
  return out;
}

base::Result<Environment> make_environment(const api::Pod& pod, const api::Container& container,
                                           const EnvironmentSources& sources) {
  Variables all;
  bool has_path = false;
  for (const auto& text : sources.image_env) {
    const auto equals = text.find('=');
    if (equals == std::string::npos) continue;
    all.set_hidden(text.substr(0, equals), text.substr(equals + 1));
    has_path = has_path || text.starts_with("PATH=");
  }
  if (!has_path) all.set_hidden("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  all.set_hidden("HOSTNAME", sources.hostname);
  for (auto& [name, value] : service_variables(sources.services, pod.metadata.namespace_,
                                               pod.spec.enable_service_links.value_or(true))) {
    all.set(name, std::move(value));
  }
  CHECK_OK(add_env_from(container, sources, all));
  CHECK_OK(add_env(pod, container, sources, all));
  Environment environment = all.finish();
  for (const auto& text : environment.all) {
    if (text.find('\0') != std::string::npos) {
      return base::fail(base::Reason::invalid, "a variable of the environment holds a NUL");
    }
  }
  return environment;
}

std::string expand_references(std::string_view text, const std::vector<std::string>& environment) {
  std::string value;
  return expand(text, [&](std::string_view name) -> const std::string* {
    for (const auto& variable : environment) {
      if (variable.size() > name.size() && variable[name.size()] == '=' && variable.starts_with(name)) {
        value = variable.substr(name.size() + 1);
        return &value;
      }
    }
    return nullptr;
  });
}

}  // namespace node
