#include "client/workqueue.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "client/metrics.hpp"

namespace client {
namespace {

using namespace std::chrono_literals;

TEST(WorkQueue, HoldsAKeyOnce) {
  sys::FakeClock clock;
  WorkQueue queue(clock);
  queue.add("a");
  queue.add("b");
  queue.add("a");
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.get(), "a");
  EXPECT_EQ(queue.get(), "b");
  EXPECT_EQ(queue.size(), 0u);
}

TEST(WorkQueue, AKeyAddedWhileItIsWorkedOnComesBackAfterDone) {
  sys::FakeClock clock;
  WorkQueue queue(clock);
  queue.add("a");
  ASSERT_EQ(queue.get(), "a");
  queue.add("a");
  queue.add("a");
  EXPECT_EQ(queue.size(), 0u) << "it may not be handed to a second worker";
  queue.done("a");
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.get(), "a");
  queue.done("a");
  EXPECT_EQ(queue.size(), 0u);
}

TEST(WorkQueue, ADelayedKeyComesWhenItsTimeHasCome) {
  sys::FakeClock clock;
  WorkQueue queue(clock);
  queue.add_after("late", 10s);
  queue.add_after("early", 5s);
  queue.add_after("late", 20s);  // the earlier time wins
  queue.add("now");
  EXPECT_EQ(queue.get(), "now");
  EXPECT_EQ(queue.size(), 0u);
  clock.advance(10s);
  EXPECT_EQ(queue.get(), "early");
  EXPECT_EQ(queue.get(), "late");
}

TEST(WorkQueue, AnEarlierDelayReplacesALaterOne) {
  sys::FakeClock clock;
  WorkQueue queue(clock);
  queue.add_after("a", 60s);
  queue.add_after("a", 1s);
  clock.advance(1s);
  EXPECT_EQ(queue.get(), "a");
  queue.done("a");
  clock.advance(60s);
  queue.add("b");
  EXPECT_EQ(queue.get(), "b") << "the later time was dropped";
}

TEST(WorkQueue, RetriesBackOffUntilForgotten) {
  sys::FakeClock clock;
  WorkQueue queue(clock);
  auto came_back_after = [&](std::chrono::nanoseconds wait) {
    clock.advance(wait - 1ns);
    queue.add("probe");
    bool too_early = queue.get() != "probe";
    queue.done("probe");
    clock.advance(1ns);
    return !too_early && queue.get() == "a";
  };
  queue.retry("a");
  EXPECT_TRUE(came_back_after(5ms));
  queue.done("a");
  queue.retry("a");
  EXPECT_TRUE(came_back_after(10ms));
  queue.done("a");
  queue.forget("a");
  queue.retry("a");
  EXPECT_TRUE(came_back_after(5ms));
  queue.done("a");
  for (int i = 0; i < 30; ++i) queue.retry("z");
  queue.forget("a");
  clock.advance(60s);
  EXPECT_EQ(queue.get(), "z") << "never later than a minute";
}

TEST(WorkQueue, ShutDownWakesWhoWaits) {
  sys::FakeClock clock;
  WorkQueue queue(clock);
  std::optional<std::string> got = "something";
  std::thread waiter([&] { got = queue.get(); });
  queue.shut_down();
  waiter.join();
  EXPECT_EQ(got, std::nullopt);
  queue.add("a");
  EXPECT_EQ(queue.get(), std::nullopt);
}

TEST(WorkQueueMetrics, TellWhatWasAddedAndHowLongItTook) {
  sys::FakeClock clock;
  WorkQueue queue(clock, "metrics-test");
  queue.add("a");
  queue.add("a");
  queue.add("b");
  clock.advance(std::chrono::milliseconds(50));
  ASSERT_EQ(queue.get(), "a");
  clock.advance(std::chrono::seconds(2));
  queue.add_after("c", std::chrono::hours(1));
  std::string page;
  append_metrics(page);
  auto has = [&](const std::string& line) { return page.find("\n" + line + "\n") != std::string::npos; };
  EXPECT_TRUE(has(R"(workqueue_depth{name="metrics-test"} 1)")) << page;
  EXPECT_TRUE(has(R"(workqueue_adds_total{name="metrics-test"} 2)"));
  EXPECT_TRUE(has(R"(workqueue_retries_total{name="metrics-test"} 1)"));
  EXPECT_TRUE(has(R"(workqueue_unfinished_work_seconds{name="metrics-test"} 2)"));
  EXPECT_TRUE(has(R"(workqueue_queue_duration_seconds_bucket{name="metrics-test",le="0.01"} 0)"));
  EXPECT_TRUE(has(R"(workqueue_queue_duration_seconds_bucket{name="metrics-test",le="0.1"} 1)"));
  EXPECT_TRUE(has(R"(workqueue_queue_duration_seconds_bucket{name="metrics-test",le="1e-08"} 0)"));
  queue.done("a");
  page.clear();
  append_metrics(page);
  EXPECT_TRUE(has(R"(workqueue_work_duration_seconds_sum{name="metrics-test"} 2)"));
  EXPECT_TRUE(has(R"(workqueue_work_duration_seconds_count{name="metrics-test"} 1)"));
  EXPECT_TRUE(has(R"(workqueue_unfinished_work_seconds{name="metrics-test"} 0)"));
}

}  // namespace
}  // namespace client
