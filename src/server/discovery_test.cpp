// Discovery, OpenAPI, version, and the way to the nodes.
#include <gmock/gmock.h>

#include "base/gzip.hpp"
#include "server/testing.hpp"

namespace server::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using Discovery = ServerTest;

constexpr auto kAggregated =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/"
    "json;g=apidiscovery.k8s.io;"
    "v=v2beta1;as=APIGroupDiscoveryList,application/json";

const base::Value* find(const base::Value& list, std::string_view member, std::string_view text) {
  for (const auto& item : list.as_array()) {
    if (item[member].as_string() == text) return &item;
  }
  return nullptr;
}

TEST_F(Discovery, TheRootNamesWhatThereIs) {
  auto paths = base::write_json(call("GET", "/").json["paths"]);
  for (auto path : {"\"/api/v1\"", "\"/apis/apps/v1\"", "\"/openapi/v3\"", "\"/readyz\""})
    EXPECT_NE(paths.find(path), std::string::npos) << paths;
}

TEST_F(Discovery, AggregatedWithETag) {
  auto core = call("GET", "/api?timeout=32s", "", {{"Accept", kAggregated}});
  EXPECT_EQ(core.headers.get("Content-Type"),
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  EXPECT_EQ(core.json["apiVersion"].as_string(), "apidiscovery.k8s.io/v2");
  const auto& resources = core.json["items"].as_array().at(0)["versions"].as_array().at(0)["resources"];
  const auto* services = find(resources, "resource", "services");
  ASSERT_TRUE(services);
  EXPECT_EQ((*services)["scope"].as_string(), "Namespaced");
  EXPECT_EQ((*services)["shortNames"].as_array().at(0).as_string(), "svc");
  EXPECT_EQ(services->at({"responseKind", "kind"}).as_string(), "Service");
  EXPECT_TRUE(find((*services)["subresources"], "subresource", "status"));
  const auto* pods = find(resources, "resource", "pods");
  ASSERT_TRUE(pods);
  EXPECT_TRUE(find((*pods)["subresources"], "subresource", "log"));
  EXPECT_FALSE(find((*pods)["subresources"], "subresource", "portforward"));  // not served
  auto again = call("GET", "/api", "",
                    {{"Accept", kAggregated}, {"If-None-Match", std::string(core.headers.get("ETag"))}});
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.text, "");
  auto groups = call("GET", "/apis", "", {{"Accept", kAggregated}});
  EXPECT_THAT(groups.text, HasSubstr("discovery.k8s.io"));
  auto old = call("GET", "/apis", "",
                  {{"Accept", "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"}});
  EXPECT_EQ(old.json["apiVersion"].as_string(), "apidiscovery.k8s.io/v2beta1");
}

TEST_F(Discovery, Classic) {
  auto versions = call("GET", "/api");
  EXPECT_EQ(versions.json["kind"].as_string(), "APIVersions");
  EXPECT_EQ(versions.json["serverAddressByClientCIDRs"].as_array().at(0)["serverAddress"].as_string(),
            "192.0.2.1:6443");
  auto core = call("GET", "/api/v1");
  EXPECT_EQ(core.json["groupVersion"].as_string(), "v1");
  EXPECT_TRUE(find(core.json["resources"], "name", "services"));
  EXPECT_TRUE(find(core.json["resources"], "name", "pods/log"));
  const auto* scale = find(core.json["resources"], "name", "replicationcontrollers/scale");
  ASSERT_TRUE(scale);
  EXPECT_EQ((*scale)["kind"].as_string(), "Scale");
  EXPECT_EQ((*scale)["group"].as_string(), "autoscaling");
  auto groups = call("GET", "/apis");
  EXPECT_TRUE(find(groups.json["groups"], "name", "discovery.k8s.io"));
  auto group = call("GET", "/apis/discovery.k8s.io");
  EXPECT_EQ(group.json.at({"preferredVersion", "groupVersion"}).as_string(), "discovery.k8s.io/v1");
  EXPECT_EQ(call("GET", "/apis/discovery.k8s.io/v1").json["kind"].as_string(), "APIResourceList");
  EXPECT_EQ(call("GET", "/apis/none.example/v1").status, 404);
}

