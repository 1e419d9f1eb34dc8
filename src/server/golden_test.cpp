// Requests and the answers that upstream's API server gives: status code, reason, message. One row per case; the names
// are those of the bad-input table H (HTTP).
#include <gtest/gtest.h>

#include "server/testing.hpp"

namespace server {
namespace {

using testing::Reply;
using testing::ServerTest;

struct Row {
  std::string_view name;
  std::string_view method;
  std::string_view url;
  std::string_view body;
  std::string_view type;  // Content-Type; "" for JSON
  int status;
  std::string_view reason;
  std::string_view message;  // what the message must contain
};

const std::string kLong(254, 'a');
const std::string kManager(129, 'm');
const std::string kPlain = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one"}})";
const std::string kLongName = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + kLong + R"("}})";
const std::string kLongManager = "/api/v1/namespaces/default/configmaps?fieldManager=" + kManager;

class Golden : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    ASSERT_EQ(call("POST", config_maps_, config_map_json("one")).status, 201);
    ASSERT_EQ(call("POST", services_, service_json("web")).status, 201);
  }

  void play(std::initializer_list<Row> rows) {
    for (const auto& row : rows) {
      SCOPED_TRACE(row.name);
      net::Headers headers;
      if (!row.type.empty()) headers.add("Content-Type", std::string(row.type));
      auto reply = call(std::string(row.method), row.url, std::string(row.body), headers);
      EXPECT_EQ(reply.status, row.status) << reply.text;
      if (!row.reason.empty()) {
        EXPECT_EQ(reply.json["kind"].as_string(), "Status");
        EXPECT_EQ(reply.json["code"].int_or(0), row.status);
        EXPECT_EQ(reply.reason(), row.reason) << reply.text;
      }
      std::string_view text = row.reason.empty() ? std::string_view(reply.text) : reply.message();
      EXPECT_NE(text.find(row.message), std::string_view::npos) << text;
    }
  }
};

TEST_F(Golden, PathsAndVerbs) {
  play({
      {"H1 unknown group", "GET", "/apis/none.example.com/v1/things", "", "", 404, "NotFound",
       "the server could not find the requested resource"},
      {"H1 unknown resource", "GET", "/api/v1/things", "", "", 404, "NotFound",
       "the server could not find the requested resource"},
      {"H1 outside of the API", "GET", "/nothing", "", "", 404, "", "404 page not found"},
      {"H2 core", "GET", "/api/v1/namespaces/default/services/x", "", "", 404, "NotFound", "services \"x\" not found"},
      {"H2 grouped", "GET", "/apis/apps/v1/namespaces/default/deployments/x", "", "", 404, "NotFound",
       "deployments.apps \"x\" not found"},
      {"H3 POST on a name", "POST", "/api/v1/namespaces/default/services/web", kPlain, "", 405, "MethodNotAllowed", ""},
      {"H3 PUT on a collection", "PUT", "/api/v1/namespaces/default/services", kPlain, "", 405, "MethodNotAllowed", ""},
      {"a cluster kind in a namespace", "GET", "/api/v1/namespaces/default/nodes/n1", "", "", 404, "NotFound", ""},
      {"a step up the path", "GET", "/api/v1/namespaces/../secrets", "", "", 404, "", ""},
  });
}

