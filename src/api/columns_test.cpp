#include "api/columns.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace api {
namespace {

using base::Value;

Value json(std::string_view text) {
  auto parsed = base::parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Value();
}

Kind kind(std::string name, std::string group = "") {
  Kind out;
  out.kind = std::move(name);
  out.group = std::move(group);
  out.version = "v1";
  return out;
}

// One hour after the creation time that the objects below have.
const base::Time kNow = *base::parse_time("2026-01-01T01:00:00Z");
#define META R"("metadata":{"name":"x","namespace":"default","creationTimestamp":"2026-01-01T00:00:00Z"})"

std::string row(const Kind& of, const std::string& members) {
  std::string out;
  auto cells = table_cells(of, json("{" META "," + members + "}"), kNow);
  EXPECT_EQ(cells.size(), columns_of(of).size());
  for (const auto& cell : cells) {
    if (!out.empty()) out += " | ";
    out += cell.is_string() ? std::string(cell.as_string()) : base::write_json(cell);
  }
  return out;
}

TEST(Columns, NamesAndPriorities) {
  auto columns = columns_of(kind("Pod"));
  ASSERT_EQ(columns.size(), 9u);
  EXPECT_EQ(columns[0].name, "Name");
  EXPECT_EQ(columns[0].format, "name");
  EXPECT_EQ(columns[4].name, "Age");
  EXPECT_EQ(columns[4].priority, 0);
  EXPECT_EQ(columns[5].name, "IP");
  EXPECT_EQ(columns[5].priority, 1);
  EXPECT_EQ(columns[8].name, "Readiness Gates");
  EXPECT_EQ(columns_of(kind("Service"))[4].name, "Port(s)");
  EXPECT_EQ(columns_of(kind("EndpointSlice", "discovery.k8s.io"))[1].name, "AddressType");
  EXPECT_EQ(columns_of(kind("Widget", "example.com"))[1].name, "Created At");
}

struct PodCase {
  const char* what;
  const char* members;
  const char* ready;
  const char* status;
  const char* restarts;
};

TEST(Columns, PodStatus) {
  const char* kTwo = R"("spec":{"containers":[{"name":"a"},{"name":"b"}]},)";
  const char* kOne = R"("spec":{"containers":[{"name":"a"}]},)";
  const char* kInit = R"("spec":{"containers":[{"name":"a"}],"initContainers":[{"name":"i"},{"name":"j"}]},)";
  const char* kSide = R"("spec":{"containers":[{"name":"a"}],"initContainers":[{"name":"i","restartPolicy":"Always"}]},)";
  const std::pair<const char*, PodCase> cases[] = {
      {kTwo, {"pending", R"("status":{"phase":"Pending"})", "0/2", "Pending", "0"}},
      {kTwo,
       {"running, one ready",
        R"("status":{"phase":"Running","containerStatuses":[{"name":"a","ready":true,"state":{"running":{}}},)"
        R"({"name":"b","ready":false,"state":{"running":{}}}]})",
        "1/2", "Running", "0"}},
      {kOne,
       {"crash loop",
        R"("status":{"phase":"Running","containerStatuses":[{"name":"a","restartCount":3,"ready":false,)"
        R"("state":{"waiting":{"reason":"CrashLoopBackOff"}},)"
        R"("lastState":{"terminated":{"exitCode":1,"finishedAt":"2026-01-01T00:55:00Z"}}}]})",
        "0/1", "CrashLoopBackOff", "3 (5m ago)"}},
      {kOne,
       {"completed", R"("status":{"phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"reason":"Completed","exitCode":0}}}]})",
        "0/1", "Completed", "0"}},
      {kOne, {"exit code", R"("status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":7}}}]})", "0/1", "ExitCode:7", "0"}},
      {kOne, {"signal", R"("status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"signal":9,"exitCode":137}}}]})", "0/1", "Signal:9", "0"}},
      {kTwo,
       {"one of two completed, the other runs and the pod is ready",
        R"("status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[)"
        R"({"state":{"terminated":{"reason":"Completed","exitCode":0}}},{"ready":true,"state":{"running":{}}}]})",
        "1/2", "Running", "0"}},
      {kTwo,
       {"the same, but the pod is not ready",
        R"("status":{"phase":"Running","containerStatuses":[)"
        R"({"state":{"terminated":{"reason":"Completed","exitCode":0}}},{"ready":true,"state":{"running":{}}}]})",
        "1/2", "NotReady", "0"}},
      {kOne, {"evicted", R"("status":{"phase":"Failed","reason":"Evicted"})", "0/1", "Evicted", "0"}},
      {kOne, {"gated", R"("status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}]})", "0/1", "SchedulingGated", "0"}},
      {kInit,
       {"second init container runs",
        R"("status":{"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}},)"
        R"({"name":"j","state":{"running":{}}}]})",
        "0/1", "Init:1/2", "0"}},
      {kInit,
       {"init container fails", R"("status":{"phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":2,)"
        R"("state":{"terminated":{"reason":"Error","exitCode":1}}}]})",
        "0/1", "Init:Error", "2"}},
      {kInit,
       {"init container crash loop", R"("status":{"phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":2,)"
        R"("state":{"waiting":{"reason":"CrashLoopBackOff"}}}]})",
        "0/1", "Init:CrashLoopBackOff", "2"}},
      {kSide,
       {"a sidecar counts", R"("status":{"phase":"Running","initContainerStatuses":[{"name":"i","started":true,"ready":true,)"
        R"("restartCount":1,"state":{"running":{}}}],"containerStatuses":[{"name":"a","ready":true,"state":{"running":{}}}]})",
        "2/2", "Running", "1"}},
  };
  for (const auto& [spec, one] : cases) {
    auto cells = table_cells(kind("Pod"), json("{" META "," + std::string(spec) + one.members + "}"), kNow);
    EXPECT_EQ(cells[1], Value(one.ready)) << one.what;
    EXPECT_EQ(cells[2], Value(one.status)) << one.what;
    EXPECT_EQ(cells[3], Value(one.restarts)) << one.what;
    EXPECT_EQ(cells[4], Value("60m")) << one.what;
  }
}

