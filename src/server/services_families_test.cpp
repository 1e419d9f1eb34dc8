// Both families of Service addresses: policies, upgrades and downgrades, and the IPAddress objects that go with them.
#include <gmock/gmock.h>

#include "server/testing.hpp"

namespace server::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Families : public ServerTest {
 protected:
  static std::vector<std::string> list_of(const Reply& reply, std::string_view member) {
    std::vector<std::string> out;
    for (const auto& item : reply.json.at({"spec", member}).as_array()) out.emplace_back(item.as_string());
    return out;
  }
  static std::vector<std::string> families_of(const Reply& reply) { return list_of(reply, "ipFamilies"); }
  static std::vector<std::string> ips_of(const Reply& reply) { return list_of(reply, "clusterIPs"); }
  static std::string policy_of(const Reply& reply) {
    return std::string(reply.json.at({"spec", "ipFamilyPolicy"}).as_string());
  }
  Reply create(std::string_view name, std::string_view spec) { return call("POST", services_, service_json(name, spec)); }
  Reply merge(std::string_view name, std::string spec) {
    return patch(services_ + "/" + std::string(name), "merge-patch+json", "{\"spec\":" + spec + "}");
  }
  // The Services that own the IPAddress of that name; "" when there is none.
  std::string owner_of(std::string_view address) {
    auto reply = call("GET", addresses_ + "/" + std::string(address));
    if (reply.status != 200) return "";
    const auto& parent = reply.json.at({"spec", "parentRef"});
    return std::string(parent["namespace"].as_string()) + "/" + std::string(parent["name"].as_string());
  }
  const std::string addresses_ = "/apis/networking.k8s.io/v1/ipaddresses";
  const std::string cidrs_ = "/apis/networking.k8s.io/v1/servicecidrs";
};

class DualStack : public Families {
 protected:
  DualStack() { service_cidr_ = "10.96.0.0/16,fd00:10:96::/112"; }
};

class SixFirst : public Families {
 protected:
  SixFirst() { service_cidr_ = "fd00:10:96::/112,10.96.0.0/16"; }
};

TEST_F(DualStack, PoliciesOnCreation) {
  struct Case {
    std::string_view spec;
    std::vector<std::string> families;
    std::string policy;
    size_t addresses;
  };
  const std::vector<std::string> four{"IPv4"}, six{"IPv6"}, both{"IPv4", "IPv6"}, turned{"IPv6", "IPv4"};
  const std::vector<Case> cases = {
      {R"("ports":[{"port":80}])", four, "SingleStack", 1},
      {R"("ports":[{"port":80}],"ipFamilies":["IPv6"])", six, "SingleStack", 1},
      {R"("ports":[{"port":80}],"clusterIP":"fd00:10:96::77")", six, "SingleStack", 1},
      {R"("ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack")", both, "PreferDualStack", 2},
      {R"("ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack")", both, "RequireDualStack", 2},
      {R"("ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","ipFamilies":["IPv6"])", turned, "PreferDualStack", 2},
      {R"("ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack","ipFamilies":["IPv6","IPv4"])", turned, "RequireDualStack", 2},
      {R"("ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","clusterIP":"fd00:10:96::78")", turned, "PreferDualStack", 2},
      {R"("ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","clusterIPs":["10.96.0.77","fd00:10:96::79"],"clusterIP":"10.96.0.77")", both, "PreferDualStack", 2},
      {R"("ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack","type":"NodePort")", both, "RequireDualStack", 2},
      {R"("ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","type":"LoadBalancer")", both, "PreferDualStack", 2},
      {R"("ports":[{"port":80}],"clusterIP":"None")", both, "RequireDualStack", 1},
      {R"("ports":[{"port":80}],"clusterIP":"None","ipFamilyPolicy":"SingleStack")", four, "SingleStack", 1},
      {R"("ports":[{"port":80}],"clusterIP":"None","ipFamilies":["IPv6"])", turned, "RequireDualStack", 1},
      {R"("ports":[{"port":80}],"clusterIP":"None","selector":{"a":"b"})", four, "SingleStack", 1},
      {R"("ports":[{"port":80}],"clusterIP":"None","selector":{"a":"b"},"ipFamilyPolicy":"PreferDualStack")", both, "PreferDualStack", 1},
      {R"("type":"ExternalName","externalName":"a.b")", {}, "", 0},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    auto made = create("s" + std::to_string(i), cases[i].spec);
    ASSERT_EQ(made.status, 201) << cases[i].spec << made.text;
    EXPECT_EQ(families_of(made), cases[i].families) << cases[i].spec;
    EXPECT_EQ(policy_of(made), cases[i].policy) << cases[i].spec;
    auto ips = ips_of(made);
    ASSERT_EQ(ips.size(), cases[i].addresses) << cases[i].spec;
    if (ips.empty()) continue;
    EXPECT_EQ(made.json.at({"spec", "clusterIP"}).as_string(), ips[0]);
    for (size_t k = 0; k < ips.size() && ips[0] != "None"; ++k) {
      EXPECT_THAT(ips[k], StartsWith(cases[i].families[k] == "IPv4" ? "10.96." : "fd00:10:96::"));
      EXPECT_EQ(owner_of(ips[k]), "default/s" + std::to_string(i));
    }
  }
}

