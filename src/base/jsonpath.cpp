#include "base/jsonpath.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "base/json.hpp"
#include "base/strings.hpp"

namespace base {
namespace {

using Values = std::vector<const Value*>;

struct Node;
using Path = std::vector<Node>;

struct Node {
  enum class Kind { field, wildcard, recursive, index, slice, names, filter, literal, root, current } kind;
  std::string text;                       // field name, literal
  std::optional<int64_t> from, to, step;  // index: from
  std::vector<Path> choices;              // names: ['a','b'] or [0,1]
  Path left, right;                       // filter
  std::string op;
};

struct Piece {
  enum class Kind { text, path, range, end } kind;
  std::string text;
  Path path;
};

std::unexpected<base::Error> wrong(std::string what) {
  return base::fail(base::Reason::unknown, std::move(what));
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  base::Result<std::vector<Piece>> parse() {
    std::vector<Piece> pieces;
    while (at_ < text_.size()) {
      size_t open = text_.find('{', at_);
      if (open != at_) pieces.push_back({Piece::Kind::text, std::string(text_.substr(at_, open - at_)), {}});
      if (open == std::string_view::npos) break;
      at_ = open + 1;
      CHECK_OK(parse_action(pieces));
    }
    return pieces;
  }

 private:
  static constexpr int kDeepest = 64;

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n') ++at_;
  }
  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return false;
    char after = at_ + expected.size() < text_.size() ? text_[at_ + expected.size()] : '\0';
    if (std::isalnum(static_cast<unsigned char>(after))) return false;
    at_ += expected.size();
    return true;
  }

  base::Result<void> parse_action(std::vector<Piece>& pieces) {
    blanks();
    if (word("range")) {
      blanks();
      TRY(Path path, parse_path(0));
      pieces.push_back({Piece::Kind::range, "", std::move(path)});
    } else if (word("end")) {
      pieces.push_back({Piece::Kind::end, "", {}});
    } else if (peek() == '}') {
      pieces.push_back({Piece::Kind::path, "", {Node{.kind = Node::Kind::current}}});
    } else {
      while (peek() != '}' && at_ < text_.size()) {
        TRY(Path path, parse_path(0));
        pieces.push_back({Piece::Kind::path, "", std::move(path)});
        blanks();
      }
    }
    blanks();
    if (peek() != '}') return wrong("unclosed action");
    ++at_;
    return {};
  }

