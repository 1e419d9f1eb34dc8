// Server-side apply and managedFields through the whole handler.
#include <gmock/gmock.h>

#include "server/testing.hpp"

namespace server::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Applies : public ServerTest {
 protected:
  Reply apply(std::string_view url, std::string body, std::string_view query = "fieldManager=me") {
    return patch(std::string(url) + "?" + std::string(query), "apply-patch+yaml", std::move(body));
  }
  static std::string map_json(std::string_view name, std::string_view data) {
    return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + std::string(name) +
           R"("},"data":)" + std::string(data) + "}";
  }
  static std::string managers(const base::Value& object) {
    std::string out;
    for (const auto& entry : object["metadata"]["managedFields"].as_array()) {
      out += (out.empty() ? "" : " ") + std::string(entry["manager"].as_string()) + "/" +
             std::string(entry["operation"].as_string());
      if (auto part = entry["subresource"].as_string(); !part.empty()) out += "/" + std::string(part);
    }
    return out;
  }
  static std::string fields(const base::Value& object, size_t entry) {
    const auto& list = object["metadata"]["managedFields"].as_array();
    return entry < list.size() ? base::write_json(list[entry]["fieldsV1"]) : "none";
  }
};

TEST_F(Applies, CreatesThenChangesThenChangesNothing) {
  auto created = apply(config_maps_ + "/a", map_json("a", R"({"k":"v"})"));
  ASSERT_EQ(created.status, 201) << created.text;
  EXPECT_EQ(managers(created.json), "me/Apply");
  EXPECT_EQ(fields(created.json, 0), R"({"f:data":{"f:k":{}}})");
  auto again = apply(config_maps_ + "/a", map_json("a", R"({"k":"v"})"));
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.text, created.text) << "nothing changed, nothing is written";
  clock_.advance(std::chrono::seconds(5));
  EXPECT_EQ(apply(config_maps_ + "/a", map_json("a", R"({"k":"v"})")).text, created.text);
  auto changed = apply(config_maps_ + "/a", map_json("a", R"({"l":"w"})"));
  EXPECT_EQ(base::write_json(changed.json["data"]), R"({"l":"w"})");
  EXPECT_EQ(call("GET", config_maps_ + "/a").text, changed.text);
}

TEST_F(Applies, YamlIsTakenToo) {
  auto created =
      apply(config_maps_ + "/a", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n");
  ASSERT_EQ(created.status, 201) << created.text;
  EXPECT_EQ(created.json["data"]["k"].as_string(), "v");
}

TEST_F(Applies, ConflictsAnswer409WithCauses) {
  apply(config_maps_ + "/a", map_json("a", R"({"k":"v"})"));
  auto conflict = apply(config_maps_ + "/a", map_json("a", R"({"k":"w"})"), "fieldManager=you");
  ASSERT_EQ(conflict.status, 409) << conflict.text;
  EXPECT_EQ(conflict.reason(), "Conflict");
  EXPECT_EQ(conflict.message(), R"(Apply failed with 1 conflict: conflict with "me": .data.k)");
  EXPECT_EQ(
      base::write_json(conflict.json["details"]),
      R"({"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"me\"","field":".data.k"}]})");
  auto forced = apply(config_maps_ + "/a", map_json("a", R"({"k":"w"})"), "fieldManager=you&force=true");
  ASSERT_EQ(forced.status, 200) << forced.text;
  EXPECT_EQ(managers(forced.json), "you/Apply");
}

TEST_F(Applies, OptionsAndBodiesAreChecked) {
  struct Case {
    std::string query, body;
    int status;
    std::string message;
  };
  std::string map = map_json("a", R"({"k":"v"})");
  const Case cases[] = {
      {"x=y", map, 422,
       "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"},
      {"fieldManager=" + std::string(129, 'x'), map, 422,
       "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes"},
      {"fieldManager=m", map_json("b", "{}"), 400,
       "the name of the object (b) does not match the name on the URL (a)"},
      {"fieldManager=m", R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}})", 400,
       "invalid object type: /v1, Kind=Secret"},
      {"fieldManager=m",
       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","managedFields":[{}]}})", 400,
       "metadata.managedFields must be nil"},
      {"fieldManager=m", R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"foo":1})", 500,
       "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .foo: field not declared in schema"},
      {"fieldManager=m", R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","uid":"x"}})", 409,
       "Operation cannot be fulfilled on configmaps \"a\": uid mismatch: the provided object specified uid "
       "x, and no "
       "existing object was found"},
      {"fieldManager=m&fieldValidation=Strict",
       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"1"},"data":{"k":"2"}})",
       400, "error strict decoding YAML: key \"data\" already set in map"},
      {"fieldManager=m", ": x: [", 400, "error decoding YAML: *"},
  };
  for (const auto& one : cases) {
    auto reply = apply(config_maps_ + "/a", one.body, one.query);
    EXPECT_EQ(reply.status, one.status) << one.query << " " << one.body << " " << reply.text;
    if (one.message.ends_with('*')) {
      EXPECT_THAT(std::string(reply.message()), HasSubstr(one.message.substr(0, one.message.size() - 1)));
    } else {
      EXPECT_EQ(reply.message(), one.message);
    }
  }
  EXPECT_EQ(
      patch(config_maps_ + "/a?fieldManager=m&force=true", "merge-patch+json", "{}").message(),
      "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch");
  EXPECT_EQ(patch(config_maps_ + "/a?fieldManager=m", "apply-patch+cbor", "{}").status, 415);
}

