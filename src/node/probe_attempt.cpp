#include "node/probe_attempt.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "net/fetch.hpp"
#include "sys/fs.hpp"
#include "sys/process.hpp"

namespace node {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMaxOutput = 10 << 10;
constexpr auto kPatience = 300ms;  // for the runtime to follow its command
constexpr const char* kUserAgent = "kube-probe/1.36";

class CommandAttempt final : public ProbeAttempt {
 public:
  CommandAttempt(const Runtime& runtime, const std::string& id, const std::string& bundle,
                 const ProbeSpec& spec, std::string scratch)
      : command_(base::join(spec.action.command, " ")), scratch_(std::move(scratch)) {
    if (auto begun = begin(runtime, id, bundle, spec.action.command); !begun) broken_ = begun.error().message;
  }

  ~CommandAttempt() override {
    if (child_.pid() > 0 && !status_) {
      kill_command();
      if (!ended(kPatience)) child_.kill(SIGKILL);
      if (auto gone = child_.wait(); !gone) base::log_warning("node", "probe: {}", gone.error().message);
    }
    for (const char* ending : {".pid", ".json"}) {
      if (auto removed = sys::remove_file(scratch_ + ending); !removed)
        base::log_warning("node", "probe: {}", removed.error().message);
    }
  }

  void add_polls(std::vector<pollfd>& polls) const override {
    if (!broken_.empty()) return;
    polls.push_back({child_.pidfd(), POLLIN, 0});
    if (output_) polls.push_back({output_.get(), POLLIN, 0});
  }

  std::optional<ProbeAnswer> advance() override {
    if (!broken_.empty()) return ProbeAnswer{ProbeAnswer::Kind::error, broken_};
    read_output();
    if (!ended(0ms)) return {};
    read_output();
    if (status_->code == 0) return ProbeAnswer{ProbeAnswer::Kind::success, text_};
    if (!sys::exists(scratch_ + ".pid")) {  // the runtime's own words: the command never ran
      return ProbeAnswer{ProbeAnswer::Kind::error, std::string(base::trim(text_))};
    }
    return ProbeAnswer{ProbeAnswer::Kind::failure, text_};
  }

  ProbeAnswer time_out() override {
    kill_command();
    patience_ends_ = std::chrono::steady_clock::now() + kPatience;
    return {ProbeAnswer::Kind::failure, "command " + base::quote(command_) + " timed out"};
  }

  bool is_gone() override {
    read_output();
    if (!broken_.empty() || ended(0ms)) return true;
    if (std::chrono::steady_clock::now() >= patience_ends_) child_.kill(SIGKILL);
    return false;
  }

 private:
  base::Result<void> begin(const Runtime& runtime, const std::string& id, const std::string& bundle,
                           const std::vector<std::string>& command) {
    TRY(auto spawn, runtime.exec(id, bundle, command, false, scratch_));
    TRY(auto pipe, sys::make_pipe());
    ::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
    spawn.stdout_fd = spawn.stderr_fd = pipe.write.get();
    TRY(child_, sys::spawn(spawn));
    output_ = std::move(pipe.read);
    return {};
  }

  bool ended(std::chrono::milliseconds patience) {
    if (status_) return true;
    auto status = child_.wait(patience);
    if (!status)
      status_ = sys::ExitStatus{255, 0};
    else if (*status)
      status_ = **status;
    return status_.has_value();
  }

  void read_output() {
    char buffer[4096];
    while (output_) {
      const ssize_t n = ::read(output_.get(), buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return output_.reset();
      text_.append(buffer, std::min(static_cast<size_t>(n), kMaxOutput - text_.size()));
    }
  }

  void kill_command() {
    // While its parent (our child) lives, the number is that process.
    const auto text = sys::read_file(scratch_ + ".pid", 32);
    const auto pid = text ? base::parse_int(base::trim(*text)) : std::nullopt;
    if (!pid || *pid <= 1) return child_.kill(SIGKILL);
    auto process = sys::open_pidfd(static_cast<pid_t>(*pid));
    if (process && !ended(0ms)) sys::signal_pidfd(process->get(), SIGKILL);
  }

  const std::string command_;
  const std::string scratch_;
  std::string broken_;
  sys::Process child_;
  sys::Fd output_;
  std::string text_;
  std::optional<sys::ExitStatus> status_;
  std::chrono::steady_clock::time_point patience_ends_{};
};

class NetworkAttempt final : public ProbeAttempt {
 public:
  explicit NetworkAttempt(const ProbeSpec& spec) : spec_(spec), asked_(spec.action) { ask(); }

