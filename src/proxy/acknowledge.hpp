// The proxy's half of the drain handshake: a Lease per proxy that says up to which revision of EndpointSlices
// the kernel holds what they say. A node sends SIGTERM to a pod only when every live proxy has taken the pod
// out.
//
// Threading: one thread of its own between start() and stop(), which writes; applied() from any thread, never
// blocks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "client/client.hpp"
#include "sys/clock.hpp"

namespace proxy {

inline constexpr const char* kLeaseNamespace = "kube-node-lease";
inline constexpr const char* kAppliedAnnotation = "sampan.dev/applied";
inline constexpr const char* kComponentLabel = "sampan.dev/component";

// Whether some endpoint that was given connections by `before` (null: there was none) is given none by
// `after` (null: it is gone). Such a change is worth an acknowledgement; others are not.
bool takes_out(const api::EndpointSlice* before, const api::EndpointSlice* after);
// The revision of a slice's last change; 0 when it is no number.
uint64_t revision_of(const api::EndpointSlice* before, const api::EndpointSlice* after);

class Acknowledger {
 public:
  Acknowledger(client::Client client, const sys::Clock& clock, std::string node_name);
  ~Acknowledger() { stop(); }
  void start();
  void stop();
  // The kernel holds all that EndpointSlices said up to that revision. The first word makes the Lease.
  void applied(uint64_t revision);

 private:
  void run();
  base::Result<void> write(uint64_t revision);

  client::Client client_;
  const sys::Clock& clock_;
  const std::string node_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool said_ = false;  // something was applied
  uint64_t applied_ = 0;
  std::thread thread_;
};

}  // namespace proxy
