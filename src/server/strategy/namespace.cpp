#include <algorithm>
#include <array>

#include "api/meta.hpp"
#include "api/status.hpp"
#include "server/strategy/strategy.hpp"

namespace server {

namespace {

constexpr std::array<std::string_view, 4> kImmortal = {"default", "kube-system", "kube-public",
                                                       "kube-node-lease"};

// The finalizer in spec keeps a namespace until the controller has emptied it.
class NamespaceStrategy final : public Strategy {
 public:
  void prepare_create(WriteContext&, base::Value& object) const override {
    auto& finalizers = object.make({"spec", "finalizers"});
    if (!finalizers.is_array()) finalizers = base::Array{};
    const auto& list = finalizers.as_array();
    bool has = std::any_of(list.begin(), list.end(),
                           [](const base::Value& v) { return v.as_string() == "kubernetes"; });
    if (!has) finalizers.array().emplace_back("kubernetes");
    object.object().set("status", base::Value(base::Object{{"phase", "Active"}}));
    set_name_label(object);
  }

  void prepare_update(WriteContext&, base::Value& fresh, const base::Value& old) const override {
    fresh.make({"spec"}) = old["spec"];
    fresh.make({"status"}) = old["status"];
    set_name_label(fresh);
  }

  void prepare_status(WriteContext& context, base::Value& fresh, const base::Value& old) const override {
    Strategy::prepare_status(context, fresh, old);
    set_name_label(fresh);
  }

  base::Result<void> check_delete(const api::Kind& kind, std::string_view name) const override {
    if (std::find(kImmortal.begin(), kImmortal.end(), name) != kImmortal.end()) {
      return std::unexpected(api::forbidden(kind.plural, name, "this namespace may not be deleted"));
    }
    return {};
  }

  bool may_go(const base::Value& object) const override {
    return object.at({"spec", "finalizers"}).as_array().empty();
  }
  bool returns_deleted_object() const override { return true; }

 private:
  static void set_name_label(base::Value& object) {
    std::string name(api::name_of(object));
    if (!name.empty()) api::set_label(object, "kubernetes.io/metadata.name", name);
  }
};

}  // namespace

std::unique_ptr<Strategy> make_namespace_strategy() { return std::make_unique<NamespaceStrategy>(); }

}  // namespace server
