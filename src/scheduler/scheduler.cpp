#include "scheduler/scheduler.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "base/guarded.hpp"
#include "base/log.hpp"
#include "base/time.hpp"
#include "client/events.hpp"
#include "client/informer.hpp"
#include "client/workqueue.hpp"
#include "scheduler/plan.hpp"

namespace scheduler {
namespace {

using PodPtr = std::shared_ptr<const api::Pod>;

constexpr const char* kName = "default-scheduler";

// Keeps of a pod what decisions are made of.
void trim(api::Pod& pod) {
  auto containers = [](std::vector<api::Container>& all) {
    for (auto& container : all) {
      api::Container kept;
      kept.name = std::move(container.name);
      kept.ports = std::move(container.ports);
      kept.resources = std::move(container.resources);
      kept.restart_policy = std::move(container.restart_policy);
      container = std::move(kept);
    }
  };
  containers(pod.spec.containers);
  containers(pod.spec.init_containers);
  pod.spec.volumes.clear();
  pod.metadata.annotations.clear();
  pod.status.container_statuses.clear();
  pod.status.init_container_statuses.clear();
}

bool wants_node(const api::Pod& pod) {
  return pod.spec.node_name.empty() && pod.metadata.deletion_timestamp.empty() && pod.spec.scheduling_gates.empty() &&
         pod.status.phase != "Succeeded" && pod.status.phase != "Failed" &&
         (pod.spec.scheduler_name.empty() || pod.spec.scheduler_name == kName);
}

class Loop final : public Scheduler {
 public:
  Loop(client::Client client, const sys::Clock& clock)
      : client_(client), clock_(clock), recorder_(client, clock, kName), queue_(clock, "scheduler"), nodes_(client), pods_(client) {
    nodes_.on_change([this](const std::string& name, const auto&, const auto& after) {
      if (after) table_.lock()->put_node(after);
      else table_.lock()->remove_node(name);
      if (after) retry_waiting();
    });
    pods_.trim_with(trim);
    pods_.on_change([this](const std::string& key, const PodPtr& before, const PodPtr& after) {
      pod_changed(key, before, after);
    });
  }
  ~Loop() override { stop(); }

  void start() override {
    nodes_.start();
    pods_.start();
    thread_ = std::thread([this] { run(); });
  }

  void stop() override {
    queue_.shut_down();
    nodes_.stop();
    pods_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void pod_changed(const std::string& key, const PodPtr& before, const PodPtr& after) {
    if (!after) {
      table_.lock()->remove_pod(before->metadata.uid);
      retry_waiting();
      return;
    }
    table_.lock()->put_pod(*after);
    bool finished = after->status.phase == "Succeeded" || after->status.phase == "Failed";
    if (finished && (!before || before->status.phase != after->status.phase)) retry_waiting();
    // Our own note that there is no room is no reason to look again.
    bool same_question = before && before->metadata.uid == after->metadata.uid && waiting_.lock()->contains(key) &&
                         before->metadata.labels == after->metadata.labels &&
                         before->spec.tolerations.size() == after->spec.tolerations.size() &&
                         before->spec.scheduling_gates.size() == after->spec.scheduling_gates.size();
    if (wants_node(*after) && !same_question) queue_.add(key);
  }

  // Room may have come up: every pod that found none is looked at again.
  void retry_waiting() {
    std::set<std::string> keys;
    {
      auto waiting = waiting_.lock();
      keys.swap(*waiting);
    }
    for (const auto& key : keys) queue_.add(key);
  }

  void run() {
    nodes_.wait_synced();
    pods_.wait_synced();
    while (auto key = queue_.get()) {
      auto done = schedule(*key);
      if (done) {
        queue_.forget(*key);
      } else {
        if (done.error().reason != base::Reason::conflict) {
          base::log_warning("scheduler", "{}: {} (will be tried again)", *key, done.error().message);
        }
        queue_.retry(*key);
      }
      queue_.done(*key);
    }
  }

  base::Result<void> schedule(const std::string& key) {
    auto pod = pods_.get(key);
    if (!pod || !wants_node(*pod)) {
      waiting_.lock()->erase(key);
      said_.erase(key);
      return {};
    }
    Decision decision;
    {
      auto table = table_.lock();
      if (table->is_assumed(pod->metadata.uid)) return {};  // bound by us; the informer does not know yet
      decision = plan_node(*pod, *table);
      if (!decision.node.empty()) table->assume(*pod, decision.node);
      // Under the table's lock: a change that comes after this decision finds the pod waiting.
      else waiting_.lock()->insert(key);
    }
    if (decision.node.empty()) return refuse(key, *pod, decision.message);
    auto bound = bind(*pod, decision.node);
    if (!bound) {
      table_.lock()->forget_assumed(pod->metadata.uid);
      auto reason = bound.error().reason;
      // Gone, or bound by somebody else: the watch will say which.
      if (reason == base::Reason::not_found || reason == base::Reason::conflict) return {};
      recorder_.warning(client::ref_of(*pod), "FailedScheduling", bound.error().message);
      return bound;
    }
    said_.erase(key);
    recorder_.normal(client::ref_of(*pod), "Scheduled", "Successfully assigned " + key + " to " + decision.node);
    return {};
  }

  base::Result<void> bind(const api::Pod& pod, const std::string& node) {
    base::Value binding(base::Object{{"apiVersion", "v1"}, {"kind", "Binding"}});
    binding.make({"metadata", "name"}) = pod.metadata.name;
    binding.make({"metadata", "namespace"}) = pod.metadata.namespace_;
    binding.make({"metadata", "uid"}) = pod.metadata.uid;
    binding.object().set("target", base::Object{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", node}});
    CHECK_OK(client_.create(client::resource_of<api::Pod>(pod.metadata.namespace_), binding, pod.metadata.name,
                            "binding"));
    return {};
  }

  // Tells why, once per reason.
  base::Result<void> refuse(const std::string& key, const api::Pod& pod, const std::string& message) {
    auto& said = said_[key];
    if (said == message) return {};
    recorder_.warning(client::ref_of(pod), "FailedScheduling", message);
    std::string since = base::format_time(clock_.now());
    for (const auto& condition : pod.status.conditions) {
      if (condition.type == "PodScheduled" && condition.status == "False") since = condition.last_transition_time;
    }
    base::Value patch;
    patch.make({"metadata", "uid"}) = pod.metadata.uid;
    patch.make({"status", "conditions"}) = base::Array{base::Object{{"type", "PodScheduled"},
                                                                    {"status", "False"},
                                                                    {"reason", "Unschedulable"},
                                                                    {"message", message},
                                                                    {"lastTransitionTime", since}}};
    auto done = client_.patch(client::resource_of<api::Pod>(pod.metadata.namespace_), pod.metadata.name,
                              client::PatchType::strategic, patch, "status");
    if (!done && done.error().reason != base::Reason::not_found) return std::unexpected(std::move(done).error());
    said = message;
    return {};
  }

  client::Client client_;
  const sys::Clock& clock_;
  client::EventRecorder recorder_;
  client::WorkQueue queue_;
  base::Guarded<NodeTable> table_;
  base::Guarded<std::set<std::string>> waiting_;  // keys of pods that found no node
  std::map<std::string, std::string> said_;       // of the scheduler's thread: the reason that each was told
  std::thread thread_;
  client::Informer<api::Node> nodes_;
  client::Informer<api::Pod> pods_;
};

}  // namespace

std::unique_ptr<Scheduler> Scheduler::make(client::Client client, const sys::Clock& clock) {
  return std::make_unique<Loop>(std::move(client), clock);
}

}  // namespace scheduler
