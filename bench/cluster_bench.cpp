// Measures a whole cluster as its users meet it, over HTTPS with client certificates: start, idle cost, durable creates,
// pods, and the first answer of a new Service. Prints one line per figure. Needs root; every cluster is isolated.
//   cluster_bench SAMPAN BUSYBOX.tar [up idle create pods service]
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "../tests/support/cluster.hpp"
#include "base/strings.hpp"
#include "client/client.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using base::Array;
using base::Object;
using base::Value;

std::unique_ptr<support::Cluster> cluster;
std::string image;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void print_spread(std::string_view what, std::vector<double> ms) {
  if (ms.empty()) return;
  std::sort(ms.begin(), ms.end());
  auto at = [&](double q) { return ms[std::min(ms.size() - 1, static_cast<size_t>(q * static_cast<double>(ms.size())))]; };
  fmt::print("{:<44} min {:.1f}  p50 {:.1f}  p99 {:.1f}  max {:.1f} ms  (n={})\n", what, ms.front(), at(0.5), at(0.99),
             ms.back(), ms.size());
  std::fflush(stdout);
}

void must(bool done, std::string_view what) {
  if (done) return;
  fmt::print(stderr, "error: {}: {}\n", what, cluster->output());
  cluster.reset();
  std::exit(1);
}

void up() { must(cluster->up(), "sampan up"); }
void down() { must(cluster->down(), "sampan down"); }
void import_image() { must(cluster->command("image import " + image), "sampan image import"); }

client::Client make_client() {
  return client::Client(client::make_http_transport(cluster->client_config()), "cluster_bench");
}

template <class T>
T must(base::Result<T> result) {
  if (result) return std::move(*result);
  must(false, result.error().message);
  std::abort();
}

void bench_up() {
  std::vector<double> times;
  for (int i = 0; i < 10; ++i) {
    auto start = Clock::now();
    up();
    times.push_back(ms_since(start));
    down();
  }
  print_spread("sampan up, from nothing to Ready", times);
}

// user+system time of the process in clock ticks.
long cpu_ticks(int pid) {
  std::string stat = support::slurp("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream rest(stat.substr(stat.rfind(')') + 1));
  std::string word;
  long ticks = 0;
  for (int field = 3; rest >> word; ++field) {
    if (field == 14 || field == 15) ticks += std::atol(word.c_str());
  }
  return ticks;
}

long resident_kib(int pid, std::string_view key) {
  std::istringstream in(support::slurp("/proc/" + std::to_string(pid) + "/smaps_rollup"));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) return std::atol(line.c_str() + key.size());
  }
  return 0;
}

void bench_idle() {
  up();
  std::this_thread::sleep_for(std::chrono::seconds(5));
  int pid = cluster->pid();
  long before = cpu_ticks(pid);
  auto start = Clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(60));
  double seconds = ms_since(start) / 1000;
  double cpu = static_cast<double>(cpu_ticks(pid) - before) / static_cast<double>(sysconf(_SC_CLK_TCK));
  fmt::print("{:<44} {:.1f} MiB resident, {:.1f} MiB proportional\n", "idle, no pods", static_cast<double>(resident_kib(pid, "Rss:")) / 1024,
             static_cast<double>(resident_kib(pid, "Pss:")) / 1024);
  fmt::print("{:<44} {:.3f} % of a core over {:.0f} s\n", "idle, no pods", 100 * cpu / seconds, seconds);
  std::fflush(stdout);
  down();
}

void bench_create() {
  up();
  for (int threads : {1, 16, 64}) {
    std::atomic<bool> stop{false};
    std::vector<std::vector<double>> times(static_cast<size_t>(threads));
    std::vector<std::thread> workers;
    auto start = Clock::now();
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        auto api = make_client();
        std::string payload(256, 'x');
        for (int i = 0; !stop; ++i) {
          Value object = Object{{"apiVersion", "v1"},
                                {"kind", "ConfigMap"},
                                {"metadata", Object{{"name", fmt::format("c-{}-{}-{}", threads, t, i)}}},
                                {"data", Object{{"k", payload}}}};
          auto begin = Clock::now();
          must(api.create({"", "v1", "configmaps", "default"}, object));
          times[static_cast<size_t>(t)].push_back(ms_since(begin));
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::seconds(5));
    stop = true;
    for (auto& worker : workers) worker.join();
    double seconds = ms_since(start) / 1000;
    std::vector<double> all;
    for (auto& part : times) all.insert(all.end(), part.begin(), part.end());
    fmt::print("{:<44} {:.0f}/s\n", fmt::format("durable creates, {} clients", threads), static_cast<double>(all.size()) / seconds);
    print_spread(fmt::format("  one create, {} clients", threads), all);
  }
  down();
}

