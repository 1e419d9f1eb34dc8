#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "api/protobuf.hpp"
#include "base/instant.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Value;

namespace {

constexpr std::string_view kMagic{"k8s\0", 4};
// Property::proto_inside of what is inlined twice has three digits per level: 2002 is field 2 of field 2.
constexpr int kLevel = 1000;
constexpr int kMaxDepth = 1000;  // of a schema that refers to itself

enum class Wire : uint8_t { varint = 0, fixed64 = 1, bytes = 2 };

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_tag(std::string& out, int number, Wire wire) {
  put_varint(out, static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(wire));
}

// A field whose length is known only when it has been written: one byte is kept free for it, and more are
// pushed in for the few that need them.
size_t open_field(std::string& out, int number) {
  put_tag(out, number, Wire::bytes);
  out += '\0';
  return out.size();
}

void close_field(std::string& out, size_t start) {
  size_t size = out.size() - start;
  if (size < 0x80) {
    out[start - 1] = static_cast<char>(size);
    return;
  }
  char digits[10];
  size_t count = 0;
  for (; size >= 0x80; size >>= 7) digits[count++] = static_cast<char>(size | 0x80);
  digits[count++] = static_cast<char>(size);
  out[start - 1] = digits[0];
  out.insert(start, digits + 1, count - 1);
}

int from_hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void put_code_point(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// Reads JSON that the server wrote itself, piece by piece. Every function answers false at the first
// surprise.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  char peek() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
    return at_ == end_ ? '\0' : *at_;
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    peek();
    if (static_cast<size_t>(end_ - at_) < word.size() || std::string_view(at_, word.size()) != word)
      return false;
    at_ += word.size();
    return true;
  }
  bool ends() { return peek() == '\0' && at_ == end_; }

  // A string as it stands between its quotes; `plain`: without escapes.
  bool raw_string(std::string_view& text, bool& plain) {
    if (!take('"')) return false;
    const char* begin = at_;
    plain = true;
    while (at_ != end_ && *at_ != '"') {
      if (*at_ == '\\') {
        plain = false;
        if (++at_ == end_) return false;
      }
      ++at_;
    }
    if (at_ == end_) return false;
    text = std::string_view(begin, static_cast<size_t>(at_ - begin));
    ++at_;
    return true;
  }

  // A string, unescaped; the view is into the input or into `buffer`.
  bool string(std::string_view& text, std::string& buffer) {
    bool plain = true;
    if (!raw_string(text, plain)) return false;
    if (plain) return true;
    buffer.clear();
    if (!unescape(text, buffer)) return false;
    text = buffer;
    return true;
  }

  bool number(std::string_view& text) {
    peek();
    const char* begin = at_;
    while (at_ != end_ && std::string_view("+-.eE0123456789").contains(*at_)) ++at_;
    text = std::string_view(begin, static_cast<size_t>(at_ - begin));
    return !text.empty();
  }

  // Any value, as it stands.
  bool skip(std::string_view& text) {
    peek();
    const char* begin = at_;
    int depth = 0;
    do {
      const char c = peek();
      std::string_view piece;
      bool plain = true;
      if (c == '"') {
        if (!raw_string(piece, plain)) return false;
      } else if (c == '\0') {
        return false;
      } else {
        if (c == '{' || c == '[') ++depth;
        if ((c == '}' || c == ']') && --depth < 0) return false;
        ++at_;
        // The rest of a number or a word.
        while (depth == 0 && at_ != end_ && !std::string_view(",]} \n\t\r").contains(*at_) && c != '}' &&
               c != ']')
          ++at_;
      }
    } while (depth > 0);
    text = std::string_view(begin, static_cast<size_t>(at_ - begin));
    return true;
  }

 private:
  static bool unit(std::string_view text, size_t at, uint32_t& code) {
    if (at + 4 > text.size()) return false;
    code = 0;
    for (size_t i = at; i < at + 4; ++i) {
      const int digit = from_hex(text[i]);
      if (digit < 0) return false;
      code = code << 4 | static_cast<uint32_t>(digit);
    }
    return true;
  }

  static bool unescape(std::string_view text, std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kChars = "\"\\/\b\f\n\r\t";
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        out += text[i];
        continue;
      }
      if (++i == text.size()) return false;
      if (text[i] != 'u') {
        const size_t which = kNames.find(text[i]);
        if (which == std::string_view::npos) return false;
        out += kChars[which];
        continue;
      }
      uint32_t code = 0, low = 0;
      if (!unit(text, i + 1, code)) return false;
      i += 4;
      if (code >= 0xd800 && code < 0xdc00 && text.substr(i + 1).starts_with("\\u") &&
          unit(text, i + 3, low) && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        i += 6;
      }
      if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
      put_code_point(out, code);
    }
    return true;
  }

  const char* at_;
  const char* end_;
};

