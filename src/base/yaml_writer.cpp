// The YAML that kubectl prints: go-yaml v2's emitter on top of JSON values, with its way of sorting keys, choosing
// quotes and folding long lines.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <span>

#include "base/strings.hpp"
#include "base/utf8.hpp"
#include "base/yaml.hpp"
#include "base/yaml_scalar.hpp"

namespace base {

namespace {

constexpr size_t kBestWidth = 80;
constexpr size_t kMaxSimpleKey = 128;

bool is_break(uint32_t rune) {
  return rune == '\n' || rune == '\r' || rune == 0x85 || rune == 0x2028 || rune == 0x2029;
}

// What libyaml writes as it stands: no tab, and nothing above U+FFFF.
bool is_printable(uint32_t rune) {
  return rune == '\n' || (rune >= 0x20 && rune <= 0x7e) || (rune >= 0xa0 && rune <= 0xd7ff) ||
         (rune >= 0xe000 && rune <= 0xfffd && rune != 0xfeff);
}

bool is_letter(uint32_t rune) {
  return (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z') || rune >= 0xaa;
}

bool is_digit(uint32_t rune) { return rune >= '0' && rune <= '9'; }

std::u32string runes_of(std::string_view text) {
  std::u32string out;
  while (!text.empty()) {
    Rune rune = read_rune(text);
    out += rune.size == 0 ? U'\ufffd' : static_cast<char32_t>(rune.value);
    text.remove_prefix(std::max<size_t>(rune.size, 1));
  }
  return out;
}

// Keys in go-yaml's natural order: a2 before a10, letters behind everything else.
bool key_less(const std::u32string& a, const std::u32string& b) {
  size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  if (i == a.size() || i == b.size()) return a.size() < b.size();
  bool a_letter = is_letter(a[i]), b_letter = is_letter(b[i]);
  if (a_letter && b_letter) return a[i] < b[i];
  if (a_letter || b_letter) return b_letter;
  uint64_t a_number = 0, b_number = 0;
  if (a[i] == '0' || b[i] == '0')
    for (size_t j = i; j-- > 0 && is_digit(a[j]);)
      if (a[j] != '0') {
        a_number = b_number = 1;
        break;
      }
  size_t a_end = i, b_end = i;
  auto add_digit = [](uint64_t& number, char32_t digit) {
    number = std::min<uint64_t>(number * 10 + (digit - '0'), 1'000'000'000'000'000'000);
  };
  for (; a_end < a.size() && is_digit(a[a_end]); ++a_end) add_digit(a_number, a[a_end]);
  for (; b_end < b.size() && is_digit(b[b_end]); ++b_end) add_digit(b_number, b[b_end]);
  if (a_number != b_number) return a_number < b_number;
  if (a_end != b_end) return a_end < b_end;
  return a[i] < b[i];
}

struct Key {
  std::u32string runes;
  const Member* member;
};

// Merges the two sorted halves of `keys`, and those of the halves. By hand: go-yaml's order has circles (10 < 1a < 2 <
// 10), and std::sort may do anything with such an order. Bytes are sorted first, so that the result does not depend on
// the order of the members.
void natural_sort(std::span<Key> keys) {
  if (keys.size() < 2) return;
  size_t half = keys.size() / 2;
  natural_sort(keys.first(half));
  natural_sort(keys.subspan(half));
  std::vector<Key> left(std::make_move_iterator(keys.begin()), std::make_move_iterator(keys.begin() + static_cast<ptrdiff_t>(half)));
  size_t l = 0, r = half, out = 0;
  while (l < left.size() && r < keys.size()) {
    if (key_less(keys[r].runes, left[l].runes)) keys[out++] = std::move(keys[r++]);
    else keys[out++] = std::move(left[l++]);
  }
  while (l < left.size()) keys[out++] = std::move(left[l++]);
}

std::vector<Key> sorted_keys(const Object& object) {
  std::vector<Key> keys;
  keys.reserve(object.size());
  for (const Member& m : object) keys.push_back({runes_of(m.key), &m});
  std::ranges::sort(keys, {}, &Key::runes);
  natural_sort(keys);
  return keys;
}

// 1:30 and the like, which YAML 1.1 reads as numbers to the base 60.
bool is_base60(std::string_view text) {
  size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  auto digit = [&](size_t i) { return i < text.size() && is_digit(static_cast<unsigned char>(text[i])); };
  if (!digit(at)) return false;
  while (digit(at) || (at < text.size() && text[at] == '_')) ++at;
  bool colon = false;
  while (at < text.size() && text[at] == ':') {
    size_t digits = digit(at + 1) ? (digit(at + 2) ? 2 : 1) : 0;
    if (digits == 0 || (digits == 2 && text[at + 1] > '5')) return false;
    at += 1 + digits;
    colon = true;
  }
  if (at < text.size() && text[at] == '.') {
    ++at;
    while (digit(at) || (at < text.size() && text[at] == '_')) ++at;
  }
  return colon && at == text.size();
}

// Which styles could carry a string, as libyaml's analysis of a scalar finds out.
struct Shape {
  bool multiline = false;
  bool plain = true;
  bool single_quoted = true;
  bool block = true;
};

bool has_indicator(const std::u32string& text) {
  auto blank_at = [&](size_t i) { return i >= text.size() || text[i] == ' ' || text[i] == '\t' || is_break(text[i]); };
  if (text.starts_with(U"---") || text.starts_with(U"...")) return true;
  if (std::u32string_view(U"#,[]{}&*!|>'\"%@`").find(text[0]) != std::u32string_view::npos) return true;
  if ((text[0] == '?' || text[0] == '-') && blank_at(1)) return true;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ':' && (i + 1 >= text.size() || text[i + 1] == ' ' || text[i + 1] == '\t' || is_break(text[i + 1])))
      return true;
    if (text[i] == '#' && i > 0 && blank_at(i - 1)) return true;
  }
  return false;
}

Shape shape_of(const std::u32string& text) {
  Shape shape;
  if (text.empty()) {
    shape.block = false;
    return shape;
  }
  bool special = false, break_space = false, space_break = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char32_t rune = text[i];
    if (!is_printable(rune)) special = true;
    if (is_break(rune)) {
      shape.multiline = true;
      if (i > 0 && text[i - 1] == ' ') space_break = true;
    }
    if (rune == ' ' && i > 0 && is_break(text[i - 1])) break_space = true;
  }
  bool edge_space = text.front() == ' ' || text.back() == ' ';
  bool edge_break = is_break(text.front()) || is_break(text.back());
  if (edge_space || edge_break || shape.multiline || has_indicator(text)) shape.plain = false;
  if (text.back() == ' ') shape.block = false;
  if (break_space || space_break || special) shape.plain = shape.single_quoted = false;
  if (space_break || special) shape.block = false;
  return shape;
}

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void document(const Value& value) {
    line_open_ = false;
    if (is_block(value)) block(value, 0);
    else leaf(value, 2);
    if (line_open_) newline();
  }

 private:
  enum class Context { value, simple_key };

  static bool is_block(const Value& value) {
    return (value.is_object() && !value.as_object().empty()) || (value.is_array() && !value.as_array().empty());
  }

  void put(std::string_view ascii) {
    out_ += ascii;
    column_ += ascii.size();
    line_open_ = true;
  }
  void put_rune(char32_t rune) {
    append_rune(out_, rune);
    ++column_;
    line_open_ = true;
  }
  void newline() {
    out_ += '\n';
    column_ = 0;
    line_open_ = false;
  }
  // The cursor at column `to` of a line that holds nothing else yet.
  void start_line(size_t to) {
    if (line_open_) newline();
    out_.append(to - column_, ' ');
    column_ = to;
  }

  void block(const Value& value, size_t to) {
    if (const Object* object = value.if_object()) mapping(*object, to);
    else list(value.as_array(), to);
  }

  void list(const Array& items, size_t to) {
    for (const Value& item : items) {
      start_line(to);
      compact("- ", item, to);
    }
  }

  // A value behind "- " or ": ": a mapping or list starts on the same line.
  void compact(std::string_view mark, const Value& value, size_t to) {
    put(mark);
    if (!is_block(value)) return leaf(value, to + 2);
    line_open_ = false;
    block(value, to + 2);
  }

  void mapping(const Object& object, size_t to) {
    for (const auto& [runes, member] : sorted_keys(object)) {
      start_line(to);
      if (!shape_of(runes).multiline && member->key.size() <= kMaxSimpleKey) {
        text(member->key, runes, to + 2, Context::simple_key);
        put(":");
        under_key(member->value, to);
      } else {
        put("? ");
        text(member->key, runes, to + 2, Context::value);
        start_line(to);
        compact(": ", member->value, to);
      }
    }
  }

  // Lists are not indented below their key, mappings are.
  void under_key(const Value& value, size_t to) {
    if (is_block(value)) return block(value, value.is_array() ? to : to + 2);
    put(" ");
    leaf(value, to + 2);
  }

  void leaf(const Value& value, size_t to) {
    if (const std::string* s = value.if_string()) text(*s, runes_of(*s), to, Context::value);
    else if (const Value::Number* n = value.if_number()) put(number(n->text));
    else if (const bool* b = value.if_bool()) put(*b ? "true" : "false");
    else if (value.is_object()) put("{}");
    else if (value.is_array()) put("[]");
    else put("null");
  }

  // Integers as they are, all else as a Go float.
  static std::string number(const std::string& text) {
    const char* end = text.data() + text.size();
    int64_t whole;
    uint64_t natural;
    if (auto [at, error] = std::from_chars(text.data(), end, whole); error == std::errc() && at == end)
      return std::to_string(whole);
    if (auto [at, error] = std::from_chars(text.data(), end, natural); error == std::errc() && at == end) return text;
    std::optional<double> d = Value(Value::Number{text}).as_double();
    return d ? format_go_float(*d) : text;
  }

  void text(std::string_view bytes, const std::u32string& runes, size_t to, Context context) {
    Shape shape = shape_of(runes);
    if (bytes.find('\n') != std::string_view::npos) {
      if (shape.block && context == Context::value) literal(runes, to);
      else double_quoted(runes, to, context);
      return;
    }
    bool reads_as_text = resolve_yaml_scalar(bytes).kind == YamlKind::string && !is_base60(bytes);
    if (!reads_as_text) double_quoted(runes, to, context);
    else if (shape.plain) plain(runes, to, context);
    else if (shape.single_quoted) single_quoted(runes, to, context);
    else double_quoted(runes, to, context);
  }

  bool may_fold(const std::u32string& runes, size_t i, Context context) const {
    return context == Context::value && column_ > kBestWidth && (i == 0 || runes[i - 1] != ' ');
  }
  static bool space_at(const std::u32string& runes, size_t i) { return i < runes.size() && runes[i] == ' '; }

  void plain(const std::u32string& runes, size_t to, Context context) {
    for (size_t i = 0; i < runes.size(); ++i) {
      if (runes[i] == ' ' && may_fold(runes, i, context) && !space_at(runes, i + 1)) start_line(to);
      else put_rune(runes[i]);
    }
  }

  void single_quoted(const std::u32string& runes, size_t to, Context context) {
    put("'");
    bool breaks = false;
    for (size_t i = 0; i < runes.size(); ++i) {
      if (runes[i] == ' ' && may_fold(runes, i, context) && i > 0 && i + 1 < runes.size() && !space_at(runes, i + 1)) {
        start_line(to);
      } else if (is_break(runes[i])) {
        append_rune(out_, runes[i]);
        column_ = 0;
        breaks = true;
        continue;
      } else {
        if (breaks) start_line(to);
        if (runes[i] == '\'') put("'");
        put_rune(runes[i]);
      }
      breaks = false;
    }
    if (breaks) start_line(to);
    put("'");
  }

  void double_quoted(const std::u32string& runes, size_t to, Context context) {
    put("\"");
    for (size_t i = 0; i < runes.size(); ++i) {
      char32_t rune = runes[i];
      if (!is_printable(rune) || is_break(rune) || rune == '"' || rune == '\\') {
        escape(rune);
      } else if (rune == ' ' && may_fold(runes, i, context) && i > 0 && i + 1 < runes.size()) {
        start_line(to);
        if (space_at(runes, i + 1)) put("\\");
      } else {
        put_rune(rune);
      }
    }
    put("\"");
  }

  void escape(char32_t rune) {
    switch (rune) {
      case 0x00: return put("\\0");
      case 0x07: return put("\\a");
      case 0x08: return put("\\b");
      case 0x09: return put("\\t");
      case 0x0a: return put("\\n");
      case 0x0b: return put("\\v");
      case 0x0c: return put("\\f");
      case 0x0d: return put("\\r");
      case 0x1b: return put("\\e");
      case '"': return put("\\\"");
      case '\\': return put("\\\\");
      case 0x85: return put("\\N");
      case 0xa0: return put("\\_");
      case 0x2028: return put("\\L");
      case 0x2029: return put("\\P");
      default: break;
    }
    auto code = static_cast<uint32_t>(rune);
    if (code <= 0xff) put(fmt::format("\\x{:02X}", code));
    else if (code <= 0xffff) put(fmt::format("\\u{:04X}", code));
    else put(fmt::format("\\U{:08X}", code));
  }

  void literal(const std::u32string& runes, size_t to) {
    put("|");
    if (runes.front() == ' ' || is_break(runes.front())) put("2");
    if (!is_break(runes.back())) put("-");
    else if (runes.size() == 1 || is_break(runes[runes.size() - 2])) put("+");
    newline();
    for (char32_t rune : runes) {
      if (is_break(rune)) {
        append_rune(out_, rune);
        column_ = 0;
        line_open_ = false;
        continue;
      }
      if (!line_open_) start_line(to);
      put_rune(rune);
    }
  }

  std::string& out_;
  size_t column_ = 0;
  bool line_open_ = false;  // the line holds something, so that what comes next needs a new one
};

}  // namespace

std::string write_yaml(const Value& value) {
  std::string out;
  Writer(out).document(value);
  return out;
}

}  // namespace base
