#include "base/address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <functional>

#include "base/strings.hpp"

namespace base {

namespace {

constexpr Uint128 kMapped = Uint128{0xffff} << 32;  // ::ffff:0:0/96

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
  char copy[INET6_ADDRSTRLEN + 1] = {};
  if (text.size() >= sizeof copy || text.find('\0') != std::string_view::npos) return std::nullopt;
  text.copy(copy, text.size());
  unsigned char bytes[16] = {};
  Address out;
  out.v6 = text.find(':') != std::string_view::npos;
  if (::inet_pton(out.v6 ? AF_INET6 : AF_INET, copy, bytes) != 1) return std::nullopt;
  for (int i = 0; i < out.bits() / 8; ++i) out.number = out.number << 8 | bytes[i];
  if (out.v6 && out.number >> 32 == kMapped >> 32) return std::nullopt;
  return out;
}

std::string Address::text() const {
  unsigned char bytes[16] = {};
  for (int i = bits() / 8, shift = 0; i-- > 0; shift += 8) bytes[i] = static_cast<unsigned char>(number >> shift);
  char buffer[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(v6 ? AF_INET6 : AF_INET, bytes, buffer, sizeof buffer);
  return buffer;
}

size_t AddressHash::operator()(const Address& address) const {
  auto word = static_cast<uint64_t>(address.number) ^ static_cast<uint64_t>(address.number >> 64) * 0x9e3779b97f4a7c15u;
  return std::hash<uint64_t>()(word * 0xff51afd7ed558ccdu ^ word >> 33 ^ (address.v6 ? 1 : 0));
}

Result<Cidr> Cidr::parse(std::string_view text) {
  auto refuse = [&](std::string_view why) {
    return fail(Reason::bad_request, fmt::format("range {}: {}", quote(text), why));
  };
  size_t slash = text.find('/');
  auto first = Address::parse(text.substr(0, slash));
  auto prefix = slash == std::string_view::npos ? std::nullopt : parse_int(text.substr(slash + 1));
  if (!first || !prefix || *prefix < 0 || *prefix > first->bits()) {
    return refuse("write it as ADDRESS/BITS, like 10.96.0.0/16 or fd00:10:96::/112");
  }
  Cidr out{*first, static_cast<int>(*prefix)};
  const int rest = first->bits() - out.prefix;
  const Uint128 mask = rest == 128 ? ~Uint128{0} : (Uint128{1} << rest) - 1;
  if (out.first.number & mask) return refuse("the address must be the first of the range");
  return out;
}

std::string Cidr::text() const { return fmt::format("{}/{}", first.text(), prefix); }

bool Cidr::contains(const Address& address) const {
  return address.v6 == first.v6 && address.number >= first.number && address.number - first.number < size();
}

Uint128 Cidr::size() const {
  const int rest = first.bits() - prefix;
  return rest == 128 ? ~Uint128{0} : Uint128{1} << rest;
}

Result<std::vector<Cidr>> parse_cidrs(std::string_view text) {
  std::vector<Cidr> out;
  for (const auto& piece : split(text, ',')) {
    TRY(auto one, Cidr::parse(trim(piece)));
    out.push_back(one);
  }
  return out;
}

namespace {

Result<AddressSpan> parse_span(std::string_view text) {
  if (text.find('/') != std::string_view::npos) {
    TRY(auto cidr, Cidr::parse(text));
    AddressSpan span{cidr.first, cidr.first};
    span.last.number += cidr.size() - 1;
    if (!cidr.first.v6 && cidr.prefix <= 30) ++span.first.number, --span.last.number;
    return span;
  }
  size_t dash = text.find('-');
  auto first = Address::parse(trim(text.substr(0, dash)));
  auto last = dash == std::string_view::npos ? first : Address::parse(trim(text.substr(dash + 1)));
  if (!first || !last || first->v6 != last->v6 || *last < *first) {
    return fail(Reason::bad_request,
                fmt::format("addresses {}: write them as RANGE/BITS, FIRST-LAST or ADDRESS, like 10.245.0.0/24", quote(text)));
  }
  return AddressSpan{*first, *last};
}

}  // namespace

Result<std::vector<AddressSpan>> parse_spans(std::string_view text) {
  std::vector<AddressSpan> out;
  if (trim(text).empty()) return out;
  for (const auto& piece : split(text, ',')) {
    TRY(auto span, parse_span(trim(piece)));
    out.push_back(span);
  }
  return out;
}

}  // namespace base
