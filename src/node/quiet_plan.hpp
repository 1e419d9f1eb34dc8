// When a pod that gets no new connections may be told to end so that no request is lost: once every
// connection that was busy has been seen idle. Pure; one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "sys/tcp_sockets.hpp"

namespace node {

// A peer waits for the program: bytes or connections that it has not taken, an answer that is not given or
// not through.
bool is_busy(const sys::TcpSocket& socket);

class QuietPlan {
 public:
  using Steady = std::chrono::steady_clock::time_point;
  // True when the moment has come. Connections that are kept alive may never all be idle at a time: when each
  // has been idle once, a common moment is waited for no longer than kPatience.
  bool look(const std::vector<sys::TcpSocket>& sockets, Steady now);

  static constexpr std::chrono::milliseconds kPatience{50};

 private:
  bool begun_ = false;
  std::set<uint64_t> unfinished_;  // busy at the first look and at every one since
  std::optional<Steady> all_seen_idle_;
};

}  // namespace node
