#include "base/log_format.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.hpp"

namespace base {
namespace {

constexpr int64_t kNow = 1'700'000'000'123'456'789;

TEST(Log, TextIsOneLineWhateverIsInIt) {
  auto line = format_log_line(LogFormat::text, Level::warning, "net", "a\nE1122 forged\x1b[2J\tb", kNow);
  EXPECT_THAT(line, testing::StartsWith("W"));
  EXPECT_THAT(line, testing::EndsWith(" net] a\\nE1122 forged\\x1b[2J\\tb\n"));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST(Log, JsonIsJson) {
  auto line = format_log_line(LogFormat::json, Level::error, "server", "say \"hi\"\n\\ \x01", kNow);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  auto value = parse_json(line);
  ASSERT_TRUE(value) << line;
  EXPECT_EQ((*value)["msg"].as_string(), "say \"hi\"\n\\ \x01");
  EXPECT_EQ((*value)["level"].as_string(), "error");
  EXPECT_EQ((*value)["logger"].as_string(), "server");
  EXPECT_THAT(line, testing::HasSubstr("\"ts\":1700000000123.456789,"));
  EXPECT_TRUE(parse_json(format_log_line(LogFormat::json, Level::info, "a", "bad \xff utf8", kNow)));
  EXPECT_THAT(format_log_line(LogFormat::json, Level::info, "a", "b", kNow), testing::HasSubstr("\"v\":0"));
}

TEST(Log, IsNotBlockedHere) { EXPECT_TRUE(check_log()); }

}  // namespace
}  // namespace base
