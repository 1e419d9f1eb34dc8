// Getters and setters for what every object has (apiVersion, kind, metadata), and the fields that field selectors may
// name. Pure functions over values; views are valid as long as the value is. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.hpp"
#include "base/time.hpp"
#include "base/value.hpp"

namespace api {

std::string_view api_version_of(const base::Value& object);
std::string_view kind_of(const base::Value& object);
std::string_view name_of(const base::Value& object);
std::string_view generate_name_of(const base::Value& object);
std::string_view namespace_of(const base::Value& object);
std::string_view uid_of(const base::Value& object);
std::string_view resource_version_of(const base::Value& object);
int64_t generation_of(const base::Value& object);
std::string_view creation_timestamp_of(const base::Value& object);
std::string_view deletion_timestamp_of(const base::Value& object);  // "" when it is not being deleted
bool is_being_deleted(const base::Value& object);
std::optional<int64_t> deletion_grace_seconds_of(const base::Value& object);
const base::Value& labels_of(const base::Value& object);       // null or an object
const base::Value& annotations_of(const base::Value& object);  // null or an object
std::string_view label_of(const base::Value& object, std::string_view key);
std::string_view annotation_of(const base::Value& object, std::string_view key);
std::vector<std::string> finalizers_of(const base::Value& object);
// The ownerReference with controller: true; null when there is none.
const base::Value& controller_of(const base::Value& object);
// "default/web" or "web".
std::string key_of(const base::Value& object);

// Setters: an empty text (or nothing) removes the member; a label or annotation may be empty and stays.
void set_type(base::Value& object, const Kind& kind);
void set_name(base::Value& object, std::string_view name);
void set_namespace(base::Value& object, std::string_view name);
void set_uid(base::Value& object, std::string_view uid);
void set_resource_version(base::Value& object, std::string_view version);
void set_generation(base::Value& object, int64_t generation);
void set_creation_timestamp(base::Value& object, std::string_view time);
void set_deletion(base::Value& object, std::string_view time, std::optional<int64_t> grace_seconds);
void set_label(base::Value& object, std::string_view key, std::string_view value);
void set_annotation(base::Value& object, std::string_view key, std::string_view value);
void set_finalizers(base::Value& object, const std::vector<std::string>& finalizers);
void remove_member(base::Value& object, std::string_view parent, std::string_view member);

// The object's own metadata only: what tables and PartialObjectMetadata carry.
base::Value make_partial_object(const base::Value& object);

// Whether a field selector may name the field for this kind.
bool is_selectable_field(const Kind& kind, std::string_view field);
// The field's value as field selectors compare it: "" when not set, with upstream's defaults (spec.unschedulable
// "false", ...). Numbers and booleans as text.
std::string selectable_field(const Kind& kind, const base::Value& object, std::string_view field);

}  // namespace api
