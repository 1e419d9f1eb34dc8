// Parts of objects that subresources own: ephemeral containers, resizes, decisions on signing requests.
#include "base/strings.hpp"
#include "server/testing.hpp"

namespace server {
namespace {

class PodPartsTest : public testing::ServerTest {
 protected:
  base::Value pod() { return call("GET", pods_ + "/web").json; }
};

TEST_F(PodPartsTest, EphemeralContainers) {
  ASSERT_EQ(call("POST", pods_, pod_json("web")).status, 201);
  const std::string url = pods_ + "/web/ephemeralcontainers";
  const int64_t generation = pod().at({"metadata", "generation"}).int_or(0);
  auto reply = patch(url, "strategic-merge-patch+json",
                     R"({"metadata":{"labels":{"a":"b"}},"spec":{"ephemeralContainers":[{"name":"debug","image":"busybox"}]}})");
  EXPECT_EQ(reply.status, 200) << reply.text;
  auto now = pod();
  EXPECT_EQ(now.at({"spec", "ephemeralContainers"}).as_array().size(), 1u);
  EXPECT_TRUE(now.at({"metadata", "labels"}).is_null()) << "only the containers change";
  EXPECT_EQ(now.at({"metadata", "generation"}).int_or(0), generation + 1);
  EXPECT_EQ(call("GET", url).json["kind"].as_string(), "Pod");
  reply = patch(url, "merge-patch+json", R"({"spec":{"ephemeralContainers":null}})");
  EXPECT_EQ(reply.status, 422);
  EXPECT_NE(reply.message().find(R"(existing ephemeral containers "debug" may not be removed)"), std::string_view::npos)
      << reply.message();
  reply = patch(url, "strategic-merge-patch+json",
                R"({"spec":{"ephemeralContainers":[{"name":"debug","image":"other"}]}})");
  EXPECT_EQ(reply.status, 422);
  EXPECT_NE(reply.message().find(R"(existing ephemeral containers "debug" may not be changed)"), std::string_view::npos);
  // PUT, with a change elsewhere that is not taken.
  now.make({"spec", "ephemeralContainers"}).array().push_back(
      base::Object{{"name", "second"}, {"image", "busybox"}});
  now.make({"spec", "containers"}).array()[0].object().set("image", "other");
  reply = call("PUT", url, base::write_json(now));
  EXPECT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(pod().at({"spec", "ephemeralContainers"}).as_array().size(), 2u);
  EXPECT_EQ(pod().at({"spec", "containers"}).as_array()[0]["image"].as_string(), "kubia");
}

TEST_F(PodPartsTest, EphemeralContainersComeLater) {
  auto reply = call("POST", pods_, pod_json("web", R"(,"ephemeralContainers":[{"name":"debug","image":"busybox"}])"));
  EXPECT_EQ(reply.status, 422);
  EXPECT_EQ(reply.message(), R"(Pod "web" is invalid: spec.ephemeralContainers: Forbidden: cannot be set on create)");
}

constexpr std::string_view kResized =
    R"({"spec":{"containers":[{"name":"main","image":"other","resources":{"requests":{"cpu":"200m"},"limits":{"cpu":"1"}}}]}})";

std::string pod_with_requests(std::string_view annotations = "{}") {
  return R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","annotations":)" + std::string(annotations) +
         R"(},"spec":{"containers":[{"name":"main",)"
         R"("image":"kubia","resources":{"requests":{"cpu":"100m"},"limits":{"cpu":"1"}}}]}})";
}

TEST_F(PodPartsTest, Resize) {
  ASSERT_EQ(call("POST", pods_, pod_with_requests()).status, 201);
  const std::string url = pods_ + "/web/resize";
  auto reply = patch(url, "strategic-merge-patch+json", std::string(kResized));
  EXPECT_EQ(reply.status, 200) << reply.text;
  auto container = pod().at({"spec", "containers"}).as_array()[0];
  EXPECT_EQ(container.at({"resources", "requests", "cpu"}).as_string(), "200m");
  EXPECT_EQ(container["image"].as_string(), "kubia") << "only the resources change";
  reply = patch(url, "strategic-merge-patch+json",
                R"({"spec":{"containers":[{"name":"main","resources":{"requests":{"example.com/gpu":"1"}}}]}})");
  EXPECT_EQ(reply.status, 422);
  EXPECT_NE(reply.message().find("only cpu and memory resources are mutable"), std::string_view::npos)
      << reply.message();
  reply = patch(url, "strategic-merge-patch+json",
                R"({"spec":{"containers":[{"name":"main","resources":{"limits":{"cpu":null}}}]}})");
  EXPECT_EQ(reply.status, 422);
  EXPECT_NE(reply.message().find("resource limits cannot be removed"), std::string_view::npos) << reply.message();
  reply = patch(url, "strategic-merge-patch+json",
                R"({"spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":"1","memory":"1Gi"},)"
                R"("limits":{"cpu":"1","memory":"1Gi"}}}]}})");
  EXPECT_EQ(reply.status, 422);
  EXPECT_NE(reply.message().find("Pod QOS Class may not change as a result of resizing"), std::string_view::npos);
}

TEST_F(PodPartsTest, NoResizeWhereTheNodeCannot) {
  ASSERT_EQ(call("POST", pods_, pod_with_requests()).status, 201);
  auto status = patch(pods_ + "/web/status", "merge-patch+json",
                      R"({"status":{"phase":"Running","containerStatuses":[{"name":"main","image":"kubia","imageID":"",)"
                      R"("ready":true,"restartCount":0,"state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}})");
  ASSERT_EQ(status.status, 200) << status.text;
  auto reply = patch(pods_ + "/web/resize", "strategic-merge-patch+json", std::string(kResized));
  EXPECT_EQ(reply.status, 422);
  EXPECT_NE(reply.message().find("Pod running on node without support for resize"), std::string_view::npos)
      << reply.message();
}

