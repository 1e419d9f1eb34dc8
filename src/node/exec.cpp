// Serves one exec: a command in a container with its streams on the channels of a WebSocket.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "node/streams_state.hpp"
#include "sys/fs.hpp"
#include "sys/process.hpp"
#include "sys/pty.hpp"

namespace node {
namespace {

constexpr size_t kMaxPending = 1 << 20;
constexpr char kStdin = 0, kStdout = 1, kStderr = 2, kError = 3, kResize = 4;
constexpr unsigned char kClose = 255;

struct Ends {
  sys::Fd in;   // written by us
  sys::Fd out;  // read by us
  sys::Fd err;
  sys::Process child;
};

base::Result<Ends> start_command(sys::Spawn spawn, const ExecRequest& request) {
  Ends ends;
  if (request.tty) {
    TRY(auto pty, sys::open_pty());
    spawn.stdin_fd = spawn.stdout_fd = spawn.stderr_fd = pty.slave.get();
    spawn.new_session = true;
    spawn.controlling_terminal = pty.slave.get();
    TRY(ends.child, sys::spawn(spawn));
    ends.in.reset(::fcntl(pty.master.get(), F_DUPFD_CLOEXEC, 3));
    ends.out = std::move(pty.master);
  } else {
    sys::Pipe in, out, err;
    if (request.in) {
      TRY(in, sys::make_pipe());
      spawn.stdin_fd = in.read.get();
    }
    // Streams that nobody asked for are still read (and dropped): a full pipe would stop the command.
    TRY(out, sys::make_pipe());
    TRY(err, sys::make_pipe());
    spawn.stdout_fd = out.write.get();
    spawn.stderr_fd = err.write.get();
    TRY(ends.child, sys::spawn(spawn));
    ends.in = std::move(in.write);
    ends.out = std::move(out.read);
    ends.err = std::move(err.read);
  }
  for (const int fd : {ends.in.get(), ends.out.get(), ends.err.get()}) {
    if (fd >= 0) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  return ends;
}

// One command with its peer.
class Session {
 public:
  Session(Ends ends, const ExecRequest& request, net::WebSocket& socket, ExecInput& input)
      : ends_(std::move(ends)), request_(request), socket_(socket), input_(input) {}

  // Empty: the peer has gone.
  std::optional<sys::ExitStatus> run() {
    for (;;) {
      if (input_.wake->closed) return {};
      const bool full = socket_.pending() > kMaxPending;
      take_input();
      pollfd fds[5] = {{full ? -1 : ends_.out.get(), POLLIN, 0},
                       {full ? -1 : ends_.err.get(), POLLIN, 0},
                       {waiting_.empty() ? -1 : ends_.in.get(), POLLOUT, 0},
                       {full ? -1 : ends_.child.pidfd(), POLLIN, 0},
                       {input_.wake->fd(), POLLIN, 0}};
      if (::poll(fds, 5, full ? 5 : -1) < 0 && errno != EINTR) return {};
      if (fds[4].revents != 0) input_.wake->quiet();
      if (fds[0].revents != 0) pass_on(ends_.out, kStdout, request_.out);
      if (fds[1].revents != 0) pass_on(ends_.err, kStderr, request_.err);
      if (fds[2].revents != 0) write_input();
      if (fds[3].revents != 0 && fds[0].revents == 0 && fds[1].revents == 0) {
        auto status = ends_.child.wait();
        if (status && *status) return **status;
        return sys::ExitStatus{255, 0};
      }
    }
  }

  void end(const std::string& pid_file) {
    // While its parent (our child) lives, the number is that process.
    const auto text = sys::read_file(pid_file, 32);
    const auto pid = text ? base::parse_int(base::trim(*text)) : std::nullopt;
    if (pid && *pid > 1) {
      auto process = sys::open_pidfd(static_cast<pid_t>(*pid));
      auto ended = ends_.child.wait(std::chrono::milliseconds(0));
      if (process && ended && !*ended) sys::signal_pidfd(process->get(), SIGKILL);
    }
    auto ended = ends_.child.wait(std::chrono::milliseconds(200));
    if (ended && *ended) return;
    ends_.child.kill(SIGKILL);
    if (auto gone = ends_.child.wait(); !gone) base::log_warning("node", "exec: {}", gone.error().message);
  }

 private:
  // Takes no more while some waits: so the peer waits too when the command does not read.
  void take_input() {
    if (!waiting_.empty()) return;
    auto input = take(input_, socket_);
    if (ends_.in) waiting_ = std::move(input.bytes);
    if (input.size && request_.tty && ends_.out) {
      if (auto done = sys::resize_pty(ends_.out.get(), input.size->first, input.size->second); !done) {
        base::log_warning("node", "exec: {}", done.error().message);
      }
    }
    if (!input.ended || !waiting_.empty()) return;
    if (request_.tty && ends_.in) {
      const char end_of_file = 4;  // as a terminal says it
      [[maybe_unused]] const auto written = ::write(ends_.in.get(), &end_of_file, 1);
    }
    ends_.in.reset();
  }

  void write_input() {
    const ssize_t n = ::write(ends_.in.get(), waiting_.data() + written_, waiting_.size() - written_);
    if (n > 0) written_ += static_cast<size_t>(n);
    const bool broken = n < 0 && errno != EAGAIN && errno != EINTR;
    if (broken) ends_.in.reset();
    if (!broken && written_ < waiting_.size()) return;
    waiting_.clear();
    written_ = 0;
  }

  void pass_on(sys::Fd& from, char channel, bool wanted) {
    std::string message(32 << 10, '\0');
    message[0] = channel;
    const ssize_t n = ::read(from.get(), message.data() + 1, message.size() - 1);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      from.reset();
      return;
    }
    message.resize(static_cast<size_t>(n) + 1);
    if (wanted) socket_.send_binary(std::move(message));
  }

  Ends ends_;
  const ExecRequest& request_;
  net::WebSocket& socket_;
  ExecInput& input_;
  std::string waiting_;  // for the command
  size_t written_ = 0;   // so much of it is done
};

std::string status_text(const sys::ExitStatus& status) {
  if (status.code == 0)
    return base::write_json(base::Object{{"metadata", base::Object{}}, {"status", "Success"}});
  const std::string code = std::to_string(status.code);
  return base::write_json(base::Object{
      {"metadata", base::Object{}},
      {"status", "Failure"},
      {"message", "command terminated with non-zero exit code: exit status " + code},
      {"reason", "NonZeroExitCode"},
      {"details",
       base::Object{{"causes", base::Array{base::Object{{"reason", "ExitCode"}, {"message", code}}}}}}});
}

std::string failure_text(const std::string& message) {
  return base::write_json(base::Object{{"metadata", base::Object{}},
                                       {"status", "Failure"},
                                       {"message", message},
                                       {"reason", "InternalError"},
                                       {"code", 500}});
}

}  // namespace

void listen(const std::shared_ptr<net::WebSocket>& socket, std::shared_ptr<ExecInput> input) {
  socket->on_close([wake = input->wake] {
    wake->closed = true;
    wake->ring();
  });
  socket->on_message([input, peer = std::weak_ptr(socket)](std::string message, bool) {
    if (message.empty()) return;
    {
      auto pending = input->pending.lock();
      const unsigned char channel = static_cast<unsigned char>(message[0]);
      if (channel == kStdin && !pending->ended) {
        pending->bytes.append(message, 1);
        auto open = peer.lock();
        if (open && !pending->paused && pending->bytes.size() >= ExecInput::kEnough) {
          pending->paused = true;
          open->set_reading(false);
        }
      } else if (channel == kResize) {
        if (auto size = base::parse_json(base::trim(std::string_view(message).substr(1)))) {
          pending->size = {static_cast<int>((*size)["Width"].int_or(80)),
                           static_cast<int>((*size)["Height"].int_or(24))};
        }
      } else if (channel == kClose && message.size() > 1 && message[1] == kStdin) {
        pending->ended = true;
      }
    }
    input->wake->ring();
  });
}

ExecInput::Pending take(ExecInput& input, net::WebSocket& socket) {
  auto pending = input.pending.lock();
  ExecInput::Pending taken{.bytes = std::exchange(pending->bytes, {}),
                           .ended = pending->ended,
                           .paused = std::exchange(pending->paused, false),
                           .size = std::exchange(pending->size, {})};
  if (taken.paused) socket.set_reading(true);
  return taken;
}

void serve_exec(const Runtime& runtime, const std::string& container_id, const std::string& bundle,
                const ExecRequest& request, const std::string& run_dir, net::WebSocket& socket,
                std::string_view protocol, ExecInput& input) {
  const std::string scratch = run_dir + "/exec-" + base::make_name_suffix(12);
  auto spawn = runtime.exec(container_id, bundle, request.command, request.tty, scratch);
  auto ends = spawn ? start_command(std::move(*spawn), request) : std::unexpected(spawn.error());
  const bool structured = protocol != "channel.k8s.io";
  const auto remove_scratch = [&] {
    for (const char* ending : {".pid", ".json"}) {
      if (auto removed = sys::remove_file(scratch + ending); !removed)
        base::log_warning("node", "exec: {}", removed.error().message);
    }
  };
  if (!ends) {
    remove_scratch();
    socket.send_binary(std::string(1, kError) +
                       (structured ? failure_text(ends.error().message) : ends.error().message));
    socket.close(1000, "");
    return;
  }
  Session session(std::move(*ends), request, socket, input);
  const auto status = session.run();
  if (!status) {
    session.end(scratch + ".pid");
  } else if (structured) {
    socket.send_binary(std::string(1, kError) + status_text(*status));
  } else if (status->code != 0) {
    socket.send_binary(std::string(1, kError) + "command terminated with exit code " +
                       std::to_string(status->code));
  }
  remove_scratch();
  socket.close(1000, "");
}

}  // namespace node
