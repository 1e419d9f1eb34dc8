#include <fmt/format.h>

#include <algorithm>

#include "base/json.hpp"
#include "base/utf8.hpp"

namespace base {

namespace {

enum class Html { kept, escaped };

void append_control(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
  }
}

// The line separators are escaped, because JavaScript once ended lines there; invalid bytes become U+FFFD.
void append_string(std::string& out, std::string_view text, Html html) {
  out += '"';
  size_t plain = 0;  // start of what is copied as it stands
  size_t at = 0;
  auto flush = [&] { out.append(text, plain, at - plain); };
  while (at < text.size()) {
    auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x80) {
      bool special = c < 0x20 || c == '"' || c == '\\' || (html == Html::escaped && (c == '<' || c == '>' || c == '&'));
      if (special) {
        flush();
        append_control(out, text[at]);
        plain = at + 1;
      }
      ++at;
      continue;
    }
    Rune rune = read_rune(text.substr(at));
    if (rune.size == 0 || rune.value == 0x2028 || rune.value == 0x2029) {
      flush();
      out += rune.size == 0 ? "\xef\xbf\xbd" : rune.value == 0x2028 ? "\\u2028" : "\\u2029";
      plain = at + std::max<size_t>(rune.size, 1);
    }
    at += std::max<size_t>(rune.size, 1);
  }
  flush();
  out += '"';
}

void append_leaf(std::string& out, const Value& value, Html html) {
  if (const std::string* s = value.if_string()) append_string(out, *s, html);
  else if (const Value::Number* n = value.if_number()) out += n->text;
  else if (const bool* b = value.if_bool()) out += *b ? "true" : "false";
  else out += "null";
}

struct Pretty {
  std::string& out;
  int indent;

  void line(int depth) const {
    out += '\n';
    out.append(static_cast<size_t>(depth) * static_cast<size_t>(indent), ' ');
  }

  void write(const Value& value, int depth) const {
    if (const Object* object = value.if_object(); object && !object->empty()) return write_object(*object, depth);
    if (const Array* array = value.if_array(); array && !array->empty()) return write_array(*array, depth);
    if (value.is_object()) out += "{}";
    else if (value.is_array()) out += "[]";
    else append_leaf(out, value, Html::escaped);
  }

  void write_object(const Object& object, int depth) const {
    std::vector<const Member*> members;
    for (const Member& m : object) members.push_back(&m);
    std::ranges::sort(members, {}, [](const Member* m) -> const std::string& { return m->key; });
    char before = '{';
    for (const Member* m : members) {
      out += before;
      before = ',';
      line(depth + 1);
      append_string(out, m->key, Html::escaped);
      out += ": ";
      write(m->value, depth + 1);
    }
    line(depth);
    out += '}';
  }

  void write_array(const Array& array, int depth) const {
    char before = '[';
    for (const Value& item : array) {
      out += before;
      before = ',';
      line(depth + 1);
      write(item, depth + 1);
    }
    line(depth);
    out += ']';
  }
};

}  // namespace

void append_json_string(std::string& out, std::string_view text) { append_string(out, text, Html::kept); }

void append_json(std::string& out, const Value& value) {
  if (const Object* object = value.if_object()) {
    out += '{';
    bool first = true;
    for (const Member& m : *object) {
      if (!first) out += ',';
      first = false;
      append_json_string(out, m.key);
      out += ':';
      append_json(out, m.value);
    }
    out += '}';
  } else if (const Array* array = value.if_array()) {
    out += '[';
    bool first = true;
    for (const Value& item : *array) {
      if (!first) out += ',';
      first = false;
      append_json(out, item);
    }
    out += ']';
  } else {
    append_leaf(out, value, Html::kept);
  }
}

std::string write_json(const Value& value) {
  std::string out;
  append_json(out, value);
  return out;
}

std::string write_json_pretty(const Value& value, int indent) {
  std::string out;
  Pretty{out, indent}.write(value, 0);
  return out;
}

}  // namespace base
