// The Table that the server sends to `kubectl get`: columns of each kind and the cells of one object. Pure; any thread.
//
// Source: what kubectl users see; semantics of the upstream printers, code our own.
#pragma once

#include <vector>

#include "api/kinds.hpp"
#include "base/time.hpp"
#include "base/value.hpp"

namespace api {

// The columns that table_cells() fills, in its order: the truth for built-in kinds. Kinds without a printer of their own
// have Name and Created At.
std::vector<Column> columns_of(const Kind& kind);

// One row. As many cells as columns_of(kind) has.
std::vector<base::Value> table_cells(const Kind& kind, const base::Value& object, base::Time now);

}  // namespace api
