#include "base/ids.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace base {

namespace {

void fill_random(unsigned char* out, size_t size) {
  while (size > 0) {
    ssize_t n = ::getrandom(out, size, 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      std::abort();  // the kernel has had getrandom since 3.17: without it there is no safe identifier
    }
    out += n;
    size -= static_cast<size_t>(n);
  }
}

}  // namespace

uint64_t random_u64() {
  std::array<unsigned char, 8> bytes;
  fill_random(bytes.data(), bytes.size());
  uint64_t value = 0;
  for (unsigned char b : bytes) value = value << 8 | b;
  return value;
}

std::string make_uid() {
  std::array<unsigned char, 16> bytes;
  fill_random(bytes.data(), bytes.size());
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kHex[bytes[i] >> 4];
    text += kHex[bytes[i] & 15];
  }
  return text;
}

std::string make_name_suffix(int length) {
  // No vowels and no look-alikes, so that no suffix spells a word.
  static constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  std::string text;
  while (static_cast<int>(text.size()) < length) {
    unsigned char byte;
    fill_random(&byte, 1);
    if (byte < 256 / kLetters.size() * kLetters.size()) text += kLetters[byte % kLetters.size()];
  }
  return text;
}

}  // namespace base
