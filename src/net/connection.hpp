// The loop of a server and the connections on it. Everything here happens on the loop's thread, but for what Server
// itself offers. One of the few files that include Asio.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/protocol.hpp"

namespace net {

namespace asio = boost::asio;
using SteadyTime = std::chrono::steady_clock::time_point;

class Connection;

// What connections share.
class ServerLoop {
 public:
  ServerLoop(ServerConfig config, Handler handler, SslContextPtr tls, X509StorePtr trust);
  ~ServerLoop();

  // Loop thread.
  void adopt(int fd, std::string peer_address);
  bool full() const { return connections_.size() >= static_cast<size_t>(config.max_connections); }
  void forget(Connection* connection);
  // Counts the client's connections; false when it has too many with this one.
  bool join(const std::string& client);
  void leave(const std::string& client);
  void mark_dirty(Connection* connection);
  void note_deadline(SteadyTime when);
  // A connection holds so many bytes of bodies more (or fewer). Cuts one when all together are too many.
  void note_collecting(size_t before, size_t now);
  void drain();
  void close_all();
  std::string_view date_field();

  const ServerConfig config;
  const Handler handler;
  const SslContextPtr tls;  // null: plain
  const X509StorePtr trust;
  asio::io_context context{1};
  std::shared_ptr<Mailbox> mailbox;
  std::string scratch;  // read buffer of whoever reads now
  bool stopping = false;

 private:
  void deliver(Command& command);
  void arm_timer(SteadyTime when);
  void cut_slowest();
  void cut_overdue();

  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  std::unordered_map<std::string, int> clients_;  // how many connections each has
  std::vector<std::shared_ptr<Connection>> dirty_;
  std::vector<Command> commands_;
  bool draining_ = false;
  asio::steady_timer timer_{context};
  SteadyTime timer_at_ = SteadyTime::max();
  size_t collecting_ = 0;
  time_t date_at_ = 0;
  std::string date_;
};

class Connection final : public Link, public std::enable_shared_from_this<Connection> {
 public:
  Connection(ServerLoop& loop, int fd, std::string peer_address);

  // The life of a connection: handshake, then bytes until it is closed.
  static asio::awaitable<void> run(std::shared_ptr<Connection> self);
  // Applies what the last call asked for (cut, replacement), writes what can be written.
  // Never throws.
  void settle();
  void close();
  void stop();
  SteadyTime next_deadline() const { return std::min(deadline_, stall_deadline_); }

  // Link
  const ServerConfig& config() const override { return loop_.config; }
  const Peer& peer() const override { return peer_; }
  bool one_too_many() const override { return one_too_many_; }
  const std::shared_ptr<Mailbox>& mailbox() const override { return loop_.mailbox; }
  Output& output() override { return output_; }
  void handle(Request request, const std::shared_ptr<Exchange>& exchange) override;
  std::string_view date_field() override { return loop_.date_field(); }
  void set_deadline(std::chrono::seconds from_now) override;
  void clear_deadline() override { deadline_ = SteadyTime::max(); }
  void set_collecting(size_t bytes) override;
  size_t collecting() const { return collecting_; }
  SteadyTime collecting_since() const { return collecting_since_; }
  SteadyTime collected_at() const { return collected_at_; }
  void close_when_flushed() override { close_when_flushed_ = true; }
  void cut(std::string_view why) override;
  void touched() override { loop_.mark_dirty(this); }
  void replace_protocol(std::unique_ptr<Protocol> next, std::string bytes) override;

  bool dirty = false;  // stands in the loop's list

 private:
  enum class Phase : uint8_t { handshake, open, lingering, closed };

  Io handshake();
  void identify();
  void choose_protocol();
  void answer_plain_http();
  void on_readable();
  void on_bytes(std::string_view bytes);
  bool parked() const;
  void apply();
  void flush();
  void arm_write();
  void linger();

  ServerLoop& loop_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer resume_;  // never expires: cancelling it wakes the parked coroutine
  Channel channel_;
  Peer peer_;
  std::string client_;  // as it is counted; "" before the handshake is over
  Output output_;
  std::unique_ptr<Protocol> protocol_;
  std::unique_ptr<Protocol> next_;
  std::string sniffed_;  // plain mode: first bytes, until it is clear whether they are HTTP/2
  std::string next_bytes_;
  SteadyTime deadline_ = SteadyTime::max();
  SteadyTime stall_deadline_ = SteadyTime::max();
  SteadyTime collecting_since_{};
  SteadyTime collected_at_{};  // when the last bytes came
  size_t collecting_ = 0;
  Phase phase_ = Phase::handshake;
  bool write_armed_ = false;
  bool close_when_flushed_ = false;
  bool cut_ = false;
  bool one_too_many_ = false;
  bool input_ended_ = false;
};

}  // namespace net
