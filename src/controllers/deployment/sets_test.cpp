#include "controllers/deployment/sets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/deployment/make_sets_test.hpp"
#include "controllers/pods.hpp"

namespace controllers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::UnorderedElementsAre;

TEST(TemplateHash, HasTheFormOfUpstreams) {
  auto deployment = make_deployment(1);
  std::string hash = template_hash(deployment.spec.template_, std::nullopt);
  EXPECT_THAT(hash, MatchesRegex("[bcdfghjklmnpqrstvwxz2456789]+"));
  EXPECT_LE(hash.size(), 10u);
  EXPECT_EQ(hash, template_hash(deployment.spec.template_, std::nullopt));
  EXPECT_NE(hash, template_hash(deployment.spec.template_, 1));
  EXPECT_NE(template_hash(deployment.spec.template_, 2), template_hash(deployment.spec.template_, 1));
  EXPECT_NE(hash, template_hash(make_deployment(1, "kubia:v2").spec.template_, std::nullopt));
}

TEST(MakeSet, ComesFromTheDeployment) {
  auto deployment = make_deployment(3);
  deployment.spec.min_ready_seconds = 5;
  deployment.metadata.annotations = {
      {"note", "n"}, {kRevision, "7"}, {"kubectl.kubernetes.io/last-applied-configuration", "{}"}};
  api::ReplicaSet set = make_set(deployment, 2, 3, 4);
  std::string hash = template_hash(deployment.spec.template_, std::nullopt);
  EXPECT_EQ(set.metadata.name, "kubia-" + hash);
  const Labels labels = {{"app", "kubia"}, {kTemplateHashLabel, hash}};
  EXPECT_EQ(set.metadata.labels, labels);
  EXPECT_EQ(set.spec.selector.match_labels, labels);
  EXPECT_EQ(set.spec.template_.metadata.labels, labels);
  EXPECT_EQ(set.spec.replicas, 3);
  EXPECT_EQ(set.spec.min_ready_seconds, 5);
  const Labels annotations = {{"note", "n"}, {kRevision, "2"}, {kDesiredReplicas, "3"}, {kMaxReplicas, "4"}};
  EXPECT_EQ(set.metadata.annotations, annotations);
  ASSERT_EQ(set.metadata.owner_references.size(), 1u);
  EXPECT_EQ(set.metadata.owner_references[0].kind, "Deployment");
  EXPECT_EQ(set.metadata.owner_references[0].uid, "uid-deployment");
}

TEST(SortSets, TheCurrentOneHasTheTemplateWhateverItsHash) {
  auto strange = make_replica_set({.image = "kubia:v2", .created = 5});
  strange.spec.template_.metadata.labels[kTemplateHashLabel] = "made-by-upstream";
  auto twin = make_replica_set({.image = "kubia:v2", .created = 9});
  twin.metadata.name = "twin";
  Sets sets = sort_sets(make_deployment(1, "kubia:v2"),
                        {share_set(twin), set_of({.created = 7}), share_set(strange)});
  ASSERT_TRUE(sets.current);
  EXPECT_EQ(sets.current->spec.template_.metadata.labels.at(kTemplateHashLabel), "made-by-upstream")
      << "the oldest";
  ASSERT_EQ(sets.old.size(), 2u);
  EXPECT_EQ(sets.old[1]->metadata.name, "twin");
  EXPECT_FALSE(sort_sets(make_deployment(1, "kubia:v3"), {set_of({})}).current);
}

TEST(PlanSetClaim, TakesOrphansAndReleasesRelabelledOnes) {
  auto ours = make_replica_set({});
  auto relabelled = ours;
  relabelled.metadata.labels = {{"app", "other"}};
  auto orphan = ours;
  orphan.metadata.owner_references.clear();
  auto theirs = ours;
  theirs.metadata.owner_references[0].uid = "uid-other";
  auto deployment = make_deployment(1);
  std::vector<SetPtr> sets = {share_set(ours), share_set(relabelled), share_set(orphan), share_set(theirs)};
  SetClaim claim = plan_set_claim(deployment, sets);
  EXPECT_THAT(claim.owned, ElementsAre(sets[0]));
  EXPECT_THAT(claim.release, ElementsAre(sets[1]));
  EXPECT_THAT(claim.adopt, ElementsAre(sets[2]));
  deployment.metadata.deletion_timestamp = "2026-01-01T00:00:00Z";
  claim = plan_set_claim(deployment, sets);
  EXPECT_THAT(claim.release, IsEmpty());
  EXPECT_THAT(claim.adopt, IsEmpty());
}

