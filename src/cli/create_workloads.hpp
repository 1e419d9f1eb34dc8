// What `kubectl create deployment` and `create ingress` make of their flags. Pure functions; any thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/flags.hpp"

namespace cli {

base::Result<base::Value> make_deployment(const Args& args, const std::string& name);
base::Result<base::Value> make_ingress(const Args& args, const std::string& name);

}  // namespace cli
