// A blocking HTTP client over TLS, HTTP/1.1, kept alive: for the command line and for components that run apart from
// the API server. One HttpClient may be used by several threads; each call takes a connection of its own from a pool.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/http.hpp"

namespace net {

struct ClientConfig {
  std::string host;
  int port = 443;
  bool tls = true;
  std::string ca_pem;           // trust; empty with insecure_skip_verify
  std::string certificate_pem;  // client identity; may be empty
  std::string key_pem;
  std::string tls_server_name;  // default: host
  bool insecure_skip_verify = false;
  std::string bearer_token;
  std::string user_agent = "sampan";
  int connect_timeout_ms = 10'000;
  int request_timeout_ms = 60'000;  // for whole answers; streams have none
};

// A response whose body arrives bit by bit.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;
  // The next bytes; "" at the end. Blocks.
  virtual base::Result<std::string> read() = 0;
  // Makes a blocked read() return service_unavailable; from any thread.
  virtual void cancel() = 0;
};

// The client's end of a WebSocket. send/close from any thread; receive from one thread.
class ClientWebSocket {
 public:
  virtual ~ClientWebSocket() = default;
  virtual std::string_view subprotocol() const = 0;
  virtual base::Result<void> send_binary(std::string_view message) = 0;
  // The next message; nullopt when the peer closed in good order. Blocks.
  virtual base::Result<std::optional<std::string>> receive() = 0;
  virtual void close() = 0;
};

// What the server answered when it refused the upgrade.
struct UpgradeRefused {
  int status = 0;
  Headers headers;
  std::string body;
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual base::Result<Response> round_trip(Request request) = 0;
  virtual base::Result<std::unique_ptr<ResponseStream>> open_stream(Request request) = 0;
  // On a refusal the error is bad_request and *refused (may be null) says what came back.
  virtual base::Result<std::unique_ptr<ClientWebSocket>> open_websocket(Request request,
                                                                        std::vector<std::string> subprotocols,
                                                                        UpgradeRefused* refused) = 0;
};

std::unique_ptr<HttpClient> make_http_client(ClientConfig config);

}  // namespace net
