#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/events.hpp"
#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/deployment/scale.hpp"
#include "controllers/deployment/sets.hpp"
#include "controllers/deployment/status.hpp"
#include "controllers/latest.hpp"
#include "controllers/pod_changes.hpp"
#include "controllers/pods.hpp"
#include "controllers/selector.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

using DeploymentPtr = std::shared_ptr<const api::Deployment>;

class DeploymentLoop final : public Controller {
 public:
  DeploymentLoop(client::Client client, const sys::Clock& clock)
      : client_(client),
        clock_(clock),
        recorder_(client, clock, "deployment-controller"),
        worker_(
            "deployment", clock, [this] { deployments_.wait_synced(), sets_.wait_synced(); },
            [this](const std::string& key) { return reconcile(key); }),
        deployments_(client),
        sets_(client) {
    deployments_.on_change([this](const std::string& key, const DeploymentPtr&, const DeploymentPtr& after) {
      own_deployments_.seen(key, after);
      worker_.queue().add(key);
    });
    sets_.on_change([this](const std::string& key, const SetPtr& before, const SetPtr& after) {
      own_sets_.seen(key, after);
      set_changed(before, after);
    });
  }
  ~DeploymentLoop() override { stop(); }

  std::string_view name() const override { return "deployment"; }
  void start() override {
    deployments_.start();
    sets_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();  // first: nothing may be decided from informers that stand still
    deployments_.stop();
    sets_.stop();
    worker_.stop();
  }

 private:
  // The Deployment as this pass leaves it, and what it is made of.
  struct Pass {
    DeploymentPtr before;
    api::Deployment deployment;  // with the status and the annotations that will be written
    Sets sets;
    std::optional<std::chrono::nanoseconds> look_again;
  };

  static std::string owner_key(const SetPtr& set) {
    const auto* owner = set ? controller_of(set->metadata) : nullptr;
    if (!owner || owner->kind != "Deployment") return "";
    return client::object_key(set->metadata.namespace_, owner->name);
  }

  void set_changed(const SetPtr& before, const SetPtr& after) {
    std::string old_owner = owner_key(before);
    std::string owner = owner_key(after);
    if (!old_owner.empty()) worker_.queue().add(old_owner);
    if (!owner.empty() && owner != old_owner) worker_.queue().add(owner);
    if (!after || controller_of(after->metadata)) return;
    for (const auto& deployment : deployments_.list(after->metadata.namespace_)) {
      if (!Selector(deployment->spec.selector).matches(after->metadata.labels)) continue;
      worker_.queue().add(client::object_key(deployment->metadata.namespace_, deployment->metadata.name));
    }
  }

  base::Result<void> reconcile(const std::string& key) {
    auto known = deployments_.get(key);
    if (!known) return {};
    Pass pass;
    pass.before = own_deployments_.over(key, known);
    pass.deployment = *pass.before;
    TRY(auto owned, claim_sets(pass.deployment));
    pass.sets = sort_sets(pass.deployment, std::move(owned));
    base::Result<void> done;
    if (pass.deployment.metadata.deletion_timestamp.empty()) done = roll(pass);
    else pass.deployment.status = count_status(pass.deployment, pass.sets, clock_.now());
    // Also after a failure: it may have left a condition.
    CHECK_OK(write_status(pass));
    if (pass.look_again) worker_.queue().add_after(key, *pass.look_again);
    return done;
  }

  base::Result<void> roll(Pass& pass) {
    auto& deployment = pass.deployment;
    note_pause(deployment, deployment.status, clock_.now());
    CHECK_OK(refresh_current(pass));
    if (deployment.spec.paused.value_or(false) || is_scaling(deployment, pass.sets)) {
      CHECK_OK(resize(pass, plan_share(deployment, pass.sets)));
      if (deployment.spec.paused.value_or(false)) CHECK_OK(clean_up(pass));
      deployment.status = count_status(deployment, pass.sets, clock_.now());
      return {};
    }
    if (is_recreate(deployment)) {
      CHECK_OK(recreate(pass));
    } else {
      if (!pass.sets.current) CHECK_OK(create_current(pass, plan_new_size(deployment, pass.sets)));
      CHECK_OK(resize(pass, plan_rolling(deployment, pass.sets)));
    }
    auto plan = plan_rollout_status(deployment, pass.sets, clock_.now());
    if (is_complete(deployment, plan.status)) CHECK_OK(clean_up(pass));
    deployment.status = std::move(plan.status);
    pass.look_again = plan.look_again;
    return {};
  }

