#include "controllers/endpointslice/plan.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "controllers/make_test.hpp"

namespace controllers {
namespace {

using testing::HasSubstr;
using Pods = std::vector<std::shared_ptr<const api::Pod>>;
using Slices = std::vector<SlicePtr>;

SlicePlan plan_of(const api::Service& service, const Pods& pods, const Slices& existing) {
  return plan_slices(service, pods, existing, {{"n1", {.zone = ""}}});
}

Pods many_pods(int count, int first = 0) {
  Pods pods;
  for (int i = first; i < first + count; ++i) {
    pods.push_back(pod_of({.name = fmt::format("p{:04}", i), .ip = fmt::format("10.244.{}.{}", i / 250, i % 250 + 1)}));
  }
  return pods;
}

// Plays the API server: carries the plan out.
Slices carry_out(const Slices& before, const SlicePlan& plan) {
  static int next = 0;
  Slices out;
  for (const auto& slice : before) {
    bool gone = std::ranges::find(plan.remove, slice) != plan.remove.end();
    for (const auto& update : plan.update) gone |= update.metadata.name == slice->metadata.name;
    if (!gone) out.push_back(slice);
  }
  for (const auto& update : plan.update) out.push_back(std::make_shared<const api::EndpointSlice>(update));
  for (auto slice : plan.create) {
    slice.metadata.name = slice.metadata.generate_name + std::to_string(++next);
    slice.metadata.uid = "uid-" + slice.metadata.name;
    out.push_back(std::make_shared<const api::EndpointSlice>(std::move(slice)));
  }
  return out;
}

std::multiset<std::string> addresses(const Slices& slices) {
  std::multiset<std::string> out;
  for (const auto& slice : slices) {
    for (const auto& endpoint : slice->endpoints) out.insert(endpoint.addresses.front());
  }
  return out;
}

bool is_quiet(const SlicePlan& plan) { return plan.create.empty() && plan.update.empty() && plan.remove.empty(); }

TEST(PlanSlices, MakesASliceAsUpstreamDoes) {
  api::Service service = make_service();
  service.metadata.labels["team"] = "blue";
  SlicePlan plan = plan_of(service, {pod_of({.name = "a", .ready_since = 7})}, {});
  ASSERT_EQ(plan.create.size(), 1u);
  const auto& slice = plan.create.front();
  EXPECT_EQ(slice.metadata.generate_name, "kubia-");
  EXPECT_EQ(slice.metadata.labels.at("team"), "blue");
  EXPECT_EQ(slice.metadata.labels.at("kubernetes.io/service-name"), "kubia");
  EXPECT_EQ(slice.metadata.labels.at("endpointslice.kubernetes.io/managed-by"), "endpointslice-controller.k8s.io");
  EXPECT_FALSE(slice.metadata.labels.contains("service.kubernetes.io/headless"));
  EXPECT_EQ(slice.metadata.annotations.at("endpoints.kubernetes.io/last-change-trigger-time"),
            base::format_time(at_second(7)));
  ASSERT_EQ(slice.metadata.owner_references.size(), 1u);
  EXPECT_EQ(slice.metadata.owner_references[0].kind, "Service");
  EXPECT_EQ(slice.metadata.owner_references[0].controller, true);
  EXPECT_EQ(slice.metadata.owner_references[0].block_owner_deletion, true);
  EXPECT_EQ(slice.address_type, "IPv4");
  ASSERT_EQ(slice.ports.size(), 1u);
  EXPECT_EQ(slice.ports[0].port, 8080);
  EXPECT_EQ(slice.ports[0].protocol, "TCP");
  ASSERT_EQ(slice.endpoints.size(), 1u);
  const auto& endpoint = slice.endpoints[0];
  EXPECT_EQ(endpoint.addresses, std::vector<std::string>{"10.244.0.1"});
  EXPECT_EQ(endpoint.node_name, "n1");
  EXPECT_EQ(endpoint.conditions->ready, true);
  EXPECT_EQ(endpoint.conditions->serving, true);
  EXPECT_EQ(endpoint.conditions->terminating, false);
  EXPECT_EQ(endpoint.target_ref->kind, "Pod");
  EXPECT_EQ(endpoint.target_ref->uid, "uid-a");
}

TEST(PlanSlices, ConditionsFollowThePod) {
  api::Service service = make_service();
  auto conditions = [&](const PodShape& shape) {
    auto plan = plan_of(service, {pod_of(shape)}, {});
    const auto& c = *plan.create.at(0).endpoints.at(0).conditions;
    return fmt::format("{}{}{}", c.ready.value() ? "R" : "-", c.serving.value() ? "S" : "-",
                       c.terminating.value() ? "T" : "-");
  };
  EXPECT_EQ(conditions({.ready = true}), "RS-");
  EXPECT_EQ(conditions({.ready = false}), "---");
  EXPECT_EQ(conditions({.ready = true, .deleting = true}), "-ST");
  EXPECT_EQ(conditions({.ready = false, .deleting = true}), "--T");
  service.spec.publish_not_ready_addresses = true;
  EXPECT_EQ(conditions({.ready = false}), "R--");
  EXPECT_EQ(conditions({.ready = true, .deleting = true}), "RST");
}

TEST(PlanSlices, LeavesOutPodsThatHaveEndedOrHaveNoAddress) {
  SlicePlan plan = plan_of(make_service(),
                               {pod_of({.name = "done", .phase = "Succeeded"}), pod_of({.name = "bad", .phase = "Failed"}),
                                pod_of({.name = "new", .ip = ""}), pod_of({.name = "six", .ip = "fd00::1"})},
                               {});
  ASSERT_EQ(plan.create.size(), 1u) << "the empty slice that says so";
  EXPECT_TRUE(plan.create[0].endpoints.empty());
  EXPECT_TRUE(plan.create[0].ports.empty());
}

TEST(PlanSlices, TheEmptySliceIsKeptAndThenReplaced) {
  api::Service service = make_service();
  Slices slices = carry_out({}, plan_of(service, {}, {}));
  EXPECT_TRUE(is_quiet(plan_of(service, {}, slices)));
  slices = carry_out(slices, plan_of(service, many_pods(1), slices));
  ASSERT_EQ(slices.size(), 1u);
  EXPECT_EQ(slices[0]->endpoints.size(), 1u);
  slices = carry_out(slices, plan_of(service, {}, slices));
  ASSERT_EQ(slices.size(), 1u);
  EXPECT_TRUE(slices[0]->endpoints.empty());
}

TEST(PlanSlices, AtMostAHundredEachAndNothingToDoTwice) {
  api::Service service = make_service();
  Pods pods = many_pods(250);
  SlicePlan plan = plan_of(service, pods, {});
  ASSERT_EQ(plan.create.size(), 3u);
  for (const auto& slice : plan.create) EXPECT_LE(slice.endpoints.size(), kMaxEndpointsPerSlice);
  Slices slices = carry_out({}, plan);
  EXPECT_EQ(addresses(slices).size(), 250u);
  EXPECT_TRUE(is_quiet(plan_of(service, pods, slices)));
}

TEST(PlanSlices, OneChangedPodIsOneWrite) {
  api::Service service = make_service();
  Pods pods = many_pods(250);
  Slices slices = carry_out({}, plan_of(service, pods, {}));
  auto changed = make({.name = "p0130", .ip = "10.244.0.131", .ready = false, .ready_since = 99});
  pods[130] = share(changed);
  SlicePlan plan = plan_of(service, pods, slices);
  EXPECT_TRUE(plan.create.empty());
  EXPECT_TRUE(plan.remove.empty());
  ASSERT_EQ(plan.update.size(), 1u);
  EXPECT_EQ(plan.update[0].metadata.annotations.at(std::string(kTriggerTimeAnnotation)),
            base::format_time(at_second(99)));
}

TEST(PlanSlices, ANewPodFillsTheSliceThatIsWrittenAnyway) {
  api::Service service = make_service();
  Pods pods = many_pods(250);
  Slices slices = carry_out({}, plan_of(service, pods, {}));
  pods.erase(pods.begin());                       // one goes from the first slice ...
  for (auto& pod : many_pods(1, 900)) pods.push_back(pod);  // ... and one comes
  SlicePlan plan = plan_of(service, pods, slices);
  EXPECT_TRUE(plan.create.empty());
  EXPECT_EQ(plan.update.size(), 1u);
  slices = carry_out(slices, plan);
  EXPECT_EQ(addresses(slices).size(), 250u);
  EXPECT_TRUE(is_quiet(plan_of(service, pods, slices)));
}

TEST(PlanSlices, ANewPodAloneGoesWhereThereIsRoom) {
  api::Service service = make_service();
  Slices slices = carry_out({}, plan_of(service, many_pods(150), {}));
  SlicePlan plan = plan_of(service, many_pods(151), slices);
  EXPECT_TRUE(plan.create.empty());
  ASSERT_EQ(plan.update.size(), 1u);
  EXPECT_EQ(plan.update[0].endpoints.size(), 51u);
}

TEST(PlanSlices, ASliceThatLosesItsLastPodGoes) {
  api::Service service = make_service();
  Slices slices = carry_out({}, plan_of(service, many_pods(101), {}));
  ASSERT_EQ(slices.size(), 2u);
  const auto& small = slices[0]->endpoints.size() == 1 ? slices[0] : slices[1];
  std::string last = small->endpoints.at(0).target_ref->name;
  Pods pods = many_pods(101);
  std::erase_if(pods, [&](const auto& pod) { return pod->metadata.name == last; });
  slices = carry_out(slices, plan_of(service, pods, slices));
  EXPECT_EQ(slices.size(), 1u);
}

// Whatever happens in whatever order, the slices hold exactly the pods.
TEST(PlanSlices, RandomChangesKeepExactlyThePods) {
  api::Service service = make_service();
  unsigned random = 12345;
  auto roll = [&](unsigned n) { return (random = random * 1664525u + 1013904223u) / 65536u % n; };
  std::vector<bool> here(400, false);
  Slices slices;
  for (int round = 0; round < 25; ++round) {
    for (unsigned i = 0, n = roll(120); i < n; ++i) here[roll(400)] = roll(3) != 0;
    Pods pods;
    std::multiset<std::string> want;
    for (int i = 0; i < 400; ++i) {
      if (!here[static_cast<size_t>(i)]) continue;
      pods.push_back(many_pods(1, i).front());
      want.insert(pods.back()->status.pod_ip);
    }
    slices = carry_out(slices, plan_of(service, pods, slices));
    ASSERT_EQ(addresses(slices), want) << "round " << round;
    for (const auto& slice : slices) ASSERT_LE(slice->endpoints.size(), kMaxEndpointsPerSlice);
    ASSERT_TRUE(is_quiet(plan_of(service, pods, slices))) << "round " << round;
  }
}

TEST(PlanSlices, NamedTargetPortsAreLookedUpPerPod) {
  api::Service service = make_service();
  service.spec.ports[0].target_port = api::IntOrString("http");
  api::Pod a = make({.name = "a", .ip = "10.244.0.1"});
  add_port(a, "http", 8080);
  api::Pod b = make({.name = "b", .ip = "10.244.0.2"});
  add_port(b, "http", 9090);
  api::Pod udp = make({.name = "udp", .ip = "10.244.0.3"});
  add_port(udp, "http", 7070, "UDP");
  SlicePlan plan = plan_of(service, {share(a), share(b), share(udp)}, {});
  ASSERT_EQ(plan.create.size(), 3u);
  EXPECT_TRUE(plan.create[0].ports.empty()) << "the pod without that port, as upstream shows it";
  EXPECT_EQ(plan.create[0].endpoints.at(0).addresses.at(0), "10.244.0.3");
  EXPECT_EQ(plan.create[1].ports[0].port, 8080);
  EXPECT_EQ(plan.create[2].ports[0].port, 9090);
  ASSERT_EQ(plan.warnings.size(), 1u);
  EXPECT_THAT(plan.warnings[0].text, HasSubstr("\"http\""));
  EXPECT_THAT(plan.warnings[0].text, HasSubstr("pod udp"));
  EXPECT_THAT(plan.warnings[0].text, HasSubstr("http=7070/UDP"));
  Slices slices = carry_out({}, plan);
  EXPECT_TRUE(is_quiet(plan_of(service, {share(a), share(b), share(udp)}, slices)));
}

TEST(PlanSlices, SidecarsHavePortsToo) {
  api::Service service = make_service();
  service.spec.ports[0].target_port = api::IntOrString("proxy");
  api::Pod pod = make({});
  api::Container init;
  api::ContainerPort port;
  port.name = "proxy";
  port.container_port = 15001;
  port.protocol = "TCP";
  init.ports.push_back(port);
  pod.spec.init_containers.push_back(init);
  EXPECT_FALSE(plan_of(service, {share(pod)}, {}).warnings.empty());
  pod.spec.init_containers[0].restart_policy = "Always";
  SlicePlan plan = plan_of(service, {share(pod)}, {});
  EXPECT_TRUE(plan.warnings.empty());
  EXPECT_EQ(plan.create.at(0).ports.at(0).port, 15001);
}

TEST(PlanSlices, HeadlessServicesAreLabelledAndMayHaveNoPorts) {
  api::Service service = make_service();
  service.spec.cluster_ip = "None";
  service.spec.ports.clear();
  api::Pod pod = make({.name = "kubia-0"});
  pod.spec.hostname = "kubia-0";
  pod.spec.subdomain = "kubia";
  SlicePlan plan = plan_of(service, {share(pod)}, {});
  ASSERT_EQ(plan.create.size(), 1u);
  EXPECT_TRUE(plan.create[0].ports.empty());
  EXPECT_EQ(plan.create[0].metadata.labels.at("service.kubernetes.io/headless"), "");
  EXPECT_EQ(plan.create[0].endpoints.at(0).hostname, "kubia-0");
}

TEST(PlanSlices, DualStackHasSlicesOfEachFamily) {
  api::Service service = make_service();
  service.spec.ip_families = {"IPv4", "IPv6"};
  api::Pod pod = make({});
  pod.status.pod_ips.emplace_back().ip = "fd00::1";
  SlicePlan plan = plan_of(service, {share(pod)}, {});
  ASSERT_EQ(plan.create.size(), 2u);
  EXPECT_EQ(plan.create[1].address_type, "IPv6");
  EXPECT_EQ(plan.create[1].endpoints.at(0).addresses, std::vector<std::string>{"fd00::1"});
  Slices slices = carry_out({}, plan);
  service.spec.ip_families = {"IPv4"};
  slices = carry_out(slices, plan_of(service, {share(pod)}, slices));
  ASSERT_EQ(slices.size(), 1u);
  EXPECT_EQ(slices[0]->address_type, "IPv4");
}

TEST(PlanSlices, ChangesOfTheServiceReachTheSlices) {
  api::Service service = make_service();
  Pods pods = many_pods(3);
  Slices slices = carry_out({}, plan_of(service, pods, {}));
  service.metadata.labels["release"] = "2";
  SlicePlan plan = plan_of(service, pods, slices);
  EXPECT_EQ(plan.update.size(), 1u);
  slices = carry_out(slices, plan);
  service.spec.ports[0].target_port = api::IntOrString(9999);
  plan = plan_of(service, pods, slices);
  EXPECT_TRUE(plan.create.empty());
  EXPECT_TRUE(plan.remove.empty());
  ASSERT_EQ(plan.update.size(), 1u) << "used again for the new port";
  EXPECT_EQ(plan.update[0].metadata.name, slices[0]->metadata.name);
  EXPECT_EQ(plan.update[0].ports.at(0).port, 9999);
  EXPECT_EQ(plan.update[0].endpoints.size(), 3u);
}

TEST(PlanSlices, SlicesOfAnEarlierServiceOfThatNameGo) {
  api::Service service = make_service();
  Slices slices = carry_out({}, plan_of(service, many_pods(1), {}));
  service.metadata.uid = "uid-made-anew";
  SlicePlan plan = plan_of(service, many_pods(1), slices);
  EXPECT_EQ(plan.remove.size(), 1u);
  EXPECT_EQ(plan.create.size(), 1u);
}

TEST(PlanSlices, ZonesComeFromTheNodes) {
  api::Service service = make_service();
  Pods pods = {pod_of({.name = "a", .ip = "10.244.0.1", .node = "n1"}),
               pod_of({.name = "b", .ip = "10.244.0.2", .node = "n2"}),
               pod_of({.name = "lost", .ip = "10.244.0.3", .node = "gone"})};
  Places places = {{"n1", {.zone = "east"}}, {"n2", {.zone = ""}}};
  SlicePlan plan = plan_slices(service, pods, {}, places);
  ASSERT_EQ(plan.create.size(), 1u);
  ASSERT_EQ(plan.create[0].endpoints.size(), 2u) << "a pod of a node that is gone is no endpoint";
  EXPECT_EQ(plan.create[0].endpoints[0].zone, "east");
  EXPECT_EQ(plan.create[0].endpoints[1].zone, "");
  Slices slices = carry_out({}, plan);
  places["n2"].zone = "west";
  plan = plan_slices(service, pods, slices, places);
  ASSERT_EQ(plan.update.size(), 1u);
  EXPECT_EQ(plan.update[0].endpoints[1].zone, "west");
  service.spec.publish_not_ready_addresses = true;
  slices = carry_out(slices, plan);
  EXPECT_EQ(addresses(carry_out(slices, plan_slices(service, pods, slices, places))).size(), 3u);
}

TEST(PlanSlices, HintsFollowTheTrafficDistribution) {
  api::Service service = make_service();
  Places places = {{"n1", {.zone = "east"}}, {"n2", {.zone = ""}}};
  Pods pods = {pod_of({.name = "a", .ip = "10.244.0.1", .node = "n1"}),
               pod_of({.name = "b", .ip = "10.244.0.2", .node = "n2"}),
               pod_of({.name = "c", .ip = "10.244.0.3", .ready = false, .node = "n1"})};
  Slices slices;
  auto hints = [&](const char* wish) {
    service.spec.traffic_distribution = wish;
    slices = carry_out(slices, plan_slices(service, pods, slices, places));
    EXPECT_TRUE(is_quiet(plan_slices(service, pods, slices, places)));
    std::string out;
    for (const auto& endpoint : slices.at(0)->endpoints) {
      out += endpoint.target_ref->name + ":";
      if (!endpoint.hints) continue;
      for (const auto& zone : endpoint.hints->for_zones) out += "z=" + zone.name;
      for (const auto& node : endpoint.hints->for_nodes) out += "n=" + node.name;
    }
    return out;
  };
  EXPECT_EQ(hints(""), "a:b:c:");
  EXPECT_EQ(hints("PreferClose"), "a:z=eastb:c:");
  EXPECT_EQ(hints("PreferSameZone"), "a:z=eastb:c:");
  EXPECT_EQ(hints("PreferSameNode"), "a:z=eastn=n1b:n=n2c:");
  pods[2] = pod_of({.name = "c", .ip = "10.244.0.3", .node = "n1"});
  EXPECT_EQ(hints("PreferSameNode"), "a:z=eastn=n1b:n=n2c:z=eastn=n1");
  EXPECT_EQ(hints(""), "a:b:c:");
}

// However the slices came about, a pod that comes or goes is one write.
TEST(PlanSlices, APodThatComesOrGoesIsOneWrite) {
  api::Service service = make_service();
  unsigned random = 777;
  auto roll = [&](unsigned n) { return (random = random * 1664525u + 1013904223u) / 65536u % n; };
  std::vector<bool> here(600, true);
  Slices slices;
  Pods all = many_pods(600);
  for (int round = 0; round < 150; ++round) {
    unsigned changed = roll(600);
    here[changed] = !here[changed];
    Pods pods;
    for (size_t i = 0; i < here.size(); ++i) {
      if (here[i]) pods.push_back(all[i]);
    }
    SlicePlan plan = plan_of(service, pods, slices);
    if (round > 0) {
      ASSERT_LE(plan.create.size() + plan.update.size() + plan.remove.size(), 1u) << "round " << round;
    }
    slices = carry_out(slices, plan);
    ASSERT_EQ(addresses(slices).size(), pods.size());
    ASSERT_EQ(addresses(slices), addresses(carry_out({}, plan_of(service, pods, {})))) << "a rebuild says the same";
  }
}

TEST(PlanSlices, TheAnnotationAutoSharesByCpu) {
  api::Service service = make_service();
  service.metadata.annotations["service.kubernetes.io/topology-mode"] = "Auto";
  service.spec.traffic_distribution = "PreferSameNode";  // the annotation goes before it
  Places places = {{"a", {.zone = "east", .cpu_milli = 3000}}, {"b", {.zone = "west", .cpu_milli = 3000}}};
  Pods pods;
  for (int i = 0; i < 6; ++i) {
    const char* node = i < 5 ? "a" : "b";
    pods.push_back(pod_of({.name = fmt::format("p{}", i), .ip = fmt::format("10.244.0.{}", i + 1), .node = node}));
  }
  auto hints = [](const Slices& slices) {
    std::map<std::string, int> out;
    for (const auto& slice : slices) {
      for (const auto& endpoint : slice->endpoints) {
        if (!endpoint.hints) continue;
        EXPECT_TRUE(endpoint.hints->for_nodes.empty());
        for (const auto& zone : endpoint.hints->for_zones) ++out[zone.name];
      }
    }
    return out;
  };
  Slices slices = carry_out({}, plan_slices(service, pods, {}, places));
  EXPECT_EQ(hints(slices), (std::map<std::string, int>{{"east", 3}, {"west", 3}}));
  EXPECT_TRUE(is_quiet(plan_slices(service, pods, slices, places)));
  // As few hints change as can be: within the 20 % nothing does.
  places["a"].cpu_milli = 3300;
  EXPECT_TRUE(is_quiet(plan_slices(service, pods, slices, places)));
  places["a"].cpu_milli = 30000;
  slices = carry_out(slices, plan_slices(service, pods, slices, places));
  EXPECT_EQ(hints(slices), (std::map<std::string, int>{{"east", 5}, {"west", 1}}));
  // What cannot be is said.
  auto problem = [&](const Pods& some) {
    SlicePlan plan = plan_slices(service, some, slices, places);
    EXPECT_TRUE(hints(carry_out(slices, plan)).empty());
    return plan.warnings.empty() ? "" : plan.warnings[0].reason + ": " + plan.warnings[0].text;
  };
  EXPECT_EQ(problem({pods[0]}),
            "TopologyAwareHintsDisabled: Insufficient number of endpoints (1 endpoints, 2 zones), addressType: IPv4");
  places["b"].counts = false;
  EXPECT_EQ(problem(pods), "TopologyAwareHintsDisabled: Nodes only ready in one zone, addressType: IPv4");
  places["c"] = {.zone = "", .cpu_milli = 1000};
  EXPECT_THAT(problem(pods), HasSubstr("Insufficient Node information"));
}

// Whatever the zones and the endpoints, the shares are kept or the problem is named.
TEST(PlanAutoHints, SharesAreKept) {
  unsigned random = 4711;
  auto roll = [&](unsigned n) { return (random = random * 1664525u + 1013904223u) / 65536u % n; };
  int possible = 0;
  for (int round = 0; round < 2000; ++round) {
    Places places;
    std::map<std::string, double> cpus;
    double total = 0;
    unsigned zones = 2 + roll(3);
    for (unsigned i = 0, n = zones + roll(5); i < n; ++i) {
      Place place{.zone = fmt::format("z{}", i % zones), .cpu_milli = 1000 + roll(4) * 1000};
      cpus[place.zone] += static_cast<double>(place.cpu_milli);
      total += static_cast<double>(place.cpu_milli);
      places[fmt::format("n{}", i)] = place;
    }
    std::vector<Candidate> ready;
    for (unsigned i = 0, n = 1 + roll(40); i < n; ++i) {
      std::string hinted = roll(2) ? fmt::format("z{}", roll(zones)) : "";
      ready.push_back({.zone = fmt::format("z{}", roll(zones)), .hinted = std::move(hinted)});
    }
    AutoHints hints = plan_auto_hints(ready, places);
    if (!hints.problem.empty()) continue;
    ++possible;
    ASSERT_EQ(hints.zones.size(), ready.size());
    std::map<std::string, double> have;
    for (const auto& zone : hints.zones) ++have[zone];
    for (const auto& [zone, cpu] : cpus) {
      double wanted = cpu / total * static_cast<double>(ready.size());
      ASSERT_GE(have[zone] * 1.2 + 1e-9, wanted) << "overloaded by more than 20 %";
    }
  }
  EXPECT_GT(possible, 1000);
}

// Zones that pass one endpoint to and fro have kept a worker busy for ever.
TEST(PlanAutoHints, EndsWhereZonesLackWhatNobodyCanGive) {
  Places places = {{"n0", {.zone = "a", .cpu_milli = 1000}}, {"n1", {.zone = "b", .cpu_milli = 1000}}};
  places["n2"] = {.zone = "c", .cpu_milli = 1000, .counts = false};
  auto in = [](const char* zone, const char* hinted = "") { return Candidate{.zone = zone, .hinted = hinted}; };
  EXPECT_LE(plan_auto_hints({in("a"), in("b"), in("c"), in("c")}, places).zones.size(), 4u);
  places = {{"n0", {.zone = "z0", .cpu_milli = 3000}},
            {"n1", {.zone = "z1", .cpu_milli = 1000}},
            {"n2", {.zone = "z2", .cpu_milli = 1000}}};
  std::vector<Candidate> ready = {in("z0", "z2"), in("z0"), in("z0"), in("z0"), in("z0"), in("z2"),
                                  in("z2"), in("z1", "z0"), in("z2", "z2"), in("z0", "z0"), in("z2"), in("z0")};
  auto hints = plan_auto_hints(ready, places);
  EXPECT_EQ(hints.problem, "");
  EXPECT_EQ(hints.zones.size(), ready.size());
}

TEST(TriggerText, FractionsOnlyWhereThereAreAny) {
  EXPECT_EQ(trigger_text(at_second(0)), "2023-11-14T22:13:20Z");
  EXPECT_EQ(trigger_text(at_second(0) + std::chrono::milliseconds(120)), "2023-11-14T22:13:20.12Z");
}

TEST(HasManagedEndpoints, OnlyWithASelectorAndNotForExternalNames) {
  api::Service service = make_service();
  EXPECT_TRUE(has_managed_endpoints(service));
  service.spec.type = "ExternalName";
  EXPECT_FALSE(has_managed_endpoints(service));
  service = make_service();
  service.spec.selector.clear();
  EXPECT_FALSE(has_managed_endpoints(service));
}

}  // namespace
}  // namespace controllers
