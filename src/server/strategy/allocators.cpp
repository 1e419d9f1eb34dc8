#include "server/strategy/allocators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"
#include "server/encoding.hpp"

namespace server {

namespace {

constexpr uint32_t kDnsAddress = 10;  // kube-dns, by convention of every installer

template <class Visit>
void visit_allocations(const base::Value& service, Visit visit) {
  const auto& spec = service["spec"];
  for (const auto& address : spec["clusterIPs"].as_array()) visit(address.as_string(), 0);
  for (const auto& port : spec["ports"].as_array()) {
    if (int64_t n = port["nodePort"].int_or(0); n > 0) visit(std::string_view(), static_cast<int>(n));
  }
  if (int64_t n = spec["healthCheckNodePort"].int_or(0); n > 0)
    visit(std::string_view(), static_cast<int>(n));
}

}  // namespace

Bitmap::Bitmap(uint32_t size, uint32_t lower_band)
    : size_(size), lower_band_(lower_band), words_((size + 63) / 64), reserved_((size + 63) / 64) {}

std::optional<uint32_t> Bitmap::find_free_in(uint32_t first, uint32_t last) const {
  for (uint32_t n = first; n < last;) {
    uint64_t word = ~(words_[n / 64] | reserved_[n / 64]) & (~uint64_t{0} << (n % 64));
    if (word != 0) {
      uint32_t found = n / 64 * 64 + static_cast<uint32_t>(std::countr_zero(word));
      if (found < last) return found;
      return std::nullopt;
    }
    n = (n / 64 + 1) * 64;
  }
  return std::nullopt;
}

std::optional<uint32_t> Bitmap::find_free(uint64_t random) const {
  if (lower_band_ < size_) {
    uint32_t start = lower_band_ + static_cast<uint32_t>(random % (size_ - lower_band_));
    if (auto found = find_free_in(start, size_)) return found;
    if (auto found = find_free_in(lower_band_, start)) return found;
  }
  return find_free_in(0, std::min(lower_band_, size_));
}

std::optional<uint32_t> parse_ipv4(std::string_view text) {
  auto pieces = base::split(text, '.');
  if (pieces.size() != 4) return std::nullopt;
  uint32_t address = 0;
  for (const auto& piece : pieces) {
    auto n = base::parse_int(piece);
    if (!n || *n < 0 || *n > 255 || piece != std::to_string(*n)) return std::nullopt;
    address = address << 8 | static_cast<uint32_t>(*n);
  }
  return address;
}

std::string format_ipv4(uint32_t a) {
  return fmt::format("{}.{}.{}.{}", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

base::Result<AddressRange> AddressRange::make(std::string_view cidr) {
  auto fail = [&](std::string_view why) {
    return base::fail(base::Reason::bad_request, fmt::format("service CIDR {}: {}", base::quote(cidr), why));
  };
  size_t slash = cidr.find('/');
  if (slash == std::string_view::npos) return fail("write it as ADDRESS/BITS, for example 10.96.0.0/16");
  auto address = parse_ipv4(cidr.substr(0, slash));
  auto bits = base::parse_int(cidr.substr(slash + 1));
  if (!address || !bits) return fail("only IPv4 is supported: write it like 10.96.0.0/16");
  if (*bits < 8 || *bits > 29) return fail("the prefix must have 8 to 29 bits");
  uint32_t size = uint32_t{1} << (32 - *bits);
  if (*address & (size - 1)) return fail("the address must be the first of the range");
  AddressRange range;
  range.cidr_ = std::string(cidr);
  range.base_ = *address;
  range.map_ = Bitmap(size - 2, std::min<uint32_t>(std::max<uint32_t>(16, size / 16), 256));
  if (size <= 16) range.map_ = Bitmap(size - 2, 0);
  range.map_.reserve(0);  // default/kubernetes
  if (kDnsAddress - 1 < range.map_.size()) range.map_.reserve(kDnsAddress - 1);
  return range;
}

std::optional<uint32_t> AddressRange::index_of(uint32_t address) const {
  if (address <= base_ || address - base_ - 1 >= map_.size()) return std::nullopt;
  return address - base_ - 1;
}

base::Result<Allocators> Allocators::make(std::string_view service_cidr, int port_first, int port_last) {
  Allocators result;
  TRY(result.addresses_, AddressRange::make(service_cidr));
  if (port_first < 1 || port_last > 65535 || port_first > port_last) {
    return base::fail(base::Reason::bad_request,
                      fmt::format("node port range {}-{}: must lie in 1-65535", port_first, port_last));
  }
  uint32_t size = static_cast<uint32_t>(port_last - port_first + 1);
  uint32_t lower = size <= 16 ? 0 : std::min<uint32_t>(std::max<uint32_t>(16, size / 32), 128);
  result.ports_ = Bitmap(size, lower);
  result.port_first_ = port_first;
  result.port_last_ = port_last;
  return result;
}

Allocators::Allocators(Allocators&& other) noexcept
    : addresses_(std::move(other.addresses_)),
      ports_(std::move(other.ports_)),
      port_first_(other.port_first_),
      port_last_(other.port_last_),
      stale_(other.stale_.load()) {}

void Allocators::refresh(const store::Txn& txn) {
  addresses_.map().clear_all();
  ports_.clear_all();
  txn.scan(key_prefix("", "services"), [&](const store::EntryPtr& entry) {
    auto service = base::parse_json(entry->value);
    if (!service) return true;
    visit_allocations(*service, [&](std::string_view address, int port) {
      if (auto parsed = parse_ipv4(address)) {
        if (auto index = addresses_.index_of(*parsed)) addresses_.map().set(*index);
      }
      if (port >= port_first_ && port <= port_last_) ports_.set(static_cast<uint32_t>(port - port_first_));
    });
    return true;
  });
  stale_ = false;
}

Allocators& Allocators::Journal::fresh() {
  if (allocators_.stale_) {
    // Steps of this write, made on the stale bitmaps, are not in the store yet: keep them.
    allocators_.refresh(txn_);
    for (const auto& step : steps_) {
      auto& map = step.port ? allocators_.ports_ : allocators_.addresses_.map();
      step.set ? map.set(step.index) : map.clear(step.index);
    }
  }
  return allocators_;
}

void Allocators::Journal::record(bool port, bool set, uint32_t index) {
  auto& map = port ? allocators_.ports_ : allocators_.addresses_.map();
  set ? map.set(index) : map.clear(index);
  steps_.push_back({port, set, index});
}

base::Result<void> Allocators::Journal::take_address(std::string_view text) {
  auto& range = fresh().addresses_;
  auto address = parse_ipv4(text);
  if (!address || !range.contains(*address)) {
    return base::fail(base::Reason::invalid, "the provided network does not match the current range");
  }
  auto index = range.index_of(*address);
  if (!index) {
    return base::fail(
        base::Reason::invalid,
        fmt::format("the provided IP ({}) is not in the valid range. The range of valid IPs is {}", text,
                    range.cidr()));
  }
  if (range.map().taken(*index)) return base::fail(base::Reason::invalid, "provided IP is already allocated");
  record(false, true, *index);
  return {};
}

base::Result<std::string> Allocators::Journal::next_address() {
  auto& range = fresh().addresses_;
  auto index = range.map().find_free(base::random_u64());
  if (!index)
    return base::fail(base::Reason::internal_error, "failed to allocate a serviceIP: range is full");
  record(false, true, *index);
  return format_ipv4(range.address_of(*index));
}

void Allocators::Journal::release_address(std::string_view text) {
  auto address = parse_ipv4(text);
  if (!address) return;
  auto index = fresh().addresses_.index_of(*address);
  if (index && allocators_.addresses_.map().taken(*index)) record(false, false, *index);
}

base::Result<void> Allocators::Journal::take_port(int port) {
  auto& a = fresh();
  if (port < a.port_first_ || port > a.port_last_) {
    return base::fail(
        base::Reason::invalid,
        fmt::format("provided port is not in the valid range. The range of valid ports is {}-{}",
                    a.port_first_, a.port_last_));
  }
  uint32_t index = static_cast<uint32_t>(port - a.port_first_);
  if (a.ports_.taken(index)) return base::fail(base::Reason::invalid, "provided port is already allocated");
  record(true, true, index);
  return {};
}

base::Result<int> Allocators::Journal::next_port() {
  auto& a = fresh();
  auto index = a.ports_.find_free(base::random_u64());
  if (!index) return base::fail(base::Reason::internal_error, "failed to allocate a nodePort: range is full");
  record(true, true, *index);
  return a.port_first_ + static_cast<int>(*index);
}

void Allocators::Journal::release_port(int port) {
  auto& a = fresh();
  if (port < a.port_first_ || port > a.port_last_) return;
  uint32_t index = static_cast<uint32_t>(port - a.port_first_);
  if (a.ports_.taken(index)) record(true, false, index);
}

void Allocators::Journal::revert() {
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    auto& map = step->port ? allocators_.ports_ : allocators_.addresses_.map();
    step->set ? map.clear(step->index) : map.set(step->index);
  }
  steps_.clear();
}

}  // namespace server
