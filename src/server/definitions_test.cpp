// Custom kinds through the whole server: served at once, in all their versions, until their definition goes.
#include <gtest/gtest.h>

#include "server/testing.hpp"

namespace server {
namespace {

using testing::ServerTest;

constexpr std::string_view kCrds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
constexpr std::string_view kBoats = "/apis/example.com/v2/namespaces/default/boats";
constexpr std::string_view kOldBoats = "/apis/example.com/v1/namespaces/default/boats";

std::string definition(std::string_view plural, std::string_view kind, std::string_view schema_of_spec) {
  std::string version_body = R"(,"subresources":{"status":{},"scale":{"specReplicasPath":".spec.sails","statusReplicasPath":".status.sails"}},)"
                             R"("selectableFields":[{"jsonPath":".spec.color"}],)"
                             R"("schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":)" +
                             std::string(schema_of_spec) + R"(,"status":{"type":"object","properties":{"sails":{"type":"integer"}}}}}}})";
  return R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":")" +
         std::string(plural) + R"(.example.com"},"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":")" +
         std::string(plural) + R"(","kind":")" + std::string(kind) + R"(","shortNames":["bo"]},"versions":[)" +
         R"({"name":"v1","served":true,"storage":false,"deprecated":true)" + version_body +
         R"(,{"name":"v2","served":true,"storage":true)" + version_body + "]}}";
}

const std::string kBoat = definition(
    "boats", "Boat",
    R"({"type":"object","properties":{"color":{"type":"string","default":"red"},"sails":{"type":"integer","maximum":9}}})");

class Definitions : public ServerTest {
 protected:
  std::string boat(std::string_view version, std::string_view name, std::string_view spec) {
    return R"({"apiVersion":"example.com/)" + std::string(version) + R"(","kind":"Boat","metadata":{"name":")" +
           std::string(name) + R"("},"spec":)" + std::string(spec) + "}";
  }
  std::string condition(const base::Value& crd, std::string_view type) {
    for (const auto& one : crd.at({"status", "conditions"}).as_array()) {
      if (one["type"].as_string() == type)
        return std::string(one["status"].as_string()) + " " + std::string(one["reason"].as_string());
    }
    return "";
  }
};

TEST_F(Definitions, AKindIsServedWhenItsDefinitionIsAnswered) {
  EXPECT_EQ(call("GET", kBoats).status, 404);
  auto crd = call("POST", kCrds, kBoat);
  ASSERT_EQ(crd.status, 201) << crd.text;
  EXPECT_EQ(condition(crd.json, "NamesAccepted"), "True NoConflicts");
  EXPECT_EQ(condition(crd.json, "Established"), "True InitialNamesAccepted");
  EXPECT_EQ(base::write_json(crd.json.at({"status", "storedVersions"})), R"(["v2"])");
  EXPECT_EQ(base::write_json(crd.json.at({"metadata", "finalizers"})), R"(["customresourcecleanup.apiextensions.k8s.io"])");

  auto made = call("POST", kBoats, boat("v2", "junk", R"({"sails":2,"hull":"teak"})"));
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(base::write_json(made.json["spec"]), R"({"sails":2,"color":"red"})");
  EXPECT_EQ(call("POST", kBoats, boat("v2", "ark", R"({"sails":10})")).status, 422);
  auto listed = call("GET", kBoats);
  EXPECT_EQ(listed.json["kind"].as_string(), "BoatList");
  EXPECT_EQ(listed.json["items"].as_array().size(), 1u);
  EXPECT_EQ(call("GET", std::string(kBoats) + "?fieldSelector=spec.color%3Dred").json["items"].as_array().size(), 1u);
  EXPECT_EQ(call("GET", std::string(kBoats) + "?fieldSelector=spec.color%3Dblue").json["items"].as_array().size(), 0u);
  EXPECT_EQ(call("GET", std::string(kBoats) + "?fieldSelector=spec.sails%3D2").status, 400);
  EXPECT_NE(call("GET", "/apis/example.com/v2").text.find("\"boats/scale\""), std::string::npos);
  EXPECT_NE(call("GET", "/openapi/v3").text.find("apis/example.com/v2"), std::string::npos);
}

