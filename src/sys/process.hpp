// Child processes: an argument vector (never a shell), what the child does before it executes, a pidfd to
// wait on. spawn() and run() may be called from any thread; a Process has one owner.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "sys/fd.hpp"

namespace sys {

struct ChildMount {
  std::string source;
  std::string target;
  std::string type;  // "" with bind
  unsigned long flags = 0;
  std::string options;
  std::string working_dir;  // relative paths in `options` start here
};

struct Spawn {
  std::vector<std::string> argv{};  // argv[0] is a path
  std::vector<std::string> env{};   // "A=b"; the parent's is not inherited
  std::string cwd{};
  // -1: /dev/null.
  int stdin_fd = -1;
  int stdout_fd = -1;
  int stderr_fd = -1;
  // Kept open in the child under the same number.
  std::vector<int> keep_fds{};
  bool new_session = false;
  int controlling_terminal = -1;  // with new_session: made the session's terminal
  // Steps in this order: a mount namespace of its own that still hears of unmounts outside, then unmounts
  // (missing ones are fine), then mounts.
  bool private_mounts = false;
  std::vector<std::string> unmounts{};
  std::vector<ChildMount> mounts{};
  int network_namespace = -1;
  bool die_with_parent = false;
};

struct ExitStatus {
  int code = 0;    // of exit(), or 128 + signal
  int signal = 0;  // 0: it exited
};

class Process {
 public:
  Process() = default;
  Process(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Process(Process&&) = default;
  Process& operator=(Process&&) = default;

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  // Reaps the child; nullopt when it still runs after `timeout` (none: waits for good).
  base::Result<std::optional<ExitStatus>> wait(std::optional<std::chrono::milliseconds> timeout = {});
  void kill(int signal);

 private:
  pid_t pid_ = -1;
  Fd pidfd_;
  std::optional<ExitStatus> status_;
};

// The error says which step of the child failed.
base::Result<Process> spawn(const Spawn& what);

struct Output {
  ExitStatus status;
  std::string out;
  std::string err;
  bool cut = false;        // more than the limit came
  bool timed_out = false;  // it was killed
};

// Runs to the end; keeps at most `limit` bytes of each stream (the rest is read and dropped).
base::Result<Output> run(Spawn what, std::chrono::milliseconds timeout, size_t limit = 64u << 10,
                         std::string_view input = {});

struct Pipe {
  Fd read;
  Fd write;
};
base::Result<Pipe> make_pipe();

// When that process was started, in clock ticks since boot: a process id with it is unique. Empty: there is
// none, or it is a zombie.
std::optional<uint64_t> process_start_time(pid_t pid);
base::Result<Fd> open_pidfd(pid_t pid);
bool signal_pidfd(int pidfd, int signal);
std::string boot_id();

}  // namespace sys
