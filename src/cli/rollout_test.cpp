#include "cli/rollout.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace cli {
namespace {

base::Value parse(std::string_view text) { return *base::parse_json(text); }
std::string text_of(const base::Value& object, int64_t revision = 0) {
  auto state = rollout_state(object, revision);
  if (!state) return "error: " + state.error().message;
  return (state->done ? "done: " : "") + state->text;
}

base::Value deployment(std::string_view status) {
  base::Value object = parse(R"({"kind":"Deployment","metadata":{"name":"web","generation":2,
    "annotations":{"deployment.kubernetes.io/revision":"3"}},"spec":{"replicas":4}})");
  object.make({"status"}) = parse(status);
  return object;
}

TEST(RolloutState, OfADeploymentGoesThroughItsSteps) {
  EXPECT_EQ(text_of(deployment(R"({"observedGeneration":1})")),
            "Waiting for deployment spec update to be observed...\n");
  EXPECT_EQ(
      text_of(deployment(R"({"observedGeneration":2,"updatedReplicas":1,"replicas":5})")),
      "Waiting for deployment \"web\" rollout to finish: 1 out of 4 new replicas have been updated...\n");
  EXPECT_EQ(text_of(deployment(R"({"observedGeneration":2,"updatedReplicas":4,"replicas":5})")),
            "Waiting for deployment \"web\" rollout to finish: 1 old replicas are pending termination...\n");
  EXPECT_EQ(text_of(deployment(
                R"({"observedGeneration":2,"updatedReplicas":4,"replicas":4,"availableReplicas":3})")),
            "Waiting for deployment \"web\" rollout to finish: 3 of 4 updated replicas are available...\n");
  auto done =
      deployment(R"({"observedGeneration":2,"updatedReplicas":4,"replicas":4,"availableReplicas":4})");
  EXPECT_EQ(text_of(done), "done: deployment \"web\" successfully rolled out\n");
  EXPECT_EQ(text_of(done, 3), text_of(done));
  EXPECT_EQ(text_of(done, 2), "error: desired revision (2) is different from the running revision (3)");
  EXPECT_EQ(
      text_of(deployment(R"({"observedGeneration":2,"conditions":[{"type":"Progressing","status":"False",
                "reason":"ProgressDeadlineExceeded"}]})")),
      "error: deployment \"web\" exceeded its progress deadline");
}

TEST(RolloutState, OfADaemonSet) {
  auto with = [](std::string_view status) {
    base::Value object = parse(R"({"kind":"DaemonSet","metadata":{"name":"d","generation":1},
      "spec":{"updateStrategy":{"type":"RollingUpdate"}}})");
    object.make({"status"}) = parse(status);
    return object;
  };
  EXPECT_EQ(
      text_of(with(R"({"observedGeneration":1,"desiredNumberScheduled":3,"updatedNumberScheduled":1})")),
      "Waiting for daemon set \"d\" rollout to finish: 1 out of 3 new pods have been updated...\n");
  EXPECT_EQ(
      text_of(with(
          R"({"observedGeneration":1,"desiredNumberScheduled":3,"updatedNumberScheduled":3,"numberAvailable":3})")),
      "done: daemon set \"d\" successfully rolled out\n");
  base::Value on_delete = with("{}");
  on_delete.make({"spec", "updateStrategy", "type"}) = "OnDelete";
  EXPECT_EQ(text_of(on_delete), "error: rollout status is only available for RollingUpdate strategy type");
}

TEST(RolloutState, OfAStatefulSet) {
  auto with = [](std::string_view status) {
    base::Value object = parse(R"({"kind":"StatefulSet","metadata":{"name":"s","generation":1},
      "spec":{"replicas":3,"updateStrategy":{"type":"RollingUpdate"}}})");
    object.make({"status"}) = parse(status);
    return object;
  };
  EXPECT_EQ(text_of(with(R"({"observedGeneration":1,"readyReplicas":2})")),
            "Waiting for 1 pods to be ready...\n");
  EXPECT_EQ(
      text_of(with(
          R"({"observedGeneration":1,"readyReplicas":3,"updatedReplicas":1,"updateRevision":"s-2","currentRevision":"s-1"})")),
      "waiting for statefulset rolling update to complete 1 pods at revision s-2...\n");
  EXPECT_EQ(
      text_of(with(
          R"({"observedGeneration":1,"readyReplicas":3,"currentReplicas":3,"updateRevision":"s-2","currentRevision":"s-2"})")),
      "done: statefulset rolling update complete 3 pods at revision s-2...\n");
}

}  // namespace
}  // namespace cli
