// Figures of the socket programs: what connect() costs with 1 to 1,000,000 Services beside no programs at all, in one run;
// loading N Services x 4 endpoints, one change, and the memory that they take. Needs root; works in a network namespace
// of its own, and nobody else's sockets are touched.
//   dataplane_bench [SERVICES...]
#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/strings.hpp"
#include "proxy/bpf/dataplane.hpp"
#include "sys/fd.hpp"
#include "sys/fs.hpp"
#include "sys/namespaces.hpp"
#include "sys/process.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using proxy::Address;

constexpr uint32_t kEndpoint = 0x0af4000b;      // 10.244.0.11, the one that is there
constexpr uint32_t kFirstService = 0x0a600001;  // 10.96.0.1 and upwards; the last one is measured

double ms_since(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

template <class T>
T need(base::Result<T> result) {
  if (!result) {
    fmt::print(stderr, "error: {}\n", result.error().message);
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

sockaddr_in socket_address(uint32_t ip, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(ip);
  return out;
}

struct Cost {
  double datagram_ns = 0;  // connect() of a UDP socket: no packet, so nothing but the decision
  double stream_us = 0;    // connect() of a TCP socket: the handshake over loopback
};

// The best of many rounds: the machine has other things to do as well.
Cost connect_cost(uint32_t ip, uint16_t port) {
  auto to = socket_address(ip, port);
  auto* address = reinterpret_cast<sockaddr*>(&to);
  Cost best{1e9, 1e9};
  sys::Fd datagrams(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  for (int round = 0; round < 200; ++round) {
    auto begin = Clock::now();
    for (int i = 0; i < 200; ++i)
      if (::connect(datagrams.get(), address, sizeof to) != 0) return {};
    best.datagram_ns = std::min(best.datagram_ns, ms_since(begin) * 1e6 / 200);
  }
  for (int round = 0; round < 40; ++round) {
    std::vector<double> times;
    for (int i = 0; i < 50; ++i) {
      sys::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      linger reset{1, 0};
      ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      auto begin = Clock::now();
      if (::connect(fd.get(), address, sizeof to) != 0) return {};
      times.push_back(ms_since(begin) * 1000);
    }
    std::nth_element(times.begin(), times.begin() + 25, times.end());
    best.stream_us = std::min(best.stream_us, times[25]);
  }
  return best;
}

proxy::Table table_of(uint32_t services) {
  proxy::Table table;
  for (uint32_t n = 0; n < services; ++n) {
    proxy::Route route;
    route.name = fmt::format("default/s{}", n);
    // All of them lead to what is there, by ports that differ: four endpoints, each of them real.
    for (uint16_t e = 0; e < 4; ++e)
      route.endpoints.push_back({.address = Address::from_v4(n + 1 == services ? kEndpoint : 0x0b000000 + n),
                                 .port = static_cast<uint16_t>(8080 + e)});
    auto shared = std::make_shared<const proxy::Route>(std::move(route));
    table.routes[{Address::from_v4(kFirstService + n), proxy::Protocol::tcp, 80}] = shared;
  }
  proxy::Route dns;
  dns.name = "default/dns";
  dns.endpoints.push_back({.address = Address::from_v4(kEndpoint), .port = 5353});
  table.routes[{Address::from_v4(kFirstService + services - 1), proxy::Protocol::udp, 80}] =
      std::make_shared<const proxy::Route>(std::move(dns));
  return table;
}

// What the kernel says its maps of this process take.
uint64_t map_bytes() {
  uint64_t sum = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    auto text = sys::read_file(entry.path()).value_or("");
    if (!text.contains("map_type:")) continue;
    auto at = text.find("memlock:");
    if (at == std::string::npos) continue;
    if (auto bytes = base::parse_int(base::trim(text.substr(at + 8, text.find('\n', at) - at - 8))))
      sum += static_cast<uint64_t>(*bytes);
  }
  return sum;
}

void listen_on(std::vector<sys::Fd>& out) {
  for (uint16_t port = 8080; port < 8084; ++port) {
    auto at = socket_address(kEndpoint, port);
    out.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(out.back().get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(out.back().get(), 4096) != 0)
      std::perror("listen");
  }
}

void set_up_loopback(int network_namespace) {
  for (const char* arguments : {"link set lo up", "addr add 10.244.0.11/32 dev lo"}) {
    sys::Spawn what;
    what.argv = {"/bin/sh", "-c", std::string("PATH=/usr/sbin:/sbin:/usr/bin:/bin; ip ") + arguments};
    what.network_namespace = network_namespace;
    need(sys::run(what, std::chrono::seconds(10)));
  }
}

void measure(uint32_t services, int network_namespace, const Cost& bare) {
  sys::SystemClock clock;
  proxy::bpf::Place place;
  place.node_namespace = network_namespace;
  auto plane = need(proxy::bpf::make_dataplane(place, clock));
  auto table = table_of(services);
  auto begin = Clock::now();
  need(plane->rebuild(table));
  const double load = ms_since(begin);
  const auto bytes = map_bytes();
  auto changed = table;
  proxy::Route route = *table.routes.begin()->second;
  route.endpoints.pop_back();
  changed.routes.begin()->second = std::make_shared<const proxy::Route>(route);
  auto change = proxy::difference(table, changed);
  begin = Clock::now();
  need(plane->apply(changed, change));
  const double one = ms_since(begin);
  Cost direct, through;
  need(sys::inside_netns(network_namespace, [&]() -> base::Result<void> {
    direct = connect_cost(kEndpoint, 8080);
    through = connect_cost(kFirstService + services - 1, 80);
    return {};
  }));
  fmt::print("{:>9} {:>9.0f} {:>9.2f} {:>11.0f} {:>11.0f} {:>11.0f} {:>10.1f} {:>10.1f} {:>10.1f} {:>8.0f}\n", services, load,
             one, bare.datagram_ns, direct.datagram_ns, through.datagram_ns, bare.stream_us, direct.stream_us,
             through.stream_us, static_cast<double>(bytes) / services);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (::geteuid() != 0) {
    fmt::print(stderr, "error: the socket programs need root\n");
    return 1;
  }
  std::vector<uint32_t> sizes;
  for (int i = 1; i < argc; ++i) sizes.push_back(static_cast<uint32_t>(std::stoul(argv[i])));
  if (sizes.empty()) sizes = {1, 1'000, 10'000, 100'000};
  const std::string path = fmt::format("/tmp/dataplane_bench-{}", ::getpid());
  need(sys::make_netns(path, {}));
  {
    auto fd = need(sys::open_netns(path));
    set_up_loopback(fd.get());
    std::vector<sys::Fd> listeners;
    Cost bare;
    need(sys::inside_netns(fd.get(), [&]() -> base::Result<void> {
      listen_on(listeners);
      return {};
    }));
    std::atomic<bool> stop{false};
    std::vector<std::jthread> servers;
    for (auto& listener : listeners)
      servers.emplace_back([&stop, fd = listener.get()] {
        while (!stop) sys::Fd(::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC));
      });
    need(sys::inside_netns(fd.get(), [&]() -> base::Result<void> {
      bare = connect_cost(kEndpoint, 8080);
      return {};
    }));
    fmt::print("Services x 4 endpoints; ms to load and for one change; connect(): UDP in ns, TCP in us, each without programs,\n"
               "with them to no Service, and to a Service; bytes of the maps per Service\n");
    fmt::print("{:>9} {:>9} {:>9} {:>11} {:>11} {:>11} {:>10} {:>10} {:>10} {:>8}\n", "services", "load", "change", "udp bare",
               "udp direct", "udp service", "tcp bare", "tcp direct", "tcp svc", "bytes");
    for (auto services : sizes) measure(services, fd.get(), bare);
    stop = true;
    for (auto& listener : listeners) ::shutdown(listener.get(), SHUT_RDWR);
    servers.clear();
  }
  (void)sys::remove_netns(path);
}
