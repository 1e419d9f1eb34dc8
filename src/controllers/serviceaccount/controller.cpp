#include <utility>

#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/pod_changes.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

// Keys are names of namespaces.
class ServiceAccountLoop final : public Controller {
 public:
  ServiceAccountLoop(client::Client client, const sys::Clock& clock)
      : client_(client),
        worker_("serviceaccount", clock, [this] { namespaces_.wait_synced(), accounts_.wait_synced(); },
                [this](const std::string& key) { return reconcile(key); }),
        namespaces_(client),
        accounts_(client, "", only_default()) {
    namespaces_.on_change([this](const std::string& key, const auto&, const auto& after) {
      if (after) worker_.queue().add(key);
    });
    accounts_.on_change([this](const std::string& key, const auto&, const auto& after) {
      if (!after) worker_.queue().add(client::split_key(key).first);
    });
  }
  ~ServiceAccountLoop() override { stop(); }

  std::string_view name() const override { return "serviceaccount"; }
  void start() override {
    namespaces_.start();
    accounts_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    namespaces_.stop();
    accounts_.stop();
    worker_.stop();
  }

 private:
  static client::ListOptions only_default() {
    client::ListOptions options;
    options.field_selector = "metadata.name=default";
    return options;
  }

  base::Result<void> reconcile(const std::string& name) {
    auto space = namespaces_.get(name);
    if (!space || !space->metadata.deletion_timestamp.empty() || space->status.phase == "Terminating") return {};
    if (accounts_.get(client::object_key(name, "default"))) return {};
    api::ServiceAccount account;
    account.metadata.name = "default";
    account.metadata.namespace_ = name;
    auto made = client_.create(account);
    if (made || is_namespace_going(made.error())) return {};
    auto reason = made.error().reason;
    if (reason == base::Reason::already_exists || reason == base::Reason::not_found) return {};
    return std::unexpected(std::move(made).error().wrap("default ServiceAccount"));
  }

  client::Client client_;
  Worker worker_;
  client::Informer<api::Namespace> namespaces_;
  client::Informer<api::ServiceAccount> accounts_;
};

}  // namespace

std::unique_ptr<Controller> make_serviceaccount_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<ServiceAccountLoop>(std::move(client), clock);
}

}  // namespace controllers
