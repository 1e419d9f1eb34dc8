#include <algorithm>
#include <map>
#include <utility>

#include "api/meta.hpp"
#include "base/log.hpp"
#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/kind_names.hpp"
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
        worker_("namespace", clock, [this] { prepare(); }, [this](const std::string& key) { return reconcile(key); }),
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
  void prepare() {
    auto registry = load_kind_names();
    if (!registry) {
      base::log_error("namespace", "the kinds cannot be read, so no namespace can be emptied: {}",
                      registry.error().message);
      return;
    }
    for (const auto& kind : registry->all()) {
      // Events last: what is deleted may still say something about itself.
      if (!kind->namespaced || !has_verb(*kind, "list") || !has_verb(*kind, "delete")) continue;
      kinds_.insert(kind->kind == "Event" ? kinds_.end() : kinds_.begin(), kind);
    }
    namespaces_.wait_synced();
  }

  base::Result<void> reconcile(const std::string& name) {
    auto space = namespaces_.get(name);
    if (!space || space->metadata.deletion_timestamp.empty()) {
      looks_.erase(name);
      return {};
    }
    // Without the kinds nothing is known to be empty.
    if (kinds_.empty()) return base::fail(base::Reason::internal_error, "no kinds are known");
    if (std::ranges::find(space->spec.finalizers, kFinalizer) == space->spec.finalizers.end()) return {};
    if (space->status.phase != "Terminating") CHECK_OK(write_status(*space, space->status.conditions));
    TRY(NamespaceContent content, empty(name));
    auto conditions = plan_namespace_conditions(space->status.conditions, content, clock_.now());
    if (content.empty()) return finalize(*space);
    if (!same_conditions(conditions, space->status.conditions)) CHECK_OK(write_status(*space, conditions));
    auto wait = std::min(kFirstLook * (1 << std::min(looks_[name]++, 10)), kLastLook);
    worker_.queue().add_after(name, wait);
    return {};
  }

  // Deletes everything, and says what is still there after that.
  base::Result<NamespaceContent> empty(const std::string& name) {
    NamespaceContent content;
    for (const auto& kind : kinds_) {
      client::Resource resource{kind->group, kind->version, kind->plural, name};
      TRY(auto before, client_.list(resource));
      if (before["items"].as_array().empty()) continue;
      if (auto deleted = remove_all(*kind, resource, before); !deleted) {
        content.failures.push_back(kind->plural + ": " + deleted.error().message);
      }
      TRY(auto after, client_.list(resource));
      for (const auto& object : after["items"].as_array()) {
        ++content.remaining[kind->plural + "." + kind->group];
        for (const auto& finalizer : api::finalizers_of(object)) ++content.finalizers[finalizer];
      }
    }
    return content;
  }

  base::Result<void> remove_all(const api::Kind& kind, const client::Resource& resource, const base::Value& list) {
    client::DeleteOptions options;
    options.propagation_policy = "Background";
    // What is on its way out already waits for somebody else.
    bool all_going = std::ranges::all_of(list["items"].as_array(), api::is_being_deleted);
    if (all_going) return {};
    if (has_verb(kind, "deletecollection")) {
      auto gone = client_.remove_collection(resource, options);
      if (gone) return {};
      if (gone.error().reason != base::Reason::method_not_allowed) return std::unexpected(std::move(gone).error());
    }
    for (const auto& object : list["items"].as_array()) {
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
  std::vector<api::KindPtr> kinds_;   // of the worker's thread
  std::map<std::string, int> looks_;  // of the worker's thread: how often a namespace was not empty yet
  Worker worker_;
  client::Informer<api::Namespace> namespaces_;
};

}  // namespace

std::unique_ptr<Controller> make_namespace_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<NamespaceLoop>(std::move(client), clock);
}

}  // namespace controllers
