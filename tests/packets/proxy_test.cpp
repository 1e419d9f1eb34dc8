// The whole proxy against a small API in memory: a change there, packets here.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/guarded.hpp"
#include "base/json.hpp"
#include "client/transport.hpp"
#include "proxy/nft/apply.hpp"
#include "proxy/proxy.hpp"
#include "sys/fd.hpp"
#include "sys/namespaces.hpp"
#include "world.hpp"

namespace packets {
namespace {

using proxy::Protocol;
using Kind = proxy::Verdict::Kind;
using namespace std::chrono_literals;

const std::string kServices = "/api/v1/services";
const std::string kSlices = "/apis/discovery.k8s.io/v1/endpointslices";
const std::string kNodes = "/api/v1/nodes";

// Lists and watches of collections, without any of an API server's checks.
class SmallApi {
 public:
  void put(const std::string& path, const std::string& name, base::Value object) {
    auto state = state_.lock();
    bool known = state->objects[path].contains(name);
    object.make({"metadata", "name"}) = name;
    if (path != kNodes) object.make({"metadata", "namespace"}) = "default";
    object.make({"metadata", "resourceVersion"}) = std::to_string(++state->revision);
    state->objects[path][name] = {state->revision, object};
    tell(*state, path, known ? "MODIFIED" : "ADDED", object);
  }
  void remove(const std::string& path, const std::string& name) {
    auto state = state_.lock();
    auto object = state->objects[path].at(name).second;
    object.make({"metadata", "resourceVersion"}) = std::to_string(++state->revision);
    state->objects[path].erase(name);
    tell(*state, path, "DELETED", object);
  }
  bool was_posted(const std::string& text) const {
    auto state = state_.lock();
    return std::any_of(state->posted.begin(), state->posted.end(), [&](const auto& body) { return body.find(text) != std::string::npos; });
  }
  void handle(const net::Request& request, const std::shared_ptr<net::Responder>& responder) {
    auto state = state_.lock();
    if (request.method == "POST") {
      state->posted.push_back(request.body);
      responder->send({201, {{"Content-Type", "application/json"}}, {net::make_chunk(request.body)}});
      return;
    }
    auto& objects = state->objects[request.path];
    if (request.query.has("watch")) {
      auto after = std::stoll(std::string(request.query.get("resourceVersion")));
      auto stream = responder->stream(200, {{"Content-Type", "application/json"}});
      for (const auto& [name, entry] : objects)
        if (entry.first > after) write(*stream, "ADDED", entry.second);
      state->streams.emplace_back(request.path, stream);
      return;
    }
    base::Value list;
    list.make({"metadata", "resourceVersion"}) = std::to_string(state->revision);
    base::Array items;
    for (const auto& [name, entry] : objects) items.push_back(entry.second);
    list.make({"items"}) = std::move(items);
    responder->send({200, {{"Content-Type", "application/json"}}, {net::make_chunk(base::write_json(list))}});
  }

 private:
  struct State {
    int64_t revision = 1;
    std::map<std::string, std::map<std::string, std::pair<int64_t, base::Value>>> objects;
    std::vector<std::pair<std::string, std::shared_ptr<net::BodyStream>>> streams;
    std::vector<std::string> posted;  // bodies
  };
  static void write(net::BodyStream& stream, const std::string& type, const base::Value& object) {
    base::Value event;
    event.make({"type"}) = type;
    event.make({"object"}) = object;
    stream.write(net::make_chunk(base::write_json(event) + "\n"));
  }
  static void tell(State& state, const std::string& path, const std::string& type, const base::Value& object) {
    for (auto& [watched, stream] : state.streams)
      if (watched == path) write(*stream, type, object);
  }
  base::Guarded<State> state_;
};

base::Value json(const std::string& text) { return base::parse_json(text).value(); }
base::Value service(const std::string& ip) {
  return json(fmt::format(R"({{"spec":{{"type":"ClusterIP","clusterIP":"{0}","clusterIPs":["{0}"],"ports":[
    {{"name":"http","protocol":"TCP","port":80}},{{"name":"dns","protocol":"UDP","port":53}}]}}}})", ip));
}
base::Value slice(const std::string& of, const std::vector<std::string>& pods) {
  auto out = json(fmt::format(R"({{"metadata":{{"labels":{{"kubernetes.io/service-name":"{}"}}}},"addressType":"IPv4",
    "ports":[{{"name":"http","protocol":"TCP","port":8080}},{{"name":"dns","protocol":"UDP","port":5353}}],
    "endpoints":[]}})", of));
  for (const auto& pod : pods)
    out.make({"endpoints"}).array().push_back(json(fmt::format(R"({{"addresses":["{}"],"conditions":{{"ready":true}},"nodeName":"here"}})", address_of(pod))));
  return out;
}

