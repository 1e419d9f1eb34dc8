#include "sys/mount.hpp"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.hpp"
#include "sys/fs.hpp"

namespace sys {
namespace {

bool has_magic(const char* path, long magic) {
  struct statfs info{};
  return ::statfs(path, &info) == 0 && static_cast<long>(info.f_type) == magic;
}

// The kernel writes blanks, tabs, newlines and backslashes as three octal digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

base::Result<void> mount_tmpfs(const std::string& target, const std::string& options) {
  if (::mount("tmpfs", target.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return std::unexpected(base::errno_error("mount tmpfs at " + target, errno));
  }
  return {};
}

base::Result<void> unmount_lazily(const std::string& target) {
  if (::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT) {
    return std::unexpected(base::errno_error("unmount " + target, errno));
  }
  return {};
}

base::Result<std::vector<std::string>> mounts_below(const std::string& path) {
  TRY(auto text, read_file("/proc/self/mountinfo"));
  std::vector<std::string> found;
  for (const auto& line : base::split(text, '\n')) {
    const auto fields = base::split(line, ' ');
    if (fields.size() < 5) continue;
    auto target = unescape(fields[4]);
    if (target == path || target.starts_with(path + "/")) found.push_back(std::move(target));
  }
  std::reverse(found.begin(), found.end());
  return found;
}

bool cgroups_are_hybrid() {
  return has_magic("/sys/fs/cgroup", TMPFS_MAGIC) && has_magic("/sys/fs/cgroup/unified", CGROUP2_SUPER_MAGIC);
}

bool cgroups_are_v2() { return has_magic("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC); }

}  // namespace sys
