// Small string functions that several modules need. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace base {

std::vector<std::string> split(std::string_view text, char separator);  // "" gives one empty piece
std::string join(std::span<const std::string> pieces, std::string_view separator);
std::string_view trim(std::string_view text);  // blanks, tabs, CR, LF on both sides
std::string to_lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);
// Decimal digits only, optional '-', whole text, in range.
std::optional<int64_t> parse_int(std::string_view text);
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);  // strict, padded; newlines allowed
std::string hex_encode(std::string_view bytes);
// Go's strconv.Quote: double quotes, escapes, printable runes kept. Used in messages that clients compare.
std::string quote(std::string_view text);
// Length of the longest valid UTF-8 prefix.
size_t valid_utf8_prefix(std::string_view text);

// RFC 1123/1035 names, as apimachinery's validation checks them. Empty vector: valid. Otherwise upstream's messages.
std::vector<std::string> check_dns1123_label(std::string_view name);
std::vector<std::string> check_dns1123_subdomain(std::string_view name);
std::vector<std::string> check_dns1035_label(std::string_view name);
std::vector<std::string> check_qualified_name(std::string_view name);  // label and annotation keys
std::vector<std::string> check_label_value(std::string_view value);
std::vector<std::string> check_port_name(std::string_view name);  // IANA_SVC_NAME

}  // namespace base