  void add_polls(std::vector<pollfd>& polls) const override {
    if (!fetch_->over()) polls.push_back({fetch_->fd(), fetch_->events(), 0});
  }

  std::optional<ProbeAnswer> advance() override {
    fetch_->advance();
    while (fetch_->over()) {
      if (fetch_->state() == net::Fetch::State::failed) return failure(fetch_->error());
      if (asked_.kind == ProbeAction::Kind::tcp) return ProbeAnswer{ProbeAnswer::Kind::success, ""};
      if (asked_.kind == ProbeAction::Kind::grpc)
        return judge_grpc(fetch_->grpc_status(), fetch_->grpc_message(), fetch_->serving(),
                          spec_.timing.timeout);
      auto verdict = judge_http(spec_.action, asked_, redirects_, fetch_->status(),
                                fetch_->headers().get("location"), fetch_->body());
      if (verdict.answer) return verdict.answer;
      asked_ = std::move(verdict.next);
      ++redirects_;
      ask();
    }
    return {};
  }

  ProbeAnswer time_out() override {
    const bool dialling = fetch_->state() == net::Fetch::State::connecting;
    const std::string dial = "dial tcp " + address().text() + ": i/o timeout";
    if (asked_.kind == ProbeAction::Kind::tcp) return failure(dial);
    const std::string limit = seconds_text(spec_.timing.timeout);
    if (asked_.kind == ProbeAction::Kind::grpc) {
      if (!dialling)
        return {ProbeAnswer::Kind::failure, "timeout: health rpc did not complete within " + limit};
      return {ProbeAnswer::Kind::failure, "timeout: failed to connect service " + base::quote(address().text()) +
                                              " within " + limit + ": context deadline exceeded"};
    }
    return failure((dialling ? dial : std::string("context deadline exceeded")) +
                   " (Client.Timeout exceeded while awaiting headers)");
  }

 private:
  net::FetchAddress address() const {
    return {asked_.host == "localhost" ? "127.0.0.1" : asked_.host, asked_.port};
  }

  ProbeAnswer failure(const std::string& why) const {
    if (asked_.kind == ProbeAction::Kind::http)
      return {ProbeAnswer::Kind::failure, "Get " + base::quote(asked_.url()) + ": " + why};
    if (asked_.kind == ProbeAction::Kind::grpc)
      return {ProbeAnswer::Kind::failure,
              "error: failed to connect service at " + base::quote(address().text()) + ": " + why};
    return {ProbeAnswer::Kind::failure, why};
  }

  void ask() {
    if (asked_.kind == ProbeAction::Kind::tcp) {
      fetch_ = net::fetch_connect(address());
      return;
    }
    if (asked_.kind == ProbeAction::Kind::grpc) {
      fetch_ = net::fetch_grpc_health(address(), asked_.service, kUserAgent);
      return;
    }
    net::FetchGet get;
    get.tls = asked_.tls;
    get.target = asked_.target;
    std::string host = net::FetchAddress{asked_.host, asked_.port}.text();
    std::string agent = kUserAgent, accept = "*/*";
    net::Headers more;
    for (const auto& [name, value] : asked_.headers) {
      if (base::equal_ignoring_case(name, "host")) {
        if (redirects_ == 0) host = value;
      } else if (base::equal_ignoring_case(name, "user-agent")) {
        agent = value;
      } else if (base::equal_ignoring_case(name, "accept")) {
        accept = value;
      } else {
        more.add(name, value);
      }
    }
    if (asked_.tls && asked_.host.find_first_not_of("0123456789.") != std::string::npos &&
        asked_.host.find(':') == std::string::npos) {
      get.server_name = asked_.host;
    }
    get.headers.add("Host", host);
    if (!agent.empty()) get.headers.add("User-Agent", agent);
    if (!accept.empty()) get.headers.add("Accept", accept);
    for (const auto& [name, value] : more.fields()) get.headers.add(name, value);
    get.headers.add("Connection", "close");
    fetch_ = net::fetch_get(address(), get);
  }

  const ProbeSpec spec_;
  ProbeAction asked_;
  int redirects_ = 0;
  std::unique_ptr<net::Fetch> fetch_;
};

}  // namespace

std::unique_ptr<ProbeAttempt> try_command(const Runtime& runtime, const std::string& container_id,
                                          const std::string& bundle, const ProbeSpec& spec,
                                          std::string scratch) {
  return std::make_unique<CommandAttempt>(runtime, container_id, bundle, spec, std::move(scratch));
}

std::unique_ptr<ProbeAttempt> try_network(const ProbeSpec& spec) {
  return std::make_unique<NetworkAttempt>(spec);
}

}  // namespace node
