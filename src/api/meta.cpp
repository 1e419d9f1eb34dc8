#include "api/meta.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/strings.hpp"

namespace api {

using base::Object;
using base::Value;

namespace {

const Value& metadata_of(const Value& object) { return object["metadata"]; }

std::string_view text_of(const Value& object, std::string_view member) {
  return metadata_of(object)[member].as_string();
}

void set_text(Value& object, std::string_view member, std::string_view text) {
  if (text.empty()) {
    remove_member(object, "metadata", member);
  } else {
    object.make({"metadata", member}) = text;
  }
}

// A field's value as text, whatever its kind.
std::string as_text(const Value& value) {
  if (value.is_string()) return std::string(value.as_string());
  if (value.is_bool()) return value.as_bool() ? "true" : "false";
  if (value.is_number()) return value.if_number()->text;
  return "";
}

const Value& by_path(const Value& object, std::string_view path) {
  const Value* at = &object;
  for (const auto& piece : base::split(path, '.')) at = &(*at)[std::string_view(piece)];
  return *at;
}

struct KindFields {
  std::string_view kind;
  std::vector<std::string_view> fields;
};

const std::vector<KindFields>& fields_by_kind() {
  static const std::vector<KindFields> kFields = {
      {"Pod",
       {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.nominatedNodeName"}},
      {"Service", {"spec.clusterIP", "spec.type"}},
      {"Node", {"spec.unschedulable"}},
      {"Namespace", {"status.phase", "name"}},
      {"Secret", {"type"}},
      {"ReplicationController", {"status.replicas"}},
      {"Event",
       {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type"}},
  };
  return kFields;
}

std::string event_field(const Value& object, std::string_view field) {
  if (field == "source") {
    for (const char* parent : {"source", "deprecatedSource"})
      if (auto component = object[parent]["component"].as_string(); !component.empty())
        return std::string(component);
    return event_field(object, "reportingComponent");
  }
  if (field == "reportingComponent") {
    auto text = object["reportingComponent"].as_string();
    return std::string(text.empty() ? object["reportingController"].as_string() : text);
  }
  constexpr std::string_view kInvolved = "involvedObject.";
  if (field.starts_with(kInvolved)) {
    const Value& about = object["involvedObject"].is_object() ? object["involvedObject"] : object["regarding"];
    return as_text(about[field.substr(kInvolved.size())]);
  }
  return as_text(by_path(object, field));
}

}  // namespace

std::string_view api_version_of(const Value& object) { return object["apiVersion"].as_string(); }
std::string_view kind_of(const Value& object) { return object["kind"].as_string(); }
std::string_view name_of(const Value& object) { return text_of(object, "name"); }
std::string_view generate_name_of(const Value& object) { return text_of(object, "generateName"); }
std::string_view namespace_of(const Value& object) { return text_of(object, "namespace"); }
std::string_view uid_of(const Value& object) { return text_of(object, "uid"); }
std::string_view resource_version_of(const Value& object) { return text_of(object, "resourceVersion"); }
int64_t generation_of(const Value& object) { return metadata_of(object)["generation"].int_or(0); }
std::string_view creation_timestamp_of(const Value& object) { return text_of(object, "creationTimestamp"); }
std::string_view deletion_timestamp_of(const Value& object) { return text_of(object, "deletionTimestamp"); }
bool is_being_deleted(const Value& object) { return !deletion_timestamp_of(object).empty(); }

std::optional<int64_t> deletion_grace_seconds_of(const Value& object) {
  return metadata_of(object)["deletionGracePeriodSeconds"].as_int();
}

const Value& labels_of(const Value& object) { return metadata_of(object)["labels"]; }
const Value& annotations_of(const Value& object) { return metadata_of(object)["annotations"]; }
std::string_view label_of(const Value& object, std::string_view key) { return labels_of(object)[key].as_string(); }
std::string_view annotation_of(const Value& object, std::string_view key) {
  return annotations_of(object)[key].as_string();
}

std::vector<std::string> finalizers_of(const Value& object) {
  std::vector<std::string> out;
  for (const auto& one : metadata_of(object)["finalizers"].as_array()) out.emplace_back(one.as_string());
  return out;
}

const Value& controller_of(const Value& object) {
  static const Value kNone;
  for (const auto& owner : metadata_of(object)["ownerReferences"].as_array())
    if (owner["controller"].as_bool()) return owner;
  return kNone;
}

std::string key_of(const Value& object) {
  std::string space(namespace_of(object));
  return space.empty() ? std::string(name_of(object)) : space + "/" + std::string(name_of(object));
}

void set_type(Value& object, const Kind& kind) {
  object.make({"apiVersion"}) = kind.api_version();
  object.make({"kind"}) = kind.kind;
}

void set_name(Value& object, std::string_view name) { set_text(object, "name", name); }
void set_namespace(Value& object, std::string_view name) { set_text(object, "namespace", name); }
void set_uid(Value& object, std::string_view uid) { set_text(object, "uid", uid); }
void set_resource_version(Value& object, std::string_view version) { set_text(object, "resourceVersion", version); }

void set_generation(Value& object, int64_t generation) {
  if (generation == 0) {
    remove_member(object, "metadata", "generation");
  } else {
    object.make({"metadata", "generation"}) = generation;
  }
}

void set_creation_timestamp(Value& object, std::string_view time) { set_text(object, "creationTimestamp", time); }

void set_deletion(Value& object, std::string_view time, std::optional<int64_t> grace_seconds) {
  set_text(object, "deletionTimestamp", time);
  if (grace_seconds) {
    object.make({"metadata", "deletionGracePeriodSeconds"}) = *grace_seconds;
  } else {
    remove_member(object, "metadata", "deletionGracePeriodSeconds");
  }
}

void set_label(Value& object, std::string_view key, std::string_view value) {
  object.make({"metadata", "labels", key}) = value;
}

void set_annotation(Value& object, std::string_view key, std::string_view value) {
  object.make({"metadata", "annotations", key}) = value;
}

void set_finalizers(Value& object, const std::vector<std::string>& finalizers) {
  if (finalizers.empty()) {
    remove_member(object, "metadata", "finalizers");
  } else {
    object.make({"metadata", "finalizers"}) = base::Array(finalizers.begin(), finalizers.end());
  }
}

void remove_member(Value& object, std::string_view parent, std::string_view member) {
  auto* top = object.if_object();
  Value* inner = top == nullptr ? nullptr : top->find(parent);
  if (auto* members = inner == nullptr ? nullptr : inner->if_object()) members->erase(member);
}

Value make_partial_object(const Value& object) {
  Object out;
  out.append("kind", "PartialObjectMetadata");
  out.append("apiVersion", "meta.k8s.io/v1");
  out.append("metadata", metadata_of(object));
  return out;
}

bool is_selectable_field(const Kind& kind, std::string_view field) {
  if (field == "metadata.name" || field == "metadata.namespace") return true;
  if (std::ranges::find(kind.selectable_fields, field) != kind.selectable_fields.end()) return true;
  for (const auto& entry : fields_by_kind())
    if (entry.kind == kind.kind) return std::ranges::find(entry.fields, field) != entry.fields.end();
  return false;
}

std::string selectable_field(const Kind& kind, const Value& object, std::string_view field) {
  if (kind.kind == "Event" && !field.starts_with("metadata.")) return event_field(object, field);
  if (kind.kind == "Namespace" && field == "name") return std::string(name_of(object));
  if (kind.kind == "Pod" && field == "status.podIP") {
    const auto& ips = object["status"]["podIPs"].as_array();
    return std::string(ips.empty() ? object["status"]["podIP"].as_string() : ips[0]["ip"].as_string());
  }
  if (kind.kind == "Job" && field == "status.successful") return std::to_string(object["status"]["succeeded"].int_or(0));
  std::string text = as_text(by_path(object, field));
  if (!text.empty()) return text;
  if (field == "spec.unschedulable" || field == "spec.hostNetwork") return "false";
  if (field == "status.replicas") return "0";
  return "";
}

}  // namespace api
