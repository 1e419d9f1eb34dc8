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
  explicit WorkQueue(const sys::Clock& clock);
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
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace client
