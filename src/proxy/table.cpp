#include "proxy/table.hpp"

#include <algorithm>

namespace proxy {

namespace {

template <class Key>
void compare(const std::map<Key, RoutePtr>& before, const std::map<Key, RoutePtr>& after, Moves<Key>& out) {
  auto a = before.begin();
  auto b = after.begin();
  while (a != before.end() || b != after.end()) {
    bool only_a = b == after.end() || (a != before.end() && a->first < b->first);
    bool only_b = a == before.end() || (b != after.end() && b->first < a->first);
    if (only_a) out.emplace_hint(out.end(), a->first, std::pair{a->second, RoutePtr()});
    else if (only_b) out.emplace_hint(out.end(), b->first, std::pair{RoutePtr(), b->second});
    else if (a->second != b->second) out.emplace_hint(out.end(), a->first, std::pair{a->second, b->second});
    if (!only_b) ++a;
    if (!only_a) ++b;
  }
}

}  // namespace

Change difference(const Table& before, const Table& after) {
  Change out;
  compare(before.routes, after.routes, out.routes);
  compare(before.node_ports, after.node_ports, out.node_ports);
  out.node_addresses = before.node_addresses != after.node_addresses;
  out.own = before.own != after.own;
  return out;
}

void keep_places(const std::vector<Endpoint>& before, std::vector<Endpoint>& endpoints) {
  std::set<Endpoint> fresh(endpoints.begin(), endpoints.end());
  std::vector<Endpoint> placed(endpoints.size());
  std::vector<bool> taken(placed.size());
  std::vector<Endpoint> moved;  // survivors whose place is beyond the new end
  for (size_t i = 0; i < before.size(); ++i) {
    if (!fresh.erase(before[i])) continue;
    if (i < placed.size()) {
      placed[i] = before[i];
      taken[i] = true;
    } else {
      moved.push_back(before[i]);
    }
  }
  moved.insert(moved.end(), fresh.begin(), fresh.end());
  auto next = moved.begin();
  for (size_t i = 0; i < placed.size() && next != moved.end(); ++i)
    if (!taken[i]) placed[i] = *next++;
  endpoints = std::move(placed);
}

template <class Key>
void Claims<Key>::set(const std::string& service, std::vector<std::pair<Key, Route>> planned,
                      std::map<Key, RoutePtr>& table, Moves<Key>& moves) {
  auto known = planned_.find(service);
  std::map<Key, RoutePtr> before, now;
  if (known != planned_.end()) before = std::move(known->second);
  for (auto& [key, route] : planned) {
    if (now.contains(key)) continue;  // the same port twice: the first one counts
    RoutePtr next;
    if (auto old = before.find(key); old != before.end()) {
      keep_places(old->second->endpoints, route.endpoints);
      if (route.outside && old->second->outside) keep_places(old->second->outside->endpoints, route.outside->endpoints);
      if (*old->second == route) next = old->second;
    }
    now.emplace(key, next ? next : std::make_shared<const Route>(std::move(route)));
  }
  std::set<Key> touched;
  for (const auto& [key, route] : before) {
    auto& claims = claims_[key];
    claims.erase({route->scope, service});
    touched.insert(key);
  }
  for (const auto& [key, route] : now) {
    claims_[key][{route->scope, service}] = route;
    touched.insert(key);
  }
  for (const auto& key : touched) {
    auto claims = claims_.find(key);
    RoutePtr winner = claims->second.empty() ? nullptr : claims->second.begin()->second;
    if (!winner) claims_.erase(claims);
    auto held = table.find(key);
    RoutePtr was = held == table.end() ? nullptr : held->second;
    if (was == winner) continue;
    if (winner) table[key] = winner;
    else table.erase(key);
    auto move = moves.try_emplace(key, was, winner).first;
    move->second.second = winner;
    if (move->second.first == winner) moves.erase(move);
  }
  if (!now.empty()) planned_[service] = std::move(now);
  else if (known != planned_.end()) planned_.erase(known);
}

template class Claims<ServiceKey>;
template class Claims<NodePortKey>;

void TableBuilder::set(const std::string& service, Planned planned) {
  if (planned.empty()) services_.erase(service);
  else services_.insert(service);
  routes_.set(service, std::move(planned.routes), table_.routes, change_.routes);
  node_ports_.set(service, std::move(planned.node_ports), table_.node_ports, change_.node_ports);
}

void TableBuilder::set_node_addresses(std::set<Address> addresses) {
  if (table_.node_addresses == addresses) return;
  table_.node_addresses = std::move(addresses);
  change_.node_addresses = true;
}

void TableBuilder::set_own(OwnNode own) {
  if (table_.own == own) return;
  table_.own = std::move(own);
  change_.own = true;
}

Change TableBuilder::take_change() { return std::exchange(change_, {}); }

}  // namespace proxy
