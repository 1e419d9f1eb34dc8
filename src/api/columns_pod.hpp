// The cells of a pod's table row: the one printer that has to think. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "base/value.hpp"

namespace api {

std::vector<base::Value> pod_cells(const base::Value& pod, base::Time now);

// "5m", or "<unknown>" for a time that is not there.
std::string age_since(std::string_view timestamp, base::Time now);

}  // namespace api
