// The configuration file of the proxy whose place this one takes.
#include "proxy/kube_proxy_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy {
namespace {

TEST(KubeProxyConfig, what_is_meant_the_same_is_taken_over) {
  auto config = read_kube_proxy_config(R"(apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: 0.0.0.0
clientConnection:
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16,fd00:244::/56
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  tcpCloseWaitTimeout: null
iptables:
  masqueradeAll: false
  syncPeriod: 0s
healthzBindAddress: "127.0.0.1:10256"
hostnameOverride: node-1
mode: nftables
nftables:
  masqueradeAll: true
nodePortAddresses: ["10.0.0.0/8", primary]
)");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->kubeconfig, "/var/lib/kube-proxy/kubeconfig.conf");
  EXPECT_EQ(config->cluster_cidr, "10.244.0.0/16,fd00:244::/56");
  EXPECT_EQ(config->healthz_address, "127.0.0.1:10256");
  EXPECT_EQ(config->metrics_address, "");
  EXPECT_EQ(config->hostname_override, "node-1");
  EXPECT_EQ(config->mode, "nftables");
  EXPECT_THAT(config->node_port_addresses, testing::ElementsAre("10.0.0.0/8", "primary"));
  EXPECT_THAT(config->ignored, testing::ElementsAre("bindAddress", "nftables"));
}

TEST(KubeProxyConfig, other_modes_are_auto) {
  for (auto mode : {"", "iptables", "ipvs", "kernelspace"})
    EXPECT_EQ(read_kube_proxy_config(std::string("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: \"") + mode + "\"\n")->mode,
              "auto");
}

TEST(KubeProxyConfig, other_files_and_unknown_fields_are_refused) {
  EXPECT_THAT(read_kube_proxy_config("apiVersion: v1\nkind: Pod\n").error().message, testing::HasSubstr("holds Pod of v1"));
  EXPECT_THAT(read_kube_proxy_config("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclusterCidr: x\n").error().message,
              testing::HasSubstr("unknown field \"clusterCidr\""));
  EXPECT_FALSE(read_kube_proxy_config("a: [").has_value());
}

}  // namespace
}  // namespace proxy
