// links: base api
// Two JSON documents, one a line: the second one is applied to the first as each of the three kinds of patch. Nothing may
// crash, and a merge patch made of a difference must lead to the other document.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/patch.hpp"
#include "api/strategic.hpp"
#include "base/json.hpp"

namespace {

// A small schema with the shapes that matter: merged lists of objects and of scalars, retained keys.
const api::Schema& schema() {
  static const auto kSchema = [] {
    auto text = std::make_shared<api::Schema>();
    text->type = api::Schema::Type::string;
    auto out = std::make_shared<api::Schema>();
    out->type = api::Schema::Type::object;
    auto objects = std::make_shared<api::Schema>();
    objects->type = api::Schema::Type::array;
    objects->items = out;  // lists in lists in lists; a cycle, which is fine for a program of one run
    objects->patch_merge = true;
    objects->patch_merge_key = "n";
    objects->patch_retain_keys = true;
    auto scalars = std::make_shared<api::Schema>();
    scalars->type = api::Schema::Type::array;
    scalars->items = text;
    scalars->patch_merge = true;
    for (const auto& [name, type] : {std::pair<const char*, api::SchemaPtr>{"o", objects}, {"s", scalars}}) {
      api::Schema::Property property;
      property.name = name;
      property.schema = type;
      out->properties.push_back(std::move(property));
    }
    return out;
  }();
  return *kSchema;
}

bool has_null_member(const base::Value& value) {
  for (const auto& [key, inner] : value.as_object())
    if (inner.is_null() || has_null_member(inner)) return true;
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  size_t line = input.find('\n');
  if (line == std::string_view::npos) return 0;
  const base::JsonLimits limits{.max_depth = 200, .max_bytes = 1u << 20};
  auto original = base::parse_json(input.substr(0, line), limits);
  auto patch = base::parse_json(input.substr(line + 1), limits);
  if (!original || !patch) return 0;
  (void)api::apply_json_patch(*original, *patch);
  (void)api::apply_merge_patch(*original, *patch);
  (void)api::apply_strategic_merge_patch(*original, *patch, schema());
  (void)api::make_strategic_merge_patch(*original, *patch, schema());
  (void)api::three_way_merge_patch(*patch, *original, *patch, schema());
  if (has_null_member(*original) || has_null_member(*patch)) return 0;
  if (api::apply_merge_patch(*original, api::make_merge_patch(*original, *patch)) != *patch) std::abort();
  return 0;
}
