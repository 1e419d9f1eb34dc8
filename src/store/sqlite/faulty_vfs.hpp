// A disk in memory for SQLite that can lose power, fail an fsync and run full: for tests only. Threads: one store at a
// time uses it; the test changes its settings while that store is at rest, or through the atomics.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace store {

class FaultyDisk {
 public:
  explicit FaultyDisk(std::string name);
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  const char* name() const { return name_.c_str(); }

  // The fsync with this number (1 is the next) fails: what it should have saved stays visible, is counted as clean by
  // the kernel, and is gone after the power loss. 0: none.
  std::atomic<int64_t> fail_sync{0};
  std::atomic<bool> fail_all_syncs{false};
  // The write with this number fails with EIO after half of it was done. 0: none.
  std::atomic<int64_t> fail_write{0};
  // Bytes that all files together may have.
  std::atomic<int64_t> capacity{INT64_MAX};
  std::atomic<int64_t> syncs{0};
  std::atomic<int64_t> writes{0};
  // The write or fsync with this number (1 is the next), and all after it, silently do nothing: power is lost then.
  std::atomic<int64_t> die_at{0};

  // From now on nothing reaches the disk, silently: as if the machine had stopped here.
  void stop() { stopped_ = true; }
  // Forgets what was not synced, but for writes that `keep` picks (torn at 512 bytes), and works again.
  void lose_power(std::mt19937* keep);
  int64_t used();

  struct File {
    std::vector<uint8_t> seen;     // what reads return: the page cache
    std::vector<uint8_t> durable;  // what a power loss leaves
    struct Pending {
      int64_t at;
      std::vector<uint8_t> bytes;
      bool truncate = false;
    };
    std::vector<Pending> pending;
    int users = 0;
    bool locked = false;
  };
  // For the VFS' functions.
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<File>> files;
  bool stopped() const { return stopped_; }
  bool dies() {
    if (die_at > 0 && --die_at == 0) stop();
    return stopped();
  }

 private:
  std::string name_;
  std::atomic<bool> stopped_{false};
  sqlite3_vfs vfs_{};
};

}  // namespace store
