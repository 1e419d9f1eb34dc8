#include "api/validate_rules.hpp"

namespace api::rules {

std::span<const KindRules> access_rules() { return {}; }

}  // namespace api::rules
