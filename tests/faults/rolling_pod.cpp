// The two programs that run in pods of rolling_update: a server that exits at once on SIGTERM, and a client
// that counts what goes wrong. Static, for an image with nothing else in it.
//   rolling_pod serve PORT
//   rolling_pod load HOST PORT NEW_PER_SECOND KEEPALIVE_CONNECTIONS      one line of counters each 200 ms
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

// ---- the server
// ----------------------------------------------------------------------------------------------

void answer(int fd, const std::string& body) {
  std::string head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  std::array<char, 4096> buffer;
  std::string request;
  for (ssize_t n; (n = ::read(fd, buffer.data(), buffer.size())) > 0;) {
    request.append(buffer.data(), static_cast<size_t>(n));
    for (size_t end; (end = request.find("\r\n\r\n")) != std::string::npos;) {
      const bool last = request.find("Connection: close") < end;
      request.erase(0, end + 4);
      if (::write(fd, head.data(), head.size()) < 0 || last) {
        ::close(fd);
        return;
      }
    }
  }
  ::close(fd);
}

int serve(int port) {
  ::signal(SIGTERM, [](int) { ::_exit(0); });  // no grace at all
  ::signal(SIGPIPE, SIG_IGN);
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 1024) != 0) {
    std::perror("listen");
    return 1;
  }
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  const std::string body = std::string(name.data()) + "\n";
  while (true) {
    int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread(answer, fd, body).detach();
  }
}

// ---- the client
// ----------------------------------------------------------------------------------------------

enum Fault { kNone, kRefused, kReset, kTimeout, kShort, kOther, kFaults };
constexpr const char* kFaultNames[] = {"ok", "refused", "reset", "timeout", "short", "other"};

struct Counters {
  std::array<std::atomic<long>, kFaults> fresh{};  // one connection, one request
  std::array<std::atomic<long>, kFaults> kept{};   // requests on connections that are kept
  std::atomic<long> reopened{0};  // a kept connection was found closed before anything was asked on it
  std::atomic<long> repeated{
      0};  // it ended under a request, before a byte of the answer: asked again on a fresh one
  std::atomic<long> slowest_us{0};
};

Fault fault_of(int error) {
  if (error == ECONNREFUSED) return kRefused;
  if (error == ECONNRESET || error == EPIPE) return kReset;
  if (error == EAGAIN || error == ETIMEDOUT || error == EINPROGRESS) return kTimeout;
  return kOther;
}

struct Target {
  sockaddr_in address{};
};

int open_connection(const Target& target, Fault& fault) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval patience{.tv_sec = 3, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&target.address), sizeof target.address) == 0)
    return fd;
  fault = fault_of(errno);
  ::close(fd);
  return -1;
}

// One request on a connection. `bytes`: of the answer, so far.
Fault ask(int fd, bool last, size_t& bytes) {
  std::string request =
      std::string("GET / HTTP/1.1\r\nHost: x\r\n") + (last ? "Connection: close\r\n" : "") + "\r\n";
  bytes = 0;
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return fault_of(errno);
  std::string got;
  std::array<char, 2048> buffer;
  while (true) {
    ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n < 0) return fault_of(errno);
    if (n == 0) return kShort;
    got.append(buffer.data(), static_cast<size_t>(n));
    bytes = got.size();
    size_t end = got.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    size_t length = got.find("Content-Length: ");
    size_t wanted = length < end ? std::strtoul(got.c_str() + length + 16, nullptr, 10) : 0;
    if (got.size() >= end + 4 + wanted) return kNone;
  }
}

void note_time(Counters& counters, Clock::time_point since) {
  long us = std::chrono::duration_cast<microseconds>(Clock::now() - since).count();
  long slowest = counters.slowest_us;
  while (us > slowest && !counters.slowest_us.compare_exchange_weak(slowest, us)) {
  }
}

void open_forever(const Target& target, Counters& counters, microseconds every, microseconds first) {
  auto due = Clock::now() + first;
  while (true) {
    std::this_thread::sleep_until(due);
    due = std::max(due + every,
                   Clock::now() - std::chrono::seconds(1));  // after a stall: catch up, but not for ever
    auto start = Clock::now();
    Fault fault = kNone;
    int fd = open_connection(target, fault);
    size_t bytes = 0;
    if (fd >= 0) {
      fault = ask(fd, true, bytes);
      ::close(fd);
    }
    note_time(counters, start);
    ++counters.fresh[fault];
  }
}

bool is_closed(int fd) {
  char c;
  ssize_t n = ::recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN);
}

// As HTTP clients with pooled connections do: a connection found closed is replaced, and a GET that got no
// byte on a connection that was used before is asked once more on a fresh one.
void ask_forever(const Target& target, Counters& counters) {
  int fd = -1;
  bool used = false;
  while (true) {
    std::this_thread::sleep_for(milliseconds(10));
    auto start = Clock::now();
    Fault fault = kNone;
    if (fd >= 0 && is_closed(fd)) {
      ::close(fd);
      fd = -1;
      ++counters.reopened;
    }
    for (int attempt = 0; attempt < 2; ++attempt) {
      if (fd < 0) {
        used = false;
        fault = kNone;
        fd = open_connection(target, fault);
        if (fd < 0) break;
      }
      size_t bytes = 0;
      fault = ask(fd, false, bytes);
      if (fault == kNone) break;
      ::close(fd);
      fd = -1;
      if (!used || bytes > 0 || fault == kTimeout) break;
      ++counters.repeated;
    }
    used = fault == kNone;
    note_time(counters, start);
    ++counters.kept[fault];
  }
}

int load(const char* host, int port, int rate, int kept) {
  Target target;
  target.address.sin_family = AF_INET;
  target.address.sin_port = htons(static_cast<uint16_t>(port));
  if (::inet_pton(AF_INET, host, &target.address.sin_addr) != 1) return 2;
  static Counters counters;
  constexpr int kOpeners = 25;
  if (rate > 0) {
    microseconds every(1'000'000L * kOpeners / rate);
    for (int i = 0; i < kOpeners; ++i)
      std::thread(open_forever, target, std::ref(counters), every, every * i / kOpeners).detach();
  }
  for (int i = 0; i < kept; ++i) std::thread(ask_forever, target, std::ref(counters)).detach();
  ::signal(SIGTERM, [](int) { ::_exit(0); });
  while (true) {
    std::this_thread::sleep_for(milliseconds(200));
    std::string line = "{";
    for (int i = 0; i < kFaults; ++i) {
      line += "\"fresh_" + std::string(kFaultNames[i]) +
              "\":" + std::to_string(counters.fresh[static_cast<size_t>(i)]) + ",";
      line += "\"kept_" + std::string(kFaultNames[i]) +
              "\":" + std::to_string(counters.kept[static_cast<size_t>(i)]) + ",";
    }
    line += "\"reopened\":" + std::to_string(counters.reopened) +
            ",\"repeated\":" + std::to_string(counters.repeated) +
            ",\"slowest_ms\":" + std::to_string(counters.slowest_us.exchange(0) / 1000) + "}";
    std::puts(line.c_str());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "serve") == 0) return serve(std::atoi(argv[2]));
  if (argc == 6 && std::strcmp(argv[1], "load") == 0)
    return load(argv[2], std::atoi(argv[3]), std::atoi(argv[4]), std::atoi(argv[5]));
  std::fputs(
      "usage: rolling_pod serve PORT | rolling_pod load HOST PORT NEW_PER_SECOND KEEPALIVE_CONNECTIONS\n",
      stderr);
  return 2;
}
