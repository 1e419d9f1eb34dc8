#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/events.hpp"
#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/endpoints/plan.hpp"
#include "controllers/endpointslice/plan.hpp"
#include "controllers/pod_changes.hpp"
#include "controllers/pods.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

class EndpointsLoop final : public Controller {
 public:
  EndpointsLoop(client::Client client, const sys::Clock& clock)
      : client_(client),
        recorder_(client, clock, "endpoint-controller"),
        worker_("endpoints", clock,
                [this] { services_.wait_synced(), pods_.wait_synced(), endpoints_.wait_synced(); },
                [this](const std::string& key) { return reconcile(key); }),
        services_(client),
        pods_(client),
        endpoints_(client) {
    services_.on_change([this](const std::string& key, const auto&, const auto&) { worker_.queue().add(key); });
    pods_.trim_with(trim_pod_for_endpoints);
    pods_.on_change([this](const std::string&, const auto& before, const auto& after) {
      if (before && after && !endpoint_changed(*before, *after)) return;
      enqueue_services(services_, worker_.queue(), before.get(), after.get());
    });
    // Also what is left of a Service that was deleted while nobody looked.
    endpoints_.on_change([this](const std::string& key, const auto&, const auto&) { worker_.queue().add(key); });
  }
  ~EndpointsLoop() override { stop(); }

  std::string_view name() const override { return "endpoints"; }
  void start() override {
    services_.start();
    pods_.start();
    endpoints_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    services_.stop();
    pods_.stop();
    endpoints_.stop();
    worker_.stop();
  }

 private:
  base::Result<void> reconcile(const std::string& key) {
    auto service = services_.get(key);
    auto known = endpoints_.get(key);
    if (!service || service->spec.type == "ExternalName") return remove_leftover(known.get());
    if (!service->metadata.deletion_timestamp.empty() || !has_managed_endpoints(*service)) return {};
    std::vector<std::shared_ptr<const api::Pod>> pods;
    for (auto& pod : pods_.list(service->metadata.namespace_)) {
      if (selects(service->spec.selector, pod->metadata.labels)) pods.push_back(std::move(pod));
    }
    api::Endpoints next = plan_endpoints(*service, pods, known.get());
    if (known && same_endpoints(*known, next)) return {};
    auto written = known ? client_.update(next) : client_.create(next);
    if (written || is_namespace_going(written.error())) return {};
    base::Error error = std::move(written).error();
    // The informer is behind our own write: look again when it has caught up.
    if (error.reason == base::Reason::already_exists || error.reason == base::Reason::conflict ||
        error.reason == base::Reason::not_found) {
      return base::fail(base::Reason::conflict, std::move(error.message));
    }
    recorder_.warning(client::ref_of(*service), known ? "FailedToUpdateEndpoint" : "FailedToCreateEndpoint",
                      fmt::format("Failed to {} endpoint {}: {}", known ? "update" : "create", key, error.message));
    return std::unexpected(std::move(error));
  }

  // Only what this controller made goes with its Service, or when that becomes a name: users may make Endpoints before
  // their Service.
  base::Result<void> remove_leftover(const api::Endpoints* known) {
    if (!known) return {};
    auto it = known->metadata.labels.find("endpoints.kubernetes.io/managed-by");
    if (it == known->metadata.labels.end() || it->second != "endpoint-controller") return {};
    auto gone = client_.remove<api::Endpoints>(known->metadata.namespace_, known->metadata.name,
                                               client::only_uid(known->metadata.uid));
    if (!gone && gone.error().reason != base::Reason::not_found && gone.error().reason != base::Reason::conflict) {
      return std::unexpected(std::move(gone).error());
    }
    return {};
  }

  client::Client client_;
  client::EventRecorder recorder_;
  Worker worker_;
  client::Informer<api::Service> services_;
  client::Informer<api::Pod> pods_;
  client::Informer<api::Endpoints> endpoints_;
};

}  // namespace

std::unique_ptr<Controller> make_endpoints_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<EndpointsLoop>(std::move(client), clock);
}

}  // namespace controllers
