// Rules for networking, storage, runtime classes and flow control.
#include <gtest/gtest.h>

#include "api/validate_testing.hpp"

namespace api {
namespace {

using testing::expect_create;
using testing::expect_update;

constexpr const char* kNet = "networking.k8s.io";
constexpr const char* kStorage = "storage.k8s.io";
constexpr const char* kFlow = "flowcontrol.apiserver.k8s.io";

const char* kIngress = R"({"metadata":{"name":"x","namespace":"default"},"spec":{"rules":[{"host":"kubia.example.com","http":)"
                       R"({"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"kubia","port":{"number":80}}}}]}}]}})";

std::string with_path(const std::string& path) {
  return R"({"spec":{"rules":[{"http":{"paths":[)" + path + "]}}]}}";
}
std::string with_backend(const std::string& backend) { return R"({"spec":{"rules":null,"defaultBackend":)" + backend + "}}"; }

TEST(ValidateIngress, Table) {
  const std::string good = R"("backend":{"service":{"name":"a","port":{"name":"http"}}})";
  expect_create(kNet, "Ingress", kIngress, {
      {"as it should be", "{}", ""},
      {"nothing", R"({"spec":{"rules":null}})", "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"},
      {"no path type", with_path(R"({"path":"/",)" + good + "}"),
       "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"},
      {"an unknown path type", with_path(R"({"path":"/","pathType":"Regex",)" + good + "}"),
       "spec.rules[0].http.paths[0].pathType: Unsupported value: \"Regex\": supported values: \"Exact\", \"ImplementationSpecific\", \"Prefix\""},
      {"no path", with_path(R"({"pathType":"Exact",)" + good + "}"),
       "spec.rules[0].http.paths[0].path: Invalid value: \"\": must be an absolute path"},
      {"no path, left to the class", with_path(R"({"pathType":"ImplementationSpecific",)" + good + "}"), ""},
      {"dots", with_path(R"({"path":"/a/../b","pathType":"Prefix",)" + good + "}"),
       "spec.rules[0].http.paths[0].path: Invalid value: \"/a/../b\": must not contain '/../'"},
      {"dots left to the class", with_path(R"({"path":"/a/../b","pathType":"ImplementationSpecific",)" + good + "}"), ""},
      {"a dot at the end", with_path(R"({"path":"/a/.","pathType":"Exact",)" + good + "}"),
       "spec.rules[0].http.paths[0].path: Invalid value: \"/a/.\": cannot end with '/.'"},
      {"no paths", R"({"spec":{"rules":[{"http":{"paths":[]}}]}})", "spec.rules[0].http.paths: Required value"},
      {"an address as host", R"({"spec":{"rules":[{"host":"1.2.3.4"}]}})",
       "spec.rules[0].host: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address"},
      {"a wildcard", R"({"spec":{"rules":[{"host":"*.example.com"}]}})", ""},
      {"a star at the wrong place", R"({"spec":{"rules":[{"host":"a.*.com"}]}})",
       "spec.rules[0].host: Invalid value: \"a.*.com\": a wildcard DNS-1123 subdomain must start with '*.', *"},
      {"no backend", with_backend("{}"), "spec.defaultBackend: Invalid value: \"\": resource or service backend is required"},
      {"two backends", with_backend(R"({"service":{"name":"a","port":{"number":1}},"resource":{"kind":"K","name":"n"}})"),
       "spec.defaultBackend: Invalid value: \"\": cannot set both resource and service backends"},
      {"a resource", with_backend(R"({"resource":{"apiGroup":"k.io","kind":"K","name":"n"}})"), ""},
      {"a resource without a name", with_backend(R"({"resource":{"kind":"K","name":""}})"),
       "spec.defaultBackend.resource.name: Required value"},
      {"no port", with_backend(R"({"service":{"name":"a","port":{}}})"),
       "spec.defaultBackend: Required value: port name or number is required"},
      {"two ports", with_backend(R"({"service":{"name":"a","port":{"name":"a","number":1}}})"),
       "spec.defaultBackend: Invalid value: \"\": cannot set both port name & port number"},
      {"a port too high", with_backend(R"({"service":{"name":"a","port":{"number":65536}}})"),
       "spec.defaultBackend.service.port.number: Invalid value: 65536: must be between 1 and 65535, inclusive"},
      {"no name of a service", with_backend(R"({"service":{"name":"","port":{"number":1}}})"),
       "spec.defaultBackend.service.name: Required value"},
      {"hosts for TLS", R"({"spec":{"tls":[{"hosts":["a.b","*.b"],"secretName":"s"}]}})", ""},
      {"a bad host for TLS", R"({"spec":{"tls":[{"hosts":["A"]}]}})", "spec.tls[0].hosts[0]: Invalid value: \"A\": *"},
      {"a bad secret", R"({"spec":{"tls":[{"secretName":"A"}]}})", "spec.tls[0].secretName: Invalid value: \"A\": *"},
      {"a bad class", R"({"spec":{"ingressClassName":"A"}})", "spec.ingressClassName: Invalid value: \"A\": *"},
      {"two classes", R"({"metadata":{"annotations":{"kubernetes.io/ingress.class":"a"}},"spec":{"ingressClassName":"b"}})",
       "annotations.kubernetes.io/ingress.class: Invalid value: \"a\": must match `ingressClassName` when both are specified"},
  });
  expect_update(kNet, "Ingress", kIngress, {
      {"addresses", R"({"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"},{"hostname":"a.b"}]}}})", ""},
      {"no address", R"({"status":{"loadBalancer":{"ingress":[{"ip":"a"}]}}})",
       "status.loadBalancer.ingress[0].ip: Invalid value: \"a\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"},
      {"an address for a name", R"({"status":{"loadBalancer":{"ingress":[{"hostname":"1.2.3.4"}]}}})",
       "status.loadBalancer.ingress[0].hostname: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address"},
  }, "status");
}

