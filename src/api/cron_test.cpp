#include "api/cron.hpp"

#include <gtest/gtest.h>

namespace api {
namespace {

constexpr uint64_t range(int low, int high, int step = 1) {
  uint64_t out = 0;
  for (int i = low; i <= high; i += step) out |= uint64_t{1} << i;
  return out;
}

TEST(Cron, Fields) {
  auto all = parse_cron("* * * * *");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->minutes, range(0, 59));
  EXPECT_EQ(all->hours, range(0, 23));
  EXPECT_EQ(all->days, range(1, 31));
  EXPECT_EQ(all->months, range(1, 12));
  EXPECT_EQ(all->weekdays, range(0, 6));
  EXPECT_TRUE(all->day_any);
  EXPECT_TRUE(all->weekday_any);
  auto some = parse_cron("  */20 8-18/2 1,15 JAN-mar mon-FRI ");
  ASSERT_TRUE(some);
  EXPECT_EQ(some->minutes, range(0, 59, 20));
  EXPECT_EQ(some->hours, range(8, 18, 2));
  EXPECT_EQ(some->days, (uint64_t{1} << 1) | (uint64_t{1} << 15));
  EXPECT_EQ(some->months, range(1, 3));
  EXPECT_EQ(some->weekdays, range(1, 5));
  EXPECT_FALSE(some->day_any);
  EXPECT_EQ(parse_cron("50/5 0 ? * *")->minutes, range(50, 59, 5));
}

TEST(Cron, Names) {
  EXPECT_EQ(parse_cron("@daily").value(), parse_cron("0 0 * * *").value());
  EXPECT_EQ(parse_cron("@weekly").value(), parse_cron("0 0 * * 0").value());
  EXPECT_EQ(parse_cron("@every 90m")->every, std::chrono::minutes(90));
  EXPECT_EQ(parse_cron("@every 10ms")->every, std::chrono::seconds(1));
}

TEST(Cron, Mistakes) {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {"", "empty spec string"},
      {"* * * *", "expected exactly 5 fields, found 4: [* * * *]"},
      {"* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"},
      {"60 * * * *", "end of range (60) above maximum (59): 60"},
      {"* * 0 * *", "beginning of range (0) below minimum (1): 0"},
      {"* * * * 7", "end of range (7) above maximum (6): 7"},
      {"5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"},
      {"*/0 * * * *", "step of range should be a positive number: */0"},
      {"1-2-3 * * * *", "too many hyphens: 1-2-3"},
      {"1/2/3 * * * *", "too many slashes: 1/2/3"},
      {"x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"},
      {"@often", "unrecognized descriptor: @often"},
      {"@every soon", "failed to parse duration @every soon: time: invalid duration \"soon\""},
  };
  for (const auto& one : cases) {
    auto parsed = parse_cron(one.text);
    ASSERT_FALSE(parsed) << one.text;
    EXPECT_EQ(parsed.error().message, one.message);
  }
}

}  // namespace
}  // namespace api
