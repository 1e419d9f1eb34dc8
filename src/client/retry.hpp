// Retrying a read-modify-write that met a conflict: the function reads again and writes again. Blocking; any thread.
#pragma once

#include <chrono>
#include <thread>

#include "base/ids.hpp"
#include "base/result.hpp"

namespace client {

// Calls fn until it returns anything but a conflict, five times at most. fn must fetch the object anew each time.
template <class Fn>
auto retry_on_conflict(Fn&& fn) -> decltype(fn()) {
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    auto result = fn();
    if (result || result.error().reason != base::Reason::conflict || attempt == kAttempts) return result;
    // Two writers that collided once should not stay in step.
    std::this_thread::sleep_for(std::chrono::microseconds(1'000 * attempt + base::random_u64() % 4'000));
  }
}

}  // namespace client
