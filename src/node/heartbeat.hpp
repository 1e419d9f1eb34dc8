// Keeps the Node object and its Lease alive: one thread of its own between start() and stop().
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "client/client.hpp"
#include "node/agent.hpp"
#include "node/image_store.hpp"
#include "node/machine.hpp"
#include "node/runtime.hpp"
#include "sys/clock.hpp"

namespace node {

class Heartbeat {
 public:
  Heartbeat(const Config& config, client::Client client, const sys::Clock& clock, const Runtime& runtime,
            const ImageStore& images, const MachineFacts& facts)
      : config_(config),
        client_(std::move(client)),
        clock_(clock),
        runtime_(runtime),
        images_(images),
        facts_(facts) {}
  ~Heartbeat() { stop(); }
  void start();
  void stop();
  // Something of the status has changed (images): write it soon.
  void nudge();

 private:
  void run_beats();
  base::Result<void> write_node();
  base::Result<void> renew_lease();

  const Config& config_;
  client::Client client_;
  const sys::Clock& clock_;
  const Runtime& runtime_;
  const ImageStore& images_;
  const MachineFacts& facts_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool nudged_ = false;
  std::thread thread_;
};

}  // namespace node
