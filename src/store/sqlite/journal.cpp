#include "store/sqlite/journal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "store/engine.hpp"
#include "store/sqlite/wal.hpp"

namespace store {

namespace {

constexpr int64_t kSchemaVersion = 2;

constexpr const char* kSchema = R"(
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE log(id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, created INTEGER NOT NULL, erased INTEGER NOT NULL,
                 previous INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, sum INTEGER);
CREATE TABLE current(key TEXT PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
)";

// Of a row, so that a flipped bit is found. Each step is a bijection of what came before: one changed word changes it.
int64_t sum_of(Revision revision, Revision created, bool erased, std::string_view key, std::string_view value) {
  uint64_t sum = 0x5a4d;
  auto mix = [&](uint64_t word) {
    sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
    sum ^= sum >> 29;
  };
  auto mix_text = [&](std::string_view text) {
    mix(text.size());
    for (; text.size() >= sizeof(uint64_t); text.remove_prefix(sizeof(uint64_t))) {
      uint64_t word;
      std::memcpy(&word, text.data(), sizeof word);
      mix(word);
    }
    uint64_t rest = 0;
    std::memcpy(&rest, text.data(), text.size());
    mix(rest);
  };
  mix(static_cast<uint64_t>(revision));
  mix(static_cast<uint64_t>(created));
  mix(erased);
  mix_text(key);
  mix_text(value);
  return static_cast<int64_t>(sum);
}

}  // namespace

base::Result<std::unique_ptr<SqliteJournal>> SqliteJournal::open(const std::string& path, const char* vfs,
                                                                 const Tuning& tuning) {
  std::unique_ptr<SqliteJournal> journal(new SqliteJournal(path, vfs, tuning));
  CHECK_OK(journal->connect());
  return journal;
}

base::Result<void> SqliteJournal::connect() {
  TRY(db_, Database::open(path_, vfs_.empty() ? nullptr : vfs_.c_str()));
  auto run = [&](const char* sql) -> base::Result<void> {
    int code = db_.execute(sql);
    if (code == SQLITE_OK) return {};
    auto error = db_.error(code, "open the store");
    if (is_failed_sync(code)) stop_writing(error);
    return std::unexpected(std::move(error));
  };
  // The exclusive mode comes first: then SQLite keeps the WAL index in memory and the lock until the end.
  CHECK_OK(run("PRAGMA locking_mode=EXCLUSIVE"));
  TRY(auto pages, db_.query_integer("PRAGMA page_count"));
  if (pages == 0) CHECK_OK(run("PRAGMA auto_vacuum=INCREMENTAL"));  // it writes: in a file that has something, too early
  CHECK_OK(run("BEGIN EXCLUSIVE; COMMIT"));
  CHECK_OK(check_wal(db_, path_));  // before anything is written: that would go over what is there
  CHECK_OK(run("PRAGMA temp_store=MEMORY;"
               "PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF"));
  TRY(auto mode, db_.query_text("PRAGMA journal_mode=WAL"));
  if (mode != "wal")
    return base::fail(base::Reason::internal_error,
                      fmt::format("open the store: {} cannot have a write-ahead log on this file system (journal mode "
                                  "stays '{}'): put the data folder on a local disk",
                                  path_, mode));
  CHECK_OK(run("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; BEGIN EXCLUSIVE; COMMIT"));
  sqlite3_wal_hook(
      db_.raw(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<SqliteJournal*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  CHECK_OK(set_up_schema());
  // A WAL that was found may hold pages that an earlier failed fsync left in the page cache only. Written into the
  // database file and synced they are safe, and nothing later stands behind them.
  CHECK_OK(run("PRAGMA wal_checkpoint(TRUNCATE)"));
  CHECK_OK(prepare_statements());
  return read_counters();
}

base::Result<void> SqliteJournal::set_up_schema() {
  TRY(auto tables, db_.query_integer("SELECT count(*) FROM sqlite_schema WHERE type='table'"));
  if (tables == 0) {
    std::string sql = fmt::format(
        "BEGIN IMMEDIATE; {} INSERT INTO meta VALUES('schema_version', {}), ('store_id', '{}'), ('forgotten_id', 0), "
        "('forgotten_revision', 0); COMMIT",
        kSchema, kSchemaVersion, base::make_uid());
    int code = db_.execute(sql.c_str());
    if (code != SQLITE_OK) return std::unexpected(db_.error(code, "set up the store"));
    return {};
  }
  TRY(auto ours, db_.query_integer("SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'log', 'current')"));
  if (ours != 3)
    return base::fail(base::Reason::invalid,
                      fmt::format("{} is a database that Sampan did not make: name another file", path_));
  TRY(auto version, db_.query_integer("SELECT value FROM meta WHERE name='schema_version'", -1));
  if (version == 1) {  // without sums: those rows have none
    int code = db_.execute("BEGIN IMMEDIATE; ALTER TABLE log ADD COLUMN sum INTEGER; "
                           "UPDATE meta SET value = 2 WHERE name = 'schema_version'; COMMIT");
    if (code != SQLITE_OK) return std::unexpected(db_.error(code, "bring the store to format 2"));
    version = kSchemaVersion;
  }
  if (version != kSchemaVersion)
    return base::fail(base::Reason::invalid,
                      fmt::format("{} has store format {}, this program knows format {}: use the release that wrote "
                                  "it (nothing was changed)",
                                  path_, version, kSchemaVersion));
  return {};
}

base::Result<void> SqliteJournal::prepare_statements() {
  TRY(begin_, db_.prepare("BEGIN IMMEDIATE"));
  TRY(commit_, db_.prepare("COMMIT"));
  TRY(insert_, db_.prepare("INSERT INTO log(id, revision, created, erased, previous, key, value, sum) VALUES(?1, ?2, "
                           "?3, ?4, coalesce((SELECT id FROM current WHERE key = ?5), 0), ?5, ?6, ?7)"));
  TRY(point_, db_.prepare("INSERT INTO current(key, id) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET id = ?2"));
  TRY(unpoint_, db_.prepare("DELETE FROM current WHERE key = ?1"));
  TRY(old_, db_.prepare("SELECT id, revision, erased, previous, length(value) FROM log WHERE id > ?1 "
                        "ORDER BY id LIMIT ?2"));
  TRY(drop_, db_.prepare("DELETE FROM log WHERE id = ?1"));
  TRY(mark_, db_.prepare("UPDATE meta SET value = ?2 WHERE name = ?1"));
  return {};
}

base::Result<void> SqliteJournal::read_counters() {
  TRY(forgotten_id_, db_.query_integer("SELECT value FROM meta WHERE name='forgotten_id'"));
  TRY(forgotten_revision_, db_.query_integer("SELECT value FROM meta WHERE name='forgotten_revision'"));
  TRY(auto last, db_.query_integer("SELECT id FROM log ORDER BY id DESC LIMIT 1"));
  TRY(auto newest, db_.query_integer("SELECT revision FROM log ORDER BY id DESC LIMIT 1"));
  // Tombstones go when they leave the window, and may have been the last rows: then the mark knows more than the log.
  next_id_ = std::max(last, forgotten_id_) + 1;
  revision_ = std::max(newest, forgotten_revision_);
  return {};
}

namespace {

// A row of the log as load() knows it.
struct Row {
  int64_t id;
  EntryPtr entry;
  bool newest;  // living, and no later row replaced it
};

// Rows stand in the order of their ids.
Row* find_row(std::vector<Row>& rows, int64_t id) {
  auto row = std::lower_bound(rows.begin(), rows.end(), id, [](const Row& a, int64_t b) { return a.id < b; });
  return row != rows.end() && row->id == id ? &*row : nullptr;
}

}  // namespace

base::Error SqliteJournal::damage(std::string_view what) const {
  return {base::Reason::internal_error,
          fmt::format("{} is damaged ({}): nothing was changed; restore it from a backup, or move it away to start empty",
                      path_, what),
          nullptr};
}

// One pass over the log and one over the index. They say some things twice, and all of it must agree: SQLite itself
// does not notice a flipped bit in a value, nor a lost cell.
base::Result<Image> SqliteJournal::load(const Options& options) {
  Image image;
  image.revision = revision_;
  image.compacted = forgotten_revision_;
  std::vector<Row> rows;
  size_t living = 0;
  TRY(auto log, db_.prepare("SELECT id, revision, created, key, value, erased, sum, previous FROM log ORDER BY id"));
  int code;
  int64_t last = 0;
  while ((code = log.step()) == SQLITE_ROW) {
    int64_t id = log.integer(0);
    Entry entry;
    entry.modified = log.integer(1);
    entry.created = log.integer(2);
    entry.key = log.bytes(3);
    entry.value = log.bytes(4);
    bool erased = log.integer(5) != 0;
    if (!log.is_null(6) && log.integer(6) != sum_of(entry.modified, entry.created, erased, entry.key, entry.value))
      return std::unexpected(damage(fmt::format("row {} of its log is not what was written", id)));
    if (last > forgotten_id_ && id != last + 1)
      return std::unexpected(damage(fmt::format("rows {} to {} of its log are missing", last + 1, id - 1)));
    last = id;
    if (options.parse) entry.parsed = options.parse(entry.key, entry.value);
    EntryPtr current = std::make_shared<const Entry>(std::move(entry)), before;
    Row* replaced = log.integer(7) != 0 ? find_row(rows, log.integer(7)) : nullptr;
    if (replaced) {
      before = replaced->entry;
      living -= std::exchange(replaced->newest, false);
    }
    rows.push_back({id, current, !erased});
    living += !erased;
    if (id <= forgotten_id_ || current->modified <= forgotten_revision_) continue;
    if (log.integer(7) != 0 && !before)
      return std::unexpected(damage(fmt::format("row {} of its log is missing", log.integer(7))));
    image.window.push_back({erased, std::move(current), std::move(before)});
  }
  if (code != SQLITE_DONE) return std::unexpected(db_.error(code, "read the store"));

  TRY(auto index, db_.prepare("SELECT key, id FROM current ORDER BY key"));
  while ((code = index.step()) == SQLITE_ROW) {
    Row* row = find_row(rows, index.integer(1));
    if (!row || !row->newest || row->entry->key != index.bytes(0))
      return std::unexpected(damage(fmt::format("its index points at row {}, which is not there", index.integer(1))));
    row->newest = false;  // each is named once
    image.entries.push_back(std::move(row->entry));
  }
  if (code != SQLITE_DONE) return std::unexpected(db_.error(code, "read the store"));
  if (living != image.entries.size())
    return std::unexpected(damage(fmt::format("{} keys live, but its index has {}", living, image.entries.size())));
  return image;
}

Outcome SqliteJournal::append(std::span<const Event> events) {
  Revision before = events.front().revision() - 1;
  if (stopped_) return {Fate::refused, *stopped_};
  if (!db_) {  // lost while tidying up
    auto outcome = resolve(before);
    if (outcome.fate == Fate::unknown) return {Fate::refused, std::move(outcome.error)};
    if (stopped_) return {Fate::refused, *stopped_};
  }
  int code = commit_or_roll_back(write_events(events));
  if (code == SQLITE_OK) {
    next_id_ += static_cast<int64_t>(events.size());
    revision_ = events.back().revision();
    for (const auto& event : events) unforgotten_bytes_ += static_cast<int64_t>(event.current->value.size());
    trouble_.reset();
    return {};
  }
  auto error = db_.error(code, "write");
  trouble_ = error;
  if (is_failed_sync(code)) {
    error.message += ". Whether this write happened shows after a restart";
    stop_writing(error);
    return {Fate::refused, std::move(error)};
  }
  // A full disk is found before the commit record: SQLite has taken everything back, and the next try may work.
  if ((code & 0xff) == SQLITE_FULL) return {Fate::refused, std::move(error)};
  doubt_until_ = events.back().revision();
  doubt_ = std::move(error);
  lose_connection(doubt_.message);
  return resolve(before);
}

int SqliteJournal::write_events(std::span<const Event> events) {
  int code = begin_.run();
  int64_t id = next_id_;
  for (auto event = events.begin(); event != events.end() && code == SQLITE_OK; ++event, ++id) {
    const Entry& entry = *event->current;
    insert_.bind(1, id);
    insert_.bind(2, entry.modified);
    insert_.bind(3, entry.created);
    insert_.bind(4, event->erased);
    insert_.bind_text(5, entry.key);
    insert_.bind_blob(6, entry.value);
    insert_.bind(7, sum_of(entry.modified, entry.created, event->erased, entry.key, entry.value));
    code = insert_.run();
    if (code != SQLITE_OK) break;
    auto& move = event->erased ? unpoint_ : point_;
    move.bind_text(1, entry.key);
    if (!event->erased) move.bind(2, id);
    code = move.run();
  }
  return code;
}

int SqliteJournal::commit_or_roll_back(int code) {
  if (code == SQLITE_OK) code = commit_.run();
  if (code != SQLITE_OK && !sqlite3_get_autocommit(db_.raw())) {
    int rolled = db_.execute("ROLLBACK");
    if (rolled != SQLITE_OK && (code & 0xff) == SQLITE_FULL) code = rolled;
  }
  return code;
}

void SqliteJournal::lose_connection(std::string_view why) {
  base::log_error("store", "{}{}", why, stopped_ ? "" : "; opening the store again to see what was written");
  for (auto* statement : {&begin_, &commit_, &insert_, &point_, &unpoint_, &old_, &drop_, &mark_}) *statement = {};
  db_ = Database();
}

void SqliteJournal::stop_writing(const base::Error& why) {
  if (stopped_) return;
  stopped_ = {base::Reason::service_unavailable,
              fmt::format("the store has stopped writing, because an fsync failed and what the kernel holds may not be "
                          "what {} holds on the disk: reads go on; look for disk errors in the kernel log, then restart "
                          "the server ({})",
                          path_, why.message),
              nullptr};
  lose_connection(stopped_->message);
}

base::Result<void> SqliteJournal::health() const {
  if (stopped_) return std::unexpected(*stopped_);
  if (trouble_) return std::unexpected(*trouble_);
  return {};
}

Outcome SqliteJournal::resolve(Revision expected) {
  if (stopped_) return {Fate::refused, *stopped_};
  auto unknown = [&](std::string_view why) {
    db_ = Database();
    return Outcome{Fate::unknown,
                   {base::Reason::service_unavailable,
                    fmt::format("{}. Whether that write happened is not known yet; reads go on, writes are refused "
                                "until the store can be read again ({})",
                                doubt_.message, why),
                    nullptr}};
  };
  if (!db_)
    if (auto opened = connect(); !opened) {
      if (stopped_) return {Fate::refused, *stopped_};
      return unknown(opened.error().message);
    }
  auto doubtful = std::exchange(doubt_until_, 0);
  if (revision_ == expected) return {Fate::refused, doubt_};
  if (doubtful != 0 && revision_ == doubtful) return {};
  doubt_until_ = doubtful;
  return unknown(fmt::format("{} is at revision {}, memory at {}; restart the server", path_, revision_, expected));
}

bool SqliteJournal::tidy(Revision compacted) {
  if (!db_) return false;
  bool more = false;
  int code = forget(compacted, more);
  if (code == SQLITE_OK && !more) code = give_back_pages(more);
  if (code == SQLITE_OK && wal_pages_ >= tuning_.checkpoint_pages) checkpoint();
  if (code == SQLITE_OK) return more && db_;
  auto error = db_.error(code, "tidy up");
  base::log_warning("store", "{}", error.message);
  if (is_failed_sync(code)) {
    stop_writing(error);
  } else if ((code & 0xff) != SQLITE_FULL) {
    doubt_ = std::move(error);
    lose_connection(doubt_.message);
  }
  return false;
}

// Removes the versions that no event of the window needs. In steps that are worth an fsync (fewer rows can wait), and
// small enough to keep no write waiting: by rows, and by bytes, since each page of a large value is touched.
int SqliteJournal::forget(Revision compacted, bool& more) {
  bool worth = compacted - forgotten_revision_ >= tuning_.forget_rows || unforgotten_bytes_ >= 4 * tuning_.forget_bytes;
  if (!worth || compacted <= forgotten_revision_) return SQLITE_OK;
  std::vector<int64_t> gone;
  Revision reached = forgotten_revision_;
  int64_t last = forgotten_id_;
  old_.bind(1, forgotten_id_);
  old_.bind(2, tuning_.forget_rows);
  int64_t bytes = 0;
  int code;
  while ((code = old_.step()) == SQLITE_ROW && old_.integer(1) <= compacted && bytes < tuning_.forget_bytes) {
    bytes += old_.integer(4);
    last = old_.integer(0);
    reached = old_.integer(1);
    if (old_.integer(3) != 0) gone.push_back(old_.integer(3));
    if (old_.integer(2) != 0) gone.push_back(last);
  }
  old_.reset();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return code;
  code = begin_.run();
  for (auto id = gone.begin(); id != gone.end() && code == SQLITE_OK; ++id) {
    drop_.bind(1, *id);
    code = drop_.run();
  }
  auto mark = [&](const char* name, int64_t value) {
    if (code != SQLITE_OK) return;
    mark_.bind_text(1, name);
    mark_.bind(2, value);
    code = mark_.run();
  };
  mark("forgotten_id", last);
  mark("forgotten_revision", reached);
  code = commit_or_roll_back(code);
  if (code != SQLITE_OK) return code;
  forgotten_id_ = last;
  forgotten_revision_ = reached;
  if (compacted <= reached) unforgotten_bytes_ = 0;
  more = true;
  return SQLITE_OK;
}

// When a quarter of the file is empty: back to the file system with it, a few pages at a time.
int SqliteJournal::give_back_pages(bool& more) {
  auto free = db_.query_integer("PRAGMA freelist_count");
  auto pages = db_.query_integer("PRAGMA page_count");
  if (!free || !pages || *free < tuning_.vacuum_pages || *free * 4 < *pages) return SQLITE_OK;
  more = true;
  return db_.execute(fmt::format("PRAGMA incremental_vacuum({})", tuning_.vacuum_pages).c_str());
}

void SqliteJournal::checkpoint() {
  // Alone on the file, a passive checkpoint always gets through, and the next commit starts the WAL over.
  int code = sqlite3_wal_checkpoint_v2(db_.raw(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (code == SQLITE_OK)
    wal_pages_ = 0;
  else if (is_failed_sync(code))
    stop_writing(db_.error(code, "checkpoint"));
  else  // the WAL keeps everything, and the next checkpoint writes all of it again
    base::log_warning("store", "{}", db_.error(code, "checkpoint").message);
}

base::Result<std::unique_ptr<Store>> open_sqlite_on(const std::string& path, Options options, const char* vfs,
                                                    const Tuning& tuning) {
  TRY(auto journal, SqliteJournal::open(path, vfs, tuning));
  return Engine::make(std::move(journal), std::move(options));
}

base::Result<std::unique_ptr<Store>> open_sqlite(const std::string& path, Options options) {
  return open_sqlite_on(path, std::move(options), nullptr);
}

}  // namespace store