TEST(PlanRefresh, ARollbackMakesTheSetTheNewestAndKeepsItsHistory) {
  auto deployment = make_deployment(1, "kubia:v1");
  auto first = make_replica_set({.image = "kubia:v1", .revision = 1});
  Sets sets =
      sort_sets(deployment, {share_set(first), set_of({.image = "kubia:v2", .revision = 9, .created = 1})});
  auto fresh = plan_refresh(deployment, sets);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->metadata.annotations.at(kRevision), "10") << "revisions are numbers, not texts";
  EXPECT_EQ(fresh->metadata.annotations.at(kRevisionHistory), "1");
  sets.current = share_set(*fresh);
  EXPECT_FALSE(plan_refresh(deployment, sets)) << "it would be written forever";
  sets.old = {set_of({.image = "kubia:v2", .revision = 11, .created = 1})};
  EXPECT_EQ(plan_refresh(deployment, sets)->metadata.annotations.at(kRevisionHistory), "1,10");
}

TEST(PlanRefresh, ALongHistoryLosesItsBeginning) {
  auto deployment = make_deployment(1);
  auto set = make_replica_set({.revision = 5000});
  std::string history = "1";
  for (int i = 2; i < 600; ++i) history += "," + std::to_string(i);
  set.metadata.annotations[kRevisionHistory] = history;
  Sets sets =
      sort_sets(deployment, {share_set(set), set_of({.image = "kubia:v2", .revision = 6000, .created = 1})});
  auto fresh = plan_refresh(deployment, sets);
  ASSERT_TRUE(fresh);
  const std::string& now = fresh->metadata.annotations.at(kRevisionHistory);
  EXPECT_LE(now.size(), 2000u);
  EXPECT_TRUE(now.ends_with(",599,5000")) << now;
  EXPECT_FALSE(now.starts_with(","));
}

TEST(PlanRefresh, AnnotationsAndMinReadySecondsFollow) {
  auto deployment = make_deployment(1);
  deployment.metadata.annotations["note"] = "new";
  deployment.spec.min_ready_seconds = 9;
  Sets sets = sort_sets(deployment, {set_of({})});
  auto fresh = plan_refresh(deployment, sets);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->metadata.annotations.at("note"), "new");
  EXPECT_EQ(fresh->spec.min_ready_seconds, 9);
  EXPECT_FALSE(fresh->metadata.annotations.contains(kRevisionHistory)) << "it was the newest all along";
}

TEST(PlanCleanup, KeepsTheNewestAndWhatStillHasPods) {
  auto deployment = make_deployment(1, "kubia:now");
  deployment.spec.revision_history_limit = 2;
  auto name = [](const std::vector<SetPtr>& sets) {
    std::vector<int64_t> out;
    for (const auto& set : sets) out.push_back(revision_of(*set));
    return out;
  };
  auto unseen = make_replica_set({.image = "d", .revision = 4});
  unseen.metadata.generation = 2;
  Sets sets =
      sort_sets(deployment, {set_of({.image = "a", .revision = 10}), set_of({.image = "b", .revision = 2}),
                             set_of({.image = "c", .size = 1, .revision = 3}), share_set(unseen),
                             set_of({.image = "e", .revision = 5}), set_of({.image = "f", .revision = 9})});
  EXPECT_THAT(name(plan_cleanup(deployment, sets)), UnorderedElementsAre(2, 5));
  deployment.spec.revision_history_limit = 0;
  EXPECT_THAT(name(plan_cleanup(deployment, sets)), UnorderedElementsAre(2, 5, 9, 10));
  deployment.spec.revision_history_limit = 2'147'483'647;
  EXPECT_THAT(plan_cleanup(deployment, sets), IsEmpty());
}

}  // namespace
}  // namespace controllers
