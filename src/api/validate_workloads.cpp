#include "api/validate_rules.hpp"

namespace api::rules {

std::span<const KindRules> workload_rules() { return {}; }

}  // namespace api::rules
