// The lists of kinds whose defaults depend on more than one field: one list per defaults_*.cpp. Internal to src/api;
// pure; any thread.
#pragma once

#include <span>
#include <string_view>

#include "base/value.hpp"

namespace api {

struct Defaulter {
  std::string_view group, kind;
  void (*apply)(base::Value& object);  // after the defaults of the schema
};

std::span<const Defaulter> workload_defaulters();
std::span<const Defaulter> platform_defaulters();
std::span<const Defaulter> access_defaulters();

}  // namespace api
