#include "base/quantity.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace base {
namespace {

std::string canonical(std::string_view text) {
  auto q = Quantity::parse(text);
  return q ? q->text() : "refused";
}

TEST(Quantity, CanonicalForm) {
  struct Case {
    std::string_view text, canonical;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"0", "0"},          {"0n", "0"},          {"0Ki", "0"},        {"-0", "0"},         {"100m", "100m"},
           {"0.1", "100m"},     {"1000m", "1"},       {"1500m", "1500m"},  {"1.5", "1500m"},    {"1", "1"},
           {"1000", "1k"},      {"1024", "1024"},     {"1k", "1k"},        {"1000k", "1M"},     {"1.1M", "1100k"},
           {"1Ki", "1Ki"},      {"1024Ki", "1Mi"},    {"1023Ki", "1023Ki"}, {"1.5Gi", "1536Mi"}, {"0.5Ki", "512"},
           {"0.5Mi", "512Ki"},  {"1.1Ki", "1126400m"}, {"128974848", "128974848"}, {"129e6", "129e6"}, {"129M", "129M"},
           {"128974848000m", "128974848"}, {"123Mi", "123Mi"}, {"1e3", "1e3"}, {"1E3", "1e3"}, {"12e2", "1200"},
           {"1.5e3", "1500"},   {"1e-3", "1e-3"},     {"100e-3", "100e-3"}, {"1E", "1E"},       {"1000E", "1e21"},
           {"+1", "1"},         {"-1.5", "-1500m"},   {"-1Ki", "-1Ki"},    {"0.9n", "1n"},      {"0.0000000001", "1n"},
           {"-0.1n", "-1n"},    {"1.0000000001", "1000000001n"}, {"1.2345", "1234500u"}, {"001", "1"},
           {"5.", "5"},         {"10.000000000000000000000000", "10"},
           {"18446744073709551616", "18446744073709551616"}, {"8Ei", "9223372036854775807"}, {"9100000000000000Ki", "9223372036854775807"},
           {"0.000000000001Ki", "2n"},
       })
    EXPECT_EQ(canonical(c.text), c.canonical) << c.text;
}

TEST(Quantity, RefusesWhatUpstreamRefuses) {
  for (std::string_view text : {"", "1.1.M", "1+1.0M", "0.1mi", "0.1am", "aoeu", ".5i", "1i", "-3.01i", "-3.01e-", " 1", "1 ",
                                "1e", "e3", "1ki", "1m ", "1e5x", "K", "1,5", "--1", "0x10", "1Kim"})
    EXPECT_EQ(canonical(text), "refused") << text;
}

TEST(Quantity, RoundsUpAwayFromZero) {
  EXPECT_EQ(Quantity::parse("1001m")->value(), 2);
  EXPECT_EQ(Quantity::parse("-1001m")->value(), -2);
  EXPECT_EQ(Quantity::parse("1n")->milli_value(), 1);
  EXPECT_EQ(Quantity::parse("1Gi")->value(), 1'073'741'824);
  EXPECT_EQ(Quantity::parse("1E")->milli_value(), std::numeric_limits<int64_t>::max());
}

TEST(Quantity, HugeTextIsNoTrouble) {
  std::string nines(100'000, '9');
  EXPECT_EQ(Quantity::parse(nines)->value(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(canonical("0." + std::string(100'000, '0') + "1"), "1n");
  EXPECT_EQ(canonical("1." + std::string(100'000, '0') + "1"), "1000000001n");
  EXPECT_EQ(canonical("1e-999999999"), "1e-9");
  EXPECT_GT(Quantity::parse("1e999999999")->value(), 0);
  EXPECT_LT(Quantity::parse("-1e999999999")->value(), 0);
}

TEST(Quantity, ArithmeticKeepsTheFormatOfTheFirst) {
  EXPECT_EQ((*Quantity::parse("1Gi") + *Quantity::parse("512Mi")).text(), "1536Mi");
  EXPECT_EQ((*Quantity::parse("1") - *Quantity::parse("250m")).text(), "750m");
  EXPECT_EQ((Quantity() + *Quantity::parse("2Ki")).text(), "2Ki");
  EXPECT_TRUE((*Quantity::parse("1") - *Quantity::parse("2")).negative());
}

TEST(Quantity, ComparesByValue) {
  EXPECT_EQ(*Quantity::parse("1000m"), *Quantity::parse("1"));
  EXPECT_EQ(*Quantity::parse("1Ki"), *Quantity::parse("1024"));
  EXPECT_LT(*Quantity::parse("1M"), *Quantity::parse("1Mi"));
  EXPECT_EQ(Quantity::from_milli(250).text(), "250m");
  EXPECT_EQ(Quantity::from_int(2048, Quantity::Format::binary_si).text(), "2Ki");
}

}  // namespace
}  // namespace base
