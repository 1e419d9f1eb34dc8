// The clock seam: who needs the time takes a Clock, so that tests advance it instead of sleeping. Any thread.
#pragma once

#include <atomic>
#include <chrono>

#include "base/time.hpp"

namespace sys {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual base::Time now() const = 0;                                    // wall clock
  virtual std::chrono::steady_clock::time_point steady_now() const = 0;  // never jumps
};

// The kernel's clocks. Stateless.
class SystemClock final : public Clock {
 public:
  base::Time now() const override {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
  }
  std::chrono::steady_clock::time_point steady_now() const override {
    return std::chrono::steady_clock::now();
  }
};

// Stands still until it is advanced.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(base::Time start = base::Time(std::chrono::seconds(1'700'000'000))) : start_(start) {}
  base::Time now() const override { return start_ + std::chrono::nanoseconds(elapsed_.load()); }
  std::chrono::steady_clock::time_point steady_now() const override {
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(elapsed_.load()));
  }
  void advance(std::chrono::nanoseconds by) { elapsed_ += by.count(); }

 private:
  base::Time start_;
  std::atomic<int64_t> elapsed_{0};
};

}  // namespace sys
