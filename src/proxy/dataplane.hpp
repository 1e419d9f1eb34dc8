// A way into the kernel for the table: nftables rules, or eBPF programs at the sockets. The proxy keeps several equal to
// one table; each serves what it can and leaves the rest to the next.
//
// Threading: all methods are called on the proxy's thread, but counts(), which may come from any.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "proxy/table.hpp"

namespace proxy {

// What happened to the connections of one Service port since it is known, as far as the kernel tells.
struct Count {
  std::string service;   // Route::name
  std::string endpoint;  // "address:port"; "": of the whole
  uint64_t connections = 0;
  uint64_t refused = 0;
  int64_t in_flight = -1;  // -1: not known here
};

class Dataplane {
 public:
  virtual ~Dataplane() = default;
  virtual std::string_view name() const = 0;  // "bpf", "nftables"
  // Makes the kernel equal to the table whatever it held before; traffic flows on meanwhile. Also the way back after a
  // failure.
  virtual base::Result<void> rebuild(const Table& table) = 0;
  // `table` after `change`, where the kernel holds what was before it. All or nothing.
  virtual base::Result<void> apply(const Table& table, const Change& change) = 0;
  virtual std::vector<Count> counts() = 0;
};

}  // namespace proxy
