#include "scheduler/plan.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace scheduler {
namespace {

api::Node make_node(const std::string& name, std::map<std::string, std::string> allocatable = {{"cpu", "4"},
                                                                                                {"memory", "8Gi"},
                                                                                                {"pods", "110"}}) {
  api::Node node;
  node.metadata.name = name;
  node.metadata.labels["kubernetes.io/hostname"] = name;
  node.status.allocatable = std::move(allocatable);
  auto& ready = node.status.conditions.emplace_back();
  ready.type = "Ready";
  ready.status = "True";
  return node;
}

api::Pod make_pod(const std::string& name, std::map<std::string, std::string> requests = {}) {
  api::Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = "default";
  pod.metadata.uid = "uid-" + name;
  api::ResourceRequirements resources;
  resources.requests = std::move(requests);
  pod.spec.containers.emplace_back().resources = std::move(resources);
  return pod;
}

struct PlanTest : testing::Test {
  NodeTable table;
  void add(api::Node node) { table.put_node(std::make_shared<const api::Node>(std::move(node))); }
  void place(api::Pod pod, const std::string& node) {
    pod.spec.node_name = node;
    table.put_pod(pod);
  }
  std::string node_of(const api::Pod& pod) { return plan_node(pod, table).node; }
  std::string refusal(const api::Pod& pod) { return plan_node(pod, table).message; }
};

TEST_F(PlanTest, TakesTheOnlyNode) {
  add(make_node("n1"));
  EXPECT_EQ(node_of(make_pod("p")), "n1");
}

TEST_F(PlanTest, SaysWhyLikeUpstream) {
  EXPECT_EQ(refusal(make_pod("p")), "no nodes available to schedule pods");
  add(make_node("n1"));
  EXPECT_EQ(refusal(make_pod("p", {{"cpu", "5"}})), "0/1 nodes are available: 1 Insufficient cpu.");
  EXPECT_EQ(refusal(make_pod("p", {{"cpu", "5"}, {"memory", "9Gi"}})),
            "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.");
  api::Node cordoned = make_node("n2");
  cordoned.spec.unschedulable = true;
  add(cordoned);
  api::Node tainted = make_node("n3");
  auto& taint = tainted.spec.taints.emplace_back();
  taint.key = "dedicated";
  taint.value = "gpu";
  taint.effect = "NoSchedule";
  add(tainted);
  EXPECT_EQ(refusal(make_pod("p", {{"cpu", "5"}})),
            "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {dedicated: gpu}, "
            "1 node(s) were unschedulable.");
}

TEST_F(PlanTest, CountsWhatIsTaken) {
  add(make_node("n1"));
  place(make_pod("a", {{"cpu", "3500m"}}), "n1");
  EXPECT_EQ(node_of(make_pod("p", {{"cpu", "500m"}})), "n1");
  EXPECT_EQ(refusal(make_pod("p", {{"cpu", "501m"}})), "0/1 nodes are available: 1 Insufficient cpu.");
  table.remove_pod("uid-a");
  EXPECT_EQ(node_of(make_pod("p", {{"cpu", "501m"}})), "n1");
  api::Pod done = make_pod("b", {{"cpu", "4"}});
  place(done, "n1");
  EXPECT_EQ(node_of(make_pod("p", {{"cpu", "1"}})), "");
  done.status.phase = "Succeeded";
  place(done, "n1");
  EXPECT_EQ(node_of(make_pod("p", {{"cpu", "1"}})), "n1") << "a finished pod takes nothing";
}

TEST_F(PlanTest, TooManyPods) {
  add(make_node("n1", {{"cpu", "4"}, {"memory", "8Gi"}, {"pods", "2"}}));
  place(make_pod("a"), "n1");
  EXPECT_EQ(node_of(make_pod("p")), "n1");
  place(make_pod("b"), "n1");
  EXPECT_EQ(refusal(make_pod("p")), "0/1 nodes are available: 1 Too many pods.");
}

TEST_F(PlanTest, ExtendedResourcesMustExist) {
  add(make_node("n1"));
  EXPECT_EQ(refusal(make_pod("p", {{"example.com/gpu", "1"}})),
            "0/1 nodes are available: 1 Insufficient example.com/gpu.");
}

TEST_F(PlanTest, NotReadyNodesAreTainted) {
  api::Node node = make_node("n1");
  node.status.conditions[0].status = "Unknown";
  add(node);
  EXPECT_EQ(refusal(make_pod("p")),
            "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.");
  api::Pod tolerant = make_pod("p");
  auto& toleration = tolerant.spec.tolerations.emplace_back();
  toleration.operator_ = "Exists";
  EXPECT_EQ(node_of(tolerant), "n1");
}

TEST_F(PlanTest, NodeSelectorAndAffinity) {
  api::Node ssd = make_node("ssd");
  ssd.metadata.labels["disk"] = "ssd";
  ssd.metadata.labels["cores"] = "8";
  add(make_node("plain"));
  add(ssd);
  api::Pod pod = make_pod("p");
  pod.spec.node_selector = {{"disk", "ssd"}};
  EXPECT_EQ(node_of(pod), "ssd");
  pod.spec.node_selector = {{"disk", "tape"}};
  EXPECT_EQ(refusal(pod), "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.");

  auto term = [](std::string key, std::string op, std::vector<std::string> values) {
    api::NodeSelectorTerm out;
    auto& want = out.match_expressions.emplace_back();
    want.key = std::move(key);
    want.operator_ = std::move(op);
    want.values = std::move(values);
    return out;
  };
  EXPECT_TRUE(matches_term(term("disk", "In", {"ssd", "nvme"}), ssd));
  EXPECT_FALSE(matches_term(term("disk", "NotIn", {"ssd"}), ssd));
  EXPECT_TRUE(matches_term(term("gpu", "NotIn", {"a"}), ssd)) << "absent is not in";
  EXPECT_TRUE(matches_term(term("disk", "Exists", {}), ssd));
  EXPECT_TRUE(matches_term(term("gpu", "DoesNotExist", {}), ssd));
  EXPECT_TRUE(matches_term(term("cores", "Gt", {"4"}), ssd));
  EXPECT_FALSE(matches_term(term("cores", "Lt", {"4"}), ssd));
  EXPECT_FALSE(matches_term({}, ssd)) << "an empty term selects nothing";

  api::NodeAffinity affinity;
  auto& preferred = affinity.preferred_during_scheduling_ignored_during_execution.emplace_back();
  preferred.weight = 1;
  preferred.preference = term("disk", "Exists", {});
  pod.spec.node_selector.clear();
  pod.spec.affinity.emplace().node_affinity = affinity;
  EXPECT_EQ(node_of(pod), "ssd");
}

TEST_F(PlanTest, Tolerations) {
  api::Taint taint;
  taint.key = "k";
  taint.value = "v";
  taint.effect = "NoSchedule";
  auto one = [&](std::string key, std::string op, std::string value, std::string effect) {
    api::Toleration t;
    t.key = std::move(key);
    t.operator_ = std::move(op);
    t.value = std::move(value);
    t.effect = std::move(effect);
    return tolerates({t}, taint);
  };
  EXPECT_TRUE(one("k", "Equal", "v", "NoSchedule"));
  EXPECT_TRUE(one("k", "", "v", ""));
  EXPECT_FALSE(one("k", "Equal", "w", ""));
  EXPECT_FALSE(one("k", "Equal", "v", "NoExecute"));
  EXPECT_TRUE(one("k", "Exists", "", ""));
  EXPECT_TRUE(one("", "Exists", "", ""));
  EXPECT_FALSE(one("other", "Exists", "", ""));
  EXPECT_FALSE(tolerates({}, taint));
}

TEST_F(PlanTest, HostPortsCollide) {
  add(make_node("n1"));
  auto with_port = [](const std::string& name, int64_t number, const std::string& ip, const std::string& protocol) {
    api::Pod pod = make_pod(name);
    auto& port = pod.spec.containers[0].ports.emplace_back();
    port.container_port = number;
    port.host_port = number;
    port.host_ip = ip;
    port.protocol = protocol;
    return pod;
  };
  place(with_port("a", 9000, "127.0.0.1", "TCP"), "n1");
  EXPECT_EQ(refusal(with_port("p", 9000, "", "TCP")),
            "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.");
  EXPECT_EQ(node_of(with_port("p", 9000, "127.0.0.2", "TCP")), "n1");
  EXPECT_EQ(node_of(with_port("p", 9000, "", "UDP")), "n1");
  EXPECT_EQ(node_of(with_port("p", 9001, "", "TCP")), "n1");
}

TEST_F(PlanTest, SpreadsOverManyNodes) {
  constexpr int kNodes = 50;
  for (int i = 0; i < kNodes; ++i) add(make_node(fmt::format("n{:02}", i)));
  std::map<std::string, int> count;
  for (int i = 0; i < kNodes * 3; ++i) {
    api::Pod pod = make_pod(fmt::format("p{}", i), {{"cpu", "100m"}, {"memory", "64Mi"}});
    auto& owner = pod.metadata.owner_references.emplace_back();
    owner.uid = "rc";
    owner.controller = true;
    std::string node = node_of(pod);
    ASSERT_FALSE(node.empty());
    table.assume(pod, node);
    ++count[node];
  }
  EXPECT_EQ(count.size(), static_cast<size_t>(kNodes));
  for (const auto& [node, pods] : count) EXPECT_EQ(pods, 3) << node;
}

TEST_F(PlanTest, PrefersTheEmptierNode) {
  add(make_node("a"));
  add(make_node("b"));
  place(make_pod("x", {{"cpu", "2"}, {"memory", "4Gi"}}), "a");
  EXPECT_EQ(node_of(make_pod("p", {{"cpu", "1"}, {"memory", "1Gi"}})), "b");
}

TEST_F(PlanTest, AnAssumedPodCountsUntilTheApiKnows) {
  add(make_node("n1"));
  api::Pod pod = make_pod("a", {{"cpu", "3"}});
  table.assume(pod, "n1");
  EXPECT_TRUE(table.is_assumed("uid-a"));
  table.put_pod(pod);  // older news: not bound yet
  EXPECT_EQ(node_of(make_pod("p", {{"cpu", "2"}})), "");
  place(pod, "n1");
  EXPECT_FALSE(table.is_assumed("uid-a"));
  EXPECT_EQ(node_of(make_pod("p", {{"cpu", "2"}})), "");
  table.forget_assumed("uid-a");
  EXPECT_EQ(node_of(make_pod("p", {{"cpu", "2"}})), "") << "it is bound, no longer assumed";
  table.remove_pod("uid-a");
  EXPECT_EQ(node_of(make_pod("p", {{"cpu", "2"}})), "n1");
  table.assume(pod, "n1");
  table.forget_assumed("uid-a");
  EXPECT_EQ(node_of(make_pod("p", {{"cpu", "2"}})), "n1");
}

TEST_F(PlanTest, PodsOfAnUnknownNodeAreNoRoom) {
  place(make_pod("a"), "ghost");
  EXPECT_EQ(refusal(make_pod("p")), "no nodes available to schedule pods");
  add(make_node("ghost", {{"cpu", "4"}, {"memory", "8Gi"}, {"pods", "1"}}));
  EXPECT_EQ(refusal(make_pod("p")), "0/1 nodes are available: 1 Too many pods.");
  table.remove_node("ghost");
  EXPECT_EQ(refusal(make_pod("p")), "no nodes available to schedule pods");
  table.remove_pod("uid-a");
  EXPECT_TRUE(table.rows().empty());
}

TEST(DemandOf, TakesTheLargerOfStartingAndRunning) {
  api::Pod pod = make_pod("p", {{"cpu", "500m"}, {"memory", "100Mi"}});
  auto init = [&](const std::string& cpu, const std::string& policy) {
    api::ResourceRequirements resources;
    resources.requests = {{"cpu", cpu}};
    auto& container = pod.spec.init_containers.emplace_back();
    container.resources = resources;
    container.restart_policy = policy;
  };
  EXPECT_EQ(demand_of(pod).requests.at("cpu"), 500);
  init("2", "");
  EXPECT_EQ(demand_of(pod).requests.at("cpu"), 2'000);
  init("1", "Always");
  EXPECT_EQ(demand_of(pod).requests.at("cpu"), 2'000);
  init("3", "");
  EXPECT_EQ(demand_of(pod).requests.at("cpu"), 4'000) << "the sidecar runs beside the last one";
  pod.spec.overhead = {{"cpu", "250m"}};
  EXPECT_EQ(demand_of(pod).requests.at("cpu"), 4'250);
  EXPECT_EQ(demand_of(pod).requests.at("memory"), 100 << 20);
}

}  // namespace
}  // namespace scheduler
