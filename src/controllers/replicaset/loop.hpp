// The controller loop of ReplicaSets and of ReplicationControllers: watches both sides, and carries out what
// plan.hpp says. `Owner` is the kind; Face turns it into a ReplicaSet and back. One thread reconciles,
// informers have their own.
#pragma once

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <utility>

#include "client/events.hpp"
#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/pod_changes.hpp"
#include "controllers/pods.hpp"
#include "controllers/replicaset/expectations.hpp"
#include "controllers/replicaset/plan.hpp"
#include "controllers/selector.hpp"
#include "controllers/worker.hpp"

namespace controllers {

// A Face has: kName, kComponent, kCountsTerminating (whether the status has that number),
// std::shared_ptr<const ReplicaSet> set_of(ptr<const Owner>), void put_status(Owner&, const
// ReplicaSetStatus&).
template <class Owner, class Face>
class ReplicaLoop final : public Controller {
 public:
  using OwnerPtr = std::shared_ptr<const Owner>;
  using SetPtr = std::shared_ptr<const api::ReplicaSet>;

  ReplicaLoop(client::Client client, const sys::Clock& clock)
      : client_(client),
        clock_(clock),
        recorder_(client, clock, Face::kComponent),
        expectations_(clock),
        worker_(
            Face::kName, clock, [this] { owners_.wait_synced(), pods_.wait_synced(); },
            [this](const std::string& key) { return reconcile(key); }),
        owners_(client),
        pods_(client) {
    owners_.on_change([this](const std::string& key, const auto&, const auto&) { worker_.queue().add(key); });
    pods_.trim_with(trim_pod_for_counting);
    pods_.on_change([this](const std::string&, const PodPtr& before, const PodPtr& after) {
      pod_changed(before, after);
    });
  }
  ~ReplicaLoop() override { stop(); }

  std::string_view name() const override { return Face::kName; }
  void start() override {
    owners_.start();
    pods_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();  // first: nothing may be decided from informers that stand still
    owners_.stop();
    pods_.stop();
    worker_.stop();
  }

 private:
  static OwnerKind kind() {
    auto ref = client::ref_of(Owner());
    return {.api_version = ref.api_version, .kind = ref.kind};
  }

  static std::string owner_key(const api::Pod& pod) {
    static const OwnerKind mine = kind();
    const auto* owner = controller_of(pod.metadata);
    if (!owner || owner->kind != mine.kind || owner->api_version != mine.api_version) return "";
    return client::object_key(pod.metadata.namespace_, owner->name);
  }

  void pod_changed(const PodPtr& before, const PodPtr& after) {
    std::string old_owner = before ? owner_key(*before) : "";
    std::string owner = after ? owner_key(*after) : "";
    if (!before && !owner.empty()) expectations_.creation_seen(owner);
    if (before && !old_owner.empty() && (!after || !after->metadata.deletion_timestamp.empty())) {
      expectations_.deletion_seen(old_owner, before->metadata.uid);
    }
    if (!old_owner.empty()) worker_.queue().add(old_owner);
    if (!owner.empty() && owner != old_owner) worker_.queue().add(owner);
    if (after && !controller_of(after->metadata)) offer_orphan(*after);
  }

  void offer_orphan(const api::Pod& pod) {
    if (pod.metadata.labels.empty()) return;
    for (const auto& owner : owners_.list(pod.metadata.namespace_)) {
      if (!Selector(Face::set_of(owner)->spec.selector).matches(pod.metadata.labels)) continue;
      worker_.queue().add(client::object_key(owner->metadata.namespace_, owner->metadata.name));
    }
  }

  base::Result<void> reconcile(const std::string& key) {
    auto owner = owners_.get(key);
    if (!owner) {
      expectations_.forget(key);
      return {};
    }
    SetPtr set = Face::set_of(owner);
    auto wait = expectations_.wait_left(key);
    auto pods = pods_.list(set->metadata.namespace_);
    Claim claim = plan_claim(*set, pods);
    for (const auto& pod : claim.release) CHECK_OK(release(*set, *pod));
    TRY(bool may_adopt, claim.adopt.empty() ? base::Result<bool>(false) : still_there(*set));
    if (may_adopt) {
      for (const auto& pod : claim.adopt) {
        TRY(bool taken, adopt(*set, *pod));
        if (taken) claim.owned.push_back(pod);
      }
    }
    std::optional<ScalingFailure> failure;
    if (wait == std::chrono::nanoseconds::zero()) {
      failure = scale(key, *owner, *set, claim, pods);
    } else {
      worker_.queue().add_after(key, wait);
    }
    auto terminating = Face::kCountsTerminating ? std::optional(claim.terminating) : std::nullopt;
    auto plan = plan_status(*set, claim.owned, terminating, failure, clock_.now());
    CHECK_OK(write_status(*owner, *set, plan.status));
    if (plan.look_again) worker_.queue().add_after(key, *plan.look_again);
    if (failure) return base::fail(base::Reason::internal_error, std::move(failure->message));
    return {};
  }

  std::optional<ScalingFailure> scale(const std::string& key, const Owner& owner, const api::ReplicaSet& set,
                                      Claim& claim, const std::vector<PodPtr>& pods) {
    auto missing = set.spec.replicas.value_or(1) - static_cast<int64_t>(claim.owned.size());
    Crowd crowd = missing < 0 ? crowd_of(set, claim.owned, pods) : Crowd();
    Scaling scaling = plan_scaling(set, claim.owned, crowd, clock_.now());
    if (scaling.create > 0) return create_pods(key, owner, set, scaling.create);
    if (scaling.remove.empty()) return std::nullopt;
    // What is ending must not stand in the status as available: a Deployment would take it for granted.
    std::erase_if(claim.owned, [&](const PodPtr& pod) {
      return std::ranges::find(scaling.remove, pod) != scaling.remove.end();
    });
    claim.terminating += static_cast<int64_t>(scaling.remove.size());
    return remove_pods(key, owner, scaling.remove);
  }