class ProxyRun : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: network namespaces";
    auto made = World::make();
    ASSERT_TRUE(made) << made.error().message;
    world_ = std::move(*made);
  }
  void TearDown() override { stop(); }
  void start() {
    auto transport = client::make_in_process_transport(
        [this](net::Request request, std::shared_ptr<net::Responder> r) { api_.handle(request, r); }, "proxy", {});
    // Threads and children made in there stay in there.
    auto started = sys::inside_netns(world_->node_namespace(), [&]() -> base::Result<void> {
      TRY(proxy_, proxy::Proxy::make({.node_name = "here", .mode = "nftables"}, client::Client(transport), clock_));
      proxy_->start();
      return {};
    });
    ASSERT_TRUE(started) << started.error().message;
  }
  void stop() {
    if (proxy_) proxy_->stop();
    proxy_.reset();
  }
  // How long until packets meet that fate.
  std::chrono::milliseconds until(const std::string& ip, Protocol protocol, int port, Kind kind,
                                  const std::string& server = "") {
    auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < 20s) {
      auto seen = world_->send("pod4", ip, protocol, port);
      if (seen && seen->kind == kind && (server.empty() || seen->server == server))
        return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    }
    ADD_FAILURE() << "packets to " << ip << " never met that fate";
    return 20s;
  }

  // What the node itself is told there; "" when nobody listens.
  std::string get(const std::string& url) {
    auto colon = url.rfind(':'), slash = url.find('/', 7);
    std::string host = url.substr(7, colon - 7), out;
    (void)sys::inside_netns(world_->node_namespace(), [&]() -> base::Result<void> {
      sys::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(static_cast<uint16_t>(std::stoi(url.substr(colon + 1))));
      inet_pton(AF_INET, host.c_str(), &to.sin_addr);
      if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return {};
      auto request = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", url.substr(slash), host);
      (void)!::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
      char bytes[4096];
      for (ssize_t n; (n = ::recv(fd.get(), bytes, sizeof bytes, 0)) > 0;) out.append(bytes, static_cast<size_t>(n));
      return {};
    });
    return out;
  }

  // Soon; "" for `text` is that nobody listens there.
  bool says(const std::string& url, const std::string& text) {
    auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < 5s) {
      auto answer = get(url);
      if (text.empty() ? answer.empty() : answer.find(text) != std::string::npos) return true;
    }
    return false;
  }

  SmallApi api_;
  sys::SystemClock clock_;
  std::unique_ptr<World> world_;
  std::unique_ptr<proxy::Proxy> proxy_;
};

TEST_F(ProxyRun, follows_services_and_slices) {
  api_.put(kServices, "a", service("10.96.0.10"));
  api_.put(kSlices, "a-1", slice("a", {"pod1"}));
  start();
  until("10.96.0.10", Protocol::tcp, 80, Kind::forward, "10.244.0.11:8080");

  // A new Service, its endpoints after it.
  api_.put(kServices, "b", service("10.96.0.11"));
  api_.put(kSlices, "b-1", slice("b", {"pod2"}));
  auto delay = until("10.96.0.11", Protocol::tcp, 80, Kind::forward, "10.244.0.12:8080");
  RecordProperty("new_service_ms", static_cast<int>(delay.count()));
  std::printf("a new Service answered after %d ms\n", static_cast<int>(delay.count()));
  EXPECT_LT(delay, 5s);  // milliseconds on an idle machine; this only says: without a timer

  api_.put(kSlices, "b-1", slice("b", {"pod3"}));
  until("10.96.0.11", Protocol::tcp, 80, Kind::forward, "10.244.0.13:8080");
  api_.remove(kSlices, "b-1");
  until("10.96.0.11", Protocol::tcp, 80, Kind::reset);
  api_.remove(kServices, "a");
  until("10.96.0.10", Protocol::tcp, 80, Kind::reset);
}

