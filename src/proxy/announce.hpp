// Makes the node the one that packets to load balancer addresses come to: it holds them beside its own, so that it answers
// ARP for them on every link and neighbour solicitations on the given one. What the packets then meet are the proxy's
// rules; a port that no Service has is refused by the node itself.
//
// The addresses are on lo: there they are nobody's idea of the node's own address. Only addresses of the pool are touched.
//
// Threading: one thread of its own; start and stop from any.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/types.hpp"
#include "base/address.hpp"
#include "base/result.hpp"
#include "client/client.hpp"

namespace proxy {

struct AnnounceConfig {
  std::string link = "eth0";            // for IPv6: where the neighbours are
  std::vector<base::AddressSpan> pool;  // nothing else is announced
};

// The load balancer addresses and external IPs of the Services, as far as the pool has them.
std::set<base::Address> announced(const std::vector<std::shared_ptr<const api::Service>>& services,
                                  const std::vector<base::AddressSpan>& pool);

class Announcer {
 public:
  // Acts on the network namespace of the thread that calls start().
  static std::unique_ptr<Announcer> make(AnnounceConfig config, client::Client client);
  virtual ~Announcer() = default;
  virtual void start() = 0;
  // The addresses stay: traffic flows on. The next start takes away what is no longer wanted.
  virtual void stop() = 0;
};

}  // namespace proxy
