// The socket programs at work: real sockets in network namespaces made for the test. Needs root, else it is skipped.
// Every address lies on the loopback of a namespace; only what has the namespace's cookie is touched.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <thread>

#include "proxy/bpf/dataplane.hpp"
#include "sys/fd.hpp"
#include "sys/namespaces.hpp"
#include "sys/process.hpp"

namespace proxy::bpf {
namespace {

using testing::HasSubstr;

struct Target {
  sockaddr_storage address{};
  socklen_t size = 0;
  int family = AF_INET;
};

Target target(const std::string& text, uint16_t port) {
  Target out;
  if (text.contains(':')) {
    auto* a = reinterpret_cast<sockaddr_in6*>(&out.address);
    a->sin6_family = AF_INET6;
    a->sin6_port = htons(port);
    inet_pton(AF_INET6, text.c_str(), &a->sin6_addr);
    out.size = sizeof *a;
    out.family = AF_INET6;
  } else {
    auto* a = reinterpret_cast<sockaddr_in*>(&out.address);
    a->sin_family = AF_INET;
    a->sin_port = htons(port);
    inet_pton(AF_INET, text.c_str(), &a->sin_addr);
    out.size = sizeof *a;
  }
  return out;
}

std::string text_of(const sockaddr_storage& from) {
  char text[INET6_ADDRSTRLEN];
  if (from.ss_family == AF_INET) {
    auto& a = reinterpret_cast<const sockaddr_in&>(from);
    return std::string(inet_ntop(AF_INET, &a.sin_addr, text, sizeof text)) + ":" + std::to_string(ntohs(a.sin_port));
  }
  auto& a = reinterpret_cast<const sockaddr_in6&>(from);
  return "[" + std::string(inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text)) + "]:" +
         std::to_string(ntohs(a.sin6_port));
}

// A network namespace with servers on addresses of its loopback; a server answers with its own address.
class Net {
 public:
  Net(const std::string& folder, const std::string& name) : path_(folder + "/" + name) {
    auto made = sys::make_netns(path_, [] {
      sys::Fd fd(::socket(AF_INET, SOCK_DGRAM, 0));
      ifreq request{};
      std::strcpy(request.ifr_name, "lo");
      request.ifr_flags = IFF_UP;
      ::ioctl(fd.get(), SIOCSIFFLAGS, &request);
      return base::Result<void>();
    });
    EXPECT_TRUE(made) << made.error().message;
    fd_ = std::move(*sys::open_netns(path_));
  }
  ~Net() {
    stop_ = true;
    servers_.clear();
    fd_.reset();
    (void)sys::remove_netns(path_);
  }
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

  template <class Work>
  auto inside(Work work) const {
    decltype(work()) out{};
    EXPECT_TRUE(sys::inside_netns(fd_.get(), [&]() -> base::Result<void> {
      out = work();
      return {};
    }));
    return out;
  }

  void add_address(const std::string& address) {
    sys::Spawn what;
    what.argv = {"/sbin/ip", "addr", "add", address, "dev", "lo"};
    if (address.contains(':')) what.argv.push_back("nodad");
    what.network_namespace = fd_.get();
    auto done = sys::run(what, std::chrono::seconds(10));
    ASSERT_TRUE(done && done->status.code == 0) << address << (done ? done->err : done.error().message);
  }

