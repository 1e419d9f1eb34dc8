#include "controllers/servicecidr/plan.hpp"

#include <gmock/gmock.h>

#include <map>

#include "controllers/make_test.hpp"

namespace controllers {
namespace {

using ::testing::HasSubstr;

CidrPtr cidr(const std::string& name, std::vector<std::string> ranges, bool deleting = false) {
  auto out = std::make_shared<api::ServiceCIDR>();
  out->metadata.name = name;
  out->spec.cidrs = std::move(ranges);
  if (deleting) out->metadata.deletion_timestamp = base::format_time(at_second(1));
  return out;
}

class ServiceCidrPlan : public ::testing::Test {
 protected:
  AddressPtr put(api::IPAddress address) {
    auto shared = std::make_shared<const api::IPAddress>(std::move(address));
    return addresses_[shared->metadata.name] = shared;
  }
  void put(api::Service service) {
    std::string key = service.metadata.namespace_ + "/" + service.metadata.name;
    services_[key] = std::make_shared<const api::Service>(std::move(service));
  }
  static api::Service with(const std::string& name, std::vector<std::string> ips) {
    auto service = make_service(name);
    service.spec.cluster_ip = ips.at(0);
    service.spec.cluster_ips = std::move(ips);
    return service;
  }
  std::vector<Finding> check(const api::Service& service) {
    return check_service_addresses(service, cidrs_, address_lookup_, service_lookup_);
  }
  Finding check(const api::IPAddress& address) { return check_ip_address(address, service_lookup_); }

  std::vector<CidrPtr> cidrs_ = {cidr("kubernetes", {"10.96.0.0/16", "fd00::/112"})};
  std::map<std::string, AddressPtr> addresses_;
  std::map<std::string, ServicePtr> services_;
  AddressLookup address_lookup_ = [this](const std::string& text) {
    auto it = addresses_.find(text);
    return it == addresses_.end() ? nullptr : it->second;
  };
  ServiceLookup service_lookup_ = [this](const std::string& ns, const std::string& name) {
    auto it = services_.find(ns + "/" + name);
    return it == services_.end() ? nullptr : it->second;
  };
};

TEST_F(ServiceCidrPlan, NothingToSay) {
  auto service = with("s", {"10.96.0.5", "fd00::5"});
  put(service);
  auto four = put(make_ip_address("10.96.0.5", service));
  put(make_ip_address("fd00::5", service));
  EXPECT_TRUE(check(service).empty());
  EXPECT_EQ(check(*four).act, Finding::Act::none);
  auto headless = with("h", {"None"});
  EXPECT_TRUE(check(headless).empty());
  auto external = make_service("e");
  external.spec.type = "ExternalName";
  EXPECT_TRUE(check(external).empty());
}

TEST_F(ServiceCidrPlan, ServicesWithoutTheirObjects) {
  auto service = with("s", {"10.96.0.5", "10.200.0.1", "x"});
  auto found = check(service);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].act, Finding::Act::create);
  EXPECT_EQ(found[0].message, "Cluster IP [IPv4]: 10.96.0.5 is not allocated; repairing");
  EXPECT_EQ(found[1].reason, "ClusterIPOutOfRange");
  EXPECT_EQ(found[1].act, Finding::Act::none);
  EXPECT_EQ(found[2].reason, "ClusterIPNotValid");
}

TEST_F(ServiceCidrPlan, WrongOwners) {
  auto service = with("s", {"10.96.0.5"});
  auto other = make_ip_address("10.96.0.5", make_service("other"));
  put(other);
  EXPECT_EQ(check(service).at(0).act, Finding::Act::replace) << "the other Service is gone";
  put(with("other", {"10.96.0.5"}));
  EXPECT_EQ(check(service).at(0).reason, "ClusterIPAlreadyAllocated");
  EXPECT_EQ(check(service).at(0).act, Finding::Act::none);
  other.spec.parent_ref.resource = "gateways";
  put(other);
  EXPECT_EQ(check(service).at(0).act, Finding::Act::replace);
  auto bare = make_ip_address("10.96.0.5", service);
  bare.metadata.labels.clear();
  put(bare);
  EXPECT_EQ(check(service).at(0).act, Finding::Act::replace);
  EXPECT_EQ(check(service).at(0).reason, "");
}

TEST_F(ServiceCidrPlan, AddressesWithoutTheirService) {
  auto leaked = make_ip_address("10.96.0.5", make_service("s"));
  EXPECT_EQ(check(leaked).act, Finding::Act::remove);
  EXPECT_THAT(check(leaked).message, HasSubstr("appears to have leaked"));
  put(with("s", {"10.96.0.6"}));
  EXPECT_EQ(check(leaked).reason, "IPAddressWrongReference");
  leaked.spec.parent_ref.resource = "gateways";
  EXPECT_THAT(check(leaked).message, HasSubstr("not referencing a Service"));
  leaked.metadata.labels.clear();
  EXPECT_EQ(check(leaked).act, Finding::Act::none) << "somebody's own";
}

TEST_F(ServiceCidrPlan, NodePorts) {
  auto service = make_service();
  for (int64_t number : {30001, 30001, 0, 40000}) {
    api::ServicePort port;
    port.node_port = number;
    service.spec.ports.push_back(port);
  }
  service.spec.health_check_node_port = 30009;
  EXPECT_EQ(node_ports_of(service), (std::vector<int64_t>{30001, 30009, 40000}));
  auto found = check_node_ports(service, {30000, 30100}, [](int64_t port) { return port == 30009; });
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].message, "Port 30009 was assigned to multiple services; please recreate service");
  EXPECT_EQ(found[1].message, "Port 40000 is not within the port range 30000-30100; please recreate service");
}

TEST_F(ServiceCidrPlan, ARangeGoesWhenNobodyIsLeftAlone) {
  auto more = cidr("more", {"10.200.0.0/24"}, true);
  auto address = put(make_ip_address("10.200.0.7", make_service()));
  EXPECT_FALSE(may_remove(*more, {cidrs_[0], more}, {address}));
  EXPECT_TRUE(may_remove(*more, {cidrs_[0], more}, {put(make_ip_address("10.96.0.7", make_service()))}));
  EXPECT_TRUE(may_remove(*more, {cidr("wide", {"10.200.0.0/16"}), more}, {address}));
  EXPECT_FALSE(may_remove(*more, {cidr("wide", {"10.200.0.0/16"}, true), more}, {address}));
  auto claimed = make_ip_address("10.200.0.8", make_service());
  claimed.metadata.labels.clear();
  EXPECT_TRUE(may_remove(*more, {more}, {put(claimed)}));
}

}  // namespace
}  // namespace controllers
