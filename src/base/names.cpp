// The check_* functions of strings.hpp. Messages are compared by clients and by the conformance suite: they are
// apimachinery's to the byte (two blanks before "or" included).
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "base/strings.hpp"

namespace base {

namespace {

#define LABEL_1123 "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define LABEL_KEY "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower_alphanumeric(char c) { return is_lower(c) || is_digit(c); }
bool is_alphanumeric(char c) { return is_lower_alphanumeric(c) || (c >= 'A' && c <= 'Z'); }

std::string regex_message(std::string_view message, std::string_view regex,
                          std::initializer_list<std::string_view> examples) {
  std::string out = fmt::format("{} (e.g. ", message);
  bool first = true;
  for (std::string_view example : examples) {
    if (!first) out += " or ";
    first = false;
    out += fmt::format("'{}', ", example);
  }
  return out + fmt::format("regex used for validation is '{}')", regex);
}

// Bytes in both cases; upstream words it so for DNS names, and as "bytes" for labels.
std::string too_long(size_t length) { return fmt::format("must be no more than {} characters", length); }
std::string too_many_bytes(size_t length) { return fmt::format("must be no more than {} bytes", length); }

bool is_label_1123(std::string_view text) {
  if (text.empty() || !is_lower_alphanumeric(text.front()) || !is_lower_alphanumeric(text.back())) return false;
  return std::ranges::all_of(text, [](char c) { return is_lower_alphanumeric(c) || c == '-'; });
}

bool is_subdomain(std::string_view text) {
  for (;;) {
    size_t dot = text.find('.');
    if (!is_label_1123(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_key_name(std::string_view text) {
  if (text.empty() || !is_alphanumeric(text.front()) || !is_alphanumeric(text.back())) return false;
  return std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

std::string key_message(std::string_view prefix) {
  return std::string(prefix) +
         regex_message(
             "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
             "character",
             LABEL_KEY, {"MyName", "my.name", "123-abc"});
}

}  // namespace

std::vector<std::string> check_dns1123_label(std::string_view name) {
  std::vector<std::string> errors;
  if (name.size() > 63) errors.push_back(too_long(63));
  if (is_label_1123(name)) return errors;
  if (is_subdomain(name))
    errors.emplace_back("must not contain dots");
  else
    errors.push_back(regex_message(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        "with an alphanumeric character",
        LABEL_1123, {"my-name", "123-abc"}));
  return errors;
}

std::vector<std::string> check_dns1123_subdomain(std::string_view name) {
  std::vector<std::string> errors;
  if (name.size() > 253) errors.push_back(too_long(253));
  if (!is_subdomain(name))
    errors.push_back(regex_message(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character",
        LABEL_1123 "(\\." LABEL_1123 ")*", {"example.com"}));
  return errors;
}

std::vector<std::string> check_dns1035_label(std::string_view name) {
  std::vector<std::string> errors;
  if (name.size() > 63) errors.push_back(too_long(63));
  if (!is_label_1123(name) || !is_lower(name.front()))
    errors.push_back(regex_message(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character",
        "[a-z]([-a-z0-9]*[a-z0-9])?", {"my-name", "abc-123"}));
  return errors;
}

std::vector<std::string> check_qualified_name(std::string_view name) {
  std::vector<std::string> errors;
  auto slashes = std::ranges::count(name, '/');
  if (slashes > 1)
    return {key_message("a valid label key ") + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
  if (slashes == 1) {
    std::string_view prefix = name.substr(0, name.find('/'));
    name.remove_prefix(prefix.size() + 1);
    if (prefix.empty())
      errors.emplace_back("prefix part must be non-empty");
    else
      for (const std::string& message : check_dns1123_subdomain(prefix)) errors.push_back("prefix part " + message);
  }
  if (name.empty())
    errors.emplace_back("name part must be non-empty");
  else if (name.size() > 63)
    errors.push_back("name part " + too_many_bytes(63));
  if (!is_key_name(name)) errors.push_back(key_message("name part "));
  return errors;
}

std::vector<std::string> check_label_value(std::string_view value) {
  std::vector<std::string> errors;
  if (value.size() > 63) errors.push_back(too_many_bytes(63));
  if (!value.empty() && !is_key_name(value))
    errors.push_back(regex_message(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character",
        "(" LABEL_KEY ")?", {"MyValue", "my_value", "12345"}));
  return errors;
}

std::vector<std::string> check_port_name(std::string_view name) {
  std::vector<std::string> errors;
  if (name.size() > 15) errors.push_back(too_long(15));
  if (name.empty() || !std::ranges::all_of(name, [](char c) { return is_lower_alphanumeric(c) || c == '-'; }))
    errors.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!std::ranges::any_of(name, is_lower)) errors.emplace_back("must contain at least one letter (a-z)");
  if (name.find("--") != std::string_view::npos) errors.emplace_back("must not contain consecutive hyphens");
  if (!name.empty() && (name.front() == '-' || name.back() == '-'))
    errors.emplace_back("must not begin or end with a hyphen");
  return errors;
}

}  // namespace base
