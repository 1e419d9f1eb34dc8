// GET, LIST, POST, PUT, PATCH through the whole handler.
#include <gmock/gmock.h>

#include "api/protobuf.hpp"
#include "server/testing.hpp"

namespace server::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

using Verbs = ServerTest;

TEST_F(Verbs, ACreatedObjectReadsBackWithItsSystemFields) {
  auto created = call("POST", config_maps_, config_map_json("a", R"({"app":"x"})"));
  ASSERT_EQ(created.status, 201) << created.text;
  EXPECT_THAT(created.text, StartsWith(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{)"));
  const auto& metadata = created.json["metadata"];
  EXPECT_EQ(metadata["namespace"].as_string(), "default");
  EXPECT_EQ(metadata["uid"].as_string().size(), 36u);
  EXPECT_EQ(metadata["creationTimestamp"].as_string(), "2023-11-14T22:13:20Z");
  EXPECT_FALSE(metadata["resourceVersion"].as_string().empty());
  auto read = call("GET", config_maps_ + "/a");
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.text, created.text);
  EXPECT_TRUE(read.headers.has("Audit-Id"));
  EXPECT_EQ(read.headers.get("Cache-Control"), "no-cache, private");
}

// Ignored, `kubectl --as somebody delete ...` would be done with all the rights of the caller.
TEST_F(Verbs, ImpersonationIsForbiddenNotIgnored) {
  for (const char* name :
       {"Impersonate-User", "impersonate-group", "Impersonate-Extra-x", "Impersonate-Uid"}) {
    auto reply = call("POST", config_maps_, config_map_json("a"), {{name, "bob"}});
    EXPECT_EQ(reply.status, 403) << reply.text;
    EXPECT_THAT(std::string(reply.message()), HasSubstr("User \"admin\" cannot impersonate"));
  }
  EXPECT_EQ(call("GET", config_maps_ + "/a").status, 404);
}

TEST_F(Verbs, GetAndListShareTheStoredBytes) {
  call("POST", config_maps_, config_map_json("a"));
  auto entry = store_->get("core/configmaps/default/a");
  ASSERT_TRUE(entry);
  auto get = begin("GET", config_maps_ + "/a");
  auto list = begin("GET", config_maps_);
  EXPECT_EQ(get->chunks().at(0).get(), &entry->value);
  bool shared = false;
  for (const auto& chunk : list->chunks()) shared |= chunk.get() == &entry->value;
  EXPECT_TRUE(shared);
  EXPECT_TRUE(base::parse_json(list->body()));
}

TEST_F(Verbs, ErrorsHaveUpstreamsTexts) {
  call("POST", config_maps_, config_map_json("a"));
  struct Case {
    std::string method, url, body;
    int status;
    std::string reason, message;
  };
  const Case cases[] = {
      {"GET", services_ + "/x", "", 404, "NotFound", "services \"x\" not found"},
      {"GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/x", "", 404, "NotFound",
       "endpointslices.discovery.k8s.io \"x\" not found"},
      {"GET", "/api/v1/foos", "", 404, "NotFound", "the server could not find the requested resource"},
      {"POST", config_maps_, config_map_json("a"), 409, "AlreadyExists", "configmaps \"a\" already exists"},
      {"POST", "/api/v1/namespaces/none/configmaps", config_map_json("a"), 404, "NotFound",
       "namespaces \"none\" not found"},
      {"POST", config_maps_, R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{}})", 422, "Invalid",
       "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required"},
      {"POST", config_maps_,
       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"other"}})", 400,
       "BadRequest", "the namespace of the provided object does not match the namespace sent on the request"},
      {"POST", config_maps_,
       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","resourceVersion":"3"}})", 400,
       "BadRequest", "resourceVersion should not be set on objects to be created"},
      {"PUT", config_maps_ + "/a", config_map_json("b"), 400, "BadRequest",
       "the name of the object (b) does not match the name on the URL (a)"},
      {"PUT", config_maps_ + "/a", R"({"metadata":{"name":"a","resourceVersion":"1"}})", 409, "Conflict",
       "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your "
       "changes to "
       "the latest version and try again"},
      {"POST", config_maps_, "[]", 400, "BadRequest", ""},
      {"POST", config_maps_, "", 400, "BadRequest", ""},
      {"POST", config_maps_, "{", 400, "BadRequest", ""},
      {"GET", config_maps_ + "?labelSelector=a%3D(", "", 400, "BadRequest", ""},
      {"GET", config_maps_ + "?fieldSelector=spec.foo%3Da", "", 400, "BadRequest", ""},
      {"GET", config_maps_ + "?limit=-1", "", 400, "BadRequest", ""},
      {"GET", config_maps_ + "?resourceVersion=abc", "", 400, "BadRequest", ""},
      {"GET", config_maps_ + "?continue=garbage", "", 400, "BadRequest", ""},
      {"GET", config_maps_ + "?resourceVersionMatch=Exact", "", 422, "Invalid", ""},
      {"GET", config_maps_ + "?resourceVersionMatch=Exact&resourceVersion=0", "", 422, "Invalid", ""},
      {"GET", config_maps_ + "?sendInitialEvents=true", "", 422, "Invalid", ""},
      {"GET", config_maps_ + "?resourceVersion=99999", "", 504, "Timeout", ""},
      {"POST", config_maps_ + "?dryRun=foo", config_map_json("b"), 422, "Invalid",
       "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"foo\"]: supported values: "
       "\"All\""},
      {"POST", config_maps_ + "?fieldValidation=foo", config_map_json("b"), 422, "Invalid", ""},
      {"POST", config_maps_ + "?fieldManager=a%0Ab", config_map_json("b"), 422, "Invalid", ""},
      {"DELETE", config_maps_ + "/a?propagationPolicy=X", "", 422, "Invalid", ""},
      {"POST", config_maps_, std::string((3u << 20) + 1, ' '), 413, "RequestEntityTooLarge",
       "Request entity too large: limit is 3145728"},
      {"PUT", config_maps_, config_map_json("a"), 405, "MethodNotAllowed", ""},
      {"POST", "/api/v1", "", 405, "MethodNotAllowed", ""},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.method + " " + c.url + " " + c.body.substr(0, 80));
    auto reply = call(c.method, c.url, c.body);
    EXPECT_EQ(reply.status, c.status) << reply.text;
    EXPECT_EQ(reply.reason(), c.reason);
    if (!c.message.empty()) EXPECT_EQ(reply.message(), c.message);
    EXPECT_EQ(reply.json["kind"].as_string(), "Status");
    EXPECT_EQ(reply.json["code"].int_or(0), c.status);
  }
}

