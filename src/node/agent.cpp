#include "node/agent.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "base/log.hpp"
#include "base/strings.hpp"
#include "node/heartbeat.hpp"
#include "node/node_status.hpp"
#include "node/pod_sync.hpp"
#include "node/sandbox.hpp"
#include "node/streams.hpp"
#include "node/watcher.hpp"
#include "sys/fs.hpp"
#include "sys/namespaces.hpp"

namespace node {
namespace {

client::ListOptions pods_of(const std::string& node) {
  client::ListOptions options;
  options.field_selector = "spec.nodeName=" + node;
  return options;
}

class LocalAgent final : public Agent {
 public:
  LocalAgent(Config config, client::Client client, const sys::Clock& clock, std::unique_ptr<Runtime> runtime,
             std::unique_ptr<Ipam> ipam)
      : config_(std::move(config)),
        client_(std::move(client)),
        clock_(clock),
        runtime_(std::move(runtime)),
        ipam_(std::move(ipam)),
        facts_(read_machine_facts()),
        images_(config_.image_dir),
        records_(config_.state_dir + "/pods"),
        queue_(clock),
        pods_(client_, "", pods_of(config_.name)),
        services_(client_),
        events_(client_, clock, "kubelet", config_.name),
        heartbeat_(config_, client_, clock, *runtime_, images_, facts_),
        streams_(records_, *runtime_, clock, config_.run_dir),
        drain_(client_, clock, config_.name, [this](const std::string& key) { queue_.add(key); }),
        probes_(begin_probes_with(*runtime_, config_.run_dir), clock, events_,
                [this](const std::string& key) { queue_.add(key); }),
        sync_({.config = config_,
               .client = client_,
               .clock = clock_,
               .runtime = *runtime_,
               .images = images_,
               .ipam = *ipam_,
               .records = records_,
               .events = events_,
               .pods = pods_,
               .services = services_,
               .queue = queue_,
               .probes = probes_,
               .drain = drain_,
               .facts = facts_,
               .allocatable = node_capacity(config_, facts_, read_pressure(config_.state_dir))}) {}
  ~LocalAgent() override { stop(); }

  base::Result<void> prepare() {
    CHECK_OK(records_.load());
    CHECK_OK(watcher_.add(runtime_->exit_dir(), [this](const std::string& id) {
      if (const auto key = records_.key_of_container(id); !key.empty()) queue_.add(key);
    }));
    CHECK_OK(watcher_.add(config_.image_dir, [this](const std::string& name) {
      if (name != "index.json") return;
      heartbeat_.nudge();
      for (const auto& key : records_.waiting_for_image()) queue_.add(key);
    }));
    return {};
  }

  void start() override {
    pods_.on_change([this](const std::string& key, const auto& before, const auto& after) {
      // Our own status writes come back as events; they change nothing that needs a look.
      if (before && after && before->metadata.uid == after->metadata.uid && before->spec == after->spec &&
          before->metadata.deletion_timestamp == after->metadata.deletion_timestamp &&
          before->metadata.deletion_grace_period_seconds == after->metadata.deletion_grace_period_seconds &&
          before->metadata.labels == after->metadata.labels &&
          before->metadata.annotations == after->metadata.annotations &&
          (after->spec.readiness_gates.empty() || before->status.conditions == after->status.conditions)) {
        return;
      }
      queue_.add(key);
    });
    heartbeat_.start();
    services_.start();
    drain_.start();
    if (auto watching = watcher_.start([this] { look_at_all(); }); !watching) {
      base::log_error("node", "{}", watching.error().message);
    }
    if (auto probing = probes_.start(); !probing) base::log_error("node", "{}", probing.error().message);
    pods_.start();
    for (int i = 0; i < config_.sync_workers; ++i) {
      workers_.emplace_back([this] { run_worker(); });
    }
    started_ = true;
  }

  void stop() override {
    if (!started_) return;
    started_ = false;
    queue_.shut_down();
    pods_.stop();
    services_.stop();
    for (auto& worker : workers_) worker.join();
    workers_.clear();
    probes_.stop();
    drain_.stop();
    watcher_.stop();
    heartbeat_.stop();
  }

  net::Handler handler() override {
    return [this](net::Request request, std::shared_ptr<net::Responder> responder) {
      streams_.handle(std::move(request), std::move(responder));
    };
  }

 private:
  void look_at_all() {
    for (const auto& key : records_.keys()) queue_.add(key);
  }

  void run_worker() {
    // What is not in the list is gone from the API: so nothing is decided before the list is there.
    pods_.wait_synced();
    if (!looked_.exchange(true)) look_at_all();
    while (auto key = queue_.get()) {
      auto done = sync_.sync(*key);
      if (done) {
        queue_.forget(*key);
      } else {
        base::log_warning("node", "pod {}: {}", *key, done.error().message);
        queue_.retry(*key);
      }
      queue_.done(*key);
    }
  }

  const Config config_;
  client::Client client_;
  const sys::Clock& clock_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Ipam> ipam_;
  const MachineFacts facts_;
  ImageStore images_;
  Records records_;
  client::WorkQueue queue_;
  client::Informer<api::Pod> pods_;
  client::Informer<api::Service> services_;
  client::EventRecorder events_;
  Heartbeat heartbeat_;
  Streams streams_;
  Drain drain_;
  Probes probes_;
  PodSync sync_;
  FolderWatcher watcher_;
  std::vector<std::thread> workers_;
  std::atomic<bool> looked_{false};
  bool started_ = false;
};

base::Result<void> prepare_folders(const Config& config) {
  CHECK_OK(sys::make_dirs(config.state_dir, 0700));
  CHECK_OK(sys::make_dirs(config.image_dir, 0700));
  CHECK_OK(sys::make_dirs(config.run_dir, 0700));
  CHECK_OK(sys::make_dirs(config.log_dir, 0755));
  CHECK_OK(sys::make_dirs(config.run_dir + "/volumes", 0700));
  CHECK_OK(sys::share_folder(config.run_dir + "/netns"));
  return sys::share_folder(config.run_dir + "/volumes");
}

// A kernel without IPv6: the node goes on with the other family.
void keep_possible_families(Config& config) {
  auto cidrs = base::split(config.pod_cidr, ',');
  const auto is_v6 = [](const std::string& cidr) { return cidr.find(':') != std::string::npos; };
  if (has_ipv6() || std::ranges::all_of(cidrs, is_v6)) return;
  if (std::erase_if(cidrs, is_v6) == 0) return;
  config.pod_cidr = base::join(cidrs, ",");
  base::log_warning("node", "IPv6 is switched off here (net.ipv6.conf.all.disable_ipv6): pods get {} only", config.pod_cidr);
}

}  // namespace

base::Result<std::unique_ptr<Agent>> Agent::make(Config config, client::Client client,
                                                 const sys::Clock& clock) {
  if (::geteuid() != 0) {
    return base::fail(base::Reason::forbidden, "the node agent makes namespaces and mounts: run it as root");
  }
  CHECK_OK(prepare_folders(config));
  keep_possible_families(config);
  if (!sys::in_initial_netns() || config.forward_on_host) {
    if (auto done = enable_forwarding(); !done) {
      base::log_warning("node", "pods will not reach one another: {}", done.error().message);
    }
  }
  TRY(auto runtime, Runtime::find(config));
  TRY(auto ipam, Ipam::open(config.pod_cidr, config.state_dir + "/addresses.json", clock));
  auto agent = std::make_unique<LocalAgent>(std::move(config), std::move(client), clock, std::move(runtime),
                                            std::move(ipam));
  CHECK_OK(agent->prepare());
  return agent;
}

}  // namespace node
