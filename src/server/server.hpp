// The Kubernetes API server as one Handler: authentication by client certificate, discovery, OpenAPI, the
// verbs of every kind in the registry, watch, and the pods' log and exec, which it hands on to the pod's
// node.
//
// Threading: the handler may be called from any thread, also at the same time; reads answer at once from
// memory, writes are decided and answered on the store's writer thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/kinds.hpp"
#include "base/result.hpp"
#include "net/http.hpp"
#include "server/health.hpp"
#include "server/inflight.hpp"
#include "store/store.hpp"
#include "sys/clock.hpp"

namespace server {

// The way to a node's agent. `request` is in the kubelet's own form: GET
// /containerLogs/{namespace}/{pod}/{container}?... or /exec/{namespace}/{pod}/{container}?command=...; the
// responder is the client's, passed through.
using NodeConnector = std::function<void(const std::string& node, net::Request request,
                                         std::shared_ptr<net::Responder> responder)>;

struct Config {
  std::string service_cidr = "10.96.0.0/16";
  int node_port_first = 30000;
  int node_port_last = 32767;
  std::string
      advertise_address;  // of the API, for default/kubernetes and discovery's serverAddressByClientCIDRs
  int advertise_port = 6443;
  std::string git_version;  // /version: "v1.36.0+sampan-0.1.0"
  InflightLimits limits;
  AuditConfig audit;  // without a path: off
};

class ApiServer {
 public:
  // Creates what must always be there: namespaces default, kube-system, kube-public, kube-node-lease, their
  // ServiceAccount "default", and the Service default/kubernetes. `store` must have been opened with
  // make_entry_parser().
  static base::Result<std::unique_ptr<ApiServer>> make(Config config, const api::Registry& registry,
                                                       store::Store& store, const sys::Clock& clock,
                                                       NodeConnector nodes);
  virtual ~ApiServer() = default;
  // Valid as long as the ApiServer is.
  virtual net::Handler handler() = 0;
  // For checks of other parts, added before the first request from outside; and to say that the end is near.
  virtual Health& health() = 0;
  virtual Metrics& metrics() = 0;
};

// What Options::parse of the store must be: labels and selectable fields of each object.
std::function<std::shared_ptr<const void>(std::string_view key, std::string_view value)> make_entry_parser(
    const api::Registry& registry);

}  // namespace server
