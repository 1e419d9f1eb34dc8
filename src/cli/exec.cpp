#include <errno.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/time.hpp"
#include "cli/command.hpp"
#include "cli/pods.hpp"
#include "cli/targets.hpp"
#include "sys/fd.hpp"

namespace cli {
namespace {

using base::Value;

// The channels of v4/v5.channel.k8s.io: the first byte of each message.
enum Channel : char { kStdin = 0, kStdout = 1, kStderr = 2, kError = 3, kResize = 4, kClose = char(255) };

// Puts the terminal into raw mode and back.
class RawTerminal {
 public:
  explicit RawTerminal(bool wanted) {
    if (!wanted || ::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios raw = before_;
    ::cfmakeraw(&raw);
    active_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal() {
    if (active_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }

 private:
  termios before_{};
  bool active_ = false;
};

void send_size(net::ClientWebSocket& socket) {
  winsize size{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return;
  std::string message(1, kResize);
  message += fmt::format("{{\"Width\":{},\"Height\":{}}}\n", size.ws_col, size.ws_row);
  (void)socket.send_binary(message);
}

// Reads stdin (and the terminal's size changes) until either ends; the main thread receives meanwhile.
void pump_stdin(net::ClientWebSocket& socket, int stop, int winch) {
  char buffer[32 * 1024];
  while (true) {
    pollfd fds[3] = {{STDIN_FILENO, POLLIN, 0}, {stop, POLLIN, 0}, {winch, POLLIN, 0}};
    if (::poll(fds, 3, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents) return;
    if (fds[2].revents) {
      signalfd_siginfo info;
      if (::read(winch, &info, sizeof info) > 0) send_size(socket);
    }
    if (!fds[0].revents) continue;
    ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n <= 0) {
      // v5 can say that stdin has ended; v4 cannot.
      if (socket.subprotocol() == "v5.channel.k8s.io") (void)socket.send_binary(std::string{kClose, kStdin});
      return;
    }
    std::string message(1, kStdin);
    message.append(buffer, static_cast<size_t>(n));
    if (!socket.send_binary(message)) return;
  }
}

void write_whole(FILE* to, std::string_view bytes) {
  std::fwrite(bytes.data(), 1, bytes.size(), to);
  std::fflush(to);
}

// The exit code that the Status on the error channel stands for.
int exit_code_of(const std::string& text) {
  auto status = base::parse_json(text);
  if (!status || (*status)["status"].as_string() == "Success") return 0;
  for (auto& cause : status->at({"details", "causes"}).as_array()) {
    if (cause["reason"].as_string() != "ExitCode") continue;
    int code = static_cast<int>(base::parse_int(cause["message"].as_string()).value_or(1));
    fmt::print(stderr, "command terminated with exit code {}\n", code);
    return code;
  }
  fmt::print(stderr, "error: {}\n", (*status)["message"].as_string());
  return 1;
}

int receive_all(net::ClientWebSocket& socket) {
  std::string status;
  while (true) {
    auto message = socket.receive();
    if (!message) {
      if (!status.empty()) break;  // the answer is complete; how the connection ended does not matter
      return print_error(message.error());
    }
    if (!*message) break;
    if ((*message)->empty()) continue;
    std::string_view bytes(**message);
    bytes.remove_prefix(1);
    switch (static_cast<Channel>((**message)[0])) {
      case kStdout:
        write_whole(stdout, bytes);
        break;
      case kStderr:
        write_whole(stderr, bytes);
        break;
      case kError:
        status += bytes;
        break;
      default:
        break;
    }
  }
  return exit_code_of(status);
}

int stream(net::ClientWebSocket& socket, bool with_stdin, bool tty) {
  RawTerminal raw(tty && with_stdin);
  sys::Fd stop(::eventfd(0, EFD_CLOEXEC));
  sys::Fd winch;
  if (tty) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    winch.reset(::signalfd(-1, &set, SFD_CLOEXEC));
    send_size(socket);
  }
  std::thread sender;
  if (with_stdin) sender = std::thread([&] { pump_stdin(socket, stop.get(), winch.get()); });
  int code = receive_all(socket);
  uint64_t one = 1;
  if (::write(stop.get(), &one, sizeof one) < 0) return 1;
  if (sender.joinable()) sender.join();
  return code;
}

int check_usage(const Args& args) {
  if (args.operands.empty())
    return print_error(
        base::Error{base::Reason::unknown, "pod, type/name or --filename must be specified", nullptr});
  if (!args.dashes && args.operands.size() > 1) {
    fmt::print(stderr,
               "error: exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\n");
    if (args.given("server"))
      fmt::print(stderr, "hint: without -- kubectl took \"-s {}\" for its own --server\n",
                 args.get("server"));
    fmt::print(stderr, "See 'kubectl exec -h' for help and examples\n");
    return 1;
  }
  if (args.after_dashes.empty())
    return print_error(base::Error{base::Reason::unknown,
                                   "you must specify at least one command for the container", nullptr});
  return 0;
}

int run_exec(Context& context) {
  const Args& args = context.args;
  // Before the server is asked: a swallowed -s would ask the wrong one.
  if (int code = check_usage(args)) return code;
  auto session = context.session();
  if (!session) return print_error(session.error());
  auto pod = find_pod(
      **session, {args.operands[0], "", "attach to",
                  base::parse_duration(args.get("pod-running-timeout")).value_or(std::chrono::minutes(1))});
  if (!pod) return print_error(pod.error());
  std::string name(pod->at({"metadata", "name"}).as_string());
  if (auto phase = pod->at({"status", "phase"}).as_string(); phase == "Succeeded" || phase == "Failed")
    return print_error(base::Error{
        base::Reason::unknown,
        fmt::format("cannot exec into a container in a completed pod; current phase is {}", phase), nullptr});
  bool with_stdin = args.on("stdin"),
       tty = with_stdin && args.on("tty");  // without -i the real client asks for no terminal either
  if (tty && !::isatty(STDIN_FILENO)) {
    tty = false;
    fmt::print(stderr, "Unable to use a TTY - input is not a terminal or the right kind of file\n");
  }
  net::Query query;
  for (auto& word : args.after_dashes) query.add("command", word);
  query.add("container",
            args.given("container") ? args.get("container") : default_container(*pod, args.on("quiet")));
  if (with_stdin) query.add("stdin", "true");
  query.add("stdout", "true");
  if (tty)
    query.add("tty", "true");
  else
    query.add("stderr", "true");
  auto resource = (*session)->find_resource("pods");
  if (!resource) return print_error(resource.error());
  std::string ns(pod->at({"metadata", "namespace"}).as_string());
  auto socket = (*session)->open_websocket(Session::path_of(*resource, ns, name, "exec"), query,
                                           {"v5.channel.k8s.io", "v4.channel.k8s.io"});
  if (!socket) return print_error(socket.error());
  return stream(**socket, with_stdin, tty);
}

}  // namespace

Command exec_command() {
  using Type = Flag::Type;
  return {
      .name = "exec",
      .aliases = {},
      .usage = "exec (POD | TYPE/NAME) [-c CONTAINER] [-i] [-t] -- COMMAND [ARGS...]",
      .summary = "Run a command in a container",
      .flags = {{"container", Type::string, "Which container", 'c'},
                {"stdin", Type::boolean, "Pass standard input", 'i'},
                {"tty", Type::boolean, "Standard input is a terminal", 't'},
                {"pod-running-timeout", Type::duration, "How long to wait for a pod of TYPE/NAME", 0, "1m0s"},
                {"quiet", Type::boolean, "Only what the command prints", 'q'}},
      .run = run_exec};
}

}  // namespace cli
