#include "node/ipam.hpp"

#include <arpa/inet.h>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "sys/fs.hpp"

namespace node {
namespace {

std::string ip_text(uint32_t ip) {
  in_addr address{htonl(ip)};
  char text[INET_ADDRSTRLEN];
  ::inet_ntop(AF_INET, &address, text, sizeof(text));
  return text;
}

bool parse_ip(const std::string& text, uint32_t& ip) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return false;
  ip = ntohl(address.s_addr);
  return true;
}

}  // namespace

base::Result<std::unique_ptr<Ipam>> Ipam::open(const std::string& cidr, const std::string& file,
                                               const sys::Clock& clock) {
  const auto slash = cidr.find('/');
  uint32_t network = 0;
  const auto prefix = slash == std::string::npos ? std::nullopt : base::parse_int(cidr.substr(slash + 1));
  if (!prefix || *prefix < 8 || *prefix > 29 || !parse_ip(cidr.substr(0, slash), network)) {
    return base::fail(base::Reason::invalid,
                      "the pod range \"" + cidr + "\" is no IPv4 range such as 10.244.0.0/24 (/8 to /29)");
  }
  const uint32_t size = uint32_t{1} << (32 - *prefix);
  network &= ~(size - 1);
  // Left out: the network's own address, the one that is a gateway by custom, and the broadcast address.
  std::unique_ptr<Ipam> ipam(new Ipam(network + 2, network + size - 2, file, clock));
  auto state = ipam->state_.lock();
  state->next = ipam->first_;
  auto text = sys::read_file(file);
  if (!text) return ipam;
  auto value = base::parse_json(*text);
  if (!value) {
    base::log_warning("node", "{} is damaged, addresses are taken from the pods' records: {}", file,
                      value.error().message);
    return ipam;
  }
  uint32_t ip = 0;
  for (const auto& member : (*value)["used"].as_object()) {
    if (parse_ip(member.key, ip)) state->used[ip] = member.value.as_string();
  }
  for (const auto& member : (*value)["resting"].as_object()) {
    if (parse_ip(member.key, ip))
      state->resting[ip] = base::parse_time(member.value.as_string()).value_or(clock.now());
  }
  if (parse_ip(std::string((*value)["next"].as_string()), ip) && ip >= ipam->first_ && ip <= ipam->last_) {
    state->next = ip;
  }
  return ipam;
}

base::Result<std::string> Ipam::allocate(const std::string& owner) {
  auto state = state_.lock();
  for (const auto& [ip, holder] : state->used) {
    if (holder == owner) return ip_text(ip);
  }
  const auto now = clock_.now();
  std::erase_if(state->resting, [&](const auto& item) { return now - item.second >= kRest; });
  const uint32_t count = last_ - first_ + 1;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t ip = first_ + (state->next - first_ + i) % count;
    if (state->used.contains(ip) || state->resting.contains(ip)) continue;
    state->used[ip] = owner;
    state->next = ip == last_ ? first_ : ip + 1;
    if (auto saved = save(*state); !saved) {
      state->used.erase(ip);
      return std::unexpected(std::move(saved).error());
    }
    return ip_text(ip);
  }
  return base::fail(base::Reason::too_many_requests, "no pod address is free in " + ip_text(first_) + "-" +
                                                         ip_text(last_) +
                                                         ": delete pods, or give the node a larger range");
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
  for (const auto& [ip, owner] : state.used) used.set(ip_text(ip), owner);
  base::Object resting;
  for (const auto& [ip, since] : state.resting) resting.set(ip_text(ip), base::format_nano_time(since));
  return sys::write_file_atomically(
      file_, base::write_json(base::Object{
                 {"used", std::move(used)}, {"resting", std::move(resting)}, {"next", ip_text(state.next)}}));
}

}  // namespace node
