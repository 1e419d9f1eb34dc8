// Fills in what the writer of an object left open: the defaults of the schema, and those of the API that
// depend on other fields. Nothing is allocated here (cluster IPs, node ports, uids): that is the server's.
// Pure; any thread.
#pragma once

#include "api/kinds.hpp"
#include "base/value.hpp"

namespace api {

// `object` was decoded by decode_object. Running it twice changes nothing. Also moves a Secret's stringData
// into data.
void apply_defaults(const Kind& kind, base::Value& object);

}  // namespace api
