#include "world.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <thread>

#include "sys/fd.hpp"
#include "sys/namespaces.hpp"
#include "sys/process.hpp"

namespace packets {

namespace {

constexpr int kTcpPorts[] = {8080, 8081, 9090};
constexpr int kUdpPorts[] = {5353, 53};
// How long "nothing comes" takes; everything else answers in microseconds.
constexpr int kSilenceMs = 400;

sockaddr_in socket_address(const std::string& ip, int port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, ip.c_str(), &a.sin_addr);
  return a;
}
std::string ip_of(const sockaddr_in& a) {
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &a.sin_addr, text, sizeof text);
}

base::Result<void> ip(const std::string& arguments) {
  sys::Spawn what;
  what.argv = {"/bin/sh", "-c", "PATH=/usr/sbin:/usr/bin:/sbin:/bin; " + arguments};
  TRY(auto out, sys::run(what, std::chrono::seconds(20)));
  if (out.status.code != 0) return base::fail(base::Reason::internal_error, arguments + ": " + out.err);
  return {};
}

class RealFlow final : public UdpFlow {
 public:
  explicit RealFlow(sys::Fd fd) : fd_(std::move(fd)) {}
  std::string ask() override {
    char answer[128];
    while (::recv(fd_.get(), answer, sizeof answer, MSG_DONTWAIT) > 0) {  // answers that came late
    }
    (void)!::send(fd_.get(), "?", 1, MSG_NOSIGNAL);
    pollfd poll{fd_.get(), POLLIN, 0};
    if (::poll(&poll, 1, kSilenceMs) == 0) return "";
    auto n = ::recv(fd_.get(), answer, sizeof answer, MSG_DONTWAIT);
    std::string text(answer, n > 0 ? static_cast<size_t>(n) : 0);
    return text.substr(0, text.find(' '));
  }

 private:
  sys::Fd fd_;
};

class RealWorld final : public World {
 public:
  ~RealWorld() override {
    stop_ = true;
    threads_.clear();
    for (auto& [host, fd] : namespaces_) fd.reset();
    for (const auto& name : made_) (void)ip("ip netns del " + name);
  }

  base::Result<void> set_up() {
    static std::atomic<int> worlds{0};
    auto id = fmt::format("test-{}-{}-", ::getpid(), ++worlds);
    CHECK_OK(add_namespace("node", id + "node"));
    std::string node = id + "node";
    CHECK_OK(ip(fmt::format("ip netns exec {} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'", node)));
    for (int n = 1; n <= kPods; ++n) {
      auto host = fmt::format("pod{}", n);
      CHECK_OK(connect(node, id + host, host, fmt::format("p{}", n)));
    }
    CHECK_OK(connect(node, id + "outside", "outside", "out"));
    // The node's own address, and its way to whatever is not a pod.
    CHECK_OK(ip(fmt::format("ip -n {0} addr add 192.0.2.1/32 dev lo && ip -n {0} route add default via inet "
                            "192.0.2.2 dev out onlink src 192.0.2.1",
                            node)));
    for (int n = 1; n <= kPods; ++n) CHECK_OK(serve(fmt::format("pod{}", n)));
    return {};
  }

  int node_namespace() const override { return namespaces_.at("node").get(); }

