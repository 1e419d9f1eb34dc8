// What the schemas of custom kinds say beyond what api::Schema has for all kinds: the keywords that restrict values, and
// those that are only published. Internal to src/api. Immutable once read, so that any thread may use them.
//
// Source: OpenAPI 3.0's schema object as CustomResourceDefinitions restrict it (structural schemas).
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/value.hpp"

namespace re2 {
class RE2;
}

namespace api {

// A regular expression, compiled when it is first used: a large definition has hundreds, and most are never asked.
class Pattern {
 public:
  explicit Pattern(std::string text);
  ~Pattern();
  const std::string& text() const { return text_; }
  bool matches(std::string_view text) const;
  // "" or what is wrong with the expression.
  static std::string problem_of(std::string_view text);

 private:
  std::string text_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<re2::RE2> compiled_;
};

struct SchemaRules {
  std::string type;  // as written; "" when none is
  std::optional<double> minimum, maximum, multiple_of;
  bool exclusive_minimum = false, exclusive_maximum = false;
  std::optional<int64_t> min_length, max_length, min_items, max_items, min_properties, max_properties;
  std::shared_ptr<const Pattern> pattern;
  base::Array enum_values;
  std::vector<SchemaPtr> all_of, any_of, one_of;
  SchemaPtr none_of;  // not
  // Beside properties: additionalProperties true or false.
  bool additional_allowed = false;
  bool additional_forbidden = false;
  // What the definition itself says of apiVersion, kind and metadata where these are those of a Kubernetes object.
  std::vector<Schema::Property> own_meta;
  // Keywords without effect here, for OpenAPI: title, externalDocs, example, x-kubernetes-validations.
  base::Object published;
};

// Deeper schemas are refused: what walks along a schema may then recurse.
inline constexpr int kMaxSchemaDepth = 200;

inline constexpr bool is_meta_field(std::string_view name) {
  return name == "apiVersion" || name == "kind" || name == "metadata";
}

// The type's name in JSON Schema; "" when any will do.
std::string_view json_type_of(const Schema& schema);

// A schema as JSONSchemaProps has it. `object_meta`: what metadata of embedded resources is; may be null.
base::Result<SchemaPtr> read_custom_schema(const base::Value& props, const SchemaPtr& object_meta);
// The same for the root of a kind: an embedded resource, named.
base::Result<SchemaPtr> read_custom_root(const base::Value& props, const Schema::Property& metadata, std::string name,
                                         std::string openapi_key);
// The metadata of built-in objects, with its description.
base::Result<Schema::Property> find_metadata(const Registry& builtin);

// The schema of a member of an object: a property, the definition's own one for apiVersion, kind and metadata, or that
// of all members of a map. Null when the member is unknown; `known` tells a member without a schema from none.
const Schema* member_schema(const Schema& schema, std::string_view name, bool& known);

// Nulls that are no values are taken away, unless a default stands for them.
void prune_nulls(const Schema& schema, base::Value& value);
// prune_nulls, and the defaults at all depths.
void apply_custom_defaults(const Schema& schema, base::Value& value);

// Takes away what no schema names. `root`: apiVersion, kind and metadata of the value itself stay. `unknown` (may be
// null) gets the paths, sorted. Metadata of embedded resources is decoded as ObjectMeta: bad_request when it is none.
base::Result<void> prune(const Schema& schema, base::Value& value, bool root, std::vector<std::string>* unknown);

// Everything the schema says of a value; `path` as messages name it ("" at the root). `old`: what it replaces, or null.
struct FieldError;
std::vector<FieldError> check_value(const Schema& schema, const base::Value& value, const base::Value* old);
// The elements of lists of type set and map are unique.
void check_list_types(const Schema& schema, const base::Value& value, const std::string& path,
                      std::vector<FieldError>& out);
// apiVersion, kind and metadata of embedded resources.
void check_embedded(const Schema& schema, const base::Value& value, const std::string& path, bool root,
                    std::vector<FieldError>& out);

// Formats of strings that are checked: date-time, ipv4, uuid and so on, with or without '-'.
bool is_known_format(std::string_view format);
bool has_format(std::string_view format, std::string_view text);

// v2 > v1 > v1beta2 > v1beta1 > v1alpha1 > foo: negative when a is less.
int compare_versions(std::string_view a, std::string_view b);

}  // namespace api