TEST(ValidateIngress, TheAnnotationOfOldIsTold) {
  const auto warnings = [](const char* patch) {
    return warnings_for(*testing::built_in(kNet, "Ingress"), testing::json(testing::patched(kIngress, patch)));
  };
  const char* kOld = R"({"metadata":{"annotations":{"kubernetes.io/ingress.class":"nginx"}}})";
  EXPECT_EQ(warnings(kOld), std::vector<std::string>{"annotation \"kubernetes.io/ingress.class\" is deprecated, please use "
                                                     "'spec.ingressClassName' instead"});
  EXPECT_TRUE(warnings("{}").empty());
  EXPECT_TRUE(warnings(R"({"metadata":{"resourceVersion":"7","annotations":{"kubernetes.io/ingress.class":"nginx"}}})").empty());
}

TEST(ValidateIngressClass, Table) {
  const char* kClass = R"({"metadata":{"name":"x"},"spec":{"controller":"example.com/ingress"}})";
  expect_create(kNet, "IngressClass", kClass, {
      {"as it should be", "{}", ""},
      {"no controller", R"({"spec":{"controller":null}})", "spec.controller: Required value"},
      {"no domain", R"({"spec":{"controller":"nginx"}})",
       "spec.controller: Invalid value: \"nginx\": must be a domain-prefixed path (such as \"acme.io/foo\")"},
      {"no scope", R"({"spec":{"parameters":{"kind":"K","name":"n"}}})", "spec.parameters.scope: Required value"},
      {"a namespace that is missing", R"({"spec":{"parameters":{"kind":"K","name":"n","scope":"Namespace"}}})",
       "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"},
      {"a namespace too many", R"({"spec":{"parameters":{"kind":"K","name":"n","scope":"Cluster","namespace":"a"}}})",
       "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"},
      {"an unknown scope", R"({"spec":{"parameters":{"kind":"K","name":"n","scope":"World"}}})",
       "spec.parameters.scope: Unsupported value: \"World\": supported values: \"Cluster\", \"Namespace\""},
  });
  expect_update(kNet, "IngressClass", kClass, {
      {"another controller", R"({"spec":{"controller":"a.b/c"}})", "spec.controller: Invalid value: \"a.b/c\": field is immutable"},
  });
}

