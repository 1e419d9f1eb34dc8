// `sampan proxy`: the service proxy alone, on a node of any Kubernetes cluster, in place of kube-proxy.
#pragma once

#include <string>
#include <vector>

namespace main_ {

struct ProxyOptions {
  std::string kubeconfig;  // "": as the file says, else $KUBECONFIG, else the pod's own service account
  std::string config_file;  // kube-proxy's; flags go before it
  std::string mode;
  std::string hostname_override;
  std::string cluster_cidr;
  std::string healthz_address;
  std::string metrics_address;
  std::vector<std::string> node_port_addresses;
  bool cleanup = false;
};

// Runs until SIGTERM or SIGINT; traffic flows on after it. Returns the exit code.
int run_proxy(const ProxyOptions& options);

}  // namespace main_
