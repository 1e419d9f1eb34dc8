// What the server, the clients and the printers know of a kind: names, scope, verbs, and its schema. Built-in
// kinds come from schema/ (embedded in the binary), custom ones are read at run time into the same structures
// (custom/). A Registry is immutable once built; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

// The keywords of OpenAPI that restrict values (pattern, maximum, oneOf, ...): custom/rules.hpp.
struct SchemaRules;

// One node of a structural schema (openAPIV3Schema with the x-kubernetes extensions) plus its protobuf
// number.
struct Schema {
  enum class Type : uint8_t {
    object,  // named properties
    map,     // additionalProperties
    array,   // items
    string,
    integer,
    number,
    boolean,
    int_or_string,  // x-kubernetes-int-or-string: targetPort
    quantity,       // string or number in, string out: resource.Quantity
    time,           // metav1.Time
    micro_time,     // metav1.MicroTime
    bytes,          // base64 in JSON
    any,            // x-kubernetes-preserve-unknown-fields: RawExtension, FieldsV1
  };
  enum class ListType : uint8_t { none, atomic, set, map };
  struct Property;

  Type type = Type::any;
  std::string name;  // of the type where it is shared: "PodSpec"; "" for what stands in its place only
  std::string
      openapi_key;     // of a shared type: "io.k8s.api.core.v1.PodSpec", the key under components/schemas
  std::string format;  // int32, int64, ...
  std::string description;              // our own words
  std::vector<Property> properties;     // type object, in order of declaration
  std::shared_ptr<const Schema> items;  // type array: elements; type map: values
  std::vector<std::string> required;
  std::vector<std::string> enum_values;
  base::Value default_value;  // null: none
  ListType list_type = ListType::none;
  std::vector<std::string> list_map_keys;  // server-side apply
  std::string patch_merge_key;             // strategic merge patch
  bool patch_merge = false;                // x-kubernetes-patch-strategy has merge
  bool patch_retain_keys = false;          // ... has retainKeys
  bool atomic_map = false;                 // x-kubernetes-map-type: atomic (selectors, refs)
  // Of custom kinds.
  bool nullable = false;           // null is a value here
  bool keeps_unknown = false;      // x-kubernetes-preserve-unknown-fields beside properties
  bool embedded_resource = false;  // x-kubernetes-embedded-resource: apiVersion, kind and metadata are known
  std::shared_ptr<const SchemaRules> rules;  // null: only the type counts

  const Property* find(std::string_view property) const;
};
using SchemaPtr = std::shared_ptr<const Schema>;

struct Schema::Property {
  std::string name;  // as in JSON
  SchemaPtr schema;
  std::string description;  // of the field; the schema's own describes the type
  bool keeps_zero =
      false;      // "", 0, false, [] and {} differ from absent here (in Go: a pointer, or no omitempty)
  int proto = 0;  // protobuf field number, 0: none
  int proto_inside =
      0;  // > 0: `proto` counts inside the message that is this field (a Go struct inlined in JSON)
  base::Value default_value;  // of the field; null: none
};

struct Subresource {
  std::string name;   // "status", "scale", "log", "exec", "binding"
  std::string kind;   // what it speaks: "Pod", "Scale", "PodExecOptions"
  std::string group;  // of that kind, when it is another group version
  std::string version;
  std::vector<std::string> verbs;
};

struct Column {
  std::string name;
  std::string type = "string";
  std::string format;
  std::string description;
  int priority = 0;
  std::string json_path;  // of custom kinds: where the cell comes from
};

// The kind under which objects are kept, where it is not the one they are read as: events.k8s.io Events are core
// Events, an older version of a custom kind is its storage version.
struct StoredAs {
  std::string group;
  std::string version;
  std::string plural;
};

// JSONPaths of the scale subresource of a custom kind: ".spec.replicas".
struct ScalePaths {
  std::string spec_replicas;
  std::string status_replicas;
  std::string label_selector;  // "" when there is none
};

struct Kind {
  std::string group;      // "" for core
  std::string version;    // "v1"
  std::string kind;       // "Service"
  std::string plural;     // "services": the resource
  std::string singular;   // "service"
  std::string list_kind;  // "ServiceList"
  std::vector<std::string> short_names;
  std::vector<std::string> categories;
  bool namespaced = true;
  bool stored = true;              // false: a body type only (Binding, Scale, DeleteOptions)
  std::vector<std::string> verbs;  // of the main resource
  std::vector<Subresource> subresources;
  std::vector<std::string> selectable_fields;  // "metadata.name", "spec.nodeName", ...
  std::vector<Column> columns;
  SchemaPtr schema;
  std::optional<StoredAs> stored_as;  // see convert.hpp
  std::string deprecation;            // "" or the Warning that every use of the kind is answered with
  bool hidden = false;                // served, but in no discovery document: legacy versions
  bool custom = false;                // from a CustomResourceDefinition
  std::optional<ScalePaths> scale;    // of custom kinds

  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  const Subresource* find_subresource(std::string_view name) const;
};
using KindPtr = std::shared_ptr<const Kind>;

class Registry {
 public:
  // By the parts of a URL.
  KindPtr find_resource(std::string_view group, std::string_view version, std::string_view plural) const;
  // By the parts of an object.
  KindPtr find_kind(std::string_view api_version, std::string_view kind) const;
  // In order of discovery: core first, then by group.
  std::span<const KindPtr> all() const { return kinds_; }
  void add(KindPtr kind) { kinds_.push_back(std::move(kind)); }

 private:
  std::vector<KindPtr> kinds_;
};

// Every Schema of a type object that is the root of a kind has the properties apiVersion and kind.
// The kinds of schema/. Built once per call: keep it.
base::Result<Registry> load_builtin_kinds();

}  // namespace api
