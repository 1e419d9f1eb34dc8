// ServiceCIDRs are marked ready and kept until their last address is free; IPAddresses and Services that have come apart
// are put together again. What the informers show may be a little old in one of three collections, so that everything that
// looks wrong is looked at once more in the API before anything is done.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/guarded.hpp"
#include "base/time.hpp"
#include "client/events.hpp"
#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/servicecidr/plan.hpp"
#include "controllers/service_trim.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

constexpr std::string_view kRange = "range ";  // what a key of the queue is about
constexpr std::string_view kService = "service ";
constexpr std::string_view kAddress = "address ";
constexpr std::string_view kKubernetes = "default/kubernetes";

std::string key_for(std::string_view what, std::string_view name) { return std::string(what) + std::string(name); }

class ServiceCidrLoop final : public Controller {
 public:
  ServiceCidrLoop(client::Client client, const sys::Clock& clock, PortRange ports)
      : ports_(ports),
        client_(client),
        clock_(clock),
        recorder_(client, clock, "ipallocator-repair-controller"),
        worker_("servicecidr", clock, [this] { cidrs_.wait_synced(), addresses_.wait_synced(), services_.wait_synced(); },
                [this](const std::string& key) { return reconcile(key); }),
        cidrs_(client),
        addresses_(client),
        services_(client) {
    services_.trim_with(trim_service_for_addresses);
    cidrs_.on_change([this](const std::string&, const CidrPtr&, const CidrPtr&) { add_ranges(); });
    addresses_.on_change([this](const std::string& key, const AddressPtr& before, const AddressPtr& after) {
      worker_.queue().add(key_for(kAddress, key));
      if (!before || after) return;
      add_ranges();
      const auto& parent = before->spec.parent_ref;
      worker_.queue().add(key_for(kService, client::object_key(parent.namespace_, parent.name)));
    });
    services_.on_change([this](const std::string& key, const ServicePtr& before, const ServicePtr& after) {
      follow_ports(key, before.get(), after.get());
      if (key == kKubernetes) *kubernetes_.lock() = after ? after : before;
      if (before && after && before->spec.cluster_ips == after->spec.cluster_ips && node_ports_of(*before) == node_ports_of(*after)) return;
      worker_.queue().add(key_for(kService, key));
    });
  }
  ~ServiceCidrLoop() override { stop(); }

  std::string_view name() const override { return "servicecidr"; }
  void start() override {
    cidrs_.start();
    addresses_.start();
    services_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    cidrs_.stop();
    addresses_.stop();
    services_.stop();
    worker_.stop();
  }

 private:
  void add_ranges() {
    for (const auto& cidr : cidrs_.list()) worker_.queue().add(key_for(kRange, cidr->metadata.name));
  }

  base::Result<void> reconcile(const std::string& key) {
    std::string_view text = key;
    if (text.starts_with(kRange)) return sync_range(key.substr(kRange.size()));
    if (text.starts_with(kService)) return sync_service(key.substr(kService.size()));
    return sync_address(key.substr(kAddress.size()));
  }

  // ---- ranges -----------------------------------------------------------------------------------------------------

  base::Result<void> sync_range(const std::string& name) {
    auto cidr = cidrs_.get(name);
    if (!cidr) return {};
    const bool guarded = std::ranges::find(cidr->metadata.finalizers, kCidrFinalizer) != cidr->metadata.finalizers.end();
    if (cidr->metadata.deletion_timestamp.empty()) {
      if (!guarded) {
        CHECK_OK(set_guard(*cidr, true));
      }
      return set_ready(*cidr, true, "", "Kubernetes Service CIDR is ready");
    }
    if (!guarded) return {};
    // The server no longer gives addresses of it from this write on: only then a look at the addresses counts.
    CHECK_OK(set_ready(*cidr, false, "Terminating",
                       "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"));
    TRY(auto list, client_.list(client::resource_of<api::IPAddress>()));
    std::vector<AddressPtr> addresses;
    for (const auto& item : list["items"].as_array()) {
      TRY(auto address, api::from_value<api::IPAddress>(item));
      addresses.push_back(std::make_shared<const api::IPAddress>(std::move(address)));
    }
    if (!may_remove(*cidr, cidrs_.list(), addresses)) return {};
    return set_guard(*cidr, false);
  }

  base::Result<void> patch(const api::ServiceCIDR& cidr, const base::Value& change, std::string_view subresource) {
    auto done = client_.patch(client::resource_of<api::ServiceCIDR>(), cidr.metadata.name, client::PatchType::merge, change,
                              subresource);
    if (done || done.error().reason == base::Reason::not_found) return {};
    return std::unexpected(std::move(done).error().wrap("ServiceCIDR " + cidr.metadata.name));
  }

  base::Result<void> set_guard(const api::ServiceCIDR& cidr, bool guarded) {
    auto finalizers = cidr.metadata.finalizers;
    std::erase(finalizers, kCidrFinalizer);
    if (guarded) finalizers.emplace_back(kCidrFinalizer);
    base::Value change;
    change.make({"metadata", "uid"}) = cidr.metadata.uid;
    change.make({"metadata", "finalizers"}) = base::Array(finalizers.begin(), finalizers.end());
    return patch(cidr, change, "");
  }

  base::Result<void> set_ready(const api::ServiceCIDR& cidr, bool ready, std::string_view reason, std::string_view message) {
    const std::string status = ready ? "True" : "False";
    base::Array conditions;
    for (const auto& condition : cidr.status.conditions) {
      if (condition.type != "Ready") conditions.push_back(api::to_value(condition));
      else if (condition.status == status) return {};
    }
    conditions.emplace_back(base::Object{{"type", "Ready"},
                                         {"status", status},
                                         {"lastTransitionTime", base::format_time(clock_.now())},
                                         {"reason", reason},
                                         {"message", message}});
    base::Value change;
    change.make({"metadata", "uid"}) = cidr.metadata.uid;
    change.make({"status", "conditions"}) = std::move(conditions);
    return patch(cidr, change, "status");
  }

