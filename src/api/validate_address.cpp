// IP addresses and the checks of single values.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "api/validate_rules.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

std::string text_of(const Address& address) {
  char buffer[INET6_ADDRSTRLEN] = {};
  inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.bytes, buffer, sizeof buffer);
  return buffer;
}

bool is_mapped(const Address& address) {
  static constexpr unsigned char kPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return address.v6 && std::memcmp(address.bytes, kPrefix, sizeof kPrefix) == 0;
}

bool all_zero(const unsigned char* bytes, size_t size) {
  return std::all_of(bytes, bytes + size, [](unsigned char b) { return b == 0; });
}

// An address in its own family: ::ffff:127.0.0.1 is 127.0.0.1.
Address unmapped(const Address& address) {
  if (!is_mapped(address)) return address;
  Address out;
  std::memcpy(out.bytes, address.bytes + 12, 4);
  return out;
}

bool is_loopback(const Address& a) {
  return a.v6 ? all_zero(a.bytes, 15) && a.bytes[15] == 1 : a.bytes[0] == 127;
}
bool is_unspecified(const Address& a) { return all_zero(a.bytes, a.v6 ? 16 : 4); }
bool is_link_local(const Address& a) {
  return a.v6 ? a.bytes[0] == 0xfe && (a.bytes[1] & 0xc0) == 0x80 : a.bytes[0] == 169 && a.bytes[1] == 254;
}
bool is_link_local_multicast(const Address& a) {
  return a.v6 ? a.bytes[0] == 0xff && (a.bytes[1] & 0x0f) == 0x02
              : a.bytes[0] == 224 && a.bytes[1] == 0 && a.bytes[2] == 0;
}

bool bits_beyond(const Address& address, int prefix) {
  int bits = address.v6 ? 128 : 32;
  for (int bit = prefix; bit < bits; ++bit)
    if (address.bytes[bit / 8] & (0x80 >> (bit % 8))) return true;
  return false;
}

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
  std::string copy(text);
  Address out;
  out.v6 = text.find(':') != std::string_view::npos;
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  if (inet_pton(out.v6 ? AF_INET6 : AF_INET, copy.c_str(), out.bytes) != 1) return std::nullopt;
  return out;
}

bool is_v6(std::string_view text) {
  auto address = parse_address(text);
  return address && address->v6 && !is_mapped(*address);
}

