// Rules for pods and for pod templates.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/meta.hpp"
#include "api/validate_rules.hpp"
#include "base/json.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr int64_t kMaxInt32 = 2147483647;
constexpr std::string_view kMayChange =
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

constexpr std::string_view kVolumeSources[] = {
    "hostPath",  "emptyDir", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo",   "secret",    "nfs",
    "iscsi",     "glusterfs", "persistentVolumeClaim", "rbd", "flexVolume", "cinder", "cephfs", "flocker",
    "downwardAPI", "fc", "azureFile", "configMap", "vsphereVolume", "quobyte", "azureDisk",
    "photonPersistentDisk", "projected", "portworxVolume", "scaleIO", "storageos", "csi", "ephemeral", "image"};

void need(Problems& out, const Value& source, const std::string& path, std::string_view member) {
  if (source.is_object() && source[member].as_string().empty()) out.required(child(path, member));
}

void check_volume_source(Problems& out, const Value& volume, const std::string& path) {
  int sources = 0;
  for (std::string_view source : kVolumeSources) {
    if (!volume[source].is_object()) continue;
    if (++sources > 1) out.forbidden(child(path, source), "may not specify more than 1 volume type");
  }
  if (sources == 0) out.required(path, "must specify a volume type");
  need(out, volume["hostPath"], child(path, "hostPath"), "path");
  need(out, volume["secret"], child(path, "secret"), "secretName");
  need(out, volume["configMap"], child(path, "configMap"), "name");
  need(out, volume["persistentVolumeClaim"], child(path, "persistentVolumeClaim"), "claimName");
  need(out, volume["nfs"], child(path, "nfs"), "server");
  if (std::string_view host = volume["hostPath"]["path"].as_string(); !host.empty())
    for (const auto& step : base::split(host, '/'))
      if (step == "..") out.invalid(child(path, "hostPath.path"), host, std::string("must not contain '..'"));
}

void check_node_selector(Problems& out, const Value& selector, const std::string& path) {
  for (const auto& [name, value] : selector.as_object()) {
    out.invalid(path, name, base::check_qualified_name(name));
    out.invalid(path, value, base::check_label_value(value.as_string()));
  }
}

