// The tables of networking, storage, devices and flow control, cell by cell.
#include <gtest/gtest.h>

#include "api/columns.hpp"
#include "api/validate_testing.hpp"

namespace api {
namespace {

using testing::built_in;
using testing::json;

const base::Time kNow = *base::parse_time("2026-01-01T01:00:00Z");
#define META R"("metadata":{"name":"x","creationTimestamp":"2026-01-01T00:00:00Z")"

constexpr const char* kNet = "networking.k8s.io";
constexpr const char* kStorage = "storage.k8s.io";
constexpr const char* kFlow = "flowcontrol.apiserver.k8s.io";
constexpr const char* kDevices = "resource.k8s.io";

std::string row(const char* group, const char* kind, const std::string& members, const std::string& meta = "") {
  const auto of = built_in(group, kind);
  const auto cells = table_cells(*of, json("{" META + meta + "}," + members + "}"), kNow);
  const auto columns = columns_of(*of);
  EXPECT_EQ(cells.size(), columns.size()) << kind;
  std::string out;
  for (const auto& cell : cells)
    out += (out.empty() ? "" : " | ") + (cell.is_string() ? std::string(cell.as_string()) : base::write_json(cell));
  return out;
}

std::string head(const char* group, const char* kind) {
  std::string out;
  for (const auto& column : columns_of(*built_in(group, kind))) {
    EXPECT_EQ(column.priority, 0) << kind << column.name;
    out += (out.empty() ? "" : " ") + column.name + (column.type == "string" ? "" : ":" + column.type);
  }
  return out;
}

TEST(ColumnsPlatform, Heads) {
  EXPECT_EQ(head(kNet, "Ingress"), "Name Class Hosts Address Ports Age");
  EXPECT_EQ(head("extensions", "Ingress"), "Name Class Hosts Address Ports Age");
  EXPECT_EQ(head(kNet, "IngressClass"), "Name Controller Parameters Age");
  EXPECT_EQ(head(kNet, "NetworkPolicy"), "Name Pod-Selector Age");
  EXPECT_EQ(head(kNet, "ServiceCIDR"), "Name CIDRs Age");
  EXPECT_EQ(head(kNet, "IPAddress"), "Name ParentRef");
  EXPECT_EQ(head(kStorage, "StorageClass"), "Name Provisioner ReclaimPolicy VolumeBindingMode AllowVolumeExpansion Age");
  EXPECT_EQ(head(kStorage, "VolumeAttachment"), "Name Attacher PV Node Attached:boolean Age");
  EXPECT_EQ(head(kStorage, "CSIDriver"),
            "Name AttachRequired:boolean PodInfoOnMount:boolean StorageCapacity:boolean TokenRequests "
            "RequiresRepublish:boolean Modes Age");
  EXPECT_EQ(head(kStorage, "CSINode"), "Name Drivers:integer Age");
  EXPECT_EQ(head(kStorage, "CSIStorageCapacity"), "Name StorageClassName Capacity");
  EXPECT_EQ(head(kStorage, "VolumeAttributesClass"), "Name DriverName Age");
  EXPECT_EQ(head("node.k8s.io", "RuntimeClass"), "Name Handler Age");
  EXPECT_EQ(head(kFlow, "FlowSchema"), "Name PriorityLevel MatchingPrecedence DistinguisherMethod Age MissingPL");
  EXPECT_EQ(head(kFlow, "PriorityLevelConfiguration"),
            "Name Type NominalConcurrencyShares Queues HandSize QueueLengthLimit Age");
  EXPECT_EQ(head(kDevices, "ResourceSlice"), "Name Node Driver Pool Age");
  EXPECT_EQ(head(kDevices, "ResourceClaim"), "Name State Age");
}

TEST(ColumnsPlatform, Ingresses) {
  EXPECT_EQ(row(kNet, "Ingress", R"("spec":{"defaultBackend":{}})"), "x | <none> | * |  | 80 | 60m");
  EXPECT_EQ(row(kNet, "Ingress",
                R"("spec":{"ingressClassName":"nginx","tls":[{}],"rules":[{"host":"b"},{"host":"a"}]},)"
                R"("status":{"loadBalancer":{"ingress":[{"hostname":"lb.example.com"},{"ip":"1.2.3.4"}]}})"),
            "x | nginx | b,a | 1.2.3.4,lb.example.com | 80, 443 | 60m");
  EXPECT_EQ(row(kNet, "Ingress", R"("spec":{"rules":[{"host":"a"},{"host":"b"},{"host":"c"},{"host":"d"},{"host":"e"}]})"),
            "x | <none> | a,b,c + 2 more... |  | 80 | 60m");
  EXPECT_EQ(row(kNet, "IngressClass", R"("spec":{"controller":"a.b/c"})"), "x | a.b/c | <none> | 60m");
  EXPECT_EQ(row(kNet, "IngressClass",
                R"("spec":{"controller":"a.b/c","parameters":{"apiGroup":"k.io","kind":"Setting","name":"s"}})"),
            "x | a.b/c | Setting.k.io/s | 60m");
}

TEST(ColumnsPlatform, PoliciesAndAddresses) {
  EXPECT_EQ(row(kNet, "NetworkPolicy", R"("spec":{"podSelector":{}})"), "x | <none> | 60m");
  EXPECT_EQ(row(kNet, "NetworkPolicy",
                R"("spec":{"podSelector":{"matchLabels":{"b":"c"},"matchExpressions":[)"
                R"({"key":"a","operator":"In","values":["z","y"]},{"key":"d","operator":"DoesNotExist"}]}})"),
            "x | a in (y,z),b=c,!d | 60m");
  EXPECT_EQ(row(kNet, "ServiceCIDR", R"("spec":{"cidrs":["10.0.0.0/8","fd00::/64"]})"),
            "x | 10.0.0.0/8,fd00::/64 | 60m");
  EXPECT_EQ(row(kNet, "IPAddress", R"("spec":{"parentRef":{"resource":"services","namespace":"default","name":"web"}})"),
            "x | services/default/web");
  EXPECT_EQ(row(kNet, "IPAddress", R"("spec":{"parentRef":{"group":"k.io","resource":"things","name":"t"}})"),
            "x | things.k.io/t");
}

TEST(ColumnsPlatform, Storage) {
  EXPECT_EQ(row(kStorage, "StorageClass", R"("provisioner":"p","reclaimPolicy":"Retain")",
                R"(,"annotations":{"storageclass.kubernetes.io/is-default-class":"true"})"),
            "x (default) | p | Retain | Immediate | false | 60m");
  EXPECT_EQ(row(kStorage, "VolumeAttachment",
                R"("spec":{"attacher":"a","nodeName":"n","source":{"persistentVolumeName":"pv"}},"status":{"attached":true})"),
            "x | a | pv | n | true | 60m");
  EXPECT_EQ(row(kStorage, "CSIDriver", R"("spec":{})"), "x | true | false | false | <unset> | false | <none> | 60m");
  EXPECT_EQ(row(kStorage, "CSIDriver",
                R"("spec":{"tokenRequests":[{"audience":"a"},{"audience":"b"}],"volumeLifecycleModes":["Persistent","Ephemeral"]})"),
            "x | true | false | false | a,b | false | Persistent,Ephemeral | 60m");
  EXPECT_EQ(row(kStorage, "CSINode", R"("spec":{"drivers":[{},{}]})"), "x | 2 | 60m");
  EXPECT_EQ(row(kStorage, "CSIStorageCapacity", R"("storageClassName":"s","capacity":"1024Mi")"), "x | s | 1Gi");
  EXPECT_EQ(row(kStorage, "CSIStorageCapacity", R"("storageClassName":"s")"), "x | s | <unset>");
  EXPECT_EQ(row(kStorage, "VolumeAttributesClass", R"("driverName":"d")"), "x | d | 60m");
}

TEST(ColumnsPlatform, TheOthers) {
  EXPECT_EQ(row("node.k8s.io", "RuntimeClass", R"("handler":"runsc")"), "x | runsc | 60m");
  EXPECT_EQ(row(kFlow, "FlowSchema",
                R"("spec":{"priorityLevelConfiguration":{"name":"p"},"matchingPrecedence":9},)"
                R"("status":{"conditions":[{"type":"Dangling","status":"False"}]})"),
            "x | p | 9 | <none> | 60m | False");
  EXPECT_EQ(row(kFlow, "FlowSchema", R"("spec":{"distinguisherMethod":{"type":"ByUser"}})"),
            "x |  | 0 | ByUser | 60m | ?");
  EXPECT_EQ(row(kFlow, "PriorityLevelConfiguration", R"("spec":{"type":"Exempt"})"),
            "x | Exempt | <none> | <none> | <none> | <none> | 60m");
  EXPECT_EQ(row(kFlow, "PriorityLevelConfiguration",
                R"("spec":{"type":"Limited","limited":{"nominalConcurrencyShares":30,"limitResponse":{"type":"Queue",)"
                R"("queuing":{"queues":64,"handSize":6,"queueLengthLimit":50}}}})"),
            "x | Limited | 30 | 64 | 6 | 50 | 60m");
  EXPECT_EQ(row(kDevices, "ResourceClaim", R"("spec":{})"), "x | pending | 60m");
  EXPECT_EQ(row(kDevices, "ResourceClaim", R"("status":{"allocation":{},"reservedFor":[{}]})",
                R"(,"deletionTimestamp":"2026-01-01T00:30:00Z")"),
            "x | deleted,allocated,reserved | 60m");
  EXPECT_EQ(row(kDevices, "ResourceSlice", R"("spec":{"driver":"d","nodeName":"n","pool":{"name":"p"}})"),
            "x | n | d | p | 60m");
  EXPECT_EQ(row(kDevices, "DeviceClass", R"("spec":{})"), "x | 60m");
}

}  // namespace
}  // namespace api