class Writer {
 public:
  Writer(Cursor cursor, std::string& out) : in_(cursor), out_(&out) {}

  bool message(const Schema& schema, int depth = 0) {
    if (depth > kMaxDepth) return false;
    std::vector<Part> parts;  // of messages that are inlined here
    if (!in_.take('{')) return false;
    size_t expected = 0;
    for (bool first = true; !in_.take('}'); first = false) {
      if (!first && !in_.take(',')) return false;
      std::string_view name;
      if (!in_.string(name, key_) || !in_.take(':')) return false;
      const Schema::Property* property = find(schema, name, expected);
      if (!property || property->proto == 0) {
        if (!in_.skip(name)) return false;
        continue;
      }
      if (in_.take_word("null")) continue;
      std::string* whole = out_;
      if (property->proto_inside != 0) out_ = &part_of(parts, property->proto_inside);
      const bool good = field(property->proto, *property->schema, depth + 1);
      out_ = whole;
      if (!good) return false;
    }
    if (!parts.empty()) compose(parts, 0, *out_);
    return true;
  }

  bool ends() { return in_.ends(); }

 private:
  struct Part {
    int inside;
    std::string bytes;
  };

  static std::string& part_of(std::vector<Part>& parts, int inside) {
    for (Part& part : parts) {
      if (part.inside == inside) return part.bytes;
    }
    return parts.emplace_back(Part{inside, {}}).bytes;
  }

  // What stands inlined in the message at `inside`, each as a field of it.
  static void compose(const std::vector<Part>& parts, int inside, std::string& out) {
    std::vector<int> steps;
    for (const Part& part : parts) {
      int path = part.inside;
      while (path / kLevel > inside) path /= kLevel;
      if (path / kLevel != inside || path == inside) continue;
      if (std::ranges::find(steps, path) == steps.end()) steps.push_back(path);
    }
    std::ranges::sort(steps);
    for (const int path : steps) {
      const size_t start = open_field(out, path % kLevel);
      for (const Part& part : parts) {
        if (part.inside == path) out += part.bytes;
      }
      compose(parts, path, out);
      close_field(out, start);
    }
  }

  // Members mostly come in the order of the schema: the search begins after the last one.
  static const Schema::Property* find(const Schema& schema, std::string_view name, size_t& expected) {
    const auto& all = schema.properties;
    for (size_t tried = 0; tried < all.size(); ++tried) {
      if (expected >= all.size()) expected = 0;
      if (const auto& property = all[expected++]; property.name == name) return &property;
    }
    return nullptr;
  }

  bool field(int number, const Schema& schema, int depth) {
    switch (schema.type) {
      case Schema::Type::boolean:
        return boolean(number);
      case Schema::Type::integer:
        return integer(number);
      case Schema::Type::number:
        return real(number);
      case Schema::Type::array:
        return list(number, schema, depth);
      case Schema::Type::map:
        return map(number, schema, depth);
      default: {
        const size_t start = open_field(*out_, number);
        if (!content(schema, depth)) return false;
        close_field(*out_, start);
        return true;
      }
    }
  }

  bool content(const Schema& schema, int depth) {
    std::string_view text;
    switch (schema.type) {
      case Schema::Type::object:
        return message(schema, depth);
      case Schema::Type::time:
      case Schema::Type::micro_time:
        return time();
      case Schema::Type::int_or_string:
        return int_or_string();
      case Schema::Type::any:
        if (schema.items) return alternative(schema, depth);
        if (!in_.skip(text)) return false;
        append_bytes_field(*out_, 1, text);
        return true;
      case Schema::Type::quantity:
        if (in_.peek() == '"' ? !in_.string(text, text_) : !in_.number(text)) return false;
        append_bytes_field(*out_, 1, text);
        return true;
      case Schema::Type::bytes: {
        if (!in_.string(text, text_)) return false;
        const auto bytes = base::base64_decode(text);
        if (bytes) *out_ += *bytes;
        return bytes.has_value();
      }
      default:
        if (!in_.string(text, text_)) return false;
        *out_ += text;
        return true;
    }
  }

  // A schema, or something simpler in its place. JSONSchemaPropsOrBool: allows = 1, schema = 2; OrArray and
  // OrStringArray: schema = 1, the list = 2.
  bool alternative(const Schema& schema, int depth) {
    const char first = in_.peek();
    if (first == 't' || first == 'f') return boolean(1);
    if (first == '{' && is_or_bool(schema)) append_number_field(*out_, 1, 1);
    if (first == '{') return field(is_or_bool(schema) ? 2 : 1, *schema.items, depth + 1);
    if (!in_.take('[')) return false;
    for (bool begin = true; !in_.take(']'); begin = false) {
      if (!begin && !in_.take(',')) return false;
      std::string_view text;
      if (in_.peek() != '"') {
        if (!field(2, *schema.items, depth + 1)) return false;
      } else {
        if (!in_.string(text, text_)) return false;
        append_bytes_field(*out_, 2, text);
      }
    }
    return true;
  }

