#include "sys/process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/strings.hpp"
#include "sys/fs.hpp"

namespace sys {
namespace {

// What a child reports when a step before exec failed.
struct Failure {
  int error;
  char step[120];
};

// Everything below runs between fork and exec of a process with threads: system calls only, nothing is
// allocated.
[[noreturn]] void give_up(int report, const char* step, const char* detail) {
  Failure failure{};
  failure.error = errno;
  size_t n = 0;
  for (const char* text : {step, detail}) {
    for (; text != nullptr && *text != 0 && n + 1 < sizeof(failure.step); ++text) failure.step[n++] = *text;
  }
  [[maybe_unused]] const auto written = ::write(report, &failure, sizeof(failure));
  ::_exit(127);
}

void place_fd(int from, int to, int report) {
  if (from == to) {
    if (::fcntl(to, F_SETFD, 0) != 0) give_up(report, "keep a descriptor", nullptr);
  } else if (::dup2(from, to) < 0) {
    give_up(report, "place a descriptor", nullptr);
  }
}

void make_mounts(const Spawn& what, int report) {
  if (!what.private_mounts) return;
  if (::unshare(CLONE_NEWNS) != 0) give_up(report, "make a mount namespace", nullptr);
  if (::mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr) != 0)
    give_up(report, "make mounts private", nullptr);
  for (const auto& target : what.unmounts) {
    if (::umount2(target.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT) {
      give_up(report, "unmount ", target.c_str());
    }
  }
  for (const auto& mount : what.mounts) {
    if (!mount.working_dir.empty() && ::chdir(mount.working_dir.c_str()) != 0) {
      give_up(report, "enter ", mount.working_dir.c_str());
    }
    if (::mount(mount.source.c_str(), mount.target.c_str(), mount.type.empty() ? nullptr : mount.type.c_str(),
                mount.flags, mount.options.empty() ? nullptr : mount.options.c_str()) != 0) {
      give_up(report, "mount ", mount.target.c_str());
    }
  }
}

struct Arguments {
  std::vector<char*> argv;
  std::vector<char*> env;
  int null_fd;
  sigset_t mask;
};

[[noreturn]] void run_child(const Spawn& what, Arguments& arguments, int report) {
  // The caller blocked all signals, so that no handler of the parent runs here.
  for (int signal = 1; signal < 65; ++signal) {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    ::sigaction(signal, &action, nullptr);
  }
  if (what.die_with_parent) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (what.new_session && ::setsid() < 0) give_up(report, "start a session", nullptr);
  if (what.controlling_terminal >= 0 && ::ioctl(what.controlling_terminal, TIOCSCTTY, 0) != 0) {
    give_up(report, "take the terminal", nullptr);
  }
  if (what.network_namespace >= 0 && ::setns(what.network_namespace, CLONE_NEWNET) != 0) {
    give_up(report, "enter the network namespace", nullptr);
  }
  make_mounts(what, report);
  if (::chdir(what.cwd.empty() ? "/" : what.cwd.c_str()) != 0) give_up(report, "enter ", what.cwd.c_str());
  // Standard streams last: their sources may not be overwritten while they are still needed, so sources are
  // moved up.
  int sources[3] = {what.stdin_fd, what.stdout_fd, what.stderr_fd};
  for (int& source : sources) {
    if (source < 0) source = arguments.null_fd;
    if (source < 3) {
      source = ::fcntl(source, F_DUPFD_CLOEXEC, 100);
      if (source < 0) give_up(report, "move a descriptor", nullptr);
    }
  }
  for (int i = 0; i < 3; ++i) place_fd(sources[i], i, report);
  ::syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
  for (const int fd : what.keep_fds) place_fd(fd, fd, report);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(arguments.argv[0], arguments.argv.data(), arguments.env.data());
  give_up(report, "execute ", arguments.argv[0]);
}

}  // namespace

base::Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return std::unexpected(base::errno_error("make a pipe", errno));
  return Pipe{Fd(fds[0]), Fd(fds[1])};
}

base::Result<Process> spawn(const Spawn& what) {
  if (what.argv.empty()) return base::fail(base::Reason::internal_error, "spawn: no program named");
  Arguments arguments;
  for (const auto& text : what.argv) arguments.argv.push_back(const_cast<char*>(text.c_str()));
  for (const auto& text : what.env) arguments.env.push_back(const_cast<char*>(text.c_str()));
  arguments.argv.push_back(nullptr);
  arguments.env.push_back(nullptr);
  TRY(auto null, open_file("/dev/null", O_RDWR));
  arguments.null_fd = null.get();
  TRY(auto report, make_pipe());

  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &arguments.mask);
  const pid_t pid = ::fork();
  if (pid == 0) run_child(what, arguments, report.write.get());
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &arguments.mask, nullptr);
  if (pid < 0) return std::unexpected(base::errno_error("fork for " + what.argv[0], error));
  report.write.reset();

  Failure failure{};
  ssize_t n = 0;
  do {
    n = ::read(report.read.get(), &failure, sizeof(failure));
  } while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(sizeof(failure))) {
    ::waitpid(pid, nullptr, 0);
    failure.step[sizeof(failure.step) - 1] = 0;
    return std::unexpected(base::errno_error("start " + what.argv[0] + ": " + failure.step, failure.error));
  }
  TRY(auto pidfd, open_pidfd(pid));
  return Process(pid, std::move(pidfd));
}