TEST_F(DualStack, WhatIsRefused) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      {R"("ports":[{"port":80}],"ipFamilies":["IPv4","IPv6"])",
       "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when "
       "multiple IP families are specified"},
      {R"("ports":[{"port":80}],"clusterIP":"10.96.0.9","clusterIPs":["10.96.0.9","fd00:10:96::9"])",
       "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when "
       "multiple cluster IPs are specified"},
      {R"("ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack","clusterIP":"10.96.0.9","clusterIPs":["10.96.0.9","10.96.0.8"])",
       "may specify no more than one IP for each IP family"},
      {R"("ports":[{"port":80}],"ipFamilies":["IPv6"],"clusterIP":"10.96.0.9")",
       "expected an IPv6 value as indicated by `ipFamilies[0]`"},
      {R"("ports":[{"port":80}],"clusterIP":"fd00:10:97::9")", "the provided network does not match the current range"},
      {R"("ports":[{"port":80}],"clusterIP":"fd00:10:96::")",
       "the provided IP (fd00:10:96::) is not in the valid range. The range of valid IPs is fd00:10:96::/112"},
      {R"("ports":[{"port":80}],"clusterIP":"FD00:10:96::9")", "must be in canonical form"},
      {R"("ports":[{"port":80}],"ipFamilies":["IPv5"])", "supported values: \"IPv4\", \"IPv6\""},
      {R"("ports":[{"port":80}],"ipFamilyPolicy":"Dual")",
       "supported values: \"PreferDualStack\", \"RequireDualStack\", \"SingleStack\""},
      {R"("type":"ExternalName","externalName":"a.b","ipFamilyPolicy":"SingleStack")",
       "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services"},
  };
  for (const auto& [spec, text] : cases) {
    auto refused = create("x", spec);
    EXPECT_EQ(refused.status, 422) << spec;
    EXPECT_THAT(std::string(refused.message()), HasSubstr(text)) << spec;
  }
  EXPECT_EQ(call("GET", addresses_).json["items"].as_array().size(), 1u) << "nothing of that is left: only kubernetes'";
}

TEST_F(DualStack, UpgradeAndDowngrade) {
  auto made = create("s", R"("ports":[{"port":80}])");
  auto first = ips_of(made).at(0);
  auto up = merge("s", R"({"ipFamilyPolicy":"PreferDualStack"})");
  ASSERT_EQ(up.status, 200) << up.text;
  EXPECT_THAT(families_of(up), ElementsAre("IPv4", "IPv6"));
  ASSERT_EQ(ips_of(up).size(), 2u);
  EXPECT_EQ(ips_of(up)[0], first);
  auto second = ips_of(up)[1];
  EXPECT_EQ(owner_of(second), "default/s");
  // A replacement that says nothing of families keeps them.
  auto same = call("PUT", services_ + "/s", service_json("s", R"("ports":[{"port":81}],"ipFamilyPolicy":"PreferDualStack")"));
  ASSERT_EQ(same.status, 200) << same.text;
  EXPECT_EQ(ips_of(same), ips_of(up));
  auto silent = merge("s", R"({"clusterIPs":[")" + first + R"("]})");
  EXPECT_THAT(std::string(silent.message()),
              HasSubstr("spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be 'SingleStack' to release the "
                        "secondary cluster IP"));
  auto primary = merge("s", R"({"ipFamilies":["IPv6","IPv4"]})");
  EXPECT_EQ(primary.status, 422);
  EXPECT_THAT(std::string(primary.message()), HasSubstr("may not change once set"));
  auto down = merge("s", R"({"ipFamilyPolicy":"SingleStack"})");
  ASSERT_EQ(down.status, 200) << down.text;
  EXPECT_THAT(ips_of(down), ElementsAre(first));
  EXPECT_THAT(families_of(down), ElementsAre("IPv4"));
  EXPECT_EQ(owner_of(second), "");
  // What was given back can be had again, also by name.
  auto heir = create("t", R"("ports":[{"port":80}],"clusterIP":")" + second + "\"");
  EXPECT_EQ(heir.status, 201) << heir.text;
  auto named = merge("s", R"({"ipFamilyPolicy":"RequireDualStack","clusterIPs":[")" + first + R"(","fd00:10:96::abc"]})");
  ASSERT_EQ(named.status, 200) << named.text;
  EXPECT_THAT(ips_of(named), ElementsAre(first, "fd00:10:96::abc"));
  EXPECT_THAT(families_of(named), ElementsAre("IPv4", "IPv6"));
}

