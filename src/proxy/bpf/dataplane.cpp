#include "proxy/bpf/dataplane.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <optional>
#include <thread>

#include "base/guarded.hpp"
#include "base/log.hpp"
#include "proxy/bpf/contents.hpp"
#include "proxy/bpf/cut.hpp"
#include "sys/fd.hpp"
#include "sys/namespaces.hpp"

namespace proxy::bpf {

namespace {

constexpr std::chrono::milliseconds kLookAgain{500};
// A socket may have been on its way to the endpoint at the first time. Who then still holds one does so on purpose.
constexpr int kCuts = 3;

std::pair<ip_address, ip_address> address_and_mask(const Network& network) {
  Address mask;
  const int bits = network.bits + (network.address.is_v4() ? 96 : 0);
  for (int i = 0; i < bits; ++i) mask.bytes[static_cast<size_t>(i) / 8] |= static_cast<uint8_t>(0x80 >> (i % 8));
  return {to_kernel(network.address), to_kernel(mask)};
}

class BpfDataplane final : public Dataplane {
 public:
  BpfDataplane(std::unique_ptr<Kernel> kernel, const sys::Clock& clock) : clock_(clock) {
    state_.lock()->kernel = std::move(kernel);
  }
  ~BpfDataplane() override {
    watch_.reset();
    state_.lock()->stopped = true;
    wake_.notify_all();
    if (cutter_.joinable()) cutter_.join();
  }

  base::Result<void> start(const Place& place) {
    std::vector<std::pair<ip_address, ip_address>> networks;
    for (const auto& network : place.services) networks.push_back(address_and_mask(network));
    TRY(node_cookie_, namespace_cookie(place.node_namespace));
    node_.reset(place.node_namespace < 0 ? ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
                                         : ::fcntl(place.node_namespace, F_DUPFD_CLOEXEC, 0));
    if (!node_) return std::unexpected(base::errno_error("open the node's network namespace", errno));
    std::vector<uint64_t> old;
    {
      auto state = state_.lock();
      CHECK_OK(state->kernel->set_networks(networks));
      sockets_map_.reset(::fcntl(state->kernel->map("sockets"), F_DUPFD_CLOEXEC, 0));
      udp_flows_map_.reset(::fcntl(state->kernel->map("udp_flows"), F_DUPFD_CLOEXEC, 0));
      old = state->kernel->read_namespaces();
      CHECK_OK(state->kernel->set_namespace(node_cookie_, NAMESPACE_NODE));
    }
    auto changed = [this](const std::string& path, uint64_t cookie, bool there) {
      change_namespace(path, cookie, there);
    };
    TRY(watch_, NamespaceWatch::start(place.pods, changed));
    {
      auto state = state_.lock();
      for (auto cookie : old)
        if (cookie != node_cookie_ && !state->namespaces.contains(cookie)) state->kernel->erase_namespace(cookie);
    }
    cutter_ = std::jthread([this] { cut_lost(); });
    return {};
  }

  std::string_view name() const override { return "bpf"; }

  base::Result<void> rebuild(const Table& table) override {
    auto state = state_.lock();
    state->contents.reset();
    TRY(auto services, state->kernel->read_services());
    state->contents.emplace(state->kernel->sizes(), state->kernel->memory(), services);
    CHECK_OK(write(*state, [&](Contents& contents) { return contents.prepare(table, now()); }));
    CHECK_OK(write_node_addresses(*state, table));
    state->local_pods = table.own.pods;
    if (!state->attached) CHECK_OK(state->kernel->attach());
    state->attached = true;
    return {};
  }

  base::Result<void> apply(const Table& table, const Change& change) override {
    auto state = state_.lock();
    if (!state->contents)
      return base::fail(base::Reason::internal_error, "the socket programs' maps are not known: rebuild first");
    CHECK_OK(write(*state, [&](Contents& contents) { return contents.prepare(change, now()); }));
    if (change.node_addresses) CHECK_OK(write_node_addresses(*state, table));
    if (change.own) state->local_pods = table.own.pods;
    return {};
  }

  std::vector<Count> counts() override {
    auto state = state_.lock();
    return state->contents ? state->contents->counts() : std::vector<Count>();
  }

 private:
  struct State {
    std::unique_ptr<Kernel> kernel;
    std::optional<Contents> contents;  // none: what the kernel holds is not known
    std::map<uint64_t, std::string> namespaces;  // of pods, by cookie: their files
    std::vector<Lost> lost;                      // endpoints whose sockets wait for their end
    std::vector<Network> local_pods;             // an address in these without a route is nobody's
    bool attached = false;
    bool stopped = false;
  };

  std::chrono::nanoseconds now() const { return clock_.steady_now().time_since_epoch(); }