TEST(Columns, PodThatIsBeingDeleted) {
  auto status_of = [](const char* status) {
    return table_cells(kind("Pod"),
                       json(std::string(R"({"metadata":{"name":"x","deletionTimestamp":"2026-01-01T00:00:00Z"},)"
                                        R"("spec":{"containers":[{"name":"a"}]},"status":)") + status + "}"),
                       kNow)[2];
  };
  EXPECT_EQ(status_of(R"({"phase":"Running"})"), Value("Terminating"));
  EXPECT_EQ(status_of(R"({"phase":"Succeeded"})"), Value("Succeeded"));
  EXPECT_EQ(status_of(R"({"phase":"Running","reason":"NodeLost"})"), Value("Unknown"));
}

TEST(Columns, PodWide) {
  EXPECT_EQ(row(kind("Pod"), R"("spec":{"nodeName":"n","containers":[],"readinessGates":[{"conditionType":"a/b"},)"
                             R"({"conditionType":"c/d"}]},"status":{"phase":"Running","podIPs":[{"ip":"10.1.0.5"}],)"
                             R"("conditions":[{"type":"a/b","status":"True"}]})"),
            "x | 0/0 | Running | 0 | 60m | 10.1.0.5 | n | <none> | 1/2");
}

TEST(Columns, Services) {
  auto service = kind("Service");
  EXPECT_EQ(row(service, R"("spec":{"type":"ClusterIP","clusterIP":"10.96.0.5","clusterIPs":["10.96.0.5"],)"
                         R"("ports":[{"port":80,"protocol":"TCP"},{"port":443,"protocol":"TCP"}],"selector":{"b":"2","a":"1"}})"),
            "x | ClusterIP | 10.96.0.5 | <none> | 80/TCP,443/TCP | 60m | a=1,b=2");
  EXPECT_EQ(row(service, R"("spec":{"type":"NodePort","clusterIP":"10.96.0.5","externalIPs":["1.2.3.4","5.6.7.8"],)"
                         R"("ports":[{"port":80,"nodePort":30123,"protocol":"TCP"}]})"),
            "x | NodePort | 10.96.0.5 | 1.2.3.4,5.6.7.8 | 80:30123/TCP | 60m | <none>");
  EXPECT_EQ(row(service, R"("spec":{"type":"ExternalName","externalName":"api.example.com"})"),
            "x | ExternalName | <none> | api.example.com | <none> | 60m | <none>");
  EXPECT_EQ(row(service, R"("spec":{"type":"ClusterIP","clusterIP":"None"})"),
            "x | ClusterIP | None | <none> | <none> | 60m | <none>");
  EXPECT_EQ(row(service, R"("spec":{"type":"LoadBalancer","clusterIP":"10.96.0.5"})"),
            "x | LoadBalancer | 10.96.0.5 | <pending> | <none> | 60m | <none>");
  EXPECT_EQ(row(service, R"("spec":{"type":"LoadBalancer","clusterIP":"10.96.0.5","externalIPs":["9.9.9.9"]},)"
                         R"("status":{"loadBalancer":{"ingress":[{"ip":"2.2.2.2"},{"hostname":"a.example.com"}]}})"),
            "x | LoadBalancer | 10.96.0.5 | 2.2.2.2,a.example.com,9.9.9.9 | <none> | 60m | <none>");
}

