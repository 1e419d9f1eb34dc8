// The HTTP server: TLS 1.3 or plain, HTTP/1.1 and HTTP/2 by ALPN, one event loop on one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/http.hpp"

namespace net {

struct ServerConfig {
  // TLS: PEM texts. Empty certificate: plain HTTP (tests and node-local use only).
  std::string certificate_pem;
  std::string key_pem;
  std::string client_ca_pem;  // client certificates signed by it are verified; none is required
  // Limits; beyond them: 413, 414, 431, 400 and the connection is closed.
  size_t max_body = 3u << 20;  // 3,145,728: the API server's limit
  size_t max_header_bytes = 64u << 10;
  size_t max_headers = 100;
  size_t max_target = 32u << 10;  // the request target: path and query
  int max_connections = 10'000;
  // Of one client, known by its certificate, else by its address; each takes 15-30 KiB. Who opens more gets 429 there.
  // 0: no limit.
  int max_connections_per_client = 500;
  int idle_seconds = 120;     // keep-alive connection without a request
  int header_seconds = 10;    // from the first byte to the whole request head
  int body_seconds = 60;      // from the head to the whole body
  int stall_seconds = 30;     // a whole answer of which the peer takes nothing
  // Bodies that have not all come yet, of all connections together. Beyond it the slowest sender is cut, if it is slow;
  // beyond twice as much, the largest.
  size_t max_collecting = 8u << 20;
  size_t max_pending = 32u << 20;  // bytes queued to one peer that does not read: then it is cut
};

class Server {
 public:
  virtual ~Server() = default;
  // Adopts listening sockets (see listen_tcp).
  virtual void add_listener(int fd) = 0;
  // Serves on a thread of its own until stop().
  virtual void start() = 0;
  // New connections are refused; those that are open go on. Returns at once.
  virtual void stop_accepting() = 0;
  // Stops accepting, ends every connection, joins the thread.
  virtual void stop() = 0;
};

base::Result<std::unique_ptr<Server>> make_server(ServerConfig config, Handler handler);

// A listening TCP socket, close-on-exec. Port 0: any. The address family follows the address.
base::Result<int> listen_tcp(const std::string& address, int port);
int bound_port(int fd);

}  // namespace net