base::Result<std::optional<ExitStatus>> Process::wait(std::optional<std::chrono::milliseconds> timeout) {
  if (status_) return status_;
  pollfd poll_fd{pidfd_.get(), POLLIN, 0};
  const auto deadline = std::chrono::steady_clock::now() + timeout.value_or(std::chrono::milliseconds(0));
  for (;;) {
    int left = -1;
    if (timeout) {
      left = static_cast<int>(std::max<int64_t>(
          0,
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count()));
    }
    const int n = ::poll(&poll_fd, 1, left);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(base::errno_error("wait for a process", errno));
    if (n == 0) return std::optional<ExitStatus>();
    break;
  }
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) return std::unexpected(base::errno_error("wait for a process", errno));
  }
  if (WIFSIGNALED(status)) {
    status_ = ExitStatus{128 + WTERMSIG(status), WTERMSIG(status)};
  } else {
    status_ = ExitStatus{WEXITSTATUS(status), 0};
  }
  return status_;
}

void Process::kill(int signal) {
  if (!status_ && pidfd_) signal_pidfd(pidfd_.get(), signal);
}

namespace {

// Moves bytes between the child's pipes and `output` until all ends are closed or the deadline has passed.
void pump(Output& output, Fd& in, Fd& out, Fd& err, std::string_view input, size_t limit,
          std::chrono::steady_clock::time_point deadline) {
  while (out || err || in) {
    pollfd fds[3] = {{out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}, {in.get(), POLLOUT, 0}};
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) {
      output.timed_out = true;
      return;
    }
    const int n = ::poll(fds, 3, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (n <= 0) continue;
    for (int i = 0; i < 2; ++i) {
      if (fds[i].revents == 0) continue;
      char buffer[8192];
      const ssize_t got = ::read(fds[i].fd, buffer, sizeof(buffer));
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) {
        (i == 0 ? out : err).reset();
        continue;
      }
      std::string& kept = i == 0 ? output.out : output.err;
      const size_t room = limit - std::min(limit, kept.size());
      kept.append(buffer, std::min(room, static_cast<size_t>(got)));
      if (static_cast<size_t>(got) > room) output.cut = true;
    }
    if (fds[2].revents != 0) {
      const ssize_t put = ::write(in.get(), input.data(), input.size());
      if (put < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (put > 0) input.remove_prefix(static_cast<size_t>(put));
      if (put < 0 || input.empty()) in.reset();
    }
  }
}

}  // namespace

base::Result<Output> run(Spawn what, std::chrono::milliseconds timeout, size_t limit,
                         std::string_view input) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  TRY(auto out, make_pipe());
  TRY(auto err, make_pipe());
  Pipe in;
  what.stdout_fd = out.write.get();
  what.stderr_fd = err.write.get();
  if (!input.empty()) {
    TRY(in, make_pipe());
    what.stdin_fd = in.read.get();
    ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
  }
  TRY(auto child, spawn(what));
  out.write.reset();
  err.write.reset();
  in.read.reset();
  Output output;
  pump(output, in.write, out.read, err.read, input, limit, deadline);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  std::optional<ExitStatus> status;
  if (!output.timed_out) {
    TRY(status, child.wait(std::max(left, std::chrono::milliseconds(0))));
  }
  if (!status) {
    output.timed_out = true;
    child.kill(SIGKILL);
    TRY(status, child.wait());
  }
  output.status = *status;
  return output;
}

std::optional<uint64_t> process_start_time(pid_t pid) {
  if (pid <= 0) return {};
  auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!text) return {};
  // The name in parentheses may hold anything; fields are counted behind it.
  const auto end = text->rfind(')');
  if (end == std::string::npos || end + 2 >= text->size()) return {};
  const auto fields = base::split(std::string_view(*text).substr(end + 2), ' ');
  if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") return {};
  const auto ticks = base::parse_int(fields[19]);
  if (!ticks) return {};
  return static_cast<uint64_t>(*ticks);
}

base::Result<Fd> open_pidfd(pid_t pid) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return std::unexpected(base::errno_error("open process " + std::to_string(pid), errno));
  return fd;
}

bool signal_pidfd(int pidfd, int signal) {
  return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0;
}

std::string boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", 100);
  return text ? std::string(base::trim(*text)) : std::string();
}

}  // namespace sys
