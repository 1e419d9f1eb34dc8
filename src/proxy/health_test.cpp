// What load balancers and operators hear of the proxy and of a Service.
#include "proxy/health.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxy {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class FakeClock final : public sys::Clock {
 public:
  base::Time now() const override { return base::Time(base::Time::duration(1'700'000'000'000'000'000)) + passed; }
  std::chrono::steady_clock::time_point steady_now() const override { return std::chrono::steady_clock::time_point(passed); }
  std::chrono::nanoseconds passed{0};
};

api::Service balanced() {
  api::Service s;
  s.metadata.namespace_ = "shop";
  s.metadata.name = "web";
  s.spec.type = "LoadBalancer";
  s.spec.external_traffic_policy = "Local";
  s.spec.health_check_node_port = 32'000;
  return s;
}
Slices here(std::vector<std::pair<std::string, bool>> endpoints) {
  auto slice = std::make_shared<api::EndpointSlice>();
  for (auto& [node, ready] : endpoints) {
    api::Endpoint e;
    e.addresses = {"10.244.0." + std::to_string(slice->endpoints.size())};
    e.node_name = node;
    e.conditions = api::EndpointConditions{ready, ready, false};
    slice->endpoints.push_back(e);
  }
  return {slice, slice};  // one endpoint in two slices counts once
}
std::string body_of(const net::Response& response) {
  std::string out;
  for (const auto& chunk : response.body) out += *chunk;
  return out;
}

TEST(Health, ready_endpoints_of_this_node_count) {
  auto health = plan_health(balanced(), here({{"me", true}, {"me", false}, {"other", true}, {"me", true}}), {"me", ""});
  ASSERT_TRUE(health);
  EXPECT_EQ(*health, (ServiceHealth{32'000, "shop", "web", 2}));
  auto both = here({{"me", true}});
  auto six = std::make_shared<api::EndpointSlice>(*both[0]);
  six->address_type = "IPv6";
  six->endpoints[0].addresses = {"fd00::1"};
  both.push_back(six);
  EXPECT_EQ(plan_health(balanced(), both, {"me", ""})->local_endpoints, 1u);  // one pod
  auto s = balanced();
  s.spec.external_traffic_policy = "Cluster";
  EXPECT_FALSE(plan_health(s, {}, {"me", ""}));
  s = balanced();
  s.spec.health_check_node_port = std::nullopt;
  EXPECT_FALSE(plan_health(s, {}, {"me", ""}));
}

TEST(Health, the_answer_is_the_one_that_balancers_know) {
  auto yes = health_answer({32'000, "shop", "web", 2}, true);
  EXPECT_EQ(yes.status, 200);
  EXPECT_EQ(yes.headers.get("X-Load-Balancing-Endpoint-Weight"), "2");
  EXPECT_EQ(yes.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(body_of(yes),
            "{\n\t\"service\": {\n\t\t\"namespace\": \"shop\",\n\t\t\"name\": \"web\"\n\t},\n\t\"localEndpoints\": 2,\n"
            "\t\"serviceProxyHealthy\": true\n}");
  EXPECT_EQ(health_answer({32'000, "shop", "web", 0}, true).status, 503);
  EXPECT_EQ(health_answer({32'000, "shop", "web", 2}, false).status, 503);
}

TEST(Health, a_change_that_waits_for_a_minute_is_an_illness) {
  FakeClock clock;
  ProxyStatus status(clock);
  EXPECT_TRUE(status.healthy());
  status.queued();
  clock.passed += 59s;
  status.queued();
  EXPECT_TRUE(status.healthy());
  clock.passed += 2s;
  EXPECT_FALSE(status.healthy());
  status.synced(0.003, 1, 2);
  EXPECT_TRUE(status.healthy());
}

TEST(Health, healthz_says_when_and_whether_the_node_takes_connections) {
  FakeClock clock;
  ProxyStatus status(clock);
  net::Request request;
  request.path = "/healthz";
  auto answer = status_answer(request, status, {}, "auto");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(body_of(answer), testing::StartsWith(R"({"lastUpdated": "2023-11-14T22:13:20)"));
  EXPECT_THAT(body_of(answer), HasSubstr(R"("nodeEligible": true})"));
  status.set_eligible(false);
  EXPECT_EQ(status_answer(request, status, {}, "auto").status, 503);
  request.path = "/livez";
  EXPECT_EQ(status_answer(request, status, {}, "auto").status, 200);
}

TEST(Health, metrics_are_for_those_on_the_node) {
  FakeClock clock;
  ProxyStatus status(clock);
  status.queued();
  status.synced(0.003, 1, 2);
  std::vector<Count> counts{{"shop/web:http", "", 7, 1, 3}, {"shop/web:http", "10.244.0.5:80", 7, 0, -1}};
  net::Request request;
  request.path = "/metrics";
  request.peer.address = "192.0.2.7:4711";
  EXPECT_EQ(status_answer(request, status, counts, "auto").status, 404);
  request.peer.address = "127.0.0.1:4711";
  auto text = body_of(status_answer(request, status, counts, "auto"));
  EXPECT_THAT(text, HasSubstr("kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"0.002\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"0.004\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("kubeproxy_sync_proxy_rules_duration_seconds_count 1\n"));
  EXPECT_THAT(text, HasSubstr("kubeproxy_sync_proxy_rules_endpoint_changes_total 2\n"));
  EXPECT_THAT(text, HasSubstr("sampan_service_connections_total{service=\"shop/web:http\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("sampan_service_connections_total{service=\"shop/web:http\",endpoint=\"10.244.0.5:80\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("sampan_service_connections_in_flight{service=\"shop/web:http\"} 3\n"));
  request.path = "/proxyMode";
  EXPECT_EQ(body_of(status_answer(request, status, counts, "nftables")), "nftables");
}

}  // namespace
}  // namespace proxy
