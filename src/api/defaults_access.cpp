#include "api/defaults_kinds.hpp"

namespace api {

std::span<const Defaulter> access_defaulters() { return {}; }

}  // namespace api
