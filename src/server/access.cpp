#include "server/access.hpp"

#include <fmt/format.h>

#include "api/status.hpp"
#include "base/strings.hpp"

namespace server {

std::optional<User> authenticate(const net::Peer& peer) {
  if (!peer.certificate_verified || peer.common_name.empty()) return std::nullopt;
  User user{peer.common_name, peer.organizations};
  user.groups.emplace_back("system:authenticated");
  return user;
}

base::Result<void> refuse_impersonation(const User& user, const net::Headers& headers) {
  constexpr std::string_view kPrefix = "Impersonate-";
  for (const auto& [name, value] : headers.fields()) {
    if (!base::equal_ignoring_case(std::string_view(name).substr(0, kPrefix.size()), kPrefix)) continue;
    return base::fail(
        base::Reason::forbidden,
        fmt::format("forbidden: User {} cannot impersonate: this server knows no impersonation yet, "
                    "leave {} (kubectl --as) out",
                    base::quote(user.name), name));
  }
  return {};
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
