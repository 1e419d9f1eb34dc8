#include "server/strategy/strategy.hpp"

namespace server {

void add_access_strategies(Strategies& /*table*/) {}

}  // namespace server
