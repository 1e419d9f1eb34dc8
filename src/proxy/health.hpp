// Who asks whether this node can take connections: load balancers, about one Service (healthCheckNodePort), and
// everybody, about the proxy itself (10256), with kube-proxy's metrics for those on the node.
//
// Threading: HealthPorts has one owner; ProxyStatus is counted and read from any thread; each server has a thread.
//
// Source: kube-proxy 1.36 (pkg/proxy/healthcheck, pkg/proxy/metrics) for paths, bodies and names.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/guarded.hpp"
#include "net/server.hpp"
#include "proxy/dataplane.hpp"
#include "proxy/table.hpp"
#include "sys/clock.hpp"

namespace proxy {

// How the proxy itself does.
class ProxyStatus {
 public:
  explicit ProxyStatus(const sys::Clock& clock) : clock_(clock) {}
  void queued();  // a change is known, and not in the kernel
  void synced(double seconds, size_t services, size_t slices);
  void failed();
  void set_eligible(bool eligible) { eligible_ = eligible; }
  bool eligible() const { return eligible_; }
  bool healthy() const;  // no change waits for longer than a minute
  std::string healthz() const;  // the body
  std::string metrics(const std::vector<Count>& counts) const;
  // With which status; that body is answered.
  void answered(int status) { (status == 200 ? ok_ : unavailable_).fetch_add(1, std::memory_order_relaxed); }

 private:
  static constexpr std::array kBounds = {0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128,
                                         0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384};
  struct Syncs {
    std::array<uint64_t, kBounds.size() + 1> counts{};
    double sum = 0;
    uint64_t service_changes = 0, slice_changes = 0, failures = 0;
    std::optional<base::Time> waiting_since;  // of the oldest change
    std::optional<base::Time> last_queued, last_synced;
  };
  const sys::Clock& clock_;
  base::Guarded<Syncs> syncs_;
  std::atomic<bool> eligible_{true};
  std::atomic<uint64_t> ok_{0}, unavailable_{0};
};

// What a load balancer hears of one Service.
struct ServiceHealth {
  uint16_t port = 0;
  std::string namespace_, name;
  size_t local_endpoints = 0;  // ready, on this node
  bool operator==(const ServiceHealth&) const = default;
};
// None for a Service that has no such port.
std::optional<ServiceHealth> plan_health(const api::Service& service, const Slices& slices, const Place& place);
net::Response health_answer(const ServiceHealth& health, bool proxy_healthy);

// Serves each Service's answer at its port, in the network namespace of the thread that sets it.
class HealthPorts {
 public:
  explicit HealthPorts(const ProxyStatus& status) : status_(status) {}
  ~HealthPorts() { clear(); }
  void set(const std::string& service, std::optional<ServiceHealth> health);
  void clear();

 private:
  struct Port;
  const ProxyStatus& status_;
  std::map<std::string, std::shared_ptr<Port>> ports_;  // by Service
};

// Serves /healthz, /livez, and to those on the node /metrics and /proxyMode. "" for an address: not there.
base::Result<std::unique_ptr<net::Server>> serve_status(const std::string& healthz_address, const std::string& metrics_address,
                                                        net::Handler handler);
net::Response status_answer(const net::Request& request, ProxyStatus& status, const std::vector<Count>& counts,
                            const std::string& mode);

}  // namespace proxy