Value busybox_pod(const std::string& name, const std::string& command) {
  return Object{{"apiVersion", "v1"},
                {"kind", "Pod"},
                {"metadata", Object{{"name", name}, {"labels", Object{{"app", "bench"}}}}},
                {"spec", Object{{"terminationGracePeriodSeconds", 0},
                                {"containers", Array{Object{{"name", "c"},
                                                            {"image", "busybox"},
                                                            {"imagePullPolicy", "IfNotPresent"},
                                                            {"command", Array{"sh", "-c", command}}}}}}}};
}

bool running(const Value& pod) { return pod.at({"status", "phase"}).as_string() == "Running"; }

void bench_pods() {
  up();
  import_image();
  auto api = make_client();
  client::Resource pods{"", "v1", "pods", "default"};
  std::string version(must(api.list(pods)).at({"metadata", "resourceVersion"}).as_string());
  auto watch = must(api.watch(pods, {.resource_version = version}));
  std::vector<double> times;
  for (int i = 0; i < 30; ++i) {
    std::string name = fmt::format("one-{}", i);
    auto start = Clock::now();
    must(api.create(pods, busybox_pod(name, "sleep 1000")));
    while (true) {
      auto event = must(watch->next());
      if (event.object.at({"metadata", "name"}).as_string() == name && running(event.object)) break;
    }
    times.push_back(ms_since(start));
  }
  print_spread("pod created -> Running seen by a watch", times);
  auto start = Clock::now();
  for (int i = 0; i < 40; ++i) must(api.create(pods, busybox_pod(fmt::format("many-{}", i), "sleep 1000")));
  std::set<std::string> seen;
  while (seen.size() < 40) {
    auto event = must(watch->next());
    std::string name(event.object.at({"metadata", "name"}).as_string());
    if (name.starts_with("many-") && running(event.object)) seen.insert(name);
  }
  fmt::print("{:<44} {:.0f} ms\n", "40 pods at once -> all Running", ms_since(start));
  watch->cancel();
  down();
}

bool answers(const std::string& ip, int port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  ::inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  timeval limit{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  bool ok = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  if (ok) {
    std::string request = "GET / HTTP/1.0\r\n\r\n";
    char byte;
    ok = ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0 && ::recv(fd, &byte, 1, 0) == 1;
  }
  ::close(fd);
  return ok;
}

// POST of the Service sent -> the first HTTP answer through its cluster IP, from the node's namespace.
void bench_service() {
  up();
  import_image();
  auto api = make_client();
  client::Resource pods{"", "v1", "pods", "default"}, services{"", "v1", "services", "default"};
  must(api.create(pods, busybox_pod("web", "mkdir -p /www; echo hello >/www/index.html; exec httpd -f -p 8080 -h /www")));
  while (!running(must(api.get(pods, "web")))) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  std::vector<double> times;
  for (int i = 0; i < 30; ++i) {
    Value service = Object{{"apiVersion", "v1"},
                           {"kind", "Service"},
                           {"metadata", Object{{"name", fmt::format("web-{}", i)}}},
                           {"spec", Object{{"selector", Object{{"app", "bench"}}},
                                           {"ports", Array{Object{{"port", 80}, {"targetPort", 8080}}}}}}};
    auto start = Clock::now();
    auto created = must(api.create(services, service));
    std::string ip(created.at({"spec", "clusterIP"}).as_string());
    // Only this thread enters the node's namespace: the API's loopback port belongs to the host's.
    std::thread probe([&] {
      int fd = ::open(("/run/netns/sampan-" + cluster->name()).c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0 || ::setns(fd, CLONE_NEWNET) != 0) {
        fmt::print(stderr, "error: cannot enter the node's network namespace\n");
        std::exit(1);
      }
      ::close(fd);
      while (!answers(ip, 80)) {
        if (ms_since(start) < 10'000) continue;
        fmt::print(stderr, "error: the Service did not answer within 10 s\n");
        std::exit(1);
      }
    });
    probe.join();
    times.push_back(ms_since(start));
  }
  print_spread("Service created -> first answer by its IP", times);
  down();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: cluster_bench SAMPAN BUSYBOX.tar [up idle create pods service]\n");
    return 2;
  }
  cluster = std::make_unique<support::Cluster>(argv[1], "bench");
  image = argv[2];
  std::set<std::string> wanted(argv + 3, argv + argc);
  auto want = [&](const char* name) { return wanted.empty() || wanted.contains(name); };
  if (want("up")) bench_up();
  if (want("idle")) bench_idle();
  if (want("create")) bench_create();
  if (want("pods")) bench_pods();
  if (want("service")) bench_service();
  cluster.reset();
}
