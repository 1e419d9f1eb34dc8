// What the proxy is told once, at its start. A value.
#pragma once

#include <string>
#include <vector>

namespace proxy {

struct Config {
  std::string node_name;
  // Networks of the whole cluster; both families by comma.
  std::string pod_cidr = "10.244.0.0/16";
  std::string service_cidr = "10.96.0.0/16";  // "": as the API's ServiceCIDR objects say at the start
  std::string node_pod_cidr = {};  // of this node's pods; "": as its Node says; what is no such pod is masqueraded
  std::string table = "sampan";    // the nftables tables that are ours, one for each family
  std::string zone = {};           // topology.kubernetes.io/zone of this node; "": as its Node says
  std::string mode = "auto";       // auto: bpf where it can be had, and nftables; bpf: that or an error; nftables: alone
  std::vector<std::string> node_addresses = {};  // the first of each family answers pings; none: as its Node says
  std::vector<std::string> node_port_addresses = {};  // networks in which node ports are served; none: everywhere
  std::string bpf_pins = {};  // folder where programs and maps are pinned, made and mounted; "": they end with us
  std::vector<std::string> pod_namespaces = {};  // folders with the pods' network namespaces; "/run/netns/cni-*" too
  std::string healthz_address = "0.0.0.0:10256";    // "": none
  std::string metrics_address = "127.0.0.1:10249";  // "": none; told to nobody but those on the node, at both
};

}  // namespace proxy
