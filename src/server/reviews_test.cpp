// Reviews, component statuses and bindings: what is answered without being stored.
#include "base/strings.hpp"
#include "server/testing.hpp"

namespace server {
namespace {

class ReviewsTest : public testing::ServerTest {
 protected:
  testing::Reply review(std::string_view group, std::string_view plural, std::string_view kind,
                        const std::string& members, std::string_view space = "") {
    std::string url = "/apis/" + std::string(group) + "/v1/";
    if (!space.empty()) url += "namespaces/" + std::string(space) + "/";
    return call("POST", url + std::string(plural),
                R"({"kind":")" + std::string(kind) + R"(","apiVersion":")" + std::string(group) + R"(/v1")" +
                    (members.empty() ? "" : "," + members) + "}");
  }
  testing::Reply access(std::string_view kind, const std::string& members, std::string_view space = "") {
    return review("authorization.k8s.io", base::to_lower(kind) + "s", kind, members, space);
  }
};

TEST_F(ReviewsTest, WhoAmI) {
  auto reply = review("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", "");
  EXPECT_EQ(reply.status, 201) << reply.text;
  EXPECT_EQ(reply.json["kind"].as_string(), "SelfSubjectReview");
  EXPECT_EQ(reply.json["apiVersion"].as_string(), "authentication.k8s.io/v1");
  const auto& user = reply.json.at({"status", "userInfo"});
  EXPECT_EQ(base::write_json(user), R"({"username":"admin","groups":["system:masters","system:authenticated"]})");
  EXPECT_FALSE(reply.json.at({"metadata", "creationTimestamp"}).as_string().empty());
}

TEST_F(ReviewsTest, NobodyIsBelievedAboutTheAnswer) {
  auto reply = review("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview",
                      R"("status":{"userInfo":{"username":"root"}})");
  EXPECT_EQ(reply.json.at({"status", "userInfo", "username"}).as_string(), "admin");
}

TEST_F(ReviewsTest, MayI) {
  auto reply = access("SelfSubjectAccessReview",
                      R"("spec":{"resourceAttributes":{"verb":"delete","resource":"pods","namespace":"default"}})");
  EXPECT_EQ(reply.status, 201) << reply.text;
  EXPECT_EQ(base::write_json(reply.json["status"]), R"({"allowed":true})");
  EXPECT_EQ(reply.json.at({"spec", "resourceAttributes", "resource"}).as_string(), "pods");
  reply = access("SelfSubjectAccessReview", R"("spec":{"nonResourceAttributes":{"verb":"get","path":"/metrics"}})");
  EXPECT_EQ(base::write_json(reply.json["status"]), R"({"allowed":true})");
}

TEST_F(ReviewsTest, MaySomebody) {
  const std::string attributes = R"("resourceAttributes":{"verb":"get","resource":"pods","namespace":"default"})";
  auto reply = access("SubjectAccessReview", R"("spec":{"user":"ann",)" + attributes + "}");
  EXPECT_EQ(reply.status, 201) << reply.text;
  EXPECT_TRUE(reply.json.at({"status", "allowed"}).as_bool());
  // Without a name there is no user: what authorize() says of the anonymous.
  reply = access("SubjectAccessReview", R"("spec":{"groups":["g"],)" + attributes + "}");
  EXPECT_EQ(reply.status, 201) << reply.text;
  EXPECT_FALSE(reply.json.at({"status", "allowed"}).as_bool(true));
  EXPECT_NE(reply.json.at({"status", "reason"}).as_string().find("cannot get"), std::string_view::npos);
}

TEST_F(ReviewsTest, WrongQuestions) {
  struct Row {
    const char* kind;
    const char* members;
    const char* message;
  };
  const Row rows[] = {
      {"SelfSubjectAccessReview", R"("spec":{})",
       R"(SelfSubjectAccessReview.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null: )"
       "exactly one of nonResourceAttributes or resourceAttributes must be specified"},
      {"SubjectAccessReview", R"("spec":{"resourceAttributes":{"verb":"get"}})",
       R"(SubjectAccessReview.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or )"
       "group must be specified"},
  };
  for (const auto& row : rows) {
    auto reply = access(row.kind, row.members);
    EXPECT_EQ(reply.status, 422) << reply.text;
    EXPECT_EQ(reply.message(), row.message);
  }
  auto both = access("SelfSubjectAccessReview",
                     R"("spec":{"resourceAttributes":{"verb":"get"},"nonResourceAttributes":{"verb":"get"}})");
  EXPECT_NE(both.message().find("cannot be specified in combination with resourceAttributes"), std::string_view::npos);
  auto selector = access("SelfSubjectAccessReview",
                         R"("spec":{"resourceAttributes":{"verb":"list","labelSelector":{}}})");
  EXPECT_NE(selector.message().find("spec.resourceAttributes.labelSelector.requirements: Required value: when "
                                    "spec.resourceAttributes.labelSelector is specified, requirements or rawSelector is "
                                    "required"),
            std::string_view::npos)
      << selector.message();
  auto named = access("SelfSubjectAccessReview",
                      R"("metadata":{"name":"x"},"spec":{"resourceAttributes":{"verb":"get"}})");
  EXPECT_EQ(named.status, 422);
  EXPECT_NE(named.message().find("must be empty"), std::string_view::npos);
}

TEST_F(ReviewsTest, MaySomebodyHere) {
  auto reply = access("LocalSubjectAccessReview",
                      R"("spec":{"user":"ann","resourceAttributes":{"verb":"get","namespace":"default"}})", "default");
  EXPECT_EQ(reply.status, 201) << reply.text;
  EXPECT_EQ(reply.json.at({"metadata", "namespace"}).as_string(), "default");
  EXPECT_TRUE(reply.json.at({"status", "allowed"}).as_bool());
  reply = access("LocalSubjectAccessReview",
                 R"("spec":{"user":"ann","resourceAttributes":{"verb":"get","namespace":"other"}})", "default");
  EXPECT_EQ(reply.status, 422);
  EXPECT_NE(reply.message().find("spec.resourceAttributes.namespace: Invalid value: \"other\": must match "
                                 "metadata.namespace"),
            std::string_view::npos)
      << reply.message();
  reply = access("LocalSubjectAccessReview", R"("spec":{"user":"ann","nonResourceAttributes":{"verb":"get"}})",
                 "default");
  EXPECT_NE(reply.message().find("disallowed on this kind of request"), std::string_view::npos);
}

TEST_F(ReviewsTest, WhatMayIDo) {
  auto reply = access("SelfSubjectRulesReview", R"("spec":{"namespace":"default"})");
  EXPECT_EQ(reply.status, 201) << reply.text;
  EXPECT_EQ(base::write_json(reply.json["status"]),
            R"({"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}],)"
            R"("nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}],"incomplete":false})");
  reply = access("SelfSubjectRulesReview", R"("spec":{})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.message(), "no namespace on request");
}

