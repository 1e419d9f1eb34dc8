// Documents about the API itself: discovery in its old and its aggregated form, OpenAPI v2 and v3, version.
// Made from the catalog when first asked for, then kept until it changes.
//
// Threading: any thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.hpp"
#include "server/core.hpp"

namespace server {

struct GroupVersions {
  std::string group;
  std::vector<std::string> versions;
};
// What discovery names, in the registry's order; core, "", is one of them.
std::vector<GroupVersions> groups_of(const api::Registry& registry);
std::string join_group_version(std::string_view group, std::string_view version);

// 304 when the client has these bytes already, by ETag.
void send_tagged(const ExchangePtr& exchange, std::string_view hash, std::string_view content_type,
                 net::Chunk bytes, net::Headers extra);

class Documents {
 public:
  explicit Documents(const Core& core) : core_(core) {}

  void serve_core_versions(const ExchangePtr& exchange);
  void serve_groups(const ExchangePtr& exchange);
  void serve_group(const ExchangePtr& exchange);
  void serve_group_version(const ExchangePtr& exchange);
  void serve_root(const ExchangePtr& exchange);
  void serve_version(const ExchangePtr& exchange);
  void serve_openapi_index(const ExchangePtr& exchange);
  void serve_openapi_document(const ExchangePtr& exchange);
  void serve_openapi_v2(const ExchangePtr& exchange);

 private:
  struct Document {
    net::Chunk bytes;
    std::string hash;
    std::string stamp;  // of the catalog that it was made from
  };
  // Aggregated discovery, when the Accept header asks for it first. False: it does not.
  bool try_serve_aggregated(const ExchangePtr& exchange, bool core_group);
  Document cached(const std::string& name, const std::string& stamp,
                  const std::function<base::Value()>& make);
  // OpenAPI documents are megabytes: they are kept compressed, and unpacked for the few who take no gzip.
  struct Packed {
    net::Chunk gzip;
    std::string hash;
    std::string stamp;
  };
  Packed packed(const std::string& name, const std::string& stamp, const std::function<std::string()>& make);
  Packed packed_v3(const Catalog& catalog, const std::string& group, const std::string& version);
  static void send_packed(const ExchangePtr& exchange, const Packed& document, std::string_view content_type,
                          net::Headers extra);

  const Core& core_;
  base::Guarded<std::map<std::string, Document>> documents_;
  base::Guarded<std::map<std::string, Packed>> packed_;
};

}  // namespace server
