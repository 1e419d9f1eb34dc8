// The formats of strings that schemas may ask for, as go-openapi's strfmt knows them.
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "api/custom/rules.hpp"
#include "api/validate_rules.hpp"
#include "base/strings.hpp"
#include "base/time.hpp"

namespace api {

namespace {

using Check = bool (*)(std::string_view);

bool matches(std::string_view text, const re2::RE2& pattern) {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), pattern);
}

bool is_ipv4(std::string_view text) {
  const auto address = rules::parse_address(text);
  return address && text.find('.') != std::string_view::npos;
}

bool is_ipv6(std::string_view text) {
  return rules::parse_address(text).has_value() && text.find(':') != std::string_view::npos;
}

bool is_cidr(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const auto address = rules::parse_address(text.substr(0, slash));
  const auto bits = base::parse_int(text.substr(slash + 1));
  return address && bits && *bits >= 0 && *bits <= (address->v6 ? 128 : 32);
}

bool is_mac(std::string_view text) {
  static const re2::RE2 kPattern(
      "^(?:(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}|(?:[0-9a-fA-F]{2}:){7}[0-9a-fA-F]{2}|"
      "(?:[0-9a-fA-F]{2}:){19}[0-9a-fA-F]{2}|(?:[0-9a-fA-F]{2}-){5}[0-9a-fA-F]{2}|"
      "(?:[0-9a-fA-F]{2}-){7}[0-9a-fA-F]{2}|(?:[0-9a-fA-F]{2}-){19}[0-9a-fA-F]{2}|"
      "(?:[0-9a-fA-F]{4}\\.){2}[0-9a-fA-F]{4}|(?:[0-9a-fA-F]{4}\\.){3}[0-9a-fA-F]{4}|"
      "(?:[0-9a-fA-F]{4}\\.){9}[0-9a-fA-F]{4})$");
  return matches(text, kPattern);
}

bool is_uuid_like(std::string_view text, char version) {
  std::string digits;
  for (const char c : text) {
    if (c != '-') digits += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  static const re2::RE2 kShape("^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$");
  if (!matches(text, kShape)) return false;
  if (version != 0 && digits[12] != version) return false;
  return version == 0 || version == '3' || std::string_view("89ab").find(digits[16]) != std::string_view::npos;
}

// One label, or several of which the last one has letters alone. Lengths are counted here: as {0,62} in the expression
// they would cost megabytes.
bool is_hostname(std::string_view text) {
  static const re2::RE2 kOne("^[a-zA-Z0-9\\p{S}\\p{L}](-?[a-zA-Z0-9\\p{S}\\p{L}]*)$");
  static const re2::RE2 kSeveral(
      "^(?:[a-zA-Z0-9\\p{S}\\p{L}](?:[a-zA-Z0-9\\p{S}\\p{L}-]*[a-zA-Z0-9\\p{S}\\p{L}])?\\.)+[a-zA-Z\\p{L}]{2,}$");
  if (text.size() > 255 || (!matches(text, kOne) && !matches(text, kSeveral))) return false;
  return std::ranges::all_of(base::split(text, '.'), [](const std::string& part) { return part.size() <= 63; });
}

bool is_uri(std::string_view text) {
  static const re2::RE2 kPattern("^(?:[a-zA-Z][a-zA-Z0-9+.-]*:[^\\x00-\\x1f\\x7f]+|/[^\\x00-\\x1f\\x7f]*)$");
  static const re2::RE2 kBadHost("^[^:/]+://[^/]*[ <>\"]");
  return matches(text, kPattern) && !matches(text, kBadHost);
}

bool is_email(std::string_view text) {
  static const re2::RE2 kPattern("^(?:[^<>@]*<[^@\\s<>]+@[^@\\s<>]+>|[^@\\s<>,;:\"()\\[\\]]+@[^@\\s<>,;:\"()]+)$");
  return matches(text, kPattern);
}

bool is_date(std::string_view text) {
  return text.size() == 10 && base::parse_time(std::string(text) + "T00:00:00Z").has_value();
}

bool is_date_time(std::string_view text) {
  if (text.size() < 11 || (text[10] != 'T' && text[10] != 't') || !is_date(text.substr(0, 10))) return false;
  static const re2::RE2 kPattern("^([0-9]{2}):([0-9]{2}):([0-9]{2})(?:.[0-9]+)?(?:[zZ]|[+-][0-9]{2}:[0-9]{2})$");
  std::string hour, minute, second;
  const std::string_view time = text.substr(11);
  if (!re2::RE2::FullMatch(re2::StringPiece(time.data(), time.size()), kPattern, &hour, &minute, &second))
    return false;
  return hour <= "23" && minute <= "59" && second <= "59";
}

// "1h30m", "22 ns", "3 days".
bool is_duration(std::string_view text) {
  static const re2::RE2 kPattern(
      "(?i)[0-9]{1,18}\\s*(?:ns|nano[a-z]*|us|µs|micro[a-z]*|ms|milli[a-z]*|s|sec[a-z]*|m|min[a-z]*|h|hr|hour[a-z]*|"
      "d|day[a-z]*|w|wk|week[a-z]*)(?:$|[^a-zA-Zµ])");
  return base::parse_duration(text).has_value() || matches(text, kPattern);
}

bool is_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return false;
  static const re2::RE2 kPattern("^[A-Za-z0-9+/]*={0,2}$");
  return matches(text, kPattern);
}

