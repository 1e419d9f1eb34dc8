// The JSON parser. It keeps its own stack, so that the depth of a document is bounded by JsonLimits and not by a
// thread's stack (docs/decisions/0001-json-parser.md).
#include <fmt/format.h>

#include <array>
#include <memory>
#include <unordered_map>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/utf8.hpp"

namespace base {

namespace {

// From this many members on, an object's keys are also kept in a hash table while it is read.
constexpr size_t kIndexedFrom = 24;
// More reports than this help nobody, and would let a document make them grow with the square of its size.
constexpr size_t kMaxDuplicates = 100;

// The bytes that stand for themselves in a string.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < plain.size(); ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

using Index = std::unordered_map<std::string, size_t>;

// An object or array that is being read. Pointers stay valid: only the innermost container grows.
struct Open {
  Value* container;
  size_t current = 0;  // the member being read, of an object
  bool first = true;   // nothing read yet
  std::unique_ptr<Index> index;
};

class Reader {
 public:
  Reader(std::string_view text, const JsonLimits& limits) : text_(text), limits_(limits) {}

  Result<ParsedJson> read() {
    if (text_.size() > limits_.max_bytes)
      return fail(Reason::bad_request, fmt::format("the JSON document is {} bytes long, the limit is {}: send less",
                                                   text_.size(), limits_.max_bytes));
    if (size_t valid = valid_utf8_prefix(text_); valid != text_.size()) {
      at_ = valid;
      return refuse("invalid UTF-8 in JSON text");
    }
    for (Value* slot = &out_.value; slot;) {
      CHECK_OK(read_value(*slot));
      TRY(slot, next_slot());
    }
    skip_blanks();
    if (at_ != text_.size()) return unexpected("after top-level value");
    return std::move(out_);
  }

 private:
  using Done = Result<void>;

  std::unexpected<Error> refuse(std::string_view problem) const {
    size_t line = 1, column = 1;
    for (char c : text_.substr(0, at_)) {
      ++column;
      if (c == '\n') ++line, column = 1;
    }
    return fail(Reason::bad_request, fmt::format("{} (line {}, column {}, offset {})", problem, line, column, at_));
  }

  std::unexpected<Error> unexpected(std::string_view where) const {
    if (at_ >= text_.size()) return refuse("unexpected end of JSON input");
    std::string_view rest = text_.substr(at_);
    std::string shown = quote(rest.substr(0, read_rune(rest).size));
    shown = shown.substr(1, shown.size() - 2);
    if (rest[0] == '"') shown = "\"";
    if (rest[0] == '\'') shown = "\\'";
    return refuse(fmt::format("invalid character '{}' {}", shown, where));
  }

  void skip_blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }

  // NUL at the end of the text: no rule of JSON accepts a NUL, so that the two need not be told apart.
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  // One value into `slot`; of a container only its opening bracket.
  Done read_value(Value& slot) {
    skip_blanks();
    switch (peek()) {
      case '{':
        slot.object();  // it is null
        return open(slot);
      case '[':
        slot.array();
        return open(slot);
      case '"': {
        std::string text;
        CHECK_OK(read_string(text));
        slot = Value(std::move(text));
        return {};
      }
      case 't': return read_word("true", slot, true);
      case 'f': return read_word("false", slot, false);
      case 'n': return read_word("null", slot, nullptr);
      case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return read_number(slot);
      default: return unexpected("looking for beginning of value");
    }
  }

  Done open(Value& slot) {
    if (open_.size() >= static_cast<size_t>(limits_.max_depth))
      return refuse(fmt::format("exceeded max depth: JSON may be nested {} levels deep at most", limits_.max_depth));
    ++at_;
    open_.push_back(Open{&slot, 0, true, nullptr});
    return {};
  }

  // Behind a value or an opening bracket: where the next value goes; null at the end of the document.
  Result<Value*> next_slot() {
    while (!open_.empty()) {
      Open& top = open_.back();
      bool object = top.container->is_object();
      skip_blanks();
      if (peek() == (object ? '}' : ']')) {
        ++at_;
        open_.pop_back();
        continue;
      }
      if (!top.first) {
        if (peek() != ',') return unexpected(object ? "after object key:value pair" : "after array element");
        ++at_;
      }
      top.first = false;
      if (object) return read_key(top);
      return &top.container->array().emplace_back();
    }
    return nullptr;
  }

