// Many watches of one collection while it changes: every change must reach each of them once and in order, and soon.
// All watches are read by one thread, each over a connection of its own.
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "api_load.hpp"
#include "base/strings.hpp"
#include "net/wire.hpp"

namespace bench {

namespace {

constexpr int kWriters = 10;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

std::string object_json(int writer, int64_t turn) {
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"w-{}"}},"data":{{"payload":"{}","sent":"{}","turn":"{}"}}}})",
      writer, std::string(256, 'x'), now_ns(), turn);
}

// One client: takes the stream apart and keeps book.
struct Follower {
  std::unique_ptr<net::Wire> wire;
  net::Http1Parser parser{net::Http1Parser::Kind::response, {.max_body = UINT64_MAX}};
  std::string rest;  // the beginning of a line
  int64_t turns[kWriters] = {};
  int64_t version = 0;
  int64_t events = 0;
  std::string wrong;
};

void take_line(Follower& follower, std::string_view line, int64_t now, Spread& latency) {
  if (!line.starts_with("{\"type\":\"MODIFIED\"")) {
    if (!line.starts_with("{\"type\":\"BOOKMARK\"")) follower.wrong = "an event that nobody caused: " + std::string(line.substr(0, 200));
    return;
  }
  auto number = [&](std::string_view name) { return base::parse_int(member_text(line, name)).value_or(-1); };
  auto name = member_text(line, "name");
  auto writer = name.starts_with("w-") ? base::parse_int(name.substr(2)).value_or(-1) : -1;
  if (writer < 0 || writer >= kWriters) {
    follower.wrong = "an event of something else: " + std::string(line.substr(0, 200));
    return;
  }
  auto turn = number("turn"), version = number("resourceVersion");
  auto& last = follower.turns[writer];
  if (turn != last + 1) follower.wrong = fmt::format("after change {} of {} comes change {}", last, name, turn);
  if (version <= follower.version) follower.wrong = fmt::format("after revision {} comes {}", follower.version, version);
  last = turn;
  follower.version = version;
  ++follower.events;
  latency.add(static_cast<double>(now - number("sent")) / 1e6);
}

// Reads all that is there.
void read_some(Follower& follower, std::vector<char>& buffer, Spread& latency) {
  for (;;) {
    size_t got = 0;
    auto state = follower.wire->channel().read(buffer.data(), buffer.size(), got);
    if (state == net::Io::want_read) return;
    if (state != net::Io::ok || got == 0) {
      follower.wrong = "the connection ended";
      return;
    }
    auto now = now_ns();
    std::string_view bytes(buffer.data(), got);
    while (!bytes.empty() && !follower.parser.failed() && !follower.parser.complete()) {
      bytes.remove_prefix(follower.parser.feed(bytes));
    }
    if (follower.parser.failed() || follower.parser.complete()) {
      follower.wrong = "the stream ended: " + follower.parser.error_text();
      return;
    }
    follower.rest += std::exchange(follower.parser.body(), {});
    size_t begin = 0;
    for (auto end = follower.rest.find('\n'); end != std::string::npos; end = follower.rest.find('\n', begin)) {
      take_line(follower, std::string_view(follower.rest).substr(begin, end - begin), now, latency);
      begin = end + 1;
    }
    follower.rest.erase(0, begin);
  }
}

void open_watch(Follower& follower, const net::ClientConfig& config, SSL_CTX* tls, const std::string& path,
                std::string_view version) {
  auto must = [](base::Result<void> done) {
    if (!done) throw Failed("opening a watch: " + done.error().message);
  };
  auto deadline = net::deadline_in(60'000);
  auto dialled = net::Wire::dial(config, tls);
  if (!dialled) throw Failed("opening a watch: " + dialled.error().message);
  follower.wire = std::move(*dialled);
  net::Request request;
  request.method = "GET";
  request.path = path;
  request.query.add("watch", "true");
  request.query.add("allowWatchBookmarks", "true");
  request.query.add("resourceVersion", std::string(version));
  request.headers.add("Accept", "application/json");
  must(net::send_request(*follower.wire, config, request, deadline));
  must(net::read_response(*follower.wire, follower.parser, false, false, deadline));
  if (follower.parser.status() != 200) throw Failed(fmt::format("a watch is answered {}", follower.parser.status()));
  if (!follower.wire->leftover.empty()) throw Failed("a watch begins with events of the past");
}

// Each writes its object at its part of the rate, whether or not the last change took long.
struct Writers {
  std::vector<std::jthread> threads;
  std::atomic<int64_t> written{0};
  std::atomic<bool> over{false};
  std::atomic<int> running{kWriters};
  Spread latency[kWriters];
  std::string failures[kWriters];

  void start(const ApiServer& server, const Settings& settings, const std::string& path) {
    auto pause = std::chrono::nanoseconds(1'000'000'000LL * kWriters / settings.rate);
    auto begin = Clock::now() + std::chrono::milliseconds(100);
    for (int w = 0; w < kWriters; ++w) {
      threads.emplace_back([this, &server, &settings, path, pause, begin, w] {
        try {
          auto http = server.client();
          auto next = begin + pause * w / kWriters;
          auto end = begin + std::chrono::seconds(settings.seconds);
          for (int64_t turn = 1; next < end && !over; ++turn, next += pause) {
            std::this_thread::sleep_until(next);
            auto sent = Clock::now();
            send(*http, {.method = "PUT", .path = fmt::format("{}/w-{}", path, w), .body = object_json(w, turn)});
            latency[w].add(seconds_since(sent) * 1000);
            ++written;
          }
        } catch (const std::exception& e) {
          failures[w] = e.what();
        }
        --running;
      });
    }
  }
};

// Makes the objects; returns the revision to watch from.
std::string prepare(const ApiServer& server, const std::string& path) {
  auto http = server.client();
  for (int w = 0; w < kWriters; ++w) {
    send(*http, {.method = "POST", .path = path, .body = object_json(w, 0)}, 201);
  }
  auto list = base::parse_json(body_of(send(*http, {.method = "GET", .path = path})));
  if (!list) throw Failed("the list is no JSON");
  return std::string(list->at({"metadata", "resourceVersion"}).as_string());
}

void allow_files(int count) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, static_cast<rlim_t>(count) + 200);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

struct Poller {
  int fd = ::epoll_create1(EPOLL_CLOEXEC);
  ~Poller() { ::close(fd); }
  void add(Follower& follower) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &follower;
    if (::epoll_ctl(fd, EPOLL_CTL_ADD, follower.wire->fd(), &event) != 0) throw Failed("epoll_ctl failed");
  }
};

