// kube-proxy's own configuration file, for a proxy that runs in its place: what is meant the same here is taken over,
// what has no meaning here is named. Pure; any thread.
//
// Source: kubeproxy.config.k8s.io/v1alpha1, KubeProxyConfiguration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace proxy {

struct KubeProxyConfig {
  std::string kubeconfig;         // clientConnection.kubeconfig
  std::string hostname_override;
  std::string mode = "auto";      // nftables stays that; all others mean auto
  std::string cluster_cidr;
  std::string healthz_address;    // "": not told
  std::string metrics_address;
  std::vector<std::string> node_port_addresses;  // networks, or "primary"
  std::vector<std::string> ignored;              // fields that are set and change nothing here
};

// Fields that kube-proxy does not know are an error, as with kube-proxy.
base::Result<KubeProxyConfig> read_kube_proxy_config(std::string_view yaml);

}  // namespace proxy
