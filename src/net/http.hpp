// HTTP as the rest of Sampan sees it: requests, responses, streams and WebSockets, without a word of Asio. The same
// Handler serves HTTP/1.1, HTTP/2 and the in-process transport.
//
// Threading: a Handler is called on any thread and must not block for long; Responder, BodyStream and WebSocket may be
// called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace net {

// Header fields in their order; names compare without case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);
  std::string_view get(std::string_view name) const;  // first value, "" when absent
  bool has(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Decoded query parameters in their order.
class Query {
 public:
  static Query parse(std::string_view text);  // without '?'
  std::string_view get(std::string_view name) const;  // first value, "" when absent
  bool has(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  void add(std::string name, std::string value) { items_.emplace_back(std::move(name), std::move(value)); }
  const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }
  std::string encode() const;

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

std::string percent_encode(std::string_view text);  // everything but unreserved characters
std::optional<std::string> percent_decode(std::string_view text);

// Who is at the other end, as far as the connection itself tells.
struct Peer {
  std::string address;                  // "127.0.0.1:40312"; "in-process"
  bool certificate_verified = false;    // a client certificate of our CA, in its validity
  std::string common_name;              // of that certificate: the user
  std::vector<std::string> organizations;  // of that certificate: the groups
};

struct Request {
  std::string method;  // upper case
  std::string path;    // decoded, without query
  Query query;
  Headers headers;
  std::string body;
  Peer peer;
  bool websocket_upgrade = false;  // asks for a WebSocket (HTTP/1.1 Upgrade)
  // The path and query as they stood on the wire, still encoded: for proxies. Set by servers, not read by clients.
  std::string raw_target;
  // For clients: sent as it is in place of path and query. Servers leave it empty.
  std::string target_override;
};

using Chunk = std::shared_ptr<const std::string>;
inline Chunk make_chunk(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

struct Response {
  int status = 200;
  Headers headers;  // Content-Length is added by the connection
  std::vector<Chunk> body;
};

// A response body that is written bit by bit (chunked, or HTTP/2 DATA frames).
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // False when the peer is gone: stop writing.
  virtual bool write(Chunk chunk) = 0;
  virtual void finish() = 0;
  // Bytes taken but not yet handed to the kernel: who writes without bound watches this.
  virtual size_t pending() const = 0;
  // Called once when the peer goes away or the stream ends; at once when that has already happened.
  virtual void on_close(std::function<void()> callback) = 0;
};

// An accepted WebSocket. Messages are whole (fragments joined), at most 1 MiB each from the peer.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  virtual bool send_binary(std::string message) = 0;
  virtual void close(int code, std::string reason) = 0;
  virtual size_t pending() const = 0;
  // Set before anything else happens on it; called on the connection's thread.
  virtual void on_message(std::function<void(std::string message, bool binary)> callback) = 0;
  virtual void on_close(std::function<void()> callback) = 0;
  // False: no further messages are read from the peer until true again (back-pressure for stdin). A message or two may
  // still arrive. Other transports may ignore it.
  virtual void set_reading(bool reading) { (void)reading; }
};

// The one chance to answer a request: exactly one of send, stream, websocket is called, once.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void send(Response response) = 0;
  virtual std::shared_ptr<BodyStream> stream(int status, Headers headers) = 0;
  // 101 with that subprotocol ("" for none). unsupported when the request asked for no WebSocket.
  virtual base::Result<std::shared_ptr<WebSocket>> websocket(std::string_view subprotocol) = 0;
};

using Handler = std::function<void(Request, std::shared_ptr<Responder>)>;

}  // namespace net