  Result<Value*> read_key(Open& top) {
    skip_blanks();
    if (peek() != '"') return unexpected("looking for beginning of object key string");
    std::string key;
    CHECK_OK(read_string(key));
    skip_blanks();
    if (peek() != ':') return unexpected("after object key");
    ++at_;
    Object& object = top.container->object();
    if (std::optional<size_t> known = find_key(top, object, key)) {
      top.current = *known;
      report_duplicate();
      Value& slot = object.begin()[static_cast<ptrdiff_t>(*known)].value;
      slot = Value();
      return &slot;
    }
    top.current = object.size();
    if (top.current == 0) object.reserve(4);
    if (top.index) top.index->emplace(key, top.current);
    return &object.append(std::move(key), Value());
  }

  std::optional<size_t> find_key(Open& top, const Object& object, const std::string& key) {
    if (!top.index && object.size() >= kIndexedFrom) {
      top.index = std::make_unique<Index>();
      for (const Member& m : object) top.index->emplace(m.key, top.index->size());
    }
    if (top.index) {
      auto it = top.index->find(key);
      return it == top.index->end() ? std::nullopt : std::optional(it->second);
    }
    const Value* value = object.find(key);
    if (!value) return std::nullopt;
    for (size_t i = 0; i < object.size(); ++i)
      if (&object.begin()[static_cast<ptrdiff_t>(i)].value == value) return i;
    return std::nullopt;
  }

  void report_duplicate() {
    if (out_.duplicate_keys.size() >= kMaxDuplicates) return;
    std::string path;
    for (const Open& o : open_) {
      if (const Array* array = o.container->if_array()) {
        path += fmt::format("[{}]", array->size() - 1);
        continue;
      }
      if (!path.empty()) path += '.';
      path += o.container->if_object()->begin()[static_cast<ptrdiff_t>(o.current)].key;
    }
    out_.duplicate_keys.push_back(std::move(path));
  }

  Done read_string(std::string& out) {
    ++at_;
    for (;;) {
      const char* start = text_.data() + at_;
      const char* end = text_.data() + text_.size();
      const char* c = start;
      while (c < end && kPlain[static_cast<unsigned char>(*c)]) ++c;
      out.append(start, c);
      at_ += static_cast<size_t>(c - start);
      if (peek() == '"') {
        ++at_;
        return {};
      }
      if (peek() != '\\') return unexpected("in string literal");
      CHECK_OK(read_escape(out));
    }
  }

  Done read_escape(std::string& out) {
    ++at_;
    switch (peek()) {
      case '"': case '\\': case '/': out += peek(); break;
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': return read_unicode_escape(out);
      default: return unexpected("in string escape code");
    }
    ++at_;
    return {};
  }

  Done read_unicode_escape(std::string& out) {
    size_t start = at_ - 1;
    ++at_;
    TRY(uint32_t rune, read_hex4());
    if (rune >= 0xd800 && rune <= 0xdfff) {
      uint32_t low = 0;
      if (rune <= 0xdbff && text_.substr(at_).starts_with("\\u")) {
        at_ += 2;
        TRY(low, read_hex4());
      }
      if (low < 0xdc00 || low > 0xdfff) {
        at_ = start;
        return refuse("lone surrogate in \\u escape: characters above U+FFFF need a pair of them");
      }
      rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
    }
    append_rune(out, rune);
    return {};
  }

  Result<uint32_t> read_hex4() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      char c = peek();
      uint32_t digit = 0;
      if (c >= '0' && c <= '9') digit = static_cast<uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f') digit = static_cast<uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F') digit = static_cast<uint32_t>(c - 'A' + 10);
      else return unexpected("in \\u hexadecimal character escape");
      value = value << 4 | digit;
    }
    return value;
  }

  bool skip_digits() {
    size_t start = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ != start;
  }

  Done read_number(Value& slot) {
    size_t start = at_;
    if (peek() == '-') ++at_;
    if (peek() == '0') ++at_;
    else if (!skip_digits()) return unexpected("in numeric literal");
    if (peek() == '.') {
      ++at_;
      if (!skip_digits()) return unexpected("after decimal point in numeric literal");
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!skip_digits()) return unexpected("in exponent of numeric literal");
    }
    slot = Value(Value::Number{std::string(text_.substr(start, at_ - start))});
    return {};
  }

  Done read_word(std::string_view word, Value& slot, Value value) {
    for (char c : word) {
      if (peek() != c) return unexpected(fmt::format("in literal {} (expecting '{}')", word, c));
      ++at_;
    }
    slot = std::move(value);
    return {};
  }

  std::string_view text_;
  const JsonLimits& limits_;
  size_t at_ = 0;
  std::vector<Open> open_;
  ParsedJson out_;
};

}  // namespace

Result<ParsedJson> parse_json_strictly(std::string_view text, const JsonLimits& limits) {
  return Reader(text, limits).read();
}

Result<Value> parse_json(std::string_view text, const JsonLimits& limits) {
  TRY(ParsedJson parsed, parse_json_strictly(text, limits));
  return std::move(parsed.value);
}

}  // namespace base
