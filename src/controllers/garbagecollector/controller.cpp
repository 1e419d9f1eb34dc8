#include <algorithm>
#include <map>
#include <utility>

#include "api/meta.hpp"
#include "base/guarded.hpp"
#include "base/log.hpp"
#include "client/informer.hpp"
#include "client/retry.hpp"
#include "controllers/controllers.hpp"
#include "controllers/garbagecollector/plan.hpp"
#include "controllers/kind_names.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

// Follows every kind that can own or be owned; keys are UIDs. Nothing is deleted on the word of the graph alone: the
// object and each owner that the graph does not know are read from the API first.
class GarbageCollector final : public Controller {
 public:
  GarbageCollector(client::Client client, const sys::Clock& clock)
      : client_(client),
        worker_("garbagecollector", clock, [this] { wait_synced(); },
                [this](const std::string& uid) { return reconcile(uid); }) {}
  ~GarbageCollector() override { stop(); }

  std::string_view name() const override { return "garbagecollector"; }

  void start() override {
    auto registry = load_kind_names();
    if (!registry) {
      base::log_error("garbagecollector", "the kinds cannot be read, so nothing is collected: {}",
                      registry.error().message);
      return;
    }
    kinds_ = std::move(*registry);
    for (const auto& kind : kinds_.all()) {
      if (kind->kind == "Event") continue;
      if (has_verb(*kind, "list") && has_verb(*kind, "watch") && has_verb(*kind, "delete")) follow(kind);
    }
    for (auto& reflector : reflectors_) reflector->start();
    worker_.start();
  }

  void stop() override {
    worker_.queue().shut_down();
    for (auto& reflector : reflectors_) reflector->stop();
    {
      auto unsynced = unsynced_.lock();
      unsynced->clear();
    }
    synced_.notify_all();
    worker_.stop();
  }

 private:
  void follow(const api::KindPtr& kind) {
    std::string version = kind->api_version();
    unsynced_.lock()->insert(version + "/" + kind->kind);
    client::Reflector::Callbacks callbacks{
        .replace = [this, version, name = kind->kind](const base::Value& list) { replace(version, name, list); },
        .event = [this, version, name = kind->kind](const std::string& type, const base::Value& object) {
          changed(version, name, type, object);
        }};
    reflectors_.push_back(std::make_unique<client::Reflector>(
        client_, client::Resource{kind->group, kind->version, kind->plural, ""}, client::ListOptions{},
        std::move(callbacks)));
  }

  void wait_synced() {
    auto unsynced = unsynced_.lock();
    synced_.wait(unsynced.native(), [&] { return unsynced->empty(); });
  }

  void enqueue(const std::set<std::string>& uids) {
    for (const auto& uid : uids) worker_.queue().add(uid);
  }

  void replace(const std::string& version, const std::string& kind, const base::Value& list) {
    std::set<std::string> again;
    {
      auto graph = graph_.lock();
      auto before = graph->uids_of(version, kind);
      for (const auto& object : list["items"].as_array()) {
        before.erase(std::string(api::uid_of(object)));
        again.merge(graph->put(node_of(version, kind, object)));
      }
      for (const auto& uid : before) again.merge(graph->remove(uid));
    }
    enqueue(again);
    {
      auto unsynced = unsynced_.lock();
      unsynced->erase(version + "/" + kind);
    }
    synced_.notify_all();
  }

  void changed(const std::string& version, const std::string& kind, const std::string& type,
               const base::Value& object) {
    std::set<std::string> again;
    {
      auto graph = graph_.lock();
      if (type == "DELETED") again = graph->remove(std::string(api::uid_of(object)));
      else again = graph->put(node_of(version, kind, object));
    }
    enqueue(again);
  }

  base::Result<void> reconcile(const std::string& uid) {
    GraphNode node;
    bool has_dependents = false;
    std::vector<std::string> blocking;
    {
      auto graph = graph_.lock();
      const auto* known = graph->find(uid);
      if (!known) return {};
      node = *known;
      has_dependents = !graph->dependents_of(uid).empty();
      for (const auto* dependent : blocking_dependents(*graph, uid)) blocking.push_back(dependent->uid);
    }
    if (node.deleting && node.orphan) return orphan_dependents(node);
    if (node.deleting && node.foreground) {
      if (blocking.empty()) return drop_finalizer(node, kForegroundFinalizer);
      for (const auto& dependent : blocking) worker_.queue().add(dependent);
      return {};
    }
    if (node.deleting || node.owners.empty()) return {};
    return collect(node.uid, node, has_dependents);
  }

  base::Result<void> collect(const std::string& uid, const GraphNode& known, bool has_dependents) {
    TRY(auto live, read(known.api_version, known.kind, known.namespace_, known.name));
    if (!live || api::uid_of(*live) != uid) return {};  // gone: the watch will say so
    GraphNode node = node_of(known.api_version, known.kind, *live);
    std::vector<OwnerState> states;
    for (const auto& owner : node.owners) {
      TRY(OwnerState state, state_of(owner, node.namespace_));
      states.push_back(state);
    }
    Collect plan = plan_collect(node, states, has_dependents);
    switch (plan.action) {
      case Collect::Action::keep: return {};
      case Collect::Action::drop_owners: return drop_owners(node, plan.drop, *live);
      case Collect::Action::remove: break;
    }
    client::DeleteOptions options = client::only_uid(node.uid);
    options.propagation_policy = plan.propagation;
    auto gone = client_.remove(resource_of(node), node.name, options);
    if (gone || gone.error().reason == base::Reason::not_found || gone.error().reason == base::Reason::conflict) {
      return {};
    }
    return std::unexpected(std::move(gone).error());
  }

