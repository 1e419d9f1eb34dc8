#include <fmt/format.h>

#include <utility>

#include "client/metrics.hpp"
#include "client/transport.hpp"

namespace client {
namespace {

class HttpTransport final : public Transport {
 public:
  explicit HttpTransport(net::ClientConfig config)
      : host_(config.host.find(':') == std::string::npos ? fmt::format("{}:{}", config.host, config.port)
                                                         : fmt::format("[{}]:{}", config.host, config.port)),
        http_(net::make_http_client(std::move(config))) {}
  const std::string& host() const { return host_; }
  base::Result<net::Response> round_trip(net::Request request) override {
    return http_->round_trip(std::move(request));
  }
  base::Result<std::unique_ptr<net::ResponseStream>> open_stream(net::Request request) override {
    return http_->open_stream(std::move(request));
  }

 private:
  std::string host_;
  std::unique_ptr<net::HttpClient> http_;
};

}  // namespace

std::string host_of(const Transport& transport) {
  const auto* http = dynamic_cast<const HttpTransport*>(&transport);
  return http ? http->host() : "in-process";
}

std::shared_ptr<Transport> make_http_transport(net::ClientConfig config) {
  return std::make_shared<HttpTransport>(std::move(config));
}

}  // namespace client
