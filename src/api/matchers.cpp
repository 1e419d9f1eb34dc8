#include "api/matchers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "api/status.hpp"
#include "base/strings.hpp"

namespace api {

using base::fail;
using base::Reason;
using base::Result;
using base::Value;

namespace {

std::unexpected<base::Error> bad(std::string message) { return fail(Reason::bad_request, std::move(message)); }

// ---- tokens of the label selector syntax --------------------------------------------------------------------------

enum class Kind : uint8_t {
  end, identifier, in, not_in, open, close, comma, bang, equals, double_equals, not_equals, greater, less, error
};

struct Token {
  Kind kind = Kind::end;
  std::string text;
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_special(char c) { return std::string_view("=!(),><").find(c) != std::string_view::npos; }

std::vector<Token> scan(std::string_view text) {
  std::vector<Token> out;
  size_t i = 0;
  while (i < text.size()) {
    char c = text[i];
    if (is_blank(c)) {
      ++i;
      continue;
    }
    if (!is_special(c)) {
      size_t start = i;
      while (i < text.size() && !is_blank(text[i]) && !is_special(text[i])) ++i;
      std::string word(text.substr(start, i - start));
      Kind kind = word == "in" ? Kind::in : word == "notin" ? Kind::not_in : Kind::identifier;
      out.push_back({kind, std::move(word)});
      continue;
    }
    bool doubled = i + 1 < text.size() && text[i + 1] == '=';
    if (c == '=' || c == '!') {
      Kind one = c == '=' ? Kind::equals : Kind::bang;
      Kind two = c == '=' ? Kind::double_equals : Kind::not_equals;
      out.push_back({doubled ? two : one, std::string(text.substr(i, doubled ? 2 : 1))});
      i += doubled ? 2 : 1;
      continue;
    }
    Kind kind = c == '(' ? Kind::open : c == ')' ? Kind::close : c == ',' ? Kind::comma
                : c == '>' ? Kind::greater : Kind::less;
    out.push_back({kind, std::string(1, c)});
    ++i;
  }
  return out;
}

using Operator = LabelMatcher::Operator;

struct ParsedRequirement {
  std::string key;
  Operator op = Operator::exists;
  std::vector<std::string> values;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(scan(text)) {}

  Result<std::vector<ParsedRequirement>> parse(const std::function<Result<void>(ParsedRequirement&)>& accept) {
    std::vector<ParsedRequirement> out;
    if (look().kind == Kind::end) return out;
    for (;;) {
      if (look().kind != Kind::identifier && look().kind != Kind::bang)
        return bad(fmt::format("found '{}', expected: !, identifier, or 'end of string'", look().text));
      auto requirement = parse_requirement();
      Result<void> accepted = requirement ? accept(*requirement) : std::unexpected(requirement.error());
      if (!accepted) return bad("unable to parse requirement: " + accepted.error().message);
      out.push_back(std::move(*requirement));
      const Token& next = take();
      if (next.kind == Kind::end) return out;
      if (next.kind != Kind::comma)
        return bad(fmt::format("found '{}', expected: ',' or 'end of string'", next.text));
      if (look().kind != Kind::identifier && look().kind != Kind::bang)
        return bad(fmt::format("found '{}', expected: identifier after ','", look().text));
    }
  }

 private:
  // `in` and `notin` are keywords only where an operator may stand.
  Token look() const {
    Token token = at_ < tokens_.size() ? tokens_[at_] : Token{};
    if (token.kind == Kind::in || token.kind == Kind::not_in) token.kind = Kind::identifier;
    return token;
  }
  Token take() {
    Token token = look();
    ++at_;
    return token;
  }
  Token take_operator() {
    Token token = at_ < tokens_.size() ? tokens_[at_] : Token{};
    ++at_;
    return token;
  }

