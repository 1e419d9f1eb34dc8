#include <utility>

#include "client/transport.hpp"

namespace client {
namespace {

class HttpTransport final : public Transport {
 public:
  explicit HttpTransport(net::ClientConfig config) : http_(net::make_http_client(std::move(config))) {}
  base::Result<net::Response> round_trip(net::Request request) override {
    return http_->round_trip(std::move(request));
  }
  base::Result<std::unique_ptr<net::ResponseStream>> open_stream(net::Request request) override {
    return http_->open_stream(std::move(request));
  }

 private:
  std::unique_ptr<net::HttpClient> http_;
};

}  // namespace

std::shared_ptr<Transport> make_http_transport(net::ClientConfig config) {
  return std::make_shared<HttpTransport>(std::move(config));
}

}  // namespace client
