#include <fmt/format.h>

#include <span>

#include "base/strings.hpp"
#include "cli/describe_parts.hpp"

namespace cli {
namespace {

using base::Array;
using base::Value;

struct VolumeField {
  enum class Kind { text, number, boolean, list, commas, map, reference, optional };
  std::string_view label;  // with its colon and what kubectl puts around it
  std::string_view name;
  Kind kind = Kind::text;
};

struct VolumeKind {
  std::string_view name;
  std::string_view title;
  std::vector<VolumeField> fields;
};

const VolumeField kFsType{"FSType:", "fsType"};
const VolumeField kReadOnly{"ReadOnly:", "readOnly", VolumeField::Kind::boolean};
const VolumeField kOptional{"Optional:", "optional", VolumeField::Kind::boolean};
const VolumeField kSecretRef{"SecretRef:", "secretRef", VolumeField::Kind::reference};

// The ones with a shape of their own are in put_source.
const std::vector<VolumeKind>& volume_kinds() {
  using Kind = VolumeField::Kind;
  static const std::vector<VolumeKind> kinds = {
      {"hostPath",
       "HostPath (bare host directory volume)",
       {{"Path:", "path"}, {"HostPathType:", "type", Kind::optional}}},
      {"gcePersistentDisk",
       "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)",
       {{"PDName:", "pdName"}, kFsType, {"Partition:", "partition", Kind::number}, kReadOnly}},
      {"awsElasticBlockStore",
       "AWSElasticBlockStore (a Persistent Disk resource in AWS)",
       {{"VolumeID:", "volumeID"}, kFsType, {"Partition:", "partition", Kind::number}, kReadOnly}},
      {"gitRepo",
       "GitRepo (a volume that is pulled from git when the pod is created)",
       {{"Repository:", "repository"}, {"Revision:", "revision"}}},
      {"secret", "Secret (a volume populated by a Secret)", {{"SecretName:", "secretName"}, kOptional}},
      {"configMap", "ConfigMap (a volume populated by a ConfigMap)", {{"Name:", "name"}, kOptional}},
      {"nfs",
       "NFS (an NFS mount that lasts the lifetime of a pod)",
       {{"Server:", "server"}, {"Path:", "path"}, kReadOnly}},
      {"iscsi",
       "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the "
       "pod)",
       {{"TargetPortal:", "targetPortal"},
        {"IQN:", "iqn"},
        {"Lun:", "lun", Kind::number},
        {"ISCSIInterface", "iscsiInterface"},
        kFsType,
        kReadOnly,
        {"Portals:", "portals", Kind::list},
        {"DiscoveryCHAPAuth:", "chapAuthDiscovery", Kind::boolean},
        {"SessionCHAPAuth:", "chapAuthSession", Kind::boolean},
        kSecretRef,
        {"InitiatorName:", "initiatorName", Kind::optional}}},
      {"glusterfs",
       "Glusterfs (a Glusterfs mount on the host that shares a pod's lifetime)",
       {{"EndpointsName:", "endpoints"}, {"Path:", "path"}, kReadOnly}},
      {"persistentVolumeClaim",
       "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
       {{"ClaimName:", "claimName"}, kReadOnly}},
      {"fc",
       "FC (a Fibre Channel disk)",
       {{"TargetWWNs:", "targetWWNs", Kind::commas}, {"LUN:", "lun", Kind::optional}, kFsType, kReadOnly}},
      {"flexVolume",
       "FlexVolume (a generic volume resource that is provisioned/attached using an exec based plugin)",
       {{"Driver:", "driver"}, kFsType, kSecretRef, kReadOnly, {"Options:", "options", Kind::map}}},
      {"flocker",
       "Flocker (a Flocker volume mounted by the Flocker agent)",
       {{"DatasetName:", "datasetName"}, {"DatasetUUID:", "datasetUUID"}}},
      {"azureFile",
       "AzureFile (an Azure File Service mount on the host and bind mount to the pod)",
       {{"SecretName:", "secretName"}, {"ShareName:", "shareName"}, kReadOnly}},
      {"scaleIO",
       "ScaleIO (a persistent volume backed by a block device in ScaleIO)",
       {{"Gateway:", "gateway"},
        {"System:", "system"},
        {"Protection Domain:", "protectionDomain"},
        {"Storage Pool:", "storagePool"},
        {"Storage Mode:", "storageMode"},
        {"VolumeName:", "volumeName"},
        kFsType,
        kReadOnly}},
      {"storageos",
       "StorageOS (a StorageOS Persistent Disk resource)",
       {{"VolumeName:", "volumeName"}, {"VolumeNamespace:", "volumeNamespace"}, kFsType, kReadOnly}},
      {"rbd",
       "RBD (a Rados Block Device mount on the host that shares a pod's lifetime)",
       {{"CephMonitors:", "monitors", Kind::list},
        {"RBDImage:", "image"},
        kFsType,
        {"RBDPool:", "pool"},
        {"RadosUser:", "user"},
        {"Keyring:", "keyring"},
        kSecretRef,
        kReadOnly}},
      {"quobyte",
       "Quobyte (a Quobyte mount on the host that shares a pod's lifetime)",
       {{"Registry:", "registry"}, {"Volume:", "volume"}, kReadOnly}},
      {"azureDisk",
       "AzureDisk (an Azure Data Disk mount on the host and bind mount to the pod)",
       {{"DiskName:", "diskName"},
        {"DiskURI:", "diskURI"},
        {"Kind: ", "kind"},
        kFsType,
        {"CachingMode:", "cachingMode"},
        kReadOnly}},
      {"vsphereVolume",
       "vSphereVolume (a Persistent Disk resource in vSphere)",
       {{"VolumePath:", "volumePath"}, kFsType, {"StoragePolicyName:", "storagePolicyName"}}},
      {"cinder",
       "Cinder (a Persistent Disk resource in OpenStack)",
       {{"VolumeID:", "volumeID"}, kFsType, kReadOnly, kSecretRef}},
      {"photonPersistentDisk",
       "PhotonPersistentDisk (a Persistent Disk resource in photon platform)",
       {{"PdID:", "pdID"}, kFsType}},
      {"portworxVolume", "PortworxVolume (a Portworx Volume resource)", {{"VolumeID:", "volumeID"}}},
      {"cephfs",
       "CephFS (a CephFS mount on the host that shares a pod's lifetime)",
       {{"Monitors:", "monitors", Kind::list},
        {"Path:", "path"},
        {"User:", "user"},
        {"SecretFile:", "secretFile"},
        kSecretRef,
        kReadOnly}},
      {"image",
       "Image (a container image or OCI artifact)",
       {{"Reference:", "reference"}, {"PullPolicy:", "pullPolicy"}}},
  };
  return kinds;
}

// As Go prints a map of strings.
std::string map_text(const Value& map) {
  std::vector<std::string> items;
  for (auto* member : sorted_members(map))
    items.push_back(fmt::format("{}:{}", member->key, member->value.as_string()));
  return fmt::format("map[{}]", base::join(items, " "));
}

std::string field_text(const Value& value, VolumeField::Kind kind) {
  switch (kind) {
    case VolumeField::Kind::text:
      return text_of(value);
    case VolumeField::Kind::number:
      return text_or(value, "0");
    case VolumeField::Kind::boolean:
      return std::string(bool_text(value));
    case VolumeField::Kind::list:
      return fmt::format("[{}]", joined(value, " "));
    case VolumeField::Kind::commas:
      return joined(value, ", ");
    case VolumeField::Kind::map:
      return map_text(value);
    case VolumeField::Kind::optional:
      return value.is_null() ? "<none>" : text_of(value);
    case VolumeField::Kind::reference:
      return value.is_null() ? "nil"
                             : fmt::format("&LocalObjectReference{{Name:{},}}", text_of(value["name"]));
  }
  return "";
}

void put_empty_dir(Page& page, const Value& source) {
  auto limit = base::Quantity::parse(text_of(source["sizeLimit"]));
  page.line(2, "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)");
  page.field(2, "Medium", text_of(source["medium"]));
  page.field(2, "SizeLimit", limit && *limit > base::Quantity() ? limit->text() : "<unset>");
}

void put_downward(Page& page, const Value& source) {
  page.line(2, "Type:\tDownwardAPI (a volume populated by information about the pod)\n    Items:");
  for (const Value& item : source["items"].as_array()) {
    if (const Value& ref = item["fieldRef"]; ref.is_object())
      page.line(3, fmt::format("{} -> {}", text_of(ref["fieldPath"]), text_of(item["path"])));
    if (const Value& ref = item["resourceFieldRef"]; ref.is_object())
      page.line(3, fmt::format("{} -> {}", text_of(ref["resource"]), text_of(item["path"])));
  }
}

void put_projected(Page& page, const Value& source) {
  page.line(2, "Type:\tProjected (a volume that contains injected data from multiple sources)");
  for (const Value& one : source["sources"].as_array()) {
    if (const Value& secret = one["secret"]; secret.is_object()) {
      page.field(2, "SecretName", text_of(secret["name"]));
      page.field(2, "Optional", bool_text(secret["optional"]));
    } else if (one["downwardAPI"].is_object()) {
      page.field(2, "DownwardAPI", "true");
    } else if (const Value& map = one["configMap"]; map.is_object()) {
      page.field(2, "ConfigMapName", text_of(map["name"]));
      page.field(2, "Optional", bool_text(map["optional"]));
    } else if (const Value& token = one["serviceAccountToken"]; token.is_object()) {
      page.field(2, "TokenExpirationSeconds", token["expirationSeconds"].int_or(0));
    }
  }
}

void put_csi(Page& page, const Value& source) {
  constexpr size_t kLongest = 140;
  page.line(2, "Type:\tCSI (a Container Storage Interface (CSI) volume source)");
  page.field(2, "Driver", text_of(source["driver"]));
  page.field(2, "FSType", text_of(source["fsType"]));
  page.field(2, "ReadOnly", bool_text(source["readOnly"]));
  auto attributes = sorted_members(source["volumeAttributes"]);
  if (attributes.empty()) return page.line(2, "VolumeAttributes:\t<none>");
  for (size_t i = 0; i < attributes.size(); ++i) {
    std::string text = fmt::format("{}={}", attributes[i]->key, attributes[i]->value.as_string());
    if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
    // kubectl indents once more after the tab.
    page.line(2, fmt::format("{}\t    {}", i ? "    " : "VolumeAttributes:", text));
  }
}

// kubectl's nested writer indents every piece of a line anew, so that these values stand four blanks to the
// right.
void put_nested(Page& page, std::string_view title, std::string_view next,
                const std::vector<std::string>& lines) {
  page.put(fmt::format("    {}:", title));
  if (lines.empty()) page.line(0, "\t    <none>");
  for (size_t i = 0; i < lines.size(); ++i)
    page.line(0, fmt::format("{}\t{}{}", i ? next : "", lines[i].starts_with(' ') ? "" : "    ", lines[i]));
}

void put_claim_template(Page& page, const Value& claim) {
  page.line(2,
            "Type:\tEphemeralVolume (an inline specification for a volume that gets created and deleted with "
            "the pod)");
  if (!claim.is_object()) return;
  const Value& spec = claim["spec"];
  std::string beta = text_of(claim["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"]);
  page.field(2, "StorageClass", beta.empty() ? text_of(spec["storageClassName"]) : beta);
  page.field(2, "Volume", text_of(spec["volumeName"]));
  std::vector<std::string> labels;
  for (auto* label : sorted_members(claim["metadata"]["labels"]))
    labels.push_back(fmt::format("{}={}", label->key, label->value.as_string()));
  put_nested(page, "Labels", "        ", labels);
  put_nested(page, "Annotations", "    ", annotation_lines(claim["metadata"]["annotations"]));
  page.field(2, "Capacity", "");
  page.field(2, "Access Modes", "");
  if (spec["volumeMode"].is_string()) page.field(2, "VolumeMode", text_of(spec["volumeMode"]));
  if (const Value& from = spec["dataSource"]; from.is_object()) {
    page.line(2, "DataSource:");
    if (from["apiGroup"].is_string()) page.field(3, "APIGroup", text_of(from["apiGroup"]));
    page.field(3, "Kind", text_of(from["kind"]));
    page.field(3, "Name", text_of(from["name"]));
  }
}

void put_source(Page& page, const Value& volume) {
  if (const Value& source = volume["emptyDir"]; source.is_object()) return put_empty_dir(page, source);
  if (const Value& source = volume["downwardAPI"]; source.is_object()) return put_downward(page, source);
  if (const Value& source = volume["projected"]; source.is_object()) return put_projected(page, source);
  if (const Value& source = volume["csi"]; source.is_object()) return put_csi(page, source);
  if (const Value& source = volume["ephemeral"]; source.is_object())
    return put_claim_template(page, source["volumeClaimTemplate"]);
  for (const VolumeKind& kind : volume_kinds()) {
    const Value& source = volume[kind.name];
    if (!source.is_object()) continue;
    page.field(2, "Type", kind.title);
    for (const VolumeField& field : kind.fields)
      page.line(2, fmt::format("{}\t{}", field.label, field_text(source[field.name], field.kind)));
    return;
  }
  page.line(1, "<unknown>");
}

}  // namespace

void put_volumes(Page& page, std::string_view indent, const Value& volumes) {
  if (volumes.as_array().empty()) return page.line(0, fmt::format("{}Volumes:\t<none>", indent));
  page.line(0, fmt::format("{}Volumes:", indent));
  for (const Value& volume : volumes.as_array()) {
    page.line(1, fmt::format("{}{}:", indent.empty() ? "" : " ", text_of(volume["name"])));
    put_source(page, volume);
  }
}

}  // namespace cli
