// How a Client reaches the API server: over HTTPS, or straight into the handler of the same process - the same verbs,
// authorisation, admission and watch, only without the wire. Any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/client.hpp"
#include "net/http.hpp"

namespace client {

class Transport {
 public:
  virtual ~Transport() = default;
  virtual base::Result<net::Response> round_trip(net::Request request) = 0;
  virtual base::Result<std::unique_ptr<net::ResponseStream>> open_stream(net::Request request) = 0;
};

// Calls the handler in memory as that user. The handler must outlive the transport.
std::shared_ptr<Transport> make_in_process_transport(net::Handler handler, std::string user,
                                                     std::vector<std::string> groups);
std::shared_ptr<Transport> make_http_transport(net::ClientConfig config);

}  // namespace client