void check_dns(Problems& out, const Value& spec, const std::string& path) {
  out.one_of(child(path, "dnsPolicy"), spec["dnsPolicy"], {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"},
             false);
  const Value& config = spec["dnsConfig"];
  const auto& servers = config["nameservers"].as_array();
  if (spec["dnsPolicy"].as_string() == "None") {
    if (!config.is_object())
      out.required(child(path, "dnsConfig"), "must provide `dnsConfig` when `dnsPolicy` is None");
    else if (servers.empty())
      out.required(child(path, "dnsConfig.nameservers"),
                   "must provide at least one DNS nameserver when `dnsPolicy` is None");
  }
  if (servers.size() > 3)
    out.invalid(child(path, "dnsConfig.nameservers"), config["nameservers"],
                std::string("must not have more than 3 nameservers"));
  for (size_t i = 0; i < servers.size(); ++i) out.ip(index(child(path, "dnsConfig.nameservers"), i), servers[i]);
}

void check_host_aliases(Problems& out, const Value& spec, const std::string& path) {
  const auto& aliases = spec["hostAliases"].as_array();
  for (size_t i = 0; i < aliases.size(); ++i) {
    std::string at = index(child(path, "hostAliases"), i);
    out.ip(child(at, "ip"), aliases[i]["ip"]);
    const auto& names = aliases[i]["hostnames"].as_array();
    for (size_t j = 0; j < names.size(); ++j) out.dns_subdomain(index(child(at, "hostnames"), j), names[j]);
  }
}

void check_names(Problems& out, const Value& spec, const std::string& path) {
  for (const char* member : {"serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"})
    if (!spec[member].as_string().empty()) out.dns_subdomain(child(path, member), spec[member]);
  for (const char* member : {"hostname", "subdomain"})
    if (!spec[member].as_string().empty()) out.dns_label(child(path, member), spec[member]);
  const auto& secrets = spec["imagePullSecrets"].as_array();
  for (size_t i = 0; i < secrets.size(); ++i)
    if (secrets[i]["name"].as_string().empty())
      out.required(child(index(child(path, "imagePullSecrets"), i), "name"));
}

// Where two values differ, as paths; the first few are enough for a message.
void find_differences(const Value& a, const Value& b, const std::string& path, std::vector<std::string>& out) {
  constexpr size_t kEnough = 10;
  if (out.size() >= kEnough || a == b) return;
  if (a.is_object() && b.is_object()) {
    for (const auto& [name, value] : a.as_object()) find_differences(value, b[name], child(path, name), out);
    for (const auto& [name, value] : b.as_object())
      if (!a.as_object().contains(name)) find_differences(Value(), value, child(path, name), out);
    return;
  }
  const auto &left = a.as_array(), &right = b.as_array();
  if (a.is_array() && b.is_array() && left.size() == right.size()) {
    for (size_t i = 0; i < left.size(); ++i) find_differences(left[i], right[i], index(path, i), out);
    return;
  }
  auto text = [](const Value& v) { return v.is_null() ? std::string("unset") : base::write_json(v).substr(0, 200); };
  out.push_back(fmt::format("  {}: {} -> {}", path, text(b), text(a)));
}

// Tolerations may be added; of one that is there only tolerationSeconds may change.
bool keeps_tolerations(const Value& fresh, const Value& old) {
  auto same = [](const Value& a, const Value& b) {
    for (const char* member : {"key", "operator", "value", "effect"})
      if (a[member].as_string() != b[member].as_string()) return false;
    return true;
  };
  for (const auto& before : old.as_array())
    if (!std::ranges::any_of(fresh.as_array(), [&](const Value& now) { return same(now, before); })) return false;
  return true;
}

void check_deadline_update(Problems& out, const Value& fresh, const Value& old) {
  const std::string path = "spec.activeDeadlineSeconds";
  const Value& now = fresh["activeDeadlineSeconds"];
  const Value& before = old["activeDeadlineSeconds"];
  if (now.is_null()) {
    if (!before.is_null()) out.invalid(path, now, std::string("must not update from a positive integer to nil value"));
    return;
  }
  if (!before.is_null() && before.int_or(0) < now.int_or(0))
    out.invalid(path, now, std::string("must be less than or equal to previous value"));
}

// The old spec with everything that may change taken over from the fresh one.
Value with_allowed_changes(const Value& fresh, Value old) {
  for (const char* list : {"containers", "initContainers"}) {
    Value* to = old.object().find(list);
    const auto& from = fresh[list].as_array();
    if (to == nullptr || !to->is_array() || to->as_array().size() != from.size()) continue;
    for (size_t i = 0; i < from.size(); ++i)
      if (to->array()[i].is_object()) to->array()[i].object().set("image", from[i]["image"]);
  }
  auto take = [&](std::string_view member) {
    if (const Value* now = fresh.as_object().find(member)) old.object().set(member, *now);
    else old.object().erase(member);
  };
  take("activeDeadlineSeconds");
  if (keeps_tolerations(fresh["tolerations"], old["tolerations"])) take("tolerations");
  if (old["terminationGracePeriodSeconds"].int_or(0) < 0 && fresh["terminationGracePeriodSeconds"].int_or(0) == 1)
    take("terminationGracePeriodSeconds");
  // Gates may be taken away.
  const auto& gates = fresh["schedulingGates"].as_array();
  const auto& before = old["schedulingGates"].as_array();
  if (std::ranges::all_of(gates, [&](const Value& gate) { return std::ranges::find(before, gate) != before.end(); }))
    take("schedulingGates");
  return old;
}

}  // namespace

void check_volumes(Problems& out, const Value& volumes, const std::string& path) {
  std::set<std::string> names;
  const auto& list = volumes.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    std::string at = index(path, i);
    std::string name(list[i]["name"].as_string());
    check_volume_source(out, list[i], at);
    if (name.empty()) {
      out.required(child(at, "name"));
      continue;
    }
    out.dns_label(child(at, "name"), name);
    if (!names.insert(name).second) out.duplicate(child(at, "name"), name);
  }
}

void check_tolerations(Problems& out, const Value& tolerations, const std::string& path) {
  const auto& list = tolerations.as_array();
  for (size_t i = 0; i < list.size(); ++i) {
    const Value& one = list[i];
    std::string at = index(path, i);
    std::string_view op = one["operator"].as_string(), name = one["key"].as_string();
    if (!name.empty()) out.qualified_name(child(at, "key"), name);
    if (name.empty() && op != "Exists")
      out.invalid(child(at, "operator"), op,
                  std::string("operator must be Exists when `key` is empty, which means \"match all values and all keys\""));
    if (!one["tolerationSeconds"].is_null() && one["effect"].as_string() != "NoExecute")
      out.invalid(child(at, "effect"), one["effect"].as_string(),
                  std::string("effect must be 'NoExecute' when `tolerationSeconds` is set"));
    if (op == "Exists" && !one["value"].as_string().empty())
      out.invalid(child(at, "operator"), one["value"], std::string("value must be empty when `operator` is 'Exists'"));
    out.one_of(child(at, "operator"), op, {"Equal", "Exists", "Lt", "Gt"}, false);
    out.one_of(child(at, "effect"), one["effect"], {"NoSchedule", "PreferNoSchedule", "NoExecute"}, false);
  }
}

