// The disk in memory, and what the store must survive on it.
#include "store/sqlite/faulty_vfs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <map>

#include "store/sqlite/journal.hpp"
#include "store/sqlite/workload_test.hpp"

namespace store {

namespace {

struct Handle {
  sqlite3_file base;
  FaultyDisk* disk;
  std::shared_ptr<FaultyDisk::File>* file;
  std::string* remove;
  int lock;
};
Handle* self(sqlite3_file* f) { return reinterpret_cast<Handle*>(f); }

void overwrite(std::vector<uint8_t>& bytes, const FaultyDisk::File::Pending& p, size_t from, size_t to) {
  if (p.truncate) return bytes.resize(static_cast<size_t>(p.at));
  if (to <= from) return;
  size_t begin = static_cast<size_t>(p.at) + from;
  if (bytes.size() < begin + (to - from)) bytes.resize(begin + (to - from));
  std::copy(p.bytes.begin() + static_cast<std::ptrdiff_t>(from), p.bytes.begin() + static_cast<std::ptrdiff_t>(to),
            bytes.begin() + static_cast<std::ptrdiff_t>(begin));
}
void overwrite(std::vector<uint8_t>& bytes, const FaultyDisk::File::Pending& p) { overwrite(bytes, p, 0, p.bytes.size()); }

int io_close(sqlite3_file* f) {
  auto* h = self(f);
  std::lock_guard lock(h->disk->mutex);
  if (h->lock == SQLITE_LOCK_EXCLUSIVE) (*h->file)->locked = false;
  if (h->remove) h->disk->files.erase(*h->remove);
  delete h->file;
  delete h->remove;
  return SQLITE_OK;
}
int io_read(sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
  auto* h = self(f);
  std::lock_guard lock(h->disk->mutex);
  const auto& bytes = (*h->file)->seen;
  size_t have = static_cast<size_t>(at) < bytes.size() ? std::min(bytes.size() - static_cast<size_t>(at), static_cast<size_t>(n)) : 0;
  if (have) std::memcpy(to, bytes.data() + at, have);
  if (have == static_cast<size_t>(n)) return SQLITE_OK;
  std::memset(static_cast<char*>(to) + have, 0, static_cast<size_t>(n) - have);
  return SQLITE_IOERR_SHORT_READ;
}
int io_write(sqlite3_file* f, const void* from, int n, sqlite3_int64 at) {
  auto* h = self(f);
  if (h->disk->stopped()) return SQLITE_OK;
  if (h->disk->dies()) return SQLITE_OK;
  auto number = ++h->disk->writes;
  int64_t used = h->disk->used();
  std::lock_guard lock(h->disk->mutex);
  auto& file = **h->file;
  auto growth = std::max<int64_t>(0, at + n - static_cast<int64_t>(file.seen.size()));
  if (used + growth > h->disk->capacity) return SQLITE_FULL;
  bool fails = number == h->disk->fail_write;
  auto* data = static_cast<const uint8_t*>(from);
  FaultyDisk::File::Pending p{at, {data, data + (fails ? n / 2 : n)}};
  overwrite(file.seen, p);
  file.pending.push_back(std::move(p));
  return fails ? SQLITE_IOERR_WRITE : SQLITE_OK;
}
int io_truncate(sqlite3_file* f, sqlite3_int64 size) {
  auto* h = self(f);
  if (h->disk->stopped()) return SQLITE_OK;
  std::lock_guard lock(h->disk->mutex);
  FaultyDisk::File::Pending p{size, {}, true};
  overwrite((*h->file)->seen, p);
  (*h->file)->pending.push_back(std::move(p));
  return SQLITE_OK;
}
int io_sync(sqlite3_file* f, int) {
  auto* h = self(f);
  if (h->disk->stopped() || h->disk->dies()) return SQLITE_OK;
  auto number = ++h->disk->syncs;
  std::lock_guard lock(h->disk->mutex);
  auto& file = **h->file;
  auto pending = std::exchange(file.pending, {});
  if (number == h->disk->fail_sync || h->disk->fail_all_syncs) return SQLITE_IOERR_FSYNC;
  for (const auto& p : pending) overwrite(file.durable, p);
  return SQLITE_OK;
}
int io_size(sqlite3_file* f, sqlite3_int64* size) {
  std::lock_guard lock(self(f)->disk->mutex);
  *size = static_cast<sqlite3_int64>((*self(f)->file)->seen.size());
  return SQLITE_OK;
}
int io_lock(sqlite3_file* f, int level) {
  auto* h = self(f);
  std::lock_guard lock(h->disk->mutex);
  auto& file = **h->file;
  if (file.locked && h->lock != SQLITE_LOCK_EXCLUSIVE) return SQLITE_BUSY;
  h->lock = std::max(h->lock, level);
  if (level == SQLITE_LOCK_EXCLUSIVE) file.locked = true;
  return SQLITE_OK;
}
int io_unlock(sqlite3_file* f, int level) {
  auto* h = self(f);
  std::lock_guard lock(h->disk->mutex);
  if (h->lock == SQLITE_LOCK_EXCLUSIVE && level < SQLITE_LOCK_EXCLUSIVE) (*h->file)->locked = false;
  h->lock = level;
  return SQLITE_OK;
}
int io_check_reserved(sqlite3_file* f, int* out) {
  std::lock_guard lock(self(f)->disk->mutex);
  *out = (*self(f)->file)->locked;
  return SQLITE_OK;
}
int io_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int io_sector(sqlite3_file*) { return 512; }
int io_traits(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

const sqlite3_io_methods kMethods = {1,       io_close, io_read,   io_write,          io_truncate, io_sync,
                                     io_size, io_lock,  io_unlock, io_check_reserved, io_control,  io_sector,
                                     io_traits, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};

int vfs_open(sqlite3_vfs* vfs, const char* path, sqlite3_file* f, int flags, int* out_flags) {
  auto* disk = static_cast<FaultyDisk*>(vfs->pAppData);
  std::lock_guard lock(disk->mutex);
  std::string name = path ? path : "temp";
  auto& file = disk->files[name];
  if (!file && !(flags & SQLITE_OPEN_CREATE)) {
    disk->files.erase(name);
    return SQLITE_CANTOPEN;
  }
  if (!file) file = std::make_shared<FaultyDisk::File>();
  auto* h = self(f);
  h->base.pMethods = &kMethods;
  h->disk = disk;
  h->file = new std::shared_ptr<FaultyDisk::File>(file);
  h->remove = flags & SQLITE_OPEN_DELETEONCLOSE ? new std::string(name) : nullptr;
  h->lock = 0;
  if (out_flags) *out_flags = flags;
  return SQLITE_OK;
}
int vfs_delete(sqlite3_vfs* vfs, const char* path, int) {
  auto* disk = static_cast<FaultyDisk*>(vfs->pAppData);
  if (disk->stopped()) return SQLITE_OK;
  std::lock_guard lock(disk->mutex);
  return disk->files.erase(path) ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}
int vfs_access(sqlite3_vfs* vfs, const char* path, int, int* out) {
  auto* disk = static_cast<FaultyDisk*>(vfs->pAppData);
  std::lock_guard lock(disk->mutex);
  *out = disk->files.contains(path);
  return SQLITE_OK;
}
int vfs_full_path(sqlite3_vfs*, const char* path, int n, char* out) {
  sqlite3_snprintf(n, out, "%s", path);
  return SQLITE_OK;
}
int vfs_random(sqlite3_vfs*, int n, char* out) {
  static std::mt19937 random(7);
  for (int i = 0; i < n; ++i) out[i] = static_cast<char>(random());
  return n;
}
int vfs_sleep(sqlite3_vfs*, int) { return 0; }
int vfs_time(sqlite3_vfs*, double* now) {
  *now = 2460000.5;
  return SQLITE_OK;
}
int vfs_last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

FaultyDisk::FaultyDisk(std::string name) : name_(std::move(name)) {
  vfs_.iVersion = 1;
  vfs_.szOsFile = sizeof(Handle);
  vfs_.mxPathname = 512;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = vfs_open;
  vfs_.xDelete = vfs_delete;
  vfs_.xAccess = vfs_access;
  vfs_.xFullPathname = vfs_full_path;
  vfs_.xRandomness = vfs_random;
  vfs_.xSleep = vfs_sleep;
  vfs_.xCurrentTime = vfs_time;
  vfs_.xGetLastError = vfs_last_error;
  sqlite3_vfs_register(&vfs_, 0);
}
FaultyDisk::~FaultyDisk() { sqlite3_vfs_unregister(&vfs_); }

void FaultyDisk::lose_power(std::mt19937* keep) {
  std::lock_guard lock(mutex);
  for (auto& [name, file] : files) {
    for (const auto& p : file->pending) {
      if (!keep || (*keep)() % 2) continue;
      size_t sectors = p.bytes.size() / 512 + 1;
      overwrite(file->durable, p, 0, std::min(p.bytes.size(), (*keep)() % (sectors + 1) * 512));
    }
    file->pending.clear();
    file->seen = file->durable;
    file->locked = false;
  }
  stopped_ = false;
}

int64_t FaultyDisk::used() {
  std::lock_guard lock(mutex);
  int64_t sum = 0;
  for (const auto& [name, file] : files) sum += static_cast<int64_t>(file->seen.size());
  return sum;
}

namespace {

TEST(FaultyDisk, acknowledged_writes_survive_a_power_loss_after_each_of_them) {
  for (int stop_at = 1; stop_at <= 60; ++stop_at) {
    FaultyDisk disk("power");
    Workload run;
    auto store = open_on(disk, 5);
    for (int i = 0; i < stop_at; ++i) run.step(*store, i);
    ASSERT_TRUE(run.failed.empty());
    disk.stop();
    store.reset();
    disk.lose_power(nullptr);
    store = open_on(disk, 5);
    ASSERT_TRUE(store);
    EXPECT_EQ(contents(*store), run.acknowledged);
    EXPECT_EQ(store->revision(), run.revision);
  }
}

TEST(FaultyDisk, acknowledged_writes_survive_when_some_unsynced_sectors_reach_the_disk) {
  std::mt19937 random(11);
  for (int round = 0; round < 60; ++round) {
    FaultyDisk disk("torn");
    Workload run;
    for (int life = 0; life < 3; ++life) {
      auto store = open_on(disk, 5);
      ASSERT_TRUE(store);
      run.check(contents(*store));
      EXPECT_GE(store->revision(), run.revision);
      int steps = static_cast<int>(random() % 40);
      for (int i = 0; i < steps; ++i) run.step(*store, static_cast<int>(random() % 1000));
      // One more, cut off: nobody was told.
      auto cut = std::string(2000, 'c');
      disk.stop();
      (void)put(*store, "cut", cut);
      run.failed.emplace_back("cut", cut);
      store.reset();
      disk.lose_power(&random);
    }
    auto store = open_on(disk, 5);
    ASSERT_TRUE(store);
    run.check(contents(*store));
  }
}

TEST(FaultyDisk, an_fsync_that_fails_at_any_point_loses_nothing_acknowledged) {
  int64_t total = 0;
  {
    FaultyDisk disk("count");
    Workload run;
    auto store = open_on(disk, 5);
    int64_t start = disk.syncs;
    for (int i = 0; i < 40; ++i) run.step(*store, i);
    total = disk.syncs - start;
  }
  for (int64_t n = 1; n <= total + 1; ++n) {
    FaultyDisk disk("fsync");
    Workload run;
    auto store = open_on(disk, 5);
    int64_t start = disk.syncs;
    disk.fail_sync = start + n;
    for (int i = 0; i < 40; ++i) run.step(*store, i);
    run.check(contents(*store));
    // Memory never shows what a later restart takes back.
    auto seen = contents(*store);
    auto revision = store->revision();
    disk.fail_sync = 0;
    disk.stop();
    store.reset();
    disk.lose_power(nullptr);
    store = open_on(disk, 5);
    ASSERT_TRUE(store) << "fsync " << n;
    EXPECT_EQ(contents(*store), seen) << "fsync " << n;
    EXPECT_EQ(store->revision(), revision);
  }
  EXPECT_GE(total, 40);
}

TEST(FaultyDisk, a_write_that_fails_at_any_point_loses_nothing_acknowledged) {
  int64_t total = INT64_MAX;
  for (int64_t n = 1; n <= total; n += 3) {
    FaultyDisk disk("write");
    Workload run;
    auto store = open_on(disk, 5);
    int64_t start = disk.writes;
    disk.fail_write = start + n;
    for (int i = 0; i < 40; ++i) run.step(*store, i);
    if (total == INT64_MAX) total = disk.writes - start;
    auto seen = contents(*store);
    run.check(seen);
    disk.fail_write = 0;
    disk.stop();
    store.reset();
    disk.lose_power(nullptr);
    store = open_on(disk, 5);
    ASSERT_TRUE(store) << "write " << n;
    EXPECT_EQ(contents(*store), seen) << "write " << n;
  }
}

TEST(FaultyDisk, after_a_failed_fsync_nothing_is_written_any_more_and_reads_go_on) {
  FaultyDisk disk("dead");
  auto store = open_on(disk);
  ASSERT_TRUE(put(*store, "a", "1"));
  EXPECT_TRUE(store->healthy());
  disk.fail_all_syncs = true;
  auto first = put(*store, "a", "2");
  ASSERT_FALSE(first);
  EXPECT_NE(first.error().message.find("shows after a restart"), std::string::npos) << first.error().message;
  disk.fail_all_syncs = false;  // as the kernel does: the next fsync knows nothing of the pages that it threw away
  int64_t writes = disk.writes;
  auto second = put(*store, "b", "1");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, base::Reason::service_unavailable);
  EXPECT_NE(second.error().message.find("store.db"), std::string::npos) << second.error().message;
  EXPECT_NE(second.error().message.find("restart the server"), std::string::npos) << second.error().message;
  EXPECT_EQ(disk.writes, writes);
  EXPECT_EQ(store->get("a")->value, "1");
  EXPECT_EQ(store->list("").entries.size(), 1u);
  ASSERT_FALSE(store->healthy());
  EXPECT_EQ(store->healthy().error().message, second.error().message);
  // Without a power loss the kernel still has the page: the doubtful write happened. With one it did not.
  for (bool power : {false, true}) {
    store.reset();
    if (power) disk.lose_power(nullptr);
    store = open_on(disk);
    ASSERT_TRUE(store);
    EXPECT_TRUE(store->healthy());
    if (power) break;
    auto seen = contents(*store);
    EXPECT_EQ(seen["a"], "2");
    EXPECT_FALSE(seen.contains("b"));
  }
  // What the first restart showed it had made durable.
  EXPECT_EQ(contents(*store)["a"], "2");
  EXPECT_TRUE(put(*store, "c", "1"));
}

TEST(FaultyDisk, a_full_disk_fails_writes_with_advice_and_recovers_without_a_restart) {
  FaultyDisk disk("full");
  auto store = open_on(disk);
  ASSERT_TRUE(put(*store, "a", "1"));
  disk.capacity = disk.used() + 2000;
  auto r = put(*store, "b", std::string(100'000, 'x'));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().reason, base::Reason::internal_error);
  EXPECT_NE(r.error().message.find("the disk under store.db is full"), std::string::npos) << r.error().message;
  EXPECT_EQ(store->get("b"), nullptr);
  EXPECT_EQ(store->get("a")->value, "1");
  EXPECT_EQ(store->revision(), 1);
  ASSERT_FALSE(store->healthy());
  EXPECT_NE(store->healthy().error().message.find("is full"), std::string::npos);
  disk.capacity = INT64_MAX;
  auto again = put(*store, "b", std::string(100'000, 'y'));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, 2);
  EXPECT_TRUE(store->healthy());
  auto seen = contents(*store);
  disk.stop();
  store.reset();
  disk.lose_power(nullptr);
  store = open_on(disk);
  EXPECT_EQ(contents(*store), seen);
}

TEST(FaultyDisk, a_failed_group_member_does_not_disturb_a_full_disk_answer) {
  FaultyDisk disk("mixed");
  auto store = open_on(disk);
  disk.capacity = disk.used() + 100;
  auto r = write(*store, [](Txn&) -> base::Result<void> { return base::fail(base::Reason::not_found, "own reason"); });
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().reason, base::Reason::not_found);
}

}  // namespace
}  // namespace store
