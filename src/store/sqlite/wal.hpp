// Whether the write-ahead log lost writes that had been synced: SQLite takes the first bad frame for the end, which is
// right for a torn last commit and wrong for damage further in front. Reads only; the thread that opens the store.
//
// Source: sqlite.org/fileformat2.html, section 4 "The Write-Ahead Log".
#pragma once

#include <string>

#include "base/result.hpp"
#include "store/sqlite/database.hpp"

namespace store {

// Each commit is synced before the next one begins. So a bad frame with more than one commit from there on cannot come
// from a crash. To be called with the file locked, before anything is written.
base::Result<void> check_wal(Database& db, const std::string& path);

}  // namespace store