TEST_F(DualStack, TypesComeAndGoWithBothAddresses) {
  auto made = create("s", R"("ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack","type":"LoadBalancer")");
  auto ips = ips_of(made);
  ASSERT_EQ(ips.size(), 2u);
  auto plain = merge("s", R"({"type":"ClusterIP"})");
  EXPECT_EQ(ips_of(plain), ips) << plain.text;
  auto gone = merge("s", R"({"type":"ExternalName","externalName":"a.b"})");
  ASSERT_EQ(gone.status, 200) << gone.text;
  EXPECT_TRUE(ips_of(gone).empty());
  EXPECT_TRUE(families_of(gone).empty());
  EXPECT_EQ(policy_of(gone), "");
  for (const auto& ip : ips) EXPECT_EQ(owner_of(ip), "");
  auto back = merge("s", R"({"type":"NodePort","ipFamilyPolicy":"PreferDualStack"})");
  ASSERT_EQ(back.status, 200) << back.text;
  EXPECT_EQ(ips_of(back).size(), 2u);
  for (const auto& ip : ips_of(back)) EXPECT_EQ(owner_of(ip), "default/s");
  EXPECT_EQ(call("DELETE", services_ + "/s").status, 200);
  for (const auto& ip : ips_of(back)) EXPECT_EQ(owner_of(ip), "");
}

TEST_F(DualStack, ADryRunLeavesNothing) {
  auto tried = call("POST", services_ + "?dryRun=All",
                    service_json("s", R"("ports":[{"port":80}],"ipFamilyPolicy":"RequireDualStack")"));
  ASSERT_EQ(tried.status, 201) << tried.text;
  EXPECT_EQ(ips_of(tried).size(), 2u);
  EXPECT_EQ(call("GET", addresses_).json["items"].as_array().size(), 1u);
  auto made = create("s", R"("ports":[{"port":80}],"clusterIP":")" + ips_of(tried)[0] + "\"");
  EXPECT_EQ(made.status, 201) << made.text;
}

TEST_F(DualStack, KubernetesIsThere) {
  EXPECT_EQ(owner_of("10.96.0.1"), "default/kubernetes");
  auto object = call("GET", addresses_ + "/10.96.0.1");
  EXPECT_EQ(object.json.at({"metadata", "labels", "ipaddress.kubernetes.io/managed-by"}).as_string(), "ipallocator.k8s.io");
  EXPECT_EQ(object.json.at({"metadata", "labels", "ipaddress.kubernetes.io/ip-family"}).as_string(), "IPv4");
  EXPECT_THAT(list_of(call("GET", cidrs_ + "/kubernetes"), "cidrs"), ElementsAre("10.96.0.0/16", "fd00:10:96::/112"));
}

TEST_F(SixFirst, IsTheDefault) {
  EXPECT_THAT(ips_of(call("GET", services_ + "/kubernetes")), ElementsAre("fd00:10:96::1"));
  auto made = create("s", R"("ports":[{"port":80}])");
  EXPECT_THAT(families_of(made), ElementsAre("IPv6"));
  auto both = create("t", R"("ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack")");
  EXPECT_THAT(families_of(both), ElementsAre("IPv6", "IPv4"));
  EXPECT_THAT(families_of(create("u", R"("ports":[{"port":80}],"clusterIP":"None")")), ElementsAre("IPv6", "IPv4"));
}

class SingleStack : public Families {};

