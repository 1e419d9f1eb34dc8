// Gives pods addresses out of the node's ranges, one of each family, and remembers them in a file. A released address
// rests a while, so that connections to the pod that had it are not answered by another. Any thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/guarded.hpp"
#include "base/result.hpp"
#include "base/value.hpp"
#include "sys/clock.hpp"

namespace node {

class Ipam {
 public:
  static constexpr std::chrono::seconds kRest{60};

  // "10.244.0.0/24" or "10.244.0.0/24,fd00:10:244::/64": the first family is the pods' main one. The file may be missing;
  // a damaged one is set aside.
  static base::Result<std::unique_ptr<Ipam>> open(const std::string& cidrs, const std::string& file,
                                                  const sys::Clock& clock);
  // The addresses of that owner, one per range and in their order, the same until they are released. too_many_requests
  // when none is free.
  base::Result<std::vector<std::string>> allocate(const std::string& owner);
  void release(const std::string& owner);

 private:
  struct Range {
    base::Address first;
    base::Address last;
    base::Address next;
  };
  struct State {
    std::vector<Range> ranges;
    std::map<base::Address, std::string> used;
    std::map<base::Address, base::Time> resting;
  };
  Ipam(std::string file, const sys::Clock& clock) : file_(std::move(file)), clock_(clock) {}
  static base::Result<Range> make_range(const std::string& cidr);
  static void load(State& state, const base::Value& value, base::Time now);
  base::Result<base::Address> take(State& state, Range& range, const std::string& owner) const;
  base::Result<void> save(const State& state) const;

  std::string file_;
  const sys::Clock& clock_;
  base::Guarded<State> state_;
};

}  // namespace node