TEST_F(Applies, PreconditionsHold) {
  auto created = apply(config_maps_ + "/a", map_json("a", R"({"k":"v"})"));
  auto with = [&](std::string_view metadata) {
    return apply(config_maps_ + "/a", R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a",)" +
                                          std::string(metadata) + R"(},"data":{"k":"w"}})");
  };
  EXPECT_EQ(with(R"("uid":"other")").status, 409);
  EXPECT_EQ(with(R"("resourceVersion":"1")").status, 409);
  EXPECT_EQ(
      with("\"resourceVersion\":" + base::write_json(created.json["metadata"]["resourceVersion"])).status,
      200);
}

TEST_F(Applies, DryRunChangesNothing) {
  EXPECT_EQ(apply(config_maps_ + "/a", map_json("a", "{}"), "fieldManager=m&dryRun=All").status, 201);
  EXPECT_EQ(call("GET", config_maps_ + "/a").status, 404);
}

TEST_F(Applies, EveryWriteIsTrackedByManagerAndPart) {
  auto agent = net::Headers{{"User-Agent", "tool/1.0 (linux)"}, {"Content-Type", "application/json"}};
  auto created =
      call("POST", services_, service_json("s", R"("type":"LoadBalancer","ports":[{"port":80}])"), agent);
  EXPECT_EQ(managers(created.json), "tool/Update");
  EXPECT_THAT(fields(created.json, 0), Not(HasSubstr("f:clusterIP\":"))) << "allocated, not said";
  EXPECT_THAT(fields(created.json, 0), Not(HasSubstr("f:status")));
  auto changed =
      patch(services_ + "/s?fieldManager=editor", "merge-patch+json", R"({"metadata":{"labels":{"a":"1"}}})");
  EXPECT_EQ(managers(changed.json), "editor/Update tool/Update");
  clock_.advance(std::chrono::seconds(1));
  auto status = patch(
      services_ + "/s/status?fieldManager=lb", "merge-patch+json",
      R"({"spec":{"type":"NodePort"},"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.9","ipMode":"VIP"}]}}})");
  EXPECT_EQ(status.status, 200) << status.text;
  EXPECT_EQ(managers(status.json), "editor/Update tool/Update lb/Update/status");
  EXPECT_EQ(fields(status.json, 2), R"({"f:status":{"f:loadBalancer":{"f:ingress":{}}}})");
}

TEST_F(Applies, AStatusCanBeAppliedWithoutTheSpec) {
  ASSERT_EQ(call("POST", pods_, pod_json("p")).status, 201);
  auto status = apply(pods_ + "/p/status", R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},
      "status":{"conditions":[{"type":"x.io/y","status":"True"}]}})");
  ASSERT_EQ(status.status, 200) << status.text;
  EXPECT_EQ(
      fields(status.json, 0),
      R"({"f:status":{"f:conditions":{"k:{\"type\":\"x.io/y\"}":{".":{},"f:status":{},"f:type":{}}}}})");
  EXPECT_EQ(apply(pods_ + "/q/status", R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"q"}})").status,
            404);
}

TEST_F(Applies, ScalingTakesTheReplicas) {
  const std::string url = "/api/v1/namespaces/default/replicationcontrollers";
  auto applied =
      apply(url + "/rc", R"({"apiVersion":"v1","kind":"ReplicationController","metadata":{"name":"rc"},
      "spec":{"replicas":1,"selector":{"app":"x"},"template":{"metadata":{"labels":{"app":"x"}},
      "spec":{"containers":[{"name":"main","image":"kubia"}]}}}})");
  ASSERT_EQ(applied.status, 201) << applied.text;
  auto scaled =
      patch(url + "/rc/scale?fieldManager=scaler", "merge-patch+json", R"({"spec":{"replicas":3}})");
  ASSERT_EQ(scaled.status, 200) << scaled.text;
  auto now = call("GET", url + "/rc");
  EXPECT_EQ(managers(now.json), "me/Apply scaler/Update/scale");
  EXPECT_EQ(fields(now.json, 1), R"({"f:spec":{"f:replicas":{}}})");
  auto conflict =
      apply(url + "/rc", R"({"apiVersion":"v1","kind":"ReplicationController","metadata":{"name":"rc"},
      "spec":{"replicas":1,"selector":{"app":"x"},"template":{"metadata":{"labels":{"app":"x"}},
      "spec":{"containers":[{"name":"main","image":"kubia"}]}}}})");
  EXPECT_EQ(conflict.message(),
            "Apply failed with 1 conflict: conflict with \"scaler\" with subresource \"scale\" using "
            "v1 at 2023-11-14T22:13:20Z: .spec.replicas");
}