  base::Result<OwnerState> state_of(const Owner& owner, const std::string& namespace_) {
    {
      auto graph = graph_.lock();
      const auto* known = graph->find(owner.uid);
      bool reachable = known && (known->namespace_.empty() || known->namespace_ == namespace_);
      if (reachable && known->kind == owner.kind) {
        bool waits = known->deleting && known->foreground && owner.blocks;
        return waits ? OwnerState::waiting : OwnerState::solid;
      }
    }
    TRY(auto live, read(owner.api_version, owner.kind, namespace_, owner.name));
    if (!live || api::uid_of(*live) != owner.uid) return OwnerState::absent;
    GraphNode node = node_of(owner.api_version, owner.kind, *live);
    return node.deleting && node.foreground && owner.blocks ? OwnerState::waiting : OwnerState::solid;
  }

  // The object, or nothing when there is none of that name. A kind that nobody knows is an error: what it owns stays.
  base::Result<std::optional<base::Value>> read(const std::string& api_version, const std::string& kind_name,
                                                const std::string& namespace_, const std::string& name) {
    auto kind = kinds_.find_kind(api_version, kind_name);
    if (!kind) {
      return base::fail(base::Reason::not_found,
                        "no kind " + kind_name + " in " + api_version + " is known: its dependents are kept");
    }
    client::Resource resource{kind->group, kind->version, kind->plural, kind->namespaced ? namespace_ : ""};
    auto object = client_.get(resource, name);
    if (object) return std::optional<base::Value>(std::move(*object));
    if (object.error().reason == base::Reason::not_found) return std::optional<base::Value>();
    return std::unexpected(std::move(object).error());
  }

  client::Resource resource_of(const GraphNode& node) const {
    auto kind = kinds_.find_kind(node.api_version, node.kind);
    return {kind->group, kind->version, kind->plural, node.namespace_};
  }

  base::Result<void> patch(const GraphNode& node, base::Value change) {
    auto done = client_.patch(resource_of(node), node.name, client::PatchType::merge, change);
    if (done || done.error().reason == base::Reason::not_found) return {};
    return std::unexpected(std::move(done).error());
  }

  base::Result<void> drop_owners(const GraphNode& node, const std::vector<std::string>& uids,
                                 const base::Value& live) {
    base::Array kept;
    for (const auto& reference : live.at({"metadata", "ownerReferences"}).as_array()) {
      if (std::ranges::find(uids, reference["uid"].as_string()) == uids.end()) kept.push_back(reference);
    }
    base::Value change;
    change.make({"metadata", "uid"}) = node.uid;
    change.make({"metadata", "resourceVersion"}) = api::resource_version_of(live);
    change.make({"metadata", "ownerReferences"}) = std::move(kept);
    return patch(node, std::move(change));
  }

  base::Result<void> orphan_dependents(const GraphNode& owner) {
    std::vector<GraphNode> dependents;
    {
      auto graph = graph_.lock();
      for (const auto* node : graph->dependents_of(owner.uid)) dependents.push_back(*node);
    }
    for (const auto& dependent : dependents) {
      CHECK_OK(client::retry_on_conflict([&]() -> base::Result<void> {
        TRY(auto live, read(dependent.api_version, dependent.kind, dependent.namespace_, dependent.name));
        if (!live || api::uid_of(*live) != dependent.uid) return {};
        return drop_owners(dependent, {owner.uid}, *live);
      }));
    }
    return drop_finalizer(owner, kOrphanFinalizer);
  }

  base::Result<void> drop_finalizer(const GraphNode& node, std::string_view finalizer) {
    return client::retry_on_conflict([&]() -> base::Result<void> {
      TRY(auto live, read(node.api_version, node.kind, node.namespace_, node.name));
      if (!live || api::uid_of(*live) != node.uid) return {};
      base::Array kept;
      for (auto& other : api::finalizers_of(*live)) {
        if (other != finalizer) kept.emplace_back(std::move(other));
      }
      base::Value change;
      change.make({"metadata", "uid"}) = node.uid;
      change.make({"metadata", "resourceVersion"}) = api::resource_version_of(*live);
      change.make({"metadata", "finalizers"}) = std::move(kept);
      return patch(node, std::move(change));
    });
  }

  client::Client client_;
  api::Registry kinds_;  // set once, before the threads start
  base::Guarded<OwnerGraph> graph_;
  base::Guarded<std::set<std::string>> unsynced_;
  std::condition_variable synced_;
  Worker worker_;
  std::vector<std::unique_ptr<client::Reflector>> reflectors_;
};

}  // namespace

std::unique_ptr<Controller> make_garbage_collector(client::Client client, const sys::Clock& clock) {
  return std::make_unique<GarbageCollector>(std::move(client), clock);
}

}  // namespace controllers
