#include "base/time.hpp"

#include <gtest/gtest.h>

#include "base/instant.hpp"

namespace base {
namespace {

using namespace std::chrono_literals;

TEST(Time, FormatsAndParses) {
  auto time = parse_time("2026-11-22T23:58:04.123456789Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(format_time(*time), "2026-11-22T23:58:04Z");
  EXPECT_EQ(format_micro_time(*time), "2026-11-22T23:58:04.123456Z");
  EXPECT_EQ(format_nano_time(*time), "2026-11-22T23:58:04.123456789Z");
  EXPECT_EQ(format_time(*parse_time("2026-11-23T01:28:04+01:30")), "2026-11-22T23:58:04Z");
  EXPECT_EQ(format_time(*parse_time("2024-02-29T00:00:00-00:30")), "2024-02-29T00:30:00Z");
  EXPECT_EQ(format_micro_time(*parse_time("1969-12-31T23:59:59.5Z")), "1969-12-31T23:59:59.500000Z");
}

TEST(Time, RefusesWhatIsNoRfc3339) {
  for (std::string_view text : {"", "2026-11-22", "2026-11-22 23:58:04Z", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z",
                                "2026-11-22T24:00:00Z", "2026-11-22T23:58:04", "2026-11-22T23:58:04.Z", "2026-11-22T23:58:04Zx",
                                "2026-11-22T23:58:60Z", "26-11-22T23:58:04Z"})
    EXPECT_FALSE(parse_time(text)) << text;
}

TEST(Time, FarYearsStayAtTheBorder) {
  auto first = *parse_time("0001-01-01T00:00:00Z"), last = *parse_time("9999-12-31T23:59:59Z");
  EXPECT_LT(first, *parse_time("1900-01-01T00:00:00Z"));
  EXPECT_GT(last, *parse_time("2100-01-01T00:00:00Z"));
  // What is done with times must not overflow: an age, a text.
  EXPECT_GT(human_duration(last - first), "200y");
  EXPECT_EQ(human_duration(first - last), "<invalid>");
  EXPECT_EQ(format_time(first).substr(0, 3), "182");
  EXPECT_EQ(format_time(last).substr(0, 4), "2116");
}

TEST(Instant, AllYears) {
  struct Case {
    std::string_view text, second, micro;
  };
  for (const Case& one : {Case{"0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z"},
                          {"0001-01-01T00:00:00.5Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.500000Z"},
                          {"1677-09-21T00:12:43.1234567Z", "1677-09-21T00:12:43Z", "1677-09-21T00:12:43.123456Z"},
                          {"1969-12-31T23:59:59.5-01:00", "1970-01-01T00:59:59Z", "1970-01-01T00:59:59.500000Z"},
                          {"9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"}}) {
    auto instant = parse_instant(one.text);
    ASSERT_TRUE(instant) << one.text;
    EXPECT_EQ(format_instant(*instant, false), one.second);
    EXPECT_EQ(format_instant(*instant, true), one.micro);
  }
  for (std::string_view text : {"0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"}) EXPECT_FALSE(parse_instant(text)) << text;
  EXPECT_TRUE(parse_instant("0001-01-01T00:00:00Z")->is_zero());
  EXPECT_FALSE(parse_instant("0001-01-01T00:00:01Z")->is_zero());
}

TEST(Time, HumanDuration) {
  struct Case {
    std::chrono::nanoseconds duration;
    std::string_view text;
  };
  constexpr auto day = 24h;
  for (const Case& c : std::initializer_list<Case>{
           {1s, "1s"},           {0s, "0s"},          {-1500ms, "0s"},      {-2s, "<invalid>"},      {-1999ms, "0s"},
           {70s, "70s"},         {119s, "119s"},      {190s, "3m10s"},      {180s, "3m"},            {10min, "10m"},
           {179min, "179m"},     {180min, "3h"},      {70min, "70m"},       {47h, "47h"},            {48h, "2d"},
           {3h + 30min, "3h30m"}, {7h + 59min, "7h59m"}, {8h + 5min, "8h"}, {49h, "2d1h"},           {7 * day + 23h, "7d23h"},
           {8 * day, "8d"},      {364 * day, "364d"}, {729 * day, "729d"},  {730 * day, "2y"},       {800 * day, "2y70d"},
           {8 * 365 * day, "8y"}, {9 * 365 * day + 3 * day, "9y"},          {1900ms, "1s"},          {2min, "2m"},
       })
    EXPECT_EQ(human_duration(c.duration), c.text) << c.duration.count();
}

TEST(Time, ParseDuration) {
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("300ms"), 300ms);
  EXPECT_EQ(parse_duration("-5s"), -5s);
  EXPECT_EQ(parse_duration("+1.5s"), 1500ms);
  EXPECT_EQ(parse_duration(".5s"), 500ms);
  EXPECT_EQ(parse_duration("0"), 0s);
  EXPECT_EQ(parse_duration("3\u00b5s"), 3us);
  EXPECT_EQ(parse_duration("1h1m1s1ms1us1ns"), 1h + 1min + 1s + 1ms + 1us + 1ns);
  EXPECT_EQ(parse_duration("0.123456789s"), 123456789ns);
  for (std::string_view text : {"", "-", "5", "1d", "h", ".s", "1h-5m", "9999999999999h", " 1s", "1s ", "1hh"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

}  // namespace
}  // namespace base
