// The objects of the loads, sized as they are in real clusters.
#include <fmt/format.h>

#include "api_load.hpp"
#include "base/yaml.hpp"

namespace bench {

namespace {

constexpr std::string_view kPod = R"(
apiVersion: v1
kind: Pod
metadata:
  name: POD_NAME
  namespace: POD_NAMESPACE
  labels: {app: web, app.kubernetes.io/name: web, app.kubernetes.io/part-of: shop, pod-template-hash: 6f4d5c9b7d, tier: POD_TIER}
  annotations: {prometheus.io/port: "9102", prometheus.io/scrape: "true"}
spec:
  schedulerName: nobody
  serviceAccountName: default
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 30
  containers:
  - name: web
    image: registry.example.com/shop/web:v1.42.7
    imagePullPolicy: IfNotPresent
    command: [/usr/bin/web]
    args: ["--listen=:8080", "--metrics=:9102", "--config=/etc/web/config.yaml"]
    ports: [{name: http, containerPort: 8080, protocol: TCP}, {name: metrics, containerPort: 9102, protocol: TCP}]
    env:
    - {name: DATABASE_HOST, value: database.shop.svc.cluster.local}
    - {name: DATABASE_PORT, value: "5432"}
    - {name: LOG_LEVEL, value: info}
    - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: DATABASE_PASSWORD, valueFrom: {secretKeyRef: {name: database, key: password}}}
    resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
    readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 5}
    livenessProbe: {httpGet: {path: /live, port: http}, initialDelaySeconds: 10}
    volumeMounts: [{name: config, mountPath: /etc/web}, {name: cache, mountPath: /var/cache/web}]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true}
  volumes:
  - {name: config, configMap: {name: web}}
  - {name: cache, emptyDir: {}}
  tolerations:
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
)";

constexpr std::string_view kPodStatus = R"(
phase: Running
hostIP: 192.168.17.23
podIP: 10.244.3.17
podIPs: [{ip: 10.244.3.17}]
qosClass: Burstable
startTime: "2026-01-01T00:00:01Z"
conditions:
- {type: Initialized, status: "True", lastTransitionTime: "2026-01-01T00:00:01Z"}
- {type: Ready, status: "True", lastTransitionTime: "2026-01-01T00:00:04Z"}
- {type: ContainersReady, status: "True", lastTransitionTime: "2026-01-01T00:00:04Z"}
- {type: PodScheduled, status: "True", lastTransitionTime: "2026-01-01T00:00:00Z"}
containerStatuses:
- name: web
  image: registry.example.com/shop/web:v1.42.7
  imageID: registry.example.com/shop/web@sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
  containerID: containerd://9c0b7a5d3e1f2a4c6e8d0b1a3c5e7f9091b2d4f6a8c0e2143658709badcfe1223
  ready: true
  started: true
  restartCount: 0
  state: {running: {startedAt: "2026-01-01T00:00:03Z"}}
)";

base::Value parse(std::string_view yaml) {
  auto value = base::parse_yaml(yaml);
  if (!value) throw Failed("a template cannot be read: " + value.error().message);
  return std::move(*value);
}

void replace(std::string& text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

// One of a hundred is of the tier "rare".
std::string fill(std::string text, std::string_view name, std::string_view namespace_) {
  bool rare = name.ends_with("00");
  replace(text, "POD_TIER", rare ? "rare" : "frontend");
  // The name of an environment variable has the same letters.
  replace(text, "\"name\":\"POD_NAME\",\"namespace\"", fmt::format("\"name\":\"{}\",\"namespace\"", name));
  replace(text, "POD_NAMESPACE", namespace_);
  return text;
}

}  // namespace

std::string pod_json(std::string_view name, std::string_view namespace_) {
  static const std::string text = base::write_json(parse(kPod));
  return fill(text, name, namespace_);
}

std::string pod_status_json(std::string_view name, std::string_view namespace_) {
  static const std::string text = [] {
    auto pod = parse(kPod);
    pod.object()["status"] = parse(kPodStatus);
    return base::write_json(pod);
  }();
  return fill(text, name, namespace_);
}

std::string config_map_json(std::string_view name, size_t bytes) {
  return fmt::format(R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}"}},"data":{{"k":"{}"}}}})", name,
                     std::string(bytes, 'x'));
}

}  // namespace bench
