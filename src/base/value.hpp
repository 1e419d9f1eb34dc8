// A JSON value as the API needs it: members keep their order, numbers keep their text (a 30-digit integer and 1.10
// survive), duplicate keys are seen by the parser. A plain value type: copies, compares, no threading of its own.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace base {

class Value;
struct Member;

using Array = std::vector<Value>;

// Members in the order in which they were set. Look-up is linear: API objects have few members per level.
class Object {
 public:
  Object() noexcept;
  Object(const Object& other);
  Object(Object&& other) noexcept;
  Object& operator=(const Object& other);
  Object& operator=(Object&& other) noexcept;
  ~Object();
  Object(std::initializer_list<std::pair<std::string_view, Value>> members);

  Value* find(std::string_view key);
  const Value* find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  // The member of that name, made null when it was not there.
  Value& operator[](std::string_view key);
  void set(std::string_view key, Value value);
  bool erase(std::string_view key);
  size_t size() const;
  bool empty() const;
  void reserve(size_t n);
  // Appends without looking for an equal key: for parsers that have looked.
  Value& append(std::string key, Value value);
  // Sorts members by key, this level only.
  void sort();

  std::vector<Member>::iterator begin();
  std::vector<Member>::iterator end();
  std::vector<Member>::const_iterator begin() const;
  std::vector<Member>::const_iterator end() const;
  // Equal sets of members, whatever their order.
  bool operator==(const Object& other) const;

 private:
  friend class Value;
  std::vector<Member> members_;
};

class Value {
 public:
  // A number's text, as it stood in the document.
  struct Number {
    std::string text;
    bool operator==(const Number& other) const;  // by numeric value where both are integers, else by text
  };

  Value() = default;
  // Copying, comparing and destroying take no stack for nesting: a document may be 10,000 levels deep.
  Value(const Value& other);
  Value(Value&&) noexcept = default;
  Value& operator=(const Value& other);
  Value& operator=(Value&&) noexcept = default;
  ~Value() {
    if (v_.index() >= kContainers) clear();
  }
  Value(std::nullptr_t) {}
  Value(bool b) : v_(b) {}
  Value(int n) : Value(static_cast<int64_t>(n)) {}
  Value(unsigned n) : Value(static_cast<int64_t>(n)) {}
  Value(int64_t n);
  Value(uint64_t n);
  Value(double d);
  Value(const char* s) : v_(std::string(s)) {}
  Value(std::string_view s) : v_(std::string(s)) {}
  Value(std::string s) : v_(std::move(s)) {}
  Value(Number n) : v_(std::move(n)) {}
  Value(Array a) : v_(std::move(a)) {}
  Value(Object o) : v_(std::move(o)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(v_); }
  bool is_bool() const { return std::holds_alternative<bool>(v_); }
  bool is_number() const { return std::holds_alternative<Number>(v_); }
  bool is_string() const { return std::holds_alternative<std::string>(v_); }
  bool is_array() const { return std::holds_alternative<Array>(v_); }
  bool is_object() const { return std::holds_alternative<Object>(v_); }
  // "null", "bool", "number", "string", "array", "object".
  std::string_view kind_name() const;

  // The value as that kind, or null.
  const bool* if_bool() const { return std::get_if<bool>(&v_); }
  const Number* if_number() const { return std::get_if<Number>(&v_); }
  const std::string* if_string() const { return std::get_if<std::string>(&v_); }
  std::string* if_string() { return std::get_if<std::string>(&v_); }
  const Array* if_array() const { return std::get_if<Array>(&v_); }
  Array* if_array() { return std::get_if<Array>(&v_); }
  const Object* if_object() const { return std::get_if<Object>(&v_); }
  Object* if_object() { return std::get_if<Object>(&v_); }

  // The value as that kind, or that kind's empty value: for reading what was validated, or does not matter.
  bool as_bool(bool otherwise = false) const;
  // A number without fraction that fits, or a string of digits is not a number: empty.
  std::optional<int64_t> as_int() const;
  int64_t int_or(int64_t otherwise) const { return as_int().value_or(otherwise); }
  std::optional<double> as_double() const;
  std::string_view as_string() const;  // "" when it is no string; valid as long as the value is
  const Array& as_array() const;       // empty when it is no array
  const Object& as_object() const;     // empty when it is no object

  // Member by name; a shared null value when this is no object or has no such member.
  const Value& operator[](std::string_view key) const;
  const Value& operator[](const char* key) const { return (*this)[std::string_view(key)]; }
  // Member by path of names: v.at({"spec", "clusterIP"}).
  const Value& at(std::initializer_list<std::string_view> path) const;
  // The object that this is, made one when it was null. Must not be called on another kind.
  Object& object();
  Array& array();
  // The member at the path, with objects made on the way.
  Value& make(std::initializer_list<std::string_view> path);

  bool operator==(const Value& other) const;

 private:
  static constexpr size_t kContainers = 4;  // the alternatives from here on hold Values
  void clear() noexcept;
  bool is_parent() const;

  std::variant<std::monostate, bool, Number, std::string, Array, Object> v_;
};

struct Member {
  std::string key;
  Value value;
};

// Here, because a Member is complete only now.
inline Object::Object() noexcept = default;
inline Object::Object(const Object& other) = default;
inline Object::Object(Object&& other) noexcept = default;
inline Object& Object::operator=(const Object& other) = default;
inline Object& Object::operator=(Object&& other) noexcept = default;
inline Object::~Object() = default;

}  // namespace base
