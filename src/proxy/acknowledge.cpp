#include "proxy/acknowledge.hpp"

#include <map>

#include "base/log.hpp"
#include "base/strings.hpp"

namespace proxy {
namespace {

using namespace std::chrono_literals;

constexpr auto kRenewEvery = 10s;
constexpr auto kRetry = 1s;
constexpr int64_t kLeaseSeconds = 40;

// By the pod, or by the address where no pod is named: whether it is given connections.
std::map<std::string, bool> in_use(const api::EndpointSlice* slice) {
  std::map<std::string, bool> out;
  if (slice == nullptr) return out;
  for (const auto& endpoint : slice->endpoints) {
    const bool ready = !endpoint.conditions || endpoint.conditions->ready.value_or(true);
    const bool ends = endpoint.conditions && endpoint.conditions->terminating.value_or(false);
    const bool named = endpoint.target_ref && !endpoint.target_ref->uid.empty();
    if (!named && endpoint.addresses.empty()) continue;
    out[named ? endpoint.target_ref->uid : endpoint.addresses[0]] = ready && !ends;
  }
  return out;
}

uint64_t number(const std::string& revision) {
  return static_cast<uint64_t>(std::max<int64_t>(base::parse_int(revision).value_or(0), 0));
}

}  // namespace

bool takes_out(const api::EndpointSlice* before, const api::EndpointSlice* after) {
  const auto now = in_use(after);
  for (const auto& [name, used] : in_use(before)) {
    if (!used) continue;
    const auto still = now.find(name);
    if (still == now.end() || !still->second) return true;
  }
  return false;
}

uint64_t revision_of(const api::EndpointSlice* before, const api::EndpointSlice* after) {
  const auto* last = after != nullptr ? after : before;
  return last == nullptr ? 0 : number(last->metadata.resource_version);
}

Acknowledger::Acknowledger(client::Client client, const sys::Clock& clock, std::string node_name)
    : client_(std::move(client)), clock_(clock), node_(std::move(node_name)) {}

void Acknowledger::start() {
  thread_ = std::thread([this] { run(); });
}

void Acknowledger::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Acknowledger::applied(uint64_t revision) {
  {
    std::lock_guard lock(mutex_);
    if (said_ && revision <= applied_) return;
    said_ = true;
    applied_ = revision;
  }
  changed_.notify_all();
}

void Acknowledger::run() {
  std::optional<uint64_t> written;
  std::string reported;
  auto pause = std::chrono::steady_clock::duration(kRenewEvery);
  std::unique_lock lock(mutex_);
  for (;;) {
    // After a failure news do not make the pause shorter: the API server may be down.
    changed_.wait_for(lock, pause, [&] {
      return stopping_ ||
             (pause == std::chrono::steady_clock::duration(kRenewEvery) && said_ && written != applied_);
    });
    if (stopping_) return;
    if (!said_) continue;
    const uint64_t revision = applied_;
    lock.unlock();
    auto done = write(revision);
    if (done) {
      written = revision;
      pause = kRenewEvery;
      reported.clear();
    } else {
      pause = kRetry;
      if (done.error().message != reported)
        base::log_warning("proxy", "pods are not told that they were taken out: {}", done.error().message);
      reported = done.error().message;
    }
    lock.lock();
  }
}

base::Result<void> Acknowledger::write(uint64_t revision) {
  const std::string name = "sampan-proxy-" + node_;
  const base::Object spec{{"holderIdentity", name},
                          {"leaseDurationSeconds", kLeaseSeconds},
                          {"renewTime", base::format_micro_time(clock_.now())}};
  base::Object metadata{{"annotations", base::Object{{kAppliedAnnotation, std::to_string(revision)}}},
                        {"labels", base::Object{{kComponentLabel, "proxy"}}}};
  const auto leases = client::resource_of<api::Lease>(kLeaseNamespace);
  auto patched = client_.patch(leases, name, client::PatchType::merge,
                               base::Object{{"metadata", metadata}, {"spec", spec}});
  if (patched) return {};
  if (patched.error().reason != base::Reason::not_found)
    return std::unexpected(std::move(patched).error().wrap("write the lease " + name));
  metadata.set("name", name);
  metadata.set("namespace", kLeaseNamespace);
  if (auto node = client_.get<api::Node>("", node_)) {  // it goes when the node goes
    metadata.set("ownerReferences",
                 base::Array{base::Object{
                     {"apiVersion", "v1"}, {"kind", "Node"}, {"name", node_}, {"uid", node->metadata.uid}}});
  }
  auto created = client_.create(leases, base::Object{{"apiVersion", "coordination.k8s.io/v1"},
                                                     {"kind", "Lease"},
                                                     {"metadata", std::move(metadata)},
                                                     {"spec", spec}});
  if (!created) return std::unexpected(std::move(created).error().wrap("make the lease " + name));
  return {};
}

}  // namespace proxy
