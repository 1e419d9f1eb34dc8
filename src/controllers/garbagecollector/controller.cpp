#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "api/meta.hpp"
#include "base/guarded.hpp"
#include "base/log.hpp"
#include "client/events.hpp"
#include "client/metadata_watcher.hpp"
#include "client/retry.hpp"
#include "controllers/controllers.hpp"
#include "controllers/garbagecollector/plan.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

// How soon a deletion that needs the whole graph is looked at again while the graph is not whole.
constexpr std::chrono::milliseconds kGraphPause{50};
constexpr size_t kMaxAbsent = 1'000;

// Follows every kind that can own or be owned, custom ones included; keys are UIDs. Nothing is deleted on the word of
// the graph alone: the object and each owner that the graph does not know are read from the API first.
class GarbageCollector final : public Controller {
 public:
  GarbageCollector(client::Client client, const sys::Clock& clock)
      : client_(client),
        events_(client, clock, "garbage-collector-controller"),
        worker_("garbagecollector", clock, {}, [this](const std::string& uid) { return reconcile(uid); }),
        watcher_(client, clock, collectable, callbacks()) {}
  ~GarbageCollector() override { stop(); }

  std::string_view name() const override { return "garbagecollector"; }
  void start() override {
    watcher_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    watcher_.stop();
    worker_.stop();
  }

 private:
  static bool collectable(const client::ResourceKind& kind) {
    // The legacy group shows objects that other groups have.
    return kind.kind != "Event" && kind.group != "extensions" && kind.has_verb("list") && kind.has_verb("watch") && kind.has_verb("delete");
  }

  client::MetadataWatcher::Callbacks callbacks() {
    return {.listed = [this](const client::ResourceKind& kind, const base::Array& objects, bool first,
                             bool last) { listed(kind, objects, first, last); },
            .event = [this](const client::ResourceKind& kind, const std::string& type,
                            const base::Value& object) { changed(kind, type, object); },
            .dropped = [this](const client::ResourceKind& kind) { dropped(kind); }};
  }

  void enqueue(const std::set<std::string>& uids) {
    for (const auto& uid : uids) worker_.queue().add(uid);
  }

  // --- On the watcher's thread.

  void listed(const client::ResourceKind& kind, const base::Array& objects, bool first, bool last) {
    std::set<std::string> again;
    {
      auto graph = graph_.lock();
      if (first) {
        unseen_ = graph->uids_of(kind.group, kind.kind);
        unseen_.merge(graph->owners_named(kind.group, kind.kind));
      }
      for (const auto& object : objects) {
        unseen_.erase(std::string(api::uid_of(object)));
        again.merge(graph->put(node_of(kind.api_version(), kind.kind, object)));
      }
      if (last) {
        for (const auto& uid : std::exchange(unseen_, {})) again.merge(graph->remove(uid));
      }
    }
    enqueue(again);
  }

  void changed(const client::ResourceKind& kind, const std::string& type, const base::Value& object) {
    std::set<std::string> again;
    {
      auto graph = graph_.lock();
      if (type == "DELETED") again = graph->remove(std::string(api::uid_of(object)));
      else again = graph->put(node_of(kind.api_version(), kind.kind, object));
    }
    enqueue(again);
  }

  void dropped(const client::ResourceKind& kind) {
    std::set<std::string> again;
    {
      auto graph = graph_.lock();
      for (const auto& uid : graph->uids_of(kind.group, kind.kind)) again.merge(graph->remove(uid));
    }
    enqueue(again);
  }

  // --- On the worker's thread.

  base::Result<void> reconcile(const std::string& uid) {
    GraphNode node;
    std::vector<std::string> blocking;
    {
      auto graph = graph_.lock();
      const auto* known = graph->find(uid);
      if (!known) return {};
      node = *known;
      for (const auto* dependent : blocking_dependents(*graph, uid)) blocking.push_back(dependent->uid);
    }
    if (node.deleting && (node.orphan || node.foreground)) {
      // A kind that is not listed yet may hold dependents.
      if (!watcher_.synced()) {
        worker_.queue().add_after(uid, kGraphPause);
        return {};
      }
      if (node.orphan) return orphan_dependents(node);
      if (blocking.empty()) return drop_finalizer(node, kForegroundFinalizer);
      for (const auto& dependent : blocking) worker_.queue().add(dependent);
      return {};
    }
    if (node.deleting || node.owners.empty() || owners_are_fine(node)) return {};
    return collect(node);
  }