TEST(ValidateNetworkPolicy, Table) {
  const char* kPolicy = R"({"metadata":{"name":"x","namespace":"default"},"spec":{"podSelector":{},"policyTypes":["Ingress"]}})";
  const auto peer = [](const std::string& text) { return R"({"spec":{"ingress":[{"from":[)" + text + "]}]}}"; };
  const auto port = [](const std::string& text) { return R"({"spec":{"egress":[{"ports":[)" + text + "]}]}}"; };
  expect_create(kNet, "NetworkPolicy", kPolicy, {
      {"as it should be", "{}", ""},
      {"a bad selector", R"({"spec":{"podSelector":{"matchLabels":{"a b":"c"}}}})",
       "spec.podSelector.matchLabels: Invalid value: \"a b\": *"},
      {"nobody", peer("{}"), "spec.ingress[0].from[0]: Required value: must specify a peer"},
      {"pods in namespaces", peer(R"({"podSelector":{},"namespaceSelector":{}})"), ""},
      {"pods and addresses", peer(R"({"podSelector":{},"ipBlock":{"cidr":"10.0.0.0/8"}})"),
       "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"},
      {"an exception", peer(R"({"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}})"), ""},
      {"an exception outside", peer(R"({"ipBlock":{"cidr":"10.0.0.0/8","except":["11.0.0.0/16"]}})"),
       "spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`"},
      {"an exception of all", peer(R"({"ipBlock":{"cidr":"10.0.0.0/8","except":["10.0.0.0/8"]}})"),
       "spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: \"10.0.0.0/8\": must be a strict subset of `cidr`"},
      {"no range", peer(R"({"ipBlock":{"cidr":""}})"), "spec.ingress[0].from[0].ipBlock.cidr: Required value"},
      {"a bad range", peer(R"({"ipBlock":{"cidr":"10.0.0.0/33"}})"),
       "spec.ingress[0].from[0].ipBlock.cidr: Invalid value: \"10.0.0.0/33\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"},
      {"ports", port(R"({"port":80,"endPort":90,"protocol":"TCP"},{"port":"http","protocol":"UDP"},{"protocol":"SCTP"})"), ""},
      {"an end before the port", port(R"({"port":80,"endPort":79})"),
       "spec.egress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`"},
      {"an end of a name", port(R"({"port":"http","endPort":79})"),
       "spec.egress[0].ports[0].endPort: Invalid value: 79: may not be specified when `port` is non-numeric"},
      {"an end of nothing", port(R"({"endPort":79})"),
       "spec.egress[0].ports[0].endPort: Invalid value: 79: may not be specified when `port` is not specified"},
      {"an unknown protocol", port(R"({"protocol":"HTTP"})"),
       "spec.egress[0].ports[0].protocol: Unsupported value: \"HTTP\": supported values: \"TCP\", \"UDP\", \"SCTP\""},
      {"an unknown type", R"({"spec":{"policyTypes":["Sideways"]}})",
       "spec.policyTypes[0]: Unsupported value: \"Sideways\": supported values: \"Ingress\", \"Egress\""},
      {"three types", R"({"spec":{"policyTypes":["Ingress","Egress","Ingress"]}})",
       "spec.policyTypes: Invalid value: [\"Ingress\",\"Egress\",\"Ingress\"]: may not specify more than two policyTypes"},
  });
}

