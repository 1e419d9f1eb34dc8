// The service proxy: turns Services and EndpointSlices into one table and keeps the packet path equal to it. It speaks
// nothing but the API, so it also runs alone, in place of kube-proxy.
//
// Threading: one thread of its own; start and stop from any.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "client/client.hpp"
#include "sys/clock.hpp"

namespace proxy {

struct Config {
  std::string node_name;
  std::string pod_cidr = "10.244.0.0/16";
  std::string service_cidr = "10.96.0.0/16";
  std::string table = "sampan";  // the one nftables table that is ours
  std::string zone = {};         // topology.kubernetes.io/zone of this node; "": hints for zones are passed over
};

class Proxy {
 public:
  static base::Result<std::unique_ptr<Proxy>> make(Config config, client::Client client, const sys::Clock& clock);
  virtual ~Proxy() = default;
  virtual void start() = 0;
  // Leaves the rules in the kernel: traffic flows on. remove_rules() takes them away.
  virtual void stop() = 0;
};

base::Result<void> remove_rules(const Config& config);

}  // namespace proxy
