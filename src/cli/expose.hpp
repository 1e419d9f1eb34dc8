// The Service that `kubectl expose` makes of an object. Pure; any thread.
#pragma once

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/flags.hpp"

namespace cli {

base::Result<base::Value> make_exposing_service(const base::Value& object, const Args& args);

}  // namespace cli