  base::Result<std::string> parse_quoted() {
    char quote = text_[at_++];
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote) {
      char c = text_[at_++];
      if (c == '\\' && at_ < text_.size()) {
        c = text_[at_++];
        c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
      }
      out += c;
    }
    if (at_ >= text_.size()) return wrong("unterminated quoted string");
    ++at_;
    return out;
  }

  std::string parse_name() {
    std::string name;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '\\' && at_ + 1 < text_.size()) {
        name += text_[at_ + 1];
        at_ += 2;
        continue;
      }
      if (std::string_view(".[]{} \t\n()=<>!,'\"").find(c) != std::string_view::npos) break;
      name += c;
      ++at_;
    }
    return name;
  }

  base::Result<Path> parse_path(int depth) {
    if (depth > kDeepest) return wrong("nested too deep");
    Path path;
    if (peek() == '"' || peek() == '\'') {
      TRY(std::string text, parse_quoted());
      path.push_back({.kind = Node::Kind::literal, .text = std::move(text)});
      return path;
    }
    if (peek() == '$')
      ++at_, path.push_back({.kind = Node::Kind::root});
    else if (peek() == '@')
      ++at_, path.push_back({.kind = Node::Kind::current});
    else if (peek() != '.' && peek() != '[' && peek() != '*') {
      std::string name = parse_name();
      if (name.empty()) return wrong(fmt::format("unexpected \"{}\"", peek()));
      bool literal =
          name == "true" || name == "false" || name.find_first_not_of("0123456789-.") == std::string::npos;
      path.push_back({.kind = literal ? Node::Kind::literal : Node::Kind::field, .text = std::move(name)});
      if (literal) return path;
    }
    while (at_ < text_.size()) {
      char c = peek();
      if (c == '.') {
        ++at_;
        if (peek() == '.') {
          ++at_;
          path.push_back({.kind = Node::Kind::recursive});
        }
        if (peek() == '[') continue;
        if (peek() == '*') {
          ++at_;
          path.push_back({.kind = Node::Kind::wildcard});
          continue;
        }
        std::string name = parse_name();
        if (!name.empty())
          path.push_back({.kind = Node::Kind::field, .text = std::move(name)});
        else if (path.empty())
          path.push_back({.kind = Node::Kind::current});
      } else if (c == '[') {
        ++at_;
        CHECK_OK(parse_bracket(path, depth));
      } else if (c == '*') {
        ++at_;
        path.push_back({.kind = Node::Kind::wildcard});
      } else {
        break;
      }
    }
    return path;
  }

  base::Result<void> parse_bracket(Path& path, int depth) {
    blanks();
    if (peek() == '?') {
      ++at_;
      blanks();
      if (peek() != '(') return wrong("a filter is [?(...)]");
      ++at_;
      Node filter{.kind = Node::Kind::filter};
      blanks();
      TRY(filter.left, parse_path(depth + 1));
      blanks();
      for (std::string_view op : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (text_.substr(at_, op.size()) != op) continue;
        filter.op = op;
        at_ += op.size();
        blanks();
        TRY(filter.right, parse_path(depth + 1));
        break;
      }
      blanks();
      if (peek() != ')') return wrong("unclosed filter");
      ++at_;
      path.push_back(std::move(filter));
    } else if (peek() == '*') {
      ++at_;
      path.push_back({.kind = Node::Kind::wildcard});
    } else {
      CHECK_OK(parse_subscripts(path));
    }
    blanks();
    if (peek() != ']') return wrong("unterminated array");
    ++at_;
    return {};
  }

  std::optional<int64_t> parse_number() {
    size_t start = at_;
    if (peek() == '-') ++at_;
    while (std::isdigit(static_cast<unsigned char>(peek()))) ++at_;
    return base::parse_int(text_.substr(start, at_ - start));
  }

  // ['a.b'] is one name, ['a.b','c'] are paths.
  static Path quoted_path(const std::string& name, bool one_of_several) {
    if (!one_of_several) return {Node{.kind = Node::Kind::field, .text = name}};
    Path path;
    for (auto& piece : base::split(name, '.')) path.push_back({.kind = Node::Kind::field, .text = piece});
    return path;
  }

  base::Result<void> parse_subscripts(Path& path) {
    Node choice{.kind = Node::Kind::names};
    while (true) {
      blanks();
      if (peek() == '\'' || peek() == '"') {
        TRY(std::string name, parse_quoted());
        choice.choices.push_back(quoted_path(name, peek() == ',' || !choice.choices.empty()));
      } else {
        Node node{.kind = Node::Kind::index};
        node.from = parse_number();
        if (peek() == ':') {
          node.kind = Node::Kind::slice;
          ++at_;
          node.to = parse_number();
          if (peek() == ':') {
            ++at_;
            node.step = parse_number();
          }
        } else if (!node.from) {
          return wrong(
              fmt::format("invalid array index {}", text_.substr(at_, text_.find_first_of(",]", at_) - at_)));
        }
        choice.choices.push_back({std::move(node)});
      }
      blanks();
      if (peek() != ',') break;
      ++at_;
    }
    if (choice.choices.size() == 1)
      path.push_back(std::move(choice.choices[0][0]));
    else
      path.push_back(std::move(choice));
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
};

class Evaluator {
 public:
  Evaluator(const Value& root, bool allow_missing) : root_(root), allow_missing_(allow_missing) {}

