// What a controller has asked for and has not yet seen in its informer: as long as something is outstanding,
// the informer's picture is old, and acting on it would create or delete twice. Any thread.
//
// Source: upstream's ControllerExpectations; deletions are kept by UID, since a pod can be seen going away
// twice.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/guarded.hpp"
#include "sys/clock.hpp"

namespace controllers {

class Expectations {
 public:
  explicit Expectations(const sys::Clock& clock) : clock_(clock) {}

  void expect_creations(const std::string& key, int count);
  void expect_deletions(const std::string& key, std::set<std::string> uids);
  void creation_seen(const std::string& key);  // or: the creation failed
  void deletion_seen(const std::string& key, const std::string& uid);
  void forget(const std::string& key);
  // Zero: all was seen (or given up after five minutes). Otherwise how long it will be waited for at most.
  std::chrono::nanoseconds wait_left(const std::string& key);

 private:
  struct Entry {
    int creations = 0;
    std::set<std::string> deletions;
    std::chrono::steady_clock::time_point since;
  };
  const sys::Clock& clock_;
  base::Guarded<std::map<std::string, Entry>> entries_;
};

}  // namespace controllers
