#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/strings.hpp"
#include "client/events.hpp"
#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/endpointslice/plan.hpp"
#include "controllers/pod_changes.hpp"
#include "controllers/pods.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

using Slice = api::EndpointSlice;

constexpr auto kOwnWriteLifetime = std::chrono::seconds(10);

// Slices as they are after our own writes, until the informer has caught up: slices have generated names, so acting on
// an old picture would create them twice. Used by the worker's thread only.
class OwnWrites {
 public:
  explicit OwnWrites(const sys::Clock& clock) : clock_(clock) {}

  void wrote(Slice slice) {
    auto& entry = entries_[service_key(slice)][slice.metadata.name];
    entry = {std::make_shared<const Slice>(std::move(slice)), clock_.steady_now()};
  }
  void removed(const Slice& slice) { entries_[service_key(slice)][slice.metadata.name] = {nullptr, clock_.steady_now()}; }

  // Lays the writes of one Service over what the informer has seen of it.
  std::vector<SlicePtr> over(const std::string& key, std::vector<SlicePtr> seen) {
    auto own = entries_.find(key);
    if (own == entries_.end()) return seen;
    auto now = clock_.steady_now();
    std::map<std::string, SlicePtr> all;
    for (auto& slice : seen) all[slice->metadata.name] = std::move(slice);
    std::erase_if(own->second, [&](const auto& item) {
      auto known = all.find(item.first);
      return now - item.second.time > kOwnWriteLifetime ||
             (known != all.end() && is_newer(known->second, item.second.slice));
    });
    for (const auto& [name, entry] : own->second) {
      if (entry.slice) all[name] = entry.slice;
      else all.erase(name);
    }
    if (own->second.empty()) entries_.erase(own);
    std::vector<SlicePtr> out;
    for (auto& [name, slice] : all) out.push_back(std::move(slice));
    return out;
  }
  static std::string service_of(const Slice& slice) {
    auto it = slice.metadata.labels.find(std::string(kServiceNameLabel));
    return it == slice.metadata.labels.end() ? std::string() : it->second;
  }

 private:
  struct Entry {
    SlicePtr slice;  // null: deleted by us
    std::chrono::steady_clock::time_point time;
  };
  // Resource versions of one collection grow as numbers (KEP-5504).
  static bool is_newer(const SlicePtr& seen, const SlicePtr& own) {
    if (!own) return false;
    if (seen->metadata.uid != own->metadata.uid) return true;
    return base::parse_int(seen->metadata.resource_version).value_or(0) >=
           base::parse_int(own->metadata.resource_version).value_or(0);
  }
  static std::string service_key(const Slice& slice) {
    return client::object_key(slice.metadata.namespace_, service_of(slice));
  }
  const sys::Clock& clock_;
  std::map<std::string, std::map<std::string, Entry>> entries_;  // by Service, by slice
};

class EndpointSliceLoop final : public Controller {
 public:
  EndpointSliceLoop(client::Client client, const sys::Clock& clock)
      : client_(client),
        recorder_(client, clock, "endpoint-slice-controller"),
        own_(clock),
        worker_("endpointslice", clock,
                [this] { services_.wait_synced(), pods_.wait_synced(), slices_.wait_synced(); },
                [this](const std::string& key) { return reconcile(key); }),
        services_(client),
        pods_(client),
        slices_(client, "", ours()) {
    services_.on_change([this](const std::string& key, const auto&, const auto&) { worker_.queue().add(key); });
    pods_.trim_with(trim_pod_for_endpoints);
    pods_.on_change([this](const std::string&, const auto& before, const auto& after) {
      if (before && after && !endpoint_changed(*before, *after)) return;
      enqueue_services(services_, worker_.queue(), before.get(), after.get());
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
    slices_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    services_.stop();
    pods_.stop();
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

  base::Result<void> reconcile(const std::string& key) {
    auto service = services_.get(key);
    if (!service || !service->metadata.deletion_timestamp.empty() || !has_managed_endpoints(*service)) {
      warned_.erase(key);
      return {};  // what a deleted Service leaves behind, the garbage collector takes
    }
    const auto& ns = service->metadata.namespace_;
    std::vector<SlicePtr> seen;
    for (auto& slice : slices_.list(ns)) {
      if (OwnWrites::service_of(*slice) == service->metadata.name) seen.push_back(std::move(slice));
    }
    auto existing = own_.over(key, std::move(seen));
    std::erase_if(existing, [](const SlicePtr& slice) { return !slice->metadata.deletion_timestamp.empty(); });
    std::vector<std::shared_ptr<const api::Pod>> pods;
    for (auto& pod : pods_.list(ns)) {
      if (selects(service->spec.selector, pod->metadata.labels)) pods.push_back(std::move(pod));
    }
    SlicePlan plan = plan_slices(*service, pods, existing);
    warn(key, *service, plan.warnings);
    return apply(*service, plan);
  }

  // Creations and updates first: an endpoint that moves between slices is never in none.
  base::Result<void> apply(const api::Service& service, const SlicePlan& plan) {
    for (const auto& slice : plan.create) {
      auto made = client_.create(slice);
      if (!made && is_namespace_going(made.error())) return {};
      if (!made) return complain(service, "create", std::move(made).error());
      own_.wrote(std::move(*made));
    }
    for (const auto& slice : plan.update) {
      auto made = client_.update(slice);
      if (!made) return complain(service, "update", std::move(made).error());
      own_.wrote(std::move(*made));
    }
    for (const auto& slice : plan.remove) {
      auto gone = client_.remove<Slice>(slice->metadata.namespace_, slice->metadata.name,
                                        client::only_uid(slice->metadata.uid));
      if (!gone && gone.error().reason != base::Reason::not_found && gone.error().reason != base::Reason::conflict) {
        return complain(service, "delete", std::move(gone).error());
      }
      own_.removed(*slice);
    }
    return {};
  }

  base::Result<void> complain(const api::Service& service, std::string_view verb, base::Error error) {
    if (error.reason == base::Reason::conflict) return std::unexpected(std::move(error));
    error = std::move(error).wrap(fmt::format("cannot {} an EndpointSlice of Service {}/{}", verb,
                                              service.metadata.namespace_, service.metadata.name));
    recorder_.warning(client::ref_of(service), "FailedToUpdateEndpointSlices", error.message);
    return std::unexpected(std::move(error));
  }

  // Says each thing once, until it changes.
  void warn(const std::string& key, const api::Service& service, const std::vector<std::string>& warnings) {
    if (warnings.empty()) {
      warned_.erase(key);
      return;
    }
    auto& before = warned_[key];
    for (const auto& text : warnings) {
      if (std::ranges::find(before, text) == before.end()) {
        recorder_.warning(client::ref_of(service), "TargetPortNotFound", text);
      }
    }
    before = warnings;
  }

  client::Client client_;
  client::EventRecorder recorder_;
  OwnWrites own_;
  std::map<std::string, std::vector<std::string>> warned_;  // of the worker's thread
  Worker worker_;
  client::Informer<api::Service> services_;
  client::Informer<api::Pod> pods_;
  client::Informer<Slice> slices_;
};

}  // namespace

std::unique_ptr<Controller> make_endpointslice_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<EndpointSliceLoop>(std::move(client), clock);
}

}  // namespace controllers