  Result<ParsedRequirement> parse_requirement() {
    ParsedRequirement out;
    Token token = take();
    if (token.kind == Kind::bang) {
      out.op = Operator::not_exists;
      token = take();
    }
    if (token.kind != Kind::identifier) return bad(fmt::format("found '{}', expected: identifier", token.text));
    out.key = token.text;
    if (auto wrong = base::check_qualified_name(out.key); !wrong.empty())
      return bad(invalid_field("<nil>", out.key, base::join(wrong, "; ")).text());
    if (out.op == Operator::not_exists || look().kind == Kind::end || look().kind == Kind::comma) return out;
    TRY(out.op, parse_operator());
    if (out.op == Operator::in || out.op == Operator::not_in) {
      TRY(out.values, parse_values());
      std::sort(out.values.begin(), out.values.end());
      out.values.erase(std::unique(out.values.begin(), out.values.end()), out.values.end());
      return out;
    }
    TRY(std::string value, parse_exact_value());
    out.values.push_back(std::move(value));
    return out;
  }

  Result<Operator> parse_operator() {
    Token token = take_operator();
    switch (token.kind) {
      case Kind::in: return Operator::in;
      case Kind::not_in: return Operator::not_in;
      case Kind::equals:
      case Kind::double_equals: return Operator::equals;
      case Kind::not_equals: return Operator::not_equals;
      case Kind::greater: return Operator::greater;
      case Kind::less: return Operator::less;
      default: return bad(fmt::format("found '{}', expected: in, notin, =, ==, !=, gt, lt", token.text));
    }
  }

  // "" stands where a comma has no value before or after it.
  Result<std::vector<std::string>> parse_values() {
    std::vector<std::string> out;
    if (Token token = take(); token.kind != Kind::open)
      return bad(fmt::format("found '{}' expected: '('", token.text));
    if (look().kind == Kind::close) {
      take();
      return out;
    }
    if (look().kind != Kind::identifier && look().kind != Kind::comma)
      return bad(fmt::format("found '{}', expected: ',', ')' or identifier", look().text));
    bool want_value = true;
    for (;;) {
      Token token = take();
      if (token.kind == Kind::identifier) {
        if (!want_value) return bad(fmt::format("found '{}', expected: ',' or ')'", token.text));
        out.push_back(token.text);
        want_value = false;
      } else if (token.kind == Kind::comma) {
        if (want_value) out.emplace_back();
        want_value = true;
      } else if (token.kind == Kind::close) {
        if (want_value) out.emplace_back();
        return out;
      } else {
        return bad(want_value ? fmt::format("found '{}', expected: ',', or identifier", token.text)
                              : fmt::format("found '{}', expected: ',' or ')'", token.text));
      }
    }
  }

