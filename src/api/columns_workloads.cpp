#include "api/printing.hpp"

namespace api::printing {

void add_workload_printers(std::vector<Printer>& /*out*/) {}

}  // namespace api::printing