  void serve(const std::string& address, uint16_t tcp, uint16_t udp) {
    auto open = [&](int type, uint16_t port) {
      return inside([&] {
        auto to = target(address, port);
        sys::Fd fd(::socket(to.family, type | SOCK_CLOEXEC, 0));
        int one = 1;
        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&to.address), to.size), 0) << strerror(errno);
        if (type == SOCK_STREAM) ::listen(fd.get(), 64);
        return fd;
      });
    };
    auto stream = open(SOCK_STREAM, tcp), datagrams = open(SOCK_DGRAM, udp);
    servers_.emplace_back([this, stream = std::move(stream), datagrams = std::move(datagrams), address] {
      std::vector<sys::Fd> open;
      while (!stop_) {
        pollfd polls[] = {{stream.get(), POLLIN, 0}, {datagrams.get(), POLLIN, 0}};
        ::poll(polls, 2, 20);
        if (polls[0].revents & POLLIN) {
          open.emplace_back(::accept4(stream.get(), nullptr, nullptr, SOCK_CLOEXEC));
          (void)!::send(open.back().get(), address.data(), address.size(), MSG_NOSIGNAL);
        }
        if (polls[1].revents & POLLIN) {
          sockaddr_storage from{};
          socklen_t size = sizeof from;
          char byte;
          (void)!::recvfrom(datagrams.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size);
          (void)!::sendto(datagrams.get(), address.data(), address.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
        }
      }
    });
  }

 private:
  std::string path_;
  sys::Fd fd_;
  std::atomic<bool> stop_{false};
  std::vector<std::jthread> servers_;
};

std::string hear(int fd) {
  pollfd poll{fd, POLLIN, 0};
  if (::poll(&poll, 1, 2000) != 1) return "silence";
  char text[128];
  auto n = ::recv(fd, text, sizeof text, 0);
  return n < 0 ? strerror(errno) : std::string(text, static_cast<size_t>(n));
}

struct Connection {
  sys::Fd fd;
  std::string answer;  // who answered, or what connect() said
  std::string peer;    // what getpeername() says
};

Connection connect_in(const Net& net, const std::string& address, uint16_t port, int type = SOCK_STREAM) {
  return net.inside([&] {
    Connection out;
    auto to = target(address, port);
    out.fd.reset(::socket(to.family, type | SOCK_CLOEXEC, 0));
    if (::connect(out.fd.get(), reinterpret_cast<sockaddr*>(&to.address), to.size) != 0) {
      out.answer = strerror(errno);
      return out;
    }
    if (type == SOCK_DGRAM) (void)!::send(out.fd.get(), "?", 1, 0);
    out.answer = hear(out.fd.get());
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(out.fd.get(), reinterpret_cast<sockaddr*>(&peer), &size) == 0) out.peer = text_of(peer);
    return out;
  });
}

// Sends from `fd`, wherever it is; the answer and from whom it seems to come, or the error.
std::string ask(int fd, const std::string& address, uint16_t port) {
  auto to = target(address, port);
  if (::sendto(fd, "?", 1, 0, reinterpret_cast<sockaddr*>(&to.address), to.size) != 1) return strerror(errno);
  pollfd poll{fd, POLLIN, 0};
  if (::poll(&poll, 1, 2000) != 1) return "silence";
  char text[128];
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  auto n = ::recvfrom(fd, text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &size);
  return n < 0 ? strerror(errno) : std::string(text, static_cast<size_t>(n)) + " as " + text_of(from);
}

constexpr char kService[] = "10.96.0.10";
constexpr char kService6[] = "fd00:96::10";
constexpr char kNodeAddress[] = "192.0.2.1";

