#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/strings.hpp"
#include "cli/describe_kinds.hpp"
#include "cli/describe_parts.hpp"

namespace cli {
namespace {

using base::Array;
using base::Value;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

// "apiVersion" -> "api", "Version"; "podIPs" -> "pod", "I", "Ps": a capital before small letters starts the
// next word.
std::vector<std::string> words_of(std::string_view name) {
  auto sort_of = [](char c) { return is_lower(c) ? 0 : is_upper(c) ? 1 : 2; };
  std::vector<std::string> words;
  for (size_t i = 0; i < name.size(); ++i) {
    if (i == 0 || sort_of(name[i]) != sort_of(name[i - 1])) words.emplace_back();
    words.back() += name[i];
  }
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i].empty() || !is_upper(words[i][0]) || !is_lower(words[i + 1][0])) continue;
    words[i + 1].insert(words[i + 1].begin(), words[i].back());
    words[i].pop_back();
  }
  std::erase(words, "");
  return words;
}

std::string label_of_field(std::string_view name) {
  bool plain =
      std::all_of(name.begin(), name.end(), [](char c) { return is_lower(c) || is_upper(c) || c == '-'; });
  if (!plain) return std::string(name);
  static constexpr std::array<std::string_view, 5> kAcronyms = {"api", "url", "uid", "osb", "guid"};
  std::vector<std::string> words = words_of(name);
  for (auto& word : words) {
    bool acronym = std::find(kAcronyms.begin(), kAcronyms.end(), base::to_lower(word)) != kAcronyms.end();
    for (size_t i = 0; i < word.size() && (i == 0 || acronym); ++i) {
      if (is_lower(word[i])) word[i] = static_cast<char>(word[i] - 'a' + 'A');
    }
  }
  return base::join(words, " ");
}

// As Go prints an int64, or a float64 with its shortest digits and %g's choice of an exponent.
std::string number_text(const Value::Number& number) {
  if (base::parse_int(number.text)) return number.text;
  double value = std::strtod(number.text.c_str(), nullptr);
  std::string text;
  for (int digits = 0; digits < 17; ++digits) {
    text = fmt::format("{:.{}e}", value, digits);
    if (std::strtod(text.c_str(), nullptr) == value) break;
  }
  int exponent = std::atoi(text.c_str() + text.find('e') + 1);
  if (exponent < -4 || exponent >= 6) return text;
  int decimals = static_cast<int>(text.find('e')) - (value < 0 ? 3 : 2) - exponent;
  return fmt::format("{:.{}f}", value, std::max(decimals, 0));
}

// As Go's %v prints what JSON holds.
std::string plain_text(const Value& value) {
  if (value.is_null()) return "<nil>";
  if (auto* number = value.if_number()) return number_text(*number);
  if (auto* array = value.if_array()) {
    std::vector<std::string> items;
    for (const Value& item : *array) items.push_back(plain_text(item));
    return fmt::format("[{}]", base::join(items, " "));
  }
  if (value.is_object()) {
    std::vector<std::string> items;
    for (auto* member : sorted_members(value))
      items.push_back(fmt::format("{}:{}", member->key, plain_text(member->value)));
    return fmt::format("map[{}]", base::join(items, " "));
  }
  return text_of(value);
}

bool is_skipped(std::string_view path) {
  static constexpr std::array<std::string_view, 5> kShownElsewhere = {
      ".metadata.managedFields", ".metadata.name", ".metadata.namespace", ".metadata.labels",
      ".metadata.annotations"};
  return std::find(kShownElsewhere.begin(), kShownElsewhere.end(), path) != kShownElsewhere.end();
}

void put_fields(Page& page, int level, const Value& object, const std::string& path) {
  for (auto* member : sorted_members(object)) {
    std::string inner = fmt::format("{}.{}", path, member->key);
    if (is_skipped(inner)) continue;
    std::string label = label_of_field(member->key);
    const Value& value = member->value;
    if (!value.is_object() && !value.is_array()) {
      page.field(level, label, plain_text(value));
      continue;
    }
    page.line(level, label + ":");
    if (value.is_object()) put_fields(page, level + 1, value, inner);
    for (const Value& item : value.as_array()) {
      if (item.is_object())
        put_fields(page, level + 1, item, inner);
      else
        page.line(level + 1, plain_text(item));
    }
  }
}

}  // namespace

std::string describe_any(const Value& object, const Array* events, base::Time now) {
  Page page;
  put_metadata(page, object);
  put_fields(page, 0, object, "");
  put_events(page, events, now);
  return page.text();
}

}  // namespace cli
