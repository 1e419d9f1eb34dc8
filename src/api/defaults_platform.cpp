#include "api/defaults_kinds.hpp"

namespace api {

std::span<const Defaulter> platform_defaulters() { return {}; }

}  // namespace api