  // What the graph knows of the owner: solid, waiting, or nothing.
  std::optional<OwnerState> known_state(const Owner& owner, const std::string& namespace_) {
    auto graph = graph_.lock();
    const auto* known = graph->find(owner.uid);
    bool reachable = known && (known->namespace_.empty() || known->namespace_ == namespace_);
    if (!reachable || known->kind != owner.kind || group_of(known->api_version) != group_of(owner.api_version)) {
      return std::nullopt;
    }
    return known->deleting && known->foreground && owner.blocks ? OwnerState::waiting : OwnerState::solid;
  }

  bool owners_are_fine(const GraphNode& node) {
    return std::ranges::all_of(node.owners, [&](const Owner& owner) {
      return known_state(owner, node.namespace_) == OwnerState::solid;
    });
  }

  base::Result<void> collect(const GraphNode& known) {
    TRY(auto live, read(known.api_version, known.kind, known.namespace_, known.name));
    if (!live || api::uid_of(*live) != known.uid) return {};  // gone: the watch will say so
    GraphNode node = node_of(known.api_version, known.kind, *live);
    std::vector<OwnerState> states;
    for (const auto& owner : node.owners) {
      TRY(OwnerState state, state_of(owner, node));
      states.push_back(state);
    }
    Collect plan;
    {
      auto graph = graph_.lock();
      plan = plan_collect(node, states, graph->dependents_of(node.uid));
    }
    switch (plan.action) {
      case Collect::Action::keep: return {};
      case Collect::Action::drop_owners: return drop_owners(node, plan.drop, *live);
      case Collect::Action::remove: break;
    }
    client::DeleteOptions options = client::only_uid(node.uid);
    options.propagation_policy = plan.propagation;
    // Whoever gives it a living owner at this moment wins: then it has another version, and is looked at again.
    options.resource_version = api::resource_version_of(*live);
    if (plan.unblock) {
      TRY(options.resource_version, unblock_owners(node, *live));
    }
    TRY(auto resource, resource_of(node));
    auto gone = client_.remove(resource, node.name, options);
    if (gone || gone.error().reason == base::Reason::not_found) return {};
    return std::unexpected(std::move(gone).error());
  }

  base::Result<OwnerState> state_of(const Owner& owner, const GraphNode& dependent) {
    if (auto known = known_state(owner, dependent.namespace_)) return *known;
    const std::string absent_key = dependent.namespace_ + "/" + owner.uid;
    if (absent_.contains(absent_key)) return OwnerState::absent;  // UIDs never come back
    TRY(auto kind, kind_of(owner.api_version, owner.kind));
    if (kind.namespaced && dependent.namespace_.empty()) {
      // It can never be resolved: kept, and said once.
      if (remember_absent(absent_key + "/cluster")) report_namespace(owner, dependent);
      return OwnerState::solid;
    }
    TRY(auto live, read(owner.api_version, owner.kind, dependent.namespace_, owner.name));
    if (live && api::uid_of(*live) == owner.uid) {
      GraphNode node = node_of(owner.api_version, owner.kind, *live);
      return node.deleting && node.foreground && owner.blocks ? OwnerState::waiting : OwnerState::solid;
    }
    remember_absent(absent_key);
    if (kind.namespaced && lives_elsewhere(owner, kind)) report_namespace(owner, dependent);
    return OwnerState::absent;
  }

  bool remember_absent(const std::string& key) {
    if (absent_.size() >= kMaxAbsent) absent_.clear();
    return absent_.insert(key).second;
  }

  bool lives_elsewhere(const Owner& owner, const client::ResourceKind& kind) {
    client::ListOptions options;
    options.field_selector = "metadata.name=" + owner.name;
    options.metadata_only = true;
    auto list = client_.list({kind.group, kind.version, kind.plural}, options);
    return list && std::ranges::any_of((*list)["items"].as_array(),
                                       [&](const base::Value& one) { return api::uid_of(one) == owner.uid; });
  }

