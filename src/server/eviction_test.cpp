#include "server/testing.hpp"

namespace server {
namespace {

class EvictionTest : public testing::ServerTest {
 protected:
  const std::string budgets_ = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

  // A pod that runs on a node, ready or not.
  void make_pod(std::string_view name, bool ready = true, std::string_view phase = "Running") {
    const std::string url = pods_ + "/" + std::string(name);
    auto made = call("POST", pods_,
                     R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":")" + std::string(name) +
                         R"(","labels":{"app":"web"}},"spec":{"nodeName":"n1","terminationGracePeriodSeconds":7,)"
                         R"("containers":[{"name":"main","image":"kubia"}]}})");
    ASSERT_EQ(made.status, 201) << made.text;
    auto reply = patch(url + "/status", "merge-patch+json",
                       R"({"status":{"phase":")" + std::string(phase) +
                           R"(","conditions":[{"type":"Ready","status":")" + (ready ? "True" : "False") + "\"}]}}");
    ASSERT_EQ(reply.status, 200) << reply.text;
  }
  void make_budget(std::string_view name, std::string_view status, std::string_view spec = "") {
    auto made = call("POST", budgets_,
                     R"({"kind":"PodDisruptionBudget","apiVersion":"policy/v1","metadata":{"name":")" +
                         std::string(name) + R"("},"spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"web"}})" +
                         std::string(spec) + "}}");
    ASSERT_EQ(made.status, 201) << made.text;
    auto reply = patch(budgets_ + "/" + std::string(name) + "/status", "merge-patch+json",
                       R"({"status":)" + std::string(status) + "}");
    ASSERT_EQ(reply.status, 200) << reply.text;
  }
  testing::Reply evict(std::string_view pod, std::string_view members = "", std::string_view query = "") {
    return call("POST", pods_ + "/" + std::string(pod) + "/eviction" + std::string(query),
                R"({"kind":"Eviction","apiVersion":"policy/v1","metadata":{"name":")" + std::string(pod) +
                    R"(","namespace":"default"})" + std::string(members) + "}");
  }
  base::Value budget(std::string_view name = "web") { return call("GET", budgets_ + "/" + std::string(name)).json; }
  base::Value pod(std::string_view name) { return call("GET", pods_ + "/" + std::string(name)).json; }
  bool is_going(std::string_view name) { return !pod(name).at({"metadata", "deletionTimestamp"}).is_null(); }

  static constexpr std::string_view kOneAllowed =
      R"({"observedGeneration":1,"disruptionsAllowed":1,"currentHealthy":2,"desiredHealthy":1,"expectedPods":2})";
  static constexpr std::string_view kNoneAllowed =
      R"({"observedGeneration":1,"disruptionsAllowed":0,"currentHealthy":1,"desiredHealthy":1,"expectedPods":1})";
};

TEST_F(EvictionTest, WithoutBudgetThePodIsDeleted) {
  make_pod("a");
  auto reply = evict("a");
  EXPECT_EQ(reply.status, 201) << reply.text;
  EXPECT_EQ(reply.json["status"].as_string(), "Success");
  auto gone = pod("a");
  EXPECT_EQ(gone.at({"metadata", "deletionGracePeriodSeconds"}).int_or(0), 7);
  bool marked = false;
  for (const auto& condition : gone.at({"status", "conditions"}).as_array()) {
    if (condition["type"].as_string() != "DisruptionTarget") continue;
    marked = true;
    EXPECT_EQ(condition["reason"].as_string(), "EvictionByEvictionAPI");
  }
  EXPECT_TRUE(marked) << base::write_json(gone);
  EXPECT_EQ(evict("b").status, 404);
}

TEST_F(EvictionTest, DeleteOptionsAndDryRun) {
  make_pod("a");
  auto reply = evict("a", "", "?dryRun=All");
  EXPECT_EQ(reply.status, 201) << reply.text;
  EXPECT_FALSE(is_going("a"));
  EXPECT_EQ(evict("a", R"(,"deleteOptions":{"dryRun":["All"]})").status, 201);
  EXPECT_FALSE(is_going("a"));
  EXPECT_EQ(evict("a", R"(,"deleteOptions":{"preconditions":{"uid":"other"}})").status, 409);
  EXPECT_FALSE(is_going("a"));
  EXPECT_EQ(evict("a", R"(,"deleteOptions":{"gracePeriodSeconds":0})").status, 201);
  EXPECT_EQ(call("GET", pods_ + "/a").status, 404);
}

