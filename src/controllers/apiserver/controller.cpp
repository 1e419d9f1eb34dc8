#include <chrono>
#include <utility>

#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "controllers/worker.hpp"

namespace controllers {
namespace {

constexpr const char* kNamespace = "default";
constexpr const char* kName = "kubernetes";

api::Endpoints make_endpoints(const std::string& address, int port) {
  api::Endpoints out;
  out.metadata.name = kName;
  out.metadata.namespace_ = kNamespace;
  out.metadata.labels["endpointslice.kubernetes.io/skip-mirror"] = "true";  // the slice is made here, too
  api::EndpointAddress where;
  where.ip = address;
  api::EndpointPort https;
  https.name = "https";
  https.port = port;
  https.protocol = "TCP";
  api::EndpointSubset subset;
  subset.addresses.push_back(std::move(where));
  subset.ports.push_back(std::move(https));
  out.subsets.push_back(std::move(subset));
  return out;
}

api::EndpointSlice make_slice(const std::string& address, int port) {
  api::EndpointSlice out;
  out.metadata.name = kName;
  out.metadata.namespace_ = kNamespace;
  out.metadata.labels["kubernetes.io/service-name"] = kName;
  out.address_type = address.find(':') == std::string::npos ? "IPv4" : "IPv6";
  api::Endpoint where;
  where.addresses.push_back(address);
  api::EndpointConditions conditions;
  conditions.ready = true;
  where.conditions = std::move(conditions);
  out.endpoints.push_back(std::move(where));
  api::EndpointSlicePort https;
  https.name = "https";
  https.port = port;
  https.protocol = "TCP";
  out.ports.push_back(std::move(https));
  return out;
}

// default/kubernetes has no selector: who serves the API writes where it is.
class ApiserverEndpointsLoop final : public Controller {
 public:
  ApiserverEndpointsLoop(client::Client client, const sys::Clock& clock, std::string address, int port)
      : client_(client),
        address_(std::move(address)),
        port_(port),
        worker_("apiserver-endpoints", clock, [this] { endpoints_.wait_synced(), slices_.wait_synced(); },
                [this](const std::string&) { return reconcile(); }),
        endpoints_(client, kNamespace, only_ours()),
        slices_(client, kNamespace, only_ours()) {
    endpoints_.on_change([this](const auto&...) { worker_.queue().add(kName); });
    slices_.on_change([this](const auto&...) { worker_.queue().add(kName); });
  }
  ~ApiserverEndpointsLoop() override { stop(); }

  std::string_view name() const override { return "apiserver-endpoints"; }
  void start() override {
    worker_.queue().add(kName);
    endpoints_.start();
    slices_.start();
    worker_.start();
  }
  void stop() override {
    worker_.queue().shut_down();
    endpoints_.stop();
    slices_.stop();
    worker_.stop();
  }

 private:
  static client::ListOptions only_ours() {
    client::ListOptions options;
    options.field_selector = std::string("metadata.name=") + kName;
    return options;
  }

  base::Result<void> reconcile() {
    const std::string key = client::object_key(kNamespace, kName);
    CHECK_OK(put(make_endpoints(address_, port_), endpoints_.get(key), [](const api::Endpoints& o) {
      return api::to_value(o)["subsets"];
    }));
    return put(make_slice(address_, port_), slices_.get(key), [](const api::EndpointSlice& o) {
      base::Value all = api::to_value(o);
      return base::Value(base::Array{all["addressType"], all["endpoints"], all["ports"]});
    });
  }

  template <class T, class Content>
  base::Result<void> put(T wanted, const std::shared_ptr<const T>& known, Content content) {
    if (!known) {
      auto made = client_.create(wanted);
      if (!made && made.error().reason != base::Reason::already_exists) return std::unexpected(made.error());
      return {};
    }
    if (content(*known) == content(wanted)) return {};
    // addressType cannot change: a new object then.
    if constexpr (requires { wanted.address_type; }) {
      if (known->address_type != wanted.address_type) {
        CHECK_OK(client_.template remove<T>(kNamespace, kName, client::only_uid(known->metadata.uid)));
        return base::fail(base::Reason::conflict, "the slice is made anew for another address family");
      }
    }
    auto labels = std::move(wanted.metadata.labels);
    wanted.metadata = known->metadata;
    wanted.metadata.labels = std::move(labels);
    auto written = client_.update(wanted);
    if (!written) return std::unexpected(std::move(written).error());
    return {};
  }

  client::Client client_;
  std::string address_;
  int port_;
  Worker worker_;
  client::Informer<api::Endpoints> endpoints_;
  client::Informer<api::EndpointSlice> slices_;
};

}  // namespace

std::unique_ptr<Controller> make_apiserver_endpoints_controller(client::Client client, const sys::Clock& clock,
                                                                std::string address, int port) {
  return std::make_unique<ApiserverEndpointsLoop>(std::move(client), clock, std::move(address), port);
}

}  // namespace controllers
