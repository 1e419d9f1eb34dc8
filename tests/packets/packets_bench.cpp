// Figures of the packet path: loading N Services x 4 endpoints into the kernel, changing one, and what a connection
// through a Service costs with so many of them. Needs root; prints one line per size.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "proxy/nft/apply.hpp"
#include "proxy/nft/render.hpp"
#include "sys/fd.hpp"
#include "sys/namespaces.hpp"
#include "world.hpp"

namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

template <class T>
T need(base::Result<T> result) {
  if (result) return std::move(*result);
  fmt::print(stderr, "error: {}\n", result.error().message);
  std::exit(1);
}
void need(base::Result<void> result) {
  if (result) return;
  fmt::print(stderr, "error: {}\n", result.error().message);
  std::exit(1);
}

// Median of many connects, in microseconds: the handshake and nothing else.
double connect_us(packets::World& world, const std::string& ip, int port) {
  std::vector<double> times;
  need(sys::inside_netns(world.node_namespace(), [&]() -> base::Result<void> {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
    for (int i = 0; i < 2000; ++i) {
      sys::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      linger reset{1, 0};  // no TIME_WAIT: the ports do not run out
      ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      auto begin = Clock::now();
      if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return std::unexpected(base::errno_error("connect", errno));
      times.push_back(ms_since(begin) * 1000);
    }
    return {};
  }));
  std::nth_element(times.begin(), times.begin() + 1000, times.end());
  return times[1000];
}

proxy::Table table_of(int services, const std::string& pod) {
  proxy::Table table;
  for (int n = 1; n <= services; ++n) {
    proxy::Route route;
    for (int e = 0; e < 4; ++e) route.endpoints.push_back({*proxy::parse_address(pod), static_cast<uint16_t>(e == 0 ? 8080 : 8080 + e), false});
    if (n == 1) route.endpoints.resize(1);
    table.routes[{proxy::plus(*proxy::parse_address("10.96.0.0"), static_cast<uint32_t>(n)), proxy::Protocol::tcp, 80}] =
        std::make_shared<const proxy::Route>(std::move(route));
  }
  return table;
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a line is worth reading also when the next one takes minutes
  auto world = need(packets::World::make());
  auto runner = need(proxy::nft::Runner::find(world->node_namespace()));
  proxy::nft::Layout layout;
  layout.networks = {{*proxy::parse_network("10.244.0.0/16")}, {*proxy::parse_network("10.96.0.0/12")}};
  auto pod = packets::address_of("pod1");
  fmt::print("no rules at all: connect to the pod {:.1f} us\n", connect_us(*world, pod, 8080));
  for (int services : {1, 100, 1'000, 10'000, 50'000}) {
    auto table = table_of(services, pod);
    auto begin = Clock::now();
    auto script = render_rebuild(layout, table);
    auto rendered = ms_since(begin);
    need(runner.apply(script.script));
    auto loaded = ms_since(begin);
    auto after = table;
    auto& last = after.routes.rbegin()->second;
    proxy::Route changed = *last;
    changed.endpoints.back().port = 9090;
    last = std::make_shared<const proxy::Route>(changed);
    begin = Clock::now();
    auto change = render_change(layout, script.shared, difference(table, after));
    auto planned = ms_since(begin);
    need(runner.apply(change));
    auto applied = ms_since(begin);
    fmt::print("{:6} Services: load {:7.1f} ms (text {:.1f}), one change {:.2f} ms (text {:.2f}), connect by Service {:.1f} us, "
               "to the pod {:.1f} us\n",
               services, loaded, rendered, applied, planned, connect_us(*world, "10.96.0.1", 80), connect_us(*world, pod, 8080));
  }
}
