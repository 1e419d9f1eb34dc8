// Serves one log: the past from the file, and with follow what comes, until the container has ended.
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <cerrno>
#include <thread>

#include "base/log.hpp"
#include "node/streams_state.hpp"
#include "sys/fs.hpp"

namespace node {
namespace {

constexpr size_t kMaxPending = 1 << 20;
constexpr off_t kTailBlock = 64 << 10;

// Where in the file the last `lines` lines begin.
off_t tail_offset(int fd, off_t size, int64_t lines) {
  off_t start = size;
  std::string text;
  while (start > 0) {
    const off_t block = std::min(start, kTailBlock);
    start -= block;
    std::string more(static_cast<size_t>(block), '\0');
    const ssize_t n = ::pread(fd, more.data(), more.size(), start);
    if (n < 0) return 0;
    more.resize(static_cast<size_t>(n));
    text = more + text;
    // Only from a line's beginning can be counted; one more line than asked for shows that it is whole.
    const size_t first = start == 0 ? 0 : text.find('\n') + 1;
    if (first == 0 && start != 0) continue;
    const auto at = find_tail(std::string_view(text).substr(first), lines);
    if (at > 0 || lines == 0 || start == 0) return start + static_cast<off_t>(first + at);
  }
  return 0;
}

bool still_runs(const Records& records, const FoundContainer& found) {
  const auto record = records.find(found.uid);
  if (!record) return false;
  const ContainerRecord* own = record->find(found.container.name);
  return own != nullptr && own->id == found.container.id &&
         (own->state == ContainerRecord::State::running || own->state == ContainerRecord::State::starting);
}

// Waits until the file may have more, or a second has passed.
void wait_for_more(int inotify, const Wake& wake) {
  pollfd fds[2] = {{inotify, POLLIN, 0}, {wake.fd(), POLLIN, 0}};
  ::poll(fds, 2, 1000);
  char buffer[4096];
  while (::read(inotify, buffer, sizeof(buffer)) > 0) {
  }
}

}  // namespace

void serve_logs(const Records& records, const FoundContainer& found, const LogOptions& options,
                const std::string& path, net::BodyStream& stream, const Wake& wake) {
  auto file = sys::open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  struct stat info{};
  if (!file || ::fstat(file->get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    const std::string why = file
                                ? "the log of container " + found.container.name + " is no regular file"
                                : "no log of container " + found.container.name + ": " + file.error().message;
    stream.write(net::make_chunk(why + "\n"));
    return;
  }
  sys::Fd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (options.follow && inotify) ::inotify_add_watch(inotify.get(), path.c_str(), IN_MODIFY);
  off_t at = options.tail_lines ? tail_offset(file->get(), info.st_size, *options.tail_lines) : 0;
  LogFilter filter(options);
  std::string buffer(64 << 10, '\0');
  while (!wake.closed && !filter.done()) {
    if (stream.pending() > kMaxPending) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    // Asked before the read: what was written before the end is then surely read.
    const bool running = options.follow && still_runs(records, found);
    const ssize_t n = ::pread(file->get(), buffer.data(), buffer.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    if (n == 0) {
      if (!running) return;
      wait_for_more(inotify.get(), wake);
      continue;
    }
    at += n;
    std::string out = filter.feed(std::string_view(buffer.data(), static_cast<size_t>(n)));
    if (!out.empty() && !stream.write(net::make_chunk(std::move(out)))) return;
  }
}

}  // namespace node
