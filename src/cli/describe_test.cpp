#include <gtest/gtest.h>

#include <cstdlib>

#include "base/json.hpp"
#include "cli/describe_kinds.hpp"
#include "cli/describe_layout.hpp"
#include "cli/describe_parts.hpp"

namespace cli {
namespace {

using base::Array;
using base::Value;

Value json(std::string_view text) {
  auto value = base::parse_json(text);
  EXPECT_TRUE(value) << (value ? "" : value.error().message);
  return value ? std::move(*value) : Value();
}

base::Time at(std::string_view text) { return base::parse_time(text).value(); }
const base::Time kNow = at("2026-11-22T12:00:00Z");

// Times are shown in local time: tests run in one zone.
struct InZone {
  explicit InZone(const char* zone) {
    setenv("TZ", zone, 1);
    tzset();
  }
  ~InZone() {
    unsetenv("TZ");
    tzset();
  }
};

TEST(AlignColumns, NeighbouringLinesShareAColumn) {
  EXPECT_EQ(align_columns("a\tb\nccc\td\n"), "a    b\nccc  d\n");
  EXPECT_EQ(align_columns(""), "");
  EXPECT_EQ(align_columns("no tabs\n\nat all"), "no tabs\n\nat all");
}

TEST(AlignColumns, ALineWithoutThatCellEndsTheColumn) {
  EXPECT_EQ(align_columns("a\tb\nNo cell:\nccccc\td\n"), "a  b\nNo cell:\nccccc  d\n");
  EXPECT_EQ(align_columns("a\tb\tc\nx\ty\naaaa\tbbbb\tc\n"), "a     b  c\nx     y\naaaa  bbbb  c\n");
}

TEST(AlignColumns, IndentationIsPartOfTheFirstCell) {
  EXPECT_EQ(align_columns("IPs:\n  IP:\t1.1.1.1\nControlled By:\tRC/x\n"),
            "IPs:\n  IP:           1.1.1.1\nControlled By:  RC/x\n");
  EXPECT_EQ(
      align_columns(
          "  kubia:\n    Port:\t80/TCP\n    State:\tRunning\n      Started:\tnow\n    Restart Count:\t0\n"),
      "  kubia:\n    Port:           80/TCP\n    State:          Running\n      Started:      now\n    "
      "Restart Count:  0\n");
}

TEST(AlignColumns, EmptyCellsAndCellsOfMoreThanOneByte) {
  EXPECT_EQ(align_columns("Name\t\tCPU\nx\t\t1\n"), "Name    CPU\nx       1\n");
  EXPECT_EQ(align_columns("\xc3\xbc\t1\nab\t2\n"), "\xc3\xbc   1\nab  2\n");
  EXPECT_EQ(align_columns("a\t"), "a  ");
}

TEST(AlignColumns, ManyColumnsTakeNoStack) {
  std::string line(100'000, '\t');
  EXPECT_EQ(align_columns(line + "\n").size(), 200'001u);
}

TEST(EscapeTerminal, ControlCharactersAreShown) {
  EXPECT_EQ(escape_terminal("a\x1b[31mb\rc\x07\x7f\td\n"), "a^[[31mb\\rc^G^?\td\n");
  EXPECT_EQ(escape_terminal("\xc2\x9b"
                            "2J \xc3\xbc \xc2\xa0"),
            "\\u009b2J \xc3\xbc \xc2\xa0");
}

TEST(Page, EndColumnsSeparatesWhatComesBefore) {
  Page page;
  page.field(0, "A long name", "1");
  page.end_columns();
  page.field(0, "B", "2");
  EXPECT_EQ(page.text(), "A long name:  1\nB:  2\n");
}

TEST(DescribeParts, TimesAreLocal) {
  InZone zone("UTC-05:30");
  EXPECT_EQ(local_time(Value("2026-11-22T23:58:04Z")), "Mon, 23 Nov 2026 05:28:04 +0530");
  EXPECT_EQ(local_time(Value()), "Mon, 01 Jan 0001 00:00:00 +0000");
}

TEST(DescribeParts, AnnotationsAreCutAndTheAppliedConfigurationIsLeftOut) {
  Page page;
  Value annotations =
      json(R"({"kubectl.kubernetes.io/last-applied-configuration":"{}","b":"1","multi":"x\ny\n"})");
  annotations.object().set("a", std::string(200, 'x'));
  put_annotations(page, "Annotations", annotations);
  EXPECT_EQ(page.text(),
            "Annotations:  a:\n                " + std::string(138, 'x') +
                "...\n              b: 1\n              multi:\n                x\n                y\n");
}

TEST(DescribeParts, EventsByLastTimeWithAges) {
  Page page;
  Value events = json(R"([
    {"type":"Warning","reason":"Unhealthy","message":" no \n","count":3,"firstTimestamp":"2026-11-22T11:59:50Z",
     "lastTimestamp":"2026-11-22T11:59:55Z","source":{"component":"kubelet"}},
    {"type":"Normal","reason":"Scheduled","message":"ok","eventTime":"2026-11-22T11:00:00.000000Z","reportingComponent":"default-scheduler"},
    {"type":"Normal","reason":"Pulled","message":"m","eventTime":"2026-11-22T11:00:00.000000Z",
     "series":{"count":2,"lastObservedTime":"2026-11-22T11:58:00.000000Z"},"source":{"component":"k"}}])");
  put_events(page, &events.as_array(), kNow);
  EXPECT_EQ(page.text(),
            "Events:\n"
            "  Type     Reason     Age               From               Message\n"
            "  ----     ------     ----              ----               -------\n"
            "  Normal   Scheduled  60m               default-scheduler  ok\n"
            "  Normal   Pulled     2m (x2 over 60m)  k                  m\n"
            "  Warning  Unhealthy  5s (x3 over 10s)  kubelet            no\n");
  Page none;
  put_events(none, &Value().as_array(), kNow);
  put_events(none, nullptr, kNow);
  EXPECT_EQ(none.text(), "Events:  <none>\n");
}

TEST(DescribeParts, ResourcesOfAPodWithInitContainersAndOverhead) {
  auto needs = resources_of_pod(json(R"({"spec":{"overhead":{"cpu":"10m"},
    "initContainers":[{"resources":{"requests":{"cpu":"2"}}},{"restartPolicy":"Always","resources":{"requests":{"cpu":"50m"}}}],
    "containers":[{"resources":{"requests":{"cpu":"250m"},"limits":{"cpu":"1"}}}]}})"));
  EXPECT_EQ(needs.requests.at("cpu").text(), "2010m");
  EXPECT_EQ(needs.limits.at("cpu").text(), "1010m");
}

TEST(DescribeParts, QosClasses) {
  EXPECT_EQ(qos_class(json(R"({"spec":{"containers":[{}]}})")), "BestEffort");
  EXPECT_EQ(
      qos_class(json(
          R"({"spec":{"containers":[{"resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"1","memory":"1Gi"}}}]}})")),
      "Guaranteed");
  EXPECT_EQ(qos_class(json(R"({"spec":{"containers":[{"resources":{"requests":{"cpu":"1"}}},{}]}})")),
            "Burstable");
  EXPECT_EQ(qos_class(json(R"({"spec":{"containers":[{}]},"status":{"qosClass":"Guaranteed"}})")),
            "Guaranteed");
}

