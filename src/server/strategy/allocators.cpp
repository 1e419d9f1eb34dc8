#include "server/strategy/allocators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "api/meta.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "server/encoding.hpp"

namespace server {

namespace {

constexpr uint32_t kDnsNumber = 9;             // .10: kube-dns, by convention of every installer
constexpr uint32_t kMostHandedOut = 1u << 20;  // of one range
constexpr std::string_view kNetworking = "networking.k8s.io";

// The band for explicit requests: a sixteenth, at least 16 and at most 256 addresses; none of a small range.
uint32_t lower_band_of(uint32_t size) { return size < 16 ? 0 : std::clamp<uint32_t>(size / 16, 16, 256); }

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

// Without the condition it counts as ready: the controller that sets it may not run.
bool is_ready(const base::Value& service_cidr) {
  if (api::is_being_deleted(service_cidr)) return false;
  for (const auto& condition : service_cidr.at({"status", "conditions"}).as_array()) {
    if (condition["type"].as_string() == "Ready") return condition["status"].as_string() == "True";
  }
  return true;
}

}  // namespace

Bitmap::Bitmap(uint32_t size, uint32_t lower_band)
    : size_(size), lower_band_(lower_band), words_((size + 63) / 64) {}

std::optional<uint32_t> Bitmap::find_free_in(uint32_t first, uint32_t last) const {
  for (uint32_t n = first; n < last;) {
    uint64_t word = ~words_[n / 64] & (~uint64_t{0} << (n % 64));
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

base::Result<AddressRange> AddressRange::make(const base::Cidr& cidr) {
  auto refuse = [&](std::string_view why) {
    return base::fail(base::Reason::bad_request, fmt::format("service CIDR \"{}\": {}", cidr.text(), why));
  };
  const bool v6 = cidr.first.v6;
  if (!v6 && (cidr.prefix < 8 || cidr.prefix > 29)) return refuse("the prefix must have 8 to 29 bits");
  if (v6 && (cidr.prefix < 64 || cidr.prefix > 125)) return refuse("the prefix must have 64 to 125 bits");
  AddressRange range;
  range.cidr_ = cidr;
  const auto usable = cidr.size() - (v6 ? 1 : 2);
  range.count_ = usable > kMostHandedOut ? kMostHandedOut : static_cast<uint32_t>(usable);
  range.lower_band_ = lower_band_of(range.count_);
  return range;
}

bool AddressRange::usable(const base::Address& address) const {
  if (!cidr_.contains(address) || address == cidr_.first) return false;
  return v6() || address.number - cidr_.first.number < cidr_.size() - 1;
}

base::Result<Allocators> Allocators::make(std::string_view service_cidrs, int port_first, int port_last) {
  Allocators result;
  auto cidrs = base::parse_cidrs(service_cidrs);
  if (!cidrs) return std::unexpected(std::move(cidrs).error().wrap("service CIDR"));
  if (cidrs->size() > 2 || (cidrs->size() == 2 && (*cidrs)[0].first.v6 == (*cidrs)[1].first.v6)) {
    return base::fail(base::Reason::bad_request,
                      fmt::format("service CIDR \"{}\": give one range, or one of IPv4 and one of IPv6", service_cidrs));
  }
  for (const auto& cidr : *cidrs) {
    TRY(auto range, AddressRange::make(cidr));
    result.configured_.push_back(range);
    result.families_.emplace_back(cidr.first.family());
  }
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
    : families_(std::move(other.families_)),
      configured_(std::move(other.configured_)),
      ranges_(std::move(other.ranges_)),
      taken_(std::move(other.taken_)),
      ports_(std::move(other.ports_)),
      port_first_(other.port_first_),
      port_last_(other.port_last_),
      stale_(other.stale_.load()),
      ranges_stale_(other.ranges_stale_.load()) {}

void Allocators::read_ranges(const store::Txn& txn) {
  ranges_ = configured_;
  txn.scan(key_prefix(kNetworking, "servicecidrs"), [&](const store::EntryPtr& entry) {
    auto object = base::parse_json(entry->value);
    if (!object || !is_ready(*object)) return true;
    for (const auto& text : object->at({"spec", "cidrs"}).as_array()) {
      auto cidr = base::Cidr::parse(text.as_string());
      if (!cidr || std::ranges::any_of(ranges_, [&](const auto& known) { return known.cidr() == *cidr; })) continue;
      if (auto range = AddressRange::make(*cidr)) {
        ranges_.push_back(*range);
      } else {
        base::log_warning("server", "{} is not used: {}", entry->key, range.error().message);
      }
    }
    return true;
  });
  ranges_stale_ = false;
}

void Allocators::refresh(const store::Txn& txn) {
  read_ranges(txn);
  taken_.clear();
  ports_.clear_all();
  txn.scan(key_prefix("", "services"), [&](const store::EntryPtr& entry) {
    auto service = base::parse_json(entry->value);
    if (!service) return true;
    visit_allocations(*service, [&](std::string_view text, int port) {
      if (auto address = base::Address::parse(text)) taken_.insert(*address);
      if (port >= port_first_ && port <= port_last_) ports_.set(static_cast<uint32_t>(port - port_first_));
    });
    return true;
  });
  const std::string addresses = key_prefix(kNetworking, "ipaddresses");
  txn.scan(addresses, [&](const store::EntryPtr& entry) {
    if (auto address = base::Address::parse(std::string_view(entry->key).substr(addresses.size()))) {
      taken_.insert(*address);
    }
    return true;
  });
  stale_ = false;
}

// default/kubernetes and kube-dns get theirs by asking.
bool Allocators::is_reserved(const base::Address& address) const {
  return std::ranges::any_of(configured_, [&](const AddressRange& range) {
    return address == range.at(0) || address == range.at(kDnsNumber);
  });
}

std::optional<base::Address> Allocators::find_free(const AddressRange& range, uint64_t random) const {
  auto look = [&](uint32_t first, uint32_t last) -> std::optional<base::Address> {
    for (uint32_t n = first; n < last; ++n) {
      auto address = range.at(n);
      if (!taken_.contains(address) && !is_reserved(address)) return address;
    }
    return std::nullopt;
  };
  const uint32_t lower = range.lower_band();
  const uint32_t start = lower + static_cast<uint32_t>(random % (range.count() - lower));
  if (auto found = look(start, range.count())) return found;
  if (auto found = look(lower, start)) return found;
  return look(0, lower);
}

void Allocators::apply(const Step& step, bool set) {
  if (step.port) return set ? ports_.set(*step.port) : ports_.clear(*step.port);
  if (set) taken_.insert(step.address);
  else taken_.erase(step.address);
}

Allocators& Allocators::Journal::fresh() {
  if (allocators_.stale_) {
    // Steps of this write, made on what was stale, are not in the store yet: keep them.
    allocators_.refresh(txn_);
    for (const auto& step : steps_) allocators_.apply(step, step.set);
  } else if (allocators_.ranges_stale_) {
    allocators_.read_ranges(txn_);
  }
  return allocators_;
}

void Allocators::Journal::record(const Step& step) {
  allocators_.apply(step, step.set);
  steps_.push_back(step);
}

base::Result<void> Allocators::Journal::take_address(std::string_view text) {
  const auto& a = fresh();
  auto address = base::Address::parse(text);
  const AddressRange* inside = nullptr;
  for (const auto& range : a.ranges_) {
    if (!address || !range.cidr().contains(*address)) continue;
    inside = &range;
    if (range.usable(*address)) break;
  }
  if (!inside) return base::fail(base::Reason::invalid, "the provided network does not match the current range");
  if (!inside->usable(*address)) {
    return base::fail(
        base::Reason::invalid,
        fmt::format("the provided IP ({}) is not in the valid range. The range of valid IPs is {}", text,
                    inside->cidr().text()));
  }
  if (a.taken_.contains(*address)) return base::fail(base::Reason::invalid, "provided IP is already allocated");
  record({std::nullopt, *address, true});
  return {};
}

base::Result<std::string> Allocators::Journal::next_address(std::string_view family) {
  const auto& a = fresh();
  for (const auto& range : a.ranges_) {
    if (range.cidr().first.family() != family) continue;
    auto address = a.find_free(range, base::random_u64());
    if (!address) continue;
    record({std::nullopt, *address, true});
    return address->text();
  }
  return base::fail(base::Reason::internal_error, "failed to allocate a serviceIP: range is full");
}

void Allocators::Journal::release_address(std::string_view text) {
  auto address = base::Address::parse(text);
  if (address && fresh().taken_.contains(*address)) record({std::nullopt, *address, false});
}

void Allocators::Journal::hold_address(std::string_view text) {
  auto address = base::Address::parse(text);
  if (address && !fresh().taken_.contains(*address)) record({std::nullopt, *address, true});
}

base::Result<void> Allocators::Journal::take_port(int port) {
  auto& a = fresh();
  if (port < a.port_first_ || port > a.port_last_) {
    return base::fail(
        base::Reason::invalid,
        fmt::format("provided port is not in the valid range. The range of valid ports is {}-{}",
                    a.port_first_, a.port_last_));
  }
  uint32_t number = static_cast<uint32_t>(port - a.port_first_);
  if (a.ports_.taken(number)) return base::fail(base::Reason::invalid, "provided port is already allocated");
  record({number, {}, true});
  return {};
}

base::Result<int> Allocators::Journal::next_port() {
  auto& a = fresh();
  auto number = a.ports_.find_free(base::random_u64());
  if (!number) return base::fail(base::Reason::internal_error, "failed to allocate a nodePort: range is full");
  record({*number, {}, true});
  return a.port_first_ + static_cast<int>(*number);
}

void Allocators::Journal::release_port(int port) {
  auto& a = fresh();
  if (port < a.port_first_ || port > a.port_last_) return;
  uint32_t number = static_cast<uint32_t>(port - a.port_first_);
  if (a.ports_.taken(number)) record({number, {}, false});
}

void Allocators::Journal::ranges_change() {
  ranges_changed_ = true;
  allocators_.ranges_stale_ = true;
}

void Allocators::Journal::revert() {
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) allocators_.apply(*step, !step->set);
  steps_.clear();
  if (ranges_changed_) allocators_.ranges_stale_ = true;
}

}  // namespace server
