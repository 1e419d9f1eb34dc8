#include "proxy/proxy.hpp"

#include <fmt/format.h>

#include <condition_variable>
#include <thread>

#include "base/guarded.hpp"
#include "base/log.hpp"
#include "client/informer.hpp"
#include "proxy/acknowledge.hpp"
#include "proxy/bpf/kernel.hpp"
#include "proxy/dataplanes.hpp"
#include "proxy/nft/apply.hpp"
#include "proxy/nft/render.hpp"
#include "proxy/table.hpp"

namespace proxy {

namespace {

constexpr std::chrono::milliseconds kFirstRetry{200};
constexpr std::chrono::milliseconds kLastRetry{10'000};
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

// A dataplane, and whether the kernel holds in it what the table said last.
struct Plane {
  std::unique_ptr<Dataplane> dataplane;
  bool known = false;
};

class TableProxy final : public Proxy {
 public:
  TableProxy(Config config, client::Client client, const sys::Clock& clock, std::vector<std::unique_ptr<Dataplane>> dataplanes,
             std::vector<Network> node_ports_in)
      : place_{config.node_name, config.zone},
        node_ports_in_(std::move(node_ports_in)),
        services_(client, "", ours()),
        slices_(client, "", ours()),
        acknowledger_(client, clock, config.node_name) {
    for (auto& dataplane : dataplanes) planes_.push_back({std::move(dataplane)});
    services_.trim_with(trim_annotations<api::Service>);
    slices_.trim_with(trim_annotations<api::EndpointSlice>);
    services_.on_change([this](const std::string& key, const auto&, const auto&) { mark(key); });
    slices_.on_change([this](const std::string& key, const auto& before, const auto& after) {
      move_slice(key, before, after);
    });
  }
  ~TableProxy() override { stop(); }

  void start() override {
    services_.start();
    slices_.start();
    acknowledger_.start();
    thread_ = std::jthread([this] { run(); });
  }

  void stop() override {
    changes_.lock()->stopped = true;
    wake_.notify_all();
    services_.stop();
    slices_.stop();
    if (thread_.joinable()) thread_.join();
    acknowledger_.stop();
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
    bool taken_out = false;  // some endpoint is to get no new connections
    bool stopped = false;
  };

  static std::string service_of(const SlicePtr& slice) {
    if (!slice) return "";
    auto it = slice->metadata.labels.find(std::string(kServiceNameLabel));
    if (it == slice->metadata.labels.end() || it->second.empty()) return "";
    return client::object_key(slice->metadata.namespace_, it->second);
  }

  void mark(const std::string& service) {
    changes_.lock()->dirty.insert(service);
    wake_.notify_all();
  }

  void move_slice(const std::string& key, const SlicePtr& before, const SlicePtr& after) {
    auto was = service_of(before), now = service_of(after);
    {
      auto changes = changes_.lock();
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

  void run() {
    services_.wait_synced();
    slices_.wait_synced();
    std::set<std::string> dirty;
    std::chrono::milliseconds pause{0};
    bool first = true;
    bool taken_out = false;
    uint64_t revision = 0;
    while (true) {
      {
        auto changes = changes_.lock();
        auto ready = [&] { return changes->stopped || first || !changes->dirty.empty(); };
        if (pause.count() > 0)  // after a failure: news do not make it shorter, or a bad rule would spin
          wake_.wait_for(changes.native(), pause, [&] { return changes->stopped; });
        else
          wake_.wait(changes.native(), ready);
        if (changes->stopped) return;
        dirty.swap(changes->dirty);
        revision = changes->revision;
        taken_out = std::exchange(changes->taken_out, false) || taken_out;
      }
      for (const auto& service : dirty) builder_.set(service, plan(service));
      dirty.clear();
      if (sync()) {
        if (first) base::log_info("proxy", "{} service ports are in the kernel", builder_.table().routes.size() + builder_.table().node_ports.size());
        if (first || std::exchange(taken_out, false)) acknowledger_.applied(revision);
        first = false;
        pause = {};
      } else {
        pause = std::clamp(pause * 2, kFirstRetry, kLastRetry);
      }
    }
  }

  Planned plan(const std::string& key) {
    auto service = services_.get(key);
    if (!service) return {};
    Slices slices;
    {
      auto changes = changes_.lock();
      if (auto it = changes->slices.find(key); it != changes->slices.end())
        for (const auto& [name, slice] : it->second) slices.push_back(slice);
    }
    return plan_service(*service, slices, place_);
  }

  // Makes the kernel equal to the table. True when it is, in every dataplane.
  bool sync() {
    if (auto addresses = node_addresses(node_ports_in_)) builder_.set_node_addresses(std::move(*addresses));
    else base::log_warning("proxy", "{}", addresses.error().message);
    auto change = builder_.take_change();
    bool all = true;
    for (auto& plane : planes_) {
      if (plane.known && change.empty()) continue;
      auto done = plane.known ? plane.dataplane->apply(builder_.table(), change) : plane.dataplane->rebuild(builder_.table());
      plane.known = done.has_value();
      if (done) continue;
      all = false;
      base::log_error("proxy", "{}: {}; it is tried again from nothing", plane.dataplane->name(), done.error().message);
    }
    return all;
  }

  Place place_;
  std::vector<Network> node_ports_in_;
  client::Informer<api::Service> services_;
  client::Informer<api::EndpointSlice> slices_;
  Acknowledger acknowledger_;
  base::Guarded<Changes> changes_;
  std::condition_variable wake_;
  // Only the proxy's thread:
  TableBuilder builder_;
  std::vector<Plane> planes_;
  std::jthread thread_;
};

}  // namespace

base::Result<std::unique_ptr<Proxy>> Proxy::make(Config config, client::Client client, const sys::Clock& clock) {
  TRY(auto layout, layout_of(config));
  TRY(auto dataplanes, make_dataplanes(config, clock));
  return std::make_unique<TableProxy>(std::move(config), std::move(client), clock, std::move(dataplanes),
                                      std::move(layout.node_ports_in));
}

base::Result<void> remove_rules(const Config& config) {
  if (!config.bpf_pins.empty()) CHECK_OK(bpf::remove_pins(config.bpf_pins));
  TRY(auto runner, nft::Runner::find());
  TRY(auto layout, layout_of(config));
  return runner.apply(nft::render_removal(layout));
}

}  // namespace proxy