  static bool is_or_bool(const Schema& schema) { return schema.name.ends_with("OrBool"); }

  bool boolean(int number) {
    const bool yes = in_.take_word("true");
    if (!yes && !in_.take_word("false")) return false;
    put_tag(*out_, number, Wire::varint);
    *out_ += yes ? '\1' : '\0';
    return true;
  }

  bool parse_integer(int64_t& value) {
    std::string_view text;
    if (!in_.number(text)) return false;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  }

  bool integer(int number) {
    int64_t value = 0;
    if (!parse_integer(value)) return false;
    append_number_field(*out_, number, value);
    return true;
  }

  bool real(int number) {
    std::string_view text;
    double value = 0;
    if (!in_.number(text)) return false;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) return false;
    put_tag(*out_, number, Wire::fixed64);
    out_->append(reinterpret_cast<const char*>(&value), sizeof value);
    return true;
  }

  bool list(int number, const Schema& schema, int depth) {
    if (!in_.take('[')) return false;
    for (bool first = true; !in_.take(']'); first = false) {
      if (!first && !in_.take(',')) return false;
      if (!field(number, *schema.items, depth)) return false;
    }
    return true;
  }

  // Each entry is a message: key = 1, value = 2. A list as value is a message with the elements as its
  // field 1.
  bool map(int number, const Schema& schema, int depth) {
    if (!in_.take('{')) return false;
    for (bool first = true; !in_.take('}'); first = false) {
      if (!first && !in_.take(',')) return false;
      const size_t entry = open_field(*out_, number);
      std::string_view key;
      if (!in_.string(key, key_) || !in_.take(':')) return false;
      append_bytes_field(*out_, 1, key);
      if (schema.items->type == Schema::Type::array) {
        const size_t inner = open_field(*out_, 2);
        if (!in_.take_word("null") && !list(1, *schema.items, depth)) return false;
        close_field(*out_, inner);
      } else if (!in_.take_word("null") && !field(2, *schema.items, depth)) {
        return false;
      }
      close_field(*out_, entry);
    }
    return true;
  }

  bool time() {
    std::string_view text;
    if (!in_.string(text, text_)) return false;
    const auto time = base::parse_instant(text);
    if (!time) return text.empty();
    append_number_field(*out_, 1, time->seconds);
    append_number_field(*out_, 2, time->nanos);
    return true;
  }

  bool int_or_string() {
    const bool is_text = in_.peek() == '"';
    std::string_view text;
    int64_t value = 0;
    if (is_text ? !in_.string(text, text_) : !parse_integer(value)) return false;
    append_number_field(*out_, 1, is_text ? 1 : 0);
    append_number_field(*out_, 2, value);
    append_bytes_field(*out_, 3, text);
    return true;
  }

  Cursor in_;
  std::string* out_;
  std::string key_, text_;  // unescaped strings
};

}  // namespace

void append_bytes_field(std::string& out, int number, std::string_view bytes) {
  put_tag(out, number, Wire::bytes);
  put_varint(out, bytes.size());
  out += bytes;
}

void append_number_field(std::string& out, int number, int64_t value) {
  put_tag(out, number, Wire::varint);
  put_varint(out, static_cast<uint64_t>(value));
}

bool append_message(std::string& out, const Schema& schema, std::string_view json) {
  Writer writer(Cursor(json), out);
  return writer.message(schema) && writer.ends();
}

bool append_message_field(std::string& out, int number, const Schema& schema, std::string_view json) {
  const size_t start = open_field(out, number);
  if (!append_message(out, schema, json)) return false;
  close_field(out, start);
  return true;
}

std::string envelope_head(std::string_view api_version, std::string_view kind, size_t size) {
  std::string out(kMagic);
  const size_t type = open_field(out, 1);
  append_bytes_field(out, 1, api_version);
  append_bytes_field(out, 2, kind);
  close_field(out, type);
  put_tag(out, 2, Wire::bytes);
  put_varint(out, size);
  return out;
}

std::string_view envelope_tail() { return std::string_view("\x1a\0\x22\0", 4); }

base::Result<std::string> transcode_protobuf(const Kind& kind, std::string_view json) {
  std::string message;
  message.reserve(json.size());
  if (!append_message(message, *kind.schema, json)) {
    return base::fail(
        base::Reason::internal_error,
        fmt::format("an object of kind {} does not follow its schema: no protobuf can be made", kind.kind));
  }
  std::string out = envelope_head(kind.api_version(), kind.kind, message.size());
  out += message;
  out += envelope_tail();
  return out;
}

std::string encode_protobuf(const Kind& kind, const Value& object) {
  return transcode_protobuf(kind, base::write_json(object)).value_or("");
}

}  // namespace api
