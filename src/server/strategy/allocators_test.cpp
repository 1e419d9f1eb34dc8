#include "server/strategy/allocators.hpp"

#include <gtest/gtest.h>

#include <set>

namespace server {
namespace {

TEST(Bitmap, PrefersTheUpperBandThenTheLower) {
  Bitmap map(100, 20);
  std::set<uint32_t> upper;
  for (int i = 0; i < 80; ++i) {
    auto n = map.find_free(static_cast<uint64_t>(i) * 7919);
    ASSERT_TRUE(n);
    EXPECT_GE(*n, 20u);
    EXPECT_TRUE(upper.insert(*n).second);
    map.set(*n);
  }
  for (int i = 0; i < 20; ++i) {
    auto n = map.find_free(5);
    ASSERT_TRUE(n);
    EXPECT_LT(*n, 20u);
    map.set(*n);
  }
  EXPECT_FALSE(map.find_free(5));
  map.clear(64);
  EXPECT_EQ(map.find_free(1), 64u);
}

base::Result<AddressRange> range_of(std::string_view text) {
  TRY(auto cidr, base::Cidr::parse(text));
  return AddressRange::make(cidr);
}
base::Address address(std::string_view text) { return *base::Address::parse(text); }

TEST(AddressRange, KnowsItsEnds) {
  auto range = range_of("10.96.0.0/24");
  ASSERT_TRUE(range);
  EXPECT_FALSE(range->usable(address("10.96.0.0")));
  EXPECT_TRUE(range->usable(address("10.96.0.1")));
  EXPECT_TRUE(range->usable(address("10.96.0.254")));
  EXPECT_FALSE(range->usable(address("10.96.0.255")));
  EXPECT_FALSE(range->usable(address("10.96.1.0")));
  EXPECT_EQ(range->count(), 254u);
  EXPECT_EQ(range->lower_band(), 16u);
  EXPECT_EQ(range->at(9).text(), "10.96.0.10");
  auto six = range_of("fd00:10:96::/112");
  ASSERT_TRUE(six);
  EXPECT_FALSE(six->usable(address("fd00:10:96::")));
  EXPECT_TRUE(six->usable(address("fd00:10:96::ffff")));
  EXPECT_EQ(six->count(), 65535u);
  EXPECT_EQ(six->at(0).text(), "fd00:10:96::1");
  EXPECT_EQ(range_of("fd00::/64")->count(), 1u << 20);
  EXPECT_TRUE(range_of("fd00::/64")->usable(address("fd00::ffff:ffff:ffff:ffff")));
  for (auto bad : {"10.96.0.0/31", "10.0.0.0/7", "fd00::/126", "fd00::/48"}) EXPECT_FALSE(range_of(bad)) << bad;
}

TEST(Allocators, TakesOneRangePerFamily) {
  EXPECT_EQ(Allocators::make("10.96.0.0/16,fd00::/112", 30000, 32767)->families(),
            (std::vector<std::string>{"IPv4", "IPv6"}));
  EXPECT_EQ(Allocators::make("fd00::/112,10.96.0.0/16", 30000, 32767)->families(),
            (std::vector<std::string>{"IPv6", "IPv4"}));
  EXPECT_EQ(Allocators::make("fd00::/112", 30000, 32767)->families(), (std::vector<std::string>{"IPv6"}));
  for (auto bad : {"", "10.96.0.0/16,10.97.0.0/16", "fd00::/112,10.96.0.0/16,10.97.0.0/16", "10.96.0.1/16"}) {
    EXPECT_FALSE(Allocators::make(bad, 30000, 32767)) << bad;
  }
  EXPECT_FALSE(Allocators::make("10.96.0.0/16", 40000, 30000));
}

class AllocationTest : public ::testing::Test {
 protected:
  // Runs `f` with a journal over the store's state.
  template <class F>
  void with_journal(F f) {
    base::Result<store::Revision> result = 0;
    store_->submit(
        [&](store::Txn& txn) -> base::Result<void> {
          Allocators::Journal journal(allocators_, txn);
          f(txn, journal);
          return {};
        },
        [&](base::Result<store::Revision> r) { result = std::move(r); });
    store_->close();
    EXPECT_TRUE(result);
    store_ = store::make_memory({});
  }

