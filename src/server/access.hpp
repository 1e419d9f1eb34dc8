// Who asks, and whether that is allowed: the two questions before every request. Pure; any thread.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "net/http.hpp"
#include "server/exchange.hpp"

namespace server {

// The user of a verified client certificate: its common name, its organizations as groups. Nothing else
// proves anyone.
std::optional<User> authenticate(const net::Peer& peer);

// Forbids what asks to be done as somebody else: done as the user himself it would be more than was asked
// for.
base::Result<void> refuse_impersonation(const User& user, const net::Headers& headers);

struct Attributes {
  std::string verb = {};
  std::string group = {};
  std::string resource = {};  // "" for paths that are no resources
  std::string subresource = {};
  std::string namespace_ = {};
  std::string name = {};
  std::string path = {};
};

// The one place where a request is allowed or forbidden. As of now every authenticated user may do
// everything; role based access control will decide here.
base::Result<void> authorize(const User& user, const Attributes& attributes);

}  // namespace server
