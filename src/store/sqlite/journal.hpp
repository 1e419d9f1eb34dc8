// The journal in one SQLite file (docs/store-format.md): WAL, synchronous=FULL, one exclusive connection. Used by the
// thread that opens it and then by the engine's writer thread, never by both at once.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "store/journal.hpp"
#include "store/sqlite/database.hpp"

namespace store {

// How much one step of housekeeping does. Tests make the steps small, so that few writes see all of them.
struct Tuning {
  int forget_rows = 500;             // a step removes so many rows at most, and waits for so many
  int64_t forget_bytes = 1 << 20;    // or rows that hold so much
  int64_t vacuum_pages = 256;        // given back to the file system in one step
  int checkpoint_pages = 1000;       // length of the WAL
};

class SqliteJournal final : public Journal {
 public:
  // `vfs` names an SQLite VFS: tests put one under it that loses power and runs full.
  static base::Result<std::unique_ptr<SqliteJournal>> open(const std::string& path, const char* vfs,
                                                              const Tuning& tuning = {});

  base::Result<Image> load(const Options& options) override;
  Outcome append(std::span<const Event> events) override;
  Outcome resolve(Revision expected) override;
  bool tidy(Revision compacted) override;
  base::Result<void> health() const override;

 private:
  SqliteJournal(std::string path, const char* vfs, const Tuning& tuning)
      : path_(std::move(path)), vfs_(vfs ? vfs : ""), tuning_(tuning) {}

  base::Result<void> connect();
  base::Result<void> set_up_schema();
  base::Result<void> prepare_statements();
  base::Result<void> read_counters();
  base::Error damage(std::string_view what) const;
  int write_events(std::span<const Event> events);
  // SQLITE_OK, or the first error; rolled back then.
  int commit_or_roll_back(int code);
  void checkpoint();
  int forget(Revision compacted, bool& more);
  int give_back_pages(bool& more);
  void lose_connection(std::string_view why);
  // After a failed fsync: no write any more, until a restart reads what is really there.
  void stop_writing(const base::Error& why);

  std::string path_;
  std::string vfs_;
  Tuning tuning_;
  Database db_;
  Statement begin_, commit_, insert_, point_, unpoint_, old_, drop_, mark_;
  Revision revision_ = 0;   // newest in the file
  int64_t next_id_ = 1;
  int64_t forgotten_id_ = 0;        // history up to this row has been dealt with
  Revision forgotten_revision_ = 0;
  int wal_pages_ = 0;
  int64_t unforgotten_bytes_ = 0;   // written since history was last forgotten
  std::optional<base::Error> stopped_;  // by a failed fsync
  std::optional<base::Error> trouble_;  // of the last write
  // After a disk error in the middle of a commit there is no connection, and this group is in doubt.
  Revision doubt_until_ = 0;
  base::Error doubt_;
};

base::Result<std::unique_ptr<Store>> open_sqlite_on(const std::string& path, Options options, const char* vfs,
                                                    const Tuning& tuning = {});

}  // namespace store
