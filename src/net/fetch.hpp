// One connection that is tried without blocking: a bare connect, one HTTP GET, or one gRPC health check. The
// caller polls fd() for events() and calls advance(); each is for one thread at a time.
//
// Source: the words of failures are those of Go's net package, which users of probes know.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "net/http.hpp"

namespace net {

struct FetchAddress {
  std::string ip;  // v4 or v6, no brackets
  int port = 0;
  std::string text() const;  // "10.0.0.1:80", "[fd00::1]:80"
};

struct FetchGet {
  bool tls = false;              // whoever answers is believed
  std::string server_name = {};  // for TLS; may be empty
  std::string target = "/";      // encoded, with the query
  Headers headers = {};          // all that are sent, with Host
  size_t max_body = 10 << 10;    // the rest is not read
};

class Fetch {
 public:
  enum class State : uint8_t { connecting, working, done, failed };

  virtual ~Fetch() = default;
  State state() const { return state_; }
  bool over() const { return state_ == State::done || state_ == State::failed; }
  virtual int fd() const = 0;
  virtual short events() const = 0;
  virtual void advance() = 0;
  // Why it failed: "dial tcp 10.0.0.1:80: connect: connection refused".
  const std::string& error() const { return error_; }

  // Of a GET that is done.
  int status() const { return status_; }
  const Headers& headers() const { return headers_; }
  const std::string& body() const { return body_; }
  // Of a health check that is done: grpc-status, or -1 when the answer was none of gRPC's; then the text says
  // why.
  int grpc_status() const { return grpc_status_; }
  const std::string& grpc_message() const { return grpc_message_; }
  int serving() const { return serving_; }  // grpc.health.v1.HealthCheckResponse.ServingStatus

 protected:
  void fail(std::string error) {
    state_ = State::failed;
    error_ = std::move(error);
  }

  State state_ = State::connecting;
  std::string error_;
  int status_ = 0;
  Headers headers_;
  std::string body_;
  int grpc_status_ = -1;
  std::string grpc_message_;
  int serving_ = 0;
};

std::unique_ptr<Fetch> fetch_connect(const FetchAddress& address);
std::unique_ptr<Fetch> fetch_get(const FetchAddress& address, const FetchGet& get);
std::unique_ptr<Fetch> fetch_grpc_health(const FetchAddress& address, const std::string& service,
                                         const std::string& user_agent);

}  // namespace net
