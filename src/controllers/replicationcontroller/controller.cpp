#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "client/events.hpp"
#include "client/informer.hpp"
#include "client/retry.hpp"
#include "controllers/controllers.hpp"
#include "controllers/pod_changes.hpp"
#include "controllers/pods.hpp"
#include "controllers/replicationcontroller/expectations.hpp"
#include "controllers/replicationcontroller/plan.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

using Rc = api::ReplicationController;

class ReplicationControllerLoop final : public Controller {
 public:
  ReplicationControllerLoop(client::Client client, const sys::Clock& clock)
      : client_(client),
        clock_(clock),
        recorder_(client, clock, "replication-controller"),
        expectations_(clock),
        worker_("replicationcontroller", clock, [this] { rcs_.wait_synced(), pods_.wait_synced(); },
                [this](const std::string& key) { return reconcile(key); }),
        rcs_(client),
        pods_(client) {
    rcs_.on_change([this](const std::string& key, const auto&, const auto&) { worker_.queue().add(key); });
    pods_.trim_with([](api::Pod& pod) { trim(pod); });
    pods_.on_change([this](const std::string&, const PodPtr& before, const PodPtr& after) {
      pod_changed(before, after);
    });
  }
  ~ReplicationControllerLoop() override { stop(); }

  std::string_view name() const override { return "replicationcontroller"; }
  void start() override {
    rcs_.start();
    pods_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();  // first: nothing may be decided from informers that stand still
    rcs_.stop();
    pods_.stop();
    worker_.stop();
  }

 private:
  // Ranking and counting need no containers, volumes or annotations but one.
  static void trim(api::Pod& pod) {
    std::string node = std::move(pod.spec.node_name);
    pod.spec = {};
    pod.spec.node_name = std::move(node);
    pod.status.init_container_statuses.clear();
    for (auto& status : pod.status.container_statuses) {
      int64_t restarts = status.restart_count;
      status = {};
      status.restart_count = restarts;
    }
    std::erase_if(pod.metadata.annotations,
                  [](const auto& pair) { return pair.first != "controller.kubernetes.io/pod-deletion-cost"; });
  }

  static std::string owner_key(const api::Pod& pod) {
    const auto* owner = controller_of(pod.metadata);
    if (!owner || owner->kind != "ReplicationController" || owner->api_version != "v1") return "";
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
    for (const auto& rc : rcs_.list(pod.metadata.namespace_)) {
      if (!rc->spec.selector.empty() && selects(rc->spec.selector, pod.metadata.labels)) {
        worker_.queue().add(client::object_key(rc->metadata.namespace_, rc->metadata.name));
      }
    }
  }

  base::Result<void> reconcile(const std::string& key) {
    auto rc = rcs_.get(key);
    if (!rc) {
      expectations_.forget(key);
      return {};
    }
    auto wait = expectations_.wait_left(key);
    Claim claim = plan_claim(*rc, pods_.list(rc->metadata.namespace_));
    for (const auto& pod : claim.release) CHECK_OK(release(*rc, *pod));
    TRY(bool may_adopt, claim.adopt.empty() ? base::Result<bool>(false) : still_there(*rc));
    if (may_adopt) {
      for (const auto& pod : claim.adopt) {
        TRY(bool taken, adopt(*rc, *pod));
        if (taken) claim.owned.push_back(pod);
      }
    }
    std::optional<ScalingFailure> failure;
    if (wait == std::chrono::nanoseconds::zero()) {
      Scaling scaling = plan_scaling(*rc, claim.owned, clock_.now());
      if (scaling.create > 0) failure = create_pods(key, *rc, scaling.create);
      if (!scaling.remove.empty()) failure = remove_pods(key, *rc, scaling.remove);
    } else {
      worker_.queue().add_after(key, wait);
    }
    auto plan = plan_status(*rc, claim.owned, failure, clock_.now());
    CHECK_OK(write_status(*rc, plan.status));
    if (plan.look_again) worker_.queue().add_after(key, *plan.look_again);
    if (failure) return base::fail(base::Reason::internal_error, std::move(failure->message));
    return {};
  }

