// The whole proxy against a small API in memory: a change there, packets here.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

#include "base/guarded.hpp"
#include "base/json.hpp"
#include "client/transport.hpp"
#include "proxy/proxy.hpp"
#include "sys/namespaces.hpp"
#include "world.hpp"

namespace packets {
namespace {

using proxy::Protocol;
using Kind = proxy::Verdict::Kind;
using namespace std::chrono_literals;

// Lists and watches of two collections, without any of an API server's checks.
class SmallApi {
 public:
  void put(const std::string& path, const std::string& name, base::Value object) {
    auto state = state_.lock();
    bool known = state->objects[path].contains(name);
    object.make({"metadata", "name"}) = name;
    object.make({"metadata", "namespace"}) = "default";
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
  void handle(const net::Request& request, const std::shared_ptr<net::Responder>& responder) {
    auto state = state_.lock();
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

const std::string kServices = "/api/v1/services";
const std::string kSlices = "/apis/discovery.k8s.io/v1/endpointslices";

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

}  // namespace
}  // namespace packets
