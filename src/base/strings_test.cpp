#include "base/strings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "base/result.hpp"

namespace base {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

TEST(Strings, SplitJoinTrim) {
  EXPECT_THAT(split("a,,b", ','), ElementsAre("a", "", "b"));
  EXPECT_THAT(split("", ','), ElementsAre(""));
  EXPECT_EQ(join(split("a,b,c", ','), "; "), "a; b; c");
  EXPECT_EQ(trim(" \t\r\n a b \n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(to_lower("Content-TYPE"), "content-type");
  EXPECT_TRUE(equal_ignoring_case("Connection", "CONNECTION"));
  EXPECT_FALSE(equal_ignoring_case("a", "ab"));
}

TEST(Strings, ParseInt) {
  EXPECT_EQ(parse_int("-42"), -42);
  EXPECT_EQ(parse_int("9223372036854775807"), INT64_MAX);
  for (std::string_view text : {"", "-", "+1", " 1", "1 ", "1x", "0x1", "9223372036854775808"})
    EXPECT_EQ(parse_int(text), std::nullopt) << text;
}

TEST(Strings, Base64) {
  for (std::string_view plain : {"", "f", "fo", "foo", "foob", "fooba", "foobar"})
    EXPECT_EQ(base64_decode(base64_encode(plain)), plain);
  EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
  EXPECT_EQ(base64_encode("\xff\xfe\xfd"), "//79");
  EXPECT_EQ(base64_decode("Zm9v\r\nYg==\n"), "foob");
  for (std::string_view text : {"Z", "Zm", "Zm9vYg", "Zm9vYg=", "Zm9vYg===", "=", "Zm9v=", "Zm=v", "Zm9v Yg==", "Zm9_", "Z===",
                                "Zm9vYg==Zm9v"})
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
}

TEST(Strings, QuoteIsGos) {
  EXPECT_EQ(quote("plain"), "\"plain\"");
  EXPECT_EQ(quote("a\"b\\c\n\t\r\a\b\f\v"), R"("a\"b\\c\n\t\r\a\b\f\v")");
  EXPECT_EQ(quote(std::string_view("\0\x1b\x7f", 3)), R"("\x00\x1b\x7f")");
  EXPECT_EQ(quote("\xff""a\xc3"), R"("\xffa\xc3")");
  EXPECT_EQ(quote("h\u00e9 \u4e16 \U0001F600 'x'"), "\"h\u00e9 \u4e16 \U0001F600 'x'\"");
  EXPECT_EQ(quote("\u00a0\u200b\u2028\ufeff"), R"("\u00a0\u200b\u2028\ufeff")");
  EXPECT_EQ(quote("\U000e0001"), R"("\U000e0001")");
}

TEST(Strings, ValidUtf8Prefix) {
  EXPECT_EQ(valid_utf8_prefix("all of it \u00e9 \U0001F600"), 17u);
  EXPECT_EQ(valid_utf8_prefix("0123456789ab\xff"), 12u);
  EXPECT_EQ(valid_utf8_prefix("ab\xe2\x82"), 2u);
  EXPECT_EQ(valid_utf8_prefix("\xf4\x90\x80\x80"), 0u);
  EXPECT_EQ(valid_utf8_prefix("\xe0\x80\x80"), 0u);
}

TEST(Names, Labels) {
  EXPECT_THAT(check_dns1123_label("my-name1"), IsEmpty());
  EXPECT_THAT(check_dns1123_label("a.b"), ElementsAre("must not contain dots"));
  EXPECT_THAT(check_dns1123_label("My_Name"),
              ElementsAre("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
                          "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
                          "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"));
  EXPECT_THAT(check_dns1123_label(std::string(64, 'a')), ElementsAre("must be no more than 63 characters"));
  EXPECT_EQ(check_dns1123_label("").size(), 1u);
  EXPECT_EQ(check_dns1123_label("-a").size(), 1u);
}

TEST(Names, Subdomains) {
  EXPECT_THAT(check_dns1123_subdomain("example.com"), IsEmpty());
  EXPECT_THAT(check_dns1123_subdomain("a..b"),
              ElementsAre("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
                          "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation "
                          "is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"));
  for (std::string_view name : {"", ".", "a.", ".a", "A", "a-.b", "a.-b", "a_b"})
    EXPECT_EQ(check_dns1123_subdomain(name).size(), 1u) << name;
  EXPECT_THAT(check_dns1123_subdomain(std::string(254, 'a')), ElementsAre("must be no more than 253 characters"));
}

TEST(Names, Dns1035) {
  EXPECT_THAT(check_dns1035_label("web"), IsEmpty());
  EXPECT_THAT(check_dns1035_label("1web"),
              ElementsAre("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
                          "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
                          "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"));
}

TEST(Names, QualifiedNamesAndLabelValues) {
  for (std::string_view name : {"app", "app.kubernetes.io/name", "A_b.c-9"})
    EXPECT_THAT(check_qualified_name(name), IsEmpty()) << name;
  EXPECT_THAT(check_qualified_name("/x"), ElementsAre("prefix part must be non-empty"));
  EXPECT_THAT(check_qualified_name("example.com/"),
              ElementsAre("name part must be non-empty",
                          "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
                          "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
                          "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"));
  EXPECT_EQ(check_qualified_name("a/b/c").size(), 1u);
  EXPECT_THAT(check_qualified_name(std::string(64, 'a')), ElementsAre("name part must be no more than 63 bytes"));
  EXPECT_THAT(check_label_value(""), IsEmpty());
  EXPECT_THAT(check_label_value("v1.2_x"), IsEmpty());
  EXPECT_EQ(check_label_value("-x").size(), 1u);
  EXPECT_THAT(check_label_value(std::string(64, 'a')), ElementsAre("must be no more than 63 bytes"));
}

TEST(Names, PortNames) {
  EXPECT_THAT(check_port_name("http-1"), IsEmpty());
  EXPECT_THAT(check_port_name("80"), ElementsAre("must contain at least one letter (a-z)"));
  EXPECT_THAT(check_port_name("-a--b"),
              ElementsAre("must not contain consecutive hyphens", "must not begin or end with a hyphen"));
  EXPECT_THAT(check_port_name("abcdefghijklmnop"), ElementsAre("must be no more than 15 characters"));
  EXPECT_EQ(check_port_name("").size(), 2u);
}

TEST(Ids, LookAsTheyShould) {
  EXPECT_THAT(make_uid(), MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_NE(make_uid(), make_uid());
  EXPECT_THAT(make_name_suffix(), MatchesRegex("[bcdfghjklmnpqrstvwxz2456789]{5}"));
  EXPECT_EQ(make_name_suffix(40).size(), 40u);
  EXPECT_NE(random_u64(), random_u64());
}

TEST(Log, OneEscapedLine) {
  ::testing::internal::CaptureStderr();
  log_warning("server", "evil {}", "a\nI1122 forged\t\x1b[31m");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              MatchesRegex("W[0-9]{4} [0-9:]{8}\\.[0-9]{6} +[0-9]+ server\\] evil a\\\\nI1122 forged\\\\t\\\\x1b\\[31m\n"));
}

TEST(Result, ReasonsHaveNames) {
  for (int i = 1; i <= static_cast<int>(Reason::service_unavailable); ++i) {
    auto reason = static_cast<Reason>(i);
    EXPECT_NE(reason_name(reason), "");
    EXPECT_EQ(reason_from_name(reason_name(reason)), reason);
  }
  EXPECT_EQ(reason_name(Reason::already_exists), "AlreadyExists");
  EXPECT_EQ(reason_from_name("Nonsense"), Reason::unknown);
  EXPECT_EQ(errno_error("open /x", 2).message, "open /x: No such file or directory");
  EXPECT_EQ(errno_error("open /x", 2).reason, Reason::not_found);
  EXPECT_EQ(errno_error("open /x", 13).reason, Reason::internal_error);
}

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Reason::invalid, "odd");
  return n / 2;
}
Result<int> quarter(int n) {
  TRY(int h, half(n));
  TRY(h, half(h));
  CHECK_OK(half(0));
  return h;
}

TEST(Result, TryPassesErrorsOn) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().message, "odd");
  EXPECT_EQ(quarter(6).error().reason, Reason::invalid);
  EXPECT_EQ(std::move(quarter(6).error()).wrap("quarter of 6").message, "quarter of 6: odd");
}

}  // namespace
}  // namespace base
