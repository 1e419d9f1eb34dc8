#include "store/sqlite/journal.hpp"

#include <fmt/format.h>

#include <unordered_map>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "store/engine.hpp"

namespace store {

namespace {

constexpr int64_t kSchemaVersion = 1;
constexpr int kCheckpointPages = 1000;
constexpr int kForgetRows = 500;
constexpr int64_t kVacuumPages = 256;

constexpr const char* kSchema = R"(
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE log(id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, created INTEGER NOT NULL, erased INTEGER NOT NULL,
                 previous INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL);
CREATE TABLE current(key TEXT PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;
)";

}  // namespace

base::Result<std::unique_ptr<SqliteJournal>> SqliteJournal::open(const std::string& path, const char* vfs) {
  std::unique_ptr<SqliteJournal> journal(new SqliteJournal(path, vfs));
  CHECK_OK(journal->connect());
  return journal;
}

base::Result<void> SqliteJournal::connect() {
  TRY(db_, Database::open(path_, vfs_.empty() ? nullptr : vfs_.c_str()));
  auto run = [&](const char* sql) -> base::Result<void> {
    int code = db_.execute(sql);
    if (code != SQLITE_OK) return std::unexpected(db_.error(code, "open the store"));
    return {};
  };
  // The exclusive mode comes first: then SQLite keeps the WAL index in memory and the lock until the end.
  CHECK_OK(run("PRAGMA locking_mode=EXCLUSIVE; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA temp_store=MEMORY;"
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
  TRY(insert_, db_.prepare("INSERT INTO log(id, revision, created, erased, previous, key, value) VALUES(?1, ?2, ?3, "
                           "?4, coalesce((SELECT id FROM current WHERE key = ?5), 0), ?5, ?6)"));
  TRY(point_, db_.prepare("INSERT INTO current(key, id) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET id = ?2"));
  TRY(unpoint_, db_.prepare("DELETE FROM current WHERE key = ?1"));
  TRY(old_, db_.prepare("SELECT id, revision, erased, previous FROM log WHERE id > ?1 ORDER BY id LIMIT ?2"));
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

base::Result<Image> SqliteJournal::load(const Options& options) {
  Image image;
  image.revision = revision_;
  image.compacted = forgotten_revision_;
  std::unordered_map<int64_t, EntryPtr> recent;  // rows that events of the window may point at
  auto read = [&](const Statement& row) {        // id, revision, created, key, value
    Entry entry;
    entry.modified = row.integer(1);
    entry.created = row.integer(2);
    entry.key = row.bytes(3);
    entry.value = row.bytes(4);
    if (options.parse) entry.parsed = options.parse(entry.key, entry.value);
    return std::make_shared<const Entry>(std::move(entry));
  };
  TRY(auto previous, db_.prepare("SELECT id, revision, created, key, value FROM log WHERE id IN "
                                 "(SELECT previous FROM log WHERE id > ?1)"));
  previous.bind(1, forgotten_id_);
  int code;
  while ((code = previous.step()) == SQLITE_ROW) recent[previous.integer(0)] = read(previous);
  if (code != SQLITE_DONE) return std::unexpected(db_.error(code, "read the store"));

  TRY(auto window, db_.prepare("SELECT id, revision, created, key, value, erased, previous FROM log WHERE id > ?1 "
                               "ORDER BY id"));
  window.bind(1, forgotten_id_);
  while ((code = window.step()) == SQLITE_ROW) {
    if (window.integer(1) <= forgotten_revision_) continue;  // a transaction that is forgotten in part
    auto& entry = recent[window.integer(0)];
    if (!entry) entry = read(window);
    Event event{window.integer(5) != 0, entry, nullptr};
    if (int64_t id = window.integer(6)) event.previous = recent[id];
    image.window.push_back(std::move(event));
  }
  if (code != SQLITE_DONE) return std::unexpected(db_.error(code, "read the store"));

  TRY(auto all, db_.prepare("SELECT log.id, revision, created, log.key, value FROM current JOIN log ON log.id = "
                            "current.id ORDER BY current.key"));
  while ((code = all.step()) == SQLITE_ROW) {
    auto known = recent.find(all.integer(0));
    image.entries.push_back(known != recent.end() ? known->second : read(all));
  }
  if (code != SQLITE_DONE) return std::unexpected(db_.error(code, "read the store"));
  TRY(auto keys, db_.query_integer("SELECT count(*) FROM current"));
  if (static_cast<size_t>(keys) != image.entries.size())
    return base::fail(base::Reason::internal_error,
                      fmt::format("{} is damaged: {} keys, but only {} of them have a value: restore it from a backup",
                                  path_, keys, image.entries.size()));
  return image;
}

Outcome SqliteJournal::append(std::span<const Event> events) {
  Revision before = events.front().revision() - 1;
  if (!db_) {  // lost while tidying up
    auto outcome = resolve(before);
    if (outcome.fate == Fate::unknown) return {Fate::refused, std::move(outcome.error)};
  }
  int code = commit_or_roll_back(write_events(events));
  if (code == SQLITE_OK) {
    next_id_ += static_cast<int64_t>(events.size());
    revision_ = events.back().revision();
    return {};
  }
  auto error = db_.error(code, "write");
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
  base::log_error("store", "{}; opening the store again to see what was written", why);
  for (auto* statement : {&begin_, &commit_, &insert_, &point_, &unpoint_, &old_, &drop_, &mark_}) *statement = {};
  db_ = Database();
}

Outcome SqliteJournal::resolve(Revision expected) {
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
    if (auto opened = connect(); !opened) return unknown(opened.error().message);
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
  if (code == SQLITE_OK && wal_pages_ >= kCheckpointPages) checkpoint();
  if (code == SQLITE_OK) return more;
  auto error = db_.error(code, "tidy up");
  base::log_warning("store", "{}", error.message);
  if ((code & 0xff) != SQLITE_FULL) {
    doubt_ = std::move(error);
    lose_connection(doubt_.message);
  }
  return false;
}

// Removes the versions that no event of the window needs. In steps that are worth an fsync: fewer rows can wait.
int SqliteJournal::forget(Revision compacted, bool& more) {
  if (compacted - forgotten_revision_ < kForgetRows) return SQLITE_OK;
  std::vector<int64_t> gone;
  Revision reached = forgotten_revision_;
  int64_t last = forgotten_id_;
  old_.bind(1, forgotten_id_);
  old_.bind(2, kForgetRows);
  int code;
  while ((code = old_.step()) == SQLITE_ROW && old_.integer(1) <= compacted) {
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
  more = true;
  return SQLITE_OK;
}

// When a quarter of the file is empty: back to the file system with it, a few pages at a time.
int SqliteJournal::give_back_pages(bool& more) {
  auto free = db_.query_integer("PRAGMA freelist_count");
  auto pages = db_.query_integer("PRAGMA page_count");
  if (!free || !pages || *free < kVacuumPages || *free * 4 < *pages) return SQLITE_OK;
  more = true;
  return db_.execute(fmt::format("PRAGMA incremental_vacuum({})", kVacuumPages).c_str());
}

void SqliteJournal::checkpoint() {
  // Alone on the file, a passive checkpoint always gets through, and the next commit starts the WAL over.
  int code = sqlite3_wal_checkpoint_v2(db_.raw(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (code == SQLITE_OK)
    wal_pages_ = 0;
  else  // the WAL keeps everything, and the next checkpoint writes all of it again
    base::log_warning("store", "{}", db_.error(code, "checkpoint").message);
}

base::Result<std::unique_ptr<Store>> open_sqlite_on(const std::string& path, Options options, const char* vfs) {
  TRY(auto journal, SqliteJournal::open(path, vfs));
  return Engine::make(std::move(journal), std::move(options));
}

base::Result<std::unique_ptr<Store>> open_sqlite(const std::string& path, Options options) {
  return open_sqlite_on(path, std::move(options), nullptr);
}

}  // namespace store
