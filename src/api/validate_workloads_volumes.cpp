// Rules for persistent volumes and claims.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "api/meta.hpp"
#include "api/validate_workloads.hpp"
#include "base/quantity.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr std::string_view kClaimMayChange =
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
constexpr std::string_view kOldClass = "volume.beta.kubernetes.io/storage-class";

// In the order of the API.
constexpr std::string_view kSources[] = {
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte", "cephfs",
    "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume",
    "azureDisk", "scaleIO", "local", "storageos", "csi"};

std::optional<base::Quantity> quantity_of(const Value& value) {
  if (const auto* number = value.if_number()) return base::Quantity::parse(number->text);
  return value.is_string() ? base::Quantity::parse(value.as_string()) : std::nullopt;
}

void check_size(Problems& out, const Value& value, const std::string& path) {
  auto size = quantity_of(value);
  if (size && *size <= base::Quantity()) out.invalid(path, value, std::string("must be greater than zero"));
}

void check_access_modes(Problems& out, const Value& modes, const std::string& path) {
  bool one_pod = false;
  const auto& list = modes.as_array();
  for (const Value& mode : list) {
    if (mode.as_string() == "ReadWriteOncePod") one_pod = true;
    out.one_of(path, mode, {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"});
  }
  if (one_pod && list.size() > 1) out.forbidden(path, "may not use ReadWriteOncePod with other access modes");
}

void check_back_steps(Problems& out, const std::string& path, const Value& value) {
  for (const auto& step : base::split(value.as_string(), '/'))
    if (step == "..") return out.invalid(path, value, std::string("must not contain '..'"));
}

void need(Problems& out, const Value& source, const std::string& path, std::initializer_list<const char*> members) {
  if (!source.is_object()) return;
  for (const char* member : members)
    if (source[member].as_string().empty()) out.required(child(path, member));
}

void check_host_path(Problems& out, const Value& host, const std::string& path) {
  if (!host.is_object()) return;
  if (host["path"].as_string().empty()) return out.required(child(path, "path"));
  check_back_steps(out, child(path, "path"), host["path"]);
  out.one_of(child(path, "type"), host["type"],
             {"BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"}, false);
}

void check_csi(Problems& out, const Value& csi, const std::string& path) {
  if (!csi.is_object()) return;
  need(out, csi, path, {"driver", "volumeHandle"});
  std::string_view driver = csi["driver"].as_string();
  if (driver.size() > 63) out.add(too_long_field(child(path, "driver"), 63));
  if (!driver.empty()) out.invalid(child(path, "driver"), driver, base::check_dns1123_subdomain(base::to_lower(driver)));
  for (const char* secret : {"controllerPublishSecretRef", "nodePublishSecretRef", "controllerExpandSecretRef",
                             "nodeExpandSecretRef", "nodeStageSecretRef"})
    need(out, csi[secret], child(path, secret), {"name", "namespace"});
}

void check_sources(Problems& out, const Value& spec) {
  int found = 0;
  for (std::string_view source : kSources) {
    if (!spec[source].is_object()) continue;
    if (++found > 1) out.forbidden(child("spec", source), "may not specify more than 1 volume type");
  }
  if (found == 0) out.required("spec", "must specify a volume type");
  check_host_path(out, spec["hostPath"], "spec.hostPath");
  check_csi(out, spec["csi"], "spec.csi");
  need(out, spec["nfs"], "spec.nfs", {"server", "path"});
  if (!spec["nfs"]["path"].as_string().empty() && !spec["nfs"]["path"].as_string().starts_with('/'))
    out.invalid("spec.nfs.path", spec["nfs"]["path"], std::string("must be an absolute path"));
  need(out, spec["iscsi"], "spec.iscsi", {"targetPortal", "iqn"});
  need(out, spec["local"], "spec.local", {"path"});
  if (spec["local"].is_object()) {
    check_back_steps(out, "spec.local.path", spec["local"]["path"]);
    if (!spec["nodeAffinity"].is_object())
      out.required("metadata.annotations", "Local volume requires node affinity");
  }
}

void check_node_affinity(Problems& out, const Value& affinity) {
  if (affinity.is_null()) return;
  const std::string path = "spec.nodeAffinity.required";
  if (!affinity["required"].is_object()) return out.required(path, "must specify required node constraints");
  if (affinity["required"]["nodeSelectorTerms"].as_array().empty())
    out.required(child(path, "nodeSelectorTerms"), "must have at least one node selector term");
}

// The members by which a volume is found.
Value sources_of(const Value& spec) {
  base::Object out;
  for (std::string_view source : kSources)
    if (!spec[source].is_null()) out.set(source, spec[source]);
  return out;
}

void check_data_source(Problems& out, const Value& source, const std::string& path) {
  if (!source.is_object()) return;
  need(out, source, path, {"name", "kind"});
  if (source["apiGroup"].as_string().empty() && !source["kind"].as_string().empty() &&
      source["kind"].as_string() != "PersistentVolumeClaim")
    out.invalid(path, source["kind"], std::string("must be 'PersistentVolumeClaim' when referencing the default apiGroup"));
}

Value without(Value spec, std::initializer_list<const char*> members) {
  if (spec.is_object())
    for (const char* member : members) spec.object().erase(member);
  return spec;
}

// The spec as it was, with everything that may change taken from the fresh one.
Value with_allowed_changes(const Value& fresh, const Value& old) {
  const Value& now = fresh["spec"];
  Value out = old["spec"];
  auto take = [&](const char* member) {
    if (const Value* value = now.as_object().find(member)) out.object().set(member, *value);
  };
  if (!out.is_object()) return out;
  if (out["volumeName"].as_string().empty()) take("volumeName");
  if (out["storageClassName"].is_null()) take("storageClassName");
  if (old["status"]["phase"].as_string() == "Bound") {
    if (!now["resources"]["requests"].is_null()) out.make({"resources", "requests"}) = now["resources"]["requests"];
    take("volumeAttributesClassName");
  }
  return out;
}

}  // namespace

void check_claim_spec(Problems& out, const Value& spec, const std::string& path) {
  if (spec["accessModes"].as_array().empty())
    out.required(child(path, "accessModes"), "at least 1 access mode is required");
  out.label_selector(child(path, "selector"), spec["selector"]);
  check_access_modes(out, spec["accessModes"], child(path, "accessModes"));
  const std::string size = key(child(path, "resources"), "storage");
  const Value& storage = spec["resources"]["requests"]["storage"];
  if (storage.is_null()) out.required(size);
  else check_size(out, storage, size);
  if (std::string_view name = spec["storageClassName"].as_string(); !name.empty())
    out.dns_subdomain(child(path, "storageClassName"), name);
  out.one_of(child(path, "volumeMode"), spec["volumeMode"], {"Block", "Filesystem"}, false);
  check_data_source(out, spec["dataSource"], child(path, "dataSource"));
  check_data_source(out, spec["dataSourceRef"], child(path, "dataSourceRef"));
  if (std::string_view name = spec["volumeAttributesClassName"].as_string(); !name.empty())
    out.dns_subdomain(child(path, "volumeAttributesClassName"), name);
}

void check_claim(Problems& out, const Value& object) { check_claim_spec(out, object["spec"], "spec"); }

void check_claim_update(Problems& out, const Value& fresh, const Value& old) {
  const Value &now = fresh["spec"], &before = old["spec"];
  if (now != with_allowed_changes(fresh, old)) out.forbidden("spec", std::string(kClaimMayChange));
  // A claim may only become smaller down to what it has.
  auto wanted = quantity_of(now["resources"]["requests"]["storage"]);
  auto had = quantity_of(before["resources"]["requests"]["storage"]);
  auto has = quantity_of(old["status"]["capacity"]["storage"]);
  if (wanted && had && *wanted < *had && (!has || *wanted <= *has))
    out.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
  out.immutable("metadata.annotations." + std::string(kOldClass), annotation_of(fresh, kOldClass),
                annotation_of(old, kOldClass));
}

void check_claim_status(Problems& out, const Value& fresh, const Value& old) {
  const Value& status = fresh["status"];
  if (old["spec"]["accessModes"].as_array().empty() && !status["accessModes"].as_array().empty())
    out.required("Spec.accessModes");
  for (const char* list : {"capacity", "allocatedResources"}) {
    for (const auto& [name, amount] : status[list].as_object()) {
      auto quantity = quantity_of(amount);
      if (quantity && quantity->negative())
        out.invalid(key(child("status", list), name), amount, std::string("must be greater than or equal to 0"));
    }
  }
}

void check_persistent_volume(Problems& out, const Value& object) {
  const Value& spec = object["spec"];
  if (spec["accessModes"].as_array().empty()) out.required("spec.accessModes");
  check_access_modes(out, spec["accessModes"], "spec.accessModes");
  const auto& capacity = spec["capacity"].as_object();
  if (capacity.empty()) out.required("spec.capacity");
  else if (!capacity.contains("storage") || capacity.size() > 1)
    out.unsupported("spec.capacity", spec["capacity"], {"storage"});
  for (const auto& [name, amount] : capacity) check_size(out, amount, key("spec.capacity", name));
  out.one_of("spec.persistentVolumeReclaimPolicy", spec["persistentVolumeReclaimPolicy"], {"Delete", "Recycle", "Retain"},
             false);
  check_node_affinity(out, spec["nodeAffinity"]);
  check_sources(out, spec);
  if (spec["hostPath"]["path"].as_string() == "/" && spec["persistentVolumeReclaimPolicy"].as_string() == "Recycle")
    out.forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'");
  if (std::string_view name = spec["storageClassName"].as_string(); !name.empty())
    out.dns_subdomain("spec.storageClassName", name);
  out.one_of("spec.volumeMode", spec["volumeMode"], {"Block", "Filesystem"}, false);
  if (const Value& name = spec["volumeAttributesClassName"]; name.is_string()) {
    if (name.as_string().empty())
      out.required("spec.volumeAttributesClassName", "an empty string is disallowed");
    else out.dns_subdomain("spec.volumeAttributesClassName", name);
    if (!spec["csi"].is_object())
      out.required("spec.csi", "has to be specified when using volumeAttributesClassName");
  }
}

void check_persistent_volume_update(Problems& out, const Value& fresh, const Value& old) {
  const Value &now = fresh["spec"], &before = old["spec"];
  auto source = [](const Value& spec) {
    Value out = sources_of(spec);
    // The secret for making the volume larger may come later.
    if (out["csi"].is_object())
      out.object().set("csi", without(out["csi"], {"controllerExpandSecretRef", "nodeExpandSecretRef"}));
    return out;
  };
  if (source(now) != source(before))
    out.forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation");
  out.immutable("spec.volumeMode", now["volumeMode"], before["volumeMode"]);
  if (!before["nodeAffinity"].is_null()) out.immutable("spec.nodeAffinity", now["nodeAffinity"], before["nodeAffinity"]);
}

}  // namespace api::rules
