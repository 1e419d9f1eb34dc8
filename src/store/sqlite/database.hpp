// The few SQLite calls that the journal needs, as values that clean up after themselves. One thread at a time.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace store {

struct StatementEnd {
  void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
};

// A prepared statement. bind() counts from 1, column() from 0, as SQLite does.
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* raw) : raw_(raw) {}
  void bind(int at, int64_t value) { sqlite3_bind_int64(raw_.get(), at, value); }
  // The bytes must live until the statement is reset.
  void bind_text(int at, std::string_view text) {
    sqlite3_bind_text64(raw_.get(), at, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  void bind_blob(int at, std::string_view bytes) {
    sqlite3_bind_blob64(raw_.get(), at, bytes.empty() ? "" : bytes.data(), bytes.size(), SQLITE_STATIC);
  }
  int step() { return sqlite3_step(raw_.get()); }
  void reset() { sqlite3_reset(raw_.get()); }
  // Steps to the end and resets: SQLITE_OK or the error's extended code.
  int run();
  int64_t integer(int column) const { return sqlite3_column_int64(raw_.get(), column); }
  std::string_view bytes(int column) const;
  bool is_null(int column) const { return sqlite3_column_type(raw_.get(), column) == SQLITE_NULL; }

 private:
  std::unique_ptr<sqlite3_stmt, StatementEnd> raw_;
};

struct DatabaseEnd {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};

// An fsync that failed: the kernel may have thrown away what it should have written, and call it clean.
inline bool is_failed_sync(int code) { return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC; }

class Database {
 public:
  Database() = default;
  // Creates the file when it is not there. `vfs` may be null: the default one.
  static base::Result<Database> open(const std::string& path, const char* vfs);

  sqlite3* raw() const { return raw_.get(); }
  explicit operator bool() const { return raw_ != nullptr; }
  int execute(const char* sql);  // SQLITE_OK or the extended error code
  base::Result<Statement> prepare(const char* sql);
  // What the first column of the first row says; `otherwise` when there is no row.
  base::Result<int64_t> query_integer(const char* sql, int64_t otherwise = 0);
  base::Result<std::string> query_text(const char* sql);
  // The error of `code` for the reader of a log: names the file, says what to do.
  base::Error error(int code, std::string_view what) const;

 private:
  std::string path_;
  std::unique_ptr<sqlite3, DatabaseEnd> raw_;
};

}  // namespace store
