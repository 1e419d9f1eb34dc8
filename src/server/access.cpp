#include "server/access.hpp"

#include "api/status.hpp"

namespace server {

std::optional<User> authenticate(const net::Peer& peer) {
  if (!peer.certificate_verified || peer.common_name.empty()) return std::nullopt;
  User user{peer.common_name, peer.organizations};
  user.groups.emplace_back("system:authenticated");
  return user;
}

base::Result<void> authorize(const User& user, const Attributes& attributes) {
  if (user.name.empty()) {
    return std::unexpected(base::Error{base::Reason::forbidden,
                                       "forbidden: User \"system:anonymous\" cannot " + attributes.verb +
                                           " path \"" + attributes.path + "\"",
                                       {}});
  }
  return {};
}

}  // namespace server
