#include "proxy/bpf/dataplane.hpp"

#include <optional>

#include "base/guarded.hpp"
#include "base/log.hpp"
#include "proxy/bpf/contents.hpp"

namespace proxy::bpf {

namespace {

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
  ~BpfDataplane() override { watch_.reset(); }

  base::Result<void> start(const Place& place) {
    std::vector<std::pair<ip_address, ip_address>> networks;
    for (const auto& network : place.services) networks.push_back(address_and_mask(network));
    TRY(node_cookie_, namespace_cookie(place.node_namespace));
    std::vector<uint64_t> old;
    {
      auto state = state_.lock();
      CHECK_OK(state->kernel->set_networks(networks));
      old = state->kernel->read_namespaces();
      CHECK_OK(state->kernel->set_namespace(node_cookie_, NAMESPACE_NODE));
    }
    auto changed = [this](const std::string& path, uint64_t cookie, bool there) {
      change_namespace(path, cookie, there);
    };
    TRY(watch_, NamespaceWatch::start(place.pods, changed));
    auto state = state_.lock();
    for (auto cookie : old)
      if (cookie != node_cookie_ && !state->namespaces.contains(cookie)) state->kernel->erase_namespace(cookie);
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
    std::set<uint64_t> namespaces;     // of pods
    bool attached = false;
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
    return {};
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
    state->namespaces.insert(cookie);
    if (auto done = state->kernel->set_namespace(cookie, NAMESPACE_POD); !done)
      base::log_warning("proxy", "{}: {}; its connections to Services take the packet rules' way", path,
                        done.error().message);
  }

  const sys::Clock& clock_;
  uint64_t node_cookie_ = 0;
  base::Guarded<State> state_;
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