  void report_namespace(const Owner& owner, const GraphNode& node) {
    events_.warning({.api_version = node.api_version,
                     .kind = node.kind,
                     .namespace_ = node.namespace_,
                     .name = node.name,
                     .uid = node.uid},
                    "OwnerRefInvalidNamespace",
                    fmt::format("ownerRef [{}/{}, namespace: {}, name: {}, uid: {}] does not exist in namespace \"{}\"",
                                owner.api_version, owner.kind, node.namespace_, owner.name, owner.uid, node.namespace_));
  }

  // A kind that nobody knows is an error: what it owns stays, and is looked at again.
  base::Result<client::ResourceKind> kind_of(const std::string& api_version, const std::string& kind_name) {
    auto discovery = watcher_.discovery();
    if (const auto* kind = discovery->find_kind(api_version, kind_name)) return *kind;
    return base::fail(base::Reason::not_found,
                      "no kind " + kind_name + " in " + api_version + " is known: its dependents are kept");
  }

  // The object, or nothing when there is none of that name.
  base::Result<std::optional<base::Value>> read(const std::string& api_version, const std::string& kind_name,
                                                const std::string& namespace_, const std::string& name) {
    TRY(auto kind, kind_of(api_version, kind_name));
    client::Resource resource{kind.group, kind.version, kind.plural, kind.namespaced ? namespace_ : ""};
    auto object = client_.get(resource, name);
    if (object) return std::optional<base::Value>(std::move(*object));
    if (object.error().reason == base::Reason::not_found) return std::optional<base::Value>();
    return std::unexpected(std::move(object).error());
  }

  base::Result<client::Resource> resource_of(const GraphNode& node) {
    TRY(auto kind, kind_of(node.api_version, node.kind));
    return client::Resource{kind.group, kind.version, kind.plural, node.namespace_};
  }

  base::Result<base::Value> patch(const GraphNode& node, base::Value change) {
    TRY(auto resource, resource_of(node));
    return client_.patch(resource, node.name, client::PatchType::merge, change);
  }

  static base::Value change_of(const GraphNode& node, const base::Value& live) {
    base::Value change;
    change.make({"metadata", "uid"}) = node.uid;
    change.make({"metadata", "resourceVersion"}) = api::resource_version_of(live);
    return change;
  }

  static base::Result<void> done(base::Result<base::Value> result) {
    if (result || result.error().reason == base::Reason::not_found) return {};
    return std::unexpected(std::move(result).error());
  }

  base::Result<void> drop_owners(const GraphNode& node, const std::vector<std::string>& uids,
                                 const base::Value& live) {
    base::Array kept;
    for (const auto& reference : live.at({"metadata", "ownerReferences"}).as_array()) {
      if (std::ranges::find(uids, reference["uid"].as_string()) == uids.end()) kept.push_back(reference);
    }
    base::Value change = change_of(node, live);
    change.make({"metadata", "ownerReferences"}) = std::move(kept);
    return done(patch(node, std::move(change)));
  }

  // Returns the new resourceVersion.
  base::Result<std::string> unblock_owners(const GraphNode& node, const base::Value& live) {
    base::Array references;
    for (const auto& reference : live.at({"metadata", "ownerReferences"}).as_array()) {
      references.push_back(reference);
      if (reference["blockOwnerDeletion"].as_bool()) references.back().object().set("blockOwnerDeletion", false);
    }
    base::Value change = change_of(node, live);
    change.make({"metadata", "ownerReferences"}) = std::move(references);
    TRY(auto patched, patch(node, std::move(change)));
    return std::string(api::resource_version_of(patched));
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
      base::Value change = change_of(node, *live);
      change.make({"metadata", "finalizers"}) = std::move(kept);
      return done(patch(node, std::move(change)));
    });
  }

  client::Client client_;
  base::Guarded<OwnerGraph> graph_;
  std::set<std::string> unseen_;  // of the watcher's thread: during a list, what it has not shown yet
  std::set<std::string> absent_;  // of the worker's thread: namespace/UID of owners that are not there
  client::EventRecorder events_;
  Worker worker_;
  client::MetadataWatcher watcher_;
};

}  // namespace

std::unique_ptr<Controller> make_garbage_collector(client::Client client, const sys::Clock& clock) {
  return std::make_unique<GarbageCollector>(std::move(client), clock);
}

}  // namespace controllers
