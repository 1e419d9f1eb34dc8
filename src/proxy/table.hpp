// What the packet path should do, as one table: (cluster IP, protocol, port) -> endpoints. Made from Services and
// EndpointSlices by pure functions; values, any thread, but for a TableBuilder, which has one owner.
//
// Source: the rules of kube-proxy 1.36 (pkg/proxy: topology, service port and endpoint slice caches).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/types.hpp"
#include "proxy/address.hpp"

namespace proxy {

struct ServiceKey {
  Address address = 0;
  Protocol protocol = Protocol::tcp;
  uint16_t port = 0;
  auto operator<=>(const ServiceKey&) const = default;
};

struct Endpoint {
  Address address = 0;
  uint16_t port = 0;
  bool local = false;  // on this node
  auto operator<=>(const Endpoint&) const = default;
};

// Where the connections to one port of a Service go. No endpoints: they are refused, or dropped.
struct Route {
  std::string name;                // namespace/service:port, for whoever reads a log
  uint32_t affinity_seconds = 0;   // 0: every connection is free to go elsewhere
  bool drop_when_empty = false;    // traffic policy Local, and no endpoint here
  std::vector<Endpoint> endpoints;  // an endpoint keeps its place as long as it can
  bool operator==(const Route&) const = default;
};
using RoutePtr = std::shared_ptr<const Route>;

struct Table {
  std::map<ServiceKey, RoutePtr> routes;
};

// Where this node is.
struct Place {
  std::string node_name;
  std::string zone;  // "" is unknown: hints for zones are passed over
};

using Planned = std::vector<std::pair<ServiceKey, Route>>;
using Slices = std::vector<std::shared_ptr<const api::EndpointSlice>>;

// The routes of one Service: none for one without a cluster IP, and for those that another proxy serves.
Planned plan_service(const api::Service& service, const Slices& slices, const Place& place);

// Orders the endpoints of `route` so that those it shares with `before` stay where they were.
void keep_places(const Route& before, Route& route);

// The table, kept while Services come and go one by one.
class TableBuilder {
 public:
  const Table& table() const { return table_; }
  // Replaces what the Service had before; nothing planned: takes it away.
  void set(const std::string& service, Planned planned);
  std::set<std::string> services() const;

 private:
  void release(const std::string& service);

  Table table_;
  std::map<std::string, std::map<ServiceKey, RoutePtr>> planned_;
  std::map<ServiceKey, std::set<std::string>> claims_;  // the first by name has the key
};

// The label of a Service or slice by which it names the Service it belongs to.
inline constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
inline constexpr std::string_view kProxyNameLabel = "service.kubernetes.io/service-proxy-name";

}  // namespace proxy