TEST_F(SingleStack, HasOneFamily) {
  auto prefer = create("p", R"("ports":[{"port":80}],"ipFamilyPolicy":"PreferDualStack")");
  ASSERT_EQ(prefer.status, 201) << prefer.text;
  EXPECT_THAT(families_of(prefer), ElementsAre("IPv4"));
  EXPECT_EQ(policy_of(prefer), "PreferDualStack");
  EXPECT_THAT(std::string(create("x", R"("ports":[{"port":80}],"ipFamilies":["IPv6"])").message()),
              HasSubstr("spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster"));
  EXPECT_THAT(std::string(create("x", R"("ports":[{"port":80}],"clusterIP":"fd00::1")").message()),
              HasSubstr("spec.clusterIPs[0]: Invalid value: [\"fd00::1\"]: IPv6 is not configured on this cluster"));
  // Later the cluster has two families: the Service stays as it is until somebody asks.
  server_.reset();
  service_cidr_ = "10.96.0.0/16,fd00:10:96::/112";
  start();
  EXPECT_THAT(list_of(call("GET", cidrs_ + "/kubernetes"), "cidrs"), ElementsAre("10.96.0.0/16", "fd00:10:96::/112"));
  auto touched = merge("p", R"({"sessionAffinity":"ClientIP"})");
  ASSERT_EQ(touched.status, 200) << touched.text;
  EXPECT_THAT(families_of(touched), ElementsAre("IPv4"));
  auto asked = merge("p", R"({"ipFamilyPolicy":"RequireDualStack"})");
  EXPECT_THAT(families_of(asked), ElementsAre("IPv4", "IPv6")) << asked.text;
}

TEST_F(SingleStack, OtherFlagsLater) {
  auto before = create("before", R"("ports":[{"port":80}])");
  for (int i = 0; i < 2; ++i) {  // the second start finds all that it needs
    server_.reset();
    service_cidr_ = "10.97.0.0/24,fd00:10:97::/112";
    start();
    EXPECT_THAT(list_of(call("GET", cidrs_ + "/kubernetes"), "cidrs"), ElementsAre("10.96.0.0/16"));
    EXPECT_THAT(list_of(call("GET", cidrs_ + "/kubernetes-2"), "cidrs"), ElementsAre("10.97.0.0/24", "fd00:10:97::/112"));
    EXPECT_EQ(call("GET", cidrs_).json["items"].as_array().size(), 2u);
  }
  EXPECT_THAT(ips_of(create("after", R"("ports":[{"port":80}])")), ElementsAre(StartsWith("10.97.0.")));
  EXPECT_EQ(ips_of(call("GET", services_ + "/before")), ips_of(before));
  EXPECT_EQ(create("x", R"("ports":[{"port":80}],"clusterIP":")" + ips_of(before)[0] + "\"").status, 422);
  EXPECT_EQ(create("y", R"("ports":[{"port":80}],"clusterIP":"10.96.0.77")").status, 201);
}

TEST_F(SingleStack, MoreRangesAndClaimedAddresses) {
  auto outside = create("x", R"("ports":[{"port":80}],"clusterIP":"10.200.0.5")");
  EXPECT_EQ(outside.status, 422);
  const std::string more = R"({"apiVersion":"networking.k8s.io/v1","kind":"ServiceCIDR","metadata":{"name":"more"},"spec":{"cidrs":["10.200.0.0/24"]}})";
  ASSERT_EQ(call("POST", cidrs_, more).status, 201);
  auto made = create("x", R"("ports":[{"port":80}],"clusterIP":"10.200.0.5")");
  EXPECT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(owner_of("10.200.0.5"), "default/x");
  const std::string claim = R"({"apiVersion":"networking.k8s.io/v1","kind":"IPAddress","metadata":{"name":"10.200.0.6"},"spec":{"parentRef":{"group":"example.com","resource":"gateways","name":"g"}}})";
  ASSERT_EQ(call("POST", addresses_, claim).status, 201);
  auto taken = create("y", R"("ports":[{"port":80}],"clusterIP":"10.200.0.6")");
  EXPECT_THAT(std::string(taken.message()), HasSubstr("provided IP is already allocated"));
  EXPECT_EQ(call("DELETE", addresses_ + "/10.200.0.6").status, 200);
  EXPECT_EQ(create("y", R"("ports":[{"port":80}],"clusterIP":"10.200.0.6")").status, 201);
  // An IPAddress that goes by hand does not free what a Service has.
  EXPECT_EQ(call("DELETE", addresses_ + "/10.200.0.5").status, 200);
  EXPECT_EQ(create("z", R"("ports":[{"port":80}],"clusterIP":"10.200.0.5")").status, 422);
  EXPECT_EQ(call("DELETE", cidrs_ + "/more").status, 200);
  EXPECT_THAT(std::string(create("z", R"("ports":[{"port":80}],"clusterIP":"10.200.0.8")").message()),
              HasSubstr("the provided network does not match the current range"));
}

}  // namespace
}  // namespace server::testing
