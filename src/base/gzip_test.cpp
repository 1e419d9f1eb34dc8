#include "base/gzip.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace {

TEST(Gzip, ComesBackAsItWent) {
  std::mt19937 random(7);
  for (size_t size : {0u, 1u, 100u, 16'384u, 65'537u, 3'000'000u}) {
    std::string text;
    for (size_t i = 0; i < size; ++i) text += static_cast<char>(i % 3 ? 'a' + random() % 4 : random());
    for (int level : {1, 6, 9}) {
      const std::string packed = base::gzip(text, level);
      EXPECT_TRUE(packed.starts_with("\x1f\x8b"));
      const auto back = base::gunzip(packed);
      ASSERT_TRUE(back) << back.error().message;
      EXPECT_TRUE(*back == text) << size << " at level " << level;
    }
  }
}

TEST(Gzip, PiecesAreOneText) {
  const std::array<std::string_view, 4> pieces = {"one,", "", "two,", "three"};
  EXPECT_EQ(base::gunzip(base::gzip(pieces, 1)).value(), "one,two,three");
}

TEST(Gzip, DamageAndBombsAreRefused) {
  const std::string packed = base::gzip(std::string(1'000'000, 'x'), 9);
  EXPECT_LT(packed.size(), 2'000u);
  EXPECT_FALSE(base::gunzip(packed, 999'999));
  EXPECT_TRUE(base::gunzip(packed, 1'000'000));
  EXPECT_FALSE(base::gunzip(packed.substr(0, packed.size() - 1)));
  EXPECT_FALSE(base::gunzip(packed + "x"));
  EXPECT_FALSE(base::gunzip("no gzip at all"));
  EXPECT_FALSE(base::gunzip(""));
  std::string flipped = packed;
  flipped[flipped.size() - 6] ^= 1;  // the checksum
  EXPECT_FALSE(base::gunzip(flipped));
}

}  // namespace
