// Gives pods addresses out of the node's range, one each, and remembers them in a file. A released address
// rests a while, so that connections to the pod that had it are not answered by another. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/guarded.hpp"
#include "base/result.hpp"
#include "sys/clock.hpp"

namespace node {

class Ipam {
 public:
  static constexpr std::chrono::seconds kRest{60};

  // The file may be missing; a damaged one is set aside.
  static base::Result<std::unique_ptr<Ipam>> open(const std::string& cidr, const std::string& file,
                                                  const sys::Clock& clock);
  // The address of that owner, the same until it is released. too_many_requests when none is free.
  base::Result<std::string> allocate(const std::string& owner);
  void release(const std::string& owner);

 private:
  struct State {
    std::map<uint32_t, std::string> used;
    std::map<uint32_t, base::Time> resting;
    uint32_t next = 0;
  };
  Ipam(uint32_t first, uint32_t last, std::string file, const sys::Clock& clock)
      : first_(first), last_(last), file_(std::move(file)), clock_(clock) {}
  base::Result<void> save(const State& state) const;

  uint32_t first_;
  uint32_t last_;
  std::string file_;
  const sys::Clock& clock_;
  base::Guarded<State> state_;
};

}  // namespace node
