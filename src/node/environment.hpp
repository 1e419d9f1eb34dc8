// The environment of a container: image, Services, config maps, secrets, the pod's own fields, and $(VAR)
// references. Pure but for the two look-ups that the caller hands in; any thread.
//
// Source: kubelet's envvars and container runtime code paths, and the API's field documentation.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/types.hpp"
#include "base/result.hpp"

namespace node {

struct EnvironmentSources {
  std::vector<std::string> image_env;
  std::string hostname;
  std::vector<std::string> pod_ips;   // at most one per family, the main one first
  std::vector<std::string> host_ips;
  std::string node_name;
  std::vector<std::shared_ptr<const api::Service>>
      services;                                    // of the pod's namespace, and default/kubernetes
  std::map<std::string, std::string> allocatable;  // of the node: limits that a container does not set
  // The data of a config map or secret in the pod's namespace (secrets decoded); not_found.
  std::function<base::Result<std::map<std::string, std::string>>(const std::string& name)> config_map;
  // With its binaryData: for volumes, a variable cannot hold that.
  std::function<base::Result<std::map<std::string, std::string>>(const std::string& name)> config_map_files;
  std::function<base::Result<std::map<std::string, std::string>>(const std::string& name)> secret;
};

struct Environment {
  std::vector<std::string> all;  // "NAME=value" in the order in which `env` prints them
  // Those that $(NAME) means: the container's own and the Services', but not what the image sets.
  std::vector<std::string> own;
};
// An error is the reason of CreateContainerConfigError.
base::Result<Environment> make_environment(const api::Pod& pod, const api::Container& container,
                                           const EnvironmentSources& sources);
// $(NAME) by the environment, $$ is $; unknown names stay as they are.
std::string expand_references(std::string_view text, const std::vector<std::string>& environment);
// The variables of Services, in order: those of the namespace (when linked) and of default/kubernetes, by the first of
// their cluster IPs; neither headless Services nor ExternalNames have any.
std::vector<std::pair<std::string, std::string>> service_variables(
    const std::vector<std::shared_ptr<const api::Service>>& services, std::string_view namespace_,
    bool service_links);
// fieldRef: metadata.name, status.podIP, spec.nodeName, ...
base::Result<std::string> field_value(const api::Pod& pod, std::string_view path,
                                      const EnvironmentSources& sources);

}  // namespace node