// Until everything that was written has come everywhere, or ten seconds after the last write.
void follow(std::vector<Follower>& followers, const Poller& poller, Writers& writers, Spread& latency) {
  std::vector<char> buffer(128 << 10);
  std::vector<epoll_event> ready(256);
  auto deadline = Clock::time_point::max();
  for (;;) {
    int n = ::epoll_wait(poller.fd, ready.data(), static_cast<int>(ready.size()), 100);
    for (int i = 0; i < n; ++i) {
      auto& follower = *static_cast<Follower*>(ready[static_cast<size_t>(i)].data.ptr);
      read_some(follower, buffer, latency);
      if (!follower.wrong.empty()) return;
    }
    if (writers.running > 0) continue;
    if (deadline == Clock::time_point::max()) deadline = Clock::now() + std::chrono::seconds(10);
    int64_t all = writers.written;
    if (std::ranges::all_of(followers, [all](const Follower& f) { return f.events == all; })) return;
    if (Clock::now() >= deadline) return;
  }
}

}  // namespace

void bench_watch(ApiServer& server, const Settings& settings) {
  print_title(fmt::format("watch: {} watchers, each over TLS of its own, {} changes per second for {} s", settings.watchers,
                          settings.rate, settings.seconds));
  allow_files(settings.watchers);
  std::string path = fmt::format("/api/v1/namespaces/{}/configmaps", server.make_namespace("watches"));
  auto version = prepare(server, path);
  auto tls = net::make_client_context(server.config());
  if (!tls) throw Failed(tls.error().message);
  std::vector<Follower> followers(static_cast<size_t>(settings.watchers));
  Poller poller;
  double memory = server.anonymous_bytes(), cpu = server.measurable() ? server.cpu_seconds() : 0;
  auto start = Clock::now();
  for (auto& follower : followers) {
    open_watch(follower, server.config(), tls->get(), path, version);
    poller.add(follower);
  }
  double opening = seconds_since(start);
  double count = static_cast<double>(settings.watchers);
  double opening_cpu = server.measurable() ? server.cpu_seconds() - cpu : 0;
  fmt::print("  {:<44} {:.2f} s, server {:.2f} CPU s, {:.1f} KiB of memory each\n", "opening them, one after the other",
             opening, opening_cpu, (server.anonymous_bytes() - memory) / 1024 / count);
  std::fflush(stdout);

  Writers writers;
  Spread latency;
  double own = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  cpu = server.measurable() ? server.cpu_seconds() : 0;
  start = Clock::now();
  writers.start(server, settings, path);
  follow(followers, poller, writers, latency);
  double took = seconds_since(start);
  double used = server.measurable() ? server.cpu_seconds() - cpu : 0;
  own = static_cast<double>(std::clock()) / CLOCKS_PER_SEC - own;
  writers.over = true;
  writers.threads.clear();
  for (const auto& failure : writers.failures) {
    if (!failure.empty()) throw Failed("a change failed: " + failure);
  }
  int64_t missing = 0;
  for (const auto& follower : followers) {
    if (!follower.wrong.empty()) throw Failed("watch: " + follower.wrong);
    missing += writers.written - follower.events;
  }
  Spread acknowledged;
  for (const auto& part : writers.latency) acknowledged.add(part);
  double delivered = static_cast<double>(latency.count());
  fmt::print("  {:<44} {:.0f}/s written, {:.0f}/s delivered; missing {}\n", "changes", static_cast<double>(writers.written) / took,
             delivered / took, missing);
  fmt::print("  {:<44} p50 {:.2f} ms  p99 {:.2f} ms  max {:.1f} ms\n", "request sent -> event read by a watcher",
             latency.at(0.5), latency.at(0.99), latency.at(1));
  fmt::print("  {:<44} p50 {:.2f} ms  p99 {:.2f} ms  max {:.1f} ms\n", "request sent -> its answer", acknowledged.at(0.5),
             acknowledged.at(0.99), acknowledged.at(1));
  fmt::print("  {:<44} {:.1f} CPU s in {:.1f} s: {:.1f} us per delivery (this program: {:.1f} CPU s)\n", "server", used, took,
             used / delivered * 1e6, own);
  std::fflush(stdout);
  if (missing != 0) throw Failed("watch: events are missing");
}

}  // namespace bench
