// What the packet path should do, as one table: (address, protocol, port) -> endpoints, for cluster IPs, external IPs,
// load balancer IPs and node ports of both families. Made from Services and EndpointSlices by pure functions; values,
// any thread, but for a TableBuilder, which has one owner.
//
// Source: the rules of kube-proxy 1.36 (pkg/proxy: topology, service port and endpoint slice caches).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/types.hpp"
#include "proxy/address.hpp"

namespace proxy {

struct ServiceKey {
  Address address;
  Protocol protocol = Protocol::tcp;
  uint16_t port = 0;
  auto operator<=>(const ServiceKey&) const = default;
};

// A port of every address of the node, of one family.
struct NodePortKey {
  Family family = Family::v4;
  Protocol protocol = Protocol::tcp;
  uint16_t port = 0;
  auto operator<=>(const NodePortKey&) const = default;
};

struct Endpoint {
  Address address;
  uint16_t port = 0;
  bool local = false;   // on this node
  uint32_t weight = 1;  // its share of new connections, 1..kLargestWeight
  auto operator<=>(const Endpoint&) const = default;
};
inline constexpr uint32_t kLargestWeight = 100;

enum class Balance : uint8_t { random, round_robin, least_connections, maglev };
// Under which of its addresses a Service is meant. The lower one has an address that two of them claim.
enum class Scope : uint8_t { cluster_ip, load_balancer, external_ip, node_port };

// No endpoints: connections are refused, or dropped.
struct Targets {
  std::vector<Endpoint> endpoints;  // an endpoint keeps its place as long as it can
  bool drop_when_empty = false;     // traffic policy Local, and none here, but elsewhere
  bool operator==(const Targets&) const = default;
};

// Where the connections to one port of a Service go. The targets of the base are for clients in the cluster: pods and
// this node itself; and for everybody when `outside` is not set.
struct Route : Targets {
  std::string name;  // namespace/service:port, for whoever reads a log or a counter
  Scope scope = Scope::cluster_ip;
  Balance balance = Balance::random;
  uint32_t affinity_seconds = 0;   // 0: every connection is free to go elsewhere
  std::optional<Targets> outside;  // externalTrafficPolicy Local: others get these, and are seen with their own address
  std::vector<Network> sources;    // loadBalancerSourceRanges: others are dropped; none: everybody may
  bool operator==(const Route&) const = default;
};
using RoutePtr = std::shared_ptr<const Route>;

// What the rules say of the node that they are on.
struct OwnNode {
  std::optional<Address> v4, v6;  // where pings of Services are answered; none: they are refused
  std::vector<Network> pods;      // of its pods; none: not known
  bool operator==(const OwnNode&) const = default;
};

struct Table {
  std::map<ServiceKey, RoutePtr> routes;
  std::map<NodePortKey, RoutePtr> node_ports;
  std::set<Address> node_addresses;  // that node ports are served on, loopback too
  OwnNode own;
};

// What is other in a second table: by key, what was and what is; null is nothing.
template <class Key>
using Moves = std::map<Key, std::pair<RoutePtr, RoutePtr>>;
struct Change {
  Moves<ServiceKey> routes;
  Moves<NodePortKey> node_ports;
  bool node_addresses = false;
  bool own = false;
  bool empty() const { return routes.empty() && node_ports.empty() && !node_addresses && !own; }
};
Change difference(const Table& before, const Table& after);

// Where this node is.
struct Place {
  std::string node_name;
  std::string zone;  // "" is unknown: hints for zones are passed over
};

struct Planned {
  std::vector<std::pair<ServiceKey, Route>> routes;
  std::vector<std::pair<NodePortKey, Route>> node_ports;
  bool empty() const { return routes.empty() && node_ports.empty(); }
};
using Slices = std::vector<std::shared_ptr<const api::EndpointSlice>>;

// The routes of one Service: none for one without a cluster IP, and for those that another proxy serves.
Planned plan_service(const api::Service& service, const Slices& slices, const Place& place);

// Orders the endpoints of `fresh` so that those it shares with `before` stay where they were.
void keep_places(const std::vector<Endpoint>& before, std::vector<Endpoint>& fresh);

// One map of the table while Services come and go: who claims a key, and who has it.
template <class Key>
class Claims {
 public:
  void set(const std::string& service, std::vector<std::pair<Key, Route>> planned, std::map<Key, RoutePtr>& table,
           Moves<Key>& moves);

 private:
  using Claim = std::pair<Scope, std::string>;  // the first by scope and name has the key
  std::map<std::string, std::map<Key, RoutePtr>> planned_;
  std::map<Key, std::map<Claim, RoutePtr>> claims_;
};

// The table, kept while Services come and go one by one.
class TableBuilder {
 public:
  const Table& table() const { return table_; }
  // Replaces what the Service had before; nothing planned: takes it away.
  void set(const std::string& service, Planned planned);
  void set_node_addresses(std::set<Address> addresses);
  void set_own(OwnNode own);
  const std::set<std::string>& services() const { return services_; }
  // What changed since the last time.
  Change take_change();

 private:
  Table table_;
  Change change_;
  std::set<std::string> services_;
  Claims<ServiceKey> routes_;
  Claims<NodePortKey> node_ports_;
};

// The label of a Service or slice by which it names the Service it belongs to.
inline constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";
inline constexpr std::string_view kProxyNameLabel = "service.kubernetes.io/service-proxy-name";
inline constexpr std::string_view kHeadlessLabel = "service.kubernetes.io/headless";
// Annotations: how a Service spreads its connections; the weight of the endpoints of a Service, or of one slice.
inline constexpr std::string_view kBalanceAnnotation = "sampan.dev/balance";
inline constexpr std::string_view kWeightAnnotation = "sampan.dev/weight";
// The older place of spec.loadBalancerSourceRanges.
inline constexpr std::string_view kSourceRangesAnnotation = "service.beta.kubernetes.io/load-balancer-source-ranges";

}  // namespace proxy
