#include "store/sqlite/wal.hpp"

#include <fmt/format.h>

#include <cstring>
#include <memory>
#include <vector>

namespace store {

namespace {

constexpr int64_t kHeaderBytes = 32;
constexpr int64_t kFrameHeaderBytes = 24;

uint32_t big(const uint8_t* p) {
  return static_cast<uint32_t>(p[0]) << 24 | static_cast<uint32_t>(p[1]) << 16 | static_cast<uint32_t>(p[2]) << 8 | p[3];
}
uint32_t little(const uint8_t* p) {
  return static_cast<uint32_t>(p[3]) << 24 | static_cast<uint32_t>(p[2]) << 16 | static_cast<uint32_t>(p[1]) << 8 | p[0];
}

struct Checksum {
  uint32_t a = 0, b = 0;
  bool big_endian = false;
  void add(const uint8_t* bytes, size_t size) {
    auto read = big_endian ? big : little;
    for (size_t i = 0; i + 8 <= size; i += 8) {
      a += read(bytes + i) + b;
      b += read(bytes + i + 4) + a;
    }
  }
  bool equals(const uint8_t* stored) const { return big(stored) == a && big(stored + 4) == b; }
};

struct FileEnd {
  void operator()(sqlite3_file* f) const {
    if (f->pMethods) f->pMethods->xClose(f);
  }
};

// A file through the VFS of the database.
class WalFile {
 public:
  explicit WalFile(sqlite3_vfs& vfs) : room_(static_cast<size_t>(vfs.szOsFile)), file_(new (room_.data()) sqlite3_file{}) {}
  bool open(sqlite3_vfs& vfs, const char* name) {
    int exists = 0;
    if (vfs.xAccess(&vfs, name, SQLITE_ACCESS_EXISTS, &exists) != SQLITE_OK || !exists) return false;
    return vfs.xOpen(&vfs, name, file_.get(), SQLITE_OPEN_WAL | SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK;
  }
  int64_t size() {
    sqlite3_int64 size = 0;
    return file_->pMethods->xFileSize(file_.get(), &size) == SQLITE_OK ? size : 0;
  }
  bool read(std::vector<uint8_t>& to, int64_t at) {
    return file_->pMethods->xRead(file_.get(), to.data(), static_cast<int>(to.size()), at) == SQLITE_OK;
  }

 private:
  std::vector<char> room_;  // from operator new: aligned for anything
  std::unique_ptr<sqlite3_file, FileEnd> file_;
};

// Number of commits from the first bad frame on; 0 when there is no bad one.
int commits_after_damage(WalFile& file, int64_t page_size) {
  std::vector<uint8_t> header(kHeaderBytes);
  int64_t frame_bytes = kFrameHeaderBytes + page_size;
  int64_t frames = (file.size() - kHeaderBytes) / frame_bytes;
  if (frames < 1 || !file.read(header, 0)) return 0;
  uint32_t magic = big(header.data());
  Checksum sum{.big_endian = magic == 0x377f0683};
  sum.add(header.data(), 24);
  bool bad = (magic & ~1u) != 0x377f0682 || big(&header[8]) != static_cast<uint32_t>(page_size) || !sum.equals(&header[24]);

  std::vector<uint8_t> frame(static_cast<size_t>(frame_bytes));
  std::vector<uint8_t> salt(header.begin() + 16, header.begin() + 24);
  int commits = 0;
  bool after_commit = false;  // SQLite may repeat a commit frame to fill a sector
  for (int64_t i = 0; i < frames && file.read(frame, kHeaderBytes + i * frame_bytes); ++i) {
    if (bad && i == 0) salt.assign(frame.begin() + 8, frame.begin() + 16);
    bool ours = std::memcmp(&frame[8], salt.data(), salt.size()) == 0;
    if (!bad) {
      sum.add(frame.data(), 8);
      sum.add(&frame[kFrameHeaderBytes], static_cast<size_t>(page_size));
      bad = !ours || !sum.equals(&frame[16]);
    }
    bool commit = big(&frame[4]) != 0;
    if (bad && ours && commit && !after_commit) ++commits;
    after_commit = commit;
  }
  return commits;
}

}  // namespace

base::Result<void> check_wal(Database& db, const std::string& path) {
  TRY(auto page_size, db.query_integer("PRAGMA page_size"));
  sqlite3_vfs* vfs = nullptr;
  int code = sqlite3_file_control(db.raw(), "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
  const char* name = sqlite3_filename_wal(sqlite3_db_filename(db.raw(), "main"));
  if (code != SQLITE_OK || !vfs || !name) return {};
  WalFile file(*vfs);
  if (!file.open(*vfs, name) || commits_after_damage(file, page_size) < 2) return {};
  return base::fail(base::Reason::internal_error,
                    fmt::format("{}-wal is damaged in the middle, so that acknowledged writes would be lost: nothing was "
                                "changed; restore both files from a backup, or move only that one away to go on without "
                                "the latest writes",
                                path));
}

}  // namespace store
