#include "server/strategy/strategy.hpp"

namespace server {

void add_platform_strategies(Strategies& /*table*/) {}

}  // namespace server