TEST_F(ProxyRun, rules_outlive_the_proxy_and_a_new_one_takes_them_over) {
  api_.put(kServices, "a", service("10.96.0.10"));
  api_.put(kSlices, "a-1", slice("a", {"pod1"}));
  start();
  until("10.96.0.10", Protocol::tcp, 80, Kind::forward, "10.244.0.11:8080");
  stop();
  EXPECT_EQ(world_->send("pod4", "10.96.0.10", Protocol::tcp, 80)->kind, Kind::forward);
  api_.put(kSlices, "a-1", slice("a", {"pod2"}));
  api_.put(kServices, "b", service("10.96.0.11"));
  start();
  until("10.96.0.10", Protocol::tcp, 80, Kind::forward, "10.244.0.12:8080");
  stop();
  auto removed = sys::inside_netns(world_->node_namespace(), [&] { return proxy::remove_rules({}); });
  EXPECT_TRUE(removed) << removed.error().message;
}

TEST_F(ProxyRun, a_udp_sender_that_keeps_its_port_is_moved_when_its_endpoint_goes) {
  api_.put(kServices, "dns", service("10.96.0.10"));
  api_.put(kSlices, "dns-1", slice("dns", {"pod1"}));
  start();
  until("10.96.0.10", Protocol::udp, 53, Kind::forward, "10.244.0.11:5353");
  auto flow = world_->open_udp_flow("pod4", "10.96.0.10", 53);
  ASSERT_TRUE(flow) << flow.error().message;
  ASSERT_EQ((*flow)->ask(), "10.244.0.11:5353");
  api_.put(kSlices, "dns-1", slice("dns", {"pod2"}));
  std::string server;
  auto begin = std::chrono::steady_clock::now();
  while (server != "10.244.0.12:5353" && std::chrono::steady_clock::now() - begin < 10s) server = (*flow)->ask();
  EXPECT_EQ(server, "10.244.0.12:5353");
}

// The sender never stops and keeps its port: each time its packets must follow at once.
TEST_F(ProxyRun, a_udp_sender_survives_zero_endpoints_deletion_and_restarts) {
  api_.put(kServices, "dns", service("10.96.0.10"));
  api_.put(kSlices, "dns-1", slice("dns", {"pod1"}));
  start();
  until("10.96.0.10", Protocol::udp, 53, Kind::forward, "10.244.0.11:5353");
  auto flow = world_->open_udp_flow("pod4", "10.96.0.10", 53);
  ASSERT_TRUE(flow) << flow.error().message;
  auto reaches = [&](const std::string& server) {
    auto begin = std::chrono::steady_clock::now();
    while ((*flow)->ask() != server)
      if (std::chrono::steady_clock::now() - begin > 5s) return false;
    return true;
  };
  ASSERT_TRUE(reaches("10.244.0.11:5353"));
  api_.put(kSlices, "dns-1", slice("dns", {}));
  EXPECT_TRUE(reaches(""));
  api_.put(kSlices, "dns-1", slice("dns", {"pod2"}));
  EXPECT_TRUE(reaches("10.244.0.12:5353"));
  api_.remove(kServices, "dns");
  EXPECT_TRUE(reaches(""));
  api_.put(kServices, "dns", service("10.96.0.10"));
  EXPECT_TRUE(reaches("10.244.0.12:5353"));
  stop();
  EXPECT_TRUE(reaches("10.244.0.12:5353"));
  api_.put(kSlices, "dns-1", slice("dns", {"pod3"}));
  start();
  EXPECT_TRUE(reaches("10.244.0.13:5353"));
}

