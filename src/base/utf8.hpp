// One character of UTF-8 at a time, for the parsers and writers of text formats. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace base {

struct Rune {
  uint32_t value = 0;
  size_t size = 0;  // bytes; 0: the text is empty, or does not start with a valid character
};

// The character that `text` starts with. Overlong forms, surrogates and values above U+10FFFF are not valid.
inline Rune read_rune(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  if (text.empty()) return {};
  uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return {};
  uint32_t value = first & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3f);
  }
  if (size == 3 && (value < 0x800 || (value >= 0xd800 && value <= 0xdfff))) return {};
  if (size == 4 && (value < 0x10000 || value > 0x10ffff)) return {};
  return {value, size};
}

// Appends one character; `value` must be one.
inline void append_rune(std::string& out, uint32_t value) {
  auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xc0 | value >> 6);
    put(0x80 | (value & 0x3f));
  } else if (value < 0x10000) {
    put(0xe0 | value >> 12);
    put(0x80 | (value >> 6 & 0x3f));
    put(0x80 | (value & 0x3f));
  } else {
    put(0xf0 | value >> 18);
    put(0x80 | (value >> 12 & 0x3f));
    put(0x80 | (value >> 6 & 0x3f));
    put(0x80 | (value & 0x3f));
  }
}

}  // namespace base
