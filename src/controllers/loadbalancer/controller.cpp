// The load balancers of a cluster without a cloud: addresses of a pool, given to Services of type LoadBalancer. That
// packets to them arrive at a node is the work of proxy/announce, that they get on to pods the work of the proxy.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "api/meta.hpp"
#include "base/strings.hpp"
#include "client/events.hpp"
#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/loadbalancer/plan.hpp"
#include "controllers/service_trim.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

using ServicePtr = std::shared_ptr<const api::Service>;

class LoadBalancerLoop final : public Controller {
 public:
  LoadBalancerLoop(client::Client client, const sys::Clock& clock, AddressPool pool)
      : pool_(std::move(pool)),
        client_(client),
        recorder_(client, clock, "service-controller"),
        worker_("loadbalancer", clock, [this] { services_.wait_synced(); },
                [this](const std::string& key) { return reconcile(key); }),
        services_(client) {
    services_.trim_with(trim_service_for_addresses);
    services_.on_change([this](const std::string& key, const ServicePtr& before, const ServicePtr& after) {
      if (concerns(before) || concerns(after)) worker_.queue().add(key);
    });
  }
  ~LoadBalancerLoop() override { stop(); }

  std::string_view name() const override { return "loadbalancer"; }
  void start() override {
    services_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    services_.stop();
    worker_.stop();
  }

 private:
  static bool concerns(const ServicePtr& service) {
    return service && (service->spec.type == "LoadBalancer" || has_balancer_finalizer(*service));
  }

  base::Result<void> reconcile(const std::string& key) {
    auto service = services_.get(key);
    if (service && wants_balancer(*service)) return ensure(key, *service);
    if (service && has_balancer_finalizer(*service)) CHECK_OK(clean_up(*service));
    forget(key);
    return {};
  }

  base::Result<void> ensure(const std::string& key, const api::Service& service) {
    // What we wrote comes back as an event, and then it is time to look again.
    if (auto own = held_.find(key); own != held_.end() && revision_of(service.metadata.resource_version) < own->second.written) return {};
    auto self = holding_of(service, held_by(key, service));
    auto grant = grant_addresses(pool_, service, self, others_of(key));
    if (grant.addresses.empty()) {
      if (warned_[key] != grant.problem) {
        recorder_.warning(client::ref_of(service), "SyncLoadBalancerFailed", "Error syncing load balancer: " + grant.problem);
      }
      warned_[key] = grant.problem;
    } else {
      warned_.erase(key);
    }
    const bool moved = grant.addresses != self.addresses && !self.addresses.empty();
    auto& held = held_[key];
    held = {service.metadata.uid, grant.addresses, held.written};
    const auto status = make_status(grant.addresses);
    const auto& now = service.status.load_balancer.value_or(api::LoadBalancerStatus());
    const bool news = now.ingress != status.ingress;
    const bool said = news && !grant.addresses.empty();
    if (said) recorder_.normal(client::ref_of(service), "EnsuringLoadBalancer", "Ensuring load balancer");
    if (!grant.addresses.empty() && !has_balancer_finalizer(service)) {
      auto finalizers = service.metadata.finalizers;
      finalizers.emplace_back(kBalancerFinalizer);
      TRY(held.written, set_finalizers(service, finalizers));
    }
    if (news) {
      TRY(held.written, set_status(service, status));
    }
    if (said) recorder_.normal(client::ref_of(service), "EnsuredLoadBalancer", "Ensured load balancer");
    if (moved) retry_waiting();
    return {};
  }

  base::Result<void> clean_up(const api::Service& service) {
    auto finalizers = service.metadata.finalizers;
    std::erase(finalizers, kBalancerFinalizer);
    TRY(auto written, set_finalizers(service, finalizers));
    if (written == 0) return {};
    recorder_.normal(client::ref_of(service), "DeletingLoadBalancer", "Deleting load balancer");
    recorder_.normal(client::ref_of(service), "DeletedLoadBalancer", "Deleted load balancer");
    return {};
  }

  void forget(const std::string& key) {
    warned_.erase(key);
    auto held = held_.find(key);
    const bool gave_back = held != held_.end() && !held->second.addresses.empty();
    if (held != held_.end()) held_.erase(held);
    if (gave_back) retry_waiting();
  }

  void retry_waiting() {
    for (const auto& [key, problem] : warned_) worker_.queue().add(key);
  }

  // What we gave it is newer than the status that the informer has seen.
  std::vector<base::Address> held_by(const std::string& key, const api::Service& service) const {
    auto own = held_.find(key);
    if (own != held_.end() && own->second.uid == service.metadata.uid) return own->second.addresses;
    return service.status.load_balancer ? addresses_of(*service.status.load_balancer) : std::vector<base::Address>();
  }

  std::vector<Holding> others_of(const std::string& self) const {
    std::vector<Holding> out;
    for (const auto& service : services_.list()) {
      if (!wants_balancer(*service)) continue;
      std::string key = client::object_key(service->metadata.namespace_, service->metadata.name);
      if (key != self) out.push_back(holding_of(*service, held_by(key, *service)));
    }
    return out;
  }

  // Resource versions of one collection grow as numbers (KEP-5504).
  static int64_t revision_of(std::string_view version) { return base::parse_int(version).value_or(0); }

  // The revision that the Service has then; 0 when it is gone.
  base::Result<int64_t> patch(const api::Service& service, base::Value change, std::string_view subresource) {
    auto done = client_.patch(client::resource_of<api::Service>(service.metadata.namespace_), service.metadata.name,
                              client::PatchType::merge, change, subresource);
    if (done) return revision_of(api::resource_version_of(*done));
    if (done.error().reason == base::Reason::not_found) return 0;
    return std::unexpected(std::move(done).error().wrap("load balancer of Service " + service.metadata.name));
  }

  base::Result<int64_t> set_finalizers(const api::Service& service, const std::vector<std::string>& finalizers) {
    base::Value change;
    auto& metadata = change.make({"metadata"});
    metadata = base::Object{{"uid", service.metadata.uid}, {"resourceVersion", service.metadata.resource_version}};
    metadata.object().set("finalizers", base::Array(finalizers.begin(), finalizers.end()));
    return patch(service, std::move(change), "");
  }

  base::Result<int64_t> set_status(const api::Service& service, const api::LoadBalancerStatus& status) {
    base::Array list;
    for (const auto& ingress : status.ingress) {
      list.emplace_back(base::Object{{"ip", ingress.ip}, {"ipMode", ingress.ip_mode}});
    }
    base::Value change;
    change.make({"metadata", "uid"}) = service.metadata.uid;
    change.make({"status", "loadBalancer", "ingress"}) = std::move(list);
    return patch(service, std::move(change), "status");
  }

  struct Held {
    std::string uid;
    std::vector<base::Address> addresses;
    int64_t written = 0;  // our last write; what the informer shows from before it is old
  };
  const AddressPool pool_;
  client::Client client_;
  client::EventRecorder recorder_;
  // Of the worker's thread.
  std::map<std::string, Held> held_;
  std::map<std::string, std::string> warned_;  // who waits, and why
  Worker worker_;
  client::Informer<api::Service> services_;
};

}  // namespace

std::unique_ptr<Controller> make_loadbalancer_controller(client::Client client, const sys::Clock& clock,
                                                         std::vector<base::AddressSpan> pool) {
  return std::make_unique<LoadBalancerLoop>(std::move(client), clock, std::move(pool));
}

}  // namespace controllers