  base::Result<void> recreate(Pass& pass) {
    CHECK_OK(resize(pass, plan_recreate_down(pass.sets)));
    if (!are_old_pods_gone(pass.sets)) return {};
    const int64_t wanted = wanted_replicas(pass.deployment);
    if (!pass.sets.current) return create_current(pass, wanted);
    if (pass.sets.current->spec.replicas.value_or(1) == wanted) return {};
    return resize(pass, {{pass.sets.current, wanted}});
  }

  // ---- which sets are ours
  // -------------------------------------------------------------------------------------

  base::Result<std::vector<SetPtr>> claim_sets(const api::Deployment& deployment) {
    const std::string& space = deployment.metadata.namespace_;
    SetClaim claim = plan_set_claim(deployment, own_sets_.over_all(space, sets_.list(space)));
    for (const auto& set : claim.release) {
      CHECK_OK(patch_owners(*set, base::Object{{"$patch", "delete"}, {"uid", deployment.metadata.uid}}));
    }
    TRY(bool may_adopt, claim.adopt.empty() ? base::Result<bool>(false) : still_there(deployment));
    if (!may_adopt) return std::move(claim.owned);
    for (const auto& set : claim.adopt) {
      TRY(auto taken, patch_owners(*set, api::to_value(controlled_by("apps/v1", "Deployment", deployment.metadata))));
      if (taken) claim.owned.push_back(taken);
    }
    return std::move(claim.owned);
  }

  // A look at the API itself before sets are taken: our copy may be one that was deleted and made anew.
  base::Result<bool> still_there(const api::Deployment& deployment) {
    auto live = client_.get<api::Deployment>(deployment.metadata.namespace_, deployment.metadata.name);
    if (!live && live.error().reason == base::Reason::not_found) return false;
    if (!live) return std::unexpected(std::move(live).error());
    return live->metadata.uid == deployment.metadata.uid && live->metadata.deletion_timestamp.empty();
  }

  // Null: the set is not what it was (gone, or another one of that name).
  base::Result<SetPtr> patch_owners(const api::ReplicaSet& set, base::Value reference) {
    base::Value patch;
    patch.make({"metadata", "uid"}) = set.metadata.uid;
    patch.make({"metadata", "ownerReferences"}) = base::Array{std::move(reference)};
    auto result = client_.patch(client::resource_of<api::ReplicaSet>(set.metadata.namespace_),
                                set.metadata.name, client::PatchType::strategic, patch);
    if (!result) {
      auto reason = result.error().reason;
      if (reason == base::Reason::not_found || reason == base::Reason::invalid) return SetPtr();
      return std::unexpected(std::move(result).error());
    }
    TRY(auto patched, api::from_value<api::ReplicaSet>(*result));
    return own_sets_.wrote(std::move(patched));
  }

  // ---- what is done to them
  // ------------------------------------------------------------------------------------

  static void put(Sets& sets, SetPtr set) {
    if (sets.current && sets.current->metadata.uid == set->metadata.uid) {
      sets.current = std::move(set);
      return;
    }
    auto it =
        std::ranges::find(sets.old, set->metadata.uid, [](const SetPtr& one) { return one->metadata.uid; });
    if (it != sets.old.end()) *it = std::move(set);
  }

  base::Result<SetPtr> update_set(Pass& pass, const api::ReplicaSet& set) {
    TRY(auto written, client_.update(set));
    SetPtr ptr = own_sets_.wrote(std::move(written));
    put(pass.sets, ptr);
    return ptr;
  }

  // Annotations, revision and minReadySeconds of the current set, and the revision of the Deployment.
  base::Result<void> refresh_current(Pass& pass) {
    if (!pass.sets.current) return {};
    auto& deployment = pass.deployment;
    if (auto fresh = plan_refresh(deployment, pass.sets)) CHECK_OK(update_set(pass, *fresh));
    deployment.metadata.annotations[kRevision] = std::to_string(revision_of(*pass.sets.current));
    if (has_deadline(deployment) && !condition_of(deployment.status, "Progressing")) {
      set_condition(deployment.status, "Progressing", "True", "FoundNewReplicaSet",
                    fmt::format("Found new replica set \"{}\"", pass.sets.current->metadata.name),
                    clock_.now());
    }
    return {};
  }

