#include "controllers/replicaset/loop.hpp"

namespace controllers {
namespace {

struct SetFace {
  static constexpr const char* kName = "replicaset";
  static constexpr const char* kComponent = "replicaset-controller";
  static constexpr bool kCountsTerminating = true;
  static std::shared_ptr<const api::ReplicaSet> set_of(std::shared_ptr<const api::ReplicaSet> set) {
    return set;
  }
  static void put_status(api::ReplicaSet& set, const api::ReplicaSetStatus& status) { set.status = status; }
};

}  // namespace

std::unique_ptr<Controller> make_replicaset_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<ReplicaLoop<api::ReplicaSet, SetFace>>(std::move(client), clock);
}

}  // namespace controllers
