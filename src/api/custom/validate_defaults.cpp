#include "api/custom/validate_schema.hpp"
#include "api/validate_rules.hpp"

namespace api::schemas {

using base::Value;
using rules::child;
using rules::key;

namespace {

void check_default(const Schema& schema, const std::string& path, bool inside_meta, std::vector<FieldError>& out) {
  const std::string at = child(path, "default");
  Value pruned = schema.default_value;
  if (auto done = prune(schema, pruned, false, nullptr); !done) {
    out.push_back(invalid_field(at, schema.default_value, done.error().message));
    return;
  }
  if (!inside_meta && pruned != schema.default_value)
    out.push_back(invalid_field(at, schema.default_value, "must not have unknown fields"));
  std::vector<FieldError> wrong;
  check_embedded(schema, schema.default_value, "", false, wrong);
  if (wrong.empty()) wrong = check_value(schema, schema.default_value, nullptr);
  for (FieldError& error : wrong) {
    error.field = error.field.empty() || error.field == "<nil>" ? at : at + "." + error.field;
    out.push_back(std::move(error));
  }
}

void look_at(const Schema& schema, const std::string& path, bool inside_meta, bool root,
             std::vector<FieldError>& out) {
  if (!schema.default_value.is_null()) check_default(schema, path, inside_meta, out);
  if (!schema.rules) return;
  if (schema.items && schema.type == Schema::Type::array)
    look_at(*schema.items, child(path, "items"), inside_meta, false, out);
  const bool of_object = root || schema.embedded_resource;
  const std::string at = child(path, "properties");
  for (const Schema::Property& property : schema.rules->own_meta)
    look_at(*property.schema, key(at, property.name), true, false, out);
  for (const Schema::Property& property : schema.properties) {
    if (of_object && is_meta_field(property.name)) continue;  // not the definition's own
    look_at(*property.schema, key(at, property.name), inside_meta && !of_object, false, out);
  }
}

}  // namespace

std::vector<FieldError> check_defaults(const Value& props, const std::string& path) {
  std::vector<FieldError> out;
  const bool has_defaults = any_schema(props, [](const Value& one) { return !one["default"].is_null(); });
  if (!has_defaults) return out;
  Schema::Property metadata;  // nothing is known of it here
  metadata.name = "metadata";
  auto anything = std::make_shared<Schema>();
  metadata.schema = anything;
  auto root = read_custom_root(props, metadata, "", "");
  if (!root) return {invalid_field(path, "", root.error().message)};
  look_at(**root, path, false, true, out);
  return out;
}

}  // namespace api::schemas
