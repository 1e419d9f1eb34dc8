// Tells which deleted pods of this node must wait for the service proxies before they get SIGTERM, and wakes
// them when they need not wait any more. Any thread; two informers of its own between start() and stop().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/guarded.hpp"
#include "client/client.hpp"
#include "client/informer.hpp"
#include "node/drain_plan.hpp"
#include "node/quiet_plan.hpp"
#include "sys/clock.hpp"
#include "sys/tcp_sockets.hpp"

namespace node {

class Drain {
 public:
  Drain(client::Client client, const sys::Clock& clock, std::string node,
        std::function<void(const std::string& key)> wake);
  ~Drain() { stop(); }
  void start();
  void stop();

  // Whether that pod must wait; from then on it is woken when that changes. `why` says for whom.
  bool must_wait(const std::string& uid, const std::string& key, std::string& why);
  // Whether requests are still under way to that pod, which gets no new connections any more: look again
  // soon. Only the worker that holds the pod's key asks.
  bool is_busy(const std::string& uid, const std::string& netns);
  void forget(const std::string& uid);

 private:
  struct Ending {
    sys::TcpSockets sockets;
    QuietPlan plan;
  };
  struct State {
    DrainPlan plan;
    std::map<std::string, std::shared_ptr<Ending>> endings;  // by uid
    std::map<std::string, std::string> waiting;              // uid -> key
  };
  void wake_who_may_go();

  const sys::Clock& clock_;
  const std::function<void(const std::string& key)> wake_;
  base::Guarded<State> state_;
  client::Informer<api::EndpointSlice> slices_;
  client::Informer<api::Lease> leases_;
};

}  // namespace node
