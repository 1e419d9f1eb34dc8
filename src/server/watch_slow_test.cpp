// Watches whose clients do not read: what waits for them is bounded, they miss nothing when they read again, and nobody
// else notices.
#include <gmock/gmock.h>

#include "server/core.hpp"
#include "server/testing.hpp"
#include "server/watch.hpp"

namespace server::testing {
namespace {

constexpr size_t kStream = 64u << 10;
constexpr size_t kTotal = 512u << 10;

// A Core with small limits, ticked by hand; its own thread may tick as well.
class SlowWatches : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    auto allocators = Allocators::make("10.96.0.0/16", 30000, 32767);
    ASSERT_TRUE(allocators);
    core_ = std::make_unique<Core>(Config{}, registry_, *store_, clock_, NodeConnector{}, std::move(*allocators));
    core_->watches = std::make_unique<Watches>(
        *core_, WatchLimits{.stream_bytes = kStream, .total_bytes = kTotal, .standstill = std::chrono::seconds(30)});
  }
  void TearDown() override {
    core_.reset();
    ServerTest::TearDown();
  }
  std::shared_ptr<Recorder> watch(std::string_view query, bool reading = true) {
    auto recorder = std::make_shared<Recorder>();
    recorder->set_reading(reading);
    auto exchange =
        std::make_shared<Exchange>(make_request("GET", config_maps_ + std::string(query), "", {}), recorder);
    exchange->route = parse_route(exchange->request.path);
    exchange->resource = core_->find("", "v1", "configmaps");
    auto options = parse_list_options(exchange->request.query, *exchange->resource);
    EXPECT_TRUE(options);
    core_->watches->start(exchange, *exchange->resource, *options);
    return recorder;
  }
  // Each about 10 KiB.
  void create(int count) {
    for (int i = 0; i < count; ++i)
      ASSERT_EQ(call("POST", config_maps_, config_map_json("c" + std::to_string(created_++), "{}", std::string(10'000, 'v'))).status,
                201);
  }
  // Reads until so many events are there; each must be the next one.
  void expect_all(const std::shared_ptr<Recorder>& recorder, int count) {
    for (int i = 0; i < 1000; ++i) {
      recorder->set_reading(true);
      core_->watches->tick();
    }
    auto events = recorder->wait_events(static_cast<size_t>(count));
    ASSERT_EQ(events.size(), static_cast<size_t>(count));
    std::set<std::string> names;
    for (const auto& event : events) {
      EXPECT_EQ(event["type"].as_string(), "ADDED");
      EXPECT_TRUE(names.insert(std::string(event.at({"object", "metadata", "name"}).as_string())).second);
    }
  }
  std::unique_ptr<Core> core_;
  int created_ = 0;
};

TEST_F(SlowWatches, WhatWaitsIsBoundedAndNothingIsMissed) {
  auto from = "?watch=true&resourceVersion=" + std::to_string(store_->revision());
  auto slow = watch(from, false);
  auto quick = watch(from);
  create(100);
  quick->wait_events(100);
  EXPECT_GE(slow->pending(), kStream);
  EXPECT_LT(slow->pending(), kStream + 30'000);
  core_->watches->tick();
  EXPECT_LT(slow->pending(), kStream + 30'000);
  expect_all(slow, 100);
  create(1);  // live again
  EXPECT_EQ(slow->wait_events(101).size(), 101u);
  EXPECT_EQ(quick->wait_events(101).size(), 101u);
}

TEST_F(SlowWatches, TheInitialListComesInPieces) {
  create(100);
  auto slow = watch("?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", false);
  EXPECT_LT(slow->pending(), kStream + (300u << 10));
  EXPECT_EQ(slow->body().find("BOOKMARK"), std::string::npos);
  create(20);  // while it still reads what was there before
  slow->set_reading(true);
  for (int i = 0; i < 1000; ++i) {
    slow->set_reading(true);
    core_->watches->tick();
  }
  auto events = slow->wait_events(121);
  ASSERT_EQ(events.size(), 121u);
  EXPECT_EQ(events[100]["type"].as_string(), "BOOKMARK");
  for (size_t i = 101; i < 121; ++i)
    EXPECT_EQ(events[i].at({"object", "metadata", "name"}).as_string(), "c" + std::to_string(i - 1));
}

TEST_F(SlowWatches, WhoReadsNothingForLongIsCut) {
  auto slow = watch("?watch=true&resourceVersion=" + std::to_string(store_->revision()), false);
  auto idle = watch("?watch=true&resourceVersion=" + std::to_string(store_->revision()));
  create(20);
  core_->watches->tick();
  clock_.advance(std::chrono::seconds(29));
  core_->watches->tick();
  EXPECT_EQ(core_->watches->count(), 2u);
  clock_.advance(std::chrono::seconds(2));
  core_->watches->tick();
  core_->watches->tick();
  EXPECT_EQ(core_->watches->count(), 1u);
  EXPECT_FALSE(slow->finished());  // no clean end: the connection is dropped
  create(1);
  EXPECT_EQ(idle->wait_events(21).size(), 21u);
}

TEST_F(SlowWatches, BeyondTheTotalTheOnesThatStandLongestAreCut) {
  auto from = "?watch=true&resourceVersion=" + std::to_string(store_->revision());
  std::vector<std::shared_ptr<Recorder>> slow;
  for (int i = 0; i < 80; ++i) slow.push_back(watch(from, false));
  auto quick = watch(from);
  create(60);
  for (int i = 0; i < 3; ++i) {
    clock_.advance(std::chrono::seconds(1));
    core_->watches->tick();
  }
  size_t count = core_->watches->count();
  EXPECT_LT(count, 81u);
  EXPECT_GE(count, 2u);
  size_t least = SIZE_MAX;
  for (const auto& one : slow) least = std::min(least, one->pending());
  EXPECT_LE((count - 1) * least, kTotal);
  EXPECT_EQ(quick->wait_events(60).size(), 60u);
  create(1);
  EXPECT_EQ(quick->wait_events(61).size(), 61u);
}

// All at once, before anybody has looked at the total; and who comes after the others are cut is served.
TEST_F(SlowWatches, ManyInitialListsAtOnceTakeNoMoreThanTheTotal) {
  create(100);
  std::vector<std::shared_ptr<Recorder>> slow;
  size_t waiting = 0;
  for (int i = 0; i < 60; ++i) slow.push_back(watch("?watch=true", false));
  for (const auto& one : slow) waiting += one->pending();
  EXPECT_LE(waiting, kTotal + (300u << 10));
  slow.clear();  // from here on a cut takes the far end along
  auto late = watch("?watch=true");
  for (int i = 0; i < 40 && core_->watches->count() > 1; ++i) {
    clock_.advance(std::chrono::seconds(2));
    core_->watches->tick();
  }
  EXPECT_EQ(late->wait_events(100).size(), 100u);
}

TEST_F(SlowWatches, WhatIsOnlyKeptForOthersHoldsUpNobody) {
  auto quick = watch("?watch=true&resourceVersion=" + std::to_string(store_->revision()));
  create(100);  // their events are kept: more than the total
  quick->wait_events(100);
  auto late = watch("?watch=true");
  core_->watches->tick();
  EXPECT_EQ(late->wait_events(100).size(), 100u);
}

class SlowWithShortHistory : public SlowWatches {
 protected:
  SlowWithShortHistory() { window_ = 10; }
};

TEST_F(SlowWithShortHistory, WhoIsTooFarBehindHearsIt) {
  auto slow = watch("?watch=true&resourceVersion=" + std::to_string(store_->revision()), false);
  create(60);
  slow->set_reading(true);
  for (int i = 0; i < 3; ++i) core_->watches->tick();
  slow->wait_finished();
  auto body = slow->body();
  auto last = base::parse_json(body.substr(body.rfind("{\"type\"")));
  ASSERT_TRUE(last);
  EXPECT_EQ((*last)["type"].as_string(), "ERROR");
  EXPECT_EQ(last->at({"object", "code"}).int_or(0), 410);
  EXPECT_THAT(std::string(last->at({"object", "message"}).as_string()), ::testing::HasSubstr("too old resource version: "));
}

}  // namespace
}  // namespace server::testing
