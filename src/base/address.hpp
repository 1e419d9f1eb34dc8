// IP addresses and ranges of both families as numbers: what hands out addresses counts with them. Values; any thread.
//
// Source: RFC 4291, RFC 4632, RFC 5952 (the canonical text of IPv6 addresses).
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace base {

// Room for every address and for the size of every range but ::/0.
using Uint128 = unsigned __int128;

struct Address {
  bool v6 = false;
  Uint128 number = 0;  // of an IPv4 address: below 2^32

  auto operator<=>(const Address&) const = default;
  // Nothing for what is no address, and for an IPv4 address in IPv6 clothes (::ffff:10.0.0.1).
  static std::optional<Address> parse(std::string_view text);
  std::string text() const;
  int bits() const { return v6 ? 128 : 32; }
  // The word of Services' ipFamilies.
  std::string_view family() const { return v6 ? "IPv6" : "IPv4"; }
};

struct AddressHash {
  size_t operator()(const Address& address) const;
};

// A prefix; `first` has no bits beyond it.
struct Cidr {
  Address first;
  int prefix = 0;

  bool operator==(const Cidr&) const = default;
  // "10.96.0.0/16". Bits beyond the prefix are refused.
  static Result<Cidr> parse(std::string_view text);
  std::string text() const;
  bool contains(const Address& address) const;
  bool contains(const Cidr& other) const { return prefix <= other.prefix && contains(other.first); }
  // Of addresses; of ::/0 one less than there are.
  Uint128 size() const;
};

// One or more, with commas between them.
Result<std::vector<Cidr>> parse_cidrs(std::string_view text);

// Addresses from `first` to `last`, both included, of one family.
struct AddressSpan {
  Address first;
  Address last;

  bool operator==(const AddressSpan&) const = default;
  bool contains(const Address& address) const { return address >= first && address <= last; }
};

// "10.0.0.0/24, 10.1.0.5-10.1.0.9, 10.2.0.1": ranges (of IPv4 ones without their first and last address), spans and
// single addresses. "" is none.
Result<std::vector<AddressSpan>> parse_spans(std::string_view text);

}  // namespace base
