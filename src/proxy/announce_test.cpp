#include "proxy/announce.hpp"

#include <gtest/gtest.h>

namespace proxy {
namespace {

std::string texts(const std::set<base::Address>& addresses) {
  std::string out;
  for (const auto& address : addresses) out += (out.empty() ? "" : " ") + address.text();
  return out;
}

std::shared_ptr<const api::Service> service(const std::string& type, std::vector<std::string> balanced,
                                            std::vector<std::string> external, const std::string& mode = "VIP") {
  api::Service out;
  out.spec.type = type;
  out.spec.external_ips = std::move(external);
  out.status.load_balancer.emplace();
  for (const auto& ip : balanced) {
    api::LoadBalancerIngress ingress;
    ingress.ip = ip;
    ingress.ip_mode = mode;
    out.status.load_balancer->ingress.push_back(ingress);
  }
  return std::make_shared<const api::Service>(std::move(out));
}

TEST(Announce, WhatTheServicesHaveOfThePool) {
  auto pool = *base::parse_spans("10.243.0.64-10.243.0.254,fd00::64-fd00::fe");
  EXPECT_EQ(texts(announced({service("LoadBalancer", {"10.243.0.64", "fd00::70"}, {}),
                             service("ClusterIP", {}, {"10.243.0.80", "10.243.0.1", "8.8.8.8"}),
                             service("LoadBalancer", {"192.0.2.1", "host"}, {"10.243.0.64"})},
                            pool)),
            "10.243.0.64 10.243.0.80 fd00::70");
  EXPECT_EQ(texts(announced({service("LoadBalancer", {"10.243.0.64"}, {}, "Proxy"), service("ExternalName", {}, {"10.243.0.65"})}, pool)), "");
  EXPECT_EQ(texts(announced({service("LoadBalancer", {"10.243.0.64"}, {})}, {})), "");
}

}  // namespace
}  // namespace proxy
