// The conversions that convert.cpp chooses from: one pair of functions per kind. Internal to src/api; pure; any
// thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/value.hpp"

namespace api {

// events.k8s.io/v1 Event <-> core v1 Event; apiVersion is left alone.
base::Value event_to_core(base::Value event);
base::Value event_from_core(base::Value event);
// "regarding.name" -> "involvedObject.name", or back.
std::string event_field_name(std::string_view field, bool to_core);

// autoscaling/v1 HorizontalPodAutoscaler <-> v2. What v1 has no field for travels in its annotations. bad_request
// when those cannot be read.
base::Result<base::Value> autoscaler_to_v2(base::Value autoscaler);
base::Value autoscaler_from_v2(base::Value autoscaler);

}  // namespace api
