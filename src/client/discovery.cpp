#include "client/discovery.hpp"

#include <algorithm>
#include <set>

#include "client/client.hpp"

namespace client {
namespace {

constexpr const char* kAggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

}  // namespace

bool ResourceKind::has_verb(std::string_view verb) const { return std::ranges::find(verbs, verb) != verbs.end(); }

const ResourceKind* Discovery::find_kind(std::string_view api_version, std::string_view kind) const {
  size_t slash = api_version.find('/');
  auto group = slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
  auto version = slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
  for (const auto& one : kinds) {
    if (one.kind == kind && one.version == version && one.group == group) return &one;
  }
  return nullptr;
}

Discovery parse_discovery(const std::vector<base::Value>& documents) {
  Discovery out;
  for (const auto& document : documents) {
    for (const auto& group : document["items"].as_array()) {
      std::string name(group.at({"metadata", "name"}).as_string());
      std::set<std::string> seen;  // versions come in order of preference
      for (const auto& version : group["versions"].as_array()) {
        std::string version_name(version["version"].as_string());
        if (version["freshness"].as_string() == "Stale") {
          out.failures.push_back(name.empty() ? version_name : name + "/" + version_name);
        }
        for (const auto& resource : version["resources"].as_array()) {
          ResourceKind kind;
          kind.group = name;
          kind.version = version_name;
          kind.plural = resource["resource"].as_string();
          kind.kind = resource.at({"responseKind", "kind"}).as_string();
          kind.namespaced = resource["scope"].as_string() == "Namespaced";
          for (const auto& verb : resource["verbs"].as_array()) kind.verbs.emplace_back(verb.as_string());
          kind.preferred = seen.insert(kind.plural).second;
          out.kinds.push_back(std::move(kind));
        }
      }
    }
  }
  return out;
}

base::Result<Discovery> discover(Client& client) {
  std::vector<base::Value> documents;
  for (const char* path : {"/api", "/apis"}) {
    TRY(auto document, client.get_document(path, kAggregated));
    if (document["kind"].as_string() != "APIGroupDiscoveryList") {
      return base::fail(base::Reason::not_acceptable,
                        std::string(path) + ": the server has no aggregated discovery (Kubernetes 1.26 and before)");
    }
    documents.push_back(std::move(document));
  }
  return parse_discovery(documents);
}

}  // namespace client
