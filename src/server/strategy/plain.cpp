#include <algorithm>
#include <array>

#include "api/meta.hpp"
#include "server/strategy/strategy.hpp"

namespace server {

namespace {

bool has_status(const api::Kind& kind) { return kind.find_subresource("status") != nullptr; }

void take_member(base::Value& to, const base::Value& from, std::string_view member) {
  if (const auto* value = from.as_object().find(member)) {
    to.object().set(member, *value);
  } else {
    to.object().erase(member);
  }
}

class PlainStrategy : public Strategy {
 public:
  PlainStrategy(bool create_on_update, bool returns_deleted, bool unconditional = true)
      : create_on_update_(create_on_update), returns_deleted_(returns_deleted), unconditional_(unconditional) {}
  bool allows_create_on_update() const override { return create_on_update_; }
  bool returns_deleted_object() const override { return returns_deleted_; }
  bool allows_unconditional_update() const override { return unconditional_; }

 private:
  bool create_on_update_;
  bool returns_deleted_;
  bool unconditional_;
};

class NodeStrategy final : public PlainStrategy {
 public:
  NodeStrategy() : PlainStrategy(false, true) {}
  // A kubelet registers its Node with its status.
  void prepare_create(WriteContext&, base::Value&) const override {}
};

class ReplicationControllerStrategy final : public PlainStrategy {
 public:
  ReplicationControllerStrategy() : PlainStrategy(false, false) {}
  void prepare_create(WriteContext& context, base::Value& object) const override {
    Strategy::prepare_create(context, object);
    object.object().set("status", base::Value(base::Object{{"replicas", 0}}));
  }
  // The core group is older than cascading deletion: without a policy the pods stay.
  bool orphans_by_default() const override { return true; }
};

// Its generation counts changes of everything but metadata.
class EndpointSliceStrategy final : public PlainStrategy {
 public:
  EndpointSliceStrategy() : PlainStrategy(false, false) {}
  void prepare_create(WriteContext&, base::Value& object) const override { api::set_generation(object, 1); }
  void prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_update(context, fresh, old);
    int64_t generation = api::generation_of(old);
    api::set_generation(fresh, differs(fresh, old) ? generation + 1 : generation);
  }
  bool tracks_generation(const api::Kind&) const override { return false; }

 private:
  static bool differs(const base::Value& fresh, const base::Value& old) {
    return fresh["endpoints"] != old["endpoints"] || fresh["ports"] != old["ports"] ||
           api::labels_of(fresh) != api::labels_of(old);
  }
};

}  // namespace

void Strategy::prepare_create(WriteContext& context, base::Value& object) const {
  if (has_status(context.kind)) object.object().erase("status");
}

void Strategy::prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const {
  if (has_status(context.kind)) take_member(fresh, old, "status");
}

void Strategy::prepare_status(WriteContext& context, base::Value& fresh, const base::Value& old) const {
  base::Value result = old;
  take_member(result, fresh, "status");
  // Of the metadata the core group takes what clients own; newer groups take nothing.
  if (context.kind.group.empty()) {
    for (std::string_view member : {"labels", "annotations", "finalizers"}) {
      take_member(result.make({"metadata"}), fresh["metadata"], member);
    }
  }
  fresh = std::move(result);
}

bool Strategy::tracks_generation(const api::Kind& kind) const {
  // Those of the core group that have a spec, but never had a generation.
  constexpr std::array<std::string_view, 8> kWithout = {
      "services",       "nodes",       "namespaces", "persistentvolumes", "persistentvolumeclaims",
      "resourcequotas", "limitranges", "leases"};
  if (std::find(kWithout.begin(), kWithout.end(), kind.plural) != kWithout.end()) return false;
  return kind.schema && kind.schema->find("spec") != nullptr;
}

std::unique_ptr<Strategy> make_default_strategy() { return std::make_unique<Strategy>(); }
std::unique_ptr<Strategy> make_node_strategy() { return std::make_unique<NodeStrategy>(); }
std::unique_ptr<Strategy> make_replication_controller_strategy() {
  return std::make_unique<ReplicationControllerStrategy>();
}
std::unique_ptr<Strategy> make_endpointslice_strategy() { return std::make_unique<EndpointSliceStrategy>(); }
std::unique_ptr<Strategy> make_plain_strategy(bool create_on_update, bool returns_deleted, bool unconditional) {
  return std::make_unique<PlainStrategy>(create_on_update, returns_deleted, unconditional);
}

void keep_sent_metadata(base::Value& fresh, const base::Value& sent) {
  base::Object& metadata = fresh.make({"metadata"}).object();
  for (std::string_view member : {"labels", "annotations", "finalizers"}) {
    if (sent[member].is_null()) metadata.erase(member);
    else metadata.set(member, sent[member]);
  }
}

}  // namespace server
