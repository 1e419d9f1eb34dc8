#include "base/quantity.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace base {

namespace {

using Wide = __int128;

constexpr Wide kOne = 1'000'000'000;  // nanos in 1
constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();
// What nanos in 128 bits can hold, far above 2^63: larger quantities stop here.
constexpr Wide kLimit = (~(static_cast<unsigned __int128>(1) << 127)) / kOne * kOne;

Wide saturating_multiply(Wide a, Wide b) {
  Wide result;
  if (__builtin_mul_overflow(a, b, &result) || result > kLimit) return kLimit;
  return result;
}

struct Suffix {
  std::string_view text;
  int base;
  int exponent;
};
constexpr std::array<Suffix, 16> kSuffixes = {{{"n", 10, -9}, {"u", 10, -6}, {"m", 10, -3}, {"", 10, 0},
                                              {"k", 10, 3}, {"M", 10, 6}, {"G", 10, 9}, {"T", 10, 12},
                                              {"P", 10, 15}, {"E", 10, 18}, {"Ki", 2, 10}, {"Mi", 2, 20},
                                              {"Gi", 2, 30}, {"Ti", 2, 40}, {"Pi", 2, 50}, {"Ei", 2, 60}}};

struct Scale {
  int base;
  int exponent;
  Quantity::Format format;
};

std::optional<Scale> read_suffix(std::string_view text) {
  for (const Suffix& s : kSuffixes)
    if (s.text == text)
      return Scale{s.base, s.exponent, s.base == 2 ? Quantity::Format::binary_si : Quantity::Format::decimal_si};
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return std::nullopt;
  text.remove_prefix(1);
  bool negative = text[0] == '-';
  if (negative || text[0] == '+') text.remove_prefix(1);
  if (text.empty() || text.size() > 18) return std::nullopt;
  int64_t exponent = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    exponent = exponent * 10 + (c - '0');
  }
  exponent = std::min<int64_t>(exponent, 1'000'000);
  return Scale{10, static_cast<int>(negative ? -exponent : exponent), Quantity::Format::decimal_exponent};
}

// The magnitude of `digits` * 10^exponent * 2^shift, in nanos, rounded away from zero.
Wide to_nanos(std::string_view digits, int exponent, int shift) {
  while (!digits.empty() && digits.front() == '0') digits.remove_prefix(1);
  if (digits.empty()) return 0;
  exponent += 9;
  // Digits far below one nano only matter as "there was something".
  bool rest = false;
  if (static_cast<int64_t>(digits.size()) > 60) {
    size_t cut = digits.size() - 60;
    if (exponent + static_cast<int64_t>(cut) >= 0) return kLimit;  // 60 digits before the point
    rest = digits.substr(60).find_first_not_of('0') != std::string_view::npos;
    digits = digits.substr(0, 60);
    exponent += static_cast<int>(cut);
  }
  if (static_cast<int64_t>(digits.size()) + exponent > 39) return kLimit;
  if (static_cast<int64_t>(digits.size()) + exponent < -20) return 1;
  // Long division by hand: whole part in `value`, and the remainder decides about rounding.
  Wide scale = static_cast<Wide>(1) << shift;
  Wide value = 0;
  // Integer digits (those left of the nano point).
  int whole_digits = static_cast<int>(digits.size()) + std::min(exponent, 0);
  for (int i = 0; i < whole_digits; ++i) {
    value = saturating_multiply(value, 10);
    if (value >= kLimit) return kLimit;
    value += digits[static_cast<size_t>(i)] - '0';
  }
  for (int i = 0; i < exponent; ++i) value = saturating_multiply(value, 10);
  value = saturating_multiply(value, scale);
  if (value >= kLimit) return kLimit;
  if (exponent >= 0) return value;
  // Digits right of the nano point times 2^shift may reach above it again: add them digit by digit from the right.
  std::string_view below = digits.substr(static_cast<size_t>(std::max(whole_digits, 0)));
  std::string fraction(static_cast<size_t>(std::max(-whole_digits, 0)), '0');
  fraction += below;
  Wide carry = 0;
  for (size_t i = fraction.size(); i-- > 0;) {
    Wide product = (fraction[i] - '0') * scale + carry;
    if (product % 10 != 0) rest = true;
    carry = product / 10;
  }
  value += carry;
  return rest ? value + 1 : value;
}

Wide rounded_up(Wide nanos, Wide unit) {
  Wide whole = nanos / unit;
  Wide rest = nanos % unit;
  if (rest == 0) return whole;
  return nanos > 0 ? whole + 1 : whole - 1;  // away from zero
}

