#include <fmt/format.h>

#include <utility>

#include "client/events.hpp"
#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/endpointslice/apply.hpp"
#include "controllers/endpointslicemirroring/plan.hpp"
#include "controllers/pod_changes.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

using Slice = api::EndpointSlice;

bool is_managed_by(const Slice& slice, std::string_view manager) {
  auto it = slice.metadata.labels.find(std::string(kSliceManagedByLabel));
  return it != slice.metadata.labels.end() && it->second == manager;
}

bool is_truncated(const api::Endpoints& endpoints) {
  auto it = endpoints.metadata.annotations.find("endpoints.kubernetes.io/over-capacity");
  return it != endpoints.metadata.annotations.end() && it->second == "truncated";
}

class MirroringLoop final : public Controller {
 public:
  MirroringLoop(client::Client client, const sys::Clock& clock)
      : client_(client),
        recorder_(client, clock, "endpoint-slice-mirroring-controller"),
        own_(clock),
        worker_("endpointslicemirroring", clock,
                [this] { services_.wait_synced(), endpoints_.wait_synced(), slices_.wait_synced(); },
                [this](const std::string& key) { return reconcile(key); }),
        services_(client),
        endpoints_(client),
        slices_(client, "", all_managed()) {
    services_.on_change([this](const std::string& key, const auto& before, const auto& after) {
      if (!before || !after || before->spec.selector.empty() != after->spec.selector.empty() ||
          before->metadata.uid != after->metadata.uid) {
        worker_.queue().add(key);
      }
    });
    endpoints_.on_change([this](const std::string& key, const auto& before, const auto& after) {
      if ((before && wants_mirror(*before)) || (after && wants_mirror(*after))) worker_.queue().add(key);
    });
    slices_.on_change([this](const std::string&, const SlicePtr& before, const SlicePtr& after) {
      for (const auto& slice : {before, after}) {
        if (slice && is_managed_by(*slice, kMirrorManager)) worker_.queue().add(OwnWrites::service_key(*slice));
      }
    });
  }
  ~MirroringLoop() override { stop(); }

  std::string_view name() const override { return "endpointslicemirroring"; }
  void start() override {
    services_.start();
    endpoints_.start();
    slices_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    services_.stop();
    endpoints_.stop();
    slices_.stop();
    worker_.stop();
  }

 private:
  static client::ListOptions all_managed() {
    client::ListOptions options;
    options.label_selector = fmt::format("{} in ({}, {})", kSliceManagedByLabel, kSliceManager, kMirrorManager);
    return options;
  }

  std::vector<SlicePtr> slices_of(const std::string& key, std::string_view manager) const {
    auto [ns, name] = client::split_key(key);
    std::vector<SlicePtr> out;
    for (auto& slice : slices_.list(ns)) {
      bool is_its = OwnWrites::service_of(*slice) == name && is_managed_by(*slice, manager);
      if (is_its && slice->metadata.deletion_timestamp.empty()) out.push_back(std::move(slice));
    }
    return out;
  }

  base::Result<void> reconcile(const std::string& key) {
    auto existing = own_.over(key, slices_of(key, kMirrorManager));
    auto endpoints = endpoints_.get(key);
    auto service = services_.get(key);
    bool mirrored = endpoints && endpoints->metadata.deletion_timestamp.empty() && wants_mirror(*endpoints) &&
                    service && service->spec.selector.empty();
    if (!mirrored) {
      MirrorPlan nothing;
      nothing.remove = std::move(existing);
      return apply(key, nullptr, nothing);
    }
    MirrorPlan plan = plan_mirror(*endpoints, existing);
    say_what_is_missing(*endpoints, plan);
    CHECK_OK(apply(key, endpoints.get(), plan));
    // The Service has lost its selector: the slices of that time would stay for ever, whatever the Endpoints say. They
    // go once the mirror says the same.
    if (is_truncated(*endpoints)) return {};
    MirrorPlan old;
    for (auto& slice : slices_of(key, kSliceManager)) old.remove.push_back(std::move(slice));
    return apply(key, endpoints.get(), old);
  }

  void say_what_is_missing(const api::Endpoints& endpoints, const MirrorPlan& plan) {
    if (plan.create.empty() && plan.update.empty()) return;  // it was said when they were written
    if (plan.invalid > 0) {
      recorder_.warning(client::ref_of(endpoints), "InvalidIPAddress",
                        fmt::format("Skipped {} invalid IP addresses when mirroring to EndpointSlices", plan.invalid));
    }
    if (plan.skipped > 0) {
      recorder_.warning(client::ref_of(endpoints), "TooManyAddressesToMirror",
                        fmt::format("A max of {} addresses can be mirrored to EndpointSlices per Endpoints subset. {} "
                                    "addresses were skipped",
                                    kMaxMirroredPerSubset, plan.skipped));
    }
  }

  base::Result<void> apply(const std::string& key, const api::Endpoints* endpoints, const MirrorPlan& plan) {
    return apply_slices(client_, own_, plan, [&](std::string_view verb, base::Error error) {
      return complain(key, endpoints, verb, std::move(error));
    });
  }

  base::Result<void> complain(const std::string& key, const api::Endpoints* endpoints, std::string_view verb,
                              base::Error error) {
    if (error.reason == base::Reason::conflict) return std::unexpected(std::move(error));
    error = std::move(error).wrap(fmt::format("cannot {} a mirrored EndpointSlice of {}", verb, key));
    if (endpoints) recorder_.warning(client::ref_of(*endpoints), "FailedToUpdateEndpointSlices", error.message);
    return std::unexpected(std::move(error));
  }

  client::Client client_;
  client::EventRecorder recorder_;
  OwnWrites own_;
  Worker worker_;
  client::Informer<api::Service> services_;
  client::Informer<api::Endpoints> endpoints_;
  client::Informer<Slice> slices_;
};

}  // namespace

std::unique_ptr<Controller> make_endpointslicemirroring_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<MirroringLoop>(std::move(client), clock);
}

}  // namespace controllers
