// The controllers of endpoints with a real API server over the memory store: how soon a slice follows a pod, how many
// writes that costs, and what is left when things go away. Waiting is by condition.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "client/informer.hpp"
#include "controllers/controllers.hpp"
#include "server/testing.hpp"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using SlicePtr = std::shared_ptr<const api::EndpointSlice>;

// Slices as a proxy sees them.
class Slices {
 public:
  explicit Slices(client::Client client) : informer_(std::move(client)) {
    informer_.on_change([this](const std::string& key, const SlicePtr& before, const SlicePtr& after) {
      std::lock_guard lock(mutex_);
      if (after) all_[key] = after;
      else all_.erase(key);
      if (after || before) ++changes_;
      changed_.notify_all();
    });
    informer_.start();
    informer_.wait_synced();
  }
  ~Slices() { informer_.stop(); }

  using All = std::map<std::string, SlicePtr>;
  // Until `condition` holds; false after much too long.
  bool wait(const std::function<bool(const All&)>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, server::testing::kPatience, [&] { return condition(all_); });
  }
  int changes() {
    std::lock_guard lock(mutex_);
    return changes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  All all_;
  int changes_ = 0;
  client::Informer<api::EndpointSlice> informer_;
};

const api::Endpoint* find(const Slices::All& all, const std::string& pod) {
  for (const auto& [key, slice] : all) {
    for (const auto& endpoint : slice->endpoints) {
      if (endpoint.target_ref && endpoint.target_ref->name == pod) return &endpoint;
    }
  }
  return nullptr;
}

size_t count(const Slices::All& all) {
  size_t out = 0;
  for (const auto& [key, slice] : all) out += slice->metadata.name == "kubernetes" ? 0 : slice->endpoints.size();
  return out;
}

std::string managers(const Slices::All& all) {
  std::set<std::string> out;
  for (const auto& [key, slice] : all) {
    auto it = slice->metadata.labels.find("endpointslice.kubernetes.io/managed-by");
    if (it != slice->metadata.labels.end()) out.insert(it->second.substr(0, it->second.find('.')));
  }
  return fmt::format("{}", fmt::join(out, " "));
}

class EndpointControllers : public server::testing::ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    client_ = std::make_unique<client::Client>(
        client::make_in_process_transport(handler_, "admin", {"system:masters", "system:authenticated"}), "test");
    all_.push_back(controllers::make_endpointslice_controller(*client_, real_clock_));
    all_.push_back(controllers::make_endpoints_controller(*client_, real_clock_));
    all_.push_back(controllers::make_endpointslicemirroring_controller(*client_, real_clock_));
    for (auto& controller : all_) controller->start();
    slices_ = std::make_unique<Slices>(*client_);
    api::Node node;
    node.metadata.name = "n1";
    ASSERT_TRUE(client_->create(node));
  }
  void TearDown() override {
    for (auto& controller : all_) controller->stop();
    all_.clear();
    slices_.reset();
    client_.reset();
    ServerTest::TearDown();
  }

  void make_service(bool selecting = true) {
    EXPECT_EQ(call("POST", services_,
                   service_json("kubia", std::string(R"("ports":[{"port":80,"targetPort":8080}])") +
                                             (selecting ? R"(,"selector":{"app":"kubia"})" : "")))
                  .status,
              201);
  }
  void make_pod(const std::string& name, const std::string& ip, bool ready) {
    api::Pod pod;
    pod.metadata.name = name;
    pod.metadata.namespace_ = "default";
    pod.metadata.labels = {{"app", "kubia"}};
    pod.spec.node_name = "n1";
    auto& container = pod.spec.containers.emplace_back();
    container.name = "c";
    container.image = "kubia";
    auto made = client_->create(pod);
    ASSERT_TRUE(made) << made.error().message;
    set_status(name, ip, ready);
  }
  void set_status(const std::string& name, const std::string& ip, bool ready) {
    base::Value patch = base::Object{
        {"status", base::Object{{"phase", "Running"},
                                {"podIP", ip},
                                {"podIPs", base::Array{base::Object{{"ip", ip}}}},
                                {"conditions", base::Array{base::Object{{"type", "Ready"},
                                                                        {"status", ready ? "True" : "False"}}}}}}};
    auto pods = client::resource_of<api::Pod>("default");
    auto done = client_->patch(pods, name, client::PatchType::merge, patch, "status");
    ASSERT_TRUE(done) << done.error().message;
  }
  // Blocks until the slices say so.
  bool wait_ready(const std::string& pod, bool ready) {
    return slices_->wait([&](const Slices::All& all) {
      const auto* endpoint = find(all, pod);
      return endpoint && endpoint->conditions && endpoint->conditions->ready == ready;
    });
  }

  bool wait_endpoints(const std::string& ip) {
    auto end = Clock::now() + server::testing::kPatience;
    while (Clock::now() < end) {
      auto endpoints = client_->get<api::Endpoints>("default", "kubia");
      if (endpoints && !endpoints->subsets.empty() && !endpoints->subsets[0].addresses.empty() &&
          endpoints->subsets[0].addresses[0].ip == ip)
        return true;
      std::this_thread::yield();
    }
    return false;
  }

  sys::SystemClock real_clock_;
  std::unique_ptr<client::Client> client_;
  std::vector<std::unique_ptr<controllers::Controller>> all_;
  std::unique_ptr<Slices> slices_;
};

