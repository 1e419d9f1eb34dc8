// Every field of a Service by rule, and every change of type: what is kept, what is given back.
#include <gmock/gmock.h>

#include "server/testing.hpp"

namespace server::testing {
namespace {

using ::testing::HasSubstr;

class ServiceTypes : public ServerTest {
 protected:
  Reply create(std::string_view name, std::string_view spec, std::string_view metadata = "") {
    return call("POST", services_, service_json(name, spec, metadata));
  }
  Reply replace(std::string_view name, std::string_view spec) {
    return call("PUT", services_ + "/" + std::string(name), service_json(name, spec));
  }
  Reply merge(std::string_view name, std::string spec) {
    return patch(services_ + "/" + std::string(name), "merge-patch+json", "{\"spec\":" + spec + "}");
  }
  static const base::Value& spec_of(const Reply& reply) { return reply.json["spec"]; }
  static int64_t node_port_of(const Reply& reply, size_t i = 0) {
    const auto& ports = spec_of(reply)["ports"].as_array();
    return i < ports.size() ? ports[i]["nodePort"].int_or(0) : -1;
  }
  static std::string ip_of(const Reply& reply) { return std::string(spec_of(reply)["clusterIP"].as_string()); }
  bool port_is_free(int64_t port) {
    auto tried = call("POST", services_ + "?dryRun=All",
                      service_json("probe", R"("type":"NodePort","ports":[{"port":1,"nodePort":)" + std::to_string(port) + "}]"));
    return tried.status == 201;
  }
  bool address_is_free(const std::string& ip) {
    return call("POST", services_ + "?dryRun=All", service_json("probe", R"("ports":[{"port":1}],"clusterIP":")" + ip + "\"")).status == 201;
  }
};

constexpr std::string_view kPorts = R"("ports":[{"port":80}])";
std::string with(std::string_view more) { return std::string(kPorts) + "," + std::string(more); }

TEST_F(ServiceTypes, EveryFieldHasItsDefault) {
  struct Row {
    std::string spec;
    std::string_view member;
    std::string_view value;  // as JSON; "" for absent
  };
  const std::vector<Row> rows = {
      {std::string(kPorts), "type", R"("ClusterIP")"},
      {std::string(kPorts), "sessionAffinity", R"("None")"},
      {std::string(kPorts), "sessionAffinityConfig", ""},
      {with(R"("sessionAffinity":"ClientIP")"), "sessionAffinityConfig", R"({"clientIP":{"timeoutSeconds":10800}})"},
      {std::string(kPorts), "internalTrafficPolicy", R"("Cluster")"},
      {std::string(kPorts), "externalTrafficPolicy", ""},
      {with(R"("externalIPs":["192.0.2.7"])"), "externalTrafficPolicy", R"("Cluster")"},
      {with(R"("type":"NodePort")"), "externalTrafficPolicy", R"("Cluster")"},
      {with(R"("type":"LoadBalancer")"), "externalTrafficPolicy", R"("Cluster")"},
      {with(R"("type":"LoadBalancer")"), "allocateLoadBalancerNodePorts", "true"},
      {with(R"("type":"NodePort")"), "allocateLoadBalancerNodePorts", ""},
      {with(R"("type":"LoadBalancer")"), "healthCheckNodePort", ""},
      {std::string(kPorts), "publishNotReadyAddresses", ""},
      {with(R"("publishNotReadyAddresses":true)"), "publishNotReadyAddresses", "true"},
      {std::string(kPorts), "trafficDistribution", ""},
      {R"("type":"ExternalName","externalName":"a.b")", "internalTrafficPolicy", ""},
      {R"("type":"ExternalName","externalName":"a.b")", "sessionAffinity", R"("None")"},
      {R"("type":"ExternalName","externalName":"a.b")", "clusterIP", ""},
      {std::string(kPorts), "ports", R"([{"protocol":"TCP","port":80,"targetPort":80}])"},
      {R"("ports":[{"port":53,"protocol":"UDP","targetPort":"dns","appProtocol":"kubernetes.io/h2c"}])", "ports",
       R"([{"protocol":"UDP","appProtocol":"kubernetes.io/h2c","port":53,"targetPort":"dns"}])"},
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    auto made = create("s" + std::to_string(i), rows[i].spec);
    ASSERT_EQ(made.status, 201) << rows[i].spec << made.text;
    const auto& value = spec_of(made)[rows[i].member];
    EXPECT_EQ(value.is_null() ? "" : base::write_json(value), rows[i].value) << rows[i].member << " of " << rows[i].spec;
  }
}

TEST_F(ServiceTypes, EveryFieldHasItsRules) {
  struct Row {
    std::string spec;
    std::string_view problem;  // part of the message; "" where it is fine
  };
  const std::vector<Row> rows = {
      {with(R"("type":"Other")"), R"(spec.type: Unsupported value: "Other": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort")"},
      {R"("ports":[])", "spec.ports: Required value"},
      {R"("ports":[],"clusterIP":"None")", ""},
      {R"("ports":[{"port":80},{"port":81}])", "spec.ports[0].name: Required value"},
      {R"("ports":[{"port":80,"name":"a"},{"port":81,"name":"a"}])", "spec.ports[1].name: Duplicate value: \"a\""},
      {R"("ports":[{"port":80,"name":"A"}])", "spec.ports[0].name: Invalid value: \"A\""},
      {R"("ports":[{"port":80,"name":"a"},{"port":80,"name":"b"}])", "spec.ports[1]: Duplicate value"},
      {R"("ports":[{"port":80,"name":"a"},{"port":80,"name":"b","protocol":"UDP"}])", ""},
      {R"("ports":[{"port":0}])", "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"},
      {R"("ports":[{"port":80,"protocol":"ICMP"}])", R"(spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP")"},
      {R"("ports":[{"port":80,"protocol":"SCTP"}])", ""},
      {R"("ports":[{"port":80,"targetPort":70000}])", "spec.ports[0].targetPort: Invalid value: 70000"},
      {R"("ports":[{"port":80,"targetPort":"no_port"}])", "spec.ports[0].targetPort: Invalid value: \"no_port\""},
      {R"("ports":[{"port":80,"appProtocol":"a/b/c"}])", "spec.ports[0].appProtocol: Invalid value"},
      {R"("ports":[{"port":80,"nodePort":30000}])", "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
      {R"("type":"NodePort","ports":[{"port":80,"name":"a","nodePort":30001},{"port":81,"name":"b","nodePort":30001}])",
       "spec.ports[1].nodePort: Duplicate value: 30001"},
      {R"("type":"NodePort","ports":[{"port":80,"name":"a","nodePort":30001},{"port":81,"name":"b","nodePort":30001,"protocol":"UDP"}])", ""},
      {with(R"("clusterIP":"10.96.00.1")"), "spec.clusterIPs[0]: Invalid value"},
      {with(R"("clusterIP":"None","type":"NodePort")"), "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"},
      {with(R"("clusterIP":"None","type":"LoadBalancer")"), "may not be set to 'None' for LoadBalancer services"},
      {with(R"("clusterIP":"None","clusterIPs":["None","10.96.0.9"])"), "'None' must be the first and only value"},
      {with(R"("clusterIP":"10.96.0.8","clusterIPs":["10.96.0.9"])"), "first value must match `clusterIP`"},
      {with(R"("sessionAffinity":"Cookie")"), R"(spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None")"},
      {with(R"("sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":86401}})"),
       "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400"},
      {with(R"("sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":86400}})"), ""},
      {with(R"("externalTrafficPolicy":"Local")"), "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services"},
      {with(R"("externalTrafficPolicy":"Local","externalIPs":["192.0.2.1"])"), ""},
      {with(R"("type":"NodePort","externalTrafficPolicy":"Near")"), R"(spec.externalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local")"},
      {with(R"("internalTrafficPolicy":"Near")"), R"(spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local")"},
      {with(R"("internalTrafficPolicy":"Local")"), ""},
      {with(R"("healthCheckNodePort":30500)"), "spec.healthCheckNodePort: Invalid value: 30500: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"},
      {with(R"("loadBalancerClass":"a.b/c")"), "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"},
      {with(R"("type":"LoadBalancer","loadBalancerClass":"a b")"), "spec.loadBalancerClass: Invalid value: \"a b\""},
      {with(R"("type":"NodePort","allocateLoadBalancerNodePorts":true)"), "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'"},
      {with(R"("type":"NodePort","loadBalancerSourceRanges":["10.0.0.0/8"])"), "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"},
      {with(R"("type":"LoadBalancer","loadBalancerSourceRanges":["10.0.0.0/8"])"), ""},
      {with(R"("type":"LoadBalancer","loadBalancerSourceRanges":["10.0.0.0"])"), "spec.loadBalancerSourceRanges[0]: Invalid value: \"10.0.0.0\""},
      {with(R"("externalIPs":["127.0.0.1"])"), "spec.externalIPs[0]: Invalid value: \"127.0.0.1\""},
      {with(R"("externalIPs":["169.254.1.1"])"), "spec.externalIPs[0]: Invalid value: \"169.254.1.1\""},
      {with(R"("externalIPs":["0.0.0.0"])"), "spec.externalIPs[0]: Invalid value: \"0.0.0.0\""},
      {with(R"("externalIPs":["myip"])"), "spec.externalIPs[0]: Invalid value: \"myip\""},
      {with(R"("type":"ExternalName")"), "spec.externalName: Required value"},
      {R"("type":"ExternalName","externalName":"a_b")", "spec.externalName: Invalid value"},
      {R"("type":"ExternalName","externalName":"a.b.")", ""},
      {R"("type":"ExternalName","externalName":"a.b","clusterIP":"10.96.0.9")", "spec.clusterIPs: Forbidden: may not be set for ExternalName services"},
      {with(R"("trafficDistribution":"PreferClose")"), ""},
      {with(R"("trafficDistribution":"PreferSameZone")"), ""},
      {with(R"("trafficDistribution":"PreferSameNode")"), ""},
      {with(R"("trafficDistribution":"Near")"), R"(spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameNode", "PreferSameZone")"},
      {with(R"("selector":{"a b":"c"})"), "spec.selector: Invalid value: \"a b\""},
      {R"("type":"LoadBalancer","ports":[{"port":10250}])", "may not expose port 10250 externally since it is used by kubelet"},
  };
  for (const auto& row : rows) {
    auto reply = call("POST", services_ + "?dryRun=All", service_json("s", row.spec));
    EXPECT_EQ(reply.status, row.problem.empty() ? 201 : 422) << row.spec << reply.text;
    if (!row.problem.empty()) EXPECT_THAT(std::string(reply.message()), HasSubstr(row.problem)) << row.spec;
  }
}

TEST_F(ServiceTypes, Warnings) {
  auto warning = [&](std::string_view spec) {
    auto reply = call("POST", services_ + "?dryRun=All", service_json("s", spec));
    return std::string(reply.headers.get("Warning"));
  };
  EXPECT_THAT(warning(with(R"("externalIPs":["192.0.2.1"])")), HasSubstr("spec.externalIPs is deprecated"));
  EXPECT_THAT(warning(with(R"("trafficDistribution":"PreferClose")")), HasSubstr("PreferClose"));
  EXPECT_THAT(warning(with(R"("externalName":"a.b")")), HasSubstr("spec.externalName is ignored"));
  EXPECT_EQ(warning(std::string(kPorts)), "");
}

// From every type to every other one, by changing the type alone.
TEST_F(ServiceTypes, EveryChangeOfType) {
  const std::vector<std::string> types = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"};
  auto has_ip = [](const std::string& type) { return type != "ExternalName"; };
  auto has_node_port = [](const std::string& type) { return type == "NodePort" || type == "LoadBalancer"; };
  for (const auto& from : types) {
    for (const auto& to : types) {
      SCOPED_TRACE(from + " to " + to);
      auto made = create("s", with("\"type\":\"" + from + "\"" + (from == "ExternalName" ? R"(,"externalName":"a.b")" : "")));
      ASSERT_EQ(made.status, 201) << made.text;
      EXPECT_EQ(!ip_of(made).empty(), has_ip(from));
      EXPECT_EQ(node_port_of(made) != 0, has_node_port(from));
      auto changed = merge("s", "{\"type\":\"" + to + "\"" + (to == "ExternalName" ? R"(,"externalName":"a.b")" : "") + "}");
      ASSERT_EQ(changed.status, 200) << changed.text;
      EXPECT_EQ(!ip_of(changed).empty(), has_ip(to));
      if (has_ip(from) && has_ip(to)) EXPECT_EQ(ip_of(changed), ip_of(made));
      if (has_ip(from) && !has_ip(to)) EXPECT_TRUE(address_is_free(ip_of(made)));
      EXPECT_EQ(node_port_of(changed) != 0, has_node_port(to));
      if (has_node_port(from) && has_node_port(to)) EXPECT_EQ(node_port_of(changed), node_port_of(made));
      if (has_node_port(from) && !has_node_port(to)) EXPECT_TRUE(port_is_free(node_port_of(made)));
      EXPECT_EQ(spec_of(changed)["externalTrafficPolicy"].is_null(), !has_node_port(to));
      EXPECT_EQ(spec_of(changed)["internalTrafficPolicy"].is_null(), !has_ip(to));
      EXPECT_EQ(spec_of(changed)["allocateLoadBalancerNodePorts"].is_null(), to != "LoadBalancer");
      EXPECT_EQ(spec_of(changed)["ipFamilyPolicy"].is_null(), !has_ip(to));
      EXPECT_EQ(call("DELETE", services_ + "/s").status, 200);
      if (has_ip(to)) EXPECT_TRUE(address_is_free(ip_of(changed)));
      if (has_node_port(to)) EXPECT_TRUE(port_is_free(node_port_of(changed)));
    }
  }
}

TEST_F(ServiceTypes, HeadlessStaysHeadless) {
  ASSERT_EQ(create("h", with(R"("clusterIP":"None","selector":{"a":"b"})")).status, 201);
  EXPECT_THAT(std::string(merge("h", R"({"clusterIP":"10.96.0.9","clusterIPs":["10.96.0.9"]})").message()), HasSubstr("may not change once set"));
  EXPECT_THAT(std::string(merge("h", R"({"type":"NodePort"})").message()), HasSubstr("may not be set to 'None' for NodePort services"));
  ASSERT_EQ(create("c", kPorts).status, 201);
  EXPECT_THAT(std::string(merge("c", R"({"clusterIP":"None","clusterIPs":["None"]})").message()), HasSubstr("may not change once set"));
  auto external = merge("h", R"({"type":"ExternalName","externalName":"a.b"})");
  ASSERT_EQ(external.status, 200) << external.text;
  EXPECT_EQ(ip_of(external), "");
  auto back = merge("h", R"({"type":"ClusterIP","clusterIP":"None"})");
  ASSERT_EQ(back.status, 200) << back.text;
  EXPECT_EQ(ip_of(back), "None");
}

TEST_F(ServiceTypes, WhatAnUpdateLeavesOutIsKept) {
  auto made = create("s", R"("type":"LoadBalancer","externalTrafficPolicy":"Local","ports":[{"name":"a","port":80},{"name":"b","port":81}])");
  ASSERT_EQ(made.status, 201) << made.text;
  const int64_t health = spec_of(made)["healthCheckNodePort"].int_or(0);
  EXPECT_GE(health, 30000);
  auto again = replace("s", R"("type":"LoadBalancer","externalTrafficPolicy":"Local","ports":[{"name":"b","port":81},{"name":"a","port":8080}])");
  ASSERT_EQ(again.status, 200) << again.text;
  EXPECT_EQ(node_port_of(again, 0), node_port_of(made, 1));
  EXPECT_EQ(node_port_of(again, 1), node_port_of(made, 0)) << "a port keeps its number by name";
  EXPECT_EQ(spec_of(again)["healthCheckNodePort"].int_or(0), health);
  EXPECT_EQ(ip_of(again), ip_of(made));
  EXPECT_THAT(std::string(merge("s", R"({"healthCheckNodePort":30999})").message()),
              HasSubstr("spec.healthCheckNodePort: Forbidden: field is immutable"));
  // The policy changes: the port of the check is free again.
  auto cluster = merge("s", R"({"externalTrafficPolicy":"Cluster"})");
  ASSERT_EQ(cluster.status, 200) << cluster.text;
  EXPECT_TRUE(spec_of(cluster)["healthCheckNodePort"].is_null()) << cluster.text;
  EXPECT_TRUE(port_is_free(health));
  auto local = merge("s", R"({"externalTrafficPolicy":"Local","healthCheckNodePort":)" + std::to_string(health) + "}");
  ASSERT_EQ(local.status, 200) << local.text;
  EXPECT_EQ(spec_of(local)["healthCheckNodePort"].int_or(0), health);
  EXPECT_FALSE(port_is_free(health));
  auto node = merge("s", R"({"type":"NodePort"})");
  EXPECT_TRUE(spec_of(node)["healthCheckNodePort"].is_null());
  EXPECT_TRUE(port_is_free(health));
}

TEST_F(ServiceTypes, BalancersWithoutNodePorts) {
  auto made = create("s", R"("type":"LoadBalancer","allocateLoadBalancerNodePorts":false,"ports":[{"port":80}])");
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(node_port_of(made), 0);
  auto asked = merge("s", R"({"ports":[{"port":80,"nodePort":30777}]})");
  EXPECT_EQ(node_port_of(asked), 30777) << asked.text;
  EXPECT_FALSE(port_is_free(30777));
  auto without = merge("s", R"({"ports":[{"port":80}]})");
  EXPECT_EQ(node_port_of(without), 0) << "as upstream: what is not asked for goes";
  EXPECT_TRUE(port_is_free(30777));
  auto again = merge("s", R"({"allocateLoadBalancerNodePorts":true})");
  EXPECT_NE(node_port_of(again), 0);
}

TEST_F(ServiceTypes, TheClassOfABalancerStays) {
  ASSERT_EQ(create("s", with(R"("type":"LoadBalancer","loadBalancerClass":"a.b/c")")).status, 201);
  EXPECT_THAT(std::string(merge("s", R"({"loadBalancerClass":"a.b/d"})").message()), HasSubstr("spec.loadBalancerClass: Invalid value: \"a.b/d\": may not change once set"));
  auto plain = merge("s", R"({"type":"ClusterIP"})");
  ASSERT_EQ(plain.status, 200) << plain.text;
  EXPECT_TRUE(spec_of(plain)["loadBalancerClass"].is_null());
  EXPECT_EQ(merge("s", R"({"type":"LoadBalancer","loadBalancerClass":"a.b/d"})").status, 200);
}

TEST_F(ServiceTypes, ABalancersStatusGoesWithIt) {
  ASSERT_EQ(create("s", with(R"("type":"LoadBalancer")")).status, 201);
  auto status = [&](std::string ingress) {
    return patch(services_ + "/s/status", "merge-patch+json", R"({"status":{"loadBalancer":{"ingress":[)" + ingress + "]}}}");
  };
  auto set = status(R"({"ip":"192.0.2.1"})");
  ASSERT_EQ(set.status, 200) << set.text;
  EXPECT_EQ(set.json.at({"status", "loadBalancer", "ingress"}).as_array().at(0)["ipMode"].as_string(), "VIP");
  EXPECT_EQ(status(R"({"ip":"here"})").status, 422);
  EXPECT_EQ(status(R"({"ip":"192.0.2.1","ipMode":"Other"})").status, 422);
  EXPECT_EQ(status(R"({"hostname":"192.0.2.1"})").status, 422);
  auto plain = merge("s", R"({"type":"NodePort"})");
  EXPECT_EQ(base::write_json(plain.json["status"]), R"({"loadBalancer":{}})");
  EXPECT_THAT(std::string(status(R"({"ip":"192.0.2.1"})").message()), HasSubstr("may only be used when `spec.type` is \"LoadBalancer\""));
}

TEST_F(ServiceTypes, ARefusedChangeKeepsAll) {
  auto made = create("s", with(R"("type":"NodePort")"));
  ASSERT_EQ(create("t", R"("type":"NodePort","ports":[{"port":80,"nodePort":30333}])").status, 201);
  auto refused = replace("s", R"("type":"NodePort","ports":[{"name":"a","port":80,"nodePort":30334},{"name":"b","port":81,"nodePort":30333}])");
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("spec.ports[1].nodePort: Invalid value: 30333: provided port is already allocated"));
  EXPECT_TRUE(port_is_free(30334));
  EXPECT_FALSE(port_is_free(node_port_of(made)));
}

}  // namespace
}  // namespace server::testing
