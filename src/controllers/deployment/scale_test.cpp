#include "controllers/deployment/scale.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "controllers/deployment/make_sets_test.hpp"
#include "controllers/deployment/status.hpp"

namespace controllers {
namespace {

using testing::IsEmpty;

// "kubia:v1=3 kubia:v2=2", in the order of the plan.
std::string text_of(const std::vector<Resize>& sizes) {
  std::string out;
  for (const auto& [set, replicas] : sizes) {
    out += (out.empty() ? "" : " ") + set->spec.template_.spec.containers[0].image + "=" +
           std::to_string(replicas);
  }
  return out;
}

TEST(LimitsOf, SurgeIsRoundedUpAndUnavailableDown) {
  auto deployment = make_deployment(10);
  set_limits(deployment, "25%", "25%");
  EXPECT_EQ(limits_of(deployment).surge, 3);
  EXPECT_EQ(limits_of(deployment).unavailable, 2);
  set_limits(deployment, 2, 0);
  EXPECT_EQ(limits_of(deployment).surge, 2);
  EXPECT_EQ(limits_of(deployment).unavailable, 0);
  deployment.spec.replicas = 3;
  set_limits(deployment, "0%", "10%");
  EXPECT_EQ(limits_of(deployment).unavailable, 1) << "both were nothing";
  set_limits(deployment, 1, 50);
  EXPECT_EQ(limits_of(deployment).unavailable, 3);
  deployment.spec.strategy->type = "Recreate";
  EXPECT_EQ(most_replicas(deployment), 3);
}

struct Rolling {
  Sets sets;
  api::Deployment deployment;
};
Rolling rolling(int64_t replicas, api::IntOrString surge, api::IntOrString unavailable, const SetShape& old,
                const SetShape& current) {
  Rolling out{.sets = {}, .deployment = make_deployment(replicas, "v2")};
  set_limits(out.deployment, std::move(surge), std::move(unavailable));
  SetShape first = old;
  first.image = "v1";
  SetShape second = current;
  second.image = "v2";
  second.created = 1;
  out.sets = sort_sets(out.deployment, {set_of(first), set_of(second)});
  return out;
}
std::string step(const Rolling& r) { return text_of(plan_rolling(r.deployment, r.sets)); }

TEST(PlanRolling, GoesStepByStep) {
  EXPECT_EQ(step(rolling(4, 1, 0, {.size = 4}, {.size = 0})), "v2=1");
  EXPECT_EQ(step(rolling(4, 1, 0, {.size = 4}, {.size = 1, .available = 0})), "");
  EXPECT_EQ(step(rolling(4, 1, 0, {.size = 4}, {.size = 1})), "v1=3");
  EXPECT_EQ(step(rolling(4, 1, 0, {.size = 3}, {.size = 1})), "v2=2");
  EXPECT_EQ(step(rolling(4, 0, 1, {.size = 4}, {.size = 0})), "v1=3");
  EXPECT_EQ(step(rolling(4, 1, 1, {.size = 4}, {.size = 0})), "v2=1 v1=3");
  EXPECT_EQ(step(rolling(4, 1, 0, {.size = 1}, {.size = 4})), "v1=0");
  EXPECT_EQ(step(rolling(4, 1, 0, {.size = 0}, {.size = 4})), "");
}

TEST(PlanRolling, APodThatIsStillThereTakesItsPlace) {
  EXPECT_EQ(step(rolling(4, 1, 0, {.size = 3, .replicas = 4}, {.size = 1})), "");
}

TEST(PlanRolling, WhatDoesNotServeGoesFirst) {
  // Two of the old ones never became available; they may go although nothing new is there yet.
  EXPECT_EQ(step(rolling(4, 1, 1, {.size = 4, .available = 2}, {.size = 1, .available = 0})), "v1=3");
  EXPECT_EQ(step(rolling(10, 3, 2, {.size = 8, .available = 7}, {.size = 5, .available = 0})), "");
  // A broken rollout, undone: the pods of the broken set make room.
  EXPECT_EQ(step(rolling(10, 3, 2, {.size = 5, .available = 0}, {.size = 8})), "v1=0");
}

TEST(PlanRolling, TheCurrentSetShrinksToWhatIsWanted) {
  EXPECT_EQ(step(rolling(2, 1, 0, {.size = 0}, {.size = 5})), "v2=2");
}

TEST(Recreate, WaitsForThePodsOfTheOldSets) {
  auto deployment = make_deployment(2, "v2");
  deployment.spec.strategy.emplace().type = "Recreate";
  auto old = make_replica_set({.image = "v1", .size = 2});
  EXPECT_EQ(text_of(plan_recreate_down(sort_sets(deployment, {share_set(old)}))), "v1=0");
  auto gone = [&] { return are_old_pods_gone(sort_sets(deployment, {share_set(old)})); };
  EXPECT_FALSE(gone());
  old.spec.replicas = 0;
  old.metadata.generation = 2;
  old.status.replicas = 0;
  EXPECT_FALSE(gone()) << "the status is of an older spec";
  old.status.observed_generation = 2;
  old.status.terminating_replicas = 1;
  EXPECT_FALSE(gone());
  old.status.terminating_replicas = 0;
  EXPECT_TRUE(gone());
}

TEST(Scaling, IsSeenByTheAnnotation) {
  auto deployment = make_deployment(5, "v2");
  EXPECT_TRUE(
      is_scaling(deployment, sort_sets(deployment, {set_of({.image = "v2", .size = 3, .desired = 3})})));
  EXPECT_FALSE(
      is_scaling(deployment, sort_sets(deployment, {set_of({.image = "v2", .size = 3, .desired = 5})})));
  EXPECT_FALSE(
      is_scaling(deployment, sort_sets(deployment, {set_of({.image = "v2", .size = 0, .desired = 3})})));
}

TEST(PlanShare, OneSetGetsAll) {
  auto deployment = make_deployment(5, "v2");
  auto plan = [&](const std::vector<SetPtr>& sets) {
    return text_of(plan_share(deployment, sort_sets(deployment, sets)));
  };
  EXPECT_EQ(plan({set_of({.image = "v1", .size = 3}), set_of({.image = "v2", .created = 1})}), "v1=5");
  EXPECT_EQ(plan({set_of({.image = "v1"}), set_of({.image = "v2", .created = 1})}), "v2=5");
  EXPECT_EQ(plan({set_of({.image = "v0"}), set_of({.image = "v1", .created = 1})}), "v1=5") << "the newest";
  EXPECT_EQ(plan({set_of({.image = "v2", .size = 5, .desired = 4, .most = 5})}), "v2=5")
      << "the annotation is behind";
  EXPECT_THAT(plan({set_of({.image = "v2", .size = 5, .desired = 5, .most = 7})}), IsEmpty());
}

TEST(PlanShare, ASaturatedSetNeedsNoOldOnes) {
  auto deployment = make_deployment(5, "v2");
  Sets sets =
      sort_sets(deployment, {set_of({.image = "v1", .size = 2, .desired = 5, .most = 7}),
                             set_of({.image = "v2", .size = 5, .created = 1, .desired = 5, .most = 7})});
  EXPECT_EQ(text_of(plan_share(deployment, sets)), "v1=0");
}

TEST(PlanShare, InARolloutSetsGrowAndShrinkInProportion) {
  auto deployment = make_deployment(15, "v2");
  set_limits(deployment, 3, 2);
  auto sets_of = [&](int64_t old, int64_t now) {
    return sort_sets(
        deployment,
        {set_of({.image = "v1", .size = old, .available = 0, .desired = 10, .most = 13}),
         set_of({.image = "v2", .size = now, .available = 0, .created = 1, .desired = 10, .most = 13})});
  };
  // The example of the documentation: 8 and 5 of 10 (+3) become 11 and 7 of 15 (+3).
  EXPECT_EQ(text_of(plan_share(deployment, sets_of(8, 5))), "v1=11 v2=7");
  deployment.spec.replicas = 5;
  EXPECT_EQ(text_of(plan_share(deployment, sets_of(8, 5))), "v1=5 v2=3");
  deployment.spec.replicas = 0;
  EXPECT_EQ(text_of(plan_share(deployment, sets_of(8, 5))), "v1=0 v2=0");
}

// ---- a cluster in miniature: sets whose pods come, become available, fail and go in any order
// ---------------------

class Cluster {
 public:
  explicit Cluster(unsigned seed) : random_(seed) {
    deployment_ = make_deployment(roll(7), "v0");
    pick_limits();
  }

