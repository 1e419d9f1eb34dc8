// Which Service addresses and node ports are taken: sets that are filled from the stored Services, IPAddresses and
// ServiceCIDRs and follow what is committed. Only the store's writer thread allocates; mark_stale() may be called from
// any thread.
//
// Source: upstream's ipallocator and portallocator; KEP-1880 (many ServiceCIDRs), KEP-3070 (bands).
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/address.hpp"
#include "base/result.hpp"
#include "store/store.hpp"

namespace server {

// Numbers 0 .. size-1, taken or free. Dynamic allocation starts at a random place of the upper band, [lower,
// size), and goes to the band below it only when that is full.
class Bitmap {
 public:
  Bitmap() = default;
  Bitmap(uint32_t size, uint32_t lower_band);
  uint32_t size() const { return size_; }
  bool taken(uint32_t n) const { return (words_[n / 64] >> (n % 64)) & 1; }
  void set(uint32_t n) { words_[n / 64] |= uint64_t{1} << (n % 64); }
  void clear(uint32_t n) { words_[n / 64] &= ~(uint64_t{1} << (n % 64)); }
  void clear_all() { words_.assign(words_.size(), 0); }
  // A free number, not yet set.
  std::optional<uint32_t> find_free(uint64_t random) const;

 private:
  std::optional<uint32_t> find_free_in(uint32_t first, uint32_t last) const;

  uint32_t size_ = 0;
  uint32_t lower_band_ = 0;
  std::vector<uint64_t> words_;
};

// One range of Service addresses: all of a CIDR but its first and, for IPv4, its last.
class AddressRange {
 public:
  // What is too small or too large to be one is refused.
  static base::Result<AddressRange> make(const base::Cidr& cidr);
  const base::Cidr& cidr() const { return cidr_; }
  bool v6() const { return cidr_.first.v6; }
  // Whether a Service may have the address: the first and the last belong to the CIDR only.
  bool usable(const base::Address& address) const;
  // The address that is handed out for a number below count().
  base::Address at(uint32_t number) const { return {v6(), cidr_.first.number + 1 + number}; }
  // How many are handed out unasked; of a large range the first million.
  uint32_t count() const { return count_; }
  uint32_t lower_band() const { return lower_band_; }

 private:
  base::Cidr cidr_;
  uint32_t count_ = 0;
  uint32_t lower_band_ = 0;
};

class Allocators {
  struct Step {
    std::optional<uint32_t> port;  // else an address
    base::Address address;
    bool set;
  };

 public:
  // One or two ranges, one per family, the first is the one that Services get by default: "10.96.0.0/16,fd00::/112".
  static base::Result<Allocators> make(std::string_view service_cidrs, int port_first, int port_last);
  Allocators(Allocators&& other) noexcept;

  // "IPv4", "IPv6": those of the flags, the default one first.
  const std::vector<std::string>& families() const { return families_; }
  const std::vector<AddressRange>& configured() const { return configured_; }

  // What one write took and gave back, so that it can be undone when the write is refused.
  class Journal {
   public:
    explicit Journal(Allocators& allocators, const store::Txn& txn) : allocators_(allocators), txn_(txn) {}
    const std::vector<std::string>& families() const { return allocators_.families(); }
    base::Result<void> take_address(std::string_view address);
    base::Result<std::string> next_address(std::string_view family);
    void release_address(std::string_view address);
    // As taken, whatever there is: an IPAddress that somebody made.
    void hold_address(std::string_view address);
    base::Result<void> take_port(int port);
    base::Result<int> next_port();
    void release_port(int port);
    // A ServiceCIDR comes or goes with this write: whoever allocates next reads them again.
    void ranges_change();
    void revert();
    bool touched() const { return ranges_changed_ || !steps_.empty(); }

   private:
    void record(const Step& step);
    Allocators& fresh();

    Allocators& allocators_;
    const store::Txn& txn_;
    std::vector<Step> steps_;
    bool ranges_changed_ = false;
  };

  // A commit that held allocations failed: everything is made anew from the store before the next use.
  void mark_stale() { stale_ = true; }

 private:
  Allocators() = default;
  void refresh(const store::Txn& txn);
  void read_ranges(const store::Txn& txn);
  void apply(const Step& step, bool set);
  std::optional<base::Address> find_free(const AddressRange& range, uint64_t random) const;
  bool is_reserved(const base::Address& address) const;

  std::vector<std::string> families_;
  std::vector<AddressRange> configured_;
  std::vector<AddressRange> ranges_;  // the configured ones and those of ServiceCIDRs that are ready
  std::unordered_set<base::Address, base::AddressHash> taken_;
  Bitmap ports_;
  int port_first_ = 0;
  int port_last_ = 0;
  std::atomic<bool> stale_{true};
  std::atomic<bool> ranges_stale_{false};
};

}  // namespace server
