#include "node/ipam.hpp"

#include <utility>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "sys/fs.hpp"

namespace node {

using base::Address;

base::Result<Ipam::Range> Ipam::make_range(const std::string& cidr) {
  auto range = base::Cidr::parse(base::trim(cidr));
  const bool fits = range && range->prefix >= 8 && range->prefix <= (range->first.v6 ? 125 : 29);
  if (!fits) {
    return base::fail(base::Reason::invalid, "the pod range \"" + cidr +
                                                 "\" is no range such as 10.244.0.0/24 (/8 to /29) or "
                                                 "fd00:10:244::/64 (/8 to /125)");
  }
  // Left out: the network's own address, the one that is a gateway by custom, and the broadcast address.
  Range out{.first = range->first, .last = range->first, .next = {}};
  out.first.number += 2;
  out.last.number += range->size() - 2;
  out.next = out.first;
  return out;
}

void Ipam::load(State& state, const base::Value& value, base::Time now) {
  for (const auto& member : value["used"].as_object()) {
    if (auto ip = Address::parse(member.key)) state.used[*ip] = member.value.as_string();
  }
  for (const auto& member : value["resting"].as_object()) {
    if (auto ip = Address::parse(member.key))
      state.resting[*ip] = base::parse_time(member.value.as_string()).value_or(now);
  }
  // One text: the file of a version that knew one family.
  base::Array next = value["next"].is_string() ? base::Array{value["next"]} : value["next"].as_array();
  for (const auto& text : next) {
    auto ip = Address::parse(text.as_string());
    if (!ip) continue;
    for (auto& range : state.ranges) {
      if (range.first <= *ip && *ip <= range.last) range.next = *ip;
    }
  }
}

base::Result<std::unique_ptr<Ipam>> Ipam::open(const std::string& cidrs, const std::string& file,
                                               const sys::Clock& clock) {
  std::unique_ptr<Ipam> ipam(new Ipam(file, clock));
  auto state = ipam->state_.lock();
  for (const auto& cidr : base::split(cidrs, ',')) {
    TRY(auto range, make_range(cidr));
    for (const auto& other : state->ranges) {
      if (other.first.v6 == range.first.v6)
        return base::fail(base::Reason::invalid,
                          "the pod ranges \"" + cidrs + "\" are two of one family: give one of each");
    }
    state->ranges.push_back(range);
  }
  auto text = sys::read_file(file);
  if (!text) return ipam;
  auto value = base::parse_json(*text);
  if (value) load(*state, *value, clock.now());
  else
    base::log_warning("node", "{} is damaged, addresses are taken from the pods' records: {}", file,
                      value.error().message);
  return ipam;
}

base::Result<Address> Ipam::take(State& state, Range& range, const std::string& owner) const {
  for (const auto& [ip, holder] : state.used) {
    if (holder == owner && ip.v6 == range.first.v6) return ip;
  }
  const base::Uint128 count = range.last.number - range.first.number + 1;
  for (base::Uint128 i = 0; i < count; ++i) {
    Address ip = range.first;
    ip.number += (range.next.number - range.first.number + i) % count;
    if (state.used.contains(ip) || state.resting.contains(ip)) continue;
    state.used[ip] = owner;
    range.next = ip;
    if (ip == range.last) range.next = range.first;
    else ++range.next.number;
    return ip;
  }
  return base::fail(base::Reason::too_many_requests, "no pod address is free in " + range.first.text() + "-" +
                                                         range.last.text() +
                                                         ": delete pods, or give the node a larger range");
}

base::Result<std::vector<std::string>> Ipam::allocate(const std::string& owner) {
  auto state = state_.lock();
  const auto now = clock_.now();
  std::erase_if(state->resting, [&](const auto& item) { return now - item.second >= kRest; });
  const auto before = state->used;
  std::vector<std::string> out;
  base::Result<void> done;
  for (auto& range : state->ranges) {
    auto ip = take(*state, range, owner);
    if (!ip) {
      done = std::unexpected(std::move(ip).error());
      break;
    }
    out.push_back(ip->text());
  }
  if (done && state->used.size() != before.size()) done = save(*state);
  if (done) return out;
  state->used = before;
  return std::unexpected(std::move(done).error());
}

void Ipam::release(const std::string& owner) {
  auto state = state_.lock();
  const auto now = clock_.now();
  const auto count = std::erase_if(state->used, [&](const auto& item) {
    if (item.second != owner) return false;
    state->resting[item.first] = now;
    return true;
  });
  if (count == 0) return;
  if (auto saved = save(*state); !saved) base::log_warning("node", "{}", saved.error().message);
}

base::Result<void> Ipam::save(const State& state) const {
  base::Object used;
  for (const auto& [ip, owner] : state.used) used.set(ip.text(), owner);
  base::Object resting;
  for (const auto& [ip, since] : state.resting) resting.set(ip.text(), base::format_nano_time(since));
  base::Array next;
  for (const auto& range : state.ranges) next.push_back(range.next.text());
  return sys::write_file_atomically(
      file_, base::write_json(base::Object{
                 {"used", std::move(used)}, {"resting", std::move(resting)}, {"next", std::move(next)}}));
}

}  // namespace node
