#include "server/strategy/strategy.hpp"

namespace server {

void add_workload_strategies(Strategies& /*table*/) {}

}  // namespace server
