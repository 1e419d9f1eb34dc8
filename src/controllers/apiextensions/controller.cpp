// Custom objects go with their definition: deletes them all, waits until the last one is gone, and lets the definition go.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "api/meta.hpp"
#include "client/informer.hpp"
#include "controllers/apiextensions/plan.hpp"
#include "controllers/controllers.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

using base::Result;
using base::Value;
using std::chrono::milliseconds;

const client::Resource kDefinitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
constexpr milliseconds kFirstLook{20};
constexpr milliseconds kLastLook{2'000};

client::ListOptions metadata_only() {
  client::ListOptions options;
  options.metadata_only = true;
  return options;
}

// Keys are names of definitions.
class DefinitionLoop final : public Controller {
 public:
  DefinitionLoop(client::Client client, const sys::Clock& clock)
      : client_(client),
        clock_(clock),
        worker_("crd-finalizer", clock, {}, [this](const std::string& key) { return reconcile(key); }),
        reflector_(client, kDefinitions, metadata_only(),
                   {.replace = [this](const Value& list) { for (const Value& one : list["items"].as_array()) look_at(one); },
                    .event = [this](const std::string&, const Value& object) { look_at(object); }}) {}
  ~DefinitionLoop() override { stop(); }

  std::string_view name() const override { return "crd-finalizer"; }
  void start() override {
    reflector_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    reflector_.stop();
    worker_.stop();
  }

 private:
  void look_at(const Value& definition) {
    if (awaits_cleanup(definition)) worker_.queue().add(std::string(api::name_of(definition)));
  }

  Result<void> reconcile(const std::string& name) {
    auto definition = client_.get(kDefinitions, name);
    if (!definition) {
      looks_.erase(name);
      if (definition.error().reason == base::Reason::not_found) return {};
      return std::unexpected(std::move(definition).error());
    }
    if (!awaits_cleanup(*definition)) return {};
    if (!was_established(*definition)) return finish(*definition, {true, "NeverEstablished", "resource was never established"});
    CHECK_OK(note(*definition, {false, "InstanceDeletionInProgress", "CustomResource deletion is in progress"}));
    const auto resource = objects_of(*definition);
    if (!resource) {
      CHECK_OK(note(*definition, {false, "InstanceDeletionFailed", "could not list instances: no version is served"}));
      return base::fail(base::Reason::invalid, "no version of " + name + " is served: set spec.versions[*].served");
    }
    auto left = delete_all(*resource);
    if (!left) {
      CHECK_OK(note(*definition, {false, "InstanceDeletionFailed", "could not issue all deletes: " + left.error().message}));
      return std::unexpected(std::move(left).error());
    }
    if (*left == 0) return finish(*definition, {true, "InstanceDeletionCompleted", "removed all instances"});
    const auto wait = std::min(kFirstLook * (1 << std::min(looks_[name]++, 10)), kLastLook);
    worker_.queue().add_after(name, wait);
    return {};
  }

  // Asks for the deletion of all objects, and says how many are still there after that.
  Result<size_t> delete_all(const client::Resource& resource) {
    TRY(const Value before, client_.list(resource, metadata_only()));
    std::set<std::string> namespaces;
    for (const Value& object : before["items"].as_array())
      if (!api::is_being_deleted(object)) namespaces.emplace(api::namespace_of(object));
    for (const std::string& space : namespaces) {
      client::Resource part = resource;
      part.namespace_ = space;
      auto gone = client_.remove_collection(part);
      if (!gone && gone.error().reason != base::Reason::not_found) return std::unexpected(std::move(gone).error());
    }
    if (before["items"].as_array().empty()) return 0;
    TRY(const Value after, client_.list(resource, metadata_only()));
    return after["items"].as_array().size();
  }

  Result<void> note(Value& definition, const Termination& termination) {
    if (!set_termination(definition, termination, clock_.now())) return {};
    auto written = client_.update(kDefinitions, definition, "status");
    if (!written) return std::unexpected(std::move(written).error());
    definition = std::move(*written);
    return {};
  }

  Result<void> finish(Value& definition, const Termination& termination) {
    CHECK_OK(note(definition, termination));
    looks_.erase(std::string(api::name_of(definition)));
    remove_cleanup_finalizer(definition);
    auto written = client_.update(kDefinitions, definition);
    if (!written && written.error().reason != base::Reason::not_found)
      return std::unexpected(std::move(written).error());
    return {};
  }

  client::Client client_;
  const sys::Clock& clock_;
  std::map<std::string, int> looks_;  // of the worker's thread: how often a definition still had objects
  Worker worker_;
  client::Reflector reflector_;
};

}  // namespace

std::unique_ptr<Controller> make_crd_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<DefinitionLoop>(std::move(client), clock);
}

}  // namespace controllers
