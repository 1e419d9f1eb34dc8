// Which kinds the server has, as it says itself: for who must treat all of them alike, custom ones included. The
// calls block; values; any thread.
//
// Source: KEP-3352 aggregated discovery: APIGroupDiscoveryList of apidiscovery.k8s.io/v2.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace client {

class Client;

struct ResourceKind {
  std::string group;
  std::string version;
  std::string plural;
  std::string kind;
  bool namespaced = true;
  bool preferred = true;  // of the versions of its group in which it exists, the first
  std::vector<std::string> verbs;

  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  bool has_verb(std::string_view verb) const;
  bool operator==(const ResourceKind&) const = default;
};

struct Discovery {
  std::vector<ResourceKind> kinds;
  std::vector<std::string> failures;  // group versions whose server does not answer

  // Null when there is none. By the parts of an object.
  const ResourceKind* find_kind(std::string_view api_version, std::string_view kind) const;
};

base::Result<Discovery> discover(Client& client);
// `documents`: the answers of /api and /apis.
Discovery parse_discovery(const std::vector<base::Value>& documents);

}  // namespace client