  base::Result<Values> walk(const Path& path, const Value& current) {
    Values values{path.empty() || path[0].kind != Node::Kind::root ? &current : &root_};
    for (const Node& node : path) {
      Values next;
      if (node.kind == Node::Kind::names) {
        // All values of the first name, then all of the next.
        for (auto& choice : node.choices) CHECK_OK(add_all(choice, values, next));
      } else {
        for (const Value* value : values) CHECK_OK(step(node, *value, next));
      }
      values = std::move(next);
    }
    return values;
  }

 private:
  base::Result<void> add_all(const Path& path, const Values& from, Values& out) {
    for (const Value* value : from) {
      TRY(Values found, walk(path, *value));
      out.insert(out.end(), found.begin(), found.end());
    }
    return {};
  }

  base::Result<void> step(const Node& node, const Value& value, Values& out) {
    switch (node.kind) {
      case Node::Kind::root:
      case Node::Kind::current:
        out.push_back(&value);
        return {};
      case Node::Kind::literal:
        owned_.push_back(std::make_unique<Value>(node.text));
        out.push_back(owned_.back().get());
        return {};
      case Node::Kind::field:
        return field(node, value, out);
      case Node::Kind::wildcard:
        for (auto& item : value.as_array()) out.push_back(&item);
        for (auto& member : value.as_object()) out.push_back(&member.value);
        return {};
      case Node::Kind::recursive:
        descend(value, out);
        return {};
      case Node::Kind::index:
      case Node::Kind::slice:
        return slice(node, value, out);
      case Node::Kind::names:
        return {};  // in walk
      case Node::Kind::filter:
        return filter(node, value, out);
    }
    return {};
  }

  base::Result<void> field(const Node& node, const Value& value, Values& out) {
    if (const Value* found = value.as_object().find(node.text)) {
      out.push_back(found);
    } else if (!allow_missing_) {
      return base::fail(base::Reason::unknown, fmt::format("{} is not found", node.text));
    }
    return {};
  }

  void descend(const Value& value, Values& out) {
    out.push_back(&value);
    for (auto& item : value.as_array()) descend(item, out);
    for (auto& member : value.as_object()) descend(member.value, out);
  }

  base::Result<void> slice(const Node& node, const Value& value, Values& out) {
    const auto* array = value.if_array();
    if (!array) {
      if (value.is_null() || allow_missing_) return {};
      return base::fail(base::Reason::unknown, "is not array or slice");
    }
    int64_t size = static_cast<int64_t>(array->size());
    auto absolute = [size](int64_t n) { return n < 0 ? n + size : n; };
    if (node.kind == Node::Kind::index) {
      int64_t at = absolute(*node.from);
      if (at >= 0 && at < size)
        out.push_back(&(*array)[static_cast<size_t>(at)]);
      else if (!allow_missing_ || size > 0)
        return base::fail(base::Reason::unknown,
                          fmt::format("array index out of bounds: index {}, length {}", *node.from, size));
      return {};
    }
    int64_t step = node.step.value_or(1);
    if (step <= 0) return base::fail(base::Reason::unknown, "step must be > 0");
    int64_t from = std::max<int64_t>(absolute(node.from.value_or(0)), 0),
            to = std::min(absolute(node.to.value_or(size)), size);
    for (int64_t i = from; i < to; i += step) out.push_back(&(*array)[static_cast<size_t>(i)]);
    return {};
  }

  base::Result<void> filter(const Node& node, const Value& value, Values& out) {
    Values candidates;
    for (auto& item : value.as_array()) candidates.push_back(&item);
    for (auto& member : value.as_object()) candidates.push_back(&member.value);
    bool allow = std::exchange(allow_missing_, true);
    for (const Value* candidate : candidates) {
      TRY(Values left, walk(node.left, *candidate));
      bool pass = !left.empty();
      if (!node.op.empty()) {
        TRY(Values right, walk(node.right, *candidate));
        pass = !left.empty() && !right.empty() && compare(*left[0], node.op, *right[0]);
      }
      if (pass) out.push_back(candidate);
    }
    allow_missing_ = allow;
    return {};
  }

  static std::string plain(const Value& value) {
    if (auto* s = value.if_string()) return *s;
    return base::write_json(value);
  }

