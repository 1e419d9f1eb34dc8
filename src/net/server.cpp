#include "net/server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <thread>

#include "base/log.hpp"
#include "net/connection.hpp"

namespace net {

namespace {

constexpr size_t kScratch = 64 << 10;
constexpr auto kMinTick = std::chrono::milliseconds(250);
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr int kAcceptsPerTurn = 64;

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(v4.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
  }
  return "local";
}

// What the kernel takes from us that the peer has no window for yet: more would be memory without gain.
constexpr int kUnsent = 128 << 10;

// A dead peer is noticed, and a small answer does not wait for company.
void tune_socket(int fd) {
  const int on = 1;
  const int idle = 30;
  const int interval = 15;
  const int count = 4;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsent, sizeof kUnsent);
}

struct Listener {
  Listener(asio::io_context& context, int fd) : socket(context, fd), timer(context) {}
  asio::posix::stream_descriptor socket;
  asio::steady_timer timer;
  bool starved = false;  // the last accept found no file descriptor; said once
};

// Accepts what waits. False: no more for a moment, the process or the server is full.
bool accept_some(ServerLoop& loop, Listener& listener) {
  for (int turn = 0; turn < kAcceptsPerTurn; ++turn) {
    if (loop.full()) return false;
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd = ::accept4(listener.socket.native_handle(), reinterpret_cast<sockaddr*>(&address), &size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      listener.starved = false;
      tune_socket(fd);
      loop.adopt(fd, address_text(address));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      if (!std::exchange(listener.starved, true)) {
        base::log_warning("net", "accept: {}: new connections wait until others end", strerror(errno));
      }
      return false;
    }
    if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
      base::log_error("net", "accept: {}: is this a listening socket?", strerror(errno));
      return false;
    }
  }
  return true;
}

asio::awaitable<void> accept_loop(ServerLoop* loop, std::shared_ptr<Listener> listener) {
  boost::system::error_code error;
  while (!loop->stopping && listener->socket.is_open()) {
    co_await listener->socket.async_wait(asio::posix::stream_descriptor::wait_read,
                                         asio::redirect_error(asio::use_awaitable, error));
    if (loop->stopping || !listener->socket.is_open()) co_return;
    if (accept_some(*loop, *listener)) continue;
    listener->timer.expires_after(kAcceptPause);
    co_await listener->timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

class HttpServer final : public Server {
 public:
  HttpServer(ServerConfig config, Handler handler, SslContextPtr tls, X509StorePtr trust)
      : loop_(std::move(config), std::move(handler), std::move(tls), std::move(trust)), work_(loop_.context.get_executor()) {}
  ~HttpServer() override { stop(); }

  void add_listener(int fd) override {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    asio::post(loop_.context, [this, listener = std::make_shared<Listener>(loop_.context, fd)] {
      if (loop_.stopping) return;
      listeners_.push_back(listener);
      asio::co_spawn(loop_.context, accept_loop(&loop_, listener), [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);  // a bug: end the process
      });
    });
  }

  void start() override {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    for (int fatal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&all, fatal);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the main thread
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "http-server");
      loop_.context.run();
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void stop_accepting() override {
    if (stopped_ || !thread_.joinable()) return;
    asio::post(loop_.context, [this] { close_listeners(); });
  }

  void stop() override {
    if (stopped_) return;
    stopped_ = true;
    if (thread_.joinable()) {
      asio::post(loop_.context, [this] { end_all(); });
      thread_.join();
    } else {
      end_all();
    }
  }

 private:
  void close_listeners() {
    for (const auto& listener : listeners_) {
      boost::system::error_code ignored;
      listener->socket.close(ignored);
      listener->timer.cancel();
    }
    listeners_.clear();
  }

  void end_all() {
    loop_.stopping = true;
    close_listeners();
    loop_.close_all();
    work_.reset();
  }

  ServerLoop loop_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<std::shared_ptr<Listener>> listeners_;  // loop thread
  std::thread thread_;
  bool stopped_ = false;
};

}  // namespace

ServerLoop::ServerLoop(ServerConfig config_, Handler handler_, SslContextPtr tls_, X509StorePtr trust_)
    : config(std::move(config_)), handler(std::move(handler_)), tls(std::move(tls_)), trust(std::move(trust_)) {
  scratch.resize(kScratch);
  mailbox = std::make_shared<Mailbox>([this] { asio::post(context, [this] { drain(); }); });
}

ServerLoop::~ServerLoop() { mailbox->close(); }

void ServerLoop::adopt(int fd, std::string peer_address) {
  auto connection = std::make_shared<Connection>(*this, fd, std::move(peer_address));
  connections_.emplace(connection.get(), connection);
  asio::co_spawn(context, Connection::run(connection), [connection](std::exception_ptr error) {
    if (!error) return;
    try {  // the root of a connection: it ends, the server goes on
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      base::log_error("net", "connection of {}: {}", connection->peer().address, e.what());
    }
    connection->close();
  });
}

void ServerLoop::forget(Connection* connection) { connections_.erase(connection); }

bool ServerLoop::join(const std::string& client) {
  const int count = ++clients_[client];
  return config.max_connections_per_client <= 0 || count <= config.max_connections_per_client;
}

void ServerLoop::leave(const std::string& client) {
  auto found = clients_.find(client);
  if (found != clients_.end() && --found->second == 0) clients_.erase(found);
}