TEST_F(Verbs, PathsOutsideAreNotFoundInPlainText) {
  for (auto path : {"/debug/pprof", "/healthz/none"}) {
    auto reply = call("GET", path);
    EXPECT_EQ(reply.status, 404);
    EXPECT_EQ(reply.text, "404 page not found\n");
  }
}

TEST_F(Verbs, OnlyVerifiedCertificatesAreUsers) {
  auto ask = [&](net::Peer peer, std::string path) {
    auto recorder = std::make_shared<Recorder>();
    auto request = make_request("GET", path, "", {});
    request.peer = std::move(peer);
    handler_(std::move(request), recorder);
    return recorder->status();
  };
  net::Peer unverified{"127.0.0.1:1", false, "admin", {"system:masters"}};
  EXPECT_EQ(ask(unverified, "/api/v1/pods"), 401);
  EXPECT_EQ(ask({"127.0.0.1:1", true, "", {}}, "/api"), 401);
  EXPECT_EQ(ask(unverified, "/nothing"), 401);
  EXPECT_EQ(ask(unverified, "/healthz"), 200);
  EXPECT_EQ(ask(unverified, "/readyz"), 200);
  EXPECT_EQ(ask(unverified, "/version"), 200);
  EXPECT_EQ(ask({"127.0.0.1:1", true, "jane", {}}, "/api/v1/pods"), 200);
}

