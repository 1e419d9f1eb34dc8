#include "api/defaults_kinds.hpp"

namespace api {

std::span<const Defaulter> workload_defaulters() { return {}; }

}  // namespace api
