// `sampan server`: the whole cluster in one process, in the foreground, on the network namespace that it is started in.
// Returns when it is told to stop (SIGTERM, SIGINT).
#pragma once

#include <string>

#include "main/cluster.hpp"

namespace main_ {

struct ServerOptions {
  std::string name = "default";
  std::string address;        // the node's IP; "" means: the one that `up` gives a cluster of that index
  int port = 6443;            // on the node's addresses
  int listen_fd = -1;         // a further listening socket, passed by `up`: on the host's loopback
  int ready_fd = -1;          // gets "ready" or an error line
  std::string service_cidr = "10.96.0.0/16,fd00:10:96::/112";  // the first family is the one that Services get by default
  std::string cluster_cidr = "10.244.0.0/16,fd00:10:244::/56";  // of all pods
  std::string proxy_mode = "auto";
  std::string pod_cidr;  // of this node's pods; "": the first part of cluster_cidr
  // For Services of type LoadBalancer; "": part of the link network that `up` makes, elsewhere nothing; "none": they are
  // left to somebody else.
  std::string load_balancer_addresses;
  std::string node_port_range = "30000-32767";
  int event_ttl_minutes = 60;
  // History for watches: at least so many changes, and all of the last minutes.
  int watch_history_minutes = 5;
  int watch_history_revisions = 10'000;
  // Limits of the API; 0: none.
  int max_connections_per_client = 500;
  int max_requests_inflight = 400;
  int max_mutating_requests_inflight = 200;
  int request_timeout_seconds = 60;
  double drain_timeout_seconds = 2;  // of a deleted pod, for the proxies
  int shutdown_delay_seconds = 0;  // between "not ready" and the end of new connections
  std::string audit_log_path;      // "": no audit log; "-": standard output
  std::string audit_policy_file;
  int audit_log_maxsize = 100;     // MiB
  int audit_log_maxbackup = 10;
  int audit_log_maxage = 0;        // days
  std::string log_format = "text";
};

int run_server(const ServerOptions& options);

}  // namespace main_