TEST(DescribeService, EndpointsThreeAndHowManyMore) {
  Value service =
      json(R"({"kind":"Service","metadata":{"name":"kubia","namespace":"default"},"spec":{"type":"NodePort",
    "selector":{"app":"kubia"},"ipFamilyPolicy":"SingleStack","ipFamilies":["IPv4"],"clusterIP":"10.96.3.7","clusterIPs":["10.96.3.7"],
    "ports":[{"name":"http","port":80,"targetPort":"web","protocol":"TCP","nodePort":30123}],"sessionAffinity":"None",
    "externalTrafficPolicy":"Cluster","internalTrafficPolicy":"Cluster"}})");
  Value slices = json(
      R"([{"ports":[{"name":"http","port":8080},{"name":"other","port":1}],"endpoints":[{"addresses":["10.0.0.1"]},
    {"addresses":["10.0.0.2"],"conditions":{"ready":false}},{"addresses":["fd00::3"],"conditions":{"ready":true}},
    {"addresses":["10.0.0.4"]},{"addresses":["10.0.0.5"]}]}])");
  EXPECT_EQ(describe_service(service, slices.as_array(), &Value().as_array(), kNow),
            "Name:                     kubia\n"
            "Namespace:                default\n"
            "Labels:                   <none>\n"
            "Annotations:              <none>\n"
            "Selector:                 app=kubia\n"
            "Type:                     NodePort\n"
            "IP Family Policy:         SingleStack\n"
            "IP Families:              IPv4\n"
            "IP:                       10.96.3.7\n"
            "IPs:                      10.96.3.7\n"
            "Port:                     http  80/TCP\n"
            "TargetPort:               web/TCP\n"
            "NodePort:                 http  30123/TCP\n"
            "Endpoints:                10.0.0.1:8080,[fd00::3]:8080,10.0.0.4:8080 + 1 more...\n"
            "Session Affinity:         None\n"
            "External Traffic Policy:  Cluster\n"
            "Internal Traffic Policy:  Cluster\n"
            "Events:                   <none>\n");
}

