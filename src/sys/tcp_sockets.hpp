// What the TCP sockets of a network namespace are doing: who listens, what is unread, when the last bytes
// came and went. An object has one owner; it may be used from any thread, whatever namespace that is in.
//
// Source: sock_diag (linux/inet_diag.h, linux/tcp.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "sys/fd.hpp"

namespace sys {

struct TcpSocket {
  uint64_t cookie = 0;  // unique as long as the machine runs
  bool listening = false;
  uint16_t local_port = 0;
  uint32_t unread = 0;  // bytes that the program has not taken; of a listener: connections
  uint32_t unsent = 0;  // bytes that the peer has not confirmed
  uint32_t since_sent_ms = 0;
  uint32_t since_received_ms = 0;
  uint64_t received = 0;  // bytes in all
};

class TcpSockets {
 public:
  // Of that namespace's file.
  static base::Result<TcpSockets> open(const std::string& netns);
  // Listening and connected ones, of both families.
  base::Result<std::vector<TcpSocket>> list();

 private:
  explicit TcpSockets(Fd socket) : socket_(std::move(socket)) {}
  base::Result<void> dump(uint8_t family, std::vector<TcpSocket>& into);
  Fd socket_;
};

}  // namespace sys
