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

// Takes a response as it comes, for who follows many at once and wants no thread for each. Called from any thread (also
// from within push_stream), one call at a time; must not block.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  virtual void on_head(int status) = 0;
  virtual bool on_bytes(net::Chunk bytes) = 0;  // false: enough, nothing more comes
  virtual void on_end() = 0;                    // the last call
  virtual size_t pending() const = 0;           // bytes taken and not worked on yet
};

// Ends the stream when destroyed. Not from within a call of its sink.
class PushedStream {
 public:
  virtual ~PushedStream() = default;
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual base::Result<net::Response> round_trip(net::Request request) = 0;
  virtual base::Result<std::unique_ptr<net::ResponseStream>> open_stream(net::Request request) = 0;
  // As open_stream, but the answer goes to `sink`. Where nothing better exists: with a thread that reads.
  virtual std::unique_ptr<PushedStream> push_stream(net::Request request, std::shared_ptr<StreamSink> sink);
};

// Calls the handler in memory as that user. The handler must outlive the transport.
std::shared_ptr<Transport> make_in_process_transport(net::Handler handler, std::string user,
                                                     std::vector<std::string> groups);
std::shared_ptr<Transport> make_http_transport(net::ClientConfig config);

}  // namespace client
