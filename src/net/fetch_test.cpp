// Against a peer on loopback that says what the test tells it to.
#include "net/fetch.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "sys/fd.hpp"

namespace net {
namespace {

// Accepts one connection, reads a request's head (or whatever comes first), answers, closes.
class OneShotPeer {
 public:
  explicit OneShotPeer(std::string answer) : answer_(std::move(answer)) {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~OneShotPeer() { join(); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  int port = 0;
  std::string heard;

 private:
  void serve() {
    const sys::Fd peer(::accept(listener_.get(), nullptr, nullptr));
    char buffer[4096];
    while (heard.find("\r\n\r\n") == std::string::npos) {
      const ssize_t n = ::recv(peer.get(), buffer, sizeof buffer, 0);
      if (n <= 0) return;
      heard.append(buffer, static_cast<size_t>(n));
    }
    ::send(peer.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
    ::shutdown(peer.get(), SHUT_WR);
    while (::recv(peer.get(), buffer, sizeof buffer, 0) > 0) {
    }
  }

  std::string answer_;
  sys::Fd listener_;
  std::thread thread_;
};

void finish(Fetch& fetch) {
  while (!fetch.over()) {
    pollfd one{fetch.fd(), fetch.events(), 0};
    ASSERT_GT(::poll(&one, 1, 20'000), 0);
    fetch.advance();
  }
}

FetchGet get_of(std::string target) {
  FetchGet get;
  get.target = std::move(target);
  get.headers.add("Host", "example.com");
  return get;
}

TEST(Fetch, GetsStatusHeadersAndBody) {
  OneShotPeer peer(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nhi");
  auto fetch = fetch_get({"127.0.0.1", peer.port}, get_of("/a?b=c"));
  finish(*fetch);
  ASSERT_EQ(fetch->state(), Fetch::State::done) << fetch->error();
  EXPECT_EQ(fetch->status(), 302);
  EXPECT_EQ(fetch->headers().get("location"), "/x");
  EXPECT_EQ(fetch->body(), "hi");
  fetch.reset();
  peer.join();
  EXPECT_EQ(peer.heard, "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\n\r\n");
}

TEST(Fetch, ABodyWithoutLengthEndsWithTheConnectionAndIsCut) {
  OneShotPeer peer("HTTP/1.0 200 OK\r\n\r\n" + std::string(30'000, 'x'));
  auto fetch = fetch_get({"127.0.0.1", peer.port}, get_of("/"));
  finish(*fetch);
  EXPECT_EQ(fetch->status(), 200);
  EXPECT_EQ(fetch->body().size(), size_t{10} << 10);
}

TEST(Fetch, SilenceAndNonsenseAreFailures) {
  {
    OneShotPeer peer("");
    auto fetch = fetch_get({"127.0.0.1", peer.port}, get_of("/"));
    finish(*fetch);
    EXPECT_EQ(fetch->state(), Fetch::State::failed);
    EXPECT_EQ(fetch->error(), "EOF");
  }
  OneShotPeer peer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi");
  auto fetch = fetch_get({"127.0.0.1", peer.port}, get_of("/"));
  finish(*fetch);
  EXPECT_EQ(fetch->error(), "unexpected EOF");
}

// A pod says it of itself, and no memory is taken at its word.
TEST(Fetch, ABodyIsNotBelievedToBeAsLongAsItSays) {
  for (const char* length : {"9999999999999999999", "70000000000"}) {
    OneShotPeer peer(std::string("HTTP/1.1 200 OK\r\nContent-Length: ") + length + "\r\n\r\nhi");
    auto fetch = fetch_get({"127.0.0.1", peer.port}, get_of("/"));
    finish(*fetch);
    EXPECT_EQ(fetch->error(), "unexpected EOF");
    EXPECT_LT(fetch->body().capacity(), size_t{1} << 20);
  }
}

TEST(Fetch, ATargetThatWouldBreakTheRequestIsRefused) {
  OneShotPeer peer("HTTP/1.1 400 Bad Request\r\n\r\n");
  FetchGet get = get_of("/\r\n");
  auto bad = fetch_get({"127.0.0.1", peer.port}, get);
  EXPECT_EQ(bad->state(), Fetch::State::failed);
  auto fetch = fetch_connect({"127.0.0.1", peer.port});  // lets the peer go
  finish(*fetch);
  EXPECT_EQ(fetch->state(), Fetch::State::done);
}

TEST(Fetch, RefusedAsGoSaysIt) {
  int port = 0;
  {
    OneShotPeer peer("");
    port = peer.port;
    auto fetch = fetch_connect({"127.0.0.1", port});
    finish(*fetch);
    EXPECT_EQ(fetch->state(), Fetch::State::done);
  }
  auto fetch = fetch_connect({"127.0.0.1", port});
  finish(*fetch);
  EXPECT_EQ(fetch->error(), "dial tcp 127.0.0.1:" + std::to_string(port) + ": connect: connection refused");
  EXPECT_EQ(fetch_connect({"no.such.host", 80})->error(),
            "dial tcp: lookup no.such.host: only IP addresses can be probed yet");
}

// Frames of HTTP/2 by hand: settings, the head with status 200 (indexed), one message, trailers with
// grpc-status 0.
std::string frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
  std::string out;
  for (int shift = 16; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift & 0xff);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(stream >> shift & 0xff);
  return out + payload;
}
std::string literal(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) +
         value;
}

TEST(Fetch, GrpcHealth) {
  const std::string message("\0\0\0\0\x02\x08\x02", 7);
  OneShotPeer peer(frame(4, 0, 0, "") + frame(1, 4, 1, "\x88" + literal("content-type", "application/grpc")) +
                   frame(0, 0, 1, message) + frame(1, 5, 1, literal("grpc-status", "0")));
  auto fetch = fetch_grpc_health({"127.0.0.1", peer.port}, "web", "test");
  finish(*fetch);
  ASSERT_EQ(fetch->state(), Fetch::State::done) << fetch->error();
  EXPECT_EQ(fetch->grpc_status(), 0);
  EXPECT_EQ(fetch->serving(), 2);
  fetch.reset();
  peer.join();
  EXPECT_TRUE(peer.heard.starts_with("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
}

TEST(Fetch, GrpcWithoutTheService) {
  OneShotPeer peer(frame(4, 0, 0, "") +
                   frame(1, 5, 1,
                         "\x88" + literal("content-type", "application/grpc") + literal("grpc-status", "12") +
                             literal("grpc-message", "unknown%20service")));
  auto fetch = fetch_grpc_health({"127.0.0.1", peer.port}, "", "test");
  finish(*fetch);
  EXPECT_EQ(fetch->grpc_status(), 12);
  EXPECT_EQ(fetch->grpc_message(), "unknown service");
}

}  // namespace
}  // namespace net
