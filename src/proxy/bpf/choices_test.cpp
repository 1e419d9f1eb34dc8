#include "proxy/bpf/choices.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace proxy::bpf {
namespace {

std::vector<Choice> choices(const std::vector<uint32_t>& weights) {
  std::vector<Choice> out;
  for (uint32_t i = 0; i < weights.size(); ++i)
    out.push_back({.endpoint = 100 + i, .hash = hash_bytes(&i, sizeof i), .weight = weights[i]});
  return out;
}

std::map<uint32_t, size_t> counted(const std::vector<uint32_t>& row) {
  std::map<uint32_t, size_t> out;
  for (auto c : row) ++out[c];
  return out;
}

TEST(Choices, NothingGivesNothing) {
  for (int balance : {BALANCE_RANDOM, BALANCE_ROUND_ROBIN, BALANCE_LEAST_CONNECTIONS, BALANCE_HASH})
    EXPECT_TRUE(plan_choices({}, balance).empty());
}

TEST(Choices, EqualWeightsStandOnceEach) {
  EXPECT_EQ(plan_choices(choices({7, 7, 7}), BALANCE_RANDOM), (std::vector<uint32_t>{100, 101, 102}));
}

TEST(Choices, WeightsAreSharesAndSpread) {
  auto row = plan_choices(choices({3, 1}), BALANCE_ROUND_ROBIN);
  EXPECT_EQ(counted(row), (std::map<uint32_t, size_t>{{100, 3}, {101, 1}}));
  EXPECT_NE(row.back(), 101u) << "the lighter one stands in the middle";
}

TEST(Choices, LargeWeightsStayInBoundsAndNobodyIsLeftOut) {
  auto row = plan_choices(choices({100'003, 100'019, 1}), BALANCE_RANDOM);
  EXPECT_LE(row.size(), 258u);
  EXPECT_EQ(counted(row).size(), 3u);
}

TEST(Choices, WithoutWeightThereIsNoTrafficUnlessNobodyHasAny) {
  EXPECT_EQ(counted(plan_choices(choices({0, 1}), BALANCE_RANDOM)), (std::map<uint32_t, size_t>{{101, 1}}));
  EXPECT_EQ(counted(plan_choices(choices({0, 0}), BALANCE_HASH)).size(), 2u);
}

TEST(Choices, HashTablesShareEvenlyByWeight) {
  auto row = plan_choices(choices({1, 1, 2}), BALANCE_HASH);
  auto shares = counted(row);
  const double quarter = static_cast<double>(row.size()) / 4;
  EXPECT_NEAR(static_cast<double>(shares[100]), quarter, 2);
  EXPECT_NEAR(static_cast<double>(shares[101]), quarter, 2);
  EXPECT_NEAR(static_cast<double>(shares[102]), 2 * quarter, 2);
}

TEST(Choices, WhenOneGoesFewOfTheOthersPlacesMove) {
  auto before = choices({1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  auto after = before;
  after.erase(after.begin() + 4);
  auto old_row = plan_choices(before, BALANCE_HASH), new_row = plan_choices(after, BALANCE_HASH);
  ASSERT_EQ(old_row.size(), 1021u);
  ASSERT_EQ(new_row.size(), 1021u);
  size_t moved = 0;
  for (size_t i = 0; i < old_row.size(); ++i) moved += old_row[i] != 104 && old_row[i] != new_row[i];
  EXPECT_LT(moved, old_row.size() / 8) << "the rest would move with a plain modulo";
}

TEST(Choices, ManyEndpointsHaveAllAPlace) {
  auto row = plan_choices(choices(std::vector<uint32_t>(1500, 1)), BALANCE_HASH);
  EXPECT_EQ(counted(row).size(), 1500u);
}

}  // namespace
}  // namespace proxy::bpf
