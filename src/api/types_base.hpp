// What the generated structs of api/types.hpp are made of, besides the standard library. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace api {

// A number or a text, or nothing: the target port of a Service, the port of a probe.
class IntOrString {
 public:
  IntOrString() = default;
  IntOrString(int number) : IntOrString(static_cast<int64_t>(number)) {}
  IntOrString(int64_t number) : kind_(Kind::number), number_(number) {}
  IntOrString(std::string text) : kind_(Kind::text), text_(std::move(text)) {}
  IntOrString(std::string_view text) : IntOrString(std::string(text)) {}
  IntOrString(const char* text) : IntOrString(std::string(text)) {}

  bool empty() const { return kind_ == Kind::none; }
  bool is_int() const { return kind_ == Kind::number; }
  bool is_string() const { return kind_ == Kind::text; }
  int64_t int_value() const { return number_; }              // 0 when it is no number
  const std::string& string_value() const { return text_; }  // "" when it is no text
  // As it is printed: "8080", "http", "".
  std::string text() const { return is_int() ? std::to_string(number_) : text_; }
  bool operator==(const IntOrString& other) const = default;

 private:
  enum class Kind : uint8_t { none, number, text };
  Kind kind_ = Kind::none;
  int64_t number_ = 0;
  std::string text_;
};

}  // namespace api
