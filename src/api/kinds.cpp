#include "api/kinds.hpp"

#include <algorithm>

#include "api/schema.hpp"
#include "base/json.hpp"

namespace api {

const Subresource* Kind::find_subresource(std::string_view wanted) const {
  const auto it = std::ranges::find(subresources, wanted, &Subresource::name);
  return it == subresources.end() ? nullptr : &*it;
}

KindPtr Registry::find_resource(std::string_view group, std::string_view version,
                                std::string_view plural) const {
  for (const KindPtr& kind : kinds_) {
    if (!plural.empty() && kind->plural == plural && kind->group == group && kind->version == version)
      return kind;
  }
  return nullptr;
}

KindPtr Registry::find_kind(std::string_view api_version, std::string_view name) const {
  for (const KindPtr& kind : kinds_) {
    if (kind->kind == name && kind->api_version() == api_version) return kind;
  }
  return nullptr;
}

base::Result<Registry> load_builtin_kinds() {
  TRY(base::Value all, base::parse_json(builtin_schemas()));
  TypeTable types;
  CHECK_OK(types.add(all["types"]));
  Registry registry;
  for (const base::Value& definition : all["kinds"].as_array()) {
    TRY(Kind kind, read_kind(definition, types));
    registry.add(std::make_shared<const Kind>(std::move(kind)));
  }
  return registry;
}

}  // namespace api
