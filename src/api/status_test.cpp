#include "api/status.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace api {
namespace {

using base::Reason;
using base::Value;

TEST(Status, EveryReasonHasItsCode) {
  EXPECT_EQ(http_code(Reason::bad_request), 400);
  EXPECT_EQ(http_code(Reason::unauthorized), 401);
  EXPECT_EQ(http_code(Reason::forbidden), 403);
  EXPECT_EQ(http_code(Reason::not_found), 404);
  EXPECT_EQ(http_code(Reason::method_not_allowed), 405);
  EXPECT_EQ(http_code(Reason::conflict), 409);
  EXPECT_EQ(http_code(Reason::already_exists), 409);
  EXPECT_EQ(http_code(Reason::expired), 410);
  EXPECT_EQ(http_code(Reason::request_entity_too_large), 413);
  EXPECT_EQ(http_code(Reason::unsupported_media_type), 415);
  EXPECT_EQ(http_code(Reason::invalid), 422);
  EXPECT_EQ(http_code(Reason::too_many_requests), 429);
  EXPECT_EQ(http_code(Reason::internal_error), 500);
  EXPECT_EQ(http_code(Reason::service_unavailable), 503);
  EXPECT_EQ(http_code(Reason::timeout), 504);
  EXPECT_EQ(http_code(Reason::unknown), 500);
}

TEST(Status, TextsThatClientsCompare) {
  EXPECT_EQ(not_found("services", "x").message, "services \"x\" not found");
  EXPECT_EQ(not_found("deployments.apps", "x").message, "deployments.apps \"x\" not found");
  EXPECT_EQ(not_found("deployments.apps", "x").details->kind, "deployments");
  EXPECT_EQ(not_found("deployments.apps", "x").details->group, "apps");
  EXPECT_EQ(already_exists("services", "kubia").message, "services \"kubia\" already exists");
  EXPECT_EQ(conflict("services", "x").message,
            "Operation cannot be fulfilled on services \"x\": the object has been modified; please apply your changes "
            "to the latest version and try again");
  EXPECT_EQ(conflict("namespaces", "x", "why").message,
            "Operation cannot be fulfilled on namespaces \"x\": why");
  EXPECT_EQ(forbidden("services", "x", "no").message, "services \"x\" is forbidden: no");
  EXPECT_EQ(forbidden("services", "", "no").message, "services is forbidden: no");
  EXPECT_EQ(method_not_supported("pods", "patch").message, "patch is not supported on resources of kind \"pods\"");
}

TEST(Status, BodyOfNotFound) {
  EXPECT_EQ(base::write_json(make_status(not_found("services", "x"))),
            R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"services \"x\" not found",)"
            R"("reason":"NotFound","details":{"name":"x","kind":"services"},"code":404})");
}

TEST(Status, FieldErrorsSayWhatUpstreamSays) {
  EXPECT_EQ(required_field("spec.ports").text(), "spec.ports: Required value");
  EXPECT_EQ(required_field("spec.x", "why").text(), "spec.x: Required value: why");
  EXPECT_EQ(invalid_field("spec.ports[0].port", 70000, "must be between 1 and 65535, inclusive").text(),
            "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive");
  EXPECT_EQ(invalid_field("a", "b\"c", "no").text(), "a: Invalid value: \"b\\\"c\": no");
  EXPECT_EQ(invalid_field("a", base::Array{"x"}, "no").text(), "a: Invalid value: [\"x\"]: no");
  EXPECT_EQ(unsupported_field("spec.type", "x", {"ClusterIP", "ExternalName"}).text(),
            "spec.type: Unsupported value: \"x\": supported values: \"ClusterIP\", \"ExternalName\"");
  EXPECT_EQ(forbidden_field("spec", "no").text(), "spec: Forbidden: no");
  EXPECT_EQ(duplicate_field("a", "x").text(), "a: Duplicate value: \"x\"");
  EXPECT_EQ(not_found_field("a", "x").text(), "a: Not found: \"x\"");
  EXPECT_EQ(too_long_field("a", 63).text(), "a: Too long: may not be more than 63 bytes");
  EXPECT_EQ(too_many_field("a", 9, 8).text(), "a: Too many: 9: must have at most 8 items");
}

TEST(Status, InvalidListsEveryCauseAndEachTextOnce) {
  auto one = invalid("", "Service", "x", {required_field("spec.ports")});
  EXPECT_EQ(one.message, "Service \"x\" is invalid: spec.ports: Required value");
  auto two = invalid("apps", "Deployment", "x", {required_field("a"), required_field("b"), required_field("a")});
  EXPECT_EQ(two.message, "Deployment.apps \"x\" is invalid: [a: Required value, b: Required value]");
  ASSERT_EQ(two.details->causes.size(), 3u);
  EXPECT_EQ(two.details->causes[0].reason, "FieldValueRequired");
  EXPECT_EQ(two.details->causes[0].message, "Required value");
  EXPECT_EQ(two.details->causes[1].field, "b");
  EXPECT_EQ(two.details->kind, "Deployment");
}

TEST(Status, ComesBackFromItsBody) {
  auto sent = invalid("", "Pod", "p", {invalid_field("spec.x", 1, "no"), required_field("spec.y")});
  auto got = error_from_status(make_status(sent), 422);
  EXPECT_EQ(got.reason, Reason::invalid);
  EXPECT_EQ(got.message, sent.message);
  ASSERT_TRUE(got.details);
  EXPECT_EQ(got.details->causes.size(), 2u);
  EXPECT_EQ(got.details->causes[1].field, "spec.y");
  EXPECT_EQ(error_from_status(make_status(too_many_requests("later", 7)), 429).details->retry_after_seconds, 7);
}

TEST(Status, AnAnswerThatIsNoStatusStillHasAReason) {
  auto error = error_from_status(Value(), 404);
  EXPECT_EQ(error.reason, Reason::not_found);
  EXPECT_NE(error.message.find("404"), std::string::npos);
  EXPECT_EQ(error_from_status(Value("html"), 502).reason, Reason::internal_error);
}

}  // namespace
}  // namespace api