  // A look at the API itself before pods are taken: our copy may be one that was deleted and made anew.
  base::Result<bool> still_there(const Rc& rc) {
    auto live = client_.get<Rc>(rc.metadata.namespace_, rc.metadata.name);
    if (!live && live.error().reason == base::Reason::not_found) return false;
    if (!live) return std::unexpected(std::move(live).error());
    return live->metadata.uid == rc.metadata.uid && live->metadata.deletion_timestamp.empty();
  }

  base::Result<bool> adopt(const Rc& rc, const api::Pod& pod) {
    base::Value owner(base::Object{{"apiVersion", "v1"},
                                   {"kind", "ReplicationController"},
                                   {"name", rc.metadata.name},
                                   {"uid", rc.metadata.uid},
                                   {"controller", true},
                                   {"blockOwnerDeletion", true}});
    return patch_owners(pod, std::move(owner));
  }

  base::Result<bool> release(const Rc& rc, const api::Pod& pod) {
    return patch_owners(pod, base::Object{{"$patch", "delete"}, {"uid", rc.metadata.uid}});
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

  std::optional<ScalingFailure> create_pods(const std::string& key, const Rc& rc, int count) {
    expectations_.expect_creations(key, count);
    const api::Pod pod = make_pod(rc);
    std::atomic<bool> expected_end{false};
    base::Error error;
    int made = run_slow_start(
        count,
        [&]() -> base::Result<void> {
          auto created = client_.create(pod);
          if (created) {
            recorder_.normal(client::ref_of(rc), "SuccessfulCreate", "Created pod: " + created->metadata.name);
            return {};
          }
          if (is_namespace_going(created.error())) expected_end = true;
          else recorder_.warning(client::ref_of(rc), "FailedCreate", "Error creating: " + created.error().message);
          return std::unexpected(std::move(created).error());
        },
        error);
    for (int i = made; i < count; ++i) expectations_.creation_seen(key);
    if (made == count || expected_end) return std::nullopt;
    return ScalingFailure{.creating = true, .message = error.message};
  }

  std::optional<ScalingFailure> remove_pods(const std::string& key, const Rc& rc, const std::vector<PodPtr>& victims) {
    std::set<std::string> uids;
    for (const auto& pod : victims) uids.insert(pod->metadata.uid);
    expectations_.expect_deletions(key, std::move(uids));
    std::mutex mutex;
    std::optional<ScalingFailure> failure;
    run_parallel(static_cast<int>(victims.size()), 8, [&](int i) {
      const auto& pod = *victims[static_cast<size_t>(i)];
      auto removed = client_.remove<api::Pod>(pod.metadata.namespace_, pod.metadata.name, client::only_uid(pod.metadata.uid));
      if (removed) {
        recorder_.normal(client::ref_of(rc), "SuccessfulDelete", "Deleted pod: " + pod.metadata.name);
        return;
      }
      expectations_.deletion_seen(key, pod.metadata.uid);
      // Gone already, or another pod of that name: both mean that this one is no more.
      auto reason = removed.error().reason;
      if (reason == base::Reason::not_found || reason == base::Reason::conflict) return;
      recorder_.warning(client::ref_of(rc), "FailedDelete", "Error deleting: " + removed.error().message);
      std::lock_guard lock(mutex);
      failure = ScalingFailure{.creating = false, .message = removed.error().message};
    });
    return failure;
  }

  base::Result<void> write_status(const Rc& rc, const api::ReplicationControllerStatus& status) {
    if (same_status(rc.status, status)) return {};
    Rc next = rc;
    next.status = status;
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
  client::Informer<Rc> rcs_;
  client::Informer<api::Pod> pods_;
};

}  // namespace

std::unique_ptr<Controller> make_replication_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<ReplicationControllerLoop>(std::move(client), clock);
}

}  // namespace controllers
