#include "base/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>

namespace base {

namespace {

const Value kNull;
const Array kEmptyArray;
const Object kEmptyObject;

// The digits of an integer with its sign ("-0" is "0"), or "" when the text is no integer.
std::string_view integer_text(std::string_view text) {
  std::string_view digits = text;
  if (!digits.empty() && digits.front() == '-') digits.remove_prefix(1);
  if (digits.empty()) return {};
  for (char c : digits)
    if (c < '0' || c > '9') return {};
  return digits == "0" ? digits : text;
}

// Levels that copying and comparing take by recursion, which is fastest; what is deeper waits in a list. A document may be
// 10,000 levels deep, and a thread's stack small.
constexpr int kPlainLevels = 64;

using Pairs = std::vector<std::pair<const Value*, const Value*>>;

bool equal_values(const Value& a, const Value& b, int levels, Pairs& deeper);

// Members by name; the same order on both sides is the usual case.
bool equal_members(const Object& a, const Object& b, int levels, Pairs& deeper) {
  if (a.size() != b.size()) return false;
  auto theirs = b.begin();
  auto mine = a.begin();
  for (; mine != a.end() && mine->key == theirs->key; ++mine, ++theirs)
    if (!equal_values(mine->value, theirs->value, levels, deeper)) return false;
  if (mine == a.end()) return true;
  std::vector<const Member*> left, right;
  for (; mine != a.end(); ++mine, ++theirs) {
    left.push_back(&*mine);
    right.push_back(&*theirs);
  }
  auto less = [](const Member* x, const Member* y) { return x->key < y->key; };
  std::sort(left.begin(), left.end(), less);
  std::sort(right.begin(), right.end(), less);
  for (size_t i = 0; i < left.size(); ++i)
    if (left[i]->key != right[i]->key || !equal_values(left[i]->value, right[i]->value, levels, deeper)) return false;
  return true;
}

// What lies below the last level is left in `deeper`.
bool equal_values(const Value& a, const Value& b, int levels, Pairs& deeper) {
  if (const auto* text = a.if_string()) return b.is_string() && *text == *b.if_string();
  if (const auto* number = a.if_number()) return b.is_number() && *number == *b.if_number();
  if (const auto* truth = a.if_bool()) return b.is_bool() && *truth == *b.if_bool();
  if (a.is_null()) return b.is_null();
  const Array *items = a.if_array(), *others = b.if_array();
  const Object *object = a.if_object(), *other = b.if_object();
  if (!items != !others || !object != !other) return false;
  if (levels == 0) {
    deeper.emplace_back(&a, &b);
    return true;
  }
  if (object) return equal_members(*object, *other, levels - 1, deeper);
  if (items->size() != others->size()) return false;
  for (size_t i = 0; i < items->size(); ++i)
    if (!equal_values((*items)[i], (*others)[i], levels - 1, deeper)) return false;
  return true;
}

bool equal_rest(Pairs& work) {
  while (!work.empty()) {
    auto [a, b] = work.back();
    work.pop_back();
    if (!equal_values(*a, *b, kPlainLevels, work)) return false;
  }
  return true;
}

std::string number_text(double d) {
  // As Go's encoding/json: the shortest text that reads back, in exponent form only for very small and large values.
  if (!std::isfinite(d)) return "0";
  if (d == std::trunc(d) && std::fabs(d) < 1e21) return fmt::format("{:.0f}", d == 0 ? 0.0 : d);
  char buffer[64];
  auto format = std::fabs(d) < 1e-6 || std::fabs(d) >= 1e21 ? std::chars_format::scientific : std::chars_format::fixed;
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, d, format);
  std::string text(buffer, error == std::errc() ? end : buffer);
  // Go writes e-9, not e-09.
  if (size_t e = text.find("e-0"); e != std::string::npos) text.erase(e + 2, 1);
  return text;
}

}  // namespace

Object::Object(std::initializer_list<std::pair<std::string_view, Value>> members) {
  members_.reserve(members.size());
  for (const auto& [key, value] : members) set(key, value);
}

Value* Object::find(std::string_view key) {
  for (Member& m : members_)
    if (m.key == key) return &m.value;
  return nullptr;
}

const Value* Object::find(std::string_view key) const { return const_cast<Object*>(this)->find(key); }

Value& Object::operator[](std::string_view key) {
  if (Value* v = find(key)) return *v;
  return append(std::string(key), Value());
}

void Object::set(std::string_view key, Value value) {
  if (Value* v = find(key)) *v = std::move(value);
  else append(std::string(key), std::move(value));
}

bool Object::erase(std::string_view key) {
  for (auto it = members_.begin(); it != members_.end(); ++it) {
    if (it->key != key) continue;
    members_.erase(it);
    return true;
  }
  return false;
}

size_t Object::size() const { return members_.size(); }
bool Object::empty() const { return members_.empty(); }
void Object::reserve(size_t n) { members_.reserve(n); }

Value& Object::append(std::string key, Value value) {
  return members_.emplace_back(Member{std::move(key), std::move(value)}).value;
}

void Object::sort() {
  std::sort(members_.begin(), members_.end(), [](const Member& a, const Member& b) { return a.key < b.key; });
}

std::vector<Member>::iterator Object::begin() { return members_.begin(); }
std::vector<Member>::iterator Object::end() { return members_.end(); }
std::vector<Member>::const_iterator Object::begin() const { return members_.begin(); }
std::vector<Member>::const_iterator Object::end() const { return members_.end(); }

bool Object::operator==(const Object& other) const {
  Pairs deeper;
  return equal_members(*this, other, kPlainLevels, deeper) && equal_rest(deeper);
}

