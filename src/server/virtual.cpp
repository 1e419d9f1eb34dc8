#include "server/core.hpp"

namespace server {

namespace {

void refuse(const ExchangePtr& exchange) {
  exchange->fail({base::Reason::method_not_allowed, "this API server does not serve that part of the API yet", {}});
}

}  // namespace

void serve_virtual(Core&, const ExchangePtr& exchange, const Resource&, const std::string&) { refuse(exchange); }
void serve_eviction(Core&, const ExchangePtr& exchange, const Resource&) { refuse(exchange); }
void serve_pod_part(Core&, const ExchangePtr& exchange, const Resource&) { refuse(exchange); }
void serve_approval(Core&, const ExchangePtr& exchange, const Resource&) { refuse(exchange); }

}  // namespace server