TEST_F(EndpointControllers, ASliceFollowsAPodWithinFiftyMilliseconds) {
  make_service();
  for (int i = 1; i <= 50; ++i) make_pod(fmt::format("p{}", i), fmt::format("10.244.0.{}", i), true);
  ASSERT_TRUE(slices_->wait([](const auto& all) { return count(all) == 50; }));
  std::vector<double> took;
  for (int i = 0; i < 40; ++i) {
    bool ready = i % 2 == 1;
    auto start = Clock::now();
    set_status("p7", "10.244.0.7", ready);
    ASSERT_TRUE(wait_ready("p7", ready));
    took.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  std::ranges::sort(took);
  fmt::print("readiness -> slice: p50 {:.1f} ms, p90 {:.1f} ms, most {:.1f} ms\n", took[20], took[36], took[39]);
  EXPECT_LT(took[20], 50.0);
}

TEST_F(EndpointControllers, WritesOnlyWhatChanged) {
  make_service();
  make_pod("a", "10.244.0.1", true);
  ASSERT_TRUE(wait_ready("a", true));
  make_pod("b", "10.244.0.2", true);
  ASSERT_TRUE(wait_ready("b", true));
  int before = slices_->changes();
  // Nothing of this matters to an endpoint ...
  for (int i = 0; i < 20; ++i) {
    base::Object annotations{{"n", std::to_string(i)}};
    base::Value note = base::Object{{"metadata", base::Object{{"annotations", std::move(annotations)}}}};
    ASSERT_TRUE(client_->patch(client::resource_of<api::Pod>("default"), "a", client::PatchType::merge, note));
    set_status("a", "10.244.0.1", true);
  }
  // ... and this does: one write.
  set_status("b", "10.244.0.2", false);
  ASSERT_TRUE(wait_ready("b", false));
  EXPECT_EQ(slices_->changes(), before + 1);
}

TEST_F(EndpointControllers, ABurstOfPodsFillsSlices) {
  make_service();
  for (int i = 0; i < 250; ++i) {
    make_pod(fmt::format("p{}", i), fmt::format("10.244.{}.{}", i / 200, i % 200 + 1), true);
  }
  size_t most = 0;
  ASSERT_TRUE(slices_->wait([&](const auto& all) {
    for (const auto& [key, slice] : all) most = std::max(most, slice->endpoints.size());
    return count(all) == 250;
  }));
  EXPECT_EQ(most, 100u);
  ASSERT_TRUE(slices_->wait([](const auto& all) { return std::ranges::count_if(all, [](const auto& one) {
                                                             return one.second->metadata.name != "kubernetes";
                                                           }) == 3; }));
}

TEST_F(EndpointControllers, HandMadeEndpointsAndALostSelector) {
  make_service(false);
  EXPECT_EQ(call("POST", "/api/v1/namespaces/default/endpoints",
                 R"({"apiVersion":"v1","kind":"Endpoints","metadata":{"name":"kubia"},"subsets":[{"addresses":)"
                 R"([{"ip":"11.11.11.11"},{"ip":"22.22.22.22"}],"ports":[{"port":80}]}]})")
                .status,
            201);
  ASSERT_TRUE(slices_->wait([](const auto& all) { return count(all) == 2; }));
  // With a selector the controllers take over ...
  make_pod("a", "10.244.0.1", true);
  EXPECT_EQ(patch(services_ + "/kubia", "merge-patch+json", R"({"spec":{"selector":{"app":"kubia"}}})").status, 200);
  ASSERT_TRUE(slices_->wait([](const auto& all) {
    return count(all) == 1 && find(all, "a") && managers(all) == "endpointslice-controller";
  }));
  // ... and without it again, what there was stays, and follows the Endpoints.
  ASSERT_TRUE(wait_endpoints("10.244.0.1"));
  EXPECT_EQ(patch(services_ + "/kubia", "merge-patch+json", R"({"spec":{"selector":null}})").status, 200);
  ASSERT_TRUE(slices_->wait([](const auto& all) {
    return count(all) == 1 && managers(all) == "endpointslicemirroring-controller";
  }));
  EXPECT_EQ(call("DELETE", "/api/v1/namespaces/default/endpoints/kubia").status, 200);
  ASSERT_TRUE(slices_->wait([](const auto& all) { return count(all) == 0 && managers(all).empty(); }));
}

TEST_F(EndpointControllers, ANameHasNoEndpoints) {
  make_service();
  make_pod("a", "10.244.0.1", true);
  ASSERT_TRUE(wait_ready("a", true));
  EXPECT_EQ(patch(services_ + "/kubia", "merge-patch+json",
                  R"({"spec":{"type":"ExternalName","externalName":"api.somecompany.com","clusterIP":null,)"
                  R"("clusterIPs":null,"ipFamilies":null,"ipFamilyPolicy":null,"internalTrafficPolicy":null}})")
                .status,
            200);
  ASSERT_TRUE(slices_->wait([](const auto& all) { return managers(all).empty(); }));
}

TEST_F(EndpointControllers, PodsOfALostNodeLeave) {
  make_service();
  make_pod("a", "10.244.0.1", true);
  ASSERT_TRUE(wait_ready("a", true));
  EXPECT_EQ(call("DELETE", "/api/v1/nodes/n1").status, 200);
  ASSERT_TRUE(slices_->wait([](const auto& all) { return count(all) == 0; }));
}

}  // namespace
