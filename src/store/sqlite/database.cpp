#include "store/sqlite/database.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace store {

int Statement::run() {
  int code;
  while ((code = step()) == SQLITE_ROW) {
  }
  reset();
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

std::string_view Statement::bytes(int column) const {
  auto* data = static_cast<const char*>(sqlite3_column_blob(raw_.get(), column));
  auto size = static_cast<size_t>(sqlite3_column_bytes(raw_.get(), column));
  return data ? std::string_view(data, size) : std::string_view();
}

base::Result<Database> Database::open(const std::string& path, const char* vfs) {
  Database db;
  db.path_ = path;
  sqlite3* raw = nullptr;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  int code = sqlite3_open_v2(path.c_str(), &raw, flags, vfs);
  db.raw_.reset(raw);
  if (code != SQLITE_OK) return std::unexpected(db.error(code, "open the store"));
  return db;
}

int Database::execute(const char* sql) { return sqlite3_exec(raw_.get(), sql, nullptr, nullptr, nullptr); }

base::Result<Statement> Database::prepare(const char* sql) {
  sqlite3_stmt* raw = nullptr;
  int code = sqlite3_prepare_v3(raw_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  Statement statement(raw);
  if (code != SQLITE_OK) return std::unexpected(error(code, fmt::format("prepare {}", sql)));
  return statement;
}

base::Result<int64_t> Database::query_integer(const char* sql, int64_t otherwise) {
  TRY(auto statement, prepare(sql));
  int code = statement.step();
  if (code == SQLITE_ROW) return statement.integer(0);
  if (code == SQLITE_DONE) return otherwise;
  return std::unexpected(error(code, "read"));
}

base::Result<std::string> Database::query_text(const char* sql) {
  TRY(auto statement, prepare(sql));
  int code = statement.step();
  if (code == SQLITE_ROW) return std::string(statement.bytes(0));
  if (code == SQLITE_DONE) return std::string();
  return std::unexpected(error(code, "read"));
}

base::Error Database::error(int code, std::string_view what) const {
  using base::Reason;
  bool latest = raw_ && sqlite3_extended_errcode(raw_.get()) == code;  // a rollback may have come after
  std::string because = latest ? sqlite3_errmsg(raw_.get()) : sqlite3_errstr(code);
  int system = raw_ ? sqlite3_system_errno(raw_.get()) : 0;
  switch (code & 0xff) {
    case SQLITE_FULL: {
      std::error_code ignored;
      auto space = std::filesystem::space(std::filesystem::path(path_).parent_path(), ignored);
      std::string room = ignored ? "" : fmt::format(" ({} KiB of {} MiB free)", space.available >> 10, space.capacity >> 20);
      return {Reason::internal_error,
              fmt::format("{}: the disk under {} is full{}: make room there; reads go on, and writes work again as "
                          "soon as there is room",
                          what, path_, room),
              nullptr};
    }
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {Reason::conflict,
              fmt::format("{}: {} is in use by another process: stop that one first (`fuser {}` shows it), or name "
                          "another data folder",
                          what, path_, path_),
              nullptr};
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return {Reason::internal_error,
              fmt::format("{}: {} is damaged or no database ({}): restore it from a backup, or move it away to start "
                          "empty",
                          what, path_, because),
              nullptr};
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return {Reason::internal_error,
              fmt::format("{}: cannot write {} ({}{}): check that its folder exists and belongs to this user", what,
                          path_, because, system ? fmt::format(", errno {}", system) : ""),
              nullptr};
    default:
      return {Reason::internal_error,
              fmt::format("{}: the disk under {} failed ({}, SQLite code {}{}): check the kernel log for disk errors",
                          what, path_, because, code, system ? fmt::format(", errno {}", system) : ""),
              nullptr};
  }
}

}  // namespace store
