// Files and folders: whole-file reads with a limit, atomic writes, trees made and removed. Blocking calls;
// any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sys/fd.hpp"

namespace sys {

// At most `limit` bytes; a longer file is an error (invalid). A missing one is not_found.
base::Result<std::string> read_file(const std::string& path, size_t limit = 64u << 20);
// Readers see the old bytes or the new ones, never a part. `durable`: also after a power cut.
base::Result<void> write_file_atomically(const std::string& path, std::string_view bytes,
                                         unsigned mode = 0644, bool durable = false);
base::Result<void> write_file(const std::string& path, std::string_view bytes, unsigned mode = 0644);
// For files of /proc and /sys: no creation, no truncation.
base::Result<void> write_existing(const std::string& path, std::string_view bytes);
base::Result<void> make_dirs(const std::string& path, unsigned mode = 0755);
base::Result<std::vector<std::string>> list_dir(const std::string& path);  // names, sorted; not "." and ".."
// Removes what is there, links are not followed, other file systems are not entered. Nothing there: fine.
base::Result<void> remove_tree(const std::string& path);
base::Result<void> remove_file(const std::string& path);  // nothing there: fine
bool exists(const std::string& path);
bool is_dir(const std::string& path);
base::Result<Fd> open_file(const std::string& path, int flags, unsigned mode = 0);
// Opens a path that must stay below `root`, whatever links say (openat2 RESOLVE_IN_ROOT, no magic links).
base::Result<Fd> open_in_root(int root, const std::string& path, int flags, unsigned mode = 0);
// Holds an exclusive flock on the file (made when missing) until the Fd is closed. Who holds it may remove the file.
base::Result<Fd> lock_file(const std::string& path);
base::Result<void> write_all(int fd, std::string_view bytes);

}  // namespace sys