  // ---- addresses --------------------------------------------------------------------------------------------------

  // An absent object is null; an error of the API counts as present, for nothing is done then.
  template <class T>
  std::shared_ptr<const T> ask(const std::string& namespace_, const std::string& name, bool& failed) {
    auto object = client_.get<T>(namespace_, name);
    if (object) return std::make_shared<const T>(std::move(*object));
    if (object.error().reason != base::Reason::not_found) failed = true;
    return nullptr;
  }

  // On the informer's thread.
  void follow_ports(const std::string& key, const api::Service* before, const api::Service* after) {
    auto owners = port_owners_.lock();
    auto each = [&](const api::Service* service, auto act) {
      if (!service) return;
      for (int64_t port : node_ports_of(*service)) act((*owners)[port], port);
    };
    each(before, [&](std::set<std::string>& keys, int64_t port) {
      keys.erase(key);
      if (keys.empty()) owners->erase(port);
    });
    each(after, [&](std::set<std::string>& keys, int64_t) { keys.insert(key); });
  }

  bool is_shared(int64_t port) const {
    auto owners = port_owners_.lock();
    auto it = owners->find(port);
    return it != owners->end() && it->second.size() > 1;
  }

  // Who deletes all Services means their own: this one comes back as it was.
  base::Result<void> restore_kubernetes() {
    ServicePtr last = *kubernetes_.lock();
    if (!last) return {};
    api::Service fresh;
    fresh.metadata.namespace_ = last->metadata.namespace_;
    fresh.metadata.name = last->metadata.name;
    fresh.metadata.labels = {{"component", "apiserver"}, {"provider", "kubernetes"}};
    fresh.spec = last->spec;
    auto made = client_.create(fresh);
    if (made || made.error().reason == base::Reason::already_exists) return {};
    return std::unexpected(std::move(made).error().wrap("Service default/kubernetes"));
  }

  base::Result<void> sync_service(const std::string& key) {
    auto service = services_.get(key);
    if (!service) return key == kKubernetes ? restore_kubernetes() : base::Result<void>();
    for (const auto& finding : check_node_ports(*service, ports_, [this](int64_t port) { return is_shared(port); })) {
      recorder_.warning(client::ref_of(*service), finding.reason, finding.message);
    }
    auto seen = check_service_addresses(
        *service, cidrs_.list(), [this](const std::string& name) { return addresses_.get(name); },
        [this](const std::string& ns, const std::string& name) { return services_.get(client::object_key(ns, name)); });
    if (seen.empty()) return {};
    bool failed = false;
    auto now = ask<api::Service>(service->metadata.namespace_, service->metadata.name, failed);
    if (failed) return base::fail(base::Reason::service_unavailable, "cannot read Service " + key);
    if (!now) return {};
    auto findings = check_service_addresses(
        *now, cidrs_.list(), [&](const std::string& name) { return ask<api::IPAddress>("", name, failed); },
        [&](const std::string& ns, const std::string& name) { return ask<api::Service>(ns, name, failed); });
    if (failed) return base::fail(base::Reason::service_unavailable, "cannot read the addresses of Service " + key);
    for (const auto& finding : findings) {
      if (!finding.reason.empty()) recorder_.warning(client::ref_of(*now), finding.reason, finding.message);
      if (finding.act == Finding::Act::none) continue;
      if (finding.act == Finding::Act::replace) CHECK_OK(remove(finding.address));
      auto made = client_.create(make_ip_address(finding.address, *now));
      if (!made && made.error().reason != base::Reason::already_exists) return std::unexpected(std::move(made).error());
    }
    return {};
  }

  base::Result<void> sync_address(const std::string& name) {
    auto address = addresses_.get(name);
    if (!address) return {};
    auto seen = check_ip_address(*address, [this](const std::string& ns, const std::string& service) {
      return services_.get(client::object_key(ns, service));
    });
    if (seen.act == Finding::Act::none) return {};
    bool failed = false;
    auto now = ask<api::IPAddress>("", name, failed);
    if (!now && !failed) return {};
    Finding finding;
    if (now) {
      finding = check_ip_address(*now, [&](const std::string& ns, const std::string& service) {
        return ask<api::Service>(ns, service, failed);
      });
    }
    if (failed) return base::fail(base::Reason::service_unavailable, "cannot read IPAddress " + name);
    if (finding.act != Finding::Act::remove) return {};
    recorder_.warning(client::ref_of(*now), finding.reason, finding.message);
    return remove(name);
  }

  base::Result<void> remove(const std::string& address) {
    auto gone = client_.remove<api::IPAddress>("", address);
    if (gone || gone.error().reason == base::Reason::not_found) return {};
    return std::unexpected(std::move(gone).error());
  }

  const PortRange ports_;
  base::Guarded<std::map<int64_t, std::set<std::string>>> port_owners_;  // Services by node port
  base::Guarded<ServicePtr> kubernetes_;  // as it was last
  client::Client client_;
  const sys::Clock& clock_;
  client::EventRecorder recorder_;
  Worker worker_;
  client::Informer<api::ServiceCIDR> cidrs_;
  client::Informer<api::IPAddress> addresses_;
  client::Informer<api::Service> services_;
};

}  // namespace

std::unique_ptr<Controller> make_servicecidr_controller(client::Client client, const sys::Clock& clock,
                                                        int first_node_port, int last_node_port) {
  return std::make_unique<ServiceCidrLoop>(std::move(client), clock, PortRange{first_node_port, last_node_port});
}

}  // namespace controllers
