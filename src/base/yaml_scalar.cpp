#include "base/yaml_scalar.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace base {

namespace {

template <size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  for (std::string_view word : words)
    if (word == text) return true;
  return false;
}

constexpr std::array<std::string_view, 11> kTrue = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                                   "True", "TRUE", "on",  "On",  "ON"};
constexpr std::array<std::string_view, 11> kFalse = {"n",     "N",     "no",  "No",  "NO", "false",
                                                    "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 5> kNull = {"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 12> kInfinite = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF",
                                                       "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool take_digits(std::string_view& text, size_t least, size_t most) {
  size_t n = 0;
  while (n < most && n < text.size() && is_digit(text[n])) ++n;
  text.remove_prefix(n);
  return n >= least;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

bool take_clock(std::string_view& text) {
  if (!take_digits(text, 1, 2) || !take(text, ':') || !take_digits(text, 1, 2) || !take(text, ':') ||
      !take_digits(text, 1, 2))
    return false;
  return !take(text, '.') || take_digits(text, 1, text.size());
}

bool take_zone(std::string_view& text) {
  if (take(text, 'Z')) return true;
  return (take(text, '+') || take(text, '-')) && take_digits(text, 2, 2) && take(text, ':') && take_digits(text, 2, 2);
}

// The forms that go-yaml knows: 2006-1-2, 2006-1-2 15:4:5[.9], 2006-1-2T15:4:5[.9]Z07:00.
bool is_timestamp(std::string_view text) {
  std::string_view date = text;
  if (!take_digits(text, 4, 4) || !take(text, '-')) return false;
  std::string_view month = text;
  if (!take_digits(text, 1, 2) || !take(text, '-')) return false;
  std::string_view day = text;
  if (!take_digits(text, 1, 2)) return false;
  // A date that no calendar has is text for Go.
  int m = std::atoi(std::string(month.substr(0, month.find('-'))).c_str());
  int d = std::atoi(std::string(day.substr(0, day.size() - text.size())).c_str());
  int y = std::atoi(std::string(date.substr(0, 4)).c_str());
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  if (m < 1 || m > 12 || d < 1 || d > kDays[m - 1] + (m == 2 && leap ? 1 : 0)) return false;
  if (text.empty()) return true;
  if (take(text, ' ')) return take_clock(text) && text.empty();
  return (take(text, 'T') || take(text, 't')) && take_clock(text) && take_zone(text) && text.empty();
}

// The digits of an integer of that base as a decimal number without limit.
std::optional<std::string> to_decimal(std::string_view digits, unsigned base) {
  if (digits.empty()) return std::nullopt;
  std::string decimal = "0";  // least significant digit first
  for (char c : digits) {
    unsigned digit = 99;
    if (is_digit(c)) digit = static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A' + 10);
    if (digit >= base) return std::nullopt;
    for (char& place : decimal) {
      unsigned value = static_cast<unsigned>(place - '0') * base + digit;
      place = static_cast<char>('0' + value % 10);
      digit = value / 10;
    }
    for (; digit != 0; digit /= 10) decimal += static_cast<char>('0' + digit % 10);
  }
  while (decimal.size() > 1 && decimal.back() == '0') decimal.pop_back();
  return std::string(decimal.rbegin(), decimal.rend());
}

std::optional<std::string> read_integer(std::string_view text) {
  bool minus = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    minus = text[0] == '-';
    text.remove_prefix(1);
  }
  unsigned base = 10;
  if (text.size() > 1 && text[0] == '0') {
    char c = text[1];
    base = c == 'x' || c == 'X' ? 16 : c == 'o' || c == 'O' ? 8 : c == 'b' || c == 'B' ? 2 : 0;
    text.remove_prefix(base == 0 ? 1 : 2);
    if (base == 0) base = 8;
  }
  // Far more digits than any quantity has: text, and no work that grows with the square of its length.
  if (text.size() > 1000) return std::nullopt;
  auto decimal = to_decimal(text, base);
  if (decimal && minus && *decimal != "0") decimal->insert(0, 1, '-');
  return decimal;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
std::optional<double> read_float(std::string_view text) {
  std::string_view rest = text;
  if (!take(rest, '-')) take(rest, '+');
  if (take(rest, '.')) {
    if (!take_digits(rest, 1, rest.size())) return std::nullopt;
  } else {
    if (!take_digits(rest, 1, rest.size())) return std::nullopt;
    if (take(rest, '.')) take_digits(rest, 0, rest.size());
  }
  if (take(rest, 'e') || take(rest, 'E')) {
    if (!take(rest, '-')) take(rest, '+');
    if (!take_digits(rest, 1, rest.size())) return std::nullopt;
  }
  if (!rest.empty()) return std::nullopt;
  if (text.front() == '+') text.remove_prefix(1);
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return std::nullopt;
  return value;
}

}  // namespace

YamlScalar resolve_yaml_scalar(std::string_view text) {
  if (is_one_of(text, kNull)) return {YamlKind::null, Value()};
  if (is_one_of(text, kTrue)) return {YamlKind::boolean, Value(true)};
  if (is_one_of(text, kFalse)) return {YamlKind::boolean, Value(false)};
  if (text == "<<") return {YamlKind::merge, Value(text)};
  if (is_one_of(text, kInfinite)) return {YamlKind::infinite, Value()};
  char first = text[0];
  if (first == '.') {
    if (auto value = read_float(text)) return {YamlKind::floating, Value(*value)};
  } else if (first == '-' || first == '+' || is_digit(first)) {
    if (is_timestamp(text)) return {YamlKind::timestamp, Value(text)};
    std::string plain;
    for (char c : text)
      if (c != '_') plain += c;
    if (auto integer = read_integer(plain)) return {YamlKind::integer, Value(Value::Number{std::move(*integer)})};
    if (!plain.empty())
      if (auto value = read_float(plain)) return {YamlKind::floating, Value(*value)};
  }
  return {YamlKind::string, Value(text)};
}

std::string format_go_float(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? ".nan" : value > 0 ? ".inf" : "-.inf";
  if (value == 0) return std::signbit(value) ? "-0" : "0";
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string text(buffer, error == std::errc() ? end : buffer);
  size_t e = text.find('e');
  int exponent = std::atoi(text.c_str() + e + 1);
  if (exponent < -4 || exponent >= 6) return text;
  auto [fixed_end, fixed_error] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  return std::string(buffer, fixed_error == std::errc() ? fixed_end : buffer);
}

}  // namespace base
