#include "sys/namespaces.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "sys/fs.hpp"

namespace sys {
namespace {

constexpr unsigned long kNsfsMagic = 0x6e736673;

bool is_namespace_file(const std::string& path) {
  struct statfs info{};
  return ::statfs(path.c_str(), &info) == 0 && static_cast<unsigned long>(info.f_type) == kNsfsMagic;
}

base::Result<void> on_helper_thread(const std::function<base::Result<void>()>& work) {
  base::Result<void> result;
  std::thread helper([&] { result = work(); });
  helper.join();
  return result;
}

}  // namespace

base::Result<void> share_folder(const std::string& folder) {
  CHECK_OK(make_dirs(folder));
  if (::mount("none", folder.c_str(), nullptr, MS_SHARED, nullptr) == 0) return {};
  if (errno != EINVAL) return std::unexpected(base::errno_error("share mounts below " + folder, errno));
  if (::mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
      ::mount("none", folder.c_str(), nullptr, MS_SHARED, nullptr) != 0) {
    return std::unexpected(base::errno_error("share mounts below " + folder, errno));
  }
  return {};
}

base::Result<void> make_netns(const std::string& path, const std::function<base::Result<void>()>& setup) {
  {
    TRY(auto fd, open_file(path, O_RDONLY | O_CREAT | O_EXCL, 0444));
  }
  auto made = on_helper_thread([&]() -> base::Result<void> {
    if (::unshare(CLONE_NEWNET) != 0)
      return std::unexpected(base::errno_error("make a network namespace", errno));
    if (setup) CHECK_OK(setup());
    const std::string own = "/proc/self/task/" + std::to_string(::gettid()) + "/ns/net";
    if (::mount(own.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return std::unexpected(base::errno_error("bind a network namespace to " + path, errno));
    }
    return {};
  });
  if (!made) ::unlink(path.c_str());
  return made;
}

base::Result<void> remove_netns(const std::string& path) {
  // A file can be mounted over more than once when a crash came between.
  for (int i = 0; i < 8 && is_namespace_file(path); ++i) {
    if (::umount2(path.c_str(), MNT_DETACH) != 0)
      return std::unexpected(base::errno_error("unmount " + path, errno));
  }
  return remove_file(path);
}

base::Result<Fd> open_netns(const std::string& path) {
  if (!is_namespace_file(path)) {
    return base::fail(base::Reason::not_found, path + " is no network namespace");
  }
  return open_file(path, O_RDONLY);
}

base::Result<void> inside_netns(int netns, const std::function<base::Result<void>()>& work) {
  return on_helper_thread([&]() -> base::Result<void> {
    if (::setns(netns, CLONE_NEWNET) != 0)
      return std::unexpected(base::errno_error("enter a network namespace", errno));
    return work();
  });
}

bool in_initial_netns() {
  struct stat own{};
  struct stat initial{};
  return ::stat("/proc/self/ns/net", &own) == 0 && ::stat("/proc/1/ns/net", &initial) == 0 &&
         own.st_ino == initial.st_ino && own.st_dev == initial.st_dev;
}

}  // namespace sys