TEST_F(Applies, AScaleCanBeApplied) {
  const std::string url = "/api/v1/namespaces/default/replicationcontrollers";
  auto made = call("POST", url, R"({"apiVersion":"v1","kind":"ReplicationController","metadata":{"name":"rc"},
      "spec":{"replicas":1,"selector":{"app":"x"},"template":{"metadata":{"labels":{"app":"x"}},
      "spec":{"containers":[{"name":"main","image":"kubia"}]}}}})");
  ASSERT_EQ(made.status, 201) << made.text;
  const std::string scale =
      R"({"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"rc"},"spec":{"replicas":4}})";
  EXPECT_EQ(apply(url + "/rc/scale", scale).status, 409) << "its creator owns the replicas";
  auto scaled = apply(url + "/rc/scale", scale, "fieldManager=me&force=true");
  ASSERT_EQ(scaled.status, 200) << scaled.text;
  EXPECT_EQ(scaled.json["kind"].as_string(), "Scale");
  EXPECT_EQ(scaled.json["spec"]["replicas"].int_or(0), 4);
  auto now = call("GET", url + "/rc");
  EXPECT_EQ(now.json["spec"]["replicas"].int_or(0), 4);
  EXPECT_EQ(fields(now.json, 0), R"({"f:spec":{"f:replicas":{}}})");
  EXPECT_EQ(apply(url + "/rc/scale", R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"rc"}})").status,
            400);
}

// What `kubectl apply --server-side` sends to an object of client-side apply: first the managers, then the
// object.
TEST_F(Applies, ManagersCanBeRewrittenWithAJsonPatch) {
  auto created =
      call("POST", config_maps_ + "?fieldManager=kubectl-client-side-apply", map_json("a", R"({"k":"v"})"));
  auto version = base::write_json(created.json["metadata"]["resourceVersion"]);
  std::string entries =
      R"([{"manager":"kubectl","operation":"Apply","apiVersion":"v1","time":"2023-11-14T22:13:20Z",)"
      R"("fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:k":{}}}}])";
  auto migrated =
      patch(config_maps_ + "/a", "json-patch+json",
            R"([{"op":"replace","path":"/metadata/managedFields","value":)" + entries +
                R"(},{"op":"replace","path":"/metadata/resourceVersion","value":)" + version + "}]");
  ASSERT_EQ(migrated.status, 200) << migrated.text;
  EXPECT_EQ(base::write_json(migrated.json["metadata"]["managedFields"]), entries);
  auto stale = patch(config_maps_ + "/a", "json-patch+json",
                     R"([{"op":"replace","path":"/metadata/managedFields","value":[{}]},)"
                     R"({"op":"replace","path":"/metadata/resourceVersion","value":)" +
                         version + "}]");
  EXPECT_EQ(stale.status, 409) << stale.text;
  auto applied = apply(config_maps_ + "/a", map_json("a", R"({"k":"w"})"), "fieldManager=kubectl");
  EXPECT_EQ(applied.status, 200) << applied.text;
  for (const char* empty : {"[{}]", "[]"}) {
    auto reset = patch(config_maps_ + "/a", "merge-patch+json",
                       std::string(R"({"metadata":{"managedFields":)") + empty + "}}");
    EXPECT_EQ(reset.status, 200) << reset.text;
    EXPECT_EQ(managers(reset.json), "") << empty;
    EXPECT_EQ(apply(config_maps_ + "/a", map_json("a", R"({"k":"x"})"), "fieldManager=z&force=true").status,
              200);
  }
}

TEST_F(Applies, AnUpdateWithoutManagedFieldsKeepsThem) {
  apply(config_maps_ + "/a", map_json("a", R"({"k":"v"})"));
  auto updated = call("PUT", config_maps_ + "/a?fieldManager=u", map_json("a", R"({"k":"v","l":"w"})"));
  EXPECT_EQ(managers(updated.json), "me/Apply u/Update");
  EXPECT_EQ(call("PUT", config_maps_ + "/a?fieldManager=w", map_json("a", R"({"k":"v","l":"w"})")).text,
            updated.text);
}

}  // namespace
}  // namespace server::testing