void check_pod_spec(Problems& out, const Value& spec, const std::string& path) {
  check_volumes(out, spec["volumes"], child(path, "volumes"));
  check_containers(out, spec, path);
  out.one_of(child(path, "restartPolicy"), spec["restartPolicy"], {"Always", "OnFailure", "Never"}, false);
  check_dns(out, spec, path);
  check_host_aliases(out, spec, path);
  check_node_selector(out, spec["nodeSelector"], child(path, "nodeSelector"));
  check_names(out, spec, path);
  check_tolerations(out, spec["tolerations"], child(path, "tolerations"));
  out.nonnegative(child(path, "terminationGracePeriodSeconds"), spec["terminationGracePeriodSeconds"]);
  if (const Value& deadline = spec["activeDeadlineSeconds"]; deadline.is_number()) {
    int64_t seconds = deadline.int_or(0);
    if (seconds < 1 || seconds > kMaxInt32)
      out.invalid(child(path, "activeDeadlineSeconds"), deadline,
                  fmt::format("must be between 1 and {}, inclusive", kMaxInt32));
  }
}

void check_pod(Problems& out, const Value& pod) { check_pod_spec(out, pod["spec"], "spec"); }

void check_pod_update(Problems& out, const Value& fresh, const Value& old) {
  const Value& now = fresh["spec"];
  const Value& before = old["spec"];
  for (const char* list : {"containers", "initContainers"})
    if (now[list].as_array().size() != before[list].as_array().size())
      return out.forbidden(child("spec", list), "pod updates may not add or remove containers");
  check_deadline_update(out, now, before);
  if (!keeps_tolerations(now["tolerations"], before["tolerations"]))
    out.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
  Value allowed = with_allowed_changes(now, before);
  if (allowed == now) return;
  std::vector<std::string> differences;
  find_differences(now, allowed, "spec", differences);
  if (!differences.empty())
    out.forbidden("spec", fmt::format("{}\n{}\n", kMayChange, base::join(differences, "\n")));
}

void check_pod_status(Problems& out, const Value& fresh, const Value& old) {
  const auto& ips = fresh["status"]["podIPs"].as_array();
  for (size_t i = 0; i < ips.size(); ++i) out.ip(child(index("status.podIPs", i), "ip"), ips[i]["ip"]);
  auto before = old["spec"]["nodeName"].as_string(), now = fresh["spec"]["nodeName"].as_string();
  if (before != now) out.forbidden("spec.nodeName", "may not be changed by an update of the status");
}

void check_replication_controller(Problems& out, const Value& object) {
  const Value& spec = object["spec"];
  const Value& selector = spec["selector"];
  const std::string path = "spec.template";
  if (selector.as_object().empty()) out.required("spec.selector");
  out.nonnegative("spec.minReadySeconds", spec["minReadySeconds"]);
  out.nonnegative("spec.replicas", spec["replicas"]);
  const Value& pod = spec["template"];
  if (!pod.is_object()) return out.required(path);
  const Value& labels = pod["metadata"]["labels"];
  bool selected = std::ranges::all_of(selector.as_object(), [&](const base::Member& member) {
    return labels[member.key] == member.value;
  });
  if (!selected)
    out.invalid(path + ".metadata.labels", labels.is_null() ? Value(base::Object{}) : labels,
                std::string("`selector` does not match template `labels`"));
  out.labels(path + ".labels", labels);
  check_pod_spec(out, pod["spec"], path + ".spec");
  if (const Value& policy = pod["spec"]["restartPolicy"]; !policy.is_null() && policy.as_string() != "Always")
    out.unsupported(path + ".spec.restartPolicy", policy, {"Always"});
  if (!pod["spec"]["activeDeadlineSeconds"].is_null())
    out.forbidden(path + ".spec.activeDeadlineSeconds",
                  "activeDeadlineSeconds in ReplicationController is not Supported");
}

}  // namespace api::rules
