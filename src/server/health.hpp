// The answers of /healthz, /livez and /readyz: named checks, each a function that says what is wrong, and the text
// forms that probes and people read.
//
// Threading: checks are added before the first request; answer() on any thread, so each check must be quick and
// safe from any thread.
//
// Source: apiserver's server/healthz.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/http.hpp"

namespace server {

struct HealthCheck {
  std::string name;  // "ping", "store", "poststarthook/x"
  std::function<base::Result<void>()> check;
  bool live = true;    // asked by /healthz and /livez; /readyz asks all
};

class Health {
 public:
  // With the checks that need nothing: ping, log, shutdown.
  Health();
  void add(HealthCheck check) { checks_.push_back(std::move(check)); }

  struct Answer {
    int status = 200;  // 200, 500, or 404 for a check that does not exist
    std::string text;
  };
  // `path` is "readyz" or "readyz/NAME".
  Answer answer(std::string_view path, const net::Query& query) const;

  // From now on /readyz fails: load balancers look elsewhere while what is under way ends.
  void begin_shutdown() { stopping_ = true; }
  bool stopping() const { return stopping_; }

 private:
  std::vector<const HealthCheck*> checks_of(std::string_view endpoint) const;

  std::vector<HealthCheck> checks_;
  std::atomic<bool> stopping_{false};
  mutable std::atomic<bool> failing_{false};  // said once in the log
};

}  // namespace server
