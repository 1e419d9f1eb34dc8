#include "server/routes.hpp"

#include <vector>

#include "base/strings.hpp"

namespace server {

namespace {

// The segments of the path; empty when one of them could be mistaken for a step through folders.
std::vector<std::string> segments_of(std::string_view path) {
  if (!path.starts_with('/')) return {};
  path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return {};
  auto segments = base::split(path, '/');
  for (const auto& segment : segments) {
    if (segment.empty() || segment == "." || segment == ".." || segment.find('\0') != std::string::npos)
      return {};
  }
  return segments;
}

void parse_resource(Route& route, const std::vector<std::string>& s, size_t at) {
  route.type = Route::Type::resource;
  if (s[at] == "watch" && at + 1 < s.size()) {
    route.watch = true;
    ++at;
  }
  // namespaces/NS/RESOURCE... is something in a namespace, unless what follows is a part of the Namespace
  // itself.
  if (s[at] == "namespaces" && at + 1 < s.size()) {
    bool own_part =
        at + 2 < s.size() && (s[at + 2] == "status" || s[at + 2] == "finalize") && at + 3 == s.size();
    if (at + 2 < s.size() && !own_part) {
      route.namespace_ = s[at + 1];
      at += 2;
    }
  }
  route.resource = s[at++];
  if (at < s.size()) route.name = s[at++];
  if (at < s.size()) route.subresource = s[at++];
  for (; at < s.size(); ++at) route.rest += "/" + s[at];
}

}  // namespace

Route parse_route(std::string_view path) {
  Route route;
  if (path == "/") route.type = Route::Type::root;
  auto s = segments_of(path);
  if (s.empty()) return route;
  const std::string& first = s[0];
  if (first == "healthz" || first == "livez" || first == "readyz") {
    route.type = Route::Type::health;
    route.check = base::join(s, "/");
  } else if (first == "version" && s.size() == 1) {
    route.type = Route::Type::version;
  } else if (first == "openapi" && s.size() >= 2) {
    if (s[1] == "v2" && s.size() == 2) route.type = Route::Type::openapi_v2;
    if (s[1] == "v3" && s.size() == 2) route.type = Route::Type::openapi_index;
    if (s[1] == "v3" && s.size() == 4 && s[2] == "api") {
      route.type = Route::Type::openapi_document;
      route.version = s[3];
    }
    if (s[1] == "v3" && s.size() == 5 && s[2] == "apis") {
      route.type = Route::Type::openapi_document;
      route.group = s[3];
      route.version = s[4];
    }
  } else if (first == "api") {
    route.under_api = true;
    if (s.size() == 1) {
      route.type = Route::Type::core_versions;
    } else {
      route.version = s[1];
      route.type = Route::Type::group_version;
      if (s.size() > 2) parse_resource(route, s, 2);
    }
  } else if (first == "apis") {
    route.under_api = true;
    if (s.size() == 1) {
      route.type = Route::Type::groups;
    } else {
      route.group = s[1];
      route.type = Route::Type::group;
      if (s.size() > 2) {
        route.version = s[2];
        route.type = Route::Type::group_version;
      }
      if (s.size() > 3) parse_resource(route, s, 3);
    }
  }
  return route;
}

}  // namespace server
