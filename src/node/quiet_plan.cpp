#include "node/quiet_plan.hpp"

#include <algorithm>

namespace node {
namespace {

// A connection that has said nothing yet is about to, unless it is one of those that are opened in advance.
constexpr uint32_t kYoungMs = 100;

}  // namespace

bool is_busy(const sys::TcpSocket& socket) {
  if (socket.unread > 0 || socket.unsent > 0) return true;
  if (socket.listening) return false;
  if (socket.received == 0) return socket.since_received_ms < kYoungMs;
  return socket.since_received_ms < socket.since_sent_ms;
}

bool QuietPlan::look(const std::vector<sys::TcpSocket>& sockets, Steady now) {
  std::set<uint16_t> served;
  for (const auto& socket : sockets) {
    if (socket.listening) served.insert(socket.local_port);
  }
  std::set<uint64_t> busy;
  for (const auto& socket : sockets) {
    // What the pod itself has opened is its own affair.
    if (served.contains(socket.local_port) && is_busy(socket)) busy.insert(socket.cookie);
  }
  if (!begun_) unfinished_ = busy;
  begun_ = true;
  std::erase_if(unfinished_, [&](uint64_t cookie) { return !busy.contains(cookie); });
  if (busy.empty()) return true;
  if (!unfinished_.empty()) return false;
  if (!all_seen_idle_) all_seen_idle_ = now;
  return now - *all_seen_idle_ >= kPatience;
}

}  // namespace node
