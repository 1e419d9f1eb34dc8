#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "client/events.hpp"
#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/endpointslice/apply.hpp"
#include "controllers/endpointslice/plan.hpp"
#include "controllers/pod_changes.hpp"
#include "controllers/pods.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

using Slice = api::EndpointSlice;

class EndpointSliceLoop final : public Controller {
 public:
  EndpointSliceLoop(client::Client client, const sys::Clock& clock)
      : client_(client),
        recorder_(client, clock, "endpoint-slice-controller"),
        own_(clock),
        worker_("endpointslice", clock,
                [this] { services_.wait_synced(), pods_.wait_synced(), nodes_.wait_synced(), slices_.wait_synced(); },
                [this](const std::string& key) { return reconcile(key); }),
        services_(client),
        pods_(client),
        nodes_(client),
        slices_(client, "", ours()) {
    services_.on_change([this](const std::string& key, const auto&, const auto&) { worker_.queue().add(key); });
    pods_.trim_with(trim_pod_for_endpoints);
    pods_.on_change([this](const std::string&, const auto& before, const auto& after) {
      if (before && after && !endpoint_changed(*before, *after)) return;
      enqueue_services(services_, worker_.queue(), before.get(), after.get());
    });
    nodes_.trim_with([](api::Node& node) { node.status.images.clear(), node.metadata.annotations.clear(); });
    nodes_.on_change([this](const std::string&, const auto& before, const auto& after) {
      bool everywhere = !before || !after || place_of(*before).zone != place_of(*after).zone;
      if (everywhere || place_of(*before) != place_of(*after)) enqueue_all(!everywhere);
    });
    slices_.on_change([this](const std::string&, const SlicePtr& before, const SlicePtr& after) {
      if (before) enqueue_owner(*before);
      if (after) enqueue_owner(*after);
    });
  }
  ~EndpointSliceLoop() override { stop(); }

  std::string_view name() const override { return "endpointslice"; }
  void start() override {
    services_.start();
    pods_.start();
    nodes_.start();
    slices_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    services_.stop();
    pods_.stop();
    nodes_.stop();
    slices_.stop();
    worker_.stop();
  }

 private:
  static client::ListOptions ours() {
    client::ListOptions options;
    options.label_selector = fmt::format("{}={}", kSliceManagedByLabel, kSliceManager);
    return options;
  }

  void enqueue_owner(const Slice& slice) {
    std::string service = OwnWrites::service_of(slice);
    if (!service.empty()) worker_.queue().add(client::object_key(slice.metadata.namespace_, service));
  }

  void enqueue_all(bool only_auto) {
    for (const auto& service : services_.list()) {
      if (!has_managed_endpoints(*service) || (only_auto && !wants_auto_hints(*service))) continue;
      worker_.queue().add(client::object_key(service->metadata.namespace_, service->metadata.name));
    }
  }

  base::Result<void> reconcile(const std::string& key) {
    auto service = services_.get(key);
    if (!service || !service->metadata.deletion_timestamp.empty()) {
      warned_.erase(key);
      own_.forget(key);
      return {};  // what a deleted Service leaves behind, the garbage collector takes
    }
    // Without a selector the slices are somebody else's, or stay as they were when it was taken away.
    bool is_name = service->spec.type == "ExternalName";
    if (!is_name && !has_managed_endpoints(*service)) return {};
    const auto& ns = service->metadata.namespace_;
    std::vector<SlicePtr> seen;
    for (auto& slice : slices_.list(ns)) {
      if (OwnWrites::service_of(*slice) == service->metadata.name) seen.push_back(std::move(slice));
    }
    auto existing = own_.over(key, std::move(seen));
    std::erase_if(existing, [](const SlicePtr& slice) { return !slice->metadata.deletion_timestamp.empty(); });
    SlicePlan plan;
    if (is_name) {
      plan.remove = std::move(existing);
      return apply(*service, plan);
    }
    std::vector<std::shared_ptr<const api::Pod>> pods;
    for (auto& pod : pods_.list(ns)) {
      if (selects(service->spec.selector, pod->metadata.labels)) pods.push_back(std::move(pod));
    }
    plan = plan_slices(*service, pods, existing, places_of(*service, pods));
    warn(key, *service, plan.warnings);
    return apply(*service, plan);
  }

  Places places_of(const api::Service& service, const std::vector<std::shared_ptr<const api::Pod>>& pods) const {
    Places places;
    if (wants_auto_hints(service)) {
      for (const auto& node : nodes_.list()) places.emplace(node->metadata.name, place_of(*node));
      return places;
    }
    for (const auto& pod : pods) {
      const std::string& name = pod->spec.node_name;
      if (name.empty() || places.contains(name)) continue;
      if (auto node = nodes_.get(name)) places.emplace(name, place_of(*node));
    }
    return places;
  }

  base::Result<void> apply(const api::Service& service, const SlicePlan& plan) {
    return apply_slices(client_, own_, plan, [&](std::string_view verb, base::Error error) {
      return complain(service, verb, std::move(error));
    });
  }

  base::Result<void> complain(const api::Service& service, std::string_view verb, base::Error error) {
    if (error.reason == base::Reason::conflict) return std::unexpected(std::move(error));
    error = std::move(error).wrap(fmt::format("cannot {} an EndpointSlice of Service {}/{}", verb,
                                              service.metadata.namespace_, service.metadata.name));
    recorder_.warning(client::ref_of(service), "FailedToUpdateEndpointSlices", error.message);
    return std::unexpected(std::move(error));
  }

  // Says each thing once, until it changes.
  void warn(const std::string& key, const api::Service& service, const std::vector<SlicePlan::Warning>& warnings) {
    if (warnings.empty()) {
      warned_.erase(key);
      return;
    }
    auto& before = warned_[key];
    for (const auto& warning : warnings) {
      if (std::ranges::find(before, warning) == before.end()) {
        recorder_.warning(client::ref_of(service), warning.reason, warning.text);
      }
    }
    before = warnings;
  }

  client::Client client_;
  client::EventRecorder recorder_;
  OwnWrites own_;
  std::map<std::string, std::vector<SlicePlan::Warning>> warned_;  // of the worker's thread
  Worker worker_;
  client::Informer<api::Service> services_;
  client::Informer<api::Pod> pods_;
  client::Informer<api::Node> nodes_;
  client::Informer<Slice> slices_;
};

}  // namespace

std::unique_ptr<Controller> make_endpointslice_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<EndpointSliceLoop>(std::move(client), clock);
}

}  // namespace controllers
