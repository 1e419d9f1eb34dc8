// The loop that every controller has: one thread takes keys from a queue and reconciles them, and a key whose
// reconciliation failed comes back later. start, stop and queue() from any thread.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "base/result.hpp"
#include "client/workqueue.hpp"
#include "sys/clock.hpp"

namespace controllers {

class Worker {
 public:
  using Reconcile = std::function<base::Result<void>(const std::string& key)>;
  // `prepare` runs on the worker's thread before the first key: it waits for the informers.
  Worker(std::string name, const sys::Clock& clock, std::function<void()> prepare, Reconcile reconcile);
  ~Worker();
  client::WorkQueue& queue() { return queue_; }
  void start();
  void stop();

 private:
  void run();
  std::string name_;
  client::WorkQueue queue_;
  std::function<void()> prepare_;
  Reconcile reconcile_;
  std::thread thread_;
};

// Runs `call` for 0..count-1 on a few threads and returns when all are done.
void run_parallel(int count, int threads, const std::function<void(int index)>& call);

// Calls in batches of 1, 2, 4, ... and stops after a batch with a failure, so that a thousand calls which must fail
// (quota, a bad template) cost one or two. Returns the number of successes; `failure` gets the first error.
int run_slow_start(int count, const std::function<base::Result<void>()>& call, base::Error& failure);

}  // namespace controllers
