#include "proxy/proxy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "base/guarded.hpp"
#include "base/log.hpp"
#include "client/events.hpp"
#include "client/informer.hpp"
#include "proxy/acknowledge.hpp"
#include "proxy/bpf/kernel.hpp"
#include "proxy/dataplanes.hpp"
#include "proxy/health.hpp"
#include "proxy/nft/apply.hpp"
#include "proxy/nft/render.hpp"
#include "proxy/table.hpp"

namespace proxy {

namespace {

constexpr std::chrono::milliseconds kFirstRetry{200};
constexpr std::chrono::milliseconds kLastRetry{10'000};
constexpr size_t kEventsAtOnce = 50;
// How soon node ports are served on an address that the node has got.
constexpr std::chrono::milliseconds kAddressesEvery{5'000};
// Services and slices that another proxy serves, or that no proxy does.
client::ListOptions ours() {
  client::ListOptions out;
  out.label_selector = fmt::format("!{},!{}", kProxyNameLabel, kHeadlessLabel);
  return out;
}

// Keeps what the proxy reads: our own annotations, and the older place of the source ranges.
template <class Object>
void trim_annotations(Object& object) {
  std::erase_if(object.metadata.annotations, [](const auto& entry) {
    return !entry.first.starts_with("sampan.dev/") && entry.first != kSourceRangesAnnotation;
  });
}

// A dataplane, and whether the kernel holds in it what the table said last. One that failed is tried again later and
// does not hold up the others.
struct Plane {
  std::unique_ptr<Dataplane> dataplane;
  bool known = false;
  std::chrono::milliseconds pause{0};
  std::chrono::steady_clock::time_point again{};
};

client::ListOptions one_node(const std::string& name) {
  client::ListOptions out;
  out.field_selector = "metadata.name=" + name;
  return out;
}

bool about_to_go(const api::Node& node) {
  auto doomed = [](const api::Taint& t) { return t.key == "ToBeDeletedByClusterAutoscaler"; };
  return !node.metadata.deletion_timestamp.empty() || std::any_of(node.spec.taints.begin(), node.spec.taints.end(), doomed);
}

class TableProxy final : public Proxy {
 public:
  TableProxy(Config config, client::Client client, const sys::Clock& clock, std::vector<std::unique_ptr<Dataplane>> dataplanes,
             std::vector<Network> node_ports_in, OwnNode own)
      : config_(std::move(config)),
        client_(client),
        clock_(clock),
        node_ports_in_(std::move(node_ports_in)),
        given_(std::move(own)),
        status_(clock),
        services_(client, "", ours()),
        slices_(client, "", ours()),
        nodes_(client, "", one_node(config_.node_name)),
        acknowledger_(client, clock, config_.node_name),
        place_{config_.node_name, config_.zone},
        health_ports_(status_) {
    builder_.set_own(given_);
    for (auto& dataplane : dataplanes) planes_.push_back({std::move(dataplane)});
    services_.trim_with(trim_annotations<api::Service>);
    slices_.trim_with(trim_annotations<api::EndpointSlice>);
    services_.on_change([this](const std::string& key, const auto&, const auto&) { mark(key); });
    slices_.on_change([this](const std::string& key, const auto& before, const auto& after) {
      move_slice(key, before, after);
    });
    nodes_.on_change([this](const std::string&, const auto&, const auto&) {
      changes_.lock()->node = true;
      wake_.notify_all();
    });
  }
  ~TableProxy() override { stop(); }

  void start() override {
    services_.start();
    slices_.start();
    nodes_.start();
    acknowledger_.start();
    thread_ = std::jthread([this] { run(); });
  }

  void stop() override {
    changes_.lock()->stopped = true;
    wake_.notify_all();
    services_.stop();
    slices_.stop();
    nodes_.stop();
    if (thread_.joinable()) thread_.join();
    acknowledger_.stop();
    if (status_server_) status_server_->stop();
    status_server_.reset();
    health_ports_.clear();
  }

  std::vector<Count> counts() override {
    std::vector<Count> out;
    for (auto& plane : planes_) {
      auto some = plane.dataplane->counts();
      out.insert(out.end(), some.begin(), some.end());
    }
    return out;
  }

 private:
  using SlicePtr = std::shared_ptr<const api::EndpointSlice>;
  struct Changes {
    std::set<std::string> dirty;  // services, by "namespace/name"
    std::map<std::string, std::map<std::string, SlicePtr>> slices;  // by service, then by slice
    uint64_t revision = 0;   // of the last change of a slice
    size_t slice_changes = 0;
    bool taken_out = false;  // some endpoint is to get no new connections
    bool node = false;       // its Node changed
    bool stopped = false;
  };

  static std::string service_of(const SlicePtr& slice) {
    if (!slice) return "";
    auto it = slice->metadata.labels.find(std::string(kServiceNameLabel));
    if (it == slice->metadata.labels.end() || it->second.empty()) return "";
    return client::object_key(slice->metadata.namespace_, it->second);
  }

  void mark(const std::string& service) {
    status_.queued();  // first: the proxy's thread may be done with it before the next line
    changes_.lock()->dirty.insert(service);
    wake_.notify_all();
  }

  void move_slice(const std::string& key, const SlicePtr& before, const SlicePtr& after) {
    auto was = service_of(before), now = service_of(after);
    {
      auto changes = changes_.lock();
      ++changes->slice_changes;
      changes->revision = std::max(changes->revision, revision_of(before.get(), after.get()));
      changes->taken_out = changes->taken_out || takes_out(before.get(), after.get());
      if (!was.empty()) {
        auto it = changes->slices.find(was);
        if (it != changes->slices.end() && it->second.erase(key) && it->second.empty()) changes->slices.erase(it);
        changes->dirty.insert(was);
      }
      if (!now.empty()) {
        changes->slices[now][key] = after;
        changes->dirty.insert(now);
      }
    }
    wake_.notify_all();
  }

  // What there is to do, taken from the informers' threads.
  struct Work {
    std::set<std::string> dirty;
    uint64_t revision = 0;
    size_t slice_changes = 0;
    bool taken_out = false;
    bool node = false;
  };

  // False: the end. Returns without work when a dataplane is to be tried again, or to look at the node's addresses.
  bool wait_for_work(Work& work, bool at_once) {
    auto changes = changes_.lock();
    auto ready = [&] { return changes->stopped || changes->node || !changes->dirty.empty(); };
    auto wait = kAddressesEvery;
    auto now = clock_.steady_now();
    for (const auto& plane : planes_)
      if (!plane.known) wait = std::min(wait, std::chrono::ceil<std::chrono::milliseconds>(plane.again - now));
    if (!at_once && wait.count() > 0) wake_.wait_for(changes.native(), wait, ready);
    if (changes->stopped) return false;
    work.dirty.swap(changes->dirty);
    work.revision = changes->revision;
    work.slice_changes += std::exchange(changes->slice_changes, 0);
    work.taken_out = std::exchange(changes->taken_out, false) || work.taken_out;
    work.node = std::exchange(changes->node, false);
    return true;
  }

  void run() {
    services_.wait_synced();
    slices_.wait_synced();
    serve();
    Work work;
    bool first = true;  // nothing is in the kernel yet
    size_t services = 0;  // changed, and not in the kernel yet: a pass that failed leaves them to the next
    for (bool at_once = true; wait_for_work(work, at_once); at_once = false) {
      auto begin = clock_.steady_now();
      if (work.node) look_at_node(work.dirty);
      services += work.dirty.size();
      for (const auto& service : work.dirty) plan(service);
      bool done = sync(work.dirty);
      work.dirty.clear();
      if (!done) continue;
      if (services > 0 || first) {
        status_.synced(std::chrono::duration<double>(clock_.steady_now() - begin).count(), services, work.slice_changes);
        work.slice_changes = 0;
        services = 0;
      }
      const auto& table = builder_.table();
      if (first) base::log_info("proxy", "{} service ports are in the kernel", table.routes.size() + table.node_ports.size());
      if (first || std::exchange(work.taken_out, false)) acknowledger_.applied(work.revision);
      first = false;
    }
  }

  // In this thread: it may be the one that is in the right network namespace.
  void serve() {
    if (config_.healthz_address.empty() && config_.metrics_address.empty()) return;
    auto server = serve_status(config_.healthz_address, config_.metrics_address,
                               [this](const net::Request& request, const std::shared_ptr<net::Responder>& responder) {
                                 auto of_kernel = request.path == "/metrics" ? counts() : std::vector<Count>();
                                 responder->send(status_answer(request, status_, of_kernel, config_.mode));
                               });
    if (server) status_server_ = std::move(*server);
    else base::log_warning("proxy", "nobody can ask for the proxy's health: {}", server.error().message);
  }

  // The zone of the node counts for every Service.
  void look_at_node(std::set<std::string>& dirty) {
    auto node = nodes_.get(config_.node_name);
    if (!node) return;  // not yet; what it said last stays true
    status_.set_eligible(!about_to_go(*node));
    builder_.set_own(own_node_of(given_, *node));
    auto label = node->metadata.labels.find("topology.kubernetes.io/zone");
    auto zone = label == node->metadata.labels.end() ? config_.zone : label->second;
    if (zone == place_.zone) return;
    place_.zone = zone;
    for (const auto& service : builder_.services()) dirty.insert(service);
  }

  void plan(const std::string& key) {
    auto service = services_.get(key);
    if (!service) {
      builder_.set(key, {});
      health_ports_.set(key, std::nullopt);
      return;
    }
    Slices slices;
    {
      auto changes = changes_.lock();
      if (auto it = changes->slices.find(key); it != changes->slices.end())
        for (const auto& [name, slice] : it->second) slices.push_back(slice);
    }
    builder_.set(key, plan_service(*service, slices, place_));
    health_ports_.set(key, plan_health(*service, slices, place_));
  }

  // Users hear of a Service that is not what they asked for, and when it is.
  void tell_failure(const std::set<std::string>& services, const Dataplane& dataplane, const std::string& error) {
    if (!events_) events_.emplace(client_, clock_, "kube-proxy", config_.node_name);
    for (const auto& key : services) {
      auto service = services_.get(key);
      if (!service || unprogrammed_.size() >= kEventsAtOnce || !unprogrammed_.insert(key).second) continue;
      events_->warning(client::ref_of(*service), "ServiceNotProgrammed",
                       fmt::format("node {}: {}: {}; what was before stays, and it is tried again", config_.node_name,
                                   dataplane.name(), error));
    }
  }
  void tell_success() {
    for (const auto& key : std::exchange(unprogrammed_, {}))
      if (auto service = services_.get(key))
        events_->normal(client::ref_of(*service), "ServiceProgrammed", fmt::format("node {} has it in the kernel", config_.node_name));
  }

  // Makes the kernel equal to the table, in which `services` have changed. True when it is, in every dataplane.
  bool sync(const std::set<std::string>& services) {
    if (auto addresses = node_addresses(node_ports_in_)) builder_.set_node_addresses(std::move(*addresses));
    else base::log_warning("proxy", "{}", addresses.error().message);
    auto change = builder_.take_change();
    bool all = true;
    for (auto& plane : planes_) {
      if (plane.known ? change.empty() : clock_.steady_now() < plane.again) {
        all = all && plane.known;
        continue;
      }
      bool was_known = plane.known;
      auto done = was_known ? plane.dataplane->apply(builder_.table(), change) : plane.dataplane->rebuild(builder_.table());
      plane.known = done.has_value();
      plane.pause = done ? std::chrono::milliseconds(0) : std::clamp(plane.pause * 2, kFirstRetry, kLastRetry);
      plane.again = clock_.steady_now() + plane.pause;
      if (done) continue;
      all = false;
      status_.failed();
      base::log_error("proxy", "{}: {}; it is tried again from nothing", plane.dataplane->name(), done.error().message);
      // At a start it is all of them, and the log and /healthz say so.
      if (was_known) tell_failure(services, *plane.dataplane, done.error().message);
    }
    if (all && !unprogrammed_.empty()) tell_success();
    return all;
  }

  const Config config_;
  const client::Client client_;
  const sys::Clock& clock_;
  std::vector<Network> node_ports_in_;
  const OwnNode given_;
  ProxyStatus status_;
  client::Informer<api::Service> services_;
  client::Informer<api::EndpointSlice> slices_;
  client::Informer<api::Node> nodes_;
  Acknowledger acknowledger_;
  base::Guarded<Changes> changes_;
  std::condition_variable wake_;
  // Only the proxy's thread:
  Place place_;
  TableBuilder builder_;
  std::vector<Plane> planes_;  // counts() looks at them too: never altered
  std::set<std::string> unprogrammed_;            // Services of which users heard that they are not in the kernel
  std::optional<client::EventRecorder> events_;  // made when there is something to say
  HealthPorts health_ports_;
  std::unique_ptr<net::Server> status_server_;
  std::jthread thread_;
};

}  // namespace

base::Result<std::unique_ptr<Proxy>> Proxy::make(Config config, client::Client client, const sys::Clock& clock) {
  TRY(auto layout, layout_of(config));
  TRY(auto dataplanes, make_dataplanes(config, clock));
  TRY(auto own, own_node_of(config));
  return std::make_unique<TableProxy>(std::move(config), std::move(client), clock, std::move(dataplanes),
                                      std::move(layout.node_ports_in), std::move(own));
}

base::Result<void> remove_rules(const Config& config) {
  if (!config.bpf_pins.empty()) CHECK_OK(bpf::remove_pins(config.bpf_pins));
  TRY(auto runner, nft::Runner::find());
  TRY(auto layout, layout_of(config));
  return runner.apply(nft::render_removal(layout));
}

}  // namespace proxy
