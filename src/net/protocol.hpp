// What runs on one accepted connection - HTTP/1.1, HTTP/2 or WebSocket - as a state machine over bytes, and what it may
// ask of that connection. Everything here happens on the loop's thread; no Asio.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "net/exchange.hpp"
#include "net/server.hpp"

namespace net {

// The connection, as its protocol sees it.
class Link {
 public:
  virtual ~Link() = default;
  virtual const ServerConfig& config() const = 0;
  virtual const Peer& peer() const = 0;
  // Its client has too many: every request is refused, and the connection ends after it.
  virtual bool one_too_many() const = 0;
  virtual const std::shared_ptr<Mailbox>& mailbox() const = 0;
  virtual Output& output() = 0;
  // Calls the handler; its answer comes as commands, later.
  virtual void handle(Request request, const std::shared_ptr<Exchange>& exchange) = 0;
  // `Date: ...\r\n`, fresh to the second.
  virtual std::string_view date_field() = 0;
  // The connection is cut when that time has passed; replaces the last one.
  virtual void set_deadline(std::chrono::seconds from_now) = 0;
  virtual void clear_deadline() = 0;
  // How many bytes of request bodies this connection holds that are not whole yet.
  virtual void set_collecting(size_t bytes) = 0;
  // Once the output is written: say goodbye and close.
  virtual void close_when_flushed() = 0;
  // At once, after the current call.
  virtual void cut(std::string_view why) = 0;
  // A command came: write what it brought, soon.
  virtual void touched() = 0;
  // After the current call `next` takes the place of the caller, and gets `bytes` first.
  virtual void replace_protocol(std::unique_ptr<Protocol> next, std::string bytes) = 0;
};

class Protocol {
 public:
  explicit Protocol(Link& link) : link_(link) {}
  virtual ~Protocol() = default;
  Protocol(const Protocol&) = delete;
  Protocol& operator=(const Protocol&) = delete;

  virtual void on_bytes(std::string_view bytes) = 0;
  // The peer sends nothing more.
  virtual void on_end() = 0;
  // False: leave the peer's bytes in the kernel for now.
  virtual bool wants_bytes() const { return true; }
  // The output ran low: move what waits into it.
  virtual void fill() {}
  // Bytes of streams that wait: beyond max_pending the peer is cut.
  virtual size_t queued() const = 0;
  // A whole answer is under way, and a peer that takes none of it is cut after a while.
  virtual bool sends_whole_answer() const { return false; }
  // The server stops: say so to the peer if the protocol has a word for it.
  virtual void on_stop() {}
  // The connection is gone; exchanges must hear of it.
  virtual void on_gone() = 0;
  virtual void on_command(Command& command) = 0;
  Link& link() { return link_; }

 protected:
  Link& link_;
};

std::unique_ptr<Protocol> make_http1_protocol(Link& link);
std::unique_ptr<Protocol> make_http2_protocol(Link& link);
// The exchange is that of the request that asked for the upgrade.
std::unique_ptr<Protocol> make_websocket_protocol(Link& link, std::shared_ptr<Exchange> exchange);

// Limits that clients have no reason to know.
inline constexpr std::chrono::seconds kLingerTime{10};  // from our goodbye to the peer's
inline constexpr size_t kReadAhead = 64u << 10;         // of the next requests while one is being answered

}  // namespace net
