#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "api/meta.hpp"
#include "base/strings.hpp"
#include "client/discovery.hpp"
#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/namespace/plan.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

using std::chrono::milliseconds;

constexpr const char* kFinalizer = "kubernetes";
constexpr milliseconds kFirstLook{50};
constexpr milliseconds kLastLook{2'000};

// Keys are names of namespaces.
class NamespaceLoop final : public Controller {
 public:
  NamespaceLoop(client::Client client, const sys::Clock& clock)
      : client_(client),
        clock_(clock),
        worker_("namespace", clock, [this] { namespaces_.wait_synced(); }, [this](const std::string& key) { return reconcile(key); }),
        namespaces_(client) {
    namespaces_.on_change([this](const std::string& key, const auto&, const auto& after) {
      if (!after || !after->metadata.deletion_timestamp.empty()) worker_.queue().add(key);
    });
  }
  ~NamespaceLoop() override { stop(); }

  std::string_view name() const override { return "namespace"; }
  void start() override {
    namespaces_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    namespaces_.stop();
    worker_.stop();
  }

 private:
  base::Result<void> reconcile(const std::string& name) {
    auto space = namespaces_.get(name);
    if (!space || space->metadata.deletion_timestamp.empty()) {
      looks_.erase(name);
      return {};
    }
    if (std::ranges::find(space->spec.finalizers, kFinalizer) == space->spec.finalizers.end()) return {};
    if (space->status.phase != "Terminating") CHECK_OK(write_status(*space, space->status.conditions));
    NamespaceContent content = empty(name);
    auto conditions = plan_namespace_conditions(space->status.conditions, content, clock_.now());
    if (content.empty()) return finalize(*space);
    if (!same_conditions(conditions, space->status.conditions)) CHECK_OK(write_status(*space, conditions));
    auto wait = std::min(kFirstLook * (1 << std::min(looks_[name]++, 10)), kLastLook);
    worker_.queue().add_after(name, wait);
    return {};
  }

  // Deletes everything, step by step, and says what is still there after that.
  NamespaceContent empty(const std::string& name) {
    NamespaceContent content;
    // Asked each time: a kind may have come since.
    auto discovery = client::discover(client_);
    if (!discovery) {
      content.discovery_failure = discovery.error().message;
      return content;
    }
    if (!discovery->failures.empty()) {
      content.discovery_failure = fmt::format("Discovery failed for some groups, {} failing: {}",
                                              discovery->failures.size(), base::join(discovery->failures, ", "));
    }
    for (const auto& step : plan_deletion_steps(discovery->kinds)) {
      for (const auto& kind : step) {
        if (auto done = empty_kind(kind, name, content); !done) {
          content.failures.push_back(kind.plural + ": " + done.error().message);
        }
      }
      if (!content.remaining.empty() || !content.failures.empty()) break;
    }
    return content;
  }

  base::Result<void> empty_kind(const client::ResourceKind& kind, const std::string& name, NamespaceContent& content) {
    client::Resource resource{kind.group, kind.version, kind.plural, name};
    TRY(auto before, list(resource));
    if (before.empty()) return {};
    CHECK_OK(remove_all(kind, resource, before));
    TRY(auto after, list(resource));
    if (!after.empty()) content.remaining[kind.plural + "." + kind.group] = static_cast<int64_t>(after.size());
    for (const auto& object : after) {
      for (const auto& finalizer : api::finalizers_of(object)) ++content.finalizers[finalizer];
    }
    return {};
  }

  base::Result<base::Array> list(const client::Resource& resource) {
    client::ListOptions options;
    options.metadata_only = true;
    auto found = client_.list(resource, options);
    if (!found) {
      // A kind that went away meanwhile took its objects along.
      if (found.error().reason == base::Reason::not_found) return base::Array();
      return std::unexpected(std::move(found).error());
    }
    return (*found)["items"].as_array();
  }

  base::Result<void> remove_all(const client::ResourceKind& kind, const client::Resource& resource,
                                const base::Array& objects) {
    client::DeleteOptions options;
    options.propagation_policy = "Background";
    // What is on its way out already waits for somebody else.
    if (std::ranges::all_of(objects, api::is_being_deleted)) return {};
    if (kind.has_verb("deletecollection")) {
      auto gone = client_.remove_collection(resource, options);
      if (gone) return {};
      bool unknown = gone.error().reason == base::Reason::method_not_allowed || gone.error().reason == base::Reason::not_found;
      if (!unknown) return std::unexpected(std::move(gone).error());
    }
    for (const auto& object : objects) {
      if (api::is_being_deleted(object)) continue;
      auto gone = client_.remove(resource, api::name_of(object), options);
      if (!gone && gone.error().reason != base::Reason::not_found) return std::unexpected(std::move(gone).error());
    }
    return {};
  }

  base::Result<void> finalize(const api::Namespace& space) {
    base::Value next = api::to_value(space);
    base::Array finalizers;
    for (const auto& finalizer : space.spec.finalizers) {
      if (finalizer != kFinalizer) finalizers.emplace_back(finalizer);
    }
    next.make({"spec", "finalizers"}) = std::move(finalizers);
    auto done = client_.update(client::resource_of<api::Namespace>(), next, "finalize");
    if (!done && done.error().reason != base::Reason::not_found) return std::unexpected(std::move(done).error());
    looks_.erase(space.metadata.name);
    return {};
  }

  base::Result<void> write_status(const api::Namespace& space, std::vector<api::NamespaceCondition> conditions) {
    api::Namespace next = space;
    next.status.phase = "Terminating";
    next.status.conditions = std::move(conditions);
    auto written = client_.update(next, "status");
    if (!written && written.error().reason != base::Reason::not_found) {
      return std::unexpected(std::move(written).error());
    }
    return {};
  }

  client::Client client_;
  const sys::Clock& clock_;
  std::map<std::string, int> looks_;  // of the worker's thread: how often a namespace was not empty yet
  Worker worker_;
  client::Informer<api::Namespace> namespaces_;
};

}  // namespace

std::unique_ptr<Controller> make_namespace_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<NamespaceLoop>(std::move(client), clock);
}

}  // namespace controllers
