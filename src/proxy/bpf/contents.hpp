// What the maps hold, and how they get from one table to the next: places for endpoints and for rows of choices are
// given out here, and written before the one entry of the services map that names them is swapped. Pure but for the
// memory it is handed; one owner.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "proxy/bpf/abi.h"
#include "proxy/bpf/kernel.hpp"
#include "proxy/dataplane.hpp"
#include "proxy/table.hpp"

namespace proxy::bpf {

ip_address to_kernel(const Address& address);
Address from_kernel(const ip_address& address);
service_key to_kernel(const ServiceKey& key);
service_key to_kernel(const NodePortKey& key);

struct KeyOrder {
  bool operator()(const service_key& a, const service_key& b) const;
};

// Rows of places in one array, in sizes of powers of two. What is given back is given out again after a while only: a
// program may still be reading it.
class Rows {
 public:
  // How long a program may still know a place that was given back. (They run for microseconds, and are never suspended.)
  static constexpr std::chrono::milliseconds kReaders{50};
  using Time = std::chrono::nanoseconds;
  void grow(uint32_t size) { size_ = size; }
  std::optional<uint32_t> take(uint32_t length, Time now);  // where it begins
  void give_back(uint32_t first, uint32_t length, Time now);
  void put_back(uint32_t first, uint32_t length);  // nobody saw it: free at once
  void start_with(std::vector<std::pair<uint32_t, uint32_t>> used);  // first, length; what lies between is free

 private:
  static int class_of(uint32_t length);
  void free_between(uint32_t first, uint32_t end);
  void settle(Time now);
  struct Waiting {
    uint32_t first;
    int size_class;
    Time since;
  };
  uint32_t size_ = 0;
  uint32_t next_ = 0;  // nothing beyond was ever given out
  std::map<int, std::vector<uint32_t>> free_;
  std::deque<Waiting> waiting_;
};

// What the services map must be told.
struct Update {
  std::vector<service_key> keys;
  std::vector<service_entry> entries;
  std::vector<service_key> erased;
};

// An endpoint that no Service port names any more; sockets may still be connected to it.
struct Lost {
  uint32_t endpoint = 0, serial = 0;
  Address address;
  Protocol protocol = Protocol::tcp;
  int cuts = 0;  // how often its sockets were ended
};

class Contents {
 public:
  using Time = std::chrono::nanoseconds;
  // Of what the kernel holds: nothing, or what an earlier process left.
  Contents(const Sizes& sizes, const Memory& memory,
           const std::vector<std::pair<service_key, service_entry>>& services);
  void move_to(const Sizes& sizes, const Memory& memory);  // larger ones with the same beginning

  // From what is held to `change`, or to `table` whatever is held. Fails when the maps are too small (then nothing has
  // changed, and larger() says what it takes). The caller writes the update, then calls finish().
  base::Result<Update> prepare(const Change& change, Time now);
  base::Result<Update> prepare(const Table& table, Time now);
  // The update is in the kernel: what it replaced can go.
  void finish(Time now);

  Sizes larger() const { return larger_; }
  std::vector<Count> counts() const;
  // Those that were taken out of service since the last time, and have sockets.
  std::vector<Lost> take_lost();
  bool is_lost(const Lost& endpoint) const;  // still, and still with sockets

 private:
  struct Identity {
    uint64_t owner;
    ip_address address;
    uint16_t port;
    bool operator<(const Identity& other) const;
  };
  struct Pool {
    uint32_t index = 0;
    uint32_t first = 0, count = 0;
    std::string name;
    std::vector<uint32_t> endpoints;
    std::set<service_key, KeyOrder> keys;
  };
  struct Wanted {
    service_key key;
    RoutePtr route;  // null: the key goes
  };
  struct Staged {
    Pool pool;
    service_entry entry = {};
    bool new_index = false, new_row = false;
    std::vector<uint32_t> fresh;  // endpoints taken for it
  };

  base::Result<Update> stage(const std::vector<Wanted>& wanted, Time now);
  Sizes estimate(const std::vector<Wanted>& wanted, size_t more) const;
  base::Result<void> stage_pool(const Wanted& wanted, uint64_t owner, Time now);
  std::optional<uint32_t> place_endpoint(const Identity& id, const Endpoint& e, uint8_t protocol, Staged& staged,
                                         Time now);
  void undo(Time now);
  void give_back_row(const Pool& pool, Time now);
  void retire(uint32_t index, Time now);
  void settle_retired(Time now);
  base::Error too_small(uint32_t Sizes::*which, const char* what);

  Sizes sizes_, needed_, larger_;
  Memory memory_;
  std::unordered_map<uint64_t, Pool> pools_;
  std::map<service_key, std::pair<uint64_t, service_entry>, KeyOrder> keys_;  // owner, entry
  std::map<Identity, uint32_t> endpoints_;
  std::vector<uint32_t> uses_;  // of an endpoint by pools
  std::map<uint32_t, Time> retired_;  // endpoints without use, since
  std::vector<Lost> lost_;
  Rows rows_, endpoint_places_, pool_places_;
  uint32_t next_serial_ = 1;
  // Between prepare() and finish():
  std::map<uint64_t, Staged> staged_;
  Update update_;
  std::vector<uint64_t> owners_;  // of update_.keys
};

}  // namespace proxy::bpf