  base::Result<void> create_current(Pass& pass, int64_t replicas) {
    auto& deployment = pass.deployment;
    const int64_t revision = next_revision(pass.sets);
    auto wanted = make_set(deployment, revision, replicas, most_replicas(deployment));
    auto created = client_.create(wanted);
    bool was_there = false;
    if (!created && created.error().reason == base::Reason::already_exists) {
      auto there = client_.get<api::ReplicaSet>(wanted.metadata.namespace_, wanted.metadata.name);
      if (!there) return std::unexpected(std::move(there).error());
      const auto* owner = controller_of(there->metadata);
      if (!owner || owner->uid != deployment.metadata.uid ||
          !same_template(there->spec.template_, deployment.spec.template_)) {
        // Another template has the same hash: count the collision, and the next pass has another name.
        deployment.status.collision_count = deployment.status.collision_count.value_or(0) + 1;
        return std::unexpected(std::move(created).error());
      }
      was_there = true;
      created = std::move(there);
    }
    if (!created) return creation_failed(pass, wanted, std::move(created).error());
    pass.sets.current = own_sets_.wrote(std::move(*created));
    const std::string& name = pass.sets.current->metadata.name;
    if (!was_there && replicas > 0) {
      recorder_.normal(client::ref_of(deployment), "ScalingReplicaSet",
                       fmt::format("Scaled up replica set {} from 0 to {}", name, replicas));
    }
    if (!was_there && has_deadline(deployment)) {
      set_condition(deployment.status, "Progressing", "True", "NewReplicaSetCreated",
                    fmt::format("Created new replica set \"{}\"", name), clock_.now());
    }
    deployment.metadata.annotations[kRevision] = std::to_string(revision_of(*pass.sets.current));
    return {};
  }

  base::Result<void> creation_failed(Pass& pass, const api::ReplicaSet& wanted, base::Error error) {
    if (is_namespace_going(error)) return {};
    std::string message =
        fmt::format("Failed to create new replica set \"{}\": {}", wanted.metadata.name, error.message);
    if (has_deadline(pass.deployment)) {
      set_condition(pass.deployment.status, "Progressing", "False", "ReplicaSetCreateError", message,
                    clock_.now());
    }
    recorder_.warning(client::ref_of(pass.deployment), "ReplicaSetCreateError", std::move(message));
    return std::unexpected(std::move(error));
  }

  base::Result<void> resize(Pass& pass, const std::vector<Resize>& sizes) {
    const auto& deployment = pass.deployment;
    for (const auto& [set, replicas] : sizes) {
      const int64_t before = set->spec.replicas.value_or(1);
      api::ReplicaSet next = *set;
      next.spec.replicas = replicas;
      next.metadata.annotations[kDesiredReplicas] = std::to_string(wanted_replicas(deployment));
      next.metadata.annotations[kMaxReplicas] = std::to_string(most_replicas(deployment));
      CHECK_OK(update_set(pass, next));
      if (before == replicas) continue;
      recorder_.normal(client::ref_of(deployment), "ScalingReplicaSet",
                       fmt::format("Scaled {} replica set {} from {} to {}",
                                   before < replicas ? "up" : "down", set->metadata.name, before, replicas));
    }
    return {};
  }

  base::Result<void> clean_up(Pass& pass) {
    for (const auto& set : plan_cleanup(pass.deployment, pass.sets)) {
      auto removed = client_.remove<api::ReplicaSet>(set->metadata.namespace_, set->metadata.name,
                                                     client::only_uid(set->metadata.uid));
      if (!removed && removed.error().reason != base::Reason::not_found) {
        return std::unexpected(std::move(removed).error());
      }
    }
    return {};
  }

  base::Result<void> write_status(const Pass& pass) {
    const auto& before = *pass.before;
    if (same_status(before.status, pass.deployment.status) &&
        before.metadata.annotations == pass.deployment.metadata.annotations) {
      return {};
    }
    auto written = client_.update(pass.deployment, "status");
    if (!written && written.error().reason == base::Reason::not_found) return {};
    if (!written) return std::unexpected(std::move(written).error());
    own_deployments_.wrote(std::move(*written));
    return {};
  }

  client::Client client_;
  const sys::Clock& clock_;
  client::EventRecorder recorder_;
  Worker worker_;
  Latest<api::Deployment> own_deployments_;
  Latest<api::ReplicaSet> own_sets_;
  client::Informer<api::Deployment> deployments_;
  client::Informer<api::ReplicaSet> sets_;
};

}  // namespace

std::unique_ptr<Controller> make_deployment_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<DeploymentLoop>(std::move(client), clock);
}

}  // namespace controllers