TEST_F(Definitions, EveryVersionShowsTheSameObjects) {
  ASSERT_EQ(call("POST", kCrds, kBoat).status, 201);
  auto made = call("POST", kOldBoats, boat("v1", "junk", R"({"sails":2})"));
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.json["apiVersion"].as_string(), "example.com/v1");
  EXPECT_NE(made.headers.get("Warning").find("example.com/v1 Boat is deprecated"), std::string::npos)
      << made.headers.get("Warning");
  auto read = call("GET", std::string(kBoats) + "/junk");
  EXPECT_EQ(read.json["apiVersion"].as_string(), "example.com/v2");
  EXPECT_EQ(call("GET", kOldBoats).json["items"].as_array()[0]["apiVersion"].as_string(), "example.com/v1");
  auto watch = begin("GET", std::string(kOldBoats) + "?watch=true");
  auto events = watch->wait_events(1);
  EXPECT_EQ(events[0]["object"]["apiVersion"].as_string(), "example.com/v1");
  watch->hang_up();
}

TEST_F(Definitions, WithoutItsWebhookOnlyTheStorageVersionIsServed) {
  std::string text = kBoat;
  text.replace(text.find("\"scope\""), 0,
               R"("conversion":{"strategy":"Webhook","webhook":{"clientConfig":{"url":"https://192.0.2.1/convert"},)"
               R"("conversionReviewVersions":["v1"]}},)");
  auto crd = call("POST", kCrds, text);
  ASSERT_EQ(crd.status, 201) << crd.text;
  EXPECT_NE(crd.headers.get("Warning").find("only the storage version is served"), std::string::npos);
  EXPECT_EQ(call("GET", kBoats).status, 200);
  EXPECT_EQ(call("GET", kOldBoats).status, 404);
}

TEST_F(Definitions, ScaleAndStatusAreApart) {
  ASSERT_EQ(call("POST", kCrds, kBoat).status, 201);
  ASSERT_EQ(call("POST", kBoats, boat("v2", "junk", R"({"sails":2})")).status, 201);
  auto scaled = patch(std::string(kBoats) + "/junk/scale", "merge-patch+json", R"({"spec":{"replicas":4}})");
  ASSERT_EQ(scaled.status, 200) << scaled.text;
  EXPECT_EQ(scaled.json.at({"spec", "replicas"}).int_or(0), 4);
  auto status = patch(std::string(kBoats) + "/junk/status", "merge-patch+json",
                      R"({"spec":{"sails":9},"status":{"sails":3}})");
  ASSERT_EQ(status.status, 200) << status.text;
  EXPECT_EQ(status.json.at({"spec", "sails"}).int_or(0), 4);
  EXPECT_EQ(status.json.at({"status", "sails"}).int_or(0), 3);
  EXPECT_EQ(status.json.at({"metadata", "generation"}).int_or(0), 2);
  EXPECT_EQ(patch(std::string(kBoats) + "/junk", "strategic-merge-patch+json", "{}").status, 415);
}

TEST_F(Definitions, ADefinitionThatGoesTakesNothingNew) {
  ASSERT_EQ(call("POST", kCrds, kBoat).status, 201);
  ASSERT_EQ(call("POST", kBoats, boat("v2", "junk", "{}")).status, 201);
  auto watch = begin("GET", std::string(kBoats) + "?watch=true");
  watch->wait_events(1);
  auto going = call("DELETE", std::string(kCrds) + "/boats.example.com");
  ASSERT_EQ(going.status, 200) << going.text;
  auto refused = call("POST", kBoats, boat("v2", "ark", "{}"));
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.message(), "create not allowed while custom resource definition is terminating");
  EXPECT_EQ(call("DELETE", std::string(kBoats) + "/junk").status, 200);
  EXPECT_EQ(watch->wait_events(2)[1]["type"].as_string(), "DELETED");
  EXPECT_EQ(patch(std::string(kCrds) + "/boats.example.com", "merge-patch+json", R"({"metadata":{"finalizers":null}})").status,
            200);
  EXPECT_EQ(call("GET", kBoats).status, 404);
  watch->wait_finished();
}

