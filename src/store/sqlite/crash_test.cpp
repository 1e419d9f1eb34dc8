// A crash at every single write and fsync of a workload that goes through all that the store does to its file: commits,
// history forgotten, pages given back, checkpoints. And bits that flip at rest.
#include <gmock/gmock.h>

#include "store/sqlite/workload_test.hpp"

namespace store {
namespace {

using testing::HasSubstr;

constexpr Tuning kSmallSteps{.forget_rows = 4, .forget_bytes = 4000, .vacuum_pages = 2, .checkpoint_pages = 12};
constexpr int kSteps = 60;

// Lives until the disk dies at the given operation; returns false when it never did.
bool crash_at(FaultyDisk& disk, Workload& run, int64_t operation) {
  disk.die_at = operation;
  run.dead = [&] { return disk.stopped(); };
  auto opened = open_sqlite_on("store.db", {.parse = {}, .window_events = 5}, disk.name(), kSmallSteps);
  auto store = opened ? std::move(*opened) : nullptr;  // it may die while it opens
  for (int i = 0; store && i < kSteps && !disk.stopped(); ++i) run.step(*store, i);
  bool died = disk.stopped();
  disk.die_at = 0;
  disk.stop();
  store.reset();
  return died;
}

void crash_everywhere(bool torn) {
  int64_t operation = 1;
  for (bool died = true; died; ++operation) {
    std::mt19937 random(static_cast<unsigned>(operation));
    FaultyDisk disk("crash");
    Workload run;
    died = crash_at(disk, run, operation);
    disk.lose_power(torn ? &random : nullptr);
    auto store = open_on(disk, 5, kSmallSteps);
    ASSERT_TRUE(store) << "operation " << operation;
    run.check(contents(*store));
    EXPECT_GE(store->revision(), run.revision) << "operation " << operation;
    // It goes on as if nothing had happened: also what it writes now is kept.
    Workload more;
    more.acknowledged = contents(*store);
    for (int i = 0; i < 5; ++i) more.step(*store, i);
    ASSERT_TRUE(more.failed.empty());
    disk.stop();
    store.reset();
    disk.lose_power(torn ? &random : nullptr);
    store = open_on(disk, 5, kSmallSteps);
    ASSERT_TRUE(store) << "operation " << operation;
    more.check(contents(*store));
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "first at operation " << operation;
      return;
    }
  }
  EXPECT_GT(operation, 3 * kSteps);
}

TEST(Crash, at_every_operation_nothing_acknowledged_is_lost) { crash_everywhere(false); }
TEST(Crash, at_every_operation_with_torn_writes_nothing_acknowledged_is_lost) { crash_everywhere(true); }

// Short enough to be read in a failure.
Model brief(Model model) {
  for (auto& [key, value] : model) value = value.substr(0, 8) + "/" + std::to_string(value.size());
  return model;
}

std::shared_ptr<FaultyDisk::File> file_of(FaultyDisk& disk, const std::string& name) {
  std::lock_guard lock(disk.mutex);
  auto found = disk.files.find(name);
  return found == disk.files.end() ? nullptr : found->second;
}

// Opens it with one bit flipped. What comes up is what was written, or a refusal that names the file.
void flip(FaultyDisk& disk, const std::string& name, size_t byte, const Workload& run, Revision last, int& refused) {
  std::map<std::string, FaultyDisk::File> copies;
  for (auto& [key, file] : disk.files) copies[key] = *file;
  auto file = file_of(disk, name);
  file->seen[byte] ^= static_cast<uint8_t>(1 << byte % 8);
  file->durable = file->seen;
  auto opened = open_sqlite_on("store.db", {.parse = {}, .window_events = 5}, disk.name(), kSmallSteps);
  if (!opened) {
    ++refused;
    EXPECT_THAT(opened.error().message, HasSubstr("store.db")) << name << " byte " << byte;
  } else {
    // The very last commit may be taken for a torn one.
    bool torn = name == "store.db-wal" && (*opened)->revision() == last - 1;
    if (!torn) {
      EXPECT_EQ(brief(contents(**opened)), brief(run.acknowledged)) << name << " byte " << byte;
      EXPECT_EQ((*opened)->revision(), last) << name << " byte " << byte;
      EXPECT_TRUE((*opened)->list_at("", (*opened)->compacted()));
    }
    opened->reset();
  }
  disk.files.clear();
  for (auto& [key, copy] : copies) disk.files[key] = std::make_shared<FaultyDisk::File>(copy);
}

// A disk whose database file and WAL both hold something.
void fill(FaultyDisk& disk, Workload& run) {
  auto store = open_on(disk, 5, kSmallSteps);
  for (int i = 0; i < 40; ++i) run.step(*store, i);
  disk.stop();  // no checkpoint at the end: as after a kill
  store.reset();
  for (auto& [name, file] : disk.files) file->locked = false, file->durable = file->seen, file->pending.clear();
  disk.lose_power(nullptr);
}

TEST(Crash, a_flipped_bit_in_the_file_is_found_or_does_not_matter) {
  FaultyDisk disk("flip");
  Workload run;
  fill(disk, run);
  ASSERT_TRUE(file_of(disk, "store.db"));
  size_t size = file_of(disk, "store.db")->seen.size();
  ASSERT_GT(size, 8192u);
  int refused = 0;
  for (size_t byte = 100; byte < size; byte += 61) flip(disk, "store.db", byte, run, run.revision, refused);
  EXPECT_GT(refused, 10);
}

TEST(Crash, a_flipped_bit_in_the_log_is_found_unless_it_is_in_the_last_commit) {
  FaultyDisk disk("flipwal");
  Workload run;
  fill(disk, run);
  ASSERT_TRUE(file_of(disk, "store.db-wal"));
  size_t size = file_of(disk, "store.db-wal")->seen.size();
  ASSERT_GT(size, 20'000u);
  int refused = 0;
  for (size_t byte = 0; byte < size; byte += byte < 128 ? 1 : 73)
    flip(disk, "store.db-wal", byte, run, run.revision, refused);
  EXPECT_GT(refused, 10);
}

TEST(Crash, a_log_cut_anywhere_in_its_last_commit_opens) {
  FaultyDisk disk("cut");
  Workload run;
  fill(disk, run);
  auto whole = *file_of(disk, "store.db-wal");
  auto rest = *file_of(disk, "store.db");
  for (size_t cut = 1; cut < 4120; cut += 97) {
    file_of(disk, "store.db-wal")->seen.resize(whole.seen.size() - cut);
    auto store = open_on(disk, 5, kSmallSteps);
    ASSERT_TRUE(store) << "cut " << cut;
    EXPECT_GE(store->revision(), run.revision - 1);
    store.reset();
    disk.files["store.db-wal"] = std::make_shared<FaultyDisk::File>(whole);
    disk.files["store.db"] = std::make_shared<FaultyDisk::File>(rest);
  }
}

TEST(Crash, a_full_disk_at_every_size_loses_nothing_and_recovers) {
  for (int64_t room = 500; room < 120'000; room += 1500) {
    FaultyDisk disk("full-at");
    Workload run;
    auto store = open_on(disk, 5, kSmallSteps);
    disk.capacity = disk.used() + room;
    for (int i = 0; i < 30; ++i) run.step(*store, i);
    EXPECT_EQ(brief(contents(*store)), brief(run.acknowledged)) << "room " << room;
    disk.capacity = INT64_MAX;
    for (int i = 30; i < 40; ++i) run.step(*store, i);
    EXPECT_TRUE(store->healthy());
    EXPECT_EQ(brief(contents(*store)), brief(run.acknowledged)) << "room " << room;
    disk.stop();
    store.reset();
    disk.lose_power(nullptr);
    store = open_on(disk, 5, kSmallSteps);
    ASSERT_TRUE(store);
    EXPECT_EQ(brief(contents(*store)), brief(run.acknowledged)) << "room " << room;
  }
}

}  // namespace
}  // namespace store
