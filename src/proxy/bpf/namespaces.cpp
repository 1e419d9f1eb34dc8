#include "proxy/bpf/namespaces.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "base/log.hpp"
#include "sys/fd.hpp"
#include "sys/fs.hpp"
#include "sys/namespaces.hpp"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace proxy::bpf {

namespace {

// A namespace's file is there a moment before the namespace is bound to it, and the binding is told to nobody.
constexpr int kLookAgainMs = 1;
constexpr std::chrono::seconds kLongestSetup{20};

class Watch final : public NamespaceWatch {
 public:
  Watch(std::vector<NamespaceFolder> folders, Changed changed)
      : folders_(std::move(folders)), changed_(std::move(changed)) {}
  ~Watch() override {
    uint64_t one = 1;
    if (stop_) (void)!::write(stop_.get(), &one, sizeof one);
    if (thread_.joinable()) thread_.join();
  }

  base::Result<void> start() {
    events_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    stop_.reset(::eventfd(0, EFD_CLOEXEC));
    if (!events_ || !stop_) return std::unexpected(base::errno_error("watch network namespaces", errno));
    for (const auto& folder : folders_) {
      CHECK_OK(sys::make_dirs(folder.path));
      constexpr uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM;
      if (::inotify_add_watch(events_.get(), folder.path.c_str(), kEvents) < 0)
        return std::unexpected(base::errno_error("watch " + folder.path, errno));
    }
    look();
    thread_ = std::jthread([this] { run(); });
    return {};
  }

 private:
  struct Known {
    ino_t inode = 0;
    uint64_t cookie = 0;
  };

  void run() {
    while (true) {
      pollfd polls[] = {{stop_.get(), POLLIN, 0}, {events_.get(), POLLIN, 0}};
      ::poll(polls, 2, unfinished_.empty() ? -1 : kLookAgainMs);
      if (polls[0].revents) return;
      char buffer[4096];
      while (::read(events_.get(), buffer, sizeof buffer) > 0) {
      }
      look();
    }
  }

  // Compares what is there with what is known.
  void look() {
    std::set<std::string> there;
    std::map<std::string, std::chrono::steady_clock::time_point> unfinished;
    const auto now = std::chrono::steady_clock::now();
    for (const auto& folder : folders_) {
      for (const auto& name : sys::list_dir(folder.path).value_or(std::vector<std::string>())) {
        if (!name.starts_with(folder.prefix)) continue;
        auto path = folder.path + "/" + name;
        struct stat info{};
        if (::stat(path.c_str(), &info) != 0) continue;
        auto known = known_.find(path);
        if (known != known_.end() && known->second.inode == info.st_ino) {
          there.insert(path);
          continue;
        }
        auto cookie = namespace_cookie(path);
        if (!cookie) {
          auto since = unfinished_.try_emplace(path, now).first->second;
          if (now - since < kLongestSetup) unfinished.emplace(path, since);
          continue;
        }
        if (known != known_.end()) changed_(path, known->second.cookie, false);
        known_[path] = {info.st_ino, *cookie};
        there.insert(path);
        changed_(path, *cookie, true);
      }
    }
    unfinished_ = std::move(unfinished);
    for (auto it = known_.begin(); it != known_.end();) {
      if (there.contains(it->first)) {
        ++it;
        continue;
      }
      changed_(it->first, it->second.cookie, false);
      it = known_.erase(it);
    }
  }

  std::vector<NamespaceFolder> folders_;
  Changed changed_;
  sys::Fd events_, stop_;
  std::map<std::string, Known> known_;
  std::map<std::string, std::chrono::steady_clock::time_point> unfinished_;  // since when
  std::jthread thread_;
};

base::Result<uint64_t> own_cookie() {
  sys::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (!socket || ::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0)
    return std::unexpected(base::errno_error("read the cookie of a network namespace", errno));
  return cookie;
}

}  // namespace

base::Result<uint64_t> namespace_cookie(int fd) {
  if (fd < 0) return own_cookie();
  uint64_t out = 0;
  CHECK_OK(sys::inside_netns(fd, [&]() -> base::Result<void> {
    TRY(out, own_cookie());
    return {};
  }));
  return out;
}

base::Result<uint64_t> namespace_cookie(const std::string& path) {
  TRY(auto fd, sys::open_netns(path));
  return namespace_cookie(fd.get());
}

base::Result<std::unique_ptr<NamespaceWatch>> NamespaceWatch::start(std::vector<NamespaceFolder> folders,
                                                                    Changed changed) {
  auto watch = std::make_unique<Watch>(std::move(folders), std::move(changed));
  CHECK_OK(watch->start());
  return watch;
}

}  // namespace proxy::bpf