TEST_F(ReviewsTest, Tokens) {
  auto reply = review("authentication.k8s.io", "tokenreviews", "TokenReview", R"("spec":{"token":"abc"})");
  EXPECT_EQ(reply.status, 201) << reply.text;
  EXPECT_FALSE(reply.json.at({"status", "authenticated"}).as_bool());
  EXPECT_FALSE(reply.json.at({"status", "error"}).as_string().empty());
  reply = review("authentication.k8s.io", "tokenreviews", "TokenReview", R"("spec":{})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.message(), "token is required for TokenReview in authentication");
}

TEST_F(ReviewsTest, YamlAndStrictness) {
  auto reply = call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                    "kind: SelfSubjectAccessReview\napiVersion: authorization.k8s.io/v1\nspec:\n"
                    "  resourceAttributes: {verb: get, resource: pods}\n",
                    {{"Content-Type", "application/yaml"}});
  EXPECT_EQ(reply.status, 201) << reply.text;
  reply = call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews?fieldValidation=Strict",
               R"({"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"what":1}})");
  EXPECT_EQ(reply.status, 400) << reply.text;
}

TEST_F(ReviewsTest, NothingIsKept) {
  EXPECT_EQ(call("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").status, 405);
  EXPECT_EQ(call("GET", "/apis/authentication.k8s.io/v1/tokenreviews/x").status, 405);
}

TEST_F(ReviewsTest, ComponentStatuses) {
  auto list = call("GET", "/api/v1/componentstatuses");
  EXPECT_EQ(list.status, 200) << list.text;
  EXPECT_EQ(list.json["kind"].as_string(), "ComponentStatusList");
  ASSERT_EQ(list.json["items"].as_array().size(), 3u);
  const auto& store = list.json["items"].as_array()[1];
  EXPECT_EQ(store.at({"metadata", "name"}).as_string(), "etcd-0");
  EXPECT_EQ(store["conditions"].as_array()[0]["status"].as_string(), "True");
  auto one = call("GET", "/api/v1/componentstatuses/scheduler");
  EXPECT_EQ(one.status, 200) << one.text;
  EXPECT_EQ(one.json["conditions"].as_array()[0]["status"].as_string(), "Unknown");
  EXPECT_EQ(call("GET", "/api/v1/componentstatuses/kettle").status, 404);
  auto chosen = call("GET", "/api/v1/componentstatuses?fieldSelector=metadata.name%3Detcd-0");
  EXPECT_EQ(chosen.json["items"].as_array().size(), 1u) << chosen.text;
  EXPECT_EQ(call("POST", "/api/v1/componentstatuses", "{}").status, 405);
}

TEST_F(ReviewsTest, BindingsByTheirOwnPath) {
  ASSERT_EQ(call("POST", pods_, pod_json("web")).status, 201);
  const std::string url = "/api/v1/namespaces/default/bindings";
  auto reply = call("POST", url, R"({"kind":"Binding","apiVersion":"v1","metadata":{"name":"web"},"target":{"kind":"Node","name":"n1"}})");
  EXPECT_EQ(reply.status, 201) << reply.text;
  EXPECT_EQ(call("GET", pods_ + "/web").json.at({"spec", "nodeName"}).as_string(), "n1");
  reply = call("POST", url, R"({"kind":"Binding","apiVersion":"v1","target":{"name":"n1"}})");
  EXPECT_EQ(reply.status, 422) << reply.text;
}

}  // namespace
}  // namespace server