TEST_F(Verbs, MediaTypesAreRefusedByName) {
  auto html = call("GET", config_maps_, "", {{"Accept", "text/html"}});
  EXPECT_EQ(html.status, 406);
  auto text = call("POST", config_maps_, "x", {{"Content-Type", "text/plain"}});
  EXPECT_EQ(text.status, 415);
  EXPECT_THAT(std::string(text.message()),
              StartsWith("the body of the request was in an unknown format - accepted"));
  auto apply = patch(config_maps_ + "/a", "apply-patch+cbor", "{}");
  EXPECT_EQ(apply.status, 415);
  EXPECT_THAT(std::string(apply.message()), HasSubstr("application/strategic-merge-patch+json"));
  EXPECT_EQ(patch(config_maps_ + "/a", "json", "{}").status, 415);
}

TEST_F(Verbs, GenerateNameMakesAName) {
  auto body = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"g-"}})";
  auto first = call("POST", config_maps_, body);
  auto second = call("POST", config_maps_, body);
  ASSERT_EQ(first.status, 201) << first.text;
  std::string name(first.json["metadata"]["name"].as_string());
  EXPECT_EQ(name.size(), 7u);
  EXPECT_THAT(name, StartsWith("g-"));
  EXPECT_NE(name, second.json["metadata"]["name"].as_string());
}

TEST_F(Verbs, UpdatesCompareTheRevision) {
  auto created = call("POST", config_maps_, config_map_json("a"));
  base::Value object = created.json;
  object.make({"data", "key"}) = "2";
  auto updated = call("PUT", config_maps_ + "/a", base::write_json(object));
  ASSERT_EQ(updated.status, 200) << updated.text;
  EXPECT_NE(updated.json["metadata"]["resourceVersion"], created.json["metadata"]["resourceVersion"]);
  EXPECT_EQ(updated.json["metadata"]["uid"], created.json["metadata"]["uid"]);
  EXPECT_EQ(call("PUT", config_maps_ + "/a", base::write_json(object)).status, 409);
  // The same again changes nothing, not even the revision.
  auto same = call("PUT", config_maps_ + "/a", updated.text);
  EXPECT_EQ(same.text, updated.text);
  // Without a revision it is unconditional.
  EXPECT_EQ(call("PUT", config_maps_ + "/a", config_map_json("a", "{}", "3")).status, 200);
  object.make({"metadata", "resourceVersion"}) = "";
  object.make({"metadata", "uid"}) = "11111111-1111-4111-8111-111111111111";
  auto foreign = call("PUT", config_maps_ + "/a", base::write_json(object));
  EXPECT_EQ(foreign.status, 409);
  EXPECT_THAT(std::string(foreign.message()), HasSubstr("Precondition failed: UID in precondition"));
}

