// Which Service addresses and node ports are taken: bitmaps that are filled from the stored Services and
// follow what is committed. Only the store's writer thread allocates; mark_stale() may be called from any
// thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  // Never found by find_free, but may be set on request.
  void reserve(uint32_t n) { reserved_[n / 64] |= uint64_t{1} << (n % 64); }
  // A free number, not yet set.
  std::optional<uint32_t> find_free(uint64_t random) const;

 private:
  std::optional<uint32_t> find_free_in(uint32_t first, uint32_t last) const;

  uint32_t size_ = 0;
  uint32_t lower_band_ = 0;
  std::vector<uint64_t> words_;
  std::vector<uint64_t> reserved_;
};

std::optional<uint32_t> parse_ipv4(std::string_view text);  // canonical form only
std::string format_ipv4(uint32_t address);

// The addresses of one IPv4 CIDR but its first and last.
class AddressRange {
 public:
  static base::Result<AddressRange> make(std::string_view cidr);
  // Nothing when it is not one of them.
  std::optional<uint32_t> index_of(uint32_t address) const;
  uint32_t address_of(uint32_t index) const { return base_ + 1 + index; }
  bool contains(uint32_t address) const { return address >= base_ && address - base_ <= map_.size() + 1; }
  const std::string& cidr() const { return cidr_; }
  Bitmap& map() { return map_; }

 private:
  std::string cidr_;
  uint32_t base_ = 0;
  Bitmap map_;
};

class Allocators {
 public:
  static base::Result<Allocators> make(std::string_view service_cidr, int port_first, int port_last);
  Allocators(Allocators&& other) noexcept;

  // What one write took and gave back, so that it can be undone when the write is refused.
  class Journal {
   public:
    explicit Journal(Allocators& allocators, const store::Txn& txn) : allocators_(allocators), txn_(txn) {}
    base::Result<void> take_address(std::string_view address);
    base::Result<std::string> next_address();
    void release_address(std::string_view address);
    base::Result<void> take_port(int port);
    base::Result<int> next_port();
    void release_port(int port);
    void revert();
    bool touched() const { return !steps_.empty(); }

   private:
    struct Step {
      bool port;
      bool set;
      uint32_t index;
    };
    void record(bool port, bool set, uint32_t index);
    Allocators& fresh();

    Allocators& allocators_;
    const store::Txn& txn_;
    std::vector<Step> steps_;
  };

  // A commit that held allocations failed: the bitmaps are made anew from the store before the next use.
  void mark_stale() { stale_ = true; }

 private:
  Allocators() = default;
  void refresh(const store::Txn& txn);

  AddressRange addresses_;
  Bitmap ports_;
  int port_first_ = 0;
  int port_last_ = 0;
  std::atomic<bool> stale_{true};
};

}  // namespace server
