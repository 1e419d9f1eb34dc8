#include "controllers/endpoints/plan.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controllers/make_test.hpp"

namespace controllers {
namespace {

using Pods = std::vector<std::shared_ptr<const api::Pod>>;

// `10.0.0.1,10.0.0.2|10.0.0.3:a=80,b=81; ...`: ready | not ready : ports
std::string print(const std::vector<api::EndpointSubset>& subsets) {
  std::string out;
  auto ips = [](const std::vector<api::EndpointAddress>& list) {
    std::string text;
    for (const auto& a : list) text += (text.empty() ? "" : ",") + a.ip;
    return text;
  };
  for (const auto& subset : subsets) {
    std::string ports;
    for (const auto& port : subset.ports) ports += fmt::format("{}{}={}", ports.empty() ? "" : ",", port.name, port.port);
    out += fmt::format("{}{}|{}:{}", out.empty() ? "" : "; ", ips(subset.addresses), ips(subset.not_ready_addresses),
                       ports);
  }
  return out;
}

api::EndpointSubset subset(std::vector<std::string> ready, std::vector<std::string> unready,
                           std::vector<std::pair<std::string, int64_t>> ports) {
  api::EndpointSubset out;
  for (auto& ip : ready) out.addresses.emplace_back().ip = ip;
  for (auto& ip : unready) out.not_ready_addresses.emplace_back().ip = ip;
  for (auto& [name, number] : ports) {
    auto& port = out.ports.emplace_back();
    port.name = name;
    port.port = number;
    port.protocol = "TCP";
  }
  return out;
}

TEST(RepackSubsets, PacksAsUpstreamDoes) {
  EXPECT_EQ(print(repack_subsets({})), "");
  EXPECT_EQ(print(repack_subsets({subset({"1.1.1.1"}, {}, {{"a", 80}}), subset({"2.2.2.2"}, {}, {{"a", 80}})})),
            "1.1.1.1,2.2.2.2|:a=80");
  EXPECT_EQ(print(repack_subsets({subset({"1.1.1.1"}, {}, {{"a", 80}}), subset({"1.1.1.1"}, {}, {{"b", 81}})})),
            "1.1.1.1|:a=80,b=81");
  EXPECT_EQ(print(repack_subsets({subset({"1.1.1.1", "2.2.2.2"}, {}, {{"a", 80}}), subset({"2.2.2.2"}, {}, {{"b", 81}})})),
            "1.1.1.1,2.2.2.2|:a=80; 2.2.2.2|:b=81");
  EXPECT_EQ(print(repack_subsets({subset({"1.1.1.1"}, {"3.3.3.3"}, {{"a", 80}}), subset({}, {"2.2.2.2"}, {{"a", 80}})})),
            "1.1.1.1|2.2.2.2,3.3.3.3:a=80");
  EXPECT_EQ(print(repack_subsets({subset({}, {"1.1.1.1"}, {{"a", 80}}), subset({"1.1.1.1"}, {}, {{"a", 80}})})),
            "1.1.1.1|:a=80")
      << "ready wins";
  EXPECT_EQ(print(repack_subsets({subset({"1.1.1.1"}, {}, {})})), "1.1.1.1|:");
}

TEST(PlanEndpoints, ReadyAndNotReady) {
  Pods pods = {pod_of({.name = "a", .ip = "10.0.0.1"}), pod_of({.name = "b", .ip = "10.0.0.2", .ready = false}),
               pod_of({.name = "c", .ip = "10.0.0.3", .deleting = true}),
               pod_of({.name = "d", .ip = "10.0.0.4", .phase = "Failed"}), pod_of({.name = "e", .ip = ""})};
  api::Endpoints out = plan_endpoints(make_service(), pods, nullptr);
  EXPECT_EQ(print(out.subsets), "10.0.0.1|10.0.0.2:=8080");
  EXPECT_EQ(out.metadata.name, "kubia");
  EXPECT_EQ(out.metadata.labels.at("endpoints.kubernetes.io/managed-by"), "endpoint-controller");
  EXPECT_EQ(out.subsets[0].addresses[0].target_ref->name, "a");
  EXPECT_EQ(out.subsets[0].addresses[0].node_name, "n1");
  EXPECT_TRUE(same_endpoints(out, plan_endpoints(make_service(), pods, &out)));
  api::Service tolerant = make_service();
  tolerant.spec.publish_not_ready_addresses = true;
  EXPECT_EQ(print(plan_endpoints(tolerant, pods, nullptr).subsets), "10.0.0.1,10.0.0.2,10.0.0.3|:=8080");
}

TEST(PlanEndpoints, NamedPortsOfDifferentNumbers) {
  api::Service service = make_service();
  service.spec.ports[0].target_port = api::IntOrString("http");
  api::Pod a = make({.name = "a", .ip = "10.0.0.1"});
  add_port(a, "http", 8080);
  api::Pod b = make({.name = "b", .ip = "10.0.0.2"});
  add_port(b, "http", 9090);
  api::Pod none = make({.name = "c", .ip = "10.0.0.3"});
  EXPECT_EQ(print(plan_endpoints(service, {share(a), share(b), share(none)}, nullptr).subsets),
            "10.0.0.1|:=8080; 10.0.0.2|:=9090");
}

TEST(PlanEndpoints, HeadlessWithoutPorts) {
  api::Service service = make_service();
  service.spec.cluster_ip = "None";
  service.spec.ports.clear();
  api::Endpoints out = plan_endpoints(service, {pod_of({.ip = "10.0.0.1"})}, nullptr);
  EXPECT_EQ(print(out.subsets), "10.0.0.1|:");
  EXPECT_EQ(out.metadata.labels.at("service.kubernetes.io/headless"), "");
}

TEST(PlanEndpoints, CutsAtAThousandReadyOnesFirst) {
  Pods pods;
  for (int i = 0; i < 1'200; ++i) {
    pods.push_back(pod_of({.name = fmt::format("p{}", i), .ip = fmt::format("10.1.{}.{}", i / 250, i % 250 + 1),
                           .ready = i % 3 != 0}));
  }
  api::Endpoints out = plan_endpoints(make_service(), pods, nullptr);
  ASSERT_EQ(out.subsets.size(), 1u);
  EXPECT_EQ(out.subsets[0].addresses.size(), 800u);
  EXPECT_EQ(out.subsets[0].not_ready_addresses.size(), 200u);
  EXPECT_EQ(out.metadata.annotations.at("endpoints.kubernetes.io/over-capacity"), "truncated");
  pods.resize(5);
  api::Endpoints less = plan_endpoints(make_service(), pods, &out);
  EXPECT_FALSE(less.metadata.annotations.contains("endpoints.kubernetes.io/over-capacity"));
}

TEST(SameEndpoints, IsAboutContentNotOrder) {
  api::Endpoints a;
  a.subsets = {subset({"1.1.1.1", "2.2.2.2"}, {}, {{"a", 80}, {"b", 81}})};
  api::Endpoints b;
  b.subsets = {subset({"2.2.2.2", "1.1.1.1"}, {}, {{"b", 81}, {"a", 80}})};
  EXPECT_TRUE(same_endpoints(a, b));
  b.subsets = {subset({"2.2.2.2"}, {"1.1.1.1"}, {{"b", 81}, {"a", 80}})};
  EXPECT_FALSE(same_endpoints(a, b));
}

}  // namespace
}  // namespace controllers