TEST_F(ProxyRun, node_ports_in_both_families_and_health_checks) {
  auto balanced = json(R"({"spec":{"type":"LoadBalancer","clusterIP":"10.96.0.10","clusterIPs":["10.96.0.10","fd00::10:96:0:10"],
    "externalTrafficPolicy":"Local","healthCheckNodePort":32000,"ports":[{"name":"http","protocol":"TCP","port":80,"nodePort":30080}]},
    "status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"}]}}})");
  api_.put(kServices, "web", balanced);
  auto six = slice("web", {});
  six.make({"addressType"}) = "IPv6";
  six.make({"endpoints"}).array().push_back(json(fmt::format(R"({{"addresses":["{}"],"conditions":{{"ready":true}},"nodeName":"here"}})", twin("10.244.0.12"))));
  api_.put(kSlices, "web-1", slice("web", {"pod1"}));
  api_.put(kSlices, "web-2", six);
  start();
  until("192.0.2.1", Protocol::tcp, 30'080, Kind::forward, "10.244.0.11:8080");
  until(twin("192.0.2.1"), Protocol::tcp, 30'080, Kind::forward, twin("10.244.0.12") + ":8080");
  until("203.0.113.1", Protocol::tcp, 80, Kind::forward, "10.244.0.11:8080");
  EXPECT_TRUE(says("http://127.0.0.1:32000/", "\"localEndpoints\": 1"));
  EXPECT_TRUE(says("http://192.0.2.1:10256/healthz", "\"nodeEligible\": true"));
  EXPECT_TRUE(says("http://127.0.0.1:10249/metrics", "kubeproxy_sync_proxy_rules_service_changes_total 1"));
  EXPECT_TRUE(says("http://192.0.2.1:10256/metrics", "404"));
  api_.remove(kSlices, "web-1");
  api_.remove(kSlices, "web-2");
  until("192.0.2.1", Protocol::tcp, 30'080, Kind::reset);
  EXPECT_TRUE(says("http://127.0.0.1:32000/", "\"localEndpoints\": 0"));
  api_.remove(kServices, "web");
  until("203.0.113.1", Protocol::tcp, 80, Kind::drop);  // nobody's any more; it leaves the node
  EXPECT_TRUE(says("http://127.0.0.1:32000/", ""));
}

// Somebody flushed all rules of the machine: the next change fails, users hear of it, and everything is there again.
TEST_F(ProxyRun, rules_that_were_taken_away_come_back_and_the_service_says_so) {
  api_.put(kServices, "a", service("10.96.0.10"));
  api_.put(kServices, "b", service("10.96.0.11"));
  api_.put(kSlices, "a-1", slice("a", {"pod1"}));
  start();
  until("10.96.0.10", Protocol::tcp, 80, Kind::forward, "10.244.0.11:8080");
  auto runner = proxy::nft::Runner::find(world_->node_namespace());
  ASSERT_TRUE(runner);
  ASSERT_TRUE(runner->apply("flush ruleset\n"));
  until("10.96.0.10", Protocol::tcp, 80, Kind::drop);
  api_.put(kSlices, "b-1", slice("b", {"pod2"}));
  until("10.96.0.11", Protocol::tcp, 80, Kind::forward, "10.244.0.12:8080");
  until("10.96.0.10", Protocol::tcp, 80, Kind::forward, "10.244.0.11:8080");
  // A packet each time, so that the API's lock is free for who writes.
  auto begin = std::chrono::steady_clock::now();
  while (!api_.was_posted("ServiceProgrammed") && std::chrono::steady_clock::now() - begin < 10s)
    (void)world_->send("pod4", "10.96.0.10", Protocol::tcp, 80);
  EXPECT_TRUE(api_.was_posted("ServiceNotProgrammed"));
  EXPECT_TRUE(api_.was_posted("ServiceProgrammed"));
}

// Pings are answered at the address that the Node says it has.
TEST_F(ProxyRun, the_node_says_where_pings_are_answered) {
  api_.put(kServices, "a", service("10.96.0.10"));
  api_.put(kSlices, "a-1", slice("a", {"pod1"}));
  start();
  until("10.96.0.10", Protocol::tcp, 80, Kind::forward, "10.244.0.11:8080");
  until("10.96.0.10", Protocol::icmp, 0, Kind::unreachable);
  api_.put(kNodes, "here", json(R"({"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"}]}})"));
  until("10.96.0.10", Protocol::icmp, 0, Kind::answer);
}

}  // namespace
}  // namespace packets
