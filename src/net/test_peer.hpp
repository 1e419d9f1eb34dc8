// What the tests of this folder share: a server with certificates on a loopback port, and a raw socket to talk to it.
// Test thread only.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>

#include "net/client.hpp"
#include "net/pki.hpp"
#include "net/server.hpp"

namespace net {

struct TestPki {
  KeyPair ca;
  KeyPair server;
  base::Time now = std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());

  TestPki() {
    ca = *make_ca("test-ca", now - std::chrono::hours(48), std::chrono::hours(24 * 365));
    server = *issue_certificate(ca, {.common_name = "server",
                                     .dns_names = {"localhost"},
                                     .ip_addresses = {"127.0.0.1"},
                                     .server = true,
                                     .not_before = now - std::chrono::hours(48),
                                     .lifetime = std::chrono::hours(24 * 300)});
  }
  KeyPair client(const KeyPair& issuer, std::string name, std::vector<std::string> groups, bool for_clients = true,
                 std::chrono::hours lifetime = std::chrono::hours(24 * 30)) const {
    return *issue_certificate(issuer, {.common_name = std::move(name),
                                       .organizations = std::move(groups),
                                       .server = !for_clients,
                                       .client = for_clients,
                                       .not_before = now - std::chrono::hours(48),
                                       .lifetime = lifetime});
  }
  static const TestPki& shared() {
    static const TestPki pki;
    return pki;
  }
};

class TestServer {
 public:
  TestServer(Handler handler, bool tls, ServerConfig config = {}) : tls_(tls) {
    if (tls) {
      const TestPki& pki = TestPki::shared();
      config.certificate_pem = pki.server.certificate_pem;
      config.key_pem = pki.server.key_pem;
      config.client_ca_pem = pki.ca.certificate_pem;
    }
    server = *make_server(std::move(config), std::move(handler));
    const int fd = *listen_tcp("127.0.0.1", 0);
    port = bound_port(fd);
    server->add_listener(fd);
    server->start();
  }
  ClientConfig client_config() const {
    ClientConfig config;
    config.host = "127.0.0.1";
    config.port = port;
    config.tls = tls_;
    if (tls_) config.ca_pem = TestPki::shared().ca.certificate_pem;
    return config;
  }
  std::unique_ptr<HttpClient> client() const { return make_http_client(client_config()); }

  std::unique_ptr<Server> server;
  int port = 0;

 private:
  bool tls_;
};

// A plain TCP connection.
class RawPeer {
 public:
  explicit RawPeer(int port, int receive_buffer = 0) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawPeer() { ::close(fd_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  void finish() { ::shutdown(fd_, SHUT_WR); }
  // Some bytes; "" at the end or after five seconds without any.
  std::string read_some() {
    pollfd item{fd_, POLLIN, 0};
    if (::poll(&item, 1, 5000) <= 0) {
      timed_out = true;
      return "";
    }
    char buffer[65536];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0) reset = true;
    return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : "";
  }
  bool wait_readable(int milliseconds) {
    pollfd item{fd_, POLLIN, 0};
    return ::poll(&item, 1, milliseconds) > 0;
  }
  // Whether the server ends the connection within so many milliseconds.
  bool wait_closed(int milliseconds) {
    pollfd item{fd_, POLLIN | POLLRDHUP, 0};
    return ::poll(&item, 1, milliseconds) > 0 && (item.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }
  std::string read_until(std::string_view mark) {
    while (seen.find(mark) == std::string::npos) {
      const std::string more = read_some();
      if (more.empty()) break;
      seen += more;
    }
    return seen;
  }
  std::string read_to_end() { return read_until("\x01no such mark\x01"); }

  std::string seen;
  bool connected = false;
  bool timed_out = false;
  bool reset = false;

 private:
  int fd_;
};

inline Request get(std::string path) {
  Request request;
  request.method = "GET";
  request.path = std::move(path);
  return request;
}
inline Request post(std::string path, std::string body) {
  Request request;
  request.method = "POST";
  request.path = std::move(path);
  request.body = std::move(body);
  return request;
}
inline std::string body_of(const Response& response) {
  std::string body;
  for (const Chunk& chunk : response.body) body += *chunk;
  return body;
}

}  // namespace net