TEST_F(EvictionTest, WrongName) {
  make_pod("a");
  auto reply = call("POST", pods_ + "/a/eviction",
                    R"({"kind":"Eviction","apiVersion":"policy/v1","metadata":{"name":"b"}})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.message(), "name in URL does not match name in Eviction object");
}

TEST_F(EvictionTest, ABudgetIsSpent) {
  make_pod("a");
  make_pod("b");
  make_budget("web", kOneAllowed);
  EXPECT_EQ(evict("a", "", "?dryRun=All").status, 201);
  EXPECT_EQ(budget().at({"status", "disruptionsAllowed"}).int_or(-1), 1);
  EXPECT_EQ(evict("a").status, 201);
  EXPECT_TRUE(is_going("a"));
  auto spent = budget();
  EXPECT_EQ(spent.at({"status", "disruptionsAllowed"}).int_or(-1), 0);
  EXPECT_TRUE(spent.at({"status", "disruptedPods"})["a"].is_string()) << base::write_json(spent);
  EXPECT_EQ(spent.at({"status", "conditions"}).as_array()[0]["reason"].as_string(), "InsufficientPods");
  auto refused = evict("b");
  EXPECT_EQ(refused.status, 429) << refused.text;
  EXPECT_EQ(refused.reason(), "TooManyRequests");
  EXPECT_EQ(refused.message(), "Cannot evict pod as it would violate the pod's disruption budget.");
  EXPECT_TRUE(refused.headers.get("Retry-After").empty());
  const auto& cause = refused.json.at({"details", "causes"}).as_array()[0];
  EXPECT_EQ(cause["reason"].as_string(), "DisruptionBudget");
  EXPECT_EQ(cause["message"].as_string(), "The disruption budget web needs 1 healthy pods and has 2 currently");
  EXPECT_FALSE(is_going("b"));
}

TEST_F(EvictionTest, ABudgetThatIsNotSyncedYet) {
  make_pod("a");
  make_budget("web", R"({"observedGeneration":0,"disruptionsAllowed":5})");
  auto refused = evict("a");
  EXPECT_EQ(refused.status, 429) << refused.text;
  EXPECT_EQ(refused.headers.get("Retry-After"), "10");
  EXPECT_EQ(refused.json.at({"details", "causes"}).as_array()[0]["message"].as_string(),
            "The disruption budget web is still being processed by the server.");
}

TEST_F(EvictionTest, ABudgetThatFailedToSync) {
  make_pod("a");
  make_budget("web", R"({"observedGeneration":1,"disruptionsAllowed":0,"conditions":[{"type":"DisruptionAllowed",
      "status":"False","reason":"SyncFailed","message":"no scale","lastTransitionTime":"2026-01-01T00:00:00Z"}]})");
  EXPECT_EQ(evict("a").json.at({"details", "causes"}).as_array()[0]["message"].as_string(),
            "The disruption budget web does not allow evicting pods currently because it failed sync: no scale");
}

TEST_F(EvictionTest, TwoBudgetsAreTooMany) {
  make_pod("a");
  make_budget("one", kOneAllowed);
  make_budget("two", kOneAllowed);
  auto refused = evict("a");
  EXPECT_EQ(refused.status, 500);
  EXPECT_EQ(refused.message(),
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.");
  EXPECT_FALSE(is_going("a"));
}

TEST_F(EvictionTest, PodsThatServeNobodyNeedNoBudget) {
  make_budget("web", kNoneAllowed);
  make_pod("done", false, "Succeeded");
  make_pod("waiting", false, "Pending");
  EXPECT_EQ(evict("done").status, 201);
  EXPECT_EQ(evict("waiting").status, 201);
  EXPECT_EQ(budget().at({"status", "disruptionsAllowed"}).int_or(-1), 0);
}

TEST_F(EvictionTest, UnreadyPodsWereNotCounted) {
  make_pod("sick", false);
  make_budget("web", kNoneAllowed);  // enough others are healthy
  EXPECT_EQ(evict("sick").status, 201);
}

TEST_F(EvictionTest, UnreadyPodsWhenNotEnoughAreHealthy) {
  make_pod("sick", false);
  make_budget("web", R"({"observedGeneration":1,"disruptionsAllowed":0,"currentHealthy":0,"desiredHealthy":1})");
  EXPECT_EQ(evict("sick").status, 429);
  auto reply = patch(budgets_ + "/web", "merge-patch+json", R"({"spec":{"unhealthyPodEvictionPolicy":"AlwaysAllow"}})");
  ASSERT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(evict("sick").status, 201);
}

TEST_F(EvictionTest, OtherBudgetsDoNotMatter) {
  make_pod("a");
  make_budget("web", kNoneAllowed, R"(,"unhealthyPodEvictionPolicy":"IfHealthyBudget")");
  auto other = patch(pods_ + "/a", "merge-patch+json", R"({"metadata":{"labels":{"app":"db"}}})");
  ASSERT_EQ(other.status, 200);
  EXPECT_EQ(evict("a").status, 201);
}

}  // namespace
}  // namespace server
