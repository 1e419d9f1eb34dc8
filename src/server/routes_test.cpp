#include "server/routes.hpp"

#include <gtest/gtest.h>

namespace server {
namespace {

using Type = Route::Type;

TEST(Routes, TellsPathsApart) {
  struct Case {
    std::string_view path;
    Type type;
    std::string_view group, version, space, resource, name, sub;
  };
  const Case cases[] = {
      {"/api", Type::core_versions, "", "", "", "", "", ""},
      {"/apis/", Type::groups, "", "", "", "", "", ""},
      {"/api/v1", Type::group_version, "", "v1", "", "", "", ""},
      {"/apis/apps", Type::group, "apps", "", "", "", "", ""},
      {"/apis/apps/v1", Type::group_version, "apps", "v1", "", "", "", ""},
      {"/api/v1/pods", Type::resource, "", "v1", "", "pods", "", ""},
      {"/api/v1/namespaces", Type::resource, "", "v1", "", "namespaces", "", ""},
      {"/api/v1/namespaces/x", Type::resource, "", "v1", "", "namespaces", "x", ""},
      {"/api/v1/namespaces/x/finalize", Type::resource, "", "v1", "", "namespaces", "x", "finalize"},
      {"/api/v1/namespaces/x/status", Type::resource, "", "v1", "", "namespaces", "x", "status"},
      {"/api/v1/namespaces/x/pods", Type::resource, "", "v1", "x", "pods", "", ""},
      {"/api/v1/namespaces/x/pods/p/log", Type::resource, "", "v1", "x", "pods", "p", "log"},
      {"/apis/discovery.k8s.io/v1/namespaces/x/endpointslices/e", Type::resource, "discovery.k8s.io", "v1",
       "x", "endpointslices", "e", ""},
      {"/openapi/v3", Type::openapi_index, "", "", "", "", "", ""},
      {"/openapi/v3/apis/apps/v1", Type::openapi_document, "apps", "v1", "", "", "", ""},
      {"/readyz/ping", Type::health, "", "", "", "", "", ""},
      {"/", Type::root, "", "", "", "", "", ""},
      {"/metrics", Type::unknown, "", "", "", "", "", ""},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.path);
    auto route = parse_route(c.path);
    EXPECT_EQ(route.type, c.type);
    EXPECT_EQ(route.group, c.group);
    EXPECT_EQ(route.version, c.version);
    EXPECT_EQ(route.namespace_, c.space);
    EXPECT_EQ(route.resource, c.resource);
    EXPECT_EQ(route.name, c.name);
    EXPECT_EQ(route.subresource, c.sub);
  }
}

TEST(Routes, DoesNotStepThroughFolders) {
  for (std::string_view path : {"/api/v1/namespaces/x/pods/../secrets", "/api/v1/namespaces/./pods",
                                "/api//v1/pods", "api/v1/pods", "/apis/g/v1/widgets/.."}) {
    EXPECT_EQ(parse_route(path).type, Type::unknown) << path;
  }
}

TEST(Routes, KnowsTheOldWatchPrefix) {
  auto route = parse_route("/api/v1/watch/namespaces/x/pods/p");
  EXPECT_TRUE(route.watch);
  EXPECT_EQ(route.namespace_, "x");
  EXPECT_EQ(route.resource, "pods");
  EXPECT_EQ(route.name, "p");
}

}  // namespace
}  // namespace server