  void run() {
    for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i) {
      int what = roll(12);
      if (what == 0)
        change_image();
      else if (what < 6)
        controller();
      else if (what < 9)
        replica_sets();
      else
        pods();
      check();
    }
    for (int i = 0; i < 400 && !finished(); ++i) controller(), replica_sets(), settle_pods(), check();
    EXPECT_TRUE(finished()) << "the rollout stands still: " << describe();
  }

 private:
  struct PodsOf {
    int64_t waiting = 0;
    int64_t available = 0;
  };
  int roll(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  void pick_limits() {
    static const char* percents[] = {"0%", "10%", "25%", "34%", "50%", "100%"};
    auto pick = [&]() -> api::IntOrString {
      if (roll(2)) return roll(4);
      return percents[roll(6)];
    };
    set_limits(deployment_, pick(), pick());
  }
  void change_image() { deployment_.spec.template_.spec.containers[0].image = "v" + std::to_string(roll(4)); }

  // As the controller does: from statuses that may be old, never from the pods.
  void controller() {
    std::vector<SetPtr> all;
    for (const auto& [name, set] : sets_) all.push_back(share_set(set));
    Sets sets = sort_sets(deployment_, all);
    if (!sets.current) {
      auto set = make_set(deployment_, next_revision(sets), plan_new_size(deployment_, sets), 0);
      set.metadata.uid = set.metadata.name;
      set.metadata.creation_timestamp = base::format_time(at_second(++clock_));
      sets.current = share_set(sets_[set.metadata.name] = set);
    }
    for (const auto& [set, replicas] : plan_rolling(deployment_, sets))
      sets_[set->metadata.name].spec.replicas = replicas;
  }
  // The ReplicaSet controller at some of the sets: pods that wait go first.
  void replica_sets() {
    for (auto& [name, set] : sets_) {
      if (roll(3) == 0) continue;
      auto& pods = pods_[name];
      int64_t size = *set.spec.replicas;
      while (pods.waiting + pods.available < size) ++pods.waiting;
      while (pods.waiting + pods.available > size) --(pods.waiting ? pods.waiting : pods.available);
      report(name, set);
    }
  }
  void report(const std::string& name, api::ReplicaSet& set) {
    set.status.replicas = pods_[name].waiting + pods_[name].available;
    set.status.available_replicas = pods_[name].available;
  }
  // Availability is lost only where the status says so: what the controller cannot know is not its fault.
  void pods() {
    for (auto& [name, pods] : pods_) {
      if (pods.waiting && roll(2)) --pods.waiting, ++pods.available;
      if (roll(2)) report(name, sets_[name]);
    }
  }
  void settle_pods() {
    for (auto& [name, pods] : pods_) {
      pods.available += std::exchange(pods.waiting, 0);
      report(name, sets_[name]);
    }
  }

  int64_t pods_there() {
    int64_t sum = 0;
    for (const auto& [name, pods] : pods_) sum += pods.available + pods.waiting;
    return sum;
  }
  // Available, and not told to go.
  int64_t staying() {
    int64_t sum = 0;
    for (const auto& [name, pods] : pods_) sum += std::min(pods.available, *sets_[name].spec.replicas);
    return sum;
  }
  int64_t known() {
    int64_t sum = 0;
    for (const auto& [name, set] : sets_)
      sum += std::min(set.status.available_replicas.value_or(0), *set.spec.replicas);
    return sum;
  }
  void check() {
    int64_t sizes = 0;
    for (const auto& [name, set] : sets_) sizes += *set.spec.replicas;
    EXPECT_LE(sizes, most_replicas(deployment_)) << describe();
    EXPECT_LE(pods_there(), most_replicas(deployment_)) << describe();
    // From when there were enough for the first time, as far as anybody knew, there are always enough.
    const int64_t least = wanted_replicas(deployment_) - limits_of(deployment_).unavailable;
    if (known() >= least) was_enough_ = true;
    if (was_enough_) EXPECT_GE(staying(), least) << describe();
  }
  bool finished() {
    int64_t wanted = wanted_replicas(deployment_);
    for (const auto& [name, set] : sets_) {
      bool current = same_template(set.spec.template_, deployment_.spec.template_);
      int64_t size = current ? wanted : 0;
      if (*set.spec.replicas != size || pods_[name].available != size || pods_[name].waiting) return false;
    }
    return true;
  }
  std::string describe() {
    std::string out = "wanted " + std::to_string(wanted_replicas(deployment_)) + ", surge " +
                      std::to_string(limits_of(deployment_).surge) + ", unavailable " +
                      std::to_string(limits_of(deployment_).unavailable);
    for (const auto& [name, set] : sets_) {
      out += "; " + set.spec.template_.spec.containers[0].image + " " + std::to_string(*set.spec.replicas) +
             ": " + std::to_string(pods_[name].available) + "+" + std::to_string(pods_[name].waiting);
    }
    return out;
  }

  std::mt19937 random_;
  api::Deployment deployment_;
  std::map<std::string, api::ReplicaSet> sets_;
  std::map<std::string, PodsOf> pods_;
  int clock_ = 0;
  bool was_enough_ = false;
};

TEST(PlanRolling, NoHistoryBreaksTheLimitsAndEveryOneEnds) {
  for (unsigned seed = 0; seed < 400 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Cluster(seed).run();
  }
}

}  // namespace
}  // namespace controllers
