#include "node/watcher.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <cerrno>
#include <cstring>

namespace node {

base::Result<void> FolderWatcher::open() {
  if (inotify_) return {};
  inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!inotify_ || !wake_) return std::unexpected(base::errno_error("watch folders", errno));
  return {};
}

base::Result<void> FolderWatcher::add(const std::string& folder, OnFile on_file) {
  CHECK_OK(open());
  const int id = ::inotify_add_watch(inotify_.get(), folder.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO);
  if (id < 0) return std::unexpected(base::errno_error("watch folder " + folder, errno));
  watches_.push_back({id, std::move(on_file)});
  return {};
}

base::Result<void> FolderWatcher::start(std::function<void()> lost) {
  CHECK_OK(open());
  lost_ = std::move(lost);
  thread_ = std::thread([this] { run_loop(); });
  return {};
}

void FolderWatcher::stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof(one));
  thread_.join();
}

void FolderWatcher::run_loop() {
  alignas(inotify_event) char buffer[16384];
  for (;;) {
    pollfd fds[2] = {{inotify_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    const ssize_t n = ::read(inotify_.get(), buffer, sizeof(buffer));
    for (ssize_t at = 0; at < n;) {
      inotify_event event{};
      std::memcpy(&event, buffer + at, sizeof(event));
      const char* name = buffer + at + sizeof(event);
      if ((event.mask & IN_Q_OVERFLOW) != 0) lost_();
      if (event.len > 0) {
        for (const auto& watch : watches_) {
          if (watch.id == event.wd) watch.on_file(name);
        }
      }
      at += static_cast<ssize_t>(sizeof(event) + event.len);
    }
  }
}

}  // namespace node