  base::Result<Seen> send(const std::string& host, const std::string& to, proxy::Protocol protocol,
                          int port) override {
    Seen seen;
    CHECK_OK(sys::inside_netns(namespaces_.at(host).get(), [&]() -> base::Result<void> {
      bool tcp = protocol == proxy::Protocol::tcp;
      sys::Fd fd(::socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      auto address = socket_address(to, port);
      int done = ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
      if (done != 0 && errno != EINPROGRESS) return fate(errno, tcp, seen);
      if (!tcp) (void)!::send(fd.get(), "?", 1, MSG_NOSIGNAL);
      pollfd poll{fd.get(), POLLIN, 0};
      char answer[128];
      if (::poll(&poll, 1, kSilenceMs) == 0) return fate(ETIMEDOUT, tcp, seen);
      auto n = ::recv(fd.get(), answer, sizeof answer, 0);
      if (n < 0) return fate(errno, tcp, seen);
      std::string text(answer, static_cast<size_t>(n));
      auto blank = text.find(' ');
      if (blank == std::string::npos) return base::fail(base::Reason::internal_error, "a short answer");
      seen = {proxy::Verdict::Kind::forward, text.substr(0, blank), text.substr(blank + 1)};
      return {};
    }));
    return seen;
  }

  base::Result<std::unique_ptr<UdpFlow>> open_udp_flow(const std::string& host, const std::string& to,
                                                       int port) override {
    sys::Fd fd;
    CHECK_OK(sys::inside_netns(namespaces_.at(host).get(), [&]() -> base::Result<void> {
      fd.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      auto address = socket_address(to, port);
      if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return std::unexpected(base::errno_error("connect", errno));
      return {};
    }));
    return std::make_unique<RealFlow>(std::move(fd));
  }

 private:
  static base::Result<void> fate(int error, bool tcp, Seen& seen) {
    using Kind = proxy::Verdict::Kind;
    if (error == ECONNREFUSED) seen.kind = tcp ? Kind::reset : Kind::unreachable;
    else if (error == ETIMEDOUT) seen.kind = Kind::drop;
    else return std::unexpected(base::errno_error("send a packet", error));
    return {};
  }

  base::Result<void> add_namespace(const std::string& host, const std::string& name) {
    CHECK_OK(ip("ip netns add " + name + " && ip -n " + name + " link set lo up"));
    made_.push_back(name);
    TRY(auto fd, sys::open_netns("/run/netns/" + name));
    namespaces_.emplace(host, std::move(fd));
    return {};
  }

  // A veth pair without addresses on the node's side: routes only, as the node agent makes them.
  base::Result<void> connect(const std::string& node, const std::string& name, const std::string& host,
                             const std::string& link) {
    CHECK_OK(add_namespace(host, name));
    auto address = address_of(host);
    return ip(fmt::format(
        "ip -n {0} link add {2} type veth peer name eth0 netns {1} && ip -n {1} addr add {3}/32 dev eth0 && "
        "ip -n {1} link set eth0 up && ip -n {0} link set {2} up && ip -n {0} route add {3}/32 dev {2} && "
        "ip -n {1} route add default via 192.0.2.1 dev eth0 onlink",
        node, name, link, address));
  }

  base::Result<void> serve(const std::string& host) {
    std::vector<std::pair<int, int>> sockets;  // fd, port
    CHECK_OK(sys::inside_netns(namespaces_.at(host).get(), [&]() -> base::Result<void> {
      auto open = [&](int type, int port) -> base::Result<void> {
        int fd = ::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int one = 1;
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        auto a = socket_address("0.0.0.0", port);
        if (::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0 ||
            (type == SOCK_STREAM && ::listen(fd, 64) != 0))
          return std::unexpected(base::errno_error("serve", errno));
        sockets.emplace_back(fd, port);
        return {};
      };
      for (int port : kTcpPorts) CHECK_OK(open(SOCK_STREAM, port));
      for (int port : kUdpPorts) CHECK_OK(open(SOCK_DGRAM, port));
      return {};
    }));
    threads_.emplace_back([this, sockets, me = address_of(host)] { answer(sockets, me); });
    return {};
  }

  void answer(const std::vector<std::pair<int, int>>& sockets, const std::string& me) {
    std::vector<pollfd> polls;
    for (auto [fd, port] : sockets) polls.push_back({fd, POLLIN, 0});
    while (!stop_) {
      ::poll(polls.data(), polls.size(), 50);
      for (size_t i = 0; i < polls.size(); ++i) {
        if (!(polls[i].revents & POLLIN)) continue;
        auto [fd, port] = sockets[i];
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        char byte;
        bool udp = ::recvfrom(fd, &byte, 1, 0, reinterpret_cast<sockaddr*>(&peer), &size) == 1;
        sys::Fd connection(udp ? -1 : ::accept4(fd, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
        auto text = fmt::format("{}:{} {}", me, port, ip_of(peer));
        if (udp) (void)!::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
        else if (connection) (void)!::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL);
      }
    }
    for (auto [fd, port] : sockets) ::close(fd);
  }

  std::map<std::string, sys::Fd> namespaces_;
  std::vector<std::string> made_;
  std::atomic<bool> stop_{false};
  std::vector<std::jthread> threads_;
};

}  // namespace

std::string address_of(const std::string& host) {
  if (host == "node") return "192.0.2.1";
  if (host == "outside") return "192.0.2.2";
  return "10.244.0.1" + host.substr(3);
}

base::Result<std::unique_ptr<World>> World::make() {
  auto world = std::make_unique<RealWorld>();
  CHECK_OK(world->set_up());
  return world;
}

}  // namespace packets