class Sockets : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    char text[] = "/tmp/sampan-bpf-XXXXXX";
    folder_ = ::mkdtemp(text);
    std::filesystem::create_directories(folder_ + "/pods");
    node_ = std::make_unique<Net>(folder_, "node");
    pod_ = std::make_unique<Net>(folder_ + "/pods", "pod");
    node_->add_address(std::string(kNodeAddress) + "/32");
    for (auto* net : {node_.get(), pod_.get()}) {
      for (int n = 1; n <= 3; ++n) {
        auto v4 = "10.244.0.1" + std::to_string(n), v6 = "fd00:244::1" + std::to_string(n);
        net->add_address(v4 + "/32");
        net->add_address(v6 + "/128");
        net->serve(v4, 8080, 5353);
        net->serve(v6, 8080, 5353);
      }
    }
    place_.kernel.pins = folder_ + "/pins";
    place_.services = {*parse_network("10.96.0.0/16"), *parse_network("fd00:96::/112")};
    place_.node_namespace = node_->fd();
    place_.pods = {{folder_ + "/pods"}};
    start();
  }
  void TearDown() override {
    plane_.reset();
    if (folder_.empty()) return;
    EXPECT_TRUE(remove_pins(place_.kernel.pins));
    pod_.reset();
    node_.reset();
    std::filesystem::remove_all(folder_);
  }

  void start() {
    auto made = make_dataplane(place_, clock_);
    ASSERT_TRUE(made) << made.error().message;
    plane_ = std::move(*made);
    auto done = plane_->rebuild(table_);
    ASSERT_TRUE(done) << done.error().message;
  }

  void apply(const Table& table) {
    auto done = plane_->apply(table, difference(table_, table));
    ASSERT_TRUE(done) << done.error().message;
    table_ = table;
  }

  static Route route(const std::string& name, const std::vector<std::string>& addresses, uint16_t port) {
    Route out;
    out.name = name;
    for (const auto& a : addresses) out.endpoints.push_back({.address = *parse_address(a), .port = port});
    return out;
  }
  static void add(Table& table, const std::string& address, uint16_t port, Route r, Protocol protocol = Protocol::tcp) {
    table.routes[{*parse_address(address), protocol, port}] = std::make_shared<const Route>(std::move(r));
  }
  static Table web(const std::vector<std::string>& addresses, const std::function<void(Route&)>& change = {}) {
    Table table;
    auto r = route("default/web", addresses, 8080);
    if (change) change(r);
    add(table, kService, 80, std::move(r));
    return table;
  }
  Count count_of(const std::string& endpoint) {
    for (const auto& c : plane_->counts())
      if (c.endpoint == endpoint) return c;
    return {};
  }

  std::string folder_;
  Place place_;
  sys::SystemClock clock_;
  std::unique_ptr<Net> node_, pod_;
  Table table_;
  std::unique_ptr<Dataplane> plane_;
};

TEST_F(Sockets, AConnectionToTheClusterIpReachesAnEndpoint) {
  apply(web({"10.244.0.11"}));
  for (auto* net : {pod_.get(), node_.get()}) {
    auto c = connect_in(*net, kService, 80);
    EXPECT_EQ(c.answer, "10.244.0.11");
    EXPECT_EQ(c.peer, "10.96.0.10:80") << "the program sees whom it asked for";
  }
}

TEST_F(Sockets, IPv6AndMappedAddressesAreServed) {
  Table table = web({"10.244.0.12"});
  add(table, kService6, 80, route("default/web", {"fd00:244::13"}, 8080));
  apply(table);
  auto six = connect_in(*pod_, kService6, 80);
  EXPECT_EQ(six.answer, "fd00:244::13");
  EXPECT_EQ(six.peer, "[fd00:96::10]:80");
  auto mapped = connect_in(*pod_, "::ffff:10.96.0.10", 80);
  EXPECT_EQ(mapped.answer, "10.244.0.12");
  EXPECT_EQ(mapped.peer, "[::ffff:10.96.0.10]:80");
}

TEST_F(Sockets, WhatNobodyServesIsRefusedAtOnce) {
  Table table = web({});
  add(table, kService6, 80, route("default/web", {}, 8080));
  add(table, kService, 53, route("default/dns", {}, 53), Protocol::udp);
  apply(table);
  EXPECT_EQ(connect_in(*pod_, kService, 80).answer, "Connection refused");
  EXPECT_EQ(connect_in(*pod_, kService6, 80).answer, "Connection refused");
  EXPECT_EQ(connect_in(*node_, kService, 81).answer, "Connection refused");
  EXPECT_EQ(connect_in(*pod_, "10.96.77.77", 443).answer, "Connection refused");
  EXPECT_EQ(connect_in(*pod_, "fd00:96::77", 443).answer, "Connection refused");
  EXPECT_EQ(connect_in(*pod_, kService, 53, SOCK_DGRAM).answer, "Connection refused");
  auto fd = pod_->inside([] { return sys::Fd(::socket(AF_INET, SOCK_DGRAM, 0)); });
  EXPECT_EQ(ask(fd.get(), kService, 53), "Connection refused");
  EXPECT_EQ(ask(fd.get(), "10.96.77.77", 53), "Connection refused");
  uint64_t refused = 0;
  for (const auto& c : plane_->counts()) refused += c.refused;
  EXPECT_EQ(refused, 4u) << "two connections, and two of a datagram socket";
}