TEST(ValidateAddresses, Table) {
  const char* kRange = R"({"metadata":{"name":"x"},"spec":{"cidrs":["10.0.0.0/16"]}})";
  expect_create(kNet, "ServiceCIDR", kRange, {
      {"as it should be", "{}", ""},
      {"both families", R"({"spec":{"cidrs":["10.0.0.0/16","fd00::/64"]}})", ""},
      {"none", R"({"spec":{"cidrs":[]}})", "spec.cidrs: Required value: at least one CIDR required"},
      {"one family twice", R"({"spec":{"cidrs":["10.0.0.0/16","10.1.0.0/16"]}})",
       "spec.cidrs: Invalid value: [\"10.0.0.0/16\",\"10.1.0.0/16\"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"},
      {"three", R"({"spec":{"cidrs":["10.0.0.0/16","fd00::/64","fd01::/64"]}})", "spec.cidrs: Invalid value: *: may only hold up to 2 values"},
      {"bits beyond", R"({"spec":{"cidrs":["10.0.0.1/16"]}})",
       "spec.cidrs[0]: Invalid value: \"10.0.0.1/16\": must not have bits set beyond the prefix length"},
  });
  expect_update(kNet, "ServiceCIDR", kRange, {
      {"a second family", R"({"spec":{"cidrs":["10.0.0.0/16","fd00::/64"]}})", ""},
      {"another range", R"({"spec":{"cidrs":["10.1.0.0/16"]}})", "spec.cidrs[0]: Invalid value: \"10.1.0.0/16\": field is immutable"},
  });
  const char* kAddress = R"({"metadata":{"name":"10.0.0.1"},"spec":{"parentRef":{"resource":"services","namespace":"a","name":"b"}}})";
  expect_create(kNet, "IPAddress", kAddress, {
      {"as it should be", "{}", ""},
      {"no address", R"({"metadata":{"name":"a"}})",
       "metadata.name: Invalid value: \"a\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"},
      {"a long form", R"({"metadata":{"name":"fd00:0::1"}})",
       "metadata.name: Invalid value: \"fd00:0::1\": must be in canonical form (\"fd00::1\")"},
      {"nobody's", R"({"spec":{"parentRef":null}})", "spec.parentRef: Required value"},
      {"half a parent", R"({"spec":{"parentRef":{"name":""}}})", "spec.parentRef.name: Required value"},
  });
  expect_update(kNet, "IPAddress", kAddress, {
      {"another parent", R"({"spec":{"parentRef":{"name":"c"}}})", "spec.parentRef: Invalid value: *: field is immutable"},
  });
}

TEST(ValidateStorage, Classes) {
  const char* kClass = R"({"metadata":{"name":"x"},"provisioner":"example.com/nfs","reclaimPolicy":"Delete","volumeBindingMode":"Immediate"})";
  expect_create(kStorage, "StorageClass", kClass, {
      {"as it should be", "{}", ""},
      {"no provisioner", R"({"provisioner":""})", "provisioner: Required value"},
      {"a bad provisioner", R"({"provisioner":"a/b/c"})", "provisioner: Invalid value: \"a/b/c\": *"},
      {"an unknown policy", R"({"reclaimPolicy":"Recycle"})",
       "reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", \"Retain\""},
      {"an unknown mode", R"({"volumeBindingMode":"Later"})",
       "volumeBindingMode: Unsupported value: \"Later\": supported values: \"Immediate\", \"WaitForFirstConsumer\""},
      {"a topology", R"({"allowedTopologies":[{"matchLabelExpressions":[{"key":"zone","values":["a"]}]}]})", ""},
      {"a topology twice", R"({"allowedTopologies":[{"matchLabelExpressions":[{"key":"zone","values":["a"]}]},{"matchLabelExpressions":[{"key":"zone","values":["a"]}]}]})",
       "allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\""},
      {"no values", R"({"allowedTopologies":[{"matchLabelExpressions":[{"key":"zone","values":[]}]}]})",
       "allowedTopologies[0].matchLabelExpressions[0].values: Forbidden: must specify as least one topology value"},
  });
  expect_update(kStorage, "StorageClass", kClass, {
      {"it may expand", R"({"allowVolumeExpansion":true})", ""},
      {"all else", R"({"provisioner":"b","parameters":{"a":"b"},"reclaimPolicy":"Retain","volumeBindingMode":"WaitForFirstConsumer"})",
       "parameters: Forbidden: updates to parameters are forbidden.|provisioner: Forbidden: updates to provisioner are forbidden.|"
       "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.|"
       "volumeBindingMode: Invalid value: \"WaitForFirstConsumer\": field is immutable"},
  });
  const char* kAttributes = R"({"metadata":{"name":"x"},"driverName":"d","parameters":{"iops":"1"}})";
  expect_create(kStorage, "VolumeAttributesClass", kAttributes, {
      {"as it should be", "{}", ""},
      {"no parameters", R"({"parameters":null})", "parameters: Required value: must contain at least one key/value pair"},
  });
  expect_update(kStorage, "VolumeAttributesClass", kAttributes, {
      {"another driver", R"({"driverName":"e"})", "driverName: Forbidden: updates to driverName are forbidden."},
  });
}

