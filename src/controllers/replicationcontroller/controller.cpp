#include "controllers/replicaset/loop.hpp"

namespace controllers {
namespace {

struct RcFace {
  static constexpr const char* kName = "replicationcontroller";
  static constexpr bool kCountsTerminating = false;
  static constexpr const char* kComponent = "replication-controller";
  static std::shared_ptr<const api::ReplicaSet> set_of(const std::shared_ptr<const api::ReplicationController>& rc) {
    return std::make_shared<const api::ReplicaSet>(as_set(*rc));
  }
  static void put_status(api::ReplicationController& rc, const api::ReplicaSetStatus& status) {
    rc.status = as_rc_status(status);
  }
};

}  // namespace

std::unique_ptr<Controller> make_replication_controller(client::Client client, const sys::Clock& clock) {
  return std::make_unique<ReplicaLoop<api::ReplicationController, RcFace>>(std::move(client), clock);
}

}  // namespace controllers
