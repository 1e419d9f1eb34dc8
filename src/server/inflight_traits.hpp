// What a request is, before any verb looks at it: for the limits, the metrics and the audit log. Pure; any thread.
#pragma once

#include <string>

#include "server/exchange.hpp"
#include "server/inflight.hpp"

namespace server {

// The verb of the API that the request for a resource stands for; "" when the method means nothing here.
std::string verb_of(const Exchange& exchange);

// `exchange` has its route, its user (empty: nobody) and, if it exists, its resource. Only names of things that
// exist become labels. The part for the audit log is filled in when `audited`.
RequestTraits make_traits(const Exchange& exchange, bool audited);

}  // namespace server