TEST(ValidateStorage, Attachments) {
  const char* kAttachment = R"({"metadata":{"name":"x"},"spec":{"attacher":"a.b","nodeName":"n","source":{"persistentVolumeName":"pv"}}})";
  expect_create(kStorage, "VolumeAttachment", kAttachment, {
      {"as it should be", "{}", ""},
      {"no attacher", R"({"spec":{"attacher":""}})", "spec.attacher: Required value"},
      {"no volume", R"({"spec":{"source":{"persistentVolumeName":null}}})",
       "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"},
      {"two volumes", R"({"spec":{"source":{"inlineVolumeSpec":{}}}})",
       "spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName"},
  });
  expect_update(kStorage, "VolumeAttachment", kAttachment, {
      {"another node", R"({"spec":{"nodeName":"m"}})", "spec: Invalid value: *: field is immutable"},
  });
  expect_update(kStorage, "VolumeAttachment", kAttachment, {
      {"attached", R"({"status":{"attached":true}})", ""},
      {"a bad code", R"({"status":{"attachError":{"errorCode":-1}}})",
       "status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive"},
  }, "status");
}

TEST(ValidateStorage, Csi) {
  const char* kDriver = R"({"metadata":{"name":"x"},"spec":{"attachRequired":true,"podInfoOnMount":false,"storageCapacity":false,"seLinuxMount":false}})";
  expect_create(kStorage, "CSIDriver", kDriver, {
      {"as it should be", "{}", ""},
      {"an unknown mode", R"({"spec":{"volumeLifecycleModes":["Eternal"]}})",
       "spec.volumeLifecycleModes: Unsupported value: \"Eternal\": supported values: \"Persistent\", \"Ephemeral\""},
      {"an unknown policy", R"({"spec":{"fsGroupPolicy":"Always"}})",
       "spec.fsGroupPolicy: Unsupported value: \"Always\": supported values: \"File\", \"None\", \"ReadWriteOnceWithFSType\""},
      {"a token twice", R"({"spec":{"tokenRequests":[{"audience":"a"},{"audience":"a"}]}})",
       "spec.tokenRequests[1].audience: Duplicate value: \"a\""},
      {"a short token", R"({"spec":{"tokenRequests":[{"audience":"a","expirationSeconds":599}]}})",
       "spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes"},
      {"too often", R"({"spec":{"nodeAllocatableUpdatePeriodSeconds":9}})",
       "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds"},
  });
  expect_update(kStorage, "CSIDriver", kDriver, {
      {"not attached any more", R"({"spec":{"attachRequired":false}})", "spec.attachedRequired: Invalid value: false: field is immutable"},
  });
  const char* kNode = R"({"metadata":{"name":"x"},"spec":{"drivers":[{"name":"a.b","nodeID":"n","topologyKeys":["zone"]}]}})";
  expect_create(kStorage, "CSINode", kNode, {
      {"as it should be", "{}", ""},
      {"a driver twice", R"({"spec":{"drivers":[{"name":"a","nodeID":"n"},{"name":"a","nodeID":"n"}]}})",
       "spec.drivers[1].name: Duplicate value: \"a\""},
      {"no identity", R"({"spec":{"drivers":[{"name":"a","nodeID":""}]}})", "spec.drivers[0].nodeID: Required value"},
      {"less than nothing", R"({"spec":{"drivers":[{"name":"a","nodeID":"n","allocatable":{"count":-1}}]}})",
       "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0"},
  });
  expect_update(kStorage, "CSINode", kNode, {
      {"more room", R"({"spec":{"drivers":[{"name":"a.b","nodeID":"n","topologyKeys":["zone"],"allocatable":{"count":3}}]}})", ""},
      {"another identity", R"({"spec":{"drivers":[{"name":"a.b","nodeID":"m","topologyKeys":["zone"]}]}})",
       "spec.drivers: Invalid value: *: field is immutable"},
  });
  const char* kCapacity = R"({"metadata":{"name":"x","namespace":"a"},"storageClassName":"s","capacity":"1Gi"})";
  expect_create(kStorage, "CSIStorageCapacity", kCapacity, {
      {"as it should be", "{}", ""},
      {"less than nothing", R"({"capacity":"-1"})", "capacity: Invalid value: \"-1\": must be greater than or equal to 0"},
  });
  expect_update(kStorage, "CSIStorageCapacity", kCapacity, {
      {"more room", R"({"capacity":"2Gi"})", ""},
      {"another class", R"({"storageClassName":"t"})", "storageClassName: Invalid value: \"t\": field is immutable"},
  });
}