std::string only_digits(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (std::isdigit(static_cast<unsigned char>(c))) out += c;
  return out;
}

std::string without_separators(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != '-' && c != ' ') out += c;
  return out;
}

bool is_isbn10(std::string_view text) {
  const std::string plain = without_separators(text);
  static const re2::RE2 kPattern("^[0-9]{9}[0-9X]$");
  if (!matches(plain, kPattern)) return false;
  int sum = 0;
  for (int i = 0; i < 9; ++i) sum += (i + 1) * (plain[static_cast<size_t>(i)] - '0');
  sum += 10 * (plain[9] == 'X' ? 10 : plain[9] - '0');
  return sum % 11 == 0;
}

bool is_isbn13(std::string_view text) {
  const std::string plain = without_separators(text);
  if (plain.size() != 13 || only_digits(plain) != plain) return false;
  int sum = 0;
  for (size_t i = 0; i < 13; ++i) sum += (i % 2 == 0 ? 1 : 3) * (plain[i] - '0');
  return sum % 10 == 0;
}

bool is_credit_card(std::string_view text) {
  const std::string digits = only_digits(text);
  static const re2::RE2 kPattern(
      "^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|"
      "3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})$");
  if (!matches(digits, kPattern)) return false;
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    int digit = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

bool is_ssn(std::string_view text) {
  static const re2::RE2 kPattern("^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$");
  return text.size() == 11 && matches(text, kPattern);
}

bool is_hex_color(std::string_view text) {
  static const re2::RE2 kPattern("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$");
  return matches(text, kPattern);
}

bool is_rgb_color(std::string_view text) {
  static const re2::RE2 kPattern(
      "^rgb\\(\\s*(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])\\s*,\\s*(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])\\s*,"
      "\\s*(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])\\s*\\)$");
  return matches(text, kPattern);
}

bool is_object_id(std::string_view text) {
  static const re2::RE2 kPattern("^[0-9a-fA-F]{24}$");
  return matches(text, kPattern);
}

bool is_short_name(std::string_view text) {
  static const re2::RE2 kPattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$");
  return text.size() <= 63 && matches(text, kPattern);
}

bool is_long_name(std::string_view text) {
  static const re2::RE2 kPattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$");
  return text.size() <= 253 && matches(text, kPattern);
}

struct Format {
  std::string_view name;  // without '-'
  Check check;
};
constexpr std::array kFormats{
    Format{"bsonobjectid", is_object_id},
    Format{"uri", is_uri},
    Format{"email", is_email},
    Format{"hostname", is_hostname},
    Format{"ipv4", is_ipv4},
    Format{"ipv6", is_ipv6},
    Format{"cidr", is_cidr},
    Format{"mac", is_mac},
    Format{"uuid", [](std::string_view text) { return is_uuid_like(text, 0); }},
    Format{"uuid3", [](std::string_view text) { return is_uuid_like(text, '3'); }},
    Format{"uuid4", [](std::string_view text) { return is_uuid_like(text, '4'); }},
    Format{"uuid5", [](std::string_view text) { return is_uuid_like(text, '5'); }},
    Format{"isbn", [](std::string_view text) { return is_isbn10(text) || is_isbn13(text); }},
    Format{"isbn10", is_isbn10},
    Format{"isbn13", is_isbn13},
    Format{"creditcard", is_credit_card},
    Format{"ssn", is_ssn},
    Format{"hexcolor", is_hex_color},
    Format{"rgbcolor", is_rgb_color},
    Format{"byte", is_base64},
    Format{"password", [](std::string_view) { return true; }},
    Format{"date", is_date},
    Format{"duration", is_duration},
    Format{"datetime", is_date_time},
    Format{"k8sshortname", is_short_name},
    Format{"k8slongname", is_long_name},
};

const Format* find_format(std::string_view name) {
  std::string plain;
  for (const char c : name)
    if (c != '-') plain += c;
  const auto it = std::ranges::find(kFormats, plain, &Format::name);
  return it == kFormats.end() ? nullptr : &*it;
}

}  // namespace

bool is_known_format(std::string_view format) { return !format.empty() && find_format(format) != nullptr; }

bool has_format(std::string_view format, std::string_view text) {
  const Format* known = find_format(format);
  return !known || known->check(text);
}

}  // namespace api