TEST_F(Verbs, PatchesOfThreeKinds) {
  call("POST", pods_, pod_json("p"));
  auto merge = patch(pods_ + "/p", "merge-patch+json", R"({"metadata":{"labels":{"a":"b"}}})");
  ASSERT_EQ(merge.status, 200) << merge.text;
  EXPECT_EQ(merge.json.at({"metadata", "labels", "a"}).as_string(), "b");
  auto json =
      patch(pods_ + "/p", "json-patch+json", R"([{"op":"replace","path":"/metadata/labels/a","value":"c"}])");
  EXPECT_EQ(json.json.at({"metadata", "labels", "a"}).as_string(), "c");
  auto strategic = patch(pods_ + "/p", "strategic-merge-patch+json",
                         R"({"spec":{"containers":[{"name":"main","image":"kubia:2"}]}})");
  ASSERT_EQ(strategic.status, 200) << strategic.text;
  EXPECT_EQ(strategic.json.at({"spec", "containers"}).as_array().size(), 1u);
  EXPECT_EQ(strategic.json.at({"spec", "containers"}).as_array()[0]["image"].as_string(), "kubia:2");
  EXPECT_EQ(strategic.json.at({"metadata", "generation"}).int_or(0), 2);

  EXPECT_EQ(patch(pods_ + "/none", "merge-patch+json", "{}").status, 404);
  EXPECT_EQ(patch(pods_ + "/p", "merge-patch+json", R"({"metadata":{"resourceVersion":"1"}})").status, 409);
  EXPECT_EQ(patch(pods_ + "/p", "merge-patch+json", R"({"metadata":{"name":"q"}})").status, 400);
  EXPECT_EQ(patch(pods_ + "/p", "merge-patch+json", "[]").status, 400);
  EXPECT_EQ(patch(pods_ + "/p", "json-patch+json", R"([{"op":"test","path":"/kind","value":"x"}])").status,
            422);
  EXPECT_EQ(patch(pods_ + "/p?force=true", "merge-patch+json", "{}").status, 422);
  std::string many = "[";
  for (int i = 0; i < 10'001; ++i) many += R"({"op":"test","path":"/kind","value":"Pod"},)";
  many.back() = ']';
  auto outsized = patch(pods_ + "/p", "json-patch+json", many);
  EXPECT_EQ(outsized.status, 413);
  EXPECT_EQ(outsized.message(),
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001");
}

TEST_F(Verbs, UnknownFieldsByStrictness) {
  std::string body = service_json("s", R"("ports":[{"port":80}],"bogus":1)");
  auto strict = call("POST", services_ + "?fieldValidation=Strict", body);
  EXPECT_EQ(strict.status, 400);
  EXPECT_THAT(std::string(strict.message()),
              HasSubstr("strict decoding error: unknown field \"spec.bogus\""));
  auto warned = call("POST", services_ + "?fieldValidation=Warn&dryRun=All", body);
  EXPECT_EQ(warned.status, 201) << warned.text;
  EXPECT_EQ(warned.headers.get("Warning"), R"(299 - "unknown field \"spec.bogus\"")");
  auto ignored = call("POST", services_ + "?fieldValidation=Ignore&dryRun=All", body);
  EXPECT_EQ(ignored.status, 201);
  EXPECT_FALSE(ignored.headers.has("Warning"));
}

TEST_F(Verbs, DryRunsChangeNothing) {
  auto before = store_->revision();
  EXPECT_EQ(call("POST", config_maps_ + "?dryRun=All", config_map_json("a")).status, 201);
  EXPECT_EQ(call("GET", config_maps_ + "/a").status, 404);
  EXPECT_EQ(store_->revision(), before);
  call("POST", config_maps_, config_map_json("a"));
  auto stored = call("GET", config_maps_ + "/a").text;
  auto put = call("PUT", config_maps_ + "/a?dryRun=All", config_map_json("a", "{}", "2"));
  EXPECT_EQ(put.json.at({"data", "key"}).as_string(), "2");
  EXPECT_EQ(patch(config_maps_ + "/a?dryRun=All", "merge-patch+json", R"({"data":{"key":"3"}})").status, 200);
  EXPECT_EQ(call("DELETE", config_maps_ + "/a?dryRun=All").status, 200);
  EXPECT_EQ(call("DELETE", config_maps_ + "?dryRun=All").status, 200);
  EXPECT_EQ(call("GET", config_maps_ + "/a").text, stored);
}

TEST_F(Verbs, ListsSelectByLabelsAndFields) {
  call("POST", config_maps_, config_map_json("a", R"({"app":"x"})"));
  call("POST", config_maps_, config_map_json("b", R"({"app":"y"})"));
  call("POST", "/api/v1/namespaces/kube-system/configmaps", config_map_json("c", R"({"app":"x"})"));
  auto count = [&](const std::string& url) { return call("GET", url).json["items"].as_array().size(); };
  EXPECT_EQ(count(config_maps_), 2u);
  EXPECT_EQ(count("/api/v1/configmaps"), 3u);
  EXPECT_EQ(count(config_maps_ + "?labelSelector=app%3Dx"), 1u);
  EXPECT_EQ(count("/api/v1/configmaps?labelSelector=app%20in%20(x,y)"), 3u);
  EXPECT_EQ(count(config_maps_ + "?labelSelector=!app"), 0u);
  EXPECT_EQ(count(config_maps_ + "?fieldSelector=metadata.name%3Da"), 1u);
  EXPECT_EQ(count("/api/v1/configmaps?fieldSelector=metadata.namespace%3Dkube-system"), 1u);
  EXPECT_EQ(count("/api/v1/configmaps?fieldSelector=metadata.name!%3Da"), 2u);
  call("POST", pods_, pod_json("p"));
  call("POST", pods_, pod_json("q", R"(,"nodeName":"n1")"));
  EXPECT_EQ(count(pods_ + "?fieldSelector=spec.nodeName%3Dn1"), 1u);
  EXPECT_EQ(count(pods_ + "?fieldSelector=spec.nodeName%3D,status.phase%3DPending"), 1u);
}

TEST_F(Verbs, PagesComeFromOneRevision) {
  for (auto name : {"a", "b", "c", "d", "e"}) call("POST", config_maps_, config_map_json(name));
  auto first = call("GET", config_maps_ + "?limit=2");
  EXPECT_EQ(first.json["items"].as_array().size(), 2u);
  EXPECT_EQ(first.json.at({"metadata", "remainingItemCount"}).int_or(0), 3);
  std::string token(first.json.at({"metadata", "continue"}).as_string());
  ASSERT_FALSE(token.empty());
  call("POST", config_maps_, config_map_json("bb"));
  call("DELETE", config_maps_ + "/d");
  auto second = call("GET", config_maps_ + "?limit=2&continue=" + token);
  ASSERT_EQ(second.status, 200) << second.text;
  EXPECT_EQ(second.json.at({"metadata", "resourceVersion"}), first.json.at({"metadata", "resourceVersion"}));
  EXPECT_EQ(second.json["items"].as_array().at(0)["metadata"]["name"].as_string(), "c");
  EXPECT_EQ(second.json["items"].as_array().at(1)["metadata"]["name"].as_string(), "d");
  auto third = call("GET", config_maps_ + "?limit=2&continue=" +
                               std::string(second.json.at({"metadata", "continue"}).as_string()));
  EXPECT_EQ(third.json["items"].as_array().size(), 1u);
  EXPECT_TRUE(third.json.at({"metadata", "continue"}).is_null());
  EXPECT_EQ(call("GET", services_ + "?limit=2&continue=" + token).status, 400);
}

TEST_F(Verbs, ListsOfAnExactRevision) {
  auto created = call("POST", config_maps_, config_map_json("a"));
  std::string revision(created.json.at({"metadata", "resourceVersion"}).as_string());
  call("POST", config_maps_, config_map_json("b"));
  auto exact = call("GET", config_maps_ + "?resourceVersionMatch=Exact&resourceVersion=" + revision);
  EXPECT_EQ(exact.json["items"].as_array().size(), 1u);
  EXPECT_EQ(exact.json.at({"metadata", "resourceVersion"}).as_string(), revision);
  auto newer = call("GET", config_maps_ + "?resourceVersionMatch=NotOlderThan&resourceVersion=" + revision);
  EXPECT_EQ(newer.json["items"].as_array().size(), 2u);
}

TEST_F(Verbs, TablesCarryPartialObjects) {
  call("POST", services_, service_json("kubia"));
  net::Headers table{{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}};
  auto list = call("GET", services_ + "?limit=500", "", table);
  EXPECT_EQ(list.json["kind"].as_string(), "Table");
  EXPECT_EQ(list.json["apiVersion"].as_string(), "meta.k8s.io/v1");
  EXPECT_EQ(list.json["columnDefinitions"].as_array().at(0)["name"].as_string(), "Name");
  ASSERT_EQ(list.json["rows"].as_array().size(), 2u);
  const auto& row = list.json["rows"].as_array()[0];
  EXPECT_EQ(row["cells"].as_array().at(0).as_string(),
            "kubernetes" < std::string("kubia") ? "kubernetes" : "kubia");
  EXPECT_EQ(row["cells"].as_array().size(), list.json["columnDefinitions"].as_array().size());
  EXPECT_EQ(row.at({"object", "kind"}).as_string(), "PartialObjectMetadata");
  EXPECT_TRUE(row.at({"object", "spec"}).is_null());
  auto one = call("GET", services_ + "/kubia?includeObject=Object", "", table);
  EXPECT_EQ(one.json["rows"].as_array().at(0).at({"object", "spec", "type"}).as_string(), "ClusterIP");
  auto none = call("GET", services_ + "/kubia?includeObject=None", "", table);
  EXPECT_TRUE(none.json["rows"].as_array().at(0)["object"].is_null());
  auto partial = call("GET", services_, "",
                      {{"Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}});
  EXPECT_EQ(partial.json["kind"].as_string(), "PartialObjectMetadataList");
  EXPECT_EQ(partial.json["items"].as_array().at(0)["kind"].as_string(), "PartialObjectMetadata");
  auto yaml = call("GET", services_ + "/kubia", "", {{"Accept", "application/yaml"}});
  EXPECT_THAT(yaml.text, StartsWith("apiVersion: v1\nkind: Service\n"));
}

TEST_F(Verbs, StatusAndSpecHaveTheirOwnDoors) {
  auto pod = call("POST", pods_, pod_json("p"));
  EXPECT_EQ(pod.json.at({"status", "phase"}).as_string(), "Pending");
  base::Value object = pod.json;
  object.make({"status", "phase"}) = "Running";
  object.make({"spec", "containers"}).array()[0].object().set("image", "other");
  auto status = call("PUT", pods_ + "/p/status", base::write_json(object));
  ASSERT_EQ(status.status, 200) << status.text;
  EXPECT_EQ(status.json.at({"status", "phase"}).as_string(), "Running");
  EXPECT_EQ(status.json.at({"spec", "containers"}).as_array()[0]["image"].as_string(), "kubia");
  EXPECT_EQ(status.json.at({"metadata", "generation"}).int_or(0), 1);
  object = status.json;
  object.make({"status", "phase"}) = "Failed";
  object.make({"spec", "containers"}).array()[0].object().set("image", "other");
  auto main = call("PUT", pods_ + "/p", base::write_json(object));
  ASSERT_EQ(main.status, 200) << main.text;
  EXPECT_EQ(main.json.at({"status", "phase"}).as_string(), "Running");
  EXPECT_EQ(main.json.at({"spec", "containers"}).as_array()[0]["image"].as_string(), "other");
  EXPECT_EQ(main.json.at({"metadata", "generation"}).int_or(0), 2);
  auto patched = patch(pods_ + "/p/status", "merge-patch+json", R"({"status":{"phase":"Succeeded"}})");
  EXPECT_EQ(patched.json.at({"status", "phase"}).as_string(), "Succeeded");
}

TEST_F(Verbs, YamlBodiesAreRead) {
  auto reply = call("POST", config_maps_,
                    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\ndata:\n  a: b\n",
                    {{"Content-Type", "application/yaml"}});
  EXPECT_EQ(reply.status, 201) << reply.text;
  EXPECT_EQ(reply.json.at({"data", "a"}).as_string(), "b");
}

// kubectl >= 1.32 creates namespaces and Services so, and takes no refusal for an answer.
TEST_F(Verbs, ProtobufBodiesAreRead) {
  net::Headers headers{{"Content-Type", "application/vnd.kubernetes.protobuf"},
                       {"Accept", "application/vnd.kubernetes.protobuf,application/json"}};
  auto encode = [&](std::string_view kind, const std::string& json) {
    return api::encode_protobuf(*registry_.find_kind("v1", kind), *base::parse_json(json));
  };
  auto space =
      call("POST", "/api/v1/namespaces",
           encode("Namespace", R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"}})"), headers);
  EXPECT_EQ(space.status, 201) << space.text;
  EXPECT_EQ(space.headers.get("Content-Type"), "application/vnd.kubernetes.protobuf");
  auto service = call("POST", services_, encode("Service", service_json("pb")), headers);
  EXPECT_EQ(service.status, 201) << service.text;
  auto options =
      encode("DeleteOptions", R"({"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"x"}})");
  EXPECT_EQ(call("DELETE", services_ + "/pb", options, headers).status, 409);
  EXPECT_EQ(call("POST", services_, std::string("k8s\0garbage", 11), headers).status, 400);
}

TEST_F(Verbs, LeasesMayBeCreatedByPut) {
  const std::string leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
  std::string body =
      R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"n"},"spec":{}})";
  EXPECT_EQ(call("PUT", leases + "/n", body).status, 201);
  // Once it is there, only who has read it may write it.
  EXPECT_EQ(call("PUT", leases + "/n", body).status, 422);
  EXPECT_EQ(call("PUT", config_maps_ + "/none", config_map_json("none")).status, 404);
}

}  // namespace
}  // namespace server::testing
