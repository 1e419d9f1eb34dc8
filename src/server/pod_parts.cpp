// PUT and PATCH of the subresources that speak the kind itself but own one part of it: pods/resize,
// pods/ephemeralcontainers, certificatesigningrequests/approval. The part is the strategy's to cut out
// (Strategy::prepare_part), what may change in it the validation's.
#include "server/core.hpp"

namespace server {

namespace {

void serve_part(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  if (exchange->request.method == "PATCH") return serve_patch(core, exchange, resource);
  serve_update(core, exchange, resource);
}

}  // namespace

void serve_pod_part(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  serve_part(core, exchange, resource);
}

void serve_approval(Core& core, const ExchangePtr& exchange, const Resource& resource) {
  serve_part(core, exchange, resource);
}

}  // namespace server
