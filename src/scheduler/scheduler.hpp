// The scheduler: binds each pending pod to a node that is ready and has room (filter, score, bind). Written for many
// nodes. One thread of its own.
#pragma once

#include <memory>

#include "client/client.hpp"
#include "sys/clock.hpp"

namespace scheduler {

class Scheduler {
 public:
  static std::unique_ptr<Scheduler> make(client::Client client, const sys::Clock& clock);
  virtual ~Scheduler() = default;
  virtual void start() = 0;
  virtual void stop() = 0;
};

}  // namespace scheduler
