// resource.Quantity: "100m", "1Gi", "1.5", "2e3". Pure value; any thread.
//
// Source: apimachinery's resource.Quantity: values round up at 1 nano; canonical form keeps the suffix family.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace base {

class Quantity {
 public:
  enum class Format : uint8_t { decimal_si, binary_si, decimal_exponent };

  Quantity() = default;
  static std::optional<Quantity> parse(std::string_view text);
  static Quantity from_int(int64_t value, Format format = Format::decimal_si);
  static Quantity from_milli(int64_t milli, Format format = Format::decimal_si);

  int64_t value() const;        // rounded up
  int64_t milli_value() const;  // rounded up
  std::string text() const;     // canonical form
  Quantity operator+(const Quantity& other) const;
  Quantity operator-(const Quantity& other) const;
  std::strong_ordering operator<=>(const Quantity& other) const { return nanos_ <=> other.nanos_; }
  bool operator==(const Quantity& other) const { return nanos_ == other.nanos_; }
  bool negative() const { return nanos_ < 0; }

 private:
  __int128 nanos_ = 0;
  Format format_ = Format::decimal_si;
};

}  // namespace base
