#include "controllers/deployment/status.hpp"

#include <gtest/gtest.h>

#include "controllers/deployment/make_sets_test.hpp"

namespace controllers {
namespace {

using std::chrono::seconds;

struct Progress {
  std::string value;
  std::string reason;
  std::string message;
};
Progress progress_of(const api::DeploymentStatus& status) {
  const auto* condition = condition_of(status, "Progressing");
  if (!condition) return {};
  return {condition->status, condition->reason, condition->message};
}

Sets sets_of(const api::Deployment& deployment, const SetShape& shape) {
  return sort_sets(deployment, {set_of(shape)});
}

TEST(CountStatus, SumsUpAndKnowsAvailability) {
  auto deployment = make_deployment(4, "v2");
  set_limits(deployment, 1, 1);
  Sets sets = sort_sets(deployment, {set_of({.image = "v1", .size = 3, .available = 2}),
                                     set_of({.image = "v2", .size = 2, .available = 1, .created = 1})});
  auto status = count_status(deployment, sets, at_second(0));
  EXPECT_EQ(status.replicas, 5);
  EXPECT_EQ(status.updated_replicas, 2);
  EXPECT_EQ(status.available_replicas, 3);
  EXPECT_EQ(status.unavailable_replicas, 2);
  EXPECT_EQ(status.observed_generation, 3);
  EXPECT_EQ(status.terminating_replicas, 0);
  EXPECT_EQ(condition_of(status, "Available")->status, "True");
  set_limits(deployment, 1, 0);
  status = count_status(deployment, sets, at_second(0));
  EXPECT_EQ(condition_of(status, "Available")->status, "False");
  EXPECT_EQ(condition_of(status, "Available")->reason, "MinimumReplicasUnavailable");
}

TEST(RolloutStatus, FromCreatedToAvailable) {
  auto deployment = make_deployment(2, "v1");
  set_condition(deployment.status, "Progressing", "True", "NewReplicaSetCreated", "Created", at_second(0));
  auto plan = plan_rollout_status(deployment, sets_of(deployment, {.image = "v1", .size = 2, .replicas = 0}),
                                  at_second(1));
  EXPECT_EQ(progress_of(plan.status).reason, "NewReplicaSetCreated");
  EXPECT_EQ(plan.look_again, seconds(599) + std::chrono::milliseconds(1));

  deployment.status = plan.status;
  plan = plan_rollout_status(deployment, sets_of(deployment, {.image = "v1", .size = 2, .available = 1}),
                             at_second(5));
  EXPECT_EQ(progress_of(plan.status).reason, "ReplicaSetUpdated");
  EXPECT_TRUE(progress_of(plan.status).message.ends_with("\" is progressing."));
  EXPECT_EQ(condition_of(plan.status, "Progressing")->last_update_time, base::format_time(at_second(5)));
  EXPECT_EQ(condition_of(plan.status, "Progressing")->last_transition_time, base::format_time(at_second(0)));

  deployment.status = plan.status;
  Sets done = sets_of(deployment, {.image = "v1", .size = 2});
  plan = plan_rollout_status(deployment, done, at_second(9));
  EXPECT_TRUE(is_complete(deployment, plan.status));
  EXPECT_EQ(progress_of(plan.status).reason, "NewReplicaSetAvailable");
  EXPECT_EQ(progress_of(plan.status).message,
            "ReplicaSet \"" + done.current->metadata.name + "\" has successfully progressed.");
  EXPECT_FALSE(plan.look_again);

  deployment.status = plan.status;
  plan = plan_rollout_status(deployment, done, at_second(99));
  EXPECT_TRUE(same_status(plan.status, deployment.status)) << "it would be written forever";
  // A pod that fails later is no rollout: nothing counts down.
  plan = plan_rollout_status(deployment, sets_of(deployment, {.image = "v1", .size = 2, .available = 1}),
                             at_second(9'999));
  EXPECT_EQ(progress_of(plan.status).reason, "NewReplicaSetAvailable");
  EXPECT_FALSE(plan.look_again);
}

TEST(RolloutStatus, TheDeadlineIsUpOnlyWithoutProgress) {
  auto deployment = make_deployment(2, "v1");
  deployment.spec.progress_deadline_seconds = 60;
  set_condition(deployment.status, "Progressing", "True", "ReplicaSetUpdated", "m", at_second(0));
  deployment.status.replicas = deployment.status.updated_replicas = 2;
  Sets stuck = sets_of(deployment, {.image = "v1", .size = 2, .available = 0});
  auto plan = plan_rollout_status(deployment, stuck, at_second(60));
  EXPECT_EQ(progress_of(plan.status).value, "True");
  ASSERT_TRUE(plan.look_again);
  plan = plan_rollout_status(deployment, stuck, at_second(60) + *plan.look_again);
  EXPECT_EQ(progress_of(plan.status).value, "False");
  EXPECT_EQ(progress_of(plan.status).reason, "ProgressDeadlineExceeded");
  deployment.status = plan.status;
  plan = plan_rollout_status(deployment, stuck, at_second(999));
  EXPECT_TRUE(same_status(plan.status, deployment.status));
  // It is never too late.
  plan = plan_rollout_status(deployment, sets_of(deployment, {.image = "v1", .size = 2, .available = 1}),
                             at_second(1'000));
  EXPECT_EQ(progress_of(plan.status).reason, "ReplicaSetUpdated");
  deployment.spec.progress_deadline_seconds = 2'147'483'647;
  EXPECT_EQ(progress_of(plan_rollout_status(deployment, stuck, at_second(60)).status).reason, "");
}

TEST(RolloutStatus, AFailureOfTheNewSetComesFirst) {
  auto deployment = make_deployment(2, "v2");
  auto fail = [](SetShape shape, const std::string& message) {
    auto set = make_replica_set(shape);
    auto& condition = set.status.conditions.emplace_back();
    condition.type = "ReplicaFailure";
    condition.status = "True";
    condition.reason = "FailedCreate";
    condition.message = message;
    condition.last_transition_time = base::format_time(at_second(3));
    return share_set(set);
  };
  Sets sets =
      sort_sets(deployment, {fail({.image = "v1"}, "old"), fail({.image = "v2", .created = 1}, "new")});
  auto plan = plan_rollout_status(deployment, sets, at_second(9));
  ASSERT_TRUE(condition_of(plan.status, "ReplicaFailure"));
  EXPECT_EQ(condition_of(plan.status, "ReplicaFailure")->message, "new");
  EXPECT_EQ(condition_of(plan.status, "ReplicaFailure")->last_update_time, base::format_time(at_second(3)));
  deployment.status = plan.status;
  plan = plan_rollout_status(deployment, sets_of(deployment, {.image = "v2"}), at_second(9));
  EXPECT_FALSE(condition_of(plan.status, "ReplicaFailure"));
}

TEST(NotePause, TheDeadlineDoesNotRunWhilePaused) {
  auto deployment = make_deployment(2, "v2");
  deployment.spec.paused = true;
  auto& status = deployment.status;
  note_pause(deployment, status, at_second(0));
  EXPECT_EQ(progress_of(status).value, "Unknown");
  EXPECT_EQ(progress_of(status).reason, "DeploymentPaused");
  deployment.spec.paused = false;
  note_pause(deployment, status, at_second(5'000));
  EXPECT_EQ(progress_of(status).reason, "DeploymentResumed");
  auto plan = plan_rollout_status(deployment, sets_of(deployment, {.image = "v2", .size = 2, .replicas = 0}),
                                  at_second(5'001));
  EXPECT_EQ(plan.look_again, seconds(599) + std::chrono::milliseconds(1)) << "it runs from the resumption";
}

}  // namespace
}  // namespace controllers