TEST_F(Definitions, ALaterDefaultShowsOnWhatIsStored) {
  ASSERT_EQ(call("POST", kCrds, kBoat).status, 201);
  ASSERT_EQ(call("POST", kBoats, boat("v2", "junk", "{}")).status, 201);
  auto changed = call("PATCH", std::string(kCrds) + "/boats.example.com",
                      R"([{"op":"add","path":"/spec/versions/1/schema/openAPIV3Schema/properties/spec/properties/masts","value":{"type":"integer","default":2}}])",
                      {{"Content-Type", "application/json-patch+json"}});
  ASSERT_EQ(changed.status, 200) << changed.text;
  EXPECT_EQ(call("GET", std::string(kBoats) + "/junk").json.at({"spec", "masts"}).int_or(0), 2);
  EXPECT_EQ(call("GET", kBoats).json["items"].as_array()[0].at({"spec", "masts"}).int_or(0), 2);
}

TEST_F(Definitions, NamesAreTakenOnce) {
  ASSERT_EQ(call("POST", kCrds, kBoat).status, 201);
  auto second = call("POST", kCrds, definition("ships", "Boat", R"({"type":"object","properties":{"color":{"type":"string"}}})"));
  ASSERT_EQ(second.status, 201) << second.text;
  EXPECT_EQ(condition(second.json, "NamesAccepted"), "False SingularConflict");
  EXPECT_EQ(condition(second.json, "Established"), "False NotAccepted");
  EXPECT_EQ(call("GET", "/apis/example.com/v2/namespaces/default/ships").status, 404);
}

TEST_F(Definitions, AChangeIsSeenInDiscoveryAndSurvivesARestart) {
  ASSERT_EQ(call("POST", kCrds, kBoat).status, 201);
  auto before = call("GET", "/openapi/v3/apis/example.com/v2").text;
  auto watch = begin("GET", std::string(kBoats) + "?watch=true");
  watch->wait_answer();
  auto changed = call("PATCH", std::string(kCrds) + "/boats.example.com",
                      R"([{"op":"add","path":"/spec/versions/1/schema/openAPIV3Schema/properties/spec/properties/masts","value":{"type":"integer"}}])",
                      {{"Content-Type", "application/json-patch+json"}});
  ASSERT_EQ(changed.status, 200) << changed.text;
  watch->wait_finished();
  EXPECT_NE(call("GET", "/openapi/v3/apis/example.com/v2").text, before);
  auto made = call("POST", kBoats, boat("v2", "junk", R"({"masts":3})"));
  EXPECT_EQ(made.json.at({"spec", "masts"}).int_or(0), 3);
  server_.reset();
  start();
  EXPECT_EQ(call("GET", kBoats).json["items"].as_array().size(), 1u);
}

TEST_F(Definitions, NobodyStoresWhatNobodyCanRead) {
  std::string properties;
  for (int i = 0; i < 300; ++i)
    properties += (i ? "," : "") + ("\"p" + std::to_string(i)) + R"(":{"type":"string","default":"defaulted"})";
  ASSERT_EQ(call("POST", kCrds,
                 definition("boats", "Boat",
                            R"({"type":"object","properties":{"color":{"type":"string"},"sails":{"type":"integer"},"list":{"type":"array","items":{"type":"object","properties":{)" + properties +
                                R"(}}},"map":{"type":"object","additionalProperties":{"type":"string"}}}})"))
                .status,
            201);
  // Two hundred kilobytes that ask for half a gigabyte of defaults.
  std::string bomb = "{\"list\":[{}";
  for (int i = 0; i < 60'000; ++i) bomb += ",{}";
  bomb += "]}";
  auto made = call("POST", kBoats, boat("v2", "junk", bomb));
  EXPECT_EQ(made.status, 413) << made.text.substr(0, 300);
  EXPECT_EQ(call("GET", std::string(kBoats) + "/junk").status, 404);
  // One that grows by patches stops in time, and still goes.
  ASSERT_EQ(call("POST", kBoats, boat("v2", "ark", "{}")).status, 201);
  int status = 200, times = 0;
  for (; status == 200 && times < 10; ++times) {
    status = patch(std::string(kBoats) + "/ark", "merge-patch+json",
                   R"({"spec":{"map":{"k)" + std::to_string(times) + "\":\"" + std::string(2u << 20, 'x') + "\"}}}")
                 .status;
  }
  EXPECT_EQ(status, 413);
  EXPECT_EQ(times, 4);
  EXPECT_EQ(patch(std::string(kBoats) + "/ark", "merge-patch+json", R"({"spec":{"map":{"k0":null}}})").status, 200);
  EXPECT_EQ(call("DELETE", std::string(kBoats) + "/ark").status, 200);
}

}  // namespace
}  // namespace server
