// links: base api
// Two JSON documents, one a line: the properties of spec in a definition, and the spec of an object of its kind. Nothing
// may crash, however odd either is; what was pruned and defaulted once stays as it is, and is its own excuse afterwards.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/columns.hpp"
#include "api/custom/definition.hpp"
#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/openapi.hpp"
#include "base/json.hpp"

namespace {

using base::Value;

const api::Registry& builtin() {
  static const api::Registry kKinds = api::load_builtin_kinds().value();
  return kKinds;
}

// Through the door that requests come by; null when the definition is refused there.
Value definition_with(const Value& properties) {
  static const Value kFrame = base::parse_json(
      R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"things.example.com"},
          "spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"things","kind":"Thing"},"versions":[
          {"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":
          {"spec":{"type":"object"}}}}}]}})").value();
  Value out = kFrame;
  out.object()["spec"].object()["versions"].array()[0].make(
      {"schema", "openAPIV3Schema", "properties", "spec", "properties"}) = properties;
  const auto kind = builtin().find_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition");
  auto decoded = api::decode_object(*kind, out, {}, api::FieldValidation::warn);
  if (!decoded) return {};
  api::apply_defaults(*kind, decoded->object);
  return std::move(decoded->object);
}

void use(const api::Kind& kind, const Value& spec) {
  Value object = base::Object{{"apiVersion", "example.com/v1"}, {"kind", "Thing"}, {"spec", spec}};
  auto once = api::decode_object(kind, object, {}, api::FieldValidation::warn);
  if (!once) return;
  api::apply_defaults(kind, once->object);
  Value twice = once->object;
  api::apply_defaults(kind, twice);
  if (twice != once->object) std::abort();
  auto again = api::decode_object(kind, twice, {}, api::FieldValidation::ignore);
  if (!again) std::abort();
  (void)api::check_custom(kind, twice);
  (void)api::table_cells(kind, twice, base::Time());
  if (!api::check_custom_update(kind, twice, twice).empty() && api::check_custom(kind, twice).empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line = input.find('\n');
  if (line == std::string_view::npos) return 0;
  const base::JsonLimits limits{.max_depth = 2'000, .max_bytes = 1u << 20};
  const auto properties = base::parse_json(input.substr(0, line), limits);
  const auto spec = base::parse_json(input.substr(line + 1), limits);
  if (!properties || !spec) return 0;
  const Value definition = definition_with(*properties);
  if (definition.is_null()) return 0;
  const bool good = api::check_definition(definition).empty();
  (void)api::check_definition_update(definition, definition);
  const auto kinds = api::read_definition(definition, builtin());
  if (!kinds) {
    if (good) std::abort();  // what passed the checks can be read
    return 0;
  }
  if (!good) return 0;
  use(*kinds->storage, *spec);
  api::Registry registry;
  registry.add(kinds->storage);
  (void)api::make_openapi_v3(registry, "example.com", "v1");
  return 0;
}