  Result<std::string> parse_exact_value() {
    Token token = look();
    if (token.kind == Kind::end || token.kind == Kind::comma) return std::string();
    take();
    if (token.kind != Kind::identifier) return bad(fmt::format("found '{}', expected: identifier", token.text));
    return token.text;
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
};

std::string errors_text(const std::vector<FieldError>& errors) {
  if (errors.size() == 1) return errors[0].text();
  std::vector<std::string> texts;
  for (const auto& error : errors) texts.push_back(error.text());
  return "[" + base::join(texts, ", ") + "]";
}

Value strings_value(const std::vector<std::string>& values) {
  base::Array out;
  for (const auto& value : values) out.emplace_back(value);
  return out;
}

// By key, then by everything else: equal selectors print the same.
void sort_requirements(std::vector<LabelMatcher::Requirement>& requirements) {
  std::ranges::sort(requirements, [](const auto& a, const auto& b) {
    return std::tie(a.key, a.op, a.values) < std::tie(b.key, b.op, b.values);
  });
}

}  // namespace

LabelMatcher LabelMatcher::nothing() {
  LabelMatcher out;
  out.nothing_ = true;
  return out;
}

Result<LabelMatcher::Requirement> LabelMatcher::make_requirement(std::string key, Operator op,
                                                                   std::vector<std::string> values) {
  std::vector<FieldError> errors;
  if (auto wrong = base::check_qualified_name(key); !wrong.empty())
    errors.push_back(invalid_field("key", key, base::join(wrong, "; ")));
  switch (op) {
    case Operator::in:
    case Operator::not_in:
      if (values.empty())
        errors.push_back(invalid_field("values", strings_value(values),
                                       "for 'in', 'notin' operators, values set can't be empty"));
      break;
    case Operator::equals:
    case Operator::not_equals:
      if (values.size() != 1)
        errors.push_back(invalid_field("values", strings_value(values),
                                       "exact-match compatibility requires one single value"));
      break;
    case Operator::exists:
    case Operator::not_exists:
      if (!values.empty())
        errors.push_back(invalid_field("values", strings_value(values),
                                       "values set must be empty for exists and does not exist"));
      break;
    case Operator::greater:
    case Operator::less:
      if (values.size() != 1)
        errors.push_back(invalid_field("values", strings_value(values),
                                       "for 'Gt', 'Lt' operators, exactly one value is required"));
      for (size_t i = 0; i < values.size(); ++i)
        if (!base::parse_int(values[i]))
          errors.push_back(invalid_field(fmt::format("values[{}]", i), values[i],
                                         "for 'Gt', 'Lt' operators, the value must be an integer"));
      break;
  }
  for (size_t i = 0; i < values.size(); ++i)
    if (auto wrong = base::check_label_value(values[i]); !wrong.empty())
      errors.push_back(invalid_field(fmt::format("values[{}][{}]", i, key), values[i], base::join(wrong, "; ")));
  if (!errors.empty()) return bad(errors_text(errors));
  std::sort(values.begin(), values.end());
  return Requirement{std::move(key), op, std::move(values)};
}

Result<LabelMatcher> LabelMatcher::parse(std::string_view text) {
  LabelMatcher out;
  Parser parser(text);
  TRY(auto parsed, parser.parse([&](ParsedRequirement& one) -> Result<void> {
    TRY(auto requirement, make_requirement(one.key, one.op, one.values));
    out.requirements_.push_back(std::move(requirement));
    return {};
  }));
  (void)parsed;
  sort_requirements(out.requirements_);
  return out;
}

LabelMatcher LabelMatcher::from_map(const Value& map) {
  LabelMatcher out;
  for (const auto& [key, value] : map.as_object())
    out.requirements_.push_back({key, Operator::equals, {std::string(value.as_string())}});
  sort_requirements(out.requirements_);
  return out;
}

Result<LabelMatcher> LabelMatcher::from_object(const Value& selector) {
  if (selector.is_null()) return nothing();
  LabelMatcher out;
  for (const auto& [key, value] : selector["matchLabels"].as_object()) {
    TRY(auto requirement, make_requirement(key, Operator::equals, {std::string(value.as_string())}));
    out.requirements_.push_back(std::move(requirement));
  }
  for (const auto& expression : selector["matchExpressions"].as_array()) {
    std::string_view name = expression["operator"].as_string();
    Operator op;
    if (name == "In") op = Operator::in;
    else if (name == "NotIn") op = Operator::not_in;
    else if (name == "Exists") op = Operator::exists;
    else if (name == "DoesNotExist") op = Operator::not_exists;
    else return bad(fmt::format("{} is not a valid label selector operator", base::quote(name)));
    std::vector<std::string> values;
    for (const auto& value : expression["values"].as_array()) values.emplace_back(value.as_string());
    TRY(auto requirement,
        make_requirement(std::string(expression["key"].as_string()), op, std::move(values)));
    out.requirements_.push_back(std::move(requirement));
  }
  sort_requirements(out.requirements_);
  return out;
}

bool LabelMatcher::holds(const Requirement& requirement, std::optional<std::string_view> value) {
  auto listed = [&] { return std::ranges::find(requirement.values, *value) != requirement.values.end(); };
  switch (requirement.op) {
    case Operator::equals:
    case Operator::in: return value && listed();
    case Operator::not_equals:
    case Operator::not_in: return !value || !listed();
    case Operator::exists: return value.has_value();
    case Operator::not_exists: return !value;
    case Operator::greater:
    case Operator::less: {
      if (!value || requirement.values.size() != 1) return false;
      auto left = base::parse_int(*value), right = base::parse_int(requirement.values[0]);
      if (!left || !right) return false;
      return requirement.op == Operator::greater ? *left > *right : *left < *right;
    }
  }
  return false;
}

bool LabelMatcher::matches(const Value& labels) const {
  if (nothing_) return false;
  for (const auto& requirement : requirements_) {
    const Value* found = labels.is_object() ? labels.as_object().find(requirement.key) : nullptr;
    std::optional<std::string_view> value;
    if (found != nullptr) value = found->as_string();
    if (!holds(requirement, value)) return false;
  }
  return true;
}

bool LabelMatcher::matches(const Lookup& lookup) const {
  if (nothing_) return false;
  return std::ranges::all_of(requirements_, [&](const auto& one) { return holds(one, lookup(one.key)); });
}

std::string LabelMatcher::text() const {
  std::string out;
  // "(,)" is the set of the empty value alone: "()" would be no set.
  auto set = [](const std::vector<std::string>& values) {
    return values == std::vector<std::string>{""} ? std::string(",") : base::join(values, ",");
  };
  for (const auto& one : requirements_) {
    if (!out.empty()) out += ',';
    std::string first = one.values.empty() ? "" : one.values[0];
    switch (one.op) {
      case Operator::equals: out += one.key + "=" + first; break;
      case Operator::not_equals: out += one.key + "!=" + first; break;
      case Operator::in: out += one.key + " in (" + set(one.values) + ")"; break;
      case Operator::not_in: out += one.key + " notin (" + set(one.values) + ")"; break;
      case Operator::exists: out += one.key; break;
      case Operator::not_exists: out += "!" + one.key; break;
      case Operator::greater: out += one.key + ">" + first; break;
      case Operator::less: out += one.key + "<" + first; break;
    }
  }
  return out;
}

// ---- field selectors ----------------------------------------------------------------------------------------------

namespace {

// Terms between commas that no backslash stands before.
std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> out;
  size_t start = 0;
  bool escaped = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (escaped) {
      escaped = false;
    } else if (text[i] == '\\') {
      escaped = true;
    } else if (text[i] == ',') {
      out.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  out.push_back(text.substr(start));
  return out;
}

Result<std::string> unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == ',' || c == '=')
      return bad(fmt::format("invalid field selector: unescaped character in value: {}", static_cast<int>(c)));
    if (c != '\\') {
      out += c;
      continue;
    }
    ++i;
    if (i >= text.size() || (text[i] != '\\' && text[i] != ',' && text[i] != '='))
      return bad(fmt::format("invalid field selector: invalid escape sequence: {}", text.substr(i - 1, 2)));
    out += text[i];
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\' || c == ',' || c == '=') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

Result<FieldMatcher> FieldMatcher::parse(std::string_view text) {
  FieldMatcher out;
  for (std::string_view term : split_terms(text)) {
    if (term.empty()) continue;
    size_t at = 0;
    std::string_view op;
    for (; at < term.size() && op.empty(); ++at) {
      std::string_view rest = term.substr(at);
      for (std::string_view candidate : {"!=", "==", "="})
        if (op.empty() && rest.starts_with(candidate)) op = candidate;
      if (!op.empty()) break;
    }
    if (op.empty()) return bad(fmt::format("invalid selector: '{}'; can't understand '{}'", text, term));
    TRY(std::string value, unescape(term.substr(at + op.size())));
    out.requirements_.push_back({std::string(term.substr(0, at)), std::move(value), op == "!="});
  }
  std::ranges::sort(out.requirements_, [](const Requirement& a, const Requirement& b) {
    return std::tie(a.field, a.negated, a.value) < std::tie(b.field, b.negated, b.value);
  });
  return out;
}

bool FieldMatcher::matches(const Lookup& lookup) const {
  return std::ranges::all_of(requirements_,
                             [&](const auto& one) { return (lookup(one.field) == one.value) != one.negated; });
}

std::optional<std::string> FieldMatcher::required_value(std::string_view field) const {
  for (const auto& one : requirements_)
    if (one.field == field && !one.negated) return one.value;
  return std::nullopt;
}

std::string FieldMatcher::text() const {
  std::string out;
  for (const auto& one : requirements_) {
    if (!out.empty()) out += ',';
    out += one.field + (one.negated ? "!=" : "=") + escape(one.value);
  }
  return out;
}

}  // namespace api