bool Value::Number::operator==(const Number& other) const {
  if (text == other.text) return true;
  std::string_view mine = integer_text(text);
  return !mine.empty() && mine == integer_text(other.text);
}

bool Value::is_parent() const {
  if (const Array* a = if_array()) return !a->empty();
  if (const Object* o = if_object()) return !o->empty();
  return false;
}

Value::Value(const Value& other) {
  if (const auto* text = other.if_string()) {
    v_.emplace<std::string>(*text);
    return;
  }
  // By plain recursion, through the copies of Array and Object, as far as that may go.
  thread_local int depth = 0;
  struct Level {
    Level() { ++depth; }
    ~Level() { --depth; }
  };
  if (depth < kPlainLevels) {
    Level level;
    if (const auto* object = other.if_object()) v_.emplace<Object>(*object);
    else if (const auto* array = other.if_array()) v_.emplace<Array>(*array);
    else if (const auto* number = other.if_number()) v_.emplace<Number>(*number);
    else if (const auto* truth = other.if_bool()) v_.emplace<bool>(*truth);
    return;
  }
  if (!other.is_parent()) {
    v_ = other.v_;
    return;
  }
  std::vector<std::pair<const Value*, Value*>> work = {{&other, this}};
  auto copy = [&work](const Value& from, Value& to) {
    if (from.is_parent()) work.emplace_back(&from, &to);
    else to.v_ = from.v_;
  };
  while (!work.empty()) {
    auto [from, to] = work.back();
    work.pop_back();
    if (const Array* items = from->if_array()) {
      Array& copies = to->v_.emplace<Array>(items->size());
      for (size_t i = 0; i < items->size(); ++i) copy((*items)[i], copies[i]);
      continue;
    }
    const std::vector<Member>& members = std::get<Object>(from->v_).members_;
    std::vector<Member>& copies = to->v_.emplace<Object>().members_;
    copies.resize(members.size());
    for (size_t i = 0; i < members.size(); ++i) {
      copies[i].key = members[i].key;
      copy(members[i].value, copies[i].value);
    }
  }
}

Value& Value::operator=(const Value& other) {
  if (this != &other) *this = Value(other);
  return *this;
}

// Some levels by plain recursion, which is fastest; what is deeper is taken apart level by level.
void Value::clear() noexcept {
  thread_local int depth = 0;
  if (!is_parent()) return;
  if (depth < kPlainLevels) {
    ++depth;
    v_.emplace<std::monostate>();
    --depth;
    return;
  }
  std::vector<Value> rest;
  auto take = [&rest](Value& parent) {
    if (Array* a = parent.if_array()) {
      for (Value& v : *a)
        if (v.is_parent()) rest.push_back(std::move(v));
    } else if (Object* o = parent.if_object()) {
      for (Member& m : o->members_)
        if (m.value.is_parent()) rest.push_back(std::move(m.value));
    }
  };
  take(*this);
  while (!rest.empty()) {
    Value parent = std::move(rest.back());
    rest.pop_back();
    take(parent);
  }
}

bool Value::operator==(const Value& other) const {
  Pairs deeper;
  return equal_values(*this, other, kPlainLevels, deeper) && equal_rest(deeper);
}

Value::Value(int64_t n) : v_(Number{std::to_string(n)}) {}
Value::Value(uint64_t n) : v_(Number{std::to_string(n)}) {}
Value::Value(double d) : v_(Number{number_text(d)}) {}

std::string_view Value::kind_name() const {
  static constexpr std::string_view kNames[] = {"null", "bool", "number", "string", "array", "object"};
  return kNames[v_.index()];
}

bool Value::as_bool(bool otherwise) const {
  const bool* b = if_bool();
  return b ? *b : otherwise;
}

std::optional<int64_t> Value::as_int() const {
  const Number* n = if_number();
  if (!n) return std::nullopt;
  int64_t value = 0;
  const char* end = n->text.data() + n->text.size();
  auto [at, error] = std::from_chars(n->text.data(), end, value);
  if (error == std::errc() && at == end) return value;
  if (error != std::errc()) return std::nullopt;
  // "80.0" and "1e3" are whole numbers too.
  std::optional<double> d = as_double();
  if (!d || *d != std::trunc(*d) || std::fabs(*d) >= 9007199254740992.0) return std::nullopt;
  return static_cast<int64_t>(*d);
}

std::optional<double> Value::as_double() const {
  const Number* n = if_number();
  if (!n) return std::nullopt;
  double value = 0;
  const char* end = n->text.data() + n->text.size();
  auto [at, error] = std::from_chars(n->text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

std::string_view Value::as_string() const {
  const std::string* s = if_string();
  return s ? std::string_view(*s) : std::string_view();
}

const Array& Value::as_array() const {
  const Array* a = if_array();
  return a ? *a : kEmptyArray;
}

const Object& Value::as_object() const {
  const Object* o = if_object();
  return o ? *o : kEmptyObject;
}

const Value& Value::operator[](std::string_view key) const {
  const Object* o = if_object();
  const Value* v = o ? o->find(key) : nullptr;
  return v ? *v : kNull;
}

const Value& Value::at(std::initializer_list<std::string_view> path) const {
  const Value* v = this;
  for (std::string_view key : path) v = &(*v)[key];
  return *v;
}

Object& Value::object() {
  if (is_null()) v_.emplace<Object>();
  assert(is_object());
  return std::get<Object>(v_);
}

Array& Value::array() {
  if (is_null()) v_.emplace<Array>();
  assert(is_array());
  return std::get<Array>(v_);
}

Value& Value::make(std::initializer_list<std::string_view> path) {
  Value* v = this;
  for (std::string_view key : path) v = &v->object()[key];
  return *v;
}

}  // namespace base
