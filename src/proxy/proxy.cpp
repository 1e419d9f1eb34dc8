#include "proxy/proxy.hpp"

#include <fmt/format.h>

#include <condition_variable>
#include <thread>

#include "base/guarded.hpp"
#include "base/log.hpp"
#include "client/informer.hpp"
#include "proxy/nft/apply.hpp"
#include "proxy/nft/conntrack.hpp"
#include "proxy/nft/render.hpp"
#include "proxy/table.hpp"

namespace proxy {

namespace {

constexpr std::chrono::milliseconds kFirstRetry{200};
constexpr std::chrono::milliseconds kLastRetry{10'000};

base::Result<nft::Layout> layout_of(const Config& config) {
  nft::Layout layout;
  layout.table = config.table;
  auto network = [](const std::string& text, std::string_view what) -> base::Result<Network> {
    if (auto parsed = parse_network(text)) return *parsed;
    return base::fail(base::Reason::invalid,
                      fmt::format("the {} network '{}' is no IPv4 network: write it like 10.96.0.0/16", what, text));
  };
  TRY(layout.networks.pods, network(config.pod_cidr, "pod"));
  TRY(layout.networks.services, network(config.service_cidr, "service"));
  return layout;
}

class NftProxy final : public Proxy {
 public:
  NftProxy(Config config, client::Client client, nft::Layout layout, nft::Runner runner)
      : place_{config.node_name, config.zone},
        layout_(std::move(layout)),
        runner_(std::move(runner)),
        services_(client),
        slices_(client) {
    services_.trim_with([](api::Service& s) { s.metadata.annotations.clear(); });
    slices_.trim_with([](api::EndpointSlice& s) { s.metadata.annotations.clear(); });
    services_.on_change([this](const std::string& key, const auto&, const auto&) { mark(key); });
    slices_.on_change([this](const std::string& key, const auto& before, const auto& after) {
      move_slice(key, before, after);
    });
  }
  ~NftProxy() override { stop(); }

  void start() override {
    services_.start();
    slices_.start();
    thread_ = std::jthread([this] { run(); });
  }

  void stop() override {
    changes_.lock()->stopped = true;
    wake_.notify_all();
    services_.stop();
    slices_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  using SlicePtr = std::shared_ptr<const api::EndpointSlice>;
  struct Changes {
    std::set<std::string> dirty;  // services, by "namespace/name"
    std::map<std::string, std::map<std::string, SlicePtr>> slices;  // by service, then by slice
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
      }
      for (const auto& service : dirty) builder_.set(service, plan(service));
      dirty.clear();
      if (sync()) {
        if (first) base::log_info("proxy", "{} service ports are in the kernel", in_kernel_.routes.size());
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

  // Makes the kernel equal to the table. True when it is.
  bool sync() {
    base::Result<void> done;
    if (known_) {
      done = runner_.apply(nft::render_change(layout_, in_kernel_, builder_.table()));
    } else {
      done = runner_.apply(nft::render_rebuild(layout_, builder_.table()));
      if (!done) {
        base::log_warning("proxy", "{}; replacing table {} as a whole", done.error().message, layout_.table);
        done = runner_.apply(nft::render_replace(layout_, builder_.table()));
      }
    }
    bool forget = !known_ || nft::lost_udp_endpoint(in_kernel_, builder_.table());
    known_ = done.has_value();
    if (!known_) {
      base::log_error("proxy", "{}; it is tried again from nothing", done.error().message);
      return false;
    }
    in_kernel_ = builder_.table();
    if (forget)
      if (auto gone = nft::forget_stale_udp(in_kernel_, layout_.networks); !gone)
        base::log_warning("proxy", "stale UDP flows stay: {}", gone.error().message);
    return true;
  }

  Place place_;
  nft::Layout layout_;
  nft::Runner runner_;
  client::Informer<api::Service> services_;
  client::Informer<api::EndpointSlice> slices_;
  base::Guarded<Changes> changes_;
  std::condition_variable wake_;
  // Only the proxy's thread:
  TableBuilder builder_;
  Table in_kernel_;
  bool known_ = false;  // in_kernel_ is what the kernel has
  std::jthread thread_;
};

}  // namespace

base::Result<std::unique_ptr<Proxy>> Proxy::make(Config config, client::Client client, const sys::Clock&) {
  TRY(auto layout, layout_of(config));
  TRY(auto runner, nft::Runner::find());
  return std::make_unique<NftProxy>(std::move(config), std::move(client), std::move(layout), std::move(runner));
}

base::Result<void> remove_rules(const Config& config) {
  TRY(auto runner, nft::Runner::find());
  return runner.apply(nft::render_removal({.table = config.table, .networks = {}}));
}

}  // namespace proxy