  template <class Prepare>
  base::Result<void> write(State& state, Prepare prepare) {
    auto& contents = *state.contents;
    auto update = prepare(contents);
    while (!update && update.error().reason == base::Reason::request_entity_too_large) {
      if (auto grown = state.kernel->grow(contents.larger()); !grown)
        return std::unexpected(std::move(grown).error().wrap(update.error().message));
      contents.move_to(state.kernel->sizes(), state.kernel->memory());
      update = prepare(contents);
    }
    if (!update) return std::unexpected(std::move(update).error());
    auto written = state.kernel->set_services(update->keys, update->entries);
    if (written) written = state.kernel->erase_services(update->erased);
    if (!written) {
      state.contents.reset();  // half of it may be there: the next rebuild looks
      return written;
    }
    contents.finish(now());
    if (auto lost = contents.take_lost(); !lost.empty()) {
      state.lost.insert(state.lost.end(), lost.begin(), lost.end());
      wake_.notify_all();
    }
    return {};
  }

  // On its own thread: nobody who changes a Service waits for the namespaces of all pods to be looked through.
  void cut_lost() {
    while (true) {
      std::vector<Lost> lost;
      std::vector<std::string> pods;
      std::vector<Network> local;
      {
        auto state = state_.lock();
        wake_.wait(state.native(), [&] { return state->stopped || !state->lost.empty(); });
        if (state->stopped) return;
        std::erase_if(state->lost, [&](const Lost& l) {
          return l.cuts == kCuts || (state->contents && !state->contents->is_lost(l));
        });
        lost = state->lost;
        local = state->local_pods;
        for (const auto& [cookie, path] : state->namespaces) pods.push_back(path);
      }
      std::erase_if(lost, [&](const Lost& l) { return !is_dead(l, local); });
      if (!lost.empty()) {
        cut_inside(node_.get(), lost);
        for (const auto& path : pods)
          if (auto fd = sys::open_netns(path)) cut_inside(fd->get(), lost);
      }
      auto state = state_.lock();
      for (auto& l : state->lost)
        l.cuts += std::any_of(lost.begin(), lost.end(), [&](const Lost& cut) { return cut.serial == l.serial; });
      if (wake_.wait_for(state.native(), kLookAgain, [&] { return state->stopped; })) return;
    }
  }

  // Datagrams to an endpoint that serves no more are lost. A stream goes on to its end, but to a pod that is no more.
  bool is_dead(const Lost& lost, const std::vector<Network>& local) const {
    if (lost.protocol == Protocol::udp) return true;
    if (!contains(local, lost.address)) return false;
    bool routed = true;
    (void)sys::inside_netns(node_.get(), [&]() -> base::Result<void> {
      routed = has_host_route(lost.address);
      return {};
    });
    return !routed;
  }

  void cut_inside(int network_namespace, const std::vector<Lost>& lost) {
    auto done = sys::inside_netns(network_namespace, [&]() -> base::Result<void> {
      for (auto protocol : {Protocol::udp, Protocol::tcp}) {
        auto of_this = [&](const Lost& l) { return l.protocol == protocol; };
        if (std::none_of(lost.begin(), lost.end(), of_this)) continue;
        SocketMaps maps{sockets_map_.get(), udp_flows_map_.get()};
        TRY(int count, cut_sockets(maps, protocol, [&](uint32_t endpoint, uint32_t serial) {
              return std::any_of(lost.begin(), lost.end(),
                                 [&](const Lost& l) { return l.endpoint == endpoint && l.serial == serial; });
            }));
        if (count > 0) base::log_info("proxy", "{} {} sockets to endpoints that are gone were ended", count,
                                      protocol_name(protocol));
      }
      return {};
    });
    if (!done) base::log_warning("proxy", "sockets to endpoints that are gone stay: {}", done.error().message);
  }

  static base::Result<void> write_node_addresses(State& state, const Table& table) {
    std::vector<ip_address> addresses;
    for (const auto& address : table.node_addresses)
      if (!address.is_loopback()) addresses.push_back(to_kernel(address));
    return state.kernel->set_node_addresses(addresses);
  }

  void change_namespace(const std::string& path, uint64_t cookie, bool there) {
    if (cookie == node_cookie_) return;
    auto state = state_.lock();
    if (!there) {
      state->namespaces.erase(cookie);
      state->kernel->erase_namespace(cookie);
      return;
    }
    state->namespaces[cookie] = path;
    if (auto done = state->kernel->set_namespace(cookie, NAMESPACE_POD); !done)
      base::log_warning("proxy", "{}: {}; its connections to Services take the packet rules' way", path,
                        done.error().message);
  }

  const sys::Clock& clock_;
  uint64_t node_cookie_ = 0;
  sys::Fd node_;
  sys::Fd sockets_map_, udp_flows_map_;  // the same one for all generations of the maps
  base::Guarded<State> state_;
  std::condition_variable wake_;
  std::jthread cutter_;
  std::unique_ptr<NamespaceWatch> watch_;
};

}  // namespace

base::Result<std::unique_ptr<Dataplane>> make_dataplane(const Place& place, const sys::Clock& clock) {
  TRY(auto kernel, Kernel::open(place.kernel));
  auto out = std::make_unique<BpfDataplane>(std::move(kernel), clock);
  CHECK_OK(out->start(place));
  return out;
}

}  // namespace proxy::bpf
