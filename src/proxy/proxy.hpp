// The service proxy: turns Services and EndpointSlices into one table and keeps the packet path equal to it. It speaks
// nothing but the API, so it also runs alone, in place of kube-proxy.
//
// Threading: one thread of its own; start and stop from any.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "client/client.hpp"
#include "proxy/config.hpp"
#include "proxy/dataplane.hpp"
#include "sys/clock.hpp"

namespace proxy {

class Proxy {
 public:
  static base::Result<std::unique_ptr<Proxy>> make(Config config, client::Client client, const sys::Clock& clock);
  virtual ~Proxy() = default;
  virtual void start() = 0;
  // Leaves the rules in the kernel: traffic flows on. remove_rules() takes them away.
  virtual void stop() = 0;
  // From the kernel, of all dataplanes; any thread.
  virtual std::vector<Count> counts() = 0;
};

base::Result<void> remove_rules(const Config& config);

}  // namespace proxy