TEST(Columns, EndpointsShowThree) {
  auto endpoints = kind("Endpoints");
  EXPECT_EQ(row(endpoints, R"("x":1)"), "x | <none> | 60m");
  EXPECT_EQ(row(endpoints, R"("subsets":[{"addresses":[{"ip":"1.1.1.1"},{"ip":"1.1.1.2"},{"ip":"1.1.1.3"},)"
                           R"({"ip":"1.1.1.4"},{"ip":"1.1.1.5"}],"ports":[{"port":80}]}])"),
            "x | 1.1.1.1:80,1.1.1.2:80,1.1.1.3:80 + 2 more... | 60m");
  EXPECT_EQ(row(endpoints, R"("subsets":[{"addresses":[{"ip":"fd00::1"}],"ports":[{"port":80}]}])"),
            "x | [fd00::1]:80 | 60m");
  EXPECT_EQ(row(endpoints, R"("subsets":[{"addresses":[{"ip":"1.1.1.1"}]}])"), "x | 1.1.1.1 | 60m");
  auto slice = kind("EndpointSlice", "discovery.k8s.io");
  EXPECT_EQ(row(slice, R"("addressType":"IPv4","ports":[{"port":80},{"name":"all"}],"endpoints":[{"addresses":["1.1.1.1"]}])"),
            "x | IPv4 | 80,all | 1.1.1.1 | 60m");
  EXPECT_EQ(row(slice, R"("addressType":"IPv4")"), "x | IPv4 | <unset> | <unset> | 60m");
}

TEST(Columns, TheOthers) {
  EXPECT_EQ(row(kind("ReplicationController"),
                R"("spec":{"replicas":3,"selector":{"app":"kubia"},"template":{"spec":{"containers":[{"name":"a","image":"i"},)"
                R"({"name":"b","image":"j"}]}}},"status":{"replicas":2,"readyReplicas":1})"),
            "x | 3 | 2 | 1 | 60m | a,b | i,j | app=kubia");
  EXPECT_EQ(row(kind("Namespace"), R"("status":{"phase":"Active"})"), "x | Active | 60m");
  EXPECT_EQ(row(kind("Secret"), R"("type":"Opaque","data":{"a":"","b":""})"), "x | Opaque | 2 | 60m");
  EXPECT_EQ(row(kind("ConfigMap"), R"("data":{"a":""},"binaryData":{"b":""})"), "x | 2 | 60m");
  EXPECT_EQ(row(kind("ServiceAccount"), R"("x":1)"), "x | 60m");
  EXPECT_EQ(row(kind("Lease", "coordination.k8s.io"), R"("spec":{"holderIdentity":"me"})"), "x | me | 60m");
  EXPECT_EQ(row(kind("Widget", "example.com"), R"("x":1)"), "x | 2026-01-01T00:00:00Z");
}

TEST(Columns, Nodes) {
  const char* node = R"({"metadata":{"name":"n","creationTimestamp":"2026-01-01T00:00:00Z","labels":)"
                     R"({"node-role.kubernetes.io/worker":"","node-role.kubernetes.io/control-plane":""}},)"
                     R"("spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}],)"
                     R"("addresses":[{"type":"InternalIP","address":"10.0.0.1"}],"nodeInfo":{"kubeletVersion":"v1.36.0"}}})";
  auto cells = table_cells(kind("Node"), json(node), kNow);
  EXPECT_EQ(cells[1], Value("Ready,SchedulingDisabled"));
  EXPECT_EQ(cells[2], Value("control-plane,worker"));
  EXPECT_EQ(cells[4], Value("v1.36.0"));
  EXPECT_EQ(cells[5], Value("10.0.0.1"));
  EXPECT_EQ(cells[6], Value("<none>"));
  EXPECT_EQ(cells[7], Value("<unknown>"));
  EXPECT_EQ(table_cells(kind("Node"), json("{}"), kNow)[1], Value("Unknown"));
}

TEST(Columns, Events) {
  EXPECT_EQ(row(kind("Event"), R"("type":"Normal","reason":"Pulled","involvedObject":{"kind":"Pod","name":"p","fieldPath":"f"},)"
                               R"("message":" done \n","firstTimestamp":"2026-01-01T00:30:00Z",)"
                               R"("lastTimestamp":"2026-01-01T00:59:50Z","count":4,"source":{"component":"node","host":"n"})"),
            "10s | Normal | Pulled | pod/p | f | node, n | done | 30m | 4 | x");
  EXPECT_EQ(row(kind("Event"), R"("eventTime":"2026-01-01T00:59:00.000000Z","reportingComponent":"c","reportingInstance":"i",)"
                               R"("involvedObject":{"kind":"Node"})"),
            "60s |  |  | node |  | c, i |  | 60s | 1 | x");
}

}  // namespace
}  // namespace api
