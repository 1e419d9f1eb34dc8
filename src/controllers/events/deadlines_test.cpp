#include "controllers/events/deadlines.hpp"

#include <gtest/gtest.h>

namespace controllers {
namespace {

using namespace std::chrono_literals;

base::Time at(int second) { return base::Time(std::chrono::seconds(1'700'000'000 + second)); }

base::Value event(int created, int last = -1) {
  base::Object object{{"metadata", base::Object{{"uid", "u1"}, {"creationTimestamp", base::format_time(at(created))}}}};
  if (last >= 0) object["lastTimestamp"] = base::format_time(at(last));
  return object;
}

TEST(EventDeadlines, count_from_the_newest_time_of_the_event) {
  EXPECT_EQ(last_update_of(event(5), at(100)), at(5));
  EXPECT_EQ(last_update_of(event(5, 50), at(100)), at(50));
  EXPECT_EQ(last_update_of(event(5, 500), at(100)), at(100));  // a clock that is ahead must not keep it for ever
  EXPECT_EQ(last_update_of(base::Object{}, at(100)), at(100));
  base::Object series = event(5).as_object();
  series["series"] = base::Object{{"lastObservedTime", base::format_time(at(70))}};
  EXPECT_EQ(last_update_of(series, at(100)), at(70));
}

TEST(EventDeadlines, an_event_goes_when_its_time_is_over) {
  EventDeadlines deadlines(1h);
  EXPECT_EQ(deadlines.note("default/e", event(0), false, at(60)), 59min);
  auto early = deadlines.look("default/e", at(3599));
  ASSERT_TRUE(early);
  EXPECT_EQ(early->uid, "");
  EXPECT_EQ(early->wait, 1s);
  EXPECT_EQ(deadlines.look("default/e", at(3600))->uid, "u1");
  deadlines.forget("default/e");
  EXPECT_FALSE(deadlines.look("default/e", at(3600)));
}

TEST(EventDeadlines, a_write_starts_the_hour_again) {
  EventDeadlines deadlines(1h);
  deadlines.note("default/e", event(0), false, at(0));
  deadlines.note("default/e", event(0), true, at(3000));  // a label was set: no time in it says so
  EXPECT_EQ(deadlines.look("default/e", at(3600))->wait, 3000s);
  EXPECT_EQ(deadlines.look("default/e", at(6600))->uid, "u1");
}

TEST(EventDeadlines, what_is_long_over_goes_at_once) {
  EventDeadlines deadlines(1h);
  EXPECT_EQ(deadlines.note("default/e", event(0), false, at(10'000)), 0s);
}

}  // namespace
}  // namespace controllers