TEST_F(Golden, Writes) {
  const std::string one = "/api/v1/namespaces/default/configmaps/one";
  play({
      {"H12", "POST", config_maps_, kPlain, "", 409, "AlreadyExists", "configmaps \"one\" already exists"},
      {"H13", "PUT", one, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one","resourceVersion":"1"}})", "",
       409, "Conflict",
       "Operation cannot be fulfilled on configmaps \"one\": the object has been modified; please apply your changes to "
       "the latest version and try again"},
      {"H14", "DELETE", one, R"({"preconditions":{"uid":"other"}})", "", 409, "Conflict",
       "Precondition failed: UID in precondition: other, UID in object meta: "},
      {"H15", "POST", config_maps_,
       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"two","resourceVersion":"1"}})", "", 400, "BadRequest",
       "resourceVersion should not be set on objects to be created"},
      {"H17 name", "PUT", one, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}})", "", 400, "BadRequest",
       "the name of the object (b) does not match the name on the URL (one)"},
      {"H17 namespace", "PUT", one,
       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"one","namespace":"other"}})", "", 400, "BadRequest",
       "the namespace of the object (other) does not match the namespace on the request (default)"},
      {"H17 create", "POST", config_maps_,
       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"two","namespace":"other"}})", "", 400, "BadRequest",
       "the namespace of the provided object does not match the namespace sent on the request"},
      {"H18", "POST", config_maps_, R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"one"}})", "", 400,
       "BadRequest", "apps/v1"},
      {"H19", "POST", config_maps_, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{}})", "", 422, "Invalid",
       "name or generateName is required"},
      {"H20 ..", "POST", config_maps_, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":".."}})", "", 422,
       "Invalid", "metadata.name: Invalid value: \"..\""},
      {"H20 a/b", "POST", config_maps_, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a/b"}})", "", 422,
       "Invalid", "metadata.name: Invalid value: \"a/b\""},
      {"H20 upper case", "POST", config_maps_, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"Abc"}})", "",
       422, "Invalid", "a lowercase RFC 1123 subdomain must consist of"},
      {"H20 254", "POST", config_maps_, kLongName, "", 422, "Invalid", "must be no more than 253 "},
      {"H28 dryRun", "POST", config_maps_ + "?dryRun=foo", kPlain, "", 422, "Invalid", "dryRun"},
      {"H28 fieldValidation", "POST", config_maps_ + "?fieldValidation=foo", kPlain, "", 422, "Invalid",
       "fieldValidation"},
      {"H28 propagationPolicy", "DELETE", one + "?propagationPolicy=X", "", "", 422, "Invalid", "propagationPolicy"},
      {"H29 long manager", "POST", kLongManager, kPlain, "", 422, "Invalid", "fieldManager"},
      {"H29 line end", "POST", config_maps_ + "?fieldManager=a%0Ab", kPlain, "", 422, "Invalid", "U+000A"},
      {"H29 apply without a manager", "PATCH", one, kPlain, "application/apply-patch+yaml", 422, "Invalid",
       "fieldManager: Required value: is required for apply patch"},
      {"H29 force", "PATCH", one + "?force=true", "{}", "application/merge-patch+json", 422, "Invalid",
       "force: Forbidden: may not be specified for non-apply patch"},
      {"H31 pointer", "PATCH", one, R"([{"op":"replace","path":"no","value":1}])", "application/json-patch+json", 400,
       "BadRequest", ""},
      {"H31 remove", "PATCH", one, R"([{"op":"remove","path":"/data/none"}])", "application/json-patch+json", 422,
       "Invalid", ""},
      {"H31 test", "PATCH", one, R"([{"op":"test","path":"/data/key","value":"no"}])", "application/json-patch+json", 422,
       "Invalid", ""},
      {"a namespace that is not there", "POST", "/api/v1/namespaces/none/configmaps", kPlain, "", 404, "NotFound",
       "namespaces \"none\" not found"},
      {"immutable", "PATCH", "/api/v1/namespaces/default/services/web", R"({"spec":{"clusterIP":"10.96.0.9"}})",
       "application/merge-patch+json", 422, "Invalid", "spec.clusterIPs[0]: Invalid value"},
  });
}

TEST_F(Golden, AnUpdateWithoutARevisionWhereOneIsNeeded) {
  ASSERT_EQ(call("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases",
                 R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l"}})")
                .status,
            201);
  play({{"H16", "PUT", "/apis/coordination.k8s.io/v1/namespaces/default/leases/l",
         R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l"}})", "", 422, "Invalid",
         "metadata.resourceVersion: Invalid value: 0: must be specified for an update"}});
}

TEST_F(Golden, Lists) {
  const std::string list = "/api/v1/namespaces/default/configmaps";
  play({
      {"H23", "GET", list + "?resourceVersion=999999", "", "", 504, "Timeout", "Too large resource version: 999999, current: "},
      {"H24 text", "GET", list + "?resourceVersion=abc", "", "", 400, "BadRequest", "resourceVersion"},
      {"H24 negative", "GET", list + "?resourceVersion=-1", "", "", 400, "BadRequest", "resourceVersion"},
      {"H24 fraction", "GET", list + "?resourceVersion=1.5", "", "", 400, "BadRequest", "resourceVersion"},
      {"H24 2^64", "GET", list + "?resourceVersion=18446744073709551616", "", "", 400, "BadRequest", "resourceVersion"},
      {"H25", "GET", list + "?continue=garbage", "", "", 400, "BadRequest", "continue"},
      {"H26 no revision", "GET", list + "?resourceVersionMatch=Exact", "", "", 422, "Invalid",
       "resourceVersionMatch is forbidden unless resourceVersion is provided"},
      {"H26 zero", "GET", list + "?resourceVersionMatch=Exact&resourceVersion=0", "", "", 422, "Invalid",
       "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""},
      {"H26 sendInitialEvents", "GET", list + "?sendInitialEvents=true", "", "", 422, "Invalid",
       "sendInitialEvents is forbidden for list"},
      {"H27 open", "GET", list + "?labelSelector=a%3D%28", "", "", 400, "BadRequest", ""},
      {"H27 !!", "GET", list + "?labelSelector=%21%21", "", "", 400, "BadRequest", ""},
      {"H27 field", "GET", list + "?fieldSelector=spec.x%3Dy", "", "", 400, "BadRequest",
       "field label not supported: spec.x"},
      {"H28 limit", "GET", list + "?limit=abc", "", "", 400, "BadRequest", "limit"},
      {"H28 timeoutSeconds", "GET", list + "?timeoutSeconds=1e99", "", "", 400, "BadRequest", "timeoutSeconds"},
  });
}

TEST_F(Golden, WhoDoesNotSayWhoHeIs) {
  auto request = make_request("GET", "/api/v1/pods", "", {});
  request.peer = {"127.0.0.1:1", false, "", {}};
  auto recorder = std::make_shared<testing::Recorder>();
  handler_(request, recorder);
  recorder->wait_answer();
  EXPECT_EQ(recorder->status(), 401);
  EXPECT_NE(recorder->body().find("\"message\":\"Unauthorized\""), std::string::npos) << recorder->body();
}

}  // namespace
}  // namespace server