TEST(DescribeService, ExternalNameHasNoEndpoints) {
  Value service = json(
      R"({"metadata":{"name":"x","namespace":"d"},"spec":{"type":"ExternalName","externalName":"api.somecompany.com",
    "sessionAffinity":"None"}})");
  EXPECT_EQ(describe_service(service, {}, nullptr, kNow),
            "Name:              x\nNamespace:         d\nLabels:            <none>\nAnnotations:       "
            "<none>\nSelector:          <none>\n"
            "Type:              ExternalName\nIP Families:       <none>\nIP:                \nIPs:           "
            "    <none>\n"
            "External Name:     api.somecompany.com\nSession Affinity:  None\n");
}

TEST(DescribePod, RunningWithARestart) {
  InZone zone("UTC");
  Value pod =
      json(R"({"kind":"Pod","metadata":{"name":"kubia-0","namespace":"default","labels":{"app":"kubia"},
     "ownerReferences":[{"kind":"ReplicationController","name":"kubia","uid":"u","controller":true}]},
    "spec":{"nodeName":"n1","priority":0,"serviceAccountName":"default","containers":[{"name":"kubia","image":"luksa/kubia",
      "ports":[{"containerPort":8080,"protocol":"TCP"}],"readinessProbe":{"exec":{"command":["ls","/var/ready"]},"timeoutSeconds":1,
      "periodSeconds":10,"successThreshold":1,"failureThreshold":3},
      "env":[{"name":"ME","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}}],
      "volumeMounts":[{"name":"data","mountPath":"/data"}]}],"volumes":[{"name":"data","emptyDir":{}}]},
    "status":{"phase":"Running","hostIP":"10.0.0.1","podIP":"10.244.0.4","podIPs":[{"ip":"10.244.0.4"}],"startTime":"2026-11-22T11:00:00Z",
      "qosClass":"BestEffort","conditions":[{"type":"Ready","status":"True"}],
      "containerStatuses":[{"name":"kubia","containerID":"crun://1","imageID":"sha256:2","ready":true,"restartCount":1,
        "state":{"running":{"startedAt":"2026-11-22T11:30:00Z"}},
        "lastState":{"terminated":{"exitCode":1,"reason":"Error","startedAt":"2026-11-22T11:00:01Z","finishedAt":"2026-11-22T11:29:59Z"}}}]}})");
  EXPECT_EQ(describe_pod(pod, nullptr, kNow),
            "Name:             kubia-0\n"
            "Namespace:        default\n"
            "Priority:         0\n"
            "Service Account:  default\n"
            "Node:             n1/10.0.0.1\n"
            "Start Time:       Sun, 22 Nov 2026 11:00:00 +0000\n"
            "Labels:           app=kubia\n"
            "Annotations:      <none>\n"
            "Status:           Running\n"
            "IP:               10.244.0.4\n"
            "IPs:\n"
            "  IP:           10.244.0.4\n"
            "Controlled By:  ReplicationController/kubia\n"
            "Containers:\n"
            "  kubia:\n"
            "    Container ID:   crun://1\n"
            "    Image:          luksa/kubia\n"
            "    Image ID:       sha256:2\n"
            "    Port:           8080/TCP\n"
            "    Host Port:      0/TCP\n"
            "    State:          Running\n"
            "      Started:      Sun, 22 Nov 2026 11:30:00 +0000\n"
            "    Last State:     Terminated\n"
            "      Reason:       Error\n"
            "      Exit Code:    1\n"
            "      Started:      Sun, 22 Nov 2026 11:00:01 +0000\n"
            "      Finished:     Sun, 22 Nov 2026 11:29:59 +0000\n"
            "    Ready:          True\n"
            "    Restart Count:  1\n"
            "    Readiness:      exec [ls /var/ready] delay=0s timeout=1s period=10s #success=1 #failure=3\n"
            "    Environment:\n"
            "      ME:  kubia-0 (v1:metadata.name)\n"
            "    Mounts:\n"
            "      /data from data (rw)\n"
            "Conditions:\n"
            "  Type    Status\n"
            "  Ready   True \n"
            "Volumes:\n"
            "  data:\n"
            "    Type:        EmptyDir (a temporary directory that shares a pod's lifetime)\n"
            "    Medium:      \n"
            "    SizeLimit:   <unset>\n"
            "QoS Class:       BestEffort\n"
            "Node-Selectors:  <none>\n"
            "Tolerations:     <none>\n");
}

