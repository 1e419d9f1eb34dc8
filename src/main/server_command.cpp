#include "main/server_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>

#include "api/kinds.hpp"
#include "base/address.hpp"
#include "base/log_format.hpp"
#include "base/strings.hpp"
#include "client/client.hpp"
#include "client/informer.hpp"
#include "client/metrics.hpp"
#include "main/controllers.hpp"
#include "main/node_network.hpp"
#include "main/pki_files.hpp"
#include "net/server.hpp"
#include "node/agent.hpp"
#include "proxy/announce.hpp"
#include "proxy/proxy.hpp"
#include "scheduler/scheduler.hpp"
#include "server/server.hpp"
#include "store/store.hpp"
#include "sys/clock.hpp"
#include "sys/fd.hpp"
#include "sys/fs.hpp"
#include "sys/signals.hpp"

namespace main_ {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kGitVersion = "v1.36.0+sampan-" SAMPAN_VERSION;
constexpr auto kReadyLimit = 30s;
constexpr auto kDrainLimit = 5s;
constexpr int kTrimEveryMs = 10'000;

void report(int fd, std::string text) {
  if (fd < 0) return;
  text += "\n";
  for (size_t sent = 0; sent < text.size();) {
    ssize_t n = ::write(fd, text.data() + sent, text.size() - sent);
    if (n <= 0) break;
    sent += static_cast<size_t>(n);
  }
  ::close(fd);
}

// Keeps the pid file locked as long as the process lives.
base::Result<sys::Fd> lock_pid_file(const ClusterPaths& paths) {
  sys::Fd fd(::open(paths.pid_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return std::unexpected(base::errno_error("open " + paths.pid_file, errno));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    return base::fail(base::Reason::conflict, fmt::format("cluster \"{}\" is running already; stop it with: sampan down --name {}",
                                                          paths.name, paths.name));
  std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0 || ::write(fd.get(), pid.data(), pid.size()) < 0)
    return std::unexpected(base::errno_error("write " + paths.pid_file, errno));
  return fd;
}

// The name under which a part of this process owns fields of objects: what clients know from elsewhere.
std::string component_of(const std::string& user) {
  if (user.starts_with("system:node:")) return "kubelet";
  if (user.starts_with("system:serviceaccount:")) return "kube-controller-manager";
  return user.starts_with("system:") ? user.substr(std::string_view("system:").size()) : user;
}

base::Result<std::pair<int, int>> parse_port_range(const std::string& text) {
  size_t dash = text.find('-');
  auto first = base::parse_int(text.substr(0, dash));
  auto last = dash == std::string::npos ? std::nullopt : base::parse_int(text.substr(dash + 1));
  if (!first || !last || *first < 1 || *last > 65535 || *first > *last)
    return base::fail(base::Reason::bad_request, fmt::format("--service-node-port-range \"{}\": write it as FIRST-LAST, like 30000-32767", text));
  return std::pair<int, int>(*first, *last);
}

base::Result<server::AuditConfig> audit_config(const ServerOptions& options) {
  server::AuditConfig config;
  config.path = options.audit_log_path;
  config.max_size = static_cast<int64_t>(options.audit_log_maxsize) << 20;
  config.max_backups = options.audit_log_maxbackup;
  config.max_age_days = options.audit_log_maxage;
  if (options.audit_policy_file.empty()) return config;
  if (config.path.empty()) {
    return base::fail(base::Reason::bad_request, "--audit-policy-file without --audit-log-path: nothing would be written");
  }
  TRY(auto text, sys::read_file(options.audit_policy_file));
  auto policy = server::AuditPolicy::parse(text);
  if (!policy) return std::unexpected(std::move(policy).error().wrap(options.audit_policy_file));
  config.policy = std::move(*policy);
  return config;
}

// Everything that runs, in the order in which it starts; stopped in the reverse order.
class Cluster {
 public:
  explicit Cluster(const ServerOptions& options) : options_(options), paths_(options.name) {}
  base::Result<void> start();
  base::Result<void> wait_node_ready();
  void stop();

 private:
  void drain();
  base::Result<void> make_api(const std::string& address);
  client::Client client_as(const std::string& user, std::vector<std::string> groups) {
    client::Client client(client::make_in_process_transport(api_->handler(), user, std::move(groups)),
                          component_of(user) + "/" SAMPAN_VERSION);
    if (!informers_) {
      informers_ = std::make_shared<client::Sharing>(client::Client(
          client::make_in_process_transport(api_->handler(), "system:apiserver", {"system:masters"}),
          "informers/" SAMPAN_VERSION));
    }
    client.share(informers_);
    return client;
  }

  const ServerOptions& options_;
  ClusterPaths paths_;
  sys::SystemClock clock_;
  sys::Fd pid_lock_;
  std::string second_address_;  // the node's of IPv6, "" when it has none
  std::string service_cidr_;
  std::vector<base::Cidr> services_;
  std::pair<int, int> node_ports_;
  api::Registry registry_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<server::ApiServer> api_;
  std::shared_ptr<client::Sharing> informers_;  // of all components
  std::unique_ptr<net::Server> http_;
  std::vector<std::unique_ptr<controllers::Controller>> controllers_;
  std::atomic<bool> controllers_started_{false};
  std::unique_ptr<scheduler::Scheduler> scheduler_;
  std::unique_ptr<node::Agent> agent_;
  std::unique_ptr<proxy::Proxy> proxy_;
  std::unique_ptr<proxy::Announcer> announcer_;
};

base::Result<void> Cluster::make_api(const std::string& address) {
  TRY(registry_, api::load_builtin_kinds());
  TRY(store_, store::open_sqlite(paths_.state_dir + "/store.db", {.parse = server::make_entry_parser(registry_),
                                       .window_events = static_cast<size_t>(options_.watch_history_revisions),
                                       .window_age = std::chrono::minutes(options_.watch_history_minutes)}));
  server::Config config;
  config.service_cidr = service_cidr_;
  config.node_port_first = node_ports_.first;
  config.node_port_last = node_ports_.second;
  config.advertise_address = address;
  config.advertise_port = options_.port;
  config.git_version = kGitVersion;
  config.limits = {.reading = options_.max_requests_inflight,
                   .mutating = options_.max_mutating_requests_inflight,
                   .timeout = std::chrono::seconds(options_.request_timeout_seconds)};
  TRY(config.audit, audit_config(options_));
  auto nodes = [this](const std::string& node, net::Request request, std::shared_ptr<net::Responder> responder) {
    if (agent_ && node == paths_.netns_name) return agent_->handler()(std::move(request), std::move(responder));
    net::Response response{.status = 502, .headers = {{"Content-Type", "text/plain"}}, .body = {}};
    response.body.push_back(net::make_chunk("node " + node + " is not reachable from this API server"));
    responder->send(std::move(response));
  };
  TRY(api_, server::ApiServer::make(config, registry_, *store_, clock_, nodes));
  api_->metrics().add_source([](std::string& page) { client::append_metrics(page); });

  api_->health().add({.name = "poststarthook/start-controllers",
                      .check = [this]() -> base::Result<void> {
                        if (controllers_started_) return {};
                        return base::fail(base::Reason::service_unavailable, "the controllers have not started");
                      },
                      .live = false});

  auto kubernetes = services_.front().first;
  ++kubernetes.number;
  std::vector<std::string> addresses = {"127.0.0.1", address, kubernetes.text()};
  if (!second_address_.empty()) addresses.push_back(second_address_);
  TRY(auto pki, open_pki(paths_.state_dir + "/pki", addresses,
                         {"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                          "kubernetes.default.svc.cluster.local", paths_.netns_name},
                         clock_));
  TRY(http_, net::make_server({.certificate_pem = pki.server.certificate_pem,
                               .key_pem = pki.server.key_pem,
                               .client_ca_pem = pki.ca_pem,
                               .max_connections_per_client = options_.max_connections_per_client},
                              api_->handler()));
  TRY(int fd, net::listen_tcp("0.0.0.0", options_.port));
  http_->add_listener(fd);
  if (!second_address_.empty()) {
    auto fd6 = net::listen_tcp(second_address_, options_.port);
    if (fd6) http_->add_listener(*fd6);
    else base::log_warning("server", "the API is served by IPv4 only: {}", fd6.error().message);
  }
  if (options_.listen_fd >= 0) http_->add_listener(options_.listen_fd);
  return {};
}

base::Result<void> Cluster::start() {
  CHECK_OK(sys::make_dirs(paths_.state_dir, 0700));
  CHECK_OK(sys::make_dirs(paths_.run_dir, 0755));
  TRY(pid_lock_, lock_pid_file(paths_));
  TRY(std::string address, node_address(options_.address));
  second_address_ = second_node_address();
  service_cidr_ = usable_ranges(options_.service_cidr);
  TRY(services_, base::parse_cidrs(service_cidr_));
  for (const auto& cidr : services_) CHECK_OK(route_service_cidr(cidr.text()));
  TRY(node_ports_, parse_port_range(options_.node_port_range));
  auto wanted = options_.load_balancer_addresses;
  if (wanted.empty()) wanted = default_balancer_addresses(address, second_address_);
  const bool balances = wanted != "none";
  auto balancer_pool = base::parse_spans(balances ? wanted : "");
  if (!balancer_pool) return std::unexpected(std::move(balancer_pool).error().wrap("--load-balancer-addresses"));
  CHECK_OK(make_api(address));

  auto as = [this](const std::string& user) { return client_as(user, {"system:serviceaccounts", "system:authenticated"}); };
  // default/kubernetes leads to an address of its own family, where the node has one.
  const std::string& api_address = services_.front().first.v6 && !second_address_.empty() ? second_address_ : address;
  controllers_ = make_controllers(as, clock_, api_address, options_.port,
                                  std::chrono::minutes(options_.event_ttl_minutes),
                                  balances ? std::optional(*balancer_pool) : std::nullopt, node_ports_);
  for (auto& controller : controllers_) controller->start();
  controllers_started_ = true;
  scheduler_ = scheduler::Scheduler::make(client_as("system:kube-scheduler", {"system:authenticated"}), clock_);
  scheduler_->start();

  proxy::Config proxy_config{.node_name = paths_.netns_name, .pod_cidr = options_.cluster_cidr,
                             .service_cidr = service_cidr_};
  proxy_config.mode = options_.proxy_mode;
  proxy_config.bpf_pins = paths_.bpf_pins;
  proxy_config.pod_namespaces = {paths_.run_dir + "/netns"};
  std::string pod_cidr = options_.pod_cidr;
  if (pod_cidr.empty()) {
    TRY(pod_cidr, first_node_part(options_.cluster_cidr));
  }
  proxy_config.node_pod_cidr = pod_cidr;
  TRY(proxy_, proxy::Proxy::make(proxy_config, client_as("system:kube-proxy", {"system:node-proxier"}), clock_));
  proxy_->start();
  announcer_ = proxy::Announcer::make({.pool = *balancer_pool}, client_as("system:kube-proxy", {"system:node-proxier"}));
  announcer_->start();

  node::Config config = node_config(paths_);
  config.address = address;
  config.second_address = second_address_;
  config.pod_cidr = pod_cidr;
  config.drain_timeout = std::chrono::milliseconds(std::lround(options_.drain_timeout_seconds * 1000));
  TRY(agent_, node::Agent::make(config, client_as("system:node:" + paths_.netns_name, {"system:nodes"}), clock_));
  agent_->start();
  // Last: a request for logs or exec may ask for the agent at once. Everybody above needs no socket.
  http_->start();
  return {};
}

base::Result<void> Cluster::wait_node_ready() {
  auto client = client_as("system:kube-scheduler", {"system:authenticated"});
  auto end = clock_.steady_now() + kReadyLimit;
  std::string last = "the node agent has not registered its node";
  while (clock_.steady_now() < end) {
    if (auto node = client.get<api::Node>("", paths_.netns_name)) {
      for (auto& condition : node->status.conditions) {
        if (condition.type != "Ready") continue;
        if (condition.status == "True") return {};
        last = condition.message;
      }
    }
    std::this_thread::sleep_for(1ms);
  }
  return base::fail(base::Reason::timeout, "the node did not become Ready: " + last);
}

// Load balancers see that it is no longer ready, new clients are turned away, and what is under way is answered.
void Cluster::drain() {
  if (!api_ || !http_) return;
  api_->health().begin_shutdown();
  if (options_.shutdown_delay_seconds > 0) std::this_thread::sleep_for(std::chrono::seconds(options_.shutdown_delay_seconds));
  http_->stop_accepting();
  auto end = clock_.steady_now() + kDrainLimit;
  auto& metrics = api_->metrics();
  while (metrics.reading.load() + metrics.mutating.load() > 0 && clock_.steady_now() < end) std::this_thread::sleep_for(1ms);
}

void Cluster::stop() {
  drain();
  if (http_) http_->stop();
  if (agent_) agent_->stop();
  if (announcer_) announcer_->stop();
  if (proxy_) proxy_->stop();
  if (scheduler_) scheduler_->stop();
  for (auto& controller : controllers_) controller->stop();
  // Some of their threads write events until they are gone: to a server that is there.
  agent_.reset();
  announcer_.reset();
  proxy_.reset();
  scheduler_.reset();
  controllers_.clear();
  // What still waits in the store is decided by the server, and told to it.
  if (store_) store_->close();
  api_.reset();
}

// Gives memory back that a burst of work has left behind: the allocator alone keeps it.
class Trimmer {
 public:
  void look() {
    auto before = resident_pages();
    lowest_ = std::min(lowest_, before);
    if (before <= lowest_ + lowest_ / 4 || --patience_ > 0) return;
    ::malloc_trim(0);
    // What is in use cannot be given back: then more and more seldom.
    bool helped = resident_pages() < before - before / 20;
    pause_ = helped ? 1 : std::min(2 * pause_, kLongestPause);
    patience_ = pause_;
  }

 private:
  static int64_t resident_pages() {
    auto text = sys::read_file("/proc/self/statm");
    size_t blank = text ? text->find(' ') : std::string::npos;
    return blank == std::string::npos ? 0 : std::atoll(text->c_str() + blank);
  }
  static constexpr int kLongestPause = 6;
  int64_t lowest_ = resident_pages();
  int pause_ = 1;
  int patience_ = 1;
};

}  // namespace

int run_server(const ServerOptions& options) {
  // Dozens of threads, of which few work at a time: few arenas. Large pieces are the kernel's again when they are freed.
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 256 << 10);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 20);
  base::set_log_format(options.log_format == "json" ? base::LogFormat::json : base::LogFormat::text);
  auto stop = sys::open_stop_signals();

  Cluster cluster(options);
  auto started = cluster.start();
  if (started) started = cluster.wait_node_ready();
  if (!started) {
    report(options.ready_fd, "error: " + started.error().message);
    fmt::print(stderr, "error: {}\n", started.error().message);
    cluster.stop();
    return 1;
  }
  report(options.ready_fd, "ready");
  base::log_info("server", "cluster {} is ready", options.name);

  signalfd_siginfo info{};
  Trimmer trimmer;
  while (true) {
    pollfd waiting{stop.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kTrimEveryMs) > 0 && ::read(stop.get(), &info, sizeof info) > 0) break;
    trimmer.look();
  }
  base::log_info("server", "stopping on {}; pods and Services go on", ::strsignal(static_cast<int>(info.ssi_signo)));
  cluster.stop();
  return 0;
}

}  // namespace main_