TEST_F(Discovery, OpenApi) {
  auto index = call("GET", "/openapi/v3?timeout=32s");
  std::string url(index.json["paths"]["api/v1"]["serverRelativeURL"].as_string());
  ASSERT_THAT(url, StartsWith("/openapi/v3/api/v1?hash="));
  auto document = call("GET", url);
  EXPECT_EQ(document.status, 200);
  EXPECT_THAT(std::string(document.headers.get("Cache-Control")), HasSubstr("immutable"));
  EXPECT_THAT(document.text, HasSubstr("x-kubernetes-group-version-kind"));
  EXPECT_EQ(document.headers.get("ETag"), '"' + url.substr(url.find('=') + 1) + '"');
  EXPECT_EQ(call("GET", "/openapi/v3/apis/none/v1").status, 404);
  auto moved = call("GET", "/openapi/v3/api/v1?hash=0");
  EXPECT_EQ(moved.status, 301);
  EXPECT_EQ(moved.headers.get("Location"), url);
  EXPECT_EQ(call("GET", url, "", {{"If-None-Match", std::string(document.headers.get("ETag"))}}).status, 304);
  EXPECT_EQ(
      call("GET", url, "", {{"Accept", "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"}}).status,
      406);
  auto packed = call("GET", url, "", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(packed.headers.get("Content-Encoding"), "gzip");
  EXPECT_EQ(base::gunzip(packed.text).value(), document.text);
  EXPECT_LT(packed.text.size(), document.text.size() / 4);
}

TEST_F(Discovery, OpenApiV2InBothForms) {
  const std::string old = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
  for (auto accept : {"application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
                      "application/com.github.proto-openapi.spec.v2.v1.0+protobuf, application/json"}) {
    auto v2 = call("GET", "/openapi/v2", "", {{"Accept", accept}});
    EXPECT_EQ(v2.status, 200);
    EXPECT_EQ(v2.headers.get("Content-Type"), old);
    EXPECT_THAT(v2.text, StartsWith("\x0a\x03"
                                    "2.0"));
    EXPECT_EQ(call("GET", "/openapi/v2", "",
                   {{"Accept", accept}, {"If-None-Match", std::string(v2.headers.get("ETag"))}})
                  .status,
              304);
  }
  auto json = call("GET", "/openapi/v2");
  EXPECT_EQ(json.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(json.json["swagger"].as_string(), "2.0");
  auto packed = call("GET", "/openapi/v2", "", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(base::gunzip(packed.text).value(), json.text);
  EXPECT_EQ(packed.headers.get("ETag"), json.headers.get("ETag"));
  EXPECT_EQ(call("GET", "/openapi/v2", "", {{"Accept", "text/html"}}).status, 406);
}

TEST_F(Discovery, EveryDocumentHasATag) {
  for (auto url : {"/api", "/apis", "/apis/discovery.k8s.io", "/api/v1", "/openapi/v3"}) {
    auto first = call("GET", url);
    std::string tag(first.headers.get("ETag"));
    EXPECT_THAT(tag, StartsWith("\"")) << url;
    auto again = call("GET", url, "", {{"If-None-Match", "\"other\", W/" + tag}});
    EXPECT_EQ(again.status, 304) << url;
    EXPECT_EQ(again.text, "") << url;
    EXPECT_EQ(call("GET", url, "", {{"If-None-Match", "\"other\""}}).status, 200) << url;
  }
  auto json = call("GET", "/api/v1"), yaml = call("GET", "/api/v1", "", {{"Accept", "application/yaml"}});
  EXPECT_NE(json.headers.get("ETag"), yaml.headers.get("ETag"));
}

TEST_F(Discovery, VersionAndHealth) {
  auto version = call("GET", "/version");
  EXPECT_EQ(version.json["major"].as_string(), "1");
  EXPECT_EQ(version.json["minor"].as_string(), "36");
  EXPECT_EQ(version.json["gitVersion"].as_string(), "v1.36.0+sampan-0.1.0");
  EXPECT_EQ(call("GET", "/livez").text, "ok");
  EXPECT_THAT(call("GET", "/readyz?verbose").text, ::testing::EndsWith("readyz check passed\n"));
}

TEST_F(Discovery, LogsAndExecGoToThePodsNode) {
  call("POST", pods_, pod_json("p", R"(,"nodeName":"n1")"));
  auto log = call("GET", pods_ + "/p/log?tailLines=5&pretty=x");
  EXPECT_EQ(log.text, "from the node");
  EXPECT_EQ(node_, "n1");
  EXPECT_EQ(node_request_.path, "/containerLogs/default/p/main");
  EXPECT_EQ(node_request_.query.encode(), "tailLines=5");
  call("GET", pods_ + "/p/exec?command=echo&command=hi&stdout=true&container=main");
  EXPECT_EQ(node_request_.path, "/exec/default/p/main");
  EXPECT_EQ(node_request_.query.all("command").size(), 2u);
  EXPECT_EQ(node_request_.query.get("output"), "1");
  EXPECT_EQ(call("GET", pods_ + "/p/exec?stdout=true").status, 400);
  EXPECT_EQ(call("GET", pods_ + "/p/log?tailLines=x").status, 400);
  EXPECT_EQ(call("GET", pods_ + "/p/log?tailLines=-1").status, 422);
  EXPECT_EQ(call("GET", pods_ + "/none/log").message(), "pods \"none\" not found");
  EXPECT_EQ(call("GET", pods_ + "/p/log?container=x").message(), "container x is not valid for pod p");
}

TEST_F(Discovery, WhichContainerIsMeant) {
  auto two = [](std::string name, std::string annotations) {
    return R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name + R"(","annotations":)" +
           annotations +
           R"(},"spec":{"nodeName":"n1","containers":[{"name":"a","image":"i"},{"name":"b","image":"i"}]}})";
  };
  call("POST", pods_, two("p", "{}"));
  call("POST", pods_, two("q", R"({"kubectl.kubernetes.io/default-container":"b"})"));
  auto log = call("GET", pods_ + "/p/log");
  EXPECT_EQ(log.status, 400);
  EXPECT_EQ(log.message(), "a container name must be specified for pod p, choose one of: [a b]");
  call("GET", pods_ + "/q/log");
  EXPECT_EQ(node_request_.path, "/containerLogs/default/q/b");
  call("POST", pods_, pod_json("free"));
  EXPECT_EQ(call("GET", pods_ + "/free/exec?command=x&stdout=1").message(),
            "pod free does not have a host assigned");
  EXPECT_EQ(call("GET", pods_ + "/free/portforward").status, 404);
}

}  // namespace
}  // namespace server::testing