bool Problems::ip(const std::string& path, const Value& value) {
  auto address = parse_address(value.as_string());
  if (!address) {
    invalid(path, value, std::string("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
    return false;
  }
  if (is_mapped(*address)) {
    invalid(path, value, std::string("must not be an IPv4-mapped IPv6 address"));
    return false;
  }
  if (std::string canonical = text_of(*address); canonical != value.as_string())
    invalid(path, value, fmt::format("must be in canonical form ({})", base::quote(canonical)));
  return true;
}

void Problems::cidr(const std::string& path, const Value& value) {
  std::string_view text = value.as_string();
  size_t slash = text.find('/');
  auto address = parse_address(text.substr(0, slash));
  auto prefix = slash == std::string_view::npos ? std::nullopt : base::parse_int(text.substr(slash + 1));
  if (!address || !prefix || *prefix < 0 || *prefix > (address->v6 ? 128 : 32)) {
    invalid(path, value, std::string("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"));
  } else if (is_mapped(*address)) {
    invalid(path, value, std::string("must not have an IPv4-mapped IPv6 address"));
  } else if (bits_beyond(*address, static_cast<int>(*prefix))) {
    invalid(path, value, std::string("must not have bits set beyond the prefix length"));
  }
}

void Problems::ordinary_ip(const std::string& path, const Value& value) {
  auto parsed = parse_address(value.as_string());
  if (!parsed) {
    invalid(path, value, std::string("must be a valid IP address"));
    return;
  }
  Address address = unmapped(*parsed);
  if (is_unspecified(address))
    invalid(path, value, fmt::format("may not be unspecified ({})", value.as_string()));
  if (is_loopback(address))
    invalid(path, value, std::string("may not be in the loopback range (127.0.0.0/8, ::1/128)"));
  if (is_link_local(address))
    invalid(path, value, std::string("may not be in the link-local range (169.254.0.0/16, fe80::/10)"));
  if (is_link_local_multicast(address))
    invalid(path, value, std::string("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"));
}

// ---- single values ------------------------------------------------------------------------------------------------

void Problems::one_of(const std::string& path, const Value& value, std::initializer_list<std::string_view> supported,
                      bool must_be_set) {
  std::string_view text = value.as_string();
  if (text.empty()) {
    if (must_be_set) required(path);
  } else if (std::find(supported.begin(), supported.end(), text) == supported.end()) {
    unsupported(path, value, supported);
  }
}

void Problems::nonnegative(const std::string& path, const Value& value) {
  if (value.is_number() && value.int_or(0) < 0)
    invalid(path, value, std::string("must be greater than or equal to 0"));
}

void Problems::port(const std::string& path, const Value& value) {
  int64_t number = value.int_or(0);
  if (number < 1 || number > 65535) invalid(path, number, std::string("must be between 1 and 65535, inclusive"));
}

void Problems::port_or_name(const std::string& path, const Value& value) {
  if (value.is_string()) invalid(path, value, base::check_port_name(value.as_string()));
  else port(path, value);
}

void Problems::dns_label(const std::string& path, const Value& value) {
  invalid(path, value, base::check_dns1123_label(value.as_string()));
}

void Problems::dns_subdomain(const std::string& path, const Value& value) {
  invalid(path, value, base::check_dns1123_subdomain(value.as_string()));
}

void Problems::qualified_name(const std::string& path, const Value& value) {
  invalid(path, value, base::check_qualified_name(value.as_string()));
}

void Problems::labels(const std::string& path, const Value& map) {
  for (const auto& [name, value] : map.as_object()) {
    invalid(path, name, base::check_qualified_name(name));
    invalid(path, value, base::check_label_value(value.as_string()));
  }
}

void Problems::label_selector(const std::string& path, const Value& selector) {
  labels(child(path, "matchLabels"), selector["matchLabels"]);
  const auto& expressions = selector["matchExpressions"].as_array();
  for (size_t i = 0; i < expressions.size(); ++i) {
    const Value& one = expressions[i];
    std::string at = index(child(path, "matchExpressions"), i);
    std::string_view op = one["operator"].as_string();
    bool none = one["values"].as_array().empty();
    if ((op == "In" || op == "NotIn") && none)
      required(child(at, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
    else if ((op == "Exists" || op == "DoesNotExist") && !none)
      forbidden(child(at, "values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    else if (op != "In" && op != "NotIn" && op != "Exists" && op != "DoesNotExist")
      invalid(child(at, "operator"), one["operator"], std::string("not a valid selector operator"));
    invalid(child(at, "key"), one["key"], base::check_qualified_name(one["key"].as_string()));
    const auto& values = one["values"].as_array();
    for (size_t j = 0; j < values.size(); ++j)
      invalid(index(child(at, "values"), j), values[j], base::check_label_value(values[j].as_string()));
  }
}

namespace {

bool is_nothing(const Value& value) { return value.is_null() || (value.is_array() && value.as_array().empty()); }

// An empty list and none are the same: who sends protobuf cannot tell them apart.
bool same_meaning(const Value& a, const Value& b) {
  if (is_nothing(a) && is_nothing(b)) return true;
  if (a.is_array() && b.is_array()) return std::ranges::equal(a.as_array(), b.as_array(), same_meaning);
  constexpr size_t kFields = 200;  // of a struct; what is wider is a map
  if (!a.is_object() || !b.is_object() || a.as_object().size() > kFields || b.as_object().size() > kFields) return a == b;
  auto covers = [](const base::Object& x, const base::Object& y) {
    return std::ranges::all_of(x, [&](const base::Member& member) {
      const Value* other = y.find(member.key);
      return other != nullptr ? same_meaning(member.value, *other) : is_nothing(member.value);
    });
  };
  auto only_nothing_more = [](const base::Object& x, const base::Object& y) {
    return std::ranges::all_of(x, [&](const base::Member& member) { return is_nothing(member.value) || y.contains(member.key); });
  };
  return covers(a.as_object(), b.as_object()) && only_nothing_more(b.as_object(), a.as_object());
}

}  // namespace

void Problems::immutable(const std::string& path, const Value& fresh, const Value& old, std::string_view detail) {
  if (fresh != old && !same_meaning(fresh, old)) invalid(path, fresh, std::string(detail));
}

}  // namespace api::rules