  Allocators allocators_ = std::move(*Allocators::make("10.96.0.0/24,fd00:10:96::/120", 30000, 30031));
  std::unique_ptr<store::Store> store_ = store::make_memory({});
};

TEST_F(AllocationTest, IsFilledFromTheStoreAndUndone) {
  with_journal([&](store::Txn& txn, Allocators::Journal& journal) {
    txn.put(
        "core/services/default/x",
        R"({"spec":{"clusterIPs":["10.96.0.5"],"ports":[{"nodePort":30001}],"healthCheckNodePort":30002}})",
        nullptr);
    auto taken = journal.take_address("10.96.0.5");
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().message, "provided IP is already allocated");
    EXPECT_FALSE(journal.take_port(30001));
    EXPECT_FALSE(journal.take_port(30002));
    EXPECT_EQ(journal.take_port(40000).error().message,
              "provided port is not in the valid range. The range of valid ports is 30000-30031");
    EXPECT_EQ(journal.take_address("10.97.0.5").error().message,
              "the provided network does not match the current range");
    EXPECT_TRUE(journal.take_address("10.96.0.6"));
    journal.release_address("10.96.0.5");
    EXPECT_TRUE(journal.take_address("10.96.0.5"));
    journal.revert();
    EXPECT_FALSE(journal.take_address("10.96.0.5"));
    EXPECT_TRUE(journal.take_address("10.96.0.6"));
  });
}

TEST_F(AllocationTest, NeverHandsOutTheFixedOnesUnasked) {
  with_journal([&](store::Txn&, Allocators::Journal& journal) {
    std::set<std::string> given;
    while (auto next = journal.next_address("IPv4")) EXPECT_TRUE(given.insert(*next).second);
    EXPECT_EQ(given.size(), 252u);  // 254 less .1 and .10
    EXPECT_FALSE(given.contains("10.96.0.1"));
    EXPECT_FALSE(given.contains("10.96.0.10"));
    EXPECT_EQ(journal.next_address("IPv4").error().message, "failed to allocate a serviceIP: range is full");
    EXPECT_TRUE(journal.take_address("10.96.0.10"));
    EXPECT_TRUE(journal.take_address("10.96.0.1"));
  });
}

TEST_F(AllocationTest, BothFamilies) {
  with_journal([&](store::Txn&, Allocators::Journal& journal) {
    std::set<std::string> given;
    while (auto next = journal.next_address("IPv6")) {
      EXPECT_TRUE(given.insert(*next).second);
      EXPECT_TRUE(next->starts_with("fd00:10:96::"));
      if (given.size() <= 239) {  // 255 less the band of 16
        EXPECT_GT(address(*next).number - address("fd00:10:96::").number, 16u) << *next;
      }
    }
    EXPECT_EQ(given.size(), 253u);  // 255 less ::1 and ::a
    EXPECT_TRUE(journal.take_address("fd00:10:96::a"));
    EXPECT_TRUE(journal.next_address("IPv4"));
    EXPECT_FALSE(journal.take_address("fd00:10:97::a"));
    journal.release_address("fd00:10:96::33");
    EXPECT_EQ(*journal.next_address("IPv6"), "fd00:10:96::33");
  });
}

TEST_F(AllocationTest, FollowsServiceCidrsAndIpAddresses) {
  auto cidr = [](std::string_view cidrs, std::string_view more = "") {
    return R"({"metadata":{"name":"more")" + std::string(more) + R"(},"spec":{"cidrs":[)" + std::string(cidrs) + "]}}";
  };
  with_journal([&](store::Txn& txn, Allocators::Journal& journal) {
    txn.put("networking.k8s.io/ipaddresses/10.97.0.7", "{}", nullptr);
    EXPECT_FALSE(journal.take_address("10.97.0.5"));
    txn.put("networking.k8s.io/servicecidrs/more", cidr(R"("10.97.0.0/28")"), nullptr);
    journal.ranges_change();
    EXPECT_TRUE(journal.take_address("10.97.0.5"));
    EXPECT_EQ(journal.take_address("10.97.0.7").error().message, "provided IP is already allocated");
    // The first range is full: the second gives.
    std::set<std::string> given;
    while (auto next = journal.next_address("IPv4")) given.insert(*next);
    EXPECT_EQ(given.size(), 252u + 12u);  // .5 and .7 of the small one are taken
    journal.release_address("10.97.0.5");
    txn.put("networking.k8s.io/servicecidrs/more", cidr(R"("10.97.0.0/28")", R"(,"deletionTimestamp":"2026-01-01T00:00:00Z")"), nullptr);
    journal.ranges_change();
    EXPECT_EQ(journal.take_address("10.97.0.5").error().message,
              "the provided network does not match the current range");
  });
}

TEST_F(AllocationTest, StartsAgainFromTheStoreAfterAFailedCommit) {
  with_journal(
      [&](store::Txn&, Allocators::Journal& journal) { EXPECT_TRUE(journal.take_address("10.96.0.7")); });
  // Nothing of that was stored: as long as nobody says so, it counts as taken.
  with_journal(
      [&](store::Txn&, Allocators::Journal& journal) { EXPECT_FALSE(journal.take_address("10.96.0.7")); });
  allocators_.mark_stale();
  with_journal(
      [&](store::Txn&, Allocators::Journal& journal) { EXPECT_TRUE(journal.take_address("10.96.0.7")); });
}

}  // namespace
}  // namespace server