  // The pods of all sets that one Deployment owns are each other's siblings.
  Crowd crowd_of(const api::ReplicaSet& set, const std::vector<PodPtr>& owned,
                 const std::vector<PodPtr>& pods) {
    const auto* parent = controller_of(set.metadata);
    if (!parent) return count_crowd(owned);
    std::set<std::string> uids;
    for (const auto& owner : owners_.list(set.metadata.namespace_)) {
      const auto* its = controller_of(owner->metadata);
      if (its && its->uid == parent->uid) uids.insert(owner->metadata.uid);
    }
    std::vector<PodPtr> related;
    for (const auto& pod : pods) {
      const auto* its = controller_of(pod->metadata);
      if (its && uids.contains(its->uid)) related.push_back(pod);
    }
    return count_crowd(related);
  }

  // A look at the API itself before pods are taken: our copy may be one that was deleted and made anew.
  base::Result<bool> still_there(const api::ReplicaSet& set) {
    auto live = client_.get<Owner>(set.metadata.namespace_, set.metadata.name);
    if (!live && live.error().reason == base::Reason::not_found) return false;
    if (!live) return std::unexpected(std::move(live).error());
    return live->metadata.uid == set.metadata.uid && live->metadata.deletion_timestamp.empty();
  }

  base::Result<bool> adopt(const api::ReplicaSet& set, const api::Pod& pod) {
    OwnerKind mine = kind();
    return patch_owners(pod, api::to_value(controlled_by(mine.api_version, mine.kind, set.metadata)));
  }

  base::Result<bool> release(const api::ReplicaSet& set, const api::Pod& pod) {
    return patch_owners(pod, base::Object{{"$patch", "delete"}, {"uid", set.metadata.uid}});
  }

  // False: the pod is not what it was (gone, or another one of that name), and so is none of ours.
  base::Result<bool> patch_owners(const api::Pod& pod, base::Value reference) {
    base::Value patch;
    patch.make({"metadata", "uid"}) = pod.metadata.uid;
    patch.make({"metadata", "ownerReferences"}) = base::Array{std::move(reference)};
    auto result = client_.patch(client::resource_of<api::Pod>(pod.metadata.namespace_), pod.metadata.name,
                                client::PatchType::strategic, patch);
    if (result) return true;
    auto reason = result.error().reason;
    if (reason == base::Reason::not_found || reason == base::Reason::invalid) return false;
    return std::unexpected(std::move(result).error());
  }

  std::optional<ScalingFailure> create_pods(const std::string& key, const Owner& owner,
                                            const api::ReplicaSet& set, int count) {
    expectations_.expect_creations(key, count);
    const api::Pod pod = make_pod(set, kind());
    std::atomic<bool> expected_end{false};
    base::Error error;
    int made = run_slow_start(
        count,
        [&]() -> base::Result<void> {
          auto created = client_.create(pod);
          if (created) {
            recorder_.normal(client::ref_of(owner), "SuccessfulCreate",
                             "Created pod: " + created->metadata.name);
            return {};
          }
          if (is_namespace_going(created.error()))
            expected_end = true;
          else
            recorder_.warning(client::ref_of(owner), "FailedCreate",
                              "Error creating: " + created.error().message);
          return std::unexpected(std::move(created).error());
        },
        error);
    for (int i = made; i < count; ++i) expectations_.creation_seen(key);
    if (made == count || expected_end) return std::nullopt;
    return ScalingFailure{.creating = true, .message = error.message};
  }

  std::optional<ScalingFailure> remove_pods(const std::string& key, const Owner& owner,
                                            const std::vector<PodPtr>& victims) {
    std::set<std::string> uids;
    for (const auto& pod : victims) uids.insert(pod->metadata.uid);
    expectations_.expect_deletions(key, std::move(uids));
    std::mutex mutex;
    std::optional<ScalingFailure> failure;
    run_parallel(static_cast<int>(victims.size()), 8, [&](int i) {
      const auto& pod = *victims[static_cast<size_t>(i)];
      auto removed = client_.remove<api::Pod>(pod.metadata.namespace_, pod.metadata.name,
                                              client::only_uid(pod.metadata.uid));
      if (removed) {
        recorder_.normal(client::ref_of(owner), "SuccessfulDelete", "Deleted pod: " + pod.metadata.name);
        return;
      }
      expectations_.deletion_seen(key, pod.metadata.uid);
      // Gone already, or another pod of that name: both mean that this one is no more.
      auto reason = removed.error().reason;
      if (reason == base::Reason::not_found || reason == base::Reason::conflict) return;
      recorder_.warning(client::ref_of(owner), "FailedDelete", "Error deleting: " + removed.error().message);
      std::lock_guard lock(mutex);
      failure = ScalingFailure{.creating = false, .message = removed.error().message};
    });
    return failure;
  }

  base::Result<void> write_status(const Owner& owner, const api::ReplicaSet& set,
                                  const api::ReplicaSetStatus& status) {
    if (same_status(set.status, status)) return {};
    Owner next = owner;
    Face::put_status(next, status);
    auto written = client_.update(next, "status");
    if (!written && written.error().reason == base::Reason::not_found) return {};
    if (!written) return std::unexpected(std::move(written).error());
    return {};
  }

  client::Client client_;
  const sys::Clock& clock_;
  client::EventRecorder recorder_;
  Expectations expectations_;
  Worker worker_;
  client::Informer<Owner> owners_;
  client::Informer<api::Pod> pods_;
};

}  // namespace controllers
