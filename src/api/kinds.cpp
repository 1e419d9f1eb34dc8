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
  std::string_view text = builtin_schemas();
  const auto next = [&text] {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    return base::parse_json(line);
  };
  TypeTable types;
  TRY(const base::Value names, next());
  for (const base::Value& name : names.as_array()) CHECK_OK(types.declare(name.as_string()));
  for (const base::Value& name : names.as_array()) {
    TRY(const base::Value type, next());
    CHECK_OK(types.define(name.as_string(), type));
  }
  types.resolve();
  Registry registry;
  while (!text.empty()) {
    TRY(const base::Value definition, next());
    TRY(Kind kind, read_kind(definition, types));
    registry.add(std::make_shared<const Kind>(std::move(kind)));
  }
  return registry;
}

}  // namespace api
