#include <gtest/gtest.h>

#include "node/quiet_plan.hpp"
#include "sys/clock.hpp"

namespace node {
namespace {

using namespace std::chrono_literals;

const sys::TcpSocket kListener{.cookie = 1, .listening = true, .local_port = 8080};

sys::TcpSocket connection(uint64_t cookie, bool busy, uint16_t port = 8080) {
  return {.cookie = cookie,
          .local_port = port,
          .since_sent_ms = busy ? 900u : 3u,
          .since_received_ms = busy ? 4u : 5u,
          .received = 100};
}

TEST(Quiet, WhatBusyMeans) {
  EXPECT_FALSE(is_busy(kListener));
  auto listener = kListener;
  listener.unread = 1;  // a connection that is not accepted yet
  EXPECT_TRUE(is_busy(listener));
  EXPECT_TRUE(is_busy(connection(2, true)));
  EXPECT_FALSE(is_busy(connection(2, false)));
  auto socket = connection(2, false);
  socket.unsent = 10;
  EXPECT_TRUE(is_busy(socket));
  socket = connection(2, false);
  socket.unread = 10;
  EXPECT_TRUE(is_busy(socket));
  EXPECT_TRUE(
      is_busy({.cookie = 3, .local_port = 8080, .since_sent_ms = 5, .since_received_ms = 5, .received = 0}));
  EXPECT_FALSE(is_busy(
      {.cookie = 3, .local_port = 8080, .since_sent_ms = 500, .since_received_ms = 500, .received = 0}));
}

TEST(Quiet, AtOnceWhenNothingIsUnderWay) {
  sys::FakeClock clock;
  EXPECT_TRUE(QuietPlan().look({}, clock.steady_now()));
  EXPECT_TRUE(QuietPlan().look({kListener, connection(2, false)}, clock.steady_now()));
  // The pod's own question to somebody else is not its peers' affair.
  EXPECT_TRUE(QuietPlan().look({kListener, connection(2, true, 40000)}, clock.steady_now()));
}

TEST(Quiet, WaitsForWhatIsUnderWay) {
  sys::FakeClock clock;
  QuietPlan plan;
  EXPECT_FALSE(plan.look({kListener, connection(2, true)}, clock.steady_now()));
  clock.advance(10s);  // the caller has a limit, the plan has none
  EXPECT_FALSE(plan.look({kListener, connection(2, true)}, clock.steady_now()));
  EXPECT_TRUE(plan.look({kListener, connection(2, false)}, clock.steady_now()));
}

TEST(Quiet, KeptAliveConnectionsNeedBeIdleOnlyOnce) {
  sys::FakeClock clock;
  QuietPlan plan;
  EXPECT_FALSE(plan.look({kListener, connection(2, true), connection(3, true)}, clock.steady_now()));
  EXPECT_FALSE(plan.look({kListener, connection(2, false), connection(3, true)}, clock.steady_now()));
  EXPECT_FALSE(plan.look({kListener, connection(2, true), connection(3, false)}, clock.steady_now()));
  clock.advance(QuietPlan::kPatience / 2);
  EXPECT_FALSE(plan.look({kListener, connection(2, true)}, clock.steady_now()));
  clock.advance(QuietPlan::kPatience);
  EXPECT_TRUE(plan.look({kListener, connection(2, true)}, clock.steady_now()));
}

}  // namespace
}  // namespace node
