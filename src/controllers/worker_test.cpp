#include "controllers/worker.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace controllers {
namespace {

TEST(RunSlowStart, DoublesItsBatches) {
  std::atomic<int> calls{0};
  base::Error error;
  int made = run_slow_start(20, [&]() -> base::Result<void> { return ++calls, base::Result<void>(); }, error);
  EXPECT_EQ(made, 20);
  EXPECT_EQ(calls, 20);
}

TEST(RunSlowStart, StopsAfterAFailedBatch) {
  std::atomic<int> calls{0};
  base::Error error;
  int made = run_slow_start(
      1'000,
      [&]() -> base::Result<void> {
        if (++calls > 3) return base::fail(base::Reason::forbidden, "quota");
        return {};
      },
      error);
  EXPECT_EQ(made, 3);
  EXPECT_EQ(calls, 7) << "1 + 2 succeed, the batch of 4 fails, no more";
  EXPECT_EQ(error.message, "quota");
}

TEST(RunParallel, CallsEachIndexOnce) {
  std::vector<std::atomic<int>> seen(100);
  run_parallel(100, 8, [&](int i) { ++seen[static_cast<size_t>(i)]; });
  for (auto& count : seen) EXPECT_EQ(count, 1);
  run_parallel(0, 8, [](int) { FAIL(); });
}

TEST(Worker, ReconcilesAndRetries) {
  sys::SystemClock clock;
  std::atomic<int> calls{0};
  client::WorkQueue finished(clock);
  Worker worker("test", clock, nullptr, [&](const std::string& key) -> base::Result<void> {
    if (++calls == 1) return base::fail(base::Reason::conflict, "old copy");
    finished.add(key);
    return {};
  });
  worker.queue().add("a");
  worker.start();
  EXPECT_EQ(finished.get(), "a");
  EXPECT_EQ(calls, 2);
  worker.stop();
}

}  // namespace
}  // namespace controllers