void ServerLoop::mark_dirty(Connection* connection) {
  if (connection->dirty) return;
  connection->dirty = true;
  dirty_.push_back(connection->shared_from_this());
}

void ServerLoop::deliver(Command& command) {
  Protocol* protocol = command.exchange->protocol();
  if (!protocol) {
    const bool counted = command.op == Command::Op::write || command.op == Command::Op::message;
    if (counted) command.exchange->pending -= command.chunk->size();
    return;
  }
  Link& link = protocol->link();
  link.touched();
  try {
    protocol->on_command(command);
  } catch (const std::exception& e) {
    link.cut(e.what());
  }
}

void ServerLoop::drain() {
  if (draining_) return;
  draining_ = true;
  mailbox->take(commands_);
  for (Command& command : commands_) deliver(command);
  if (commands_.capacity() > 4096) commands_ = std::vector<Command>();
  commands_.clear();
  std::vector<std::shared_ptr<Connection>> dirty;
  dirty.swap(dirty_);
  for (const auto& connection : dirty) {
    connection->dirty = false;
    connection->settle();
  }
  draining_ = false;
}

void ServerLoop::note_deadline(SteadyTime when) {
  if (when < timer_at_ && !stopping) arm_timer(when);
}

void ServerLoop::arm_timer(SteadyTime when) {
  timer_at_ = std::max(when, std::chrono::steady_clock::now() + kMinTick);
  timer_.expires_at(timer_at_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !stopping) cut_overdue();
  });
}

void ServerLoop::cut_overdue() {
  timer_at_ = SteadyTime::max();
  const SteadyTime now = std::chrono::steady_clock::now();
  SteadyTime next = SteadyTime::max();
  std::vector<std::shared_ptr<Connection>> overdue;
  for (const auto& [key, connection] : connections_) {
    const SteadyTime deadline = connection->next_deadline();
    if (deadline <= now) overdue.push_back(connection);
    else next = std::min(next, deadline);
  }
  for (const auto& connection : overdue) connection->stop();
  if (next != SteadyTime::max()) note_deadline(next);
}

void ServerLoop::note_collecting(size_t before, size_t now) {
  collecting_ = collecting_ - before + now;
  if (now > before && collecting_ > config.max_collecting) cut_slowest();
}

// Who sends a body within a second is left alone as long as there is any room. Of the others goes who has stopped in the
// middle, or else the slowest.
void ServerLoop::cut_slowest() {
  constexpr size_t kHardFactor = 2;
  constexpr auto kStopped = std::chrono::milliseconds(300);
  constexpr double kSlow = 256.0 * 1024;  // bytes a second
  const SteadyTime now = std::chrono::steady_clock::now();
  Connection* slowest = nullptr;
  Connection* largest = nullptr;
  Connection* stopped = nullptr;
  double slowest_rate = kSlow;
  for (const auto& [key, connection] : connections_) {
    if (connection->collecting() == 0) continue;
    if (!largest || connection->collecting() > largest->collecting()) largest = key;
    const bool rests = now - connection->collected_at() > kStopped;
    if (rests && (!stopped || connection->collected_at() < stopped->collected_at())) stopped = key;
    const double age = std::chrono::duration<double>(now - connection->collecting_since()).count();
    const double rate = static_cast<double>(connection->collecting()) / age;
    if (age < 1 || rate >= slowest_rate) continue;
    slowest_rate = rate;
    slowest = key;
  }
  Connection* chosen = stopped ? stopped : slowest ? slowest : collecting_ > kHardFactor * config.max_collecting ? largest : nullptr;
  if (!chosen) return;
  chosen->set_collecting(0);
  chosen->cut("too many request bodies are under way, and this one is slow or large");
  mark_dirty(chosen);
  if (!draining_) asio::post(context, [this] { drain(); });
}

void ServerLoop::close_all() {
  stopping = true;
  mailbox->close();
  timer_.cancel();
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [key, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->stop();
}

std::string_view ServerLoop::date_field() {
  const time_t now = time(nullptr);
  if (now != date_at_) {
    date_at_ = now;
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[64];
    date_.assign(text, strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc));
  }
  return date_;
}

base::Result<std::unique_ptr<Server>> make_server(ServerConfig config, Handler handler) {
  SslContextPtr tls;
  X509StorePtr trust;
  if (!config.certificate_pem.empty()) {
    TRY(tls, make_server_context(config));
    TRY(trust, make_trust(config.client_ca_pem));
  }
  return std::make_unique<HttpServer>(std::move(config), std::move(handler), std::move(tls), std::move(trust));
}

base::Result<int> listen_tcp(const std::string& address, int port) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (port < 0 || port > 65535) {
    return base::fail(base::Reason::bad_request, fmt::format("cannot listen on port {}: it must be 0-65535", port));
  }
  if (inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    size = sizeof v4;
  } else if (inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
    size = sizeof v6;
  } else {
    return base::fail(base::Reason::bad_request, fmt::format("cannot listen on {}: it is no IP address", address));
  }
  const std::string what = fmt::format("listen on {} port {}", address, port);
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return std::unexpected(base::errno_error(what, errno));
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&storage), size) != 0 || ::listen(fd, 4096) != 0) {
    const int error = errno;
    ::close(fd);
    return std::unexpected(base::errno_error(what, error));
  }
  return fd;
}

int bound_port(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(storage).sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6&>(storage).sin6_port);
  return 0;
}

}  // namespace net