int64_t clamp(Wide value) {
  if (value > kMaxInt) return kMaxInt;
  if (value < std::numeric_limits<int64_t>::min()) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

std::string decimal_digits(Wide value) {
  bool negative = value < 0;
  auto magnitude = negative ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  std::string text;
  do {
    text += static_cast<char>('0' + static_cast<int>(magnitude % 10));
    magnitude /= 10;
  } while (magnitude != 0);
  if (negative) text += '-';
  std::reverse(text.begin(), text.end());
  return text;
}

std::string suffix_of(int base, int exponent, Quantity::Format format) {
  if (format != Quantity::Format::decimal_exponent)
    for (const Suffix& s : kSuffixes)
      if (s.base == base && s.exponent == exponent) return std::string(s.text);
  return exponent == 0 ? "" : "e" + std::to_string(exponent);
}

std::string binary_text(Wide units) {
  int exponent = 0;
  while (units % 1024 == 0 && exponent < 60) {
    units /= 1024;
    exponent += 10;
  }
  return decimal_digits(units) + (exponent == 0 ? "" : suffix_of(2, exponent, Quantity::Format::binary_si));
}

}  // namespace

std::optional<Quantity> Quantity::parse(std::string_view text) {
  if (text.empty()) return std::nullopt;
  bool minus = text[0] == '-';
  size_t at = minus || text[0] == '+' ? 1 : 0;
  auto is_digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  std::string digits;
  size_t start = at;
  for (; is_digit(at); ++at) digits += text[at];
  size_t fraction = 0;
  if (at < text.size() && text[at] == '.') {
    for (++at; is_digit(at); ++at, ++fraction) digits += text[at];
  }
  // Upstream reads a sign alone as 0; a number without any digit is refused here, as its grammar says.
  if (digits.empty() || at == start) return std::nullopt;
  auto scale = read_suffix(text.substr(at));
  if (!scale || fraction > 1'000'000) return std::nullopt;
  Quantity q;
  q.format_ = scale->format;
  int exponent = scale->base == 10 ? scale->exponent : 0;
  int shift = scale->base == 2 ? scale->exponent : 0;
  q.nanos_ = to_nanos(digits, exponent - static_cast<int>(fraction), shift);
  if (q.format_ == Format::binary_si) {
    q.nanos_ = std::min(q.nanos_, static_cast<Wide>(kMaxInt) * kOne);
    if (q.nanos_ > 0 && q.nanos_ < kOne) q.format_ = Format::decimal_si;
  }
  if (minus) q.nanos_ = -q.nanos_;
  return q;
}

Quantity Quantity::from_int(int64_t value, Format format) {
  Quantity q;
  q.nanos_ = static_cast<Wide>(value) * kOne;
  q.format_ = format;
  return q;
}

Quantity Quantity::from_milli(int64_t milli, Format format) {
  Quantity q;
  q.nanos_ = static_cast<Wide>(milli) * (kOne / 1000);
  q.format_ = format;
  return q;
}

int64_t Quantity::value() const { return clamp(rounded_up(nanos_, kOne)); }
int64_t Quantity::milli_value() const { return clamp(rounded_up(nanos_, kOne / 1000)); }

std::string Quantity::text() const {
  if (nanos_ == 0) return "0";
  Format format = format_;
  if (format == Format::binary_si) {
    bool small = nanos_ > -1024 * kOne && nanos_ < 1024 * kOne;
    if (!small && nanos_ % kOne == 0) return binary_text(nanos_ / kOne);
    format = Format::decimal_si;
  }
  Wide mantissa = nanos_;
  int exponent = -9;
  while (mantissa % 1000 == 0 && exponent < 300) {
    mantissa /= 1000;
    exponent += 3;
  }
  return decimal_digits(mantissa) + suffix_of(10, exponent, format);
}

Quantity Quantity::operator+(const Quantity& other) const {
  Quantity q;
  // The first operand that is not zero decides how the sum is written.
  q.format_ = nanos_ == 0 ? other.format_ : format_;
  if (__builtin_add_overflow(nanos_, other.nanos_, &q.nanos_)) q.nanos_ = nanos_ > 0 ? kLimit : -kLimit;
  q.nanos_ = std::clamp(q.nanos_, -kLimit, kLimit);
  return q;
}

Quantity Quantity::operator-(const Quantity& other) const {
  Quantity negated = other;
  negated.nanos_ = -other.nanos_;
  return *this + negated;
}

}  // namespace base
