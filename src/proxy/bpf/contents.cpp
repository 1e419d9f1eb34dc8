#include "proxy/bpf/contents.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>

#include "proxy/bpf/choices.hpp"

namespace proxy::bpf {

namespace {


uint64_t hash_text(const std::string& text, uint64_t seed) {
  return std::max<uint64_t>(1, hash_bytes(text.data(), text.size(), seed));
}

// An endpoint is one for all addresses of its Service port; what is chosen among differs by scope and family. Ports
// without a name are told apart by their protocol.
uint64_t owner_of_endpoints(const Route& route, const service_key& key) { return hash_text(route.name, key.protocol); }
uint64_t owner_of_pool(const Route& route, const service_key& key) {
  const bool v4 = key.address.high == 0 && static_cast<uint32_t>(key.address.low) == htonl(0xffff);
  const uint64_t scope = 1 + static_cast<uint64_t>(route.scope);
  return hash_text(route.name, scope << 16 | (v4 ? 1u : 0u) << 8 | key.protocol);
}

// What the packet rules decide better: they know the client's address, and how to drop.
bool passes(const Route& route) {
  return !route.sources.empty() || (route.endpoints.empty() && route.drop_when_empty);
}

bool same_entry(const service_entry& a, const service_entry& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

int balance_of(Balance balance) {
  switch (balance) {
    case Balance::round_robin: return BALANCE_ROUND_ROBIN;
    case Balance::least_connections: return BALANCE_LEAST_CONNECTIONS;
    case Balance::maglev: return BALANCE_HASH;
    case Balance::random: break;
  }
  return BALANCE_RANDOM;
}

bool is_served(Protocol protocol) { return protocol == Protocol::tcp || protocol == Protocol::udp; }

}  // namespace

ip_address to_kernel(const Address& address) {
  ip_address out;
  static_assert(sizeof out == sizeof address.bytes);
  std::memcpy(&out, address.bytes.data(), sizeof out);
  return out;
}

Address from_kernel(const ip_address& address) {
  Address out;
  std::memcpy(out.bytes.data(), &address, sizeof address);
  return out;
}

service_key to_kernel(const ServiceKey& key) {
  return {.address = to_kernel(key.address),
          .port = htons(key.port),
          .protocol = static_cast<uint8_t>(key.protocol),
          .kind = KEY_ADDRESS,
          .zero = 0};
}

service_key to_kernel(const NodePortKey& key) {
  return {.address = key.family == Family::v4 ? to_kernel(Address::from_v4(0)) : ip_address{0, 0},
          .port = htons(key.port),
          .protocol = static_cast<uint8_t>(key.protocol),
          .kind = KEY_NODE_PORT,
          .zero = 0};
}

bool KeyOrder::operator()(const service_key& a, const service_key& b) const {
  return std::tie(a.address.high, a.address.low, a.port, a.protocol, a.kind) <
         std::tie(b.address.high, b.address.low, b.port, b.protocol, b.kind);
}

bool Contents::Identity::operator<(const Identity& other) const {
  return std::tie(owner, address.high, address.low, port) <
         std::tie(other.owner, other.address.high, other.address.low, other.port);
}

Contents::Contents(const Sizes& sizes, const Memory& memory,
                   const std::vector<std::pair<service_key, service_entry>>& services) {
  move_to(sizes, memory);
  std::vector<std::pair<uint32_t, uint32_t>> rows, places, pools;
  for (const auto& [key, entry] : services) {
    // A damaged entry is like none: its key is written again, or erased.
    bool good = entry.pool < sizes_.pools && entry.first + uint64_t{entry.count} <= sizes_.choices;
    const uint64_t owner = good ? memory_.pools[entry.pool].owner : 0;
    keys_[key] = {owner, entry};
    if (owner == 0) continue;
    auto [it, fresh] = pools_.try_emplace(owner);
    auto& pool = it->second;
    pool.keys.insert(key);
    // Another row for the same pool: an update was cut short.
    if (!fresh && entry.count > 0 && entry.first != pool.first) rows.emplace_back(entry.first, entry.count);
    if (!fresh) continue;
    pool.index = entry.pool;
    pool.first = entry.first;
    pool.count = entry.count;
    pools.emplace_back(entry.pool, 1);
    if (entry.count == 0) continue;
    rows.emplace_back(entry.first, entry.count);
    auto row = memory_.choices.subspan(entry.first, entry.count);
    std::set<uint64_t> chosen(row.begin(), row.end());
    for (auto index : chosen) {
      if (index >= sizes_.endpoints || memory_.endpoints[index].serial == 0) continue;
      pool.endpoints.push_back(static_cast<uint32_t>(index));
      ++uses_[index];
    }
  }
  for (uint32_t i = 0; i < sizes_.endpoints; ++i) {
    auto& e = memory_.endpoints[i];
    next_serial_ = std::max({next_serial_, e.serial + 1, e.last_serial + 1});
    if (e.serial == 0) continue;
    places.emplace_back(i, 1);
    endpoints_[{e.owner, e.address, e.port}] = i;
    if (uses_[i] == 0) retire(i, Time{0});
  }
  rows_.start_with(rows);
  endpoint_places_.start_with(places);
  pool_places_.start_with(pools);
  for (uint32_t i = 0; i < sizes_.pools; ++i)
    if (auto owner = memory_.pools[i].owner; owner != 0 && !pools_.contains(owner)) memory_.pools[i] = {};
}

void Contents::move_to(const Sizes& sizes, const Memory& memory) {
  sizes_ = sizes;
  memory_ = memory;
  rows_.grow(sizes.choices);
  endpoint_places_.grow(sizes.endpoints);
  pool_places_.grow(sizes.pools);
  uses_.resize(sizes.endpoints);
}

base::Error Contents::too_small(uint32_t Sizes::*which, const char* what) {
  larger_ = needed_;
  larger_.*which = std::max(larger_.*which, sizes_.*which * 2);
  return {base::Reason::request_entity_too_large,
          fmt::format("the map of {} is full: it holds {}", what, sizes_.*which), nullptr};
}

base::Result<Update> Contents::prepare(const Change& change, Time now) {
  std::vector<Wanted> wanted;
  for (const auto& [key, move] : change.routes)
    if (is_served(key.protocol)) wanted.push_back({to_kernel(key), move.second});
  for (const auto& [key, move] : change.node_ports)
    if (is_served(key.protocol)) wanted.push_back({to_kernel(key), move.second});
  return stage(wanted, now);
}

base::Result<Update> Contents::prepare(const Table& table, Time now) {
  std::vector<Wanted> wanted;
  std::set<service_key, KeyOrder> stay;
  auto want = [&](const service_key& key, const RoutePtr& route) {
    wanted.push_back({key, route});
    stay.insert(key);
  };
  for (const auto& [key, route] : table.routes)
    if (is_served(key.protocol)) want(to_kernel(key), route);
  for (const auto& [key, route] : table.node_ports)
    if (is_served(key.protocol)) want(to_kernel(key), route);
  for (const auto& [key, held] : keys_)
    if (!stay.contains(key)) wanted.push_back({key, nullptr});
  return stage(wanted, now);
}

// Generous, so that a cluster's first table takes one growth and not ten.
Sizes Contents::estimate(const std::vector<Wanted>& wanted, size_t more) const {
  std::set<const Route*> routes;
  size_t endpoints = endpoints_.size(), choices = sizes_.choices / 2;
  for (const auto& w : wanted) {
    if (!w.route || !routes.insert(w.route.get()).second) continue;
    endpoints += w.route->endpoints.size();
    choices += w.route->balance == Balance::maglev ? 512 : 2 * w.route->endpoints.size();
  }
  auto at_least = [](uint32_t held, size_t wish) {
    return wish <= held ? held : static_cast<uint32_t>(std::bit_ceil(std::min<size_t>(wish, 1u << 28)));
  };
  Sizes out = sizes_;
  out.services = at_least(out.services, keys_.size() + more);
  out.pools = at_least(out.pools, pools_.size() + more);
  out.endpoints = at_least(out.endpoints, endpoints + endpoints / 4);
  out.choices = at_least(out.choices, choices);
  return out;
}

base::Result<Update> Contents::stage(const std::vector<Wanted>& wanted, Time now) {
  settle_retired(now);
  size_t more = 0;
  for (const auto& w : wanted) more += w.route && !keys_.contains(w.key);
  needed_ = estimate(wanted, more);
  if (keys_.size() + more > sizes_.services) return std::unexpected(too_small(&Sizes::services, "service ports"));
  for (const auto& w : wanted) {
    if (!w.route) {
      if (keys_.contains(w.key)) update_.erased.push_back(w.key);
      continue;
    }
    const uint64_t owner = owner_of_pool(*w.route, w.key);
    if (!staged_.contains(owner)) {
      if (auto done = stage_pool(w, owner, now); !done) {
        undo(now);
        return std::unexpected(std::move(done).error());
      }
    }
    staged_[owner].pool.keys.insert(w.key);
  }
  std::map<service_key, bool, KeyOrder> pass;
  for (const auto& w : wanted) {
    if (w.route) pass[w.key] = passes(*w.route);
    auto held = keys_.find(w.key);  // it leaves the pool where it was
    if (held == keys_.end() || (w.route && owner_of_pool(*w.route, w.key) == held->second.first)) continue;
    if (auto other = staged_.find(held->second.first); other != staged_.end()) other->second.pool.keys.erase(w.key);
  }
  for (auto& [owner, staged] : staged_) {
    for (const auto& key : staged.pool.keys) {
      auto held = keys_.find(key);
      auto told = pass.find(key);
      service_entry entry = staged.entry;
      if (told != pass.end()) entry.flags = told->second ? SERVICE_PASS : 0;
      else if (held != keys_.end()) entry.flags = held->second.second.flags;
      if (held != keys_.end() && held->second.first == owner && same_entry(held->second.second, entry)) continue;
      update_.keys.push_back(key);
      update_.entries.push_back(entry);
      owners_.push_back(owner);
    }
  }
  return update_;
}

base::Result<void> Contents::stage_pool(const Wanted& wanted, uint64_t owner, Time now) {
  const Route& route = *wanted.route;
  auto& staged = staged_[owner];
  if (auto held = pools_.find(owner); held != pools_.end()) {
    staged.pool = held->second;
  } else {
    auto index = pool_places_.take(1, now);
    if (!index) return std::unexpected(too_small(&Sizes::pools, "pools of endpoints"));
    staged.new_index = true;
    staged.pool.index = *index;
    memory_.pools[*index] = {.owner = owner, .connections = 0, .refusals = 0, .cursor = 0};
  }
  auto& pool = staged.pool;
  pool.name = route.name;
  pool.endpoints.clear();
  std::vector<Choice> among;
  for (const auto& e : route.endpoints) {
    Identity id{owner_of_endpoints(route, wanted.key), to_kernel(e.address), htons(e.port)};
    auto place = place_endpoint(id, e, wanted.key.protocol, staged, now);
    if (!place) return std::unexpected(too_small(&Sizes::endpoints, "endpoints"));
    pool.endpoints.push_back(*place);
    auto hash = hash_bytes(e.address.bytes.data(), e.address.bytes.size(), e.port);
    among.push_back({.endpoint = *place, .hash = hash, .weight = e.weight});
  }
  auto row = plan_choices(among, balance_of(route.balance));
  auto held = memory_.choices.subspan(pool.first, pool.count);
  if (!std::equal(row.begin(), row.end(), held.begin(), held.end())) {
    pool.first = 0;
    pool.count = static_cast<uint32_t>(row.size());
    if (!row.empty()) {
      auto first = rows_.take(pool.count, now);
      if (!first) return std::unexpected(too_small(&Sizes::choices, "choices"));
      staged.new_row = true;
      pool.first = *first;
      std::copy(row.begin(), row.end(), memory_.choices.begin() + pool.first);
    }
  }
  staged.entry = {.first = pool.first,
                  .count = pool.count,
                  .pool = pool.index,
                  .affinity_seconds = route.affinity_seconds,
                  .flags = 0,
                  .balance = static_cast<uint16_t>(balance_of(route.balance)),
                  .zero = 0};
  return {};
}

std::optional<uint32_t> Contents::place_endpoint(const Identity& id, const Endpoint& e, uint8_t protocol,
                                                 Staged& staged, Time now) {
  auto known = endpoints_.find(id);
  if (known == endpoints_.end()) {
    auto place = endpoint_places_.take(1, now);
    if (!place) return std::nullopt;
    staged.fresh.push_back(*place);
    known = endpoints_.emplace(id, *place).first;
    memory_.flows[*place] = {};
    memory_.endpoints[*place] = {.address = id.address,
                                 .owner = id.owner,
                                 .serial = next_serial_++,
                                 .port = id.port,
                                 .protocol = protocol,
                                 .usable = 0,
                                 .weight = e.weight,
                                 .last_serial = 0};
  }
  retired_.erase(known->second);
  auto& entry = memory_.endpoints[known->second];
  entry.weight = e.weight;
  __atomic_store_n(&entry.usable, 1, __ATOMIC_RELEASE);  // before anything names it
  return known->second;
}

void Contents::undo(Time now) {
  for (auto& [owner, staged] : staged_) {
    if (staged.new_row) rows_.put_back(staged.pool.first, staged.pool.count);
    if (staged.new_index) {
      memory_.pools[staged.pool.index] = {};
      pool_places_.put_back(staged.pool.index, 1);
    }
    for (auto index : staged.fresh) {
      auto& e = memory_.endpoints[index];
      endpoints_.erase({e.owner, e.address, e.port});
      const auto serial = e.serial;
      e = {};
      e.last_serial = serial;
      endpoint_places_.put_back(index, 1);
    }
    // Those that came back from retirement for it go there again.
    for (auto index : staged.pool.endpoints)
      if (uses_[index] == 0 && memory_.endpoints[index].usable) retire(index, now);
  }
  staged_.clear();
  update_ = {};
  owners_.clear();
}

void Contents::finish(Time now) {
  for (auto& [owner, staged] : staged_)
    for (auto index : staged.pool.endpoints) ++uses_[index];
  std::set<uint32_t> maybe_lost;
  auto drop = [&](const Pool& pool) {
    for (auto index : pool.endpoints)
      if (uses_[index] > 0 && --uses_[index] == 0) maybe_lost.insert(index);
  };
  std::set<uint64_t> left;  // pools that lost a key
  auto leave = [&](const service_key& key) {
    auto held = keys_.find(key);
    if (held == keys_.end()) return;
    if (auto pool = pools_.find(held->second.first); pool != pools_.end()) {
      pool->second.keys.erase(key);
      left.insert(held->second.first);
    }
  };
  for (const auto& key : update_.erased) {
    leave(key);
    keys_.erase(key);
  }
  for (size_t i = 0; i < update_.keys.size(); ++i) {
    const auto& key = update_.keys[i];
    if (auto held = keys_.find(key); held != keys_.end() && held->second.first != owners_[i]) leave(key);
    keys_[key] = {owners_[i], update_.entries[i]};
  }
  for (auto& [owner, staged] : staged_) {
    if (auto before = pools_.find(owner); before != pools_.end()) {
      drop(before->second);
      if (staged.new_row || staged.pool.count == 0) give_back_row(before->second, now);
    }
    pools_[owner] = std::move(staged.pool);
  }
  for (auto owner : left) {
    auto pool = pools_.find(owner);
    if (pool == pools_.end() || !pool->second.keys.empty()) continue;
    drop(pool->second);
    give_back_row(pool->second, now);
    memory_.pools[pool->second.index].owner = 0;
    pool_places_.give_back(pool->second.index, 1, now);
    pools_.erase(pool);
  }
  for (auto index : maybe_lost)
    if (uses_[index] == 0) retire(index, now);
  staged_.clear();
  update_ = {};
  owners_.clear();
}

void Contents::give_back_row(const Pool& pool, Time now) {
  if (pool.count > 0) rows_.give_back(pool.first, pool.count, now);
}

void Contents::retire(uint32_t index, Time now) {
  auto& e = memory_.endpoints[index];
  bool served = e.usable;
  __atomic_store_n(&e.usable, 0, __ATOMIC_RELEASE);
  retired_[index] = now;
  if (!served) return;
  if (memory_.flows[index].in_flight == 0) return;
  lost_.push_back({index, e.serial, from_kernel(e.address), static_cast<Protocol>(e.protocol), 0});
}

void Contents::settle_retired(Time now) {
  for (auto it = retired_.begin(); it != retired_.end();) {
    auto [index, since] = *it;
    auto& e = memory_.endpoints[index];
    // Its sockets are counted to their end: it may come back. A serial is not trusted for ever, though.
    const bool busy = memory_.flows[index].in_flight > 0 && now - since < std::chrono::hours(1);
    if (now - since < Rows::kReaders || busy) {
      ++it;
      continue;
    }
    endpoints_.erase({e.owner, e.address, e.port});
    e.last_serial = std::exchange(e.serial, 0);
    endpoint_places_.give_back(index, 1, now);
    it = retired_.erase(it);
  }
}

std::vector<Lost> Contents::take_lost() { return std::exchange(lost_, {}); }

bool Contents::is_lost(const Lost& lost) const {
  const auto& e = memory_.endpoints[lost.endpoint];
  return e.serial == lost.serial && !e.usable && memory_.flows[lost.endpoint].in_flight > 0;
}

std::vector<Count> Contents::counts() const {
  std::map<std::string, Count> whole;
  std::map<uint32_t, std::string> whose;
  for (const auto& [owner, pool] : pools_) {
    auto& count = whole[pool.name];
    count.service = pool.name;
    count.connections += memory_.pools[pool.index].connections;
    count.refused += memory_.pools[pool.index].refusals;
    for (auto index : pool.endpoints) whose[index] = pool.name;
  }
  std::vector<Count> out;
  for (const auto& [index, name] : whose) {
    const auto& e = memory_.endpoints[index];
    const auto& flow = memory_.flows[index];
    auto address = from_kernel(e.address);
    Count count;
    count.service = name;
    auto text = format_address(address);
    count.endpoint = fmt::format("{}:{}", address.is_v4() ? text : "[" + text + "]", ntohs(e.port));
    count.connections = flow.connections;
    count.in_flight = static_cast<int64_t>(flow.in_flight);
    auto& sum = whole[name];
    sum.in_flight = std::max<int64_t>(sum.in_flight, 0) + count.in_flight;
    out.push_back(std::move(count));
  }
  for (auto& [name, count] : whole) out.push_back(std::move(count));
  return out;
}

}  // namespace proxy::bpf
