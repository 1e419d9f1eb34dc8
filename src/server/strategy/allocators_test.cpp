#include "server/strategy/allocators.hpp"

#include <gtest/gtest.h>

#include <set>

namespace server {
namespace {

TEST(Bitmap, PrefersTheUpperBandThenTheLower) {
  Bitmap map(100, 20);
  map.reserve(0);
  std::set<uint32_t> upper;
  for (int i = 0; i < 80; ++i) {
    auto n = map.find_free(static_cast<uint64_t>(i) * 7919);
    ASSERT_TRUE(n);
    EXPECT_GE(*n, 20u);
    EXPECT_TRUE(upper.insert(*n).second);
    map.set(*n);
  }
  for (int i = 0; i < 19; ++i) {
    auto n = map.find_free(5);
    ASSERT_TRUE(n);
    EXPECT_LT(*n, 20u);
    EXPECT_NE(*n, 0u);
    map.set(*n);
  }
  EXPECT_FALSE(map.find_free(5));
  map.clear(64);
  EXPECT_EQ(map.find_free(1), 64u);
}

TEST(AddressRange, KnowsItsEnds) {
  auto range = AddressRange::make("10.96.0.0/24");
  ASSERT_TRUE(range);
  EXPECT_FALSE(range->index_of(*parse_ipv4("10.96.0.0")));
  EXPECT_EQ(range->index_of(*parse_ipv4("10.96.0.1")), 0u);
  EXPECT_EQ(range->index_of(*parse_ipv4("10.96.0.254")), 253u);
  EXPECT_FALSE(range->index_of(*parse_ipv4("10.96.0.255")));
  EXPECT_FALSE(range->contains(*parse_ipv4("10.96.1.0")));
  EXPECT_EQ(format_ipv4(range->address_of(9)), "10.96.0.10");
  for (auto bad : {"10.96.0.0", "10.96.0.1/24", "fd00::/112", "10.96.0.0/31", "10.96.0.0/x"}) {
    EXPECT_FALSE(AddressRange::make(bad)) << bad;
  }
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

  Allocators allocators_ = std::move(*Allocators::make("10.96.0.0/24", 30000, 30031));
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
    while (auto address = journal.next_address()) EXPECT_TRUE(given.insert(*address).second);
    EXPECT_EQ(given.size(), 252u);  // 254 less .1 and .10
    EXPECT_FALSE(given.contains("10.96.0.1"));
    EXPECT_FALSE(given.contains("10.96.0.10"));
    EXPECT_EQ(journal.next_address().error().message, "failed to allocate a serviceIP: range is full");
    EXPECT_TRUE(journal.take_address("10.96.0.10"));
    EXPECT_TRUE(journal.take_address("10.96.0.1"));
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
