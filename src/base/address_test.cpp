#include "base/address.hpp"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Address, TextAndBack) {
  for (auto text : {"0.0.0.0", "10.96.0.1", "255.255.255.255", "::", "::1", "fd00:10:96::a", "2001:db8::1:0:0:1"}) {
    auto address = Address::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
  EXPECT_EQ(Address::parse("10.0.0.1")->number, (10u << 24) + 1);
  EXPECT_EQ(Address::parse("::1")->family(), "IPv6");
  for (auto bad : {"", "10.0.0", "10.0.0.256", "010.0.0.1", "::ffff:10.0.0.1", "x", "10.0.0.1/8", "::1%lo"}) {
    EXPECT_FALSE(Address::parse(bad)) << bad;
  }
  EXPECT_FALSE(Address::parse(std::string_view("10.0.0.1\0x", 10)));
  EXPECT_FALSE(Address::parse(std::string(1000, '1')));
  EXPECT_NE(AddressHash()(*Address::parse("0.0.0.1")), AddressHash()(*Address::parse("::1")));
}

TEST(Cidr, HoldsItsAddresses) {
  auto four = Cidr::parse("10.96.0.0/24");
  ASSERT_TRUE(four);
  EXPECT_EQ(four->size(), 256u);
  EXPECT_TRUE(four->contains(*Address::parse("10.96.0.255")));
  EXPECT_FALSE(four->contains(*Address::parse("10.96.1.0")));
  EXPECT_FALSE(four->contains(*Address::parse("10.95.255.255")));
  EXPECT_FALSE(four->contains(*Address::parse("::a60:0")));
  auto six = Cidr::parse("fd00:10:96::/64");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->text(), "fd00:10:96::/64");
  EXPECT_TRUE(six->contains(*Address::parse("fd00:10:96::ffff:ffff:ffff:ffff")));
  EXPECT_FALSE(six->contains(*Address::parse("fd00:10:96:1::")));
  EXPECT_TRUE(Cidr::parse("::/0")->contains(*Address::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe")));
  EXPECT_TRUE(Cidr::parse("0.0.0.0/0")->contains(*Address::parse("255.255.255.255")));
  EXPECT_TRUE(Cidr::parse("10.96.0.0/16")->contains(*four));
  EXPECT_FALSE(four->contains(*Cidr::parse("10.96.0.0/16")));
  for (auto bad : {"10.96.0.0", "10.96.0.1/24", "10.96.0.0/33", "10.96.0.0/-1", "10.96.0.0/x", "/8", "fd00::1/64"}) {
    EXPECT_FALSE(Cidr::parse(bad)) << bad;
  }
}

TEST(Cidr, Lists) {
  auto both = parse_cidrs("10.96.0.0/16, fd00:10:96::/112");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->size(), 2u);
  EXPECT_FALSE(parse_cidrs(""));
  EXPECT_FALSE(parse_cidrs("10.96.0.0/16,"));
}

TEST(AddressSpan, OfEveryForm) {
  auto spans = parse_spans("10.245.0.0/24, 10.1.0.5 - 10.1.0.9,fd00::/120,10.2.0.1,10.3.0.0/31");
  ASSERT_TRUE(spans) << spans.error().message;
  auto text = [](const AddressSpan& span) { return span.first.text() + "-" + span.last.text(); };
  EXPECT_EQ(text(spans->at(0)), "10.245.0.1-10.245.0.254");
  EXPECT_EQ(text(spans->at(1)), "10.1.0.5-10.1.0.9");
  EXPECT_EQ(text(spans->at(2)), "fd00::-fd00::ff");
  EXPECT_EQ(text(spans->at(3)), "10.2.0.1-10.2.0.1");
  EXPECT_EQ(text(spans->at(4)), "10.3.0.0-10.3.0.1");
  EXPECT_TRUE(spans->at(1).contains(*Address::parse("10.1.0.9")));
  EXPECT_FALSE(spans->at(1).contains(*Address::parse("10.1.0.10")));
  EXPECT_FALSE(spans->at(1).contains(*Address::parse("::a01:5")));
  EXPECT_TRUE(parse_spans("")->empty());
  for (auto bad : {"10.1.0.9-10.1.0.5", "10.1.0.5-fd00::1", "x", "10.1.0.5-", "10.1.0.5,,"}) {
    EXPECT_FALSE(parse_spans(bad)) << bad;
  }
}

}  // namespace
}  // namespace base
