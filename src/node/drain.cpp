#include "node/drain.hpp"

#include <algorithm>
#include <vector>

#include "base/log.hpp"

namespace node {
namespace {

client::ListOptions labelled(const char* selector) {
  client::ListOptions options;
  options.label_selector = selector;
  return options;
}

}  // namespace

Drain::Drain(client::Client client, const sys::Clock& clock, std::string node,
             std::function<void(const std::string& key)> wake)
    : clock_(clock),
      wake_(std::move(wake)),
      slices_(client, "", labelled("endpointslice.kubernetes.io/managed-by=endpointslice-controller.k8s.io")),
      leases_(client, "kube-node-lease", labelled("sampan.dev/component=proxy")) {
  // Other nodes' endpoints are the most part of it, and none of our business.
  slices_.trim_with([node = std::move(node)](api::EndpointSlice& slice) {
    std::erase_if(slice.endpoints,
                  [&](const auto& e) { return !e.node_name.empty() && e.node_name != node; });
    slice.metadata.annotations.clear();
    slice.ports.clear();
  });
  slices_.on_change([this](const std::string& key, const auto& before, const auto& after) {
    state_.lock()->plan.on_slice(key, before.get(), after.get());
    wake_who_may_go();
  });
  leases_.on_change([this](const std::string& key, const auto&, const auto& after) {
    state_.lock()->plan.on_lease(key, after.get());
    wake_who_may_go();
  });
}

void Drain::start() {
  leases_.start();
  slices_.start();
}

void Drain::stop() {
  leases_.stop();
  slices_.stop();
}

bool Drain::must_wait(const std::string& uid, const std::string& key, std::string& why) {
  auto state = state_.lock();
  const auto now = clock_.now();
  if (state->plan.waits(uid, now) == DrainPlan::Wait::none) {
    state->waiting.erase(uid);
    return false;
  }
  why = state->plan.reason(uid, now);
  state->waiting[uid] = key;
  return true;
}

bool Drain::is_busy(const std::string& uid, const std::string& netns) {
  std::shared_ptr<Ending> ending;
  {
    auto state = state_.lock();
    if (!state->plan.was_in_use(uid, clock_.now())) return false;
    ending = state->endings[uid];
  }
  if (!ending) {
    auto sockets = sys::TcpSockets::open(netns);
    if (!sockets) {
      base::log_warning("node", "connections of a pod that ends: {}", sockets.error().message);
      return false;
    }
    ending = std::make_shared<Ending>(Ending{std::move(*sockets), {}});
    state_.lock()->endings[uid] = ending;
  }
  auto sockets = ending->sockets.list();
  if (!sockets) {
    base::log_warning("node", "connections of a pod that ends: {}", sockets.error().message);
    return false;
  }
  return !ending->plan.look(*sockets, clock_.steady_now());
}

void Drain::forget(const std::string& uid) {
  auto state = state_.lock();
  state->endings.erase(uid);
  state->waiting.erase(uid);
  state->plan.forget(uid);
}

void Drain::wake_who_may_go() {
  std::vector<std::string> free;
  {
    auto state = state_.lock();
    const auto now = clock_.now();
    for (const auto& [uid, key] : state->waiting) {
      if (state->plan.waits(uid, now) == DrainPlan::Wait::none) free.push_back(key);
    }
  }
  for (const auto& key : free) wake_(key);
}

}  // namespace node
