// What a schema cannot say about a kind: which fields the server sets, what it allocates, how the kind is
// deleted. One small class per kind beside this file; the list of them is strategy/table.cpp.
//
// Threading: strategies are immutable. Those that allocate are called on the store's writer thread; the others on any, and maybe again when what they decided on has changed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "base/value.hpp"
#include "server/strategy/allocators.hpp"
#include "store/store.hpp"

namespace server {

struct User;

// What a strategy may look at and use while one write is decided.
struct WriteContext {
  store::Txn& txn;
  const api::Kind& kind;
  base::Time now;
  bool dry_run = false;
  Allocators::Journal& allocations;
  std::vector<std::string>& warnings;
  const api::Registry& builtin;
  const User* user = nullptr;  // who asks; null for the server's own writes
};

class Strategy {
 public:
  virtual ~Strategy() = default;

  // After decoding and defaults, before validation.
  virtual void prepare_create(WriteContext& context, base::Value& object) const;
  // `fresh` replaces the object through its main resource: what belongs to status is taken from `old`.
  virtual void prepare_update(WriteContext& context, base::Value& fresh, const base::Value& old) const;
  // `fresh` came through /status: everything but status (and a little metadata) is taken from `old`.
  virtual void prepare_status(WriteContext& context, base::Value& fresh, const base::Value& old) const;

  // `fresh` came through another subresource that speaks the kind itself (approval, resize, ephemeralcontainers):
  // everything but that part is taken from `old`.
  virtual base::Result<void> prepare_part(WriteContext&, std::string_view /*part*/, base::Value& /*fresh*/,
                                          const base::Value& /*old*/) const {
    return {};
  }

  // After validation: what looks at other objects or allocates.
  virtual base::Result<void> admit_create(WriteContext&, base::Value& /*object*/) const { return {}; }
  virtual base::Result<void> admit_update(WriteContext&, base::Value& /*fresh*/,
                                          const base::Value& /*old*/) const {
    return {};
  }

  virtual base::Result<void> check_delete(const api::Kind&, std::string_view /*name*/) const { return {}; }
  // Seconds that the object gets to end by itself; nothing for kinds that are deleted at once.
  virtual std::optional<int64_t> grace_seconds(const base::Value& /*object*/,
                                               std::optional<int64_t> /*wanted*/) const {
    return std::nullopt;
  }
  // Whether an object that is being deleted and has no metadata.finalizers left may go.
  virtual bool may_go(const base::Value& /*object*/) const { return true; }
  // The object goes: give back what was allocated for it.
  virtual void release(WriteContext&, const base::Value& /*object*/) const {}

  // Whether it uses WriteContext::allocations: only the writer may.
  virtual bool allocates() const { return false; }
  virtual bool tracks_generation(const api::Kind& kind) const;
  virtual bool allows_create_on_update() const { return false; }
  virtual bool allows_unconditional_update() const { return true; }
  virtual bool returns_deleted_object() const { return false; }
  virtual bool orphans_by_default() const { return false; }
};

// A write of the status may also change what clients own of the metadata: `sent` has them.
void keep_sent_metadata(base::Value& fresh, const base::Value& sent);

// What kinds without a line in the table get.
std::unique_ptr<Strategy> make_default_strategy();
// CustomResourceDefinitions, and the objects of their kinds.
std::unique_ptr<Strategy> make_definition_strategy();
std::unique_ptr<Strategy> make_custom_strategy();
std::unique_ptr<Strategy> make_service_strategy();
std::unique_ptr<Strategy> make_pod_strategy();
std::unique_ptr<Strategy> make_namespace_strategy();
std::unique_ptr<Strategy> make_node_strategy();
std::unique_ptr<Strategy> make_replication_controller_strategy();
std::unique_ptr<Strategy> make_endpointslice_strategy();
std::unique_ptr<Strategy> make_plain_strategy(bool create_on_update, bool returns_deleted, bool unconditional = true);

// The table: which strategy a kind has.
class Strategies {
 public:
  Strategies();
  void add(std::string_view group, std::string_view plural, std::unique_ptr<Strategy> strategy);
  const Strategy& of(const api::Kind& kind) const;
  const Strategy& custom() const { return *custom_; }

 private:
  struct Row {
    std::string_view group;
    std::string_view plural;
    std::unique_ptr<Strategy> strategy;
  };
  std::vector<Row> rows_;
  std::unique_ptr<Strategy> default_;
  std::unique_ptr<Strategy> custom_;
};

// Beyond those above: one list per file, added by the constructor.
void add_workload_strategies(Strategies& table);
void add_platform_strategies(Strategies& table);
void add_access_strategies(Strategies& table);
void add_address_strategies(Strategies& table);

}  // namespace server
