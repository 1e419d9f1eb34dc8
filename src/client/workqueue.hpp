// A queue of keys for reconcilers: a key is in it once however often it is added, is never handed to two workers at a
// time, and comes back when it was added while it was worked on. Any thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "sys/clock.hpp"

namespace client {

class WorkQueue {
 public:
  // `name`: in /metrics; a queue without one is not there.
  explicit WorkQueue(const sys::Clock& clock, std::string name = "");
  ~WorkQueue();

  void add(std::string key);
  // Not before `delay` has passed. An earlier pending time wins.
  void add_after(std::string key, std::chrono::nanoseconds delay);
  // With exponential back-off per key: 5 ms doubling to at most 60 s (client-go: 1000 s); forget() resets it.
  void retry(std::string key);
  void forget(const std::string& key);

  // The next key, blocking; nullopt after shut_down(). done() must follow.
  std::optional<std::string> get();
  void done(const std::string& key);
  void shut_down();
  size_t size() const;

 private:
  friend void append_queue_metrics(std::string& page);
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace client