// A request that openssl made: CN=ann, O=team.
constexpr std::string_view kRequest =
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIV01IOENBUUF3SFRFTU1Bb0dBMVVFQXd3RFlXNXVNUTB3Q3dZRFZRUUtEQVIwWl"
    "dGdE1Ga3dFd1lIS29aSQp6ajBDQVFZSUtvWkl6ajBEQVFjRFFnQUVFUVVGRHJuWTUrNG5JL0NVUk9yRFFGYlB3WmUvNEZPY0J6M29aNXAzClBpTVpZa3"
    "Z5cWRyeFF5SFlpMGtGNlk4RXJlNUgxUm90NG54RlBDNzhOSVpGbHFBQU1Bb0dDQ3FHU000OUJBTUMKQTBjQU1FUUNJQ3ExbjNBUm5nNFlLNGJsL2ErTm"
    "JYeDFOblNRKzdJRDJpQm5QR2t0Q0FzTUFpQVZSMHpFUUt5VgpOeTRGZzBFTlJjNE9tV1NtQmxOYm5lYm9CL3ZGcHBzbVh3PT0KLS0tLS1FTkQgQ0VSVE"
    "lGSUNBVEUgUkVRVUVTVC0tLS0tCg==";

class SigningRequestTest : public testing::ServerTest {
 protected:
  const std::string url_ = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
  void SetUp() override {
    testing::ServerTest::SetUp();
    auto reply = call("POST", url_,
                      R"({"kind":"CertificateSigningRequest","apiVersion":"certificates.k8s.io/v1","metadata":{"name":"ann"},
        "spec":{"request":")" + std::string(kRequest) +
                          R"(","signerName":"kubernetes.io/kube-apiserver-client","usages":["client auth"],
        "username":"root","uid":"1","groups":["x"],"extra":{"a":["b"]}},
        "status":{"conditions":[{"type":"Approved","status":"True"}]}})");
    ASSERT_EQ(reply.status, 201) << reply.text;
  }
  base::Value request() { return call("GET", url_ + "/ann").json; }
};

TEST_F(SigningRequestTest, TheServerSaysWhoAsks) {
  auto made = request();
  EXPECT_EQ(made.at({"spec", "username"}).as_string(), "admin");
  EXPECT_EQ(base::write_json(made.at({"spec", "groups"})), R"(["system:masters","system:authenticated"])");
  EXPECT_TRUE(made.at({"spec", "uid"}).is_null());
  EXPECT_TRUE(made.at({"spec", "extra"}).is_null());
  EXPECT_TRUE(made.at({"status", "conditions"}).is_null()) << "nobody approves himself";
}

TEST_F(SigningRequestTest, ApprovalAlone) {
  const std::string approve =
      R"({"spec":{"signerName":"a.b/c"},"status":{"certificate":"AA==","conditions":[{"type":"Approved","status":"True","reason":"Fine"}]}})";
  auto other = patch(url_ + "/ann", "merge-patch+json", approve);
  EXPECT_EQ(other.status, 200) << other.text;
  EXPECT_TRUE(request().at({"status", "conditions"}).is_null());
  EXPECT_EQ(request().at({"spec", "signerName"}).as_string(), "kubernetes.io/kube-apiserver-client");
  EXPECT_EQ(patch(url_ + "/ann/status", "merge-patch+json",
                  R"({"status":{"conditions":[{"type":"Approved","status":"True"}]}})").status,
            422);
  auto reply = patch(url_ + "/ann/approval", "merge-patch+json", approve);
  EXPECT_EQ(reply.status, 200) << reply.text;
  auto approved = request();
  const auto& condition = approved.at({"status", "conditions"}).as_array()[0];
  EXPECT_EQ(condition["reason"].as_string(), "Fine");
  EXPECT_FALSE(condition["lastUpdateTime"].as_string().empty());
  EXPECT_FALSE(condition["lastTransitionTime"].as_string().empty());
  EXPECT_TRUE(approved.at({"status", "certificate"}).is_null()) << "only the conditions change";
  EXPECT_EQ(approved.at({"spec", "signerName"}).as_string(), "kubernetes.io/kube-apiserver-client");
  auto both = patch(url_ + "/ann/approval", "merge-patch+json",
                    R"({"status":{"conditions":[{"type":"Approved","status":"True","reason":"Fine"},{"type":"Denied","status":"True"}]}})");
  EXPECT_EQ(both.status, 422) << both.text;
  // PUT, as kubectl certificate approve does it.
  approved.make({"status", "conditions"}).array()[0].object().set("message", "by hand");
  EXPECT_EQ(call("PUT", url_ + "/ann/approval", base::write_json(approved)).status, 200);
  EXPECT_EQ(request().at({"status", "conditions"}).as_array()[0]["message"].as_string(), "by hand");
}

