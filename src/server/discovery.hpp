// Documents about the API itself: discovery in its old and its aggregated form, OpenAPI v3, version. Made
// from the catalog when first asked for, then kept until it changes.
//
// Threading: any thread.
#pragma once

#include <map>
#include <string>

#include "base/guarded.hpp"
#include "server/core.hpp"

namespace server {

class Documents {
 public:
  explicit Documents(const Core& core) : core_(core) {}

  void serve_core_versions(const ExchangePtr& exchange);
  void serve_groups(const ExchangePtr& exchange);
  void serve_group(const ExchangePtr& exchange);
  void serve_group_version(const ExchangePtr& exchange);
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
  Document cached(const std::string& name, const std::string& stamp, const std::function<base::Value()>& make);
  std::string openapi_hash(const Catalog& catalog, const std::string& group, const std::string& version);

  const Core& core_;
  base::Guarded<std::map<std::string, Document>> documents_;
  base::Guarded<std::map<std::string, std::pair<std::string, std::string>>> openapi_hashes_;  // stamp and hash
};

}  // namespace server
