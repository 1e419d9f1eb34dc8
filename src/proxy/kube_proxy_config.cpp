#include "proxy/kube_proxy_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/value.hpp"
#include "base/yaml.hpp"

namespace proxy {

namespace {

// Of kube-proxy, without a meaning here: how rules are written, when they are refreshed, what belongs to other systems.
constexpr std::array<std::string_view, 24> kWithoutMeaning = {
    "featureGates",  "clientConnection", "logging",           "bindAddress",       "bindAddressHardFail", "enableProfiling",
    "showHiddenMetricsForVersion",       "iptables",          "ipvs",              "nftables",            "winkernel",
    "detectLocalMode", "detectLocal",    "oomScoreAdj",       "conntrack",         "configSyncPeriod",    "portRange",
    "windowsRunAsService", "linux",      "windows",           "syncPeriod",        "minSyncPeriod",       "udpIdleTimeout",
    "ipTablesSyncPeriod"};
// Set in every file that a cluster is made with; not worth a word.
constexpr std::array<std::string_view, 4> kQuiet = {"clientConnection", "detectLocalMode", "configSyncPeriod", "logging"};

template <class Names>
bool among(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Something other than null, zero, "", or an object of nothing but such.
bool says_something(const base::Value& value) {
  if (auto* object = value.if_object())
    return std::any_of(object->begin(), object->end(), [](const auto& member) { return says_something(member.value); });
  if (auto* text = value.if_string()) return !text->empty() && *text != "0s";
  if (auto* number = value.if_number()) return number->text != "0";
  return value.is_array() ? !value.as_array().empty() : value.as_bool();
}

}  // namespace

base::Result<KubeProxyConfig> read_kube_proxy_config(std::string_view yaml) {
  TRY(auto file, base::parse_yaml(yaml));
  if (file["kind"].as_string() != "KubeProxyConfiguration" || !file["apiVersion"].as_string().starts_with("kubeproxy.config.k8s.io/"))
    return base::fail(base::Reason::invalid,
                      fmt::format("the file holds {} of {}, not a KubeProxyConfiguration of kubeproxy.config.k8s.io/v1alpha1",
                                  file["kind"].as_string().empty() ? "nothing" : file["kind"].as_string(),
                                  file["apiVersion"].as_string().empty() ? "no version" : file["apiVersion"].as_string()));
  KubeProxyConfig out;
  out.kubeconfig = file.at({"clientConnection", "kubeconfig"}).as_string();
  for (const auto& [name, value] : file.as_object()) {
    std::string text(value.as_string());
    if (name == "apiVersion" || name == "kind") continue;
    if (name == "hostnameOverride") out.hostname_override = text;
    else if (name == "clusterCIDR") out.cluster_cidr = text;
    else if (name == "healthzBindAddress") out.healthz_address = text;
    else if (name == "metricsBindAddress") out.metrics_address = text;
    else if (name == "mode") out.mode = text == "nftables" ? "nftables" : "auto";
    else if (name == "nodePortAddresses")
      for (const auto& one : value.as_array()) out.node_port_addresses.emplace_back(one.as_string());
    else if (!among(kWithoutMeaning, name))
      return base::fail(base::Reason::invalid, fmt::format("strict decoding error: unknown field \"{}\"", name));
    else if (!among(kQuiet, name) && says_something(value)) out.ignored.push_back(name);
  }
  return out;
}

}  // namespace proxy
