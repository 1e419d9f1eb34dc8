// The built-in kinds without their schemas: what a controller needs in order to list, watch and delete objects of any
// kind, at a fraction of the memory. Pure; any thread.
#pragma once

#include <algorithm>
#include <memory>
#include <string_view>

#include "api/kinds.hpp"

namespace controllers {

inline base::Result<api::Registry> load_kind_names() {
  TRY(auto full, api::load_builtin_kinds());
  api::Registry names;
  for (const auto& kind : full.all()) {
    if (!kind->stored) continue;
    api::Kind light = *kind;
    light.schema = nullptr;
    light.columns.clear();
    names.add(std::make_shared<const api::Kind>(std::move(light)));
  }
  return names;
}

inline bool has_verb(const api::Kind& kind, std::string_view verb) {
  return std::ranges::find(kind.verbs, verb) != kind.verbs.end();
}

}  // namespace controllers
