#include "sys/fs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/ids.hpp"

namespace sys {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

base::Result<std::vector<std::string>> names_of(DIR* dir, const std::string& path) {
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir);
    if (entry == nullptr) {
      if (errno != 0) return std::unexpected(base::errno_error("read folder " + path, errno));
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

base::Result<void> remove_at(int parent, const std::string& name, const std::string& path, dev_t device,
                             int depth) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM && errno != EBUSY) {
    return std::unexpected(base::errno_error("remove " + path, errno));
  }
  if (depth > 2'000)
    return base::fail(base::Reason::internal_error, "remove " + path + ": folders nested too deep");
  Fd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return std::unexpected(base::errno_error("open folder " + path, errno));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return std::unexpected(base::errno_error("stat " + path, errno));
  if (info.st_dev != device) {
    return base::fail(base::Reason::internal_error, "remove " + path + ": something is still mounted there");
  }
  Dir dir(::fdopendir(::dup(fd.get())));
  if (!dir) return std::unexpected(base::errno_error("open folder " + path, errno));
  TRY(auto names, names_of(dir.get(), path));
  for (const auto& child : names) CHECK_OK(remove_at(fd.get(), child, path + "/" + child, device, depth + 1));
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return std::unexpected(base::errno_error("remove folder " + path, errno));
  }
  return {};
}

}  // namespace

base::Result<Fd> open_file(const std::string& path, int flags, unsigned mode) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return std::unexpected(base::errno_error("open " + path, errno));
  return fd;
}

base::Result<Fd> open_in_root(int root, const std::string& path, int flags, unsigned mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags) | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  Fd fd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof(how))));
  if (!fd) return std::unexpected(base::errno_error("open " + path, errno));
  return fd;
}

base::Result<std::string> read_file(const std::string& path, size_t limit) {
  TRY(auto fd, open_file(path, O_RDONLY));
  std::string bytes;
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(base::errno_error("read " + path, errno));
    if (n == 0) return bytes;
    if (bytes.size() + static_cast<size_t>(n) > limit) {
      return base::fail(base::Reason::invalid, path + " is larger than " + std::to_string(limit) + " bytes");
    }
    bytes.append(buffer, static_cast<size_t>(n));
  }
}

base::Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(base::errno_error("write", errno));
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

base::Result<void> write_file(const std::string& path, std::string_view bytes, unsigned mode) {
  TRY(auto fd, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
  if (auto done = write_all(fd.get(), bytes); !done)
    return std::unexpected(std::move(done).error().wrap(path));
  return {};
}

base::Result<void> write_existing(const std::string& path, std::string_view bytes) {
  TRY(auto fd, open_file(path, O_WRONLY));
  if (auto done = write_all(fd.get(), bytes); !done)
    return std::unexpected(std::move(done).error().wrap(path));
  return {};
}

base::Result<void> write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode,
                                         bool durable) {
  const std::string temporary = path + ".new-" + base::make_name_suffix(8);
  {
    TRY(auto fd, open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode));
    auto done = write_all(fd.get(), bytes);
    if (done && durable && ::fsync(fd.get()) != 0) done = std::unexpected(base::errno_error("fsync", errno));
    if (!done) {
      ::unlink(temporary.c_str());
      return std::unexpected(std::move(done).error().wrap(path));
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return std::unexpected(base::errno_error("rename to " + path, error));
  }
  if (durable) {
    const auto slash = path.find_last_of('/');
    TRY(auto folder,
        open_file(slash == std::string::npos ? "." : path.substr(0, slash + 1), O_RDONLY | O_DIRECTORY));
    if (::fsync(folder.get()) != 0)
      return std::unexpected(base::errno_error("fsync the folder of " + path, errno));
  }
  return {};
}

base::Result<void> make_dirs(const std::string& path, unsigned mode) {
  if (path.empty()) return {};  // the folder of a plain file name: where we are
  if (::mkdir(path.c_str(), mode) == 0) return {};
  if (errno == EEXIST) {
    if (is_dir(path)) return {};
    return base::fail(base::Reason::already_exists, path + " is there and is no folder");
  }
  if (errno != ENOENT) return std::unexpected(base::errno_error("make folder " + path, errno));
  const auto slash = path.find_last_not_of('/') == std::string::npos
                         ? std::string::npos
                         : path.find_last_of('/', path.find_last_not_of('/'));
  if (slash == std::string::npos || slash == 0)
    return std::unexpected(base::errno_error("make folder " + path, ENOENT));
  CHECK_OK(make_dirs(path.substr(0, slash), mode));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return std::unexpected(base::errno_error("make folder " + path, errno));
  }
  return {};
}

base::Result<std::vector<std::string>> list_dir(const std::string& path) {
  Dir dir(::opendir(path.c_str()));
  if (!dir) return std::unexpected(base::errno_error("open folder " + path, errno));
  TRY(auto names, names_of(dir.get(), path));
  std::sort(names.begin(), names.end());
  return names;
}

base::Result<void> remove_tree(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return std::unexpected(base::errno_error("stat " + path, errno));
  }
  return remove_at(AT_FDCWD, path, path, info.st_dev, 0);
}

base::Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return std::unexpected(base::errno_error("remove " + path, errno));
  }
  return {};
}

bool exists(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

bool is_dir(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

base::Result<Fd> lock_file(const std::string& path) {
  for (;;) {
    TRY(auto fd, open_file(path, O_RDWR | O_CREAT, 0600));
    while (::flock(fd.get(), LOCK_EX) != 0) {
      if (errno != EINTR) return std::unexpected(base::errno_error("lock " + path, errno));
    }
    // The holder before may have removed the file: a lock on what has no name any more keeps nobody out.
    struct stat held {};
    struct stat named {};
    if (::fstat(fd.get(), &held) != 0) return std::unexpected(base::errno_error("stat " + path, errno));
    if (::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino && held.st_dev == named.st_dev) return fd;
  }
}

}  // namespace sys
