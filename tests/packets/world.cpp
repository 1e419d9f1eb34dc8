#include "world.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <thread>

#include "sctp.hpp"
#include "sys/fd.hpp"
#include "sys/namespaces.hpp"
#include "sys/process.hpp"

namespace packets {

namespace {

constexpr int kTcpPorts[] = {8080, 8081, 9090};
constexpr int kUdpPorts[] = {5353, 53};
// Ports of no kernel socket: this machine's kernel may know no SCTP, so that the answers are made by hand.
constexpr int kSctpPorts[] = {9999};
// How long "nothing comes" takes; everything else answers in microseconds.
constexpr int kSilenceMs = 250;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

SocketAddress socket_address(const std::string& ip, int port) {
  SocketAddress out;
  auto* four = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, ip.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(static_cast<uint16_t>(port));
    out.size = sizeof *four;
  } else {
    six->sin6_family = AF_INET6;
    inet_pton(AF_INET6, ip.c_str(), &six->sin6_addr);
    six->sin6_port = htons(static_cast<uint16_t>(port));
    out.size = sizeof *six;
  }
  return out;
}
// Of a socket that takes both families.
std::string ip_of(const sockaddr_in6& a) {
  proxy::Address address;
  std::memcpy(address.bytes.data(), &a.sin6_addr, 16);
  return proxy::format_address(address);
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
    CHECK_OK(set(node, "net/ipv4/ip_forward 1", "net/ipv6/conf/all/forwarding 1"));
    for (int n = 1; n <= kPods; ++n) {
      auto host = fmt::format("pod{}", n);
      CHECK_OK(connect(node, id + host, host, fmt::format("p{}", n)));
    }
    CHECK_OK(connect(node, id + "outside", "outside", "out"));
    // The node's own address, and its way to whatever is not a pod.
    CHECK_OK(ip(fmt::format("ip -n {0} addr add 192.0.2.1/32 dev lo && ip -n {0} route add default via inet "
                            "192.0.2.2 dev out onlink src 192.0.2.1",
                            node)));
    CHECK_OK(ip(fmt::format("ip -n {0} addr add {1}/128 dev lo nodad && ip -n {0} -6 route add default via {2} dev out "
                            "onlink src {1}",
                            node, twin("192.0.2.1"), twin("192.0.2.2"))));
    auto strange = address_of("stranger");
    CHECK_OK(ip(fmt::format("ip -n {0} addr add {1}/32 dev eth0 && ip -n {0} addr add {2}/128 dev eth0 nodad preferred_lft 0",
                            id + "outside", strange, twin(strange))));
    namespaces_.emplace("stranger", sys::open_netns("/run/netns/" + id + "outside").value());
    for (int n = 1; n <= kPods; ++n) CHECK_OK(serve(fmt::format("pod{}", n)));
    return {};
  }

  int node_namespace() const override { return namespaces_.at("node").get(); }

  base::Result<void> forget_flows() override {
    struct {
      nlmsghdr header{};
      nfgenmsg family{};
    } all;
    all.header.nlmsg_len = sizeof all;
    all.header.nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;
    all.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    return sys::inside_netns(node_namespace(), [&]() -> base::Result<void> {
      sys::Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
      char answer[256];
      if (::send(fd.get(), &all, sizeof all, 0) < 0 || ::recv(fd.get(), answer, sizeof answer, 0) < 0)
        return std::unexpected(base::errno_error("forget all flows", errno));
      return {};
    });
  }

  base::Result<Seen> send(const std::string& host, const std::string& to, proxy::Protocol protocol, int port,
                          size_t size) override {
    Seen seen;
    CHECK_OK(sys::inside_netns(namespaces_.at(host).get(), [&]() -> base::Result<void> {
      bool tcp = protocol == proxy::Protocol::tcp;
      auto address = socket_address(to, protocol == proxy::Protocol::sctp ? 0 : port);
      sys::Fd fd(open_socket(address.family(), protocol));
      if (!fd) return std::unexpected(base::errno_error("open a socket", errno));
      if (host == "stranger") {
        auto mine = socket_address(address_of(host, address.family() == AF_INET ? proxy::Family::v4 : proxy::Family::v6), 0);
        if (::bind(fd.get(), mine.get(), mine.size) != 0) return std::unexpected(base::errno_error("bind", errno));
      }
      int done = ::connect(fd.get(), address.get(), address.size);
      if (done != 0 && errno != EINPROGRESS) return fate(errno, tcp, seen);
      if (!tcp) {
        auto bytes = first_packet(fd.get(), protocol, port, size);
        // EPERM: the node's own packet was refused or dropped on its way out; which of them is still to be heard.
        if (::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0 && errno != EPERM) return fate(errno, tcp, seen);
      }
      return hear(fd.get(), address.family(), protocol, port, seen);
    }));
    return seen;
  }