TEST(DescribePod, ADeletedPodTerminates) {
  Value pod = json(
      R"({"metadata":{"name":"p","namespace":"d","deletionTimestamp":"2026-11-22T11:59:40Z","deletionGracePeriodSeconds":30},
    "spec":{"containers":[]},"status":{"phase":"Running"}})");
  std::string text = describe_pod(pod, nullptr, kNow);
  EXPECT_NE(text.find("Status:                    Terminating (lasts 20s)\nTermination Grace Period:  30s\n"),
            std::string::npos)
      << text;
}

TEST(DescribeReplicationController, CountsOnlyItsOwnPods) {
  Value controller = json(
      R"({"metadata":{"name":"kubia","namespace":"d","uid":"u1"},"spec":{"replicas":3,"selector":{"app":"kubia"},
    "template":{"metadata":{"labels":{"app":"kubia"}},"spec":{"containers":[{"name":"c","image":"i"}]}}},"status":{"replicas":2}})");
  Value pods =
      json(R"([{"metadata":{"ownerReferences":[{"uid":"u1","controller":true}]},"status":{"phase":"Running"}},
    {"metadata":{"ownerReferences":[{"uid":"u1","controller":true}]},"status":{"phase":"Pending"}},
    {"metadata":{"ownerReferences":[{"uid":"u2","controller":true}]},"status":{"phase":"Running"}},
    {"metadata":{},"status":{"phase":"Failed"}}])");
  EXPECT_EQ(describe_replication_controller(controller, pods.as_array(), nullptr, kNow),
            "Name:         kubia\n"
            "Namespace:    d\n"
            "Selector:     app=kubia\n"
            "Labels:       <none>\n"
            "Annotations:  <none>\n"
            "Replicas:     2 current / 3 desired\n"
            "Pods Status:  1 Running / 1 Waiting / 0 Succeeded / 0 Failed\n"
            "Pod Template:\n"
            "  Labels:  app=kubia\n"
            "  Containers:\n"
            "   c:\n"
            "    Image:         i\n"
            "    Port:          <none>\n"
            "    Host Port:     <none>\n"
            "    Environment:   <none>\n"
            "    Mounts:        <none>\n"
            "  Volumes:         <none>\n"
            "  Node-Selectors:  <none>\n"
            "  Tolerations:     <none>\n");
}

