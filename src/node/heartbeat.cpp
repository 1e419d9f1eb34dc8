#include "node/heartbeat.hpp"

#include "base/log.hpp"
#include "node/node_status.hpp"

namespace node {
namespace {

using namespace std::chrono_literals;

constexpr auto kLeasePeriod = 10s;
constexpr auto kStatusPeriod = 300s;
constexpr auto kRetry = 1s;
constexpr const char* kLeaseNamespace = "kube-node-lease";

}  // namespace

void Heartbeat::start() {
  thread_ = std::thread([this] { run_beats(); });
}

void Heartbeat::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Heartbeat::nudge() {
  {
    std::lock_guard lock(mutex_);
    nudged_ = true;
  }
  changed_.notify_all();
}

void Heartbeat::run_beats() {
  std::chrono::steady_clock::time_point next_status{};
  std::string reported;
  for (;;) {
    base::Result<void> done;
    if (clock_.steady_now() >= next_status) {
      done = write_node();
      if (done) next_status = clock_.steady_now() + kStatusPeriod;
    }
    if (done) done = renew_lease();
    if (!done && done.error().message != reported) {
      reported = done.error().message;
      base::log_warning("node", "cannot report this node, trying again: {}", reported);
    }
    if (done) reported.clear();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, done ? std::chrono::nanoseconds(kLeasePeriod) : std::chrono::nanoseconds(kRetry),
                      [&] { return stopping_ || nudged_; });
    if (stopping_) return;
    if (nudged_) next_status = {};
    nudged_ = false;
  }
}

base::Result<void> Heartbeat::write_node() {
  NodeInputs inputs;
  inputs.facts = facts_;
  inputs.pressure = read_pressure(config_.state_dir);
  inputs.runtime_version = runtime_.name() + "://" + runtime_.version();
  inputs.ready_message = "the node is ready: " + runtime_.explanation();
  inputs.images = images_.list().value_or(std::vector<StoredImage>());
  inputs.now = clock_.now();
  auto old = client_.get<api::Node>("", config_.name);
  if (!old && old.error().reason != base::Reason::not_found)
    return std::unexpected(std::move(old).error().wrap("read node " + config_.name));
  if (!old) {
    auto created = client_.create(make_node(config_, inputs, nullptr));
    if (!created) return std::unexpected(std::move(created).error().wrap("register node " + config_.name));
    old = std::move(created);
  }
  const api::Node wanted = make_node(config_, inputs, &*old);
  const base::Value value = api::to_value(wanted);
  const auto resource = client::resource_of<api::Node>();
  if (wanted.metadata.labels != old->metadata.labels || wanted.spec.pod_cidr != old->spec.pod_cidr) {
    const base::Object patch{{"metadata", base::Object{{"labels", value.at({"metadata", "labels"})}}},
                             {"spec", base::Object{{"podCIDR", wanted.spec.pod_cidr},
                                                   {"podCIDRs", value.at({"spec", "podCIDRs"})}}}};
    CHECK_OK(client_.patch(resource, config_.name, client::PatchType::merge, patch));
  }
  auto patched = client_.patch(resource, config_.name, client::PatchType::merge,
                               base::Object{{"status", value["status"]}}, "status");
  if (!patched)
    return std::unexpected(std::move(patched).error().wrap("write the status of node " + config_.name));
  return {};
}

base::Result<void> Heartbeat::renew_lease() {
  const std::string now = base::format_micro_time(clock_.now());
  auto old = client_.get<api::Lease>(kLeaseNamespace, config_.name);
  if (old) {
    old->spec.holder_identity = config_.name;
    old->spec.lease_duration_seconds = 40;
    old->spec.renew_time = now;
    auto updated = client_.update(*old);
    if (!updated && updated.error().reason != base::Reason::conflict)
      return std::unexpected(std::move(updated).error().wrap("renew the lease"));
    return {};
  }
  if (old.error().reason != base::Reason::not_found)
    return std::unexpected(std::move(old).error().wrap("read the lease"));
  api::Lease lease;
  lease.metadata.name = config_.name;
  lease.metadata.namespace_ = kLeaseNamespace;
  lease.spec.holder_identity = config_.name;
  lease.spec.lease_duration_seconds = 40;
  lease.spec.renew_time = now;
  if (auto node = client_.get<api::Node>("", config_.name)) {
    api::OwnerReference owner;
    owner.api_version = "v1";
    owner.kind = "Node";
    owner.name = config_.name;
    owner.uid = node->metadata.uid;
    lease.metadata.owner_references = {owner};
  }
  auto created = client_.create(lease);
  if (!created)
    return std::unexpected(std::move(created).error().wrap("make the lease of node " + config_.name));
  return {};
}

}  // namespace node