TEST_F(SigningRequestTest, SignersIssue) {
  const std::string certificate =
      base::base64_encode("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  auto reply = patch(url_ + "/ann/status", "merge-patch+json", R"({"status":{"certificate":")" + certificate + "\"}}");
  EXPECT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(request().at({"status", "certificate"}).as_string(), certificate);
  auto table = call("GET", url_, "", {{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io"}});
  EXPECT_EQ(table.json["rows"].as_array()[0]["cells"].as_array()[5].as_string(), "Pending,Issued");
}

TEST_F(SigningRequestTest, NobodyBecomesMasterByRequest) {
  // CN=eve, O=system:masters.
  constexpr std::string_view kMaster = 
      "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIaU1JR0pBZ0VBTUNjeEREQUtCZ05WQkFNTUEyVjJaVEVYTUJV"
      "R0ExVUVDZ3dPYzNsemRHVnRPbTFoYzNSbApjbk13V1RBVEJnY3Foa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNBQVRsNm1DWmVsbDdv"
      "RW1JS2FMNFVVVXI3VzNKCnJPQ0d4NjJtRUlhMWpGSHpoaDdFdkF4aXVHRTZhVVB3VXRONUZxV0I3RnV3R2xiOVVXdGJnL2xnV0dt"
      "bG9BQXcKQ2dZSUtvWkl6ajBFQXdJRFNBQXdSUUloQVBCN3ZQa0NvSTZrc3I1TjRyWkdYU3pFYnZVSkdhb1A3S2tVNEpvMQpscFlx"
      "QWlCNTZvZndMWTNJKzVWRUVSV1Ric1RnVHFNKytTOElFMC9NbjR0VkpFWm50Zz09Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVF"
      "U1QtLS0tLQo=";
  const std::string body = R"({"kind":"CertificateSigningRequest","apiVersion":"certificates.k8s.io/v1","metadata":{"name":"eve"},
      "spec":{"request":")" + std::string(kMaster) + R"(","usages":["client auth"],"signerName":")";
  auto reply = call("POST", url_, body + R"(kubernetes.io/kube-apiserver-client"}})");
  EXPECT_EQ(reply.status, 403) << reply.text;
  EXPECT_NE(reply.message().find("system:masters group is not allowed"), std::string_view::npos);
  EXPECT_EQ(call("POST", url_, body + R"(example.com/people"}})").status, 201);
}

class AccessKindsTest : public testing::ServerTest {};

TEST_F(AccessKindsTest, ReviewsAreDescribed) {
  auto reply = call("GET", "/openapi/v3/apis/authorization.k8s.io/v1");
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.json["paths"]["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"]["post"].is_object());
  EXPECT_TRUE(reply.json["paths"]["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"]["get"].is_null());
}

TEST_F(AccessKindsTest, RolesAreMadeByPutToo) {
  const std::string url = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:reader";
  const std::string role =
      R"({"kind":"ClusterRole","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"system:reader"},
      "rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]})";
  EXPECT_EQ(call("PUT", url, role).status, 201);
  EXPECT_EQ(call("GET", url).json["rules"].as_array().size(), 1u);
}

TEST_F(AccessKindsTest, WebhooksCountTheirChanges) {
  const std::string url = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
  auto made = call("POST", url, R"({"kind":"ValidatingWebhookConfiguration","apiVersion":"admissionregistration.k8s.io/v1",
      "metadata":{"name":"checks"},"webhooks":[{"name":"a.example.com","clientConfig":{"url":"https://a.example.com/"},
      "sideEffects":"None","admissionReviewVersions":["v1"]}]})");
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.json.at({"metadata", "generation"}).int_or(0), 1);
  auto labelled = patch(url + "/checks", "merge-patch+json", R"({"metadata":{"labels":{"a":"b"}}})");
  EXPECT_EQ(labelled.json.at({"metadata", "generation"}).int_or(0), 1);
  auto changed = patch(url + "/checks", "strategic-merge-patch+json",
                       R"({"webhooks":[{"name":"a.example.com","timeoutSeconds":5}]})");
  EXPECT_EQ(changed.json.at({"metadata", "generation"}).int_or(0), 2) << changed.text;
  auto blind = changed.json;
  blind.make({"metadata"}).object().erase("resourceVersion");
  EXPECT_EQ(call("PUT", url + "/checks", base::write_json(blind)).status, 422);
}

}  // namespace
}  // namespace server
