// What a URL path asks for: discovery, health, or which resource, object and subresource. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace server {

struct Route {
  enum class Type {
    unknown,  // nothing of ours; `under_api` tells whether it lies below /api or /apis
    health,   // /healthz, /livez, /readyz and their checks
    root,     // "/": the paths that there are
    version,
    core_versions,     // /api
    groups,            // /apis
    group,             // /apis/GROUP
    group_version,     // /api/v1, /apis/GROUP/VERSION
    openapi_index,     // /openapi/v3
    openapi_document,  // /openapi/v3/api/v1, /openapi/v3/apis/GROUP/VERSION
    openapi_v2,
    resource,
  };
  Type type = Type::unknown;
  bool under_api = false;
  bool watch = false;  // the old /watch/ prefix
  std::string check;   // health: "healthz", "livez", "readyz", perhaps with "/NAME"
  std::string group;
  std::string version;
  std::string namespace_;
  std::string resource;
  std::string name;
  std::string subresource;
  std::string rest;  // what follows the subresource
};

Route parse_route(std::string_view path);

}  // namespace server