TEST(ValidateRuntimeClass, Table) {
  const char* kClass = R"({"metadata":{"name":"x"},"handler":"runsc"})";
  expect_create("node.k8s.io", "RuntimeClass", kClass, {
      {"as it should be", "{}", ""},
      {"no handler", R"({"handler":""})", "handler: Invalid value: \"\": a lowercase RFC 1123 label must consist of *"},
      {"less than nothing", R"({"overhead":{"podFixed":{"cpu":"-1"}}})",
       "overhead.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"},
      {"a bad label", R"({"scheduling":{"nodeSelector":{"a b":"c"}}})", "scheduling.nodeSelector: Invalid value: \"a b\": *"},
  });
  expect_update("node.k8s.io", "RuntimeClass", kClass, {
      {"another handler", R"({"handler":"runc"})", "handler: Invalid value: \"runc\": field is immutable"},
  });
}

TEST(ValidateFlowControl, Schemas) {
  const char* kSchema =
      R"({"metadata":{"name":"x"},"spec":{"priorityLevelConfiguration":{"name":"p"},"matchingPrecedence":100,"rules":[)"
      R"({"subjects":[{"kind":"User","user":{"name":"*"}}],"resourceRules":[{"verbs":["get"],"apiGroups":["*"],)"
      R"("resources":["pods"],"namespaces":["*"]}]}]}})";
  const auto subject = [](const std::string& text) {
    return R"({"spec":{"rules":[{"subjects":[)" + text + R"(],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["/a/*"]}]}]}})";
  };
  const auto resources = [](const std::string& text) {
    return R"({"spec":{"rules":[{"subjects":[{"kind":"Group","group":{"name":"g"}}],"resourceRules":[)" + text + "]}]}}";
  };
  const auto urls = [](const std::string& text) {
    return R"({"spec":{"rules":[{"subjects":[{"kind":"Group","group":{"name":"g"}}],"nonResourceRules":[{"verbs":["get"],"nonResourceURLs":[)" + text + "]}]}]}}";
  };
  expect_create(kFlow, "FlowSchema", kSchema, {
      {"as it should be", "{}", ""},
      {"before all", R"({"spec":{"matchingPrecedence":1}})",
       "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"},
      {"after all", R"({"spec":{"matchingPrecedence":10001}})", "spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000"},
      {"no level", R"({"spec":{"priorityLevelConfiguration":{"name":""}}})",
       "spec.priorityLevelConfiguration.name: Required value: must reference a priority level"},
      {"an unknown method", R"({"spec":{"distinguisherMethod":{"type":"ByMood"}}})",
       "spec.distinguisherMethod.type: Unsupported value: {\"type\":\"ByMood\"}: supported values: \"ByNamespace\", \"ByUser\""},
      {"an unknown subject", subject(R"({"kind":"Robot"})"),
       "spec.rules[0].subjects[0].kind: Unsupported value: \"Robot\": supported values: \"Group\", \"ServiceAccount\", \"User\""},
      {"no user", subject(R"({"kind":"User"})"),
       "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'"},
      {"a group too many", subject(R"({"kind":"User","user":{"name":"a"},"group":{"name":"b"}})"),
       "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'"},
      {"an account from nowhere", subject(R"({"kind":"ServiceAccount","serviceAccount":{"name":"a","namespace":""}})"),
       "spec.rules[0].subjects[0].serviceAccount.namespace: Required value: must specify namespace for service account"},
      {"nothing", R"({"spec":{"rules":[{"subjects":[]}]}})",
       "spec.rules[0].subjects: Required value: subjects must contain at least one value|"
       "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty"},
      {"an unknown verb", resources(R"({"verbs":["eat"],"apiGroups":[""],"resources":["*"],"clusterScope":true})"),
       "spec.rules[0].resourceRules[0].verbs: Unsupported value: [\"eat\"]: supported values: \"create\", \"delete\", *"},
      {"no namespace", resources(R"({"verbs":["*"],"apiGroups":["*"],"resources":["*"]})"),
       "spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace"},
      {"a star and more", resources(R"({"verbs":["*"],"apiGroups":["*","a"],"resources":["*"],"clusterScope":true})"),
       "spec.rules[0].resourceRules[0].apiGroups: Invalid value: [\"*\",\"a\"]: if '*' is present, must not specify other api groups"},
      {"a path without slash", urls(R"("a")"), "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"a\": must start with slash"},
      {"a star in the middle", urls(R"("/a/*/b")"),
       "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: \"/a/*/b\": wildcard can only do suffix matching"},
      {"paths", urls(R"("/","/healthz","/a/*")"), ""},
      {"the last resort is as it is", R"({"metadata":{"name":"catch-all"}})", "spec: Invalid value: *: spec of 'catch-all' must equal the fixed value"},
  });
}

TEST(ValidateFlowControl, Levels) {
  const char* kLevel = R"({"metadata":{"name":"x"},"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":30,"limitResponse":)"
                       R"({"type":"Queue","queuing":{"queues":64,"handSize":6,"queueLengthLimit":50}}}}})";
  const auto queuing = [](const std::string& text) { return R"({"spec":{"limited":{"limitResponse":{"queuing":)" + text + "}}}}"; };
  expect_create(kFlow, "PriorityLevelConfiguration", kLevel, {
      {"as it should be", "{}", ""},
      {"exempt by itself", R"({"spec":{"type":"Exempt","limited":null,"exempt":{}}})",
       "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'"},
      {"the exempt one", R"({"metadata":{"name":"exempt"},"spec":{"type":"Exempt","limited":null,"exempt":{}}})", ""},
      {"no limits", R"({"spec":{"limited":null}})", "spec.limited: Required value: must not be empty when type is Limited"},
      {"less than nothing", R"({"spec":{"limited":{"nominalConcurrencyShares":-1}}})",
       "spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer"},
      {"more than all", R"({"spec":{"limited":{"lendablePercent":101}}})",
       "spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive"},
      {"queues for the refused", R"({"spec":{"limited":{"limitResponse":{"type":"Reject"}}}})",
       "spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited"},
      {"no queues", queuing("null"),
       "spec.limited.limitResponse.queuing: Required value: must not be empty if limited.limitResponse.type is Limited"},
      {"more hands than queues", queuing(R"({"queues":4})"),
       "spec.limited.limitResponse.queuing.handSize: Invalid value: 6: should not be greater than queues (4)"},
      {"too many ways to deal", queuing(R"({"queues":1024,"handSize":7})"),
       "spec.limited.limitResponse.queuing.handSize: Invalid value: 7: required entropy bits of deckSize 1024 and handSize 7 should not be greater than 60"},
      {"the last resort is as it is", R"({"metadata":{"name":"catch-all"}})", "spec: Invalid value: *: spec of 'catch-all' must equal the fixed value"},
  });
  expect_update(kFlow, "PriorityLevelConfiguration", kLevel, {
      {"a condition twice", R"({"status":{"conditions":[{"type":"A"},{"type":"A"}]}})",
       "status.conditions[1].type: Duplicate value: \"A\""},
  }, "status");
}

}  // namespace
}  // namespace api