TEST(DescribeNode, SharesOfWhatItCanGive) {
  InZone zone("UTC");
  Value node = json(R"({"metadata":{"name":"n1","creationTimestamp":"2026-11-22T11:00:00Z"},
    "spec":{"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]},"status":{"allocatable":{"cpu":"2","memory":"4Gi","pods":"110"}}})");
  Value pods = json(R"([{"metadata":{"name":"p","namespace":"d","creationTimestamp":"2026-11-22T11:59:00Z"},
    "spec":{"containers":[{"resources":{"requests":{"cpu":"250m","memory":"1Gi"}}}]}}])");
  NodeParts parts{base::fail(base::Reason::not_found, "leases.coordination.k8s.io \"n1\" not found"),
                  &pods.as_array(), nullptr};
  std::string text = describe_node(node, parts, kNow);
  for (const char* piece :
       {"Roles:              <none>\n", "Taints:             k=v:NoSchedule\n", "Unschedulable:      false\n",
        "Lease:              Failed to get lease: leases.coordination.k8s.io \"n1\" not found\n",
        "  Namespace                   Name    CPU Requests  CPU Limits  Memory Requests  Memory Limits  "
        "Age\n",
        "  d                           p       250m (12%)    0 (0%)      1Gi (25%)        0 (0%)         "
        "60s\n",
        "  cpu                250m (12%)  0 (0%)\n", "  ephemeral-storage  0 (0%)      0 (0%)\n"})
    EXPECT_NE(text.find(piece), std::string::npos) << piece << "\n" << text;
  parts.pods = nullptr;
  EXPECT_NE(describe_node(node, parts, kNow).find("Pods:                         not authorized\n"),
            std::string::npos);
}

TEST(DescribeConfig, ConfigMapAndSecret) {
  EXPECT_EQ(
      describe_config_map(
          json(R"({"metadata":{"name":"c","namespace":"d"},"data":{"k":"v"},"binaryData":{"b":"AAEC"}})"),
          nullptr, kNow),
      "Name:         c\nNamespace:    d\nLabels:       <none>\nAnnotations:  "
      "<none>\n\nData\n====\nk:\n----\nv\n\n\nBinaryData\n====\n"
      "b: 3 bytes\n\n");
  std::string secret = describe_secret(
      json(R"({"metadata":{"name":"s","namespace":"d"},"type":"Opaque","data":{"pw":"aGVsbG8="}})"));
  EXPECT_EQ(secret,
            "Name:         s\nNamespace:    d\nLabels:       <none>\nAnnotations:  <none>\n\nType:  "
            "Opaque\n\nData\n====\npw:  5 bytes\n");
}

TEST(DescribeConfig, ServiceAccountSaysWhichSecretsAreGone) {
  Value account = json(
      R"({"metadata":{"name":"a","namespace":"d","uid":"u"},"secrets":[{"name":"gone"},{"name":"here"}]})");
  Value secrets = json(R"([{"metadata":{"name":"here"},"type":"Opaque"}])");
  std::string text = describe_service_account(account, &secrets.as_array(), nullptr, kNow);
  EXPECT_NE(text.find("Mountable secrets:   gone (not found)\n                     here\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(describe_service_account(account, nullptr, nullptr, kNow).find("not found"), std::string::npos);
}

TEST(DescribeAny, FieldNamesAreMadeReadable) {
  Value widget = json(
      R"({"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w","namespace":"d","managedFields":[{}],"uid":"1"},
    "spec":{"podIPs":["a",[1,null,{"b":true}]],"apiURL":"u","HTTPServer":"x","foo-barBaz":1.50,"with.dot":123456789.25,"big":1e30,"n":null}})");
  EXPECT_EQ(describe_any(widget, nullptr, kNow),
            "Name:         w\n"
            "Namespace:    d\n"
            "Labels:       <none>\n"
            "Annotations:  <none>\n"
            "API Version:  example.com/v1\n"
            "Kind:         Widget\n"
            "Metadata:\n"
            "  UID:  1\n"
            "Spec:\n"
            "  HTTP Server:    x\n"
            "  API URL:        u\n"
            "  Big:            1e+30\n"
            "  Foo - Bar Baz:  1.5\n"
            "  N:              <nil>\n"
            "  Pod I Ps:\n"
            "    a\n"
            "    [1 <nil> map[b:true]]\n"
            "  with.dot:  1.2345678925e+08\n");
}

}  // namespace
}  // namespace cli
