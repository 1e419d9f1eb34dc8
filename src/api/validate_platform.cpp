#include "api/validate_rules.hpp"

namespace api::rules {

std::span<const KindRules> platform_rules() { return {}; }

}  // namespace api::rules
