// The files that the node writes for a pod: /etc/hosts, /etc/hostname, /etc/resolv.conf. Pure; any thread.
//
// Source: the forms that the kubelet writes, which programs in pods read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/types.hpp"

namespace node {

std::string pod_hostname(const api::Pod& pod);
std::string hosts_file(const api::Pod& pod, const std::vector<std::string>& ips, std::string_view cluster_domain);
// `host_file` is the node's own resolv.conf.
std::string resolv_file(const api::Pod& pod, std::string_view cluster_dns, std::string_view cluster_domain,
                        std::string_view host_file);

}  // namespace node