  base::Result<std::unique_ptr<UdpFlow>> open_udp_flow(const std::string& host, const std::string& to,
                                                       int port) override {
    sys::Fd fd;
    CHECK_OK(sys::inside_netns(namespaces_.at(host).get(), [&]() -> base::Result<void> {
      auto address = socket_address(to, port);
      fd.reset(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
      if (::connect(fd.get(), address.get(), address.size) != 0)
        return std::unexpected(base::errno_error("connect", errno));
      return {};
    }));
    return std::make_unique<RealFlow>(std::move(fd));
  }

 private:
  static int open_socket(int family, proxy::Protocol protocol) {
    bool four = family == AF_INET;
    int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    switch (protocol) {
      case proxy::Protocol::tcp: return ::socket(family, SOCK_STREAM | flags, 0);
      case proxy::Protocol::udp: return ::socket(family, SOCK_DGRAM | flags, 0);
      case proxy::Protocol::icmp: return ::socket(family, SOCK_DGRAM | flags, four ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6});
      case proxy::Protocol::sctp: return ::socket(family, SOCK_RAW | flags, IPPROTO_SCTP);
    }
    return -1;
  }

  static std::string first_packet(int fd, proxy::Protocol protocol, int port, size_t size) {
    if (protocol == proxy::Protocol::udp) return std::string(size, '?');
    sockaddr_in6 me{};
    socklen_t length = sizeof me;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&me), &length);
    if (protocol == proxy::Protocol::icmp) return std::string({me.sin6_family == AF_INET ? '\x08' : '\x80', 0, 0, 0, 0, 0, 0, 1});
    static std::atomic<uint16_t> source_port{20'000};
    return sctp_init(++source_port, static_cast<uint16_t>(port));
  }

  // What comes back, or that nothing does.
  static base::Result<void> hear(int fd, int family, proxy::Protocol protocol, int port, Seen& seen) {
    bool tcp = protocol == proxy::Protocol::tcp;
    char answer[2048];
    while (true) {
      pollfd poll{fd, POLLIN, 0};
      if (::poll(&poll, 1, kSilenceMs) == 0) return fate(ETIMEDOUT, tcp, seen);
      auto n = ::recv(fd, answer, sizeof answer, 0);
      if (n < 0) return fate(errno, tcp, seen);
      std::string text(answer, static_cast<size_t>(n));
      if (protocol == proxy::Protocol::icmp) {
        seen.kind = proxy::Verdict::Kind::answer;
        return {};
      }
      if (protocol == proxy::Protocol::sctp) {
        // A raw socket hears of all such packets, in IPv4 with their header.
        text = sctp_answer(family == AF_INET ? text.substr(20) : text, static_cast<uint16_t>(port));
        if (text.empty()) continue;
      }
      auto blank = text.find(' ');
      if (blank == std::string::npos) return base::fail(base::Reason::internal_error, "a short answer");
      seen = {proxy::Verdict::Kind::forward, text.substr(0, blank), text.substr(blank + 1)};
      return {};
    }
  }

  static base::Result<void> fate(int error, bool tcp, Seen& seen) {
    using Kind = proxy::Verdict::Kind;
    if (error == ECONNREFUSED) seen.kind = tcp ? Kind::reset : Kind::unreachable;
    else if (error == ETIMEDOUT) seen.kind = Kind::drop;
    else return std::unexpected(base::errno_error("send a packet", error));
    return {};
  }

  // "path value" below /proc/sys.
  template <class... Settings>
  static base::Result<void> set(const std::string& name, Settings... settings) {
    std::string script;
    for (std::string one : {std::string(settings)...}) {
      auto blank = one.find(' ');
      script += fmt::format("echo {} > /proc/sys/{}; ", one.substr(blank + 1), one.substr(0, blank));
    }
    return ip(fmt::format("ip netns exec {} sh -ec '{}'", name, script));
  }

  base::Result<void> add_namespace(const std::string& host, const std::string& name) {
    CHECK_OK(ip("ip netns add " + name + " && ip -n " + name + " link set lo up"));
    made_.push_back(name);
    TRY(auto fd, sys::open_netns("/run/netns/" + name));
    namespaces_.emplace(host, std::move(fd));
    // Pings without privilege; errors as many as there are.
    return set(name, "net/ipv4/ping_group_range \"0 2147483647\"", "net/ipv4/icmp_ratelimit 0", "net/ipv6/icmp/ratelimit 0",
               "net/ipv4/icmp_msgs_per_sec 100000", "net/ipv6/conf/default/accept_dad 0", "net/ipv6/conf/all/accept_dad 0",
               // A port that is used again meets no connection of before.
               "net/ipv4/tcp_max_tw_buckets 0");
  }

  // A veth pair without addresses on the node's side: routes only, as the node agent makes them.
  base::Result<void> connect(const std::string& node, const std::string& name, const std::string& host,
                             const std::string& link) {
    CHECK_OK(add_namespace(host, name));
    auto address = address_of(host);
    CHECK_OK(ip(fmt::format(
        "ip -n {0} link add {2} type veth peer name eth0 netns {1} && ip -n {1} addr add {3}/32 dev eth0 && "
        "ip -n {1} link set eth0 up && ip -n {0} link set {2} up && ip -n {0} route add {3}/32 dev {2} && "
        "ip -n {1} route add default via 192.0.2.1 dev eth0 onlink",
        node, name, link, address)));
    return ip(fmt::format(
        "ip -n {1} addr add {3}/128 dev eth0 nodad && ip -n {0} addr add fe80::1/64 dev {2} nodad && "
        "ip -n {0} -6 route add {3}/128 dev {2} && ip -n {1} -6 route add default via fe80::1 dev eth0",
        node, name, link, twin(address)));
  }

  struct Server {
    int fd = -1;
    int port = 0;
    bool sctp = false;
  };

  base::Result<void> serve(const std::string& host) {
    std::vector<Server> servers;
    CHECK_OK(sys::inside_netns(namespaces_.at(host).get(), [&]() -> base::Result<void> {
      auto open = [&](int type, int port) -> base::Result<void> {
        int fd = ::socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);  // of both families
        int one = 1;
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        auto a = socket_address("::", port);
        if (::bind(fd, a.get(), a.size) != 0 || (type == SOCK_STREAM && ::listen(fd, 64) != 0))
          return std::unexpected(base::errno_error("serve", errno));
        servers.push_back({fd, port});
        return {};
      };
      for (int port : kTcpPorts) CHECK_OK(open(SOCK_STREAM, port));
      for (int port : kUdpPorts) CHECK_OK(open(SOCK_DGRAM, port));
      for (int family : {AF_INET, AF_INET6})
        servers.push_back({::socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_SCTP), 0, true});
      return {};
    }));
    threads_.emplace_back([this, servers, host] { answer(servers, host); });
    return {};
  }

  void answer(const std::vector<Server>& servers, const std::string& host) {
    std::vector<pollfd> polls;
    for (const auto& server : servers) polls.push_back({server.fd, POLLIN, 0});
    while (!stop_) {
      ::poll(polls.data(), polls.size(), 50);
      for (size_t i = 0; i < polls.size(); ++i) {
        if (!(polls[i].revents & POLLIN)) continue;
        if (servers[i].sctp) answer_sctp(servers[i].fd, host);
        else answer_one(servers[i], host);
      }
    }
    for (const auto& server : servers) ::close(server.fd);
  }

  static std::string text_for(const std::string& host, int port, const std::string& client) {
    bool six = client.find(':') != std::string::npos;
    return fmt::format("{}:{} {}", address_of(host, six ? proxy::Family::v6 : proxy::Family::v4), port, client);
  }

  static void answer_one(const Server& server, const std::string& host) {
    sockaddr_in6 peer{};
    socklen_t size = sizeof peer;
    char byte;
    bool udp = ::recvfrom(server.fd, &byte, 1, 0, reinterpret_cast<sockaddr*>(&peer), &size) == 1;
    sys::Fd connection(udp ? -1 : ::accept4(server.fd, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
    auto text = text_for(host, server.port, ip_of(peer));
    if (udp) (void)!::sendto(server.fd, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
    else if (connection) (void)!::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }

  static void answer_sctp(int fd, const std::string& host) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    char packet[2048];
    auto n = ::recvfrom(fd, packet, sizeof packet, 0, reinterpret_cast<sockaddr*>(&peer), &size);
    if (n <= 0) return;
    bool four = peer.ss_family == AF_INET;
    std::string bytes(packet, static_cast<size_t>(n));
    char client[INET6_ADDRSTRLEN];
    if (four) inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(&peer)->sin_addr, client, sizeof client);
    else inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6*>(&peer)->sin6_addr, client, sizeof client);
    for (int port : kSctpPorts) {
      auto reply = sctp_reply(four ? bytes.substr(20) : bytes, static_cast<uint16_t>(port), text_for(host, port, client));
      if (!reply.empty()) (void)!::sendto(fd, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
    }
  }

  std::map<std::string, sys::Fd> namespaces_;
  std::vector<std::string> made_;
  std::atomic<bool> stop_{false};
  std::vector<std::jthread> threads_;
};

}  // namespace

std::string address_of(const std::string& host, proxy::Family family) {
  std::string four = host == "node"       ? "192.0.2.1"
                     : host == "outside"  ? "192.0.2.2"
                     : host == "stranger" ? "198.51.100.2"
                                          : "10.244.0.1" + host.substr(3);
  return family == proxy::Family::v4 ? four : twin(four);
}

std::string twin(const std::string& v4) {
  auto slash = v4.find('/');
  auto ip = v4.substr(0, slash);
  if (ip == "127.0.0.1") return "::1";
  std::replace(ip.begin(), ip.end(), '.', ':');
  auto out = proxy::format_address(*proxy::parse_address("fd00::" + ip));
  return slash == std::string::npos ? out : fmt::format("{}/{}", out, 64 + 2 * std::stoi(v4.substr(slash + 1)));
}

base::Result<std::unique_ptr<World>> World::make() {
  auto world = std::make_unique<RealWorld>();
  CHECK_OK(world->set_up());
  return world;
}

}  // namespace packets
