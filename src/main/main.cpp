// The commands of the one binary. Under the name kubectl (or kubectl-sampan) it is the kubectl alone.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "cli/cli.hpp"
#include "main/cluster.hpp"
#include "main/image_command.hpp"
#include "main/list.hpp"
#include "main/proxy_command.hpp"
#include "main/server_command.hpp"
#include "main/up.hpp"

namespace {

int fail(const base::Error& error) {
  fmt::print(stderr, "error: {}\n", error.message);
  return 1;
}

// CLI11 reports its own errors on several lines; users get one, and where to look.
int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  fmt::print(stderr, "error: {}; see 'sampan --help'\n", error.what());
  return 1;
}

int run(int argc, char** argv) {
  CLI::App app{"Sampan: a Kubernetes made around Services, in one binary.", "sampan"};
  app.set_version_flag("--version", std::string("sampan " SAMPAN_VERSION " (Kubernetes v1.36)"));
  app.require_subcommand(1);
  std::string name = "default";
  auto with_name = [&name](CLI::App* command) {
    command->add_option("--name", name, "Name of the cluster")->capture_default_str();
    return command;
  };

  main_::UpOptions up;
  auto* up_command = with_name(app.add_subcommand("up", "Start a local one-node cluster and make it kubectl's current context"));
  up_command->add_flag("--isolated", up.isolated, "No link between the cluster and this host's network, but for the API on loopback");
  up_command->add_option("--kubeconfig", up.kubeconfig, "Write the kubeconfig there instead of merging it into yours");
  up_command->add_option("--api-port", up.api_port, "Port of the API on this host's loopback (default: 6443, or any when that is taken)");

  up_command->add_option("--server-flag", up.server_flags, "A flag of 'sampan server', such as --server-flag=--audit-log-path=/var/log/audit.log; may be repeated");

  main_::DownOptions down;
  auto* down_command = with_name(app.add_subcommand("down", "Stop a local cluster and remove all that it made"));
  down_command->add_flag("--keep-data", down.keep_data, "Keep its objects, images and certificates for the next 'up'");

  auto* list_command = app.add_subcommand("list", "Local clusters and their state");

  main_::ServerOptions server;
  auto* server_command = with_name(app.add_subcommand("server", "The all-in-one in the foreground, on the network it is started in"));
  server_command->add_option("--address", server.address, "The node's IP address (default: the one of eth0)");
  server_command->add_option("--port", server.port, "Port of the API")->capture_default_str();
  server_command->add_option("--service-cidr,--service-cluster-ip-range", server.service_cidr, "Addresses of Services: one range, or one of IPv4 and one of IPv6; the first family is the default one")->capture_default_str();
  server_command->add_option("--proxy-mode", server.proxy_mode, "How Services are routed: bpf (eBPF programs at the sockets, and nftables for what comes from elsewhere), nftables (alone), or auto: bpf where the kernel has it")->check(CLI::IsMember({"auto", "bpf", "nftables"}))->capture_default_str();
  server_command->add_option("--cluster-cidr", server.cluster_cidr, "Addresses of all pods: one range, or one of IPv4 and one of IPv6; the first family is the pods' main one")->capture_default_str();
  server_command->add_option("--pod-cidr", server.pod_cidr, "Addresses of this node's pods (default: the first /24 and /64 of --cluster-cidr)");
  server_command->add_option("--service-node-port-range", server.node_port_range, "Ports for Services of type NodePort and LoadBalancer: FIRST-LAST")->capture_default_str();
  server_command->add_option("--load-balancer-addresses", server.load_balancer_addresses, "Addresses for Services of type LoadBalancer: RANGE/BITS, FIRST-LAST or single ones, with commas; none: leave such Services to another controller (default: a part of the link network that 'up' makes)");
  server_command->add_option("--event-ttl", server.event_ttl_minutes, "Minutes after which an Event is deleted")->capture_default_str()->check(CLI::Range(1, 525'600));
  server_command->add_option("--watch-history-minutes", server.watch_history_minutes, "Minutes of changes that a watch can go back")->capture_default_str()->check(CLI::Range(0, 10'000));
  server_command->add_option("--watch-history-revisions", server.watch_history_revisions, "Number of changes that a watch can always go back")->capture_default_str()->check(CLI::Range(100, 10'000'000));
  server_command->add_option("--max-connections-per-client", server.max_connections_per_client, "Connections of one client (by certificate, else address); more get 429; 0: no limit")->capture_default_str()->check(CLI::Range(0, 1'000'000));
  server_command->add_option("--max-requests-inflight", server.max_requests_inflight, "Reads answered at a time; more get 429; 0: no limit")->capture_default_str()->check(CLI::Range(0, 1'000'000));
  server_command->add_option("--max-mutating-requests-inflight", server.max_mutating_requests_inflight, "Writes answered at a time; more get 429; 0: no limit")->capture_default_str()->check(CLI::Range(0, 1'000'000));
  server_command->add_option("--request-timeout", server.request_timeout_seconds, "Seconds until a request is given up with 504")->capture_default_str()->check(CLI::Range(1, 86'400));
  server_command->add_option("--drain-timeout", server.drain_timeout_seconds, "Seconds that a deleted pod waits at most, before SIGTERM, until no service proxy sends it new connections; 0: not at all")->capture_default_str()->check(CLI::Range(0.0, 60.0));
  server_command->add_option("--shutdown-delay", server.shutdown_delay_seconds, "Seconds between not being ready and closing the door")->capture_default_str()->check(CLI::Range(0, 3'600));
  server_command->add_option("--audit-log-path", server.audit_log_path, "Write an audit log there, '-' is standard output (default: none)");
  server_command->add_option("--audit-policy-file", server.audit_policy_file, "What the audit log tells: a Policy of audit.k8s.io/v1 (default: every request, without bodies)");
  server_command->add_option("--audit-log-maxsize", server.audit_log_maxsize, "MiB of audit log before it is put aside")->capture_default_str()->check(CLI::Range(1, 1'000'000));
  server_command->add_option("--audit-log-maxbackup", server.audit_log_maxbackup, "Audit logs put aside that are kept; 0: all")->capture_default_str()->check(CLI::Range(0, 1'000'000));
  server_command->add_option("--audit-log-maxage", server.audit_log_maxage, "Days that audit logs put aside are kept; 0: for ever")->capture_default_str()->check(CLI::Range(0, 1'000'000));
  server_command->add_option("--log-format", server.log_format, "Log lines as text or as JSON")->capture_default_str()->check(CLI::IsMember({"text", "json"}));
  server_command->add_option("--listen-fd", server.listen_fd)->group("");
  server_command->add_option("--ready-fd", server.ready_fd)->group("");

  main_::ProxyOptions proxy;
  auto* proxy_command = app.add_subcommand("proxy", "The service proxy alone, on a node of any Kubernetes, in place of kube-proxy");
  proxy_command->add_option("--kubeconfig", proxy.kubeconfig, "How to reach the API server (default: as --config says, else $KUBECONFIG, else the pod's service account)");
  proxy_command->add_option("--config", proxy.config_file, "kube-proxy's own configuration file; flags go before it");
  proxy_command->add_option("--proxy-mode", proxy.mode, "auto, bpf or nftables, as of 'sampan server' (default: auto)")->check(CLI::IsMember({"auto", "bpf", "nftables"}));
  proxy_command->add_option("--hostname-override", proxy.hostname_override, "The name of this node (default: the host's)");
  proxy_command->add_option("--cluster-cidr", proxy.cluster_cidr, "Addresses of all pods (default: those of this node's pods)");
  proxy_command->add_option("--nodeport-addresses", proxy.node_port_addresses, "Networks whose addresses serve node ports, or 'primary' (default: every address)")->delimiter(',');
  proxy_command->add_option("--healthz-bind-address", proxy.healthz_address, "Where /healthz answers (default: 0.0.0.0:10256)");
  proxy_command->add_option("--metrics-bind-address", proxy.metrics_address, "Where /metrics answers those on the node (default: 127.0.0.1:10249)");
  proxy_command->add_flag("--cleanup", proxy.cleanup, "Take away all that it put into the kernel, and end");

  auto* image = app.add_subcommand("image", "Container images of a cluster");
  image->require_subcommand(1);
  std::vector<std::string> files;
  auto* import_command = with_name(image->add_subcommand("import", "Load images: docker-save archives, OCI archives or layout folders"));
  import_command->add_option("FILE", files, "The archives")->required();
  auto* image_list_command = with_name(image->add_subcommand("list", "Images that pods can use"));

  auto* kubeconfig_command = with_name(app.add_subcommand("kubeconfig", "Print a cluster's kubeconfig"));
  app.add_subcommand("kubectl", "The kubectl: get, describe, create, apply, expose, exec, logs, ...; see 'sampan kubectl --help'");
  auto* version_command = app.add_subcommand("version", "Print the version");

  // CLI11 would only say that a subcommand is required.
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands([&](const CLI::App* command) { return command->check_name(argv[1]); }).empty()) {
    fmt::print(stderr, "error: unknown command \"{}\"; see 'sampan --help'\n", argv[1]);
    return 1;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  if (version_command->parsed()) {
    fmt::print("sampan " SAMPAN_VERSION " (Kubernetes v1.36)\n");
    return 0;
  }
  if (list_command->parsed()) return main_::list_clusters();
  if (proxy_command->parsed()) return main_::run_proxy(proxy);
  if (auto ok = main_::check_cluster_name(name); !ok) return fail(ok.error());
  up.name = down.name = server.name = name;
  if (up_command->parsed()) return main_::up(up);
  if (down_command->parsed()) return main_::down(down);
  if (server_command->parsed()) return main_::run_server(server);
  if (import_command->parsed()) return main_::import_images(name, files);
  if (image_list_command->parsed()) return main_::list_images(name);
  if (kubeconfig_command->parsed()) return main_::print_kubeconfig(name);
  return 1;
}

std::string_view program_name(const char* argv0) {
  std::string_view name = argv0;
  return name.substr(name.rfind('/') + 1);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  std::string_view name = argc > 0 ? program_name(argv[0]) : "sampan";
  if (name == "kubectl" || name == "kubectl-sampan") return cli::run_kubectl(args);
  // Before CLI11 sees it: kubectl's flags are its own.
  if (!args.empty() && args.front() == "kubectl") {
    args.erase(args.begin());
    return cli::run_kubectl(args);
  }
  return run(argc, argv);
}