  static bool compare(const Value& left, std::string_view op, const Value& right) {
    std::string a = plain(left), b = plain(right);
    int order = a.compare(b);
    auto x = base::parse_int(a), y = base::parse_int(b);
    if (x && y) order = *x < *y ? -1 : *x > *y;
    if (op == "==") return order == 0;
    if (op == "!=") return order != 0;
    if (op == "<") return order < 0;
    if (op == "<=") return order <= 0;
    if (op == ">") return order > 0;
    return order >= 0;
  }

  const Value& root_;
  bool allow_missing_;
  std::vector<std::unique_ptr<Value>> owned_;
};

// Go prints maps with their keys sorted.
Value sorted(const Value& value) {
  Value copy = value;
  if (auto* object = copy.if_object()) {
    object->sort();
    for (auto& member : *object) member.value = sorted(member.value);
  } else if (auto* array = copy.if_array()) {
    for (auto& item : *array) item = sorted(item);
  }
  return copy;
}

// Go's encoder writes these three as \u escapes.
std::string escape_html(std::string_view json) {
  std::string out;
  for (char c : json) {
    if (c == '<' || c == '>' || c == '&')
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out;
}

std::string print(const Values& values) {
  std::string out;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ' ';
    if (!values[i]->is_null()) out += jsonpath_text(*values[i]);
  }
  return out;
}

base::Result<size_t> run(const std::vector<Piece>& pieces, size_t at, Evaluator& evaluator,
                         const Value& current, std::string* out) {
  for (; at < pieces.size(); ++at) {
    const Piece& piece = pieces[at];
    if (piece.kind == Piece::Kind::end) return at;
    if (piece.kind == Piece::Kind::text) {
      if (out) *out += piece.text;
    } else if (piece.kind == Piece::Kind::path) {
      if (!out) continue;
      TRY(Values values, evaluator.walk(piece.path, current));
      *out += print(values);
    } else {
      Values values;
      if (out) {
        TRY(values, evaluator.walk(piece.path, current));
      }
      size_t end = 0;
      for (const Value* value : values) {
        TRY(end, run(pieces, at + 1, evaluator, *value, out));
      }
      if (values.empty()) {
        TRY(end, run(pieces, at + 1, evaluator, current, nullptr));
      }
      if (end >= pieces.size())
        return base::fail(base::Reason::unknown, "unterminated range: {end} is missing");
      at = end;
    }
  }
  return at;
}

}  // namespace

base::Result<std::string> evaluate_jsonpath(std::string_view text, const Value& value, bool allow_missing) {
  auto parsed = Parser(text).parse();
  if (!parsed)
    return base::fail(base::Reason::unknown,
                      fmt::format("error parsing jsonpath {}, {}", text, parsed.error().message));
  auto& pieces = *parsed;
  Evaluator evaluator(value, allow_missing);
  std::string out;
  TRY(size_t end, run(pieces, 0, evaluator, value, &out));
  if (end < pieces.size()) return wrong("not in range, nothing to end");
  return out;
}

std::string jsonpath_text(const Value& value) {
  if (const auto* text = value.if_string()) return *text;
  return escape_html(write_json(sorted(value)));
}

std::string relaxed_jsonpath(std::string_view text) {
  if (text.starts_with('{')) return std::string(text);
  return "{" + std::string(text.starts_with('.') || text.starts_with('[') ? "" : ".") + std::string(text) +
         "}";
}

base::Result<base::Array> select_jsonpath(std::string_view text, const Value& value) {
  TRY(auto pieces, Parser(relaxed_jsonpath(text)).parse());
  if (pieces.size() != 1 || pieces[0].kind != Piece::Kind::path)
    return wrong(fmt::format("unexpected path string {}", text));
  Evaluator evaluator(value, true);
  TRY(Values values, evaluator.walk(pieces[0].path, value));
  base::Array out;
  for (const Value* v : values) out.push_back(*v);
  return out;
}

}  // namespace base
