#include "main/proxy_command.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstring>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "cli/kubeconfig.hpp"
#include "client/client.hpp"
#include "proxy/kube_proxy_config.hpp"
#include "proxy/proxy.hpp"
#include "sys/clock.hpp"
#include "sys/fd.hpp"
#include "sys/fs.hpp"
#include "sys/signals.hpp"

namespace main_ {
namespace {

using namespace std::chrono_literals;

// How long the API may be silent at the start before we say so; upstream's proxies wait as long for their node.
constexpr auto kNodeLimit = 30s;
constexpr const char* kPins = "/run/sampan/proxy/bpf";

void or_else(std::string& value, const std::string& otherwise) {
  if (value.empty()) value = otherwise;
}

// Flags first, then the file, then what is usual.
base::Result<ProxyOptions> settled(ProxyOptions options) {
  if (!options.config_file.empty()) {
    TRY(auto text, sys::read_file(options.config_file));
    auto file = proxy::read_kube_proxy_config(text);
    if (!file) return std::unexpected(std::move(file).error().wrap(options.config_file));
    or_else(options.kubeconfig, file->kubeconfig);
    or_else(options.mode, file->mode);
    or_else(options.hostname_override, file->hostname_override);
    or_else(options.cluster_cidr, file->cluster_cidr);
    or_else(options.healthz_address, file->healthz_address);
    or_else(options.metrics_address, file->metrics_address);
    if (options.node_port_addresses.empty()) options.node_port_addresses = file->node_port_addresses;
    for (const auto& name : file->ignored) base::log_info("proxy", "{}: {} changes nothing here", options.config_file, name);
  }
  or_else(options.mode, "auto");
  or_else(options.healthz_address, "0.0.0.0:10256");
  or_else(options.metrics_address, "127.0.0.1:10249");
  if (options.hostname_override.empty()) {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0) return std::unexpected(base::errno_error("read the host's name", errno));
    options.hostname_override = name;
  }
  // Node names are written small.
  options.hostname_override = base::to_lower(options.hostname_override);
  return options;
}

base::Result<client::Client> connect(const ProxyOptions& options) {
  static constexpr cli::Flag kFlags[] = {{.name = "kubeconfig"}};
  std::vector<std::string> words;
  if (!options.kubeconfig.empty()) words.push_back("--kubeconfig=" + options.kubeconfig);
  TRY(auto args, cli::parse_args(words, kFlags));
  TRY(auto connection, cli::load_connection(args));
  return client::Client(client::make_http_transport(connection.http), "kube-proxy/" SAMPAN_VERSION);
}

// The node, when it comes in time: a proxy often starts together with it.
base::Result<api::Node> wait_for_node(client::Client& client, const std::string& name, int stop) {
  sys::SystemClock clock;
  auto end = clock.steady_now() + kNodeLimit;
  while (true) {
    auto node = client.get<api::Node>("", name);
    if (node || clock.steady_now() >= end) return node;
    base::log_info("proxy", "waiting for node {}: {}", name, node.error().message);
    pollfd waiting{stop, POLLIN, 0};
    if (::poll(&waiting, 1, 1000) > 0) return node;
  }
}

// Addresses of Services as the API says them; none where it has no such objects (before Kubernetes 1.33).
std::string service_cidrs(client::Client& client) {
  std::vector<std::string> out;
  auto all = client.list(client::resource_of<api::ServiceCIDR>());
  if (!all) {
    base::log_info("proxy", "the networks of Services are not known ({}): addresses that no Service has are not refused", all.error().message);
    return "";
  }
  for (const auto& one : (*all)["items"].as_array())
    for (const auto& cidr : one.at({"spec", "cidrs"}).as_array()) out.emplace_back(cidr.as_string());
  return base::join(out, ",");
}

// "primary" is the node's own addresses.
std::vector<std::string> node_port_networks(const std::vector<std::string>& given, const api::Node& node) {
  std::vector<std::string> out;
  for (const auto& one : given) {
    if (one != "primary") {
      out.push_back(one);
      continue;
    }
    for (const auto& a : node.status.addresses)
      if (a.type == "InternalIP") out.push_back(a.address + (a.address.find(':') == std::string::npos ? "/32" : "/128"));
  }
  return out;
}

base::Result<proxy::Config> config_of(const ProxyOptions& options, client::Client& client, int stop) {
  TRY(auto node, wait_for_node(client, options.hostname_override, stop));
  proxy::Config config;
  config.node_name = options.hostname_override;
  config.pod_cidr = options.cluster_cidr;
  // Without it, the pods of this node are those that are known to be inside.
  if (config.pod_cidr.empty()) config.pod_cidr = node.spec.pod_cidrs.empty() ? node.spec.pod_cidr : base::join(node.spec.pod_cidrs, ",");
  config.service_cidr = service_cidrs(client);
  config.table = "sampan_proxy";
  config.mode = options.mode;
  config.node_port_addresses = node_port_networks(options.node_port_addresses, node);
  config.bpf_pins = kPins;
  config.pod_namespaces = {"/run/netns/cni-*"};
  config.healthz_address = options.healthz_address;
  config.metrics_address = options.metrics_address;
  return config;
}

base::Result<void> clean_up() {
  proxy::Config config;
  config.table = "sampan_proxy";
  config.bpf_pins = kPins;
  return proxy::remove_rules(config);
}

base::Result<void> run_until_stopped(const ProxyOptions& given, int stop) {
  if (given.cleanup) return clean_up();
  TRY(auto options, settled(given));
  TRY(auto client, connect(options));
  TRY(auto config, config_of(options, client, stop));
  sys::SystemClock clock;
  TRY(auto running, proxy::Proxy::make(config, client, clock));
  running->start();
  base::log_info("proxy", "node {}, mode {}, pods {}, Services {}", config.node_name, config.mode,
                 config.pod_cidr.empty() ? "unknown" : config.pod_cidr, config.service_cidr.empty() ? "unknown" : config.service_cidr);
  signalfd_siginfo info{};
  while (::read(stop, &info, sizeof info) < 0 && errno == EINTR) {
  }
  base::log_info("proxy", "stopping on {}; Services go on", ::strsignal(static_cast<int>(info.ssi_signo)));
  running->stop();
  return {};
}

}  // namespace

int run_proxy(const ProxyOptions& options) {
  auto stop = sys::open_stop_signals();
  auto done = run_until_stopped(options, stop.get());
  if (done) return 0;
  fmt::print(stderr, "error: {}\n", done.error().message);
  return 1;
}

}  // namespace main_
