// Each check passes what is right and catches a history that is broken in its own way.
#include "history.hpp"

#include <gtest/gtest.h>

namespace history {
namespace {

constexpr Type kA = Type::added;
constexpr Type kM = Type::modified;
constexpr Type kD = Type::erased;
constexpr Type kB = Type::bookmark;


// Colors change at 4 (b leaves red) and 6 (c becomes red); revision 7 has two changes.
Truth truth() {
  return {0,
          {{kA, "a", "1", "red", 1},
           {kA, "b", "2", "red", 2},
           {kM, "a", "3", "red", 3},
           {kM, "b", "4", "blue", 4},
           {kA, "c", "5", "blue", 5},
           {kM, "c", "6", "red", 6},
           {kD, "a", "3", "red", 7},
           {kD, "b", "4", "blue", 7},
           {kA, "a", "8", "blue", 8}}};
}
Session whole() { return {0, "", truth().changes}; }
Session red() {
  return {2, "red",
          {{kM, "a", "3", "red", 3}, {kD, "b", "2", "red", 4}, {kA, "c", "6", "red", 6}, {kD, "a", "3", "red", 7}, {kB, "", "", "", 8}}};
}

TEST(History, what_is_right_passes) {
  EXPECT_EQ(check_session(whole(), truth()), "");
  EXPECT_EQ(check_session(red(), truth()), "");
  EXPECT_EQ(check_session({5, "", {}}, truth()), "");
  EXPECT_EQ(check_session({8, "", {{kB, "", "", "", 8}}}, truth()), "");
  // Cut by a crash in the middle of revision 7.
  EXPECT_EQ(check_session({6, "", {{kD, "a", "3", "red", 7}}}, truth()), "");
}

TEST(History, expected_follows_selectors) {
  auto seen = red().events;
  seen.pop_back();
  EXPECT_EQ(truth().expected(2, 8, "red"), seen);
  EXPECT_EQ(truth().expected(0, 99, ""), truth().changes);
}

TEST(History, merge_finds_disagreement) {
  std::string problem;
  auto half = whole();
  half.events.resize(5);
  auto merged = merge(0, {half, whole(), red()}, problem);
  EXPECT_EQ(problem, "");
  EXPECT_EQ(merged.changes, truth().changes);
  auto other = whole();
  other.events[2].value = "other";
  merge(0, {whole(), other}, problem);
  EXPECT_NE(problem, "");
}

TEST(History, ordered) {
  auto broken = whole();
  std::swap(broken.events[1], broken.events[2]);
  EXPECT_NE(check_ordered(broken), "");
  EXPECT_EQ(check_ordered(whole()), "");
  EXPECT_NE(check_ordered({5, "", {{kM, "a", "3", "red", 3}}}), "");
}

TEST(History, unique) {
  auto broken = whole();
  broken.events.insert(broken.events.begin() + 3, broken.events[2]);
  EXPECT_NE(check_unique(broken), "");
  EXPECT_EQ(check_unique(whole()), "");
}

TEST(History, atomic) {
  auto half = whole();
  half.events.erase(half.events.begin() + 7);
  EXPECT_NE(check_atomic(half, truth()), "");
  auto apart = whole();
  std::swap(apart.events[7], apart.events[8]);
  EXPECT_NE(check_atomic(apart, truth()), "");
  EXPECT_EQ(check_atomic(whole(), truth()), "");
  EXPECT_EQ(check_atomic(red(), truth()), "");
}

TEST(History, bookmarkable) {
  auto broken = red();
  broken.events.insert(broken.events.begin() + 1, Event{kB, "", "", "", 5});
  EXPECT_NE(check_bookmarkable(broken), "");
  auto lost = red();  // the bookmark promises what never came
  lost.events.erase(lost.events.begin() + 3);
  EXPECT_NE(check_session(lost, truth()), "");
  EXPECT_EQ(check_bookmarkable(red()), "");
}

TEST(History, resumable) {
  auto broken = red();
  broken.events.erase(broken.events.begin());
  EXPECT_NE(check_resumable(broken, truth()), "");
  EXPECT_NE(check_resumable({4, "", {{kB, "", "", "", 6}}}, truth()), "");
  EXPECT_EQ(check_resumable(red(), truth()), "");
}

TEST(History, reliable) {
  auto broken = whole();
  broken.events.erase(broken.events.begin() + 4);
  EXPECT_NE(check_reliable(broken, truth()), "");
  EXPECT_EQ(check_reliable(whole(), truth()), "");
}

TEST(History, filter) {
  auto broken = red();
  broken.events.insert(broken.events.begin() + 2, Event{kA, "c", "5", "blue", 5});
  EXPECT_NE(check_filter(broken), "");
  EXPECT_EQ(check_filter(red()), "");
}

TEST(History, is_create) {
  auto again = whole();
  again.events[2].type = kA;
  EXPECT_NE(check_is_create(again, truth()), "");
  auto never = red();
  never.events[2].type = kM;  // it enters the selection: for this watch it is new
  EXPECT_NE(check_is_create(never, truth()), "");
  EXPECT_EQ(check_is_create(red(), truth()), "");
}

TEST(History, previous) {
  auto old = whole();
  old.events[6].value = "1";
  EXPECT_NE(check_previous(old, truth()), "");
  auto left = red();
  left.events[1].value = "4";  // the state that is not selected any more
  EXPECT_NE(check_previous(left, truth()), "");
  EXPECT_EQ(check_previous(red(), truth()), "");
}

TEST(History, listings) {
  Listing listing{4, {{"a", {"3", "red", 3}}, {"b", {"4", "blue", 4}}}};
  EXPECT_EQ(check_listing(listing, truth()), "");
  auto stale = listing;
  stale.state["a"] = {"1", "red", 1};
  EXPECT_NE(check_listing(stale, truth()), "");
  auto less = listing;
  less.state.erase("b");
  EXPECT_NE(check_listing(less, truth()), "");
  auto more = listing;
  more.state["z"] = {"0", "red", 0};
  EXPECT_NE(check_listing(more, truth()), "");
}

TEST(History, writes) {
  EXPECT_EQ(check_writes({{kA, "b", "2", 2}, {kM, "a", "3", 3}, {kD, "a", "3", 0}}, truth()), "");
  EXPECT_NE(check_writes({{kA, "b", "9", 9}}, truth()), "");
  EXPECT_NE(check_writes({{kA, "b", "2", 3}}, truth()), "");
  EXPECT_NE(check_writes({{kD, "c", "6", 0}}, truth()), "");
  EXPECT_NE(check_writes({{kA, "b", "2", 2}, {kA, "b", "2", 2}}, truth()), "");
}

}  // namespace
}  // namespace history
