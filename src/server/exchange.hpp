// One request on its way: who asks, for what, the warnings collected so far, and the one answer.
//
// Threading: owned by one thread at a time (the connection's, then the store's writer); shared_ptr carries it
// over.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/http.hpp"
#include "server/negotiate.hpp"
#include "server/routes.hpp"

namespace server {

struct Resource;

struct User {
  std::string name;
  std::vector<std::string> groups;
};

class Exchange {
 public:
  Exchange(net::Request request, std::shared_ptr<net::Responder> responder);

  net::Request request;
  Route route;
  std::shared_ptr<const Resource> resource;  // what the route names, kept as long as the request lasts
  User user;
  Format format;
  bool on_worker = false;  // off the connections' thread (server/workers.hpp)
  const api::Registry* builtin = nullptr;  // the kinds of Status and other documents; without it these are JSON

  // Adds a Warning header to the answer; the same text only once.
  void warn(std::string text);
  void warn(const std::vector<std::string>& texts);

  void send(int status, std::string_view content_type, std::vector<net::Chunk> body, net::Headers extra = {});
  // A JSON document in the form that the client wants (yaml, pretty).
  void send_document(int status, net::Chunk json);
  void fail(const base::Error& error, net::Headers extra = {});
  void not_found_plain();
  std::shared_ptr<net::BodyStream> stream(int status, std::string_view content_type, net::Headers extra = {});
  // Hands the responder to somebody else, who answers from now on.
  std::shared_ptr<net::Responder> release();
  bool answered() const { return responder_ == nullptr; }

 private:
  net::Headers make_headers(std::string_view content_type) const;

  std::shared_ptr<net::Responder> responder_;  // null once answered
  std::vector<std::string> warnings_;
};
using ExchangePtr = std::shared_ptr<Exchange>;

// The document in the format's encoding; plain JSON comes back as it is. Protobuf needs the kinds.
net::Chunk encode_document(const Format& format, net::Chunk json, const api::Registry* kinds = nullptr);

}  // namespace server
