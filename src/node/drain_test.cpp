#include "node/drain_plan.hpp"

#include <gtest/gtest.h>

namespace node {
namespace {

using namespace std::chrono_literals;
using Wait = DrainPlan::Wait;

const base::Time kNow(1'700'000'000s);

struct End {
  std::string uid;
  bool ready = true;
  bool terminating = false;
};

api::EndpointSlice slice(int revision, const std::vector<End>& ends) {
  api::EndpointSlice slice;
  slice.metadata.resource_version = std::to_string(revision);
  slice.metadata.labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io";
  for (const auto& end : ends) {
    api::Endpoint endpoint;
    endpoint.addresses = {"10.0.0.7"};
    endpoint.conditions = api::EndpointConditions{};
    endpoint.conditions->ready = end.ready;
    endpoint.conditions->terminating = end.terminating;
    endpoint.target_ref = api::ObjectReference{};
    endpoint.target_ref->kind = "Pod";
    endpoint.target_ref->uid = end.uid;
    slice.endpoints.push_back(endpoint);
  }
  return slice;
}

api::Lease lease(int applied, base::Time renewed = kNow) {
  api::Lease lease;
  lease.metadata.annotations["sampan.dev/applied"] = std::to_string(applied);
  lease.spec.renew_time = base::format_micro_time(renewed);
  lease.spec.lease_duration_seconds = 40;
  return lease;
}

class DrainTest : public ::testing::Test {
 protected:
  void proxy(const std::string& name, const api::Lease& lease) { plan_.on_lease(name, &lease); }
  void change(const std::string& key, const api::EndpointSlice& to) {
    auto& before = slices_[key];
    plan_.on_slice(key, before ? &*before : nullptr, &to);
    before = to;
  }
  void remove(const std::string& key) {
    plan_.on_slice(key, &*slices_[key], nullptr);
    slices_[key].reset();
  }
  Wait waits(const std::string& uid) { return plan_.waits(uid, kNow); }
  DrainPlan plan_;
  std::map<std::string, std::optional<api::EndpointSlice>> slices_;
};

TEST_F(DrainTest, NoSliceNamesItOrNoProxyLives) {
  proxy("p1", lease(5));
  EXPECT_EQ(waits("a"), Wait::none);
  change("s", slice(6, {{"a"}}));
  EXPECT_EQ(waits("b"), Wait::none);
  EXPECT_EQ(waits("a"), Wait::slices);
  plan_.on_lease("p1", nullptr);
  EXPECT_EQ(waits("a"), Wait::none);
  proxy("p1", lease(5, kNow - 41s));  // dead
  EXPECT_EQ(waits("a"), Wait::none);
}

TEST_F(DrainTest, FirstTheSlicesThenEveryProxy) {
  proxy("p1", lease(5));
  proxy("p2", lease(5));
  proxy("dead", lease(1, kNow - 60s));
  change("s", slice(6, {{"a"}, {"b"}}));
  EXPECT_EQ(waits("a"), Wait::slices);
  EXPECT_EQ(plan_.reason("a", kNow), "it is still ready in EndpointSlice s");
  change("s", slice(9, {{"a", false, true}, {"b"}}));
  EXPECT_EQ(waits("a"), Wait::proxies);
  proxy("p1", lease(9));
  EXPECT_EQ(waits("a"), Wait::proxies);
  EXPECT_EQ(plan_.reason("a", kNow), "no word yet of p2");
  proxy("p2", lease(12));
  EXPECT_EQ(waits("a"), Wait::none);
  EXPECT_EQ(waits("b"), Wait::slices);
}

// What changes in the slice afterwards is not acknowledged: the revision at which the pod went out counts.
TEST_F(DrainTest, LaterChangesOfTheSliceDoNotMatter) {
  proxy("p1", lease(5));
  change("s", slice(6, {{"a"}}));
  change("s", slice(9, {{"a", false, true}}));
  change("s", slice(15, {{"a", false, true}, {"b"}}));
  proxy("p1", lease(9));
  EXPECT_EQ(waits("a"), Wait::none);
}

TEST_F(DrainTest, AnUnreadyPodHasNothingToTakeBack) {
  proxy("p1", lease(5));
  change("s", slice(6, {{"a", false, false}}));
  EXPECT_EQ(waits("a"), Wait::none);
  change("s", slice(7, {{"a", false, true}}));
  EXPECT_EQ(waits("a"), Wait::none);
}

TEST_F(DrainTest, PublishedEndpointsCountByTerminatingAlone) {
  proxy("p1", lease(5));
  change("s", slice(6, {{"a", true, false}}));
  change("s", slice(8, {{"a", true, true}}));
  EXPECT_EQ(waits("a"), Wait::proxies);
  proxy("p1", lease(8));
  EXPECT_EQ(waits("a"), Wait::none);
}

TEST_F(DrainTest, ReadyAgainIsInUseAgain) {
  proxy("p1", lease(20));
  change("s", slice(6, {{"a"}}));
  change("s", slice(7, {{"a", false}}));
  EXPECT_EQ(waits("a"), Wait::none);
  change("s", slice(8, {{"a"}}));
  EXPECT_EQ(waits("a"), Wait::slices);
}

TEST_F(DrainTest, GoneFromASliceOrWithItIsOut) {
  proxy("p1", lease(5));
  change("s", slice(6, {{"a"}}));
  change("t", slice(7, {{"a"}}));
  change("s", slice(9, {}));
  EXPECT_EQ(waits("a"), Wait::slices);
  slices_["t"]->metadata.resource_version = "11";  // as the watch tells of a deletion
  remove("t");
  EXPECT_EQ(waits("a"), Wait::proxies);
  proxy("p1", lease(9));
  EXPECT_EQ(waits("a"), Wait::proxies);
  proxy("p1", lease(11));
  EXPECT_EQ(waits("a"), Wait::none);
  plan_.forget("a");
  EXPECT_EQ(waits("a"), Wait::none);
}

TEST_F(DrainTest, SlicesThatNoProxyReadsAreNotWaitedFor) {
  proxy("p1", lease(5));
  for (const char* label : {"service.kubernetes.io/headless", "service.kubernetes.io/service-proxy-name"}) {
    auto one = slice(6, {{"a"}});
    one.metadata.labels[label] = "";
    change(label, one);
  }
  auto made_by_hand = slice(6, {{"a"}});
  made_by_hand.metadata.labels.clear();
  change("hand", made_by_hand);
  EXPECT_EQ(waits("a"), Wait::none);
}

}  // namespace
}  // namespace node
