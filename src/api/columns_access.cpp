#include "api/printing.hpp"

namespace api::printing {

void add_access_printers(std::vector<Printer>& /*out*/) {}

}  // namespace api::printing