TEST_F(Sockets, EverythingElseIsLeftAlone) {
  apply(web({"10.244.0.11"}));
  auto direct = connect_in(*pod_, "10.244.0.12", 8080);
  EXPECT_EQ(direct.answer, "10.244.0.12");
  EXPECT_EQ(direct.peer, "10.244.0.12:8080");
  Net stranger(folder_, "stranger");
  EXPECT_EQ(connect_in(stranger, kService, 80).answer, "Network is unreachable") << "another cluster's namespace";
}

TEST_F(Sockets, NamespacesThatComeAreServedAndThoseThatGoAreForgotten) {
  apply(web({"10.244.0.11"}));
  auto fresh = std::make_unique<Net>(folder_ + "/pods", "fresh");
  std::string answer;
  for (int i = 0; i < 2000 && answer != "Cannot assign requested address" && answer != "Connection refused"; ++i) {
    answer = connect_in(*fresh, "10.96.1.1", 80).answer;
    std::this_thread::yield();
  }
  EXPECT_EQ(answer, "Connection refused");
}

TEST_F(Sockets, DatagramsOfOneSocketKeepTheirEndpointWhileItServes) {
  Table table;
  add(table, kService, 53, route("default/dns", {"10.244.0.11", "10.244.0.12", "10.244.0.13"}, 5353), Protocol::udp);
  add(table, kService6, 53, route("default/dns", {"fd00:244::11"}, 5353), Protocol::udp);
  apply(table);
  auto fd = pod_->inside([] { return sys::Fd(::socket(AF_INET, SOCK_DGRAM, 0)); });
  auto first = ask(fd.get(), kService, 53);
  EXPECT_THAT(first, HasSubstr(" as 10.96.0.10:53"));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(fd.get(), kService, 53), first);
  auto gone = first.substr(0, first.find(' '));
  std::vector<std::string> left;
  for (const char* a : {"10.244.0.11", "10.244.0.12", "10.244.0.13"})
    if (a != gone) left.push_back(a);
  Table without;
  add(without, kService, 53, route("default/dns", left, 5353), Protocol::udp);
  add(without, kService6, 53, route("default/dns", {"fd00:244::11"}, 5353), Protocol::udp);
  apply(without);
  auto second = ask(fd.get(), kService, 53);
  EXPECT_THAT(second, HasSubstr(" as 10.96.0.10:53"));
  EXPECT_NE(second, first);
  auto six = pod_->inside([] { return sys::Fd(::socket(AF_INET6, SOCK_DGRAM, 0)); });
  EXPECT_EQ(ask(six.get(), kService6, 53), "fd00:244::11 as [fd00:96::10]:53");
  EXPECT_THAT(ask(six.get(), "::ffff:10.96.0.10", 53), HasSubstr(" as [::ffff:10.96.0.10]:53"));
  EXPECT_EQ(ask(six.get(), "::ffff:10.244.0.13", 5353), "10.244.0.13 as [::ffff:10.244.0.13]:5353");
}

TEST_F(Sockets, AConnectedDatagramSocketSeesTheService) {
  Table table;
  add(table, kService, 53, route("default/dns", {"10.244.0.12"}, 5353), Protocol::udp);
  apply(table);
  auto c = connect_in(*pod_, kService, 53, SOCK_DGRAM);
  EXPECT_EQ(c.answer, "10.244.0.12");
  EXPECT_EQ(c.peer, "10.96.0.10:53");
  EXPECT_EQ(count_of("10.244.0.12:5353").in_flight, 1);
  // Connected elsewhere it is nobody's any more.
  auto to = target("10.244.0.13", 5353);
  ASSERT_EQ(::connect(c.fd.get(), reinterpret_cast<sockaddr*>(&to.address), to.size), 0);
  EXPECT_EQ(count_of("10.244.0.12:5353").in_flight, 0);
}

