// The client's end of one TCP or TLS connection: dialled, written and read with deadlines, interruptible. One thread
// uses it at a time, but interrupt() may come from any other.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.hpp"
#include "net/channel.hpp"
#include "net/client.hpp"
#include "net/http1.hpp"

namespace net {

using Deadline = std::chrono::steady_clock::time_point;
inline constexpr Deadline kNoDeadline = Deadline::max();
Deadline deadline_in(int milliseconds);

class Wire {
 public:
  // `tls` null: plain.
  static base::Result<std::unique_ptr<Wire>> dial(const ClientConfig& config, SSL_CTX* tls);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  base::Result<void> write_all(Output& output, Deadline deadline);
  // 0 bytes: the peer finished.
  base::Result<size_t> read(char* buffer, size_t size, Deadline deadline);
  // Makes every operation fail from now on, also one under way.
  void interrupt();
  bool interrupted() const { return interrupted_.load(); }
  // Nothing to read: not closed by the peer while it lay in the pool.
  bool looks_alive() const;

  // For the WebSocket, which reads and writes from several threads: its own lock around the channel, poll without it.
  Channel& channel() { return channel_; }
  int fd() const { return fd_; }  // for who polls many
  base::Result<void> wait(Io what, Deadline deadline) const;
  base::Error lost(std::string_view doing) const;

  std::chrono::steady_clock::time_point idle_since{};
  std::string leftover;  // bytes read beyond the last message

 private:
  Wire(int fd, SslPtr ssl, std::string where) : fd_(fd), channel_(fd, std::move(ssl)), where_(std::move(where)) {}
  base::Result<void> handshake(const ClientConfig& config, Deadline deadline);

  const int fd_;
  Channel channel_;
  const std::string where_;  // host:port, for messages
  std::atomic<bool> interrupted_{false};
};

// Sends the request; true in `retry_safe` on failure means that no byte of it was taken.
base::Result<void> send_request(Wire& wire, const ClientConfig& config, const Request& request, Deadline deadline);
// Reads until the parser has the head (`whole` false) or the whole message. Skips 1xx but 101.
base::Result<void> read_response(Wire& wire, Http1Parser& parser, bool whole, bool head_request, Deadline deadline);
std::string base64_random_key();

base::Result<std::unique_ptr<ClientWebSocket>> upgrade_to_websocket(std::unique_ptr<Wire> wire, const ClientConfig& config,
                                                                    Request request,
                                                                    const std::vector<std::string>& subprotocols,
                                                                    UpgradeRefused* refused);

}  // namespace net