TEST_F(Sockets, NodePortsAreServedOnEveryAddressOfTheNode) {
  Table table;
  auto r = route("default/web", {"10.244.0.11"}, 8080);
  r.scope = Scope::node_port;
  table.node_ports[{Family::v4, Protocol::tcp, 30'080}] = std::make_shared<const Route>(r);
  auto six = route("default/web", {"fd00:244::11"}, 8080);
  six.scope = Scope::node_port;
  table.node_ports[{Family::v6, Protocol::tcp, 30'080}] = std::make_shared<const Route>(six);
  table.node_addresses = {*parse_address(kNodeAddress)};
  apply(table);
  EXPECT_EQ(connect_in(*node_, "127.0.0.1", 30'080).answer, "10.244.0.11");
  EXPECT_EQ(connect_in(*node_, "0.0.0.0", 30'080).answer, "10.244.0.11");
  EXPECT_EQ(connect_in(*node_, "::1", 30'080).answer, "fd00:244::11");
  EXPECT_EQ(connect_in(*node_, kNodeAddress, 30'080).answer, "10.244.0.11");
  EXPECT_EQ(connect_in(*pod_, kNodeAddress, 30'080).answer, "10.244.0.11");
  EXPECT_EQ(connect_in(*pod_, "127.0.0.1", 30'080).answer, "Connection refused") << "a pod's loopback is its own";
  EXPECT_EQ(connect_in(*node_, "127.0.0.1", 30'081).answer, "Connection refused");
}

TEST_F(Sockets, AffinityKeepsAClientWhileTheEndpointServes) {
  auto sticky = [](Route& r) { r.affinity_seconds = 60; };
  apply(web({"10.244.0.11", "10.244.0.12", "10.244.0.13"}, sticky));
  auto first = connect_in(*pod_, kService, 80).answer;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(connect_in(*pod_, kService, 80).answer, first);
  std::vector<std::string> left;
  for (const char* a : {"10.244.0.11", "10.244.0.12", "10.244.0.13"})
    if (a != first) left.push_back(a);
  apply(web(left, sticky));
  auto second = connect_in(*pod_, kService, 80).answer;
  EXPECT_NE(second, first);
  EXPECT_THAT(left, testing::Contains(second));
  apply(web({"10.244.0.11", "10.244.0.12", "10.244.0.13"}, sticky));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(connect_in(*pod_, kService, 80).answer, second);
}

TEST_F(Sockets, RoundRobinTakesTurnsByWeight) {
  apply(web({"10.244.0.11", "10.244.0.12"}, [](Route& r) {
    r.balance = Balance::round_robin;
    r.endpoints[0].weight = 3;
  }));
  std::map<std::string, int> seen;
  for (int i = 0; i < 40; ++i) ++seen[connect_in(*pod_, kService, 80).answer];
  EXPECT_EQ(seen, (std::map<std::string, int>{{"10.244.0.11", 30}, {"10.244.0.12", 10}}));
}

TEST_F(Sockets, RandomMeetsEveryEndpoint) {
  apply(web({"10.244.0.11", "10.244.0.12", "10.244.0.13"}));
  std::map<std::string, int> seen;
  for (int i = 0; i < 80; ++i) ++seen[connect_in(*pod_, kService, 80).answer];
  EXPECT_EQ(seen.size(), 3u);
}

TEST_F(Sockets, LeastConnectionsFollowsOpenSocketsExactly) {
  apply(web({"10.244.0.11", "10.244.0.12"}, [](Route& r) { r.balance = Balance::least_connections; }));
  std::vector<Connection> open;
  for (int i = 0; i < 10; ++i) open.push_back(connect_in(*pod_, kService, 80));
  EXPECT_EQ(count_of("10.244.0.11:8080").in_flight, 5);
  EXPECT_EQ(count_of("10.244.0.12:8080").in_flight, 5);
  std::erase_if(open, [](const Connection& c) { return c.answer == "10.244.0.11"; });
  EXPECT_EQ(count_of("10.244.0.11:8080").in_flight, 0);
  for (int i = 0; i < 5; ++i) {
    open.push_back(connect_in(*pod_, kService, 80));
    EXPECT_EQ(open.back().answer, "10.244.0.11");
  }
  open.clear();
  EXPECT_EQ(count_of("10.244.0.11:8080").in_flight, 0);
  EXPECT_EQ(count_of("10.244.0.12:8080").in_flight, 0);
  EXPECT_EQ(count_of("10.244.0.11:8080").connections + count_of("10.244.0.12:8080").connections, 15u);
}

TEST_F(Sockets, FailedConnectionsAreGivenBack) {
  Table table;
  add(table, kService, 80, route("default/web", {"10.244.0.11"}, 9));  // nobody listens there
  apply(table);
  {
    auto c = connect_in(*pod_, kService, 80);
    EXPECT_EQ(c.answer, "Connection refused");
    EXPECT_EQ(count_of("10.244.0.11:9").in_flight, 1) << "until it is closed";
  }
  EXPECT_EQ(count_of("10.244.0.11:9").in_flight, 0);
}

TEST_F(Sockets, MaglevSpreadsConnections) {
  apply(web({"10.244.0.11", "10.244.0.12", "10.244.0.13"}, [](Route& r) { r.balance = Balance::maglev; }));
  std::map<std::string, int> seen;
  for (int i = 0; i < 80; ++i) ++seen[connect_in(*pod_, kService, 80).answer];
  EXPECT_EQ(seen.size(), 3u);
}

TEST_F(Sockets, TrafficFlowsOnWithoutAProcessAndTheNextOneTakesOver) {
  apply(web({"10.244.0.11", "10.244.0.12"}, [](Route& r) { r.balance = Balance::least_connections; }));
  auto held = connect_in(*pod_, kService, 80);
  plane_.reset();
  auto meanwhile = connect_in(*pod_, kService, 80);
  EXPECT_NE(meanwhile.answer, held.answer);
  EXPECT_EQ(meanwhile.peer, "10.96.0.10:80");
  start();
  EXPECT_EQ(count_of("10.244.0.11:8080").in_flight, 1);
  EXPECT_EQ(count_of("10.244.0.12:8080").in_flight, 1);
  EXPECT_EQ(connect_in(*pod_, kService, 80).peer, "10.96.0.10:80");
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  ASSERT_EQ(::getpeername(held.fd.get(), reinterpret_cast<sockaddr*>(&peer), &size), 0);
  EXPECT_EQ(text_of(peer), "10.96.0.10:80");
  apply(web({"10.244.0.13"}));
  EXPECT_EQ(connect_in(*pod_, kService, 80).answer, "10.244.0.13");
}

TEST_F(Sockets, NoConnectionIsLostWhileProgramsAreSwappedAndMapsGrow) {
  apply(web({"10.244.0.11", "10.244.0.12"}));
  std::atomic<bool> stop{false};
  std::atomic<int> good{0};
  std::string bad;
  std::jthread client([&] {
    while (!stop) {
      auto c = connect_in(*pod_, kService, 80);
      if (c.answer.starts_with("10.244.0.1") && c.peer == "10.96.0.10:80") ++good;
      else bad = c.answer + " of " + c.peer;
    }
  });
  for (int round = 0; round < 3; ++round) {
    plane_.reset();
    start();
    Table table = web({"10.244.0.11", "10.244.0.12", round % 2 ? "10.244.0.13" : "10.244.0.12"});
    for (uint32_t n = 0; n < 3'000u << round; ++n)  // each time more than the maps hold
      table.routes[{Address::from_v4(0x0a600100 + n), Protocol::tcp, 80}] =
          std::make_shared<const Route>(route("many/s" + std::to_string(n), {"10.244.0.11"}, 8080));
    apply(table);
  }
  stop = true;
  client.join();
  EXPECT_EQ(bad, "");
  EXPECT_GT(good, 20);
  EXPECT_EQ(count_of("10.244.0.11:8080").in_flight, 0);
}

TEST_F(Sockets, ATableThatChangedMeanwhileIsMadeRight) {
  Table table = web({"10.244.0.11"});
  add(table, "10.96.0.11", 80, route("default/old", {"10.244.0.12"}, 8080));
  apply(table);
  plane_.reset();
  table_ = web({"10.244.0.13"});
  start();
  EXPECT_EQ(connect_in(*pod_, kService, 80).answer, "10.244.0.13");
  EXPECT_EQ(connect_in(*pod_, "10.96.0.11", 80).answer, "Connection refused");
}

TEST_F(Sockets, ConnectedDatagramSocketsToALostEndpointAreEnded) {
  auto dns = [](const std::string& address) {
    Table table;
    add(table, kService, 53, route("default/dns", {address}, 5353), Protocol::udp);
    add(table, kService, 80, route("default/web", {address}, 8080));
    return table;
  };
  apply(dns("10.244.0.12"));
  auto through = connect_in(*pod_, kService, 53, SOCK_DGRAM);
  auto direct = connect_in(*pod_, "10.244.0.12", 5353, SOCK_DGRAM);
  auto stream = connect_in(*pod_, kService, 80);
  apply(dns("10.244.0.13"));
  pollfd poll{through.fd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&poll, 1, 2000), 1);
  EXPECT_EQ(hear(through.fd.get()), "Software caused connection abort");
  auto to = target(kService, 53);
  ASSERT_EQ(::connect(through.fd.get(), reinterpret_cast<sockaddr*>(&to.address), to.size), 0);
  ASSERT_EQ(::send(through.fd.get(), "?", 1, 0), 1);
  EXPECT_EQ(hear(through.fd.get()), "10.244.0.13");
  ASSERT_EQ(::send(direct.fd.get(), "?", 1, 0), 1);
  EXPECT_EQ(hear(direct.fd.get()), "10.244.0.12") << "it never asked for the Service";
  EXPECT_EQ(::send(stream.fd.get(), "?", 1, MSG_NOSIGNAL), 1) << "a stream goes on to its end";
}

TEST_F(Sockets, StreamsToAPodThatIsNoMoreAreEnded) {
  Table table = web({"10.244.0.12"});
  table.own.pods = {*parse_network("10.244.0.0/24")};
  apply(table);
  auto stream = connect_in(*pod_, kService, 80);
  Table gone = web({});
  gone.own = table.own;
  apply(gone);  // nothing in the node's routes leads to 10.244.0.12/32
  pollfd poll{stream.fd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&poll, 1, 2000), 1);
  EXPECT_EQ(hear(stream.fd.get()), "Software caused connection abort");
}

TEST_F(Sockets, MapsGrowWithTheTable) {
  Table table = web({"10.244.0.11", "10.244.0.12"});
  auto held = connect_in(*pod_, kService, 80);
  for (uint32_t n = 0; n < 10'000; ++n) {
    Route r;
    r.name = "many/s" + std::to_string(n);
    for (uint32_t e = 0; e < 4; ++e)
      r.endpoints.push_back({.address = Address::from_v4(0x0b000000 + n * 4 + e), .port = 8080});
    table.routes[{Address::from_v4(0x0a600100 + n), Protocol::tcp, 80}] = std::make_shared<const Route>(r);
  }
  auto begin = std::chrono::steady_clock::now();
  apply(table);
  auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(took, std::chrono::seconds(5)) << "a fraction of a second on a quiet machine";
  auto answer = connect_in(*pod_, kService, 80).answer;
  EXPECT_THAT((std::vector<std::string>{"10.244.0.11", "10.244.0.12"}), testing::Contains(answer));
  plane_.reset();
  start();
  EXPECT_EQ(plane_->counts().size(), 10'001 + 40'002u);
  apply(web({"10.244.0.13"}));
  EXPECT_EQ(connect_in(*pod_, kService, 80).answer, "10.244.0.13");
  EXPECT_EQ(connect_in(*pod_, "10.96.1.7", 80).answer, "Connection refused");
}

}  // namespace
}  // namespace proxy::bpf
